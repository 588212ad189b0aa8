"""A table in use: instruments open behind their roles, and the way to leave them safe."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from drivers.base import Driver
from drivers.pfeiffer.tpg import PfeifferTPG
from drivers.thorlabs.ted4015 import ThorlabsTED4015
from labctl.configuration.servos import DitherServo, PiezoOutput, SoftwareServo
from labctl.configuration.station_file import PiezoLimits, ServoLoop, StationFile
from labctl.errors import ConfigurationError, LabError
from labctl.station.bindings.converters import SteeredPiezo
from labctl.station.bindings.digitizer_chain import BoardInputs, ChainedDigitizer, rows_of_detectors
from labctl.station.bindings.dithered_piezo import DitheredPiezo
from labctl.station.bindings.environment import BoundOven, BoundPicomotor, PinShutter, SlowMonitor
from labctl.station.bindings.light import BoundLaser, BoundPowerMeter
from labctl.station.bindings.loops import BoundLengthScan, BoundServo
from labctl.station.bindings.piezo import BoundPiezo
from labctl.station.bindings.radio_frequency import BoundAnalyzer, BoundDigitizer, PinSwitch
from labctl.station.bindings.ramped_oven import BoundRampedOven
from labctl.station.bindings.rotation import BoundRotator
from labctl.station.bindings.servo_at_piezo import ServoAtPiezo
from labctl.station.bindings.software_servo import SoftwareServo as BoundSoftwareServo
from labctl.station.bindings.tone import BoundTone
from labctl.station.bindings.vacuum import BoundMksGauge, BoundTpgGauge
from labctl.station.clock import Clock
from labctl.station.driver_registry import REGISTRY
from labctl.station.gate import OutputGate
from labctl.station.interlocks import Interlocks
from labctl.station.leases import Leases
from labctl.station.ledger import SettingsLedger
from labctl.station.limits import Limit
from labctl.station.opening import Answer, require_all, require_model
from labctl.station.output_rules import output_rules
from labctl.station.output_rules.motion import angle_limit
from labctl.station.right_of_way import RightOfWay
from labctl.station.roles import (
    Digitizer,
    Gauge,
    LengthScan,
    Picomotor,
    PowerMeter,
    RfSwitch,
    Rotator,
    SpectrumAnalyzer,
    TemperatureController,
    ToneSource,
    TunableLaser,
)
from labctl.station.safe_state import make_safe
from labctl.station.software_loops import bind_software_servo

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Health:
    """Whether an instrument answers, how fast (s, real time), and what went wrong."""

    name: str
    answers: bool
    latency_s: float
    problem: str = ""


@dataclass(frozen=True)
class Setting:
    """One setting of an instrument as read for a snapshot; `problem` where it could not be read."""

    instrument: str
    name: str
    value: str
    at: float
    problem: str = ""


class Station:
    """Roles of one table over its open drivers.

    A role that the station file does not have raises `ConfigurationError` when it is asked for, so a small table runs
    what it can. `on_trouble` is told what a servo that labctl is itself has to say, with the name of its loop first: a
    missed deadline, a loop that opened; it may be called from the clock's thread.
    """

    def __init__(self, file: StationFile, answers: dict[str, Answer], clock: Clock) -> None:
        self.file = file
        self.clock = clock
        self.answers = answers
        self.leases = Leases()
        self.way = RightOfWay()
        self.ledger = SettingsLedger()
        self._drivers = require_all(answers)
        self._ramped_oven: BoundRampedOven | None = None
        self.before_safe: list[Callable[[], None]] = []
        self._interlocks: Interlocks | None = None
        self.on_trouble: Callable[[str, str], None] = lambda name, sentence: log.warning(sentence)
        self.gate = OutputGate(clock, self.way)
        self.gate.on_refusal = log.warning
        self.gate.add(output_rules(file, self._drivers, self._servo_at_piezo_v))
        for name, driver in self._drivers.items():
            driver.on_setting = self.ledger.keeper_for(name)
            driver.gate_with(self.gate)

    # ---- roles ----------------------------------------------------------------------------------------------------

    @cached_property
    def analyzer(self) -> SpectrumAnalyzer:
        """Return the spectrum analyzer."""
        entry = _needed(self.file.analyzer, "[analyzer]")
        return BoundAnalyzer(self._driver(entry.instrument), entry.longest_sweep)

    @cached_property
    def rf_switch(self) -> RfSwitch:
        """Return the switch before the analyzer."""
        entry = _needed(self.file.rf_switch, "[rf_switch]")
        return PinSwitch(self._driver(entry.instrument), entry.pins, entry.positions, self.clock)

    @cached_property
    def digitizer(self) -> Digitizer:
        """Return the digitizer of the detectors."""
        entry = _needed(self.file.digitizer, "[digitizer]")
        detectors = [f"bhd{number}" for number in range(1, self.file.station.sensors + 1)]
        wired = {name: number for board in entry.boards for name, number in board.inputs.items()}
        if missing := [name for name in detectors if name not in wired]:
            raise ConfigurationError(f"[digitizer] has no input for {', '.join(missing)}.", remedy="Add it to inputs.")
        if not entry.chain:
            inputs = [wired[name] for name in detectors]
            return BoundDigitizer(self._driver(entry.instrument), inputs, entry.gain, entry.decimation, self.clock)
        boards = [
            BoardInputs(self._driver(board.instrument), rows_of_detectors(board.inputs, detectors))
            for board in entry.boards
        ]
        return ChainedDigitizer(boards, entry.gain, entry.decimation, self.clock)

    @cached_property
    def oven(self) -> TemperatureController:
        """Return the crystal oven."""
        return self._oven

    @cached_property
    def scan(self) -> LengthScan:
        """Return the fast scan of the source cavity."""
        entry = _needed(self.file.scan, "[scan]")
        board = self._driver(entry.instrument)
        return BoundLengthScan(
            board, entry.output, entry.volts_per_volt, entry.error_input, entry.transmission_input, self.clock
        )

    @cached_property
    def shutters(self) -> dict[str, PinShutter]:
        """Return the shutters by name."""
        return {
            name: PinShutter(name, self._driver(entry.instrument), entry.pin, entry.open_level, self.clock, self.way)
            for name, entry in self.file.shutters.items()
        }

    @cached_property
    def monitors(self) -> dict[str, SlowMonitor]:
        """Return the slow monitors by name."""
        return {
            name: SlowMonitor(self._driver(entry.instrument), entry.input, entry.offset, entry.gain)
            for name, entry in self.file.monitors.items()
        }

    @cached_property
    def servos(self) -> dict[str, BoundServo | BoundSoftwareServo]:
        """Return the servo of each loop that has one: a sensor cavity is held by its piezo alone."""
        return {name: self._servo(name, loop) for name, loop in self.file.servo_loops.items()}

    def _servo(self, name: str, loop: ServoLoop) -> BoundServo | BoundSoftwareServo:
        entry = loop.servo
        if isinstance(entry, SoftwareServo):
            tell = lambda text: self.on_trouble(name, text)  # noqa: E731
            return bind_software_servo(name, loop, entry, self.piezo_limits, self, tell)
        module = self._driver(entry.instrument).modules[entry.slot]
        return BoundServo(name, module, loop.output_limit, self.clock, self.way)

    def software_servos(self) -> Iterator[BoundSoftwareServo]:
        """Return the servos that labctl is itself, those that were bound so far."""
        for servo in self.__dict__.get("servos", {}).values():
            if isinstance(servo, BoundSoftwareServo):
                yield servo

    @cached_property
    def piezos(self) -> dict[str, BoundPiezo]:
        """Return the piezo of each loop, and those that no loop drives."""
        if not (self.file.loops or self.file.piezos):
            return {}
        limits = self.piezo_limits
        wired = {name: loop.piezo for name, loop in self.file.loops.items()} | dict(self.file.piezos)
        return {
            name: self._piezo(name, self._driver(entry.instrument).channels[entry.channel], limits)
            for name, entry in wired.items()
        }

    def _piezo(self, name: str, channel: Any, limits: PiezoLimits) -> BoundPiezo:
        limit = Limit(f"piezo {name}", limits.minimum, limits.maximum, "V", "[piezo_limits] minimum and maximum")
        servo = self.file.loops[name].servo if name in self.file.loops else None
        if isinstance(servo, DitherServo):
            return DitheredPiezo(name, channel, limit, limits.slew, self.clock, self.way)
        if isinstance(servo, SoftwareServo) and isinstance(servo.output, PiezoOutput):
            return SteeredPiezo(name, channel, limit, limits.slew, self.clock, limits.servo_gain, self.way)
        return BoundPiezo(name, channel, limit, limits.slew, self.clock, self._servo_at_piezo(name), self.way)

    @property
    def piezo_limits(self) -> PiezoLimits:
        """Return the limits of the piezos."""
        return _needed(self.file.piezo_limits, "[piezo_limits]")

    def _servo_at_piezo(self, name: str) -> ServoAtPiezo | None:
        """Return the servo that adds its output to a piezo, through the external input of its amplifier."""
        loop = self.file.servo_loops.get(name)
        if loop is None or (isinstance(loop.servo, SoftwareServo) and isinstance(loop.servo.output, PiezoOutput)):
            return None
        return ServoAtPiezo(self.piezo_limits.servo_gain, lambda: self.servos[name])

    def _servo_at_piezo_v(self, name: str) -> tuple[float, float]:
        servo = self._servo_at_piezo(name)
        return (0.0, 0.0) if servo is None else servo.asked_v()

    @cached_property
    def cavity_piezos(self) -> dict[str, DitheredPiezo]:
        """Return the piezo of each loop of a sensor cavity."""
        return {name: piezo for name, piezo in self.piezos.items() if isinstance(piezo, DitheredPiezo)}

    @cached_property
    def mirrors(self) -> dict[str, Picomotor]:
        """Return the motorized mirrors by name."""
        if not self.file.mirrors:
            return {}
        most = _needed(self.file.mirror_limits, "[mirror_limits]").steps_per_move
        mirrors: dict[str, Picomotor] = {}
        for name, entry in self.file.mirrors.items():
            axes = self._driver(entry.instrument).controllers[entry.controller].axes
            mirrors[name] = BoundPicomotor(name, axes[entry.pitch], axes[entry.yaw], most, self.clock, self.way)
        return mirrors

    @cached_property
    def gauges(self) -> dict[str, Gauge]:
        """Return the vacuum gauges by name."""
        gauges: dict[str, Gauge] = {}
        for name, entry in self.file.gauges.items():
            controller = self._driver(entry.instrument)
            if isinstance(controller, PfeifferTPG):
                gauges[name] = BoundTpgGauge(name, controller.gauges[entry.channel])
            else:
                gauges[name] = BoundMksGauge(name, controller.channels[entry.channel])
        return gauges

    @cached_property
    def rotators(self) -> dict[str, Rotator]:
        """Return the rotation mounts by name."""
        return {
            name: BoundRotator(
                name,
                self._driver(entry.instrument).rotators[entry.address],
                angle_limit(name, entry),
                self.clock,
                self.way,
            )
            for name, entry in self.file.rotators.items()
        }

    @cached_property
    def laser(self) -> TunableLaser:
        """Return the tunable laser."""
        entry = _needed(self.file.laser, "[laser]")
        key = "[laser] minimum_{0} and maximum_{0}"
        return BoundLaser(
            "laser",
            self._driver(entry.instrument),
            Limit("laser", entry.minimum_wavelength, entry.maximum_wavelength, "m", key.format("wavelength")),
            Limit("laser", entry.minimum_power, entry.maximum_power, "W", key.format("power")),
            self.clock,
            self.way,
        )

    @cached_property
    def tones(self) -> dict[str, ToneSource]:
        """Return the tones by name."""
        tones: dict[str, ToneSource] = {}
        for name, entry in self.file.tones.items():
            key = f"[tones.{name}] minimum_{{0}} and maximum_{{0}}"
            tones[name] = BoundTone(
                name,
                self._driver(entry.instrument).channels[entry.output],
                Limit(f"tone {name}", entry.minimum_frequency, entry.maximum_frequency, "Hz", key.format("frequency")),
                Limit(f"tone {name}", entry.minimum_amplitude, entry.maximum_amplitude, "V", key.format("amplitude")),
                self.way,
            )
        return tones

    @cached_property
    def power_meters(self) -> dict[str, PowerMeter]:
        """Return the optical power meters by name."""
        return {
            name: BoundPowerMeter(
                name,
                self._driver(entry.instrument),
                Limit(
                    f"power meter {name}",
                    entry.minimum_wavelength,
                    entry.maximum_wavelength,
                    "m",
                    f"[power_meters.{name}] minimum_wavelength and maximum_wavelength",
                ),
                entry.attenuation_db,
            )
            for name, entry in self.file.power_meters.items()
        }

    @cached_property
    def _oven(self) -> BoundOven | BoundRampedOven:
        entry = _needed(self.file.oven, "[oven]")
        driver = self._driver(entry.instrument)
        temperature = Limit("oven target", entry.minimum, entry.maximum, "degC", "[oven] minimum and maximum")
        ramp = Limit("oven ramp", 1e-4, entry.ramp, "K/s", "[oven] ramp")
        if not isinstance(driver, ThorlabsTED4015):
            return BoundOven(driver, entry.channel, temperature, ramp, self.way)
        # One for good: a ramp goes on through `rebind`, and two must not pull at one target.
        if self._ramped_oven is None:
            self._ramped_oven = BoundRampedOven(driver, temperature, ramp, self.clock, self.way)
        return self._ramped_oven

    # ---- state ----------------------------------------------------------------------------------------------------

    def raise_piezos(self) -> None:
        """Ramp every piezo to its bias; that of a sensor cavity only from rest, for its lock has put it elsewhere."""
        biases = {name: loop.bias for name, loop in self.file.loops.items()}
        biases |= {name: piezo.bias for name, piezo in self.file.piezos.items()}
        for name, bias in biases.items():
            if name not in self.cavity_piezos or not self.piezos[name].commanded_v:
                self.piezos[name].ramp_to(bias)

    @property
    def interlocks(self) -> Interlocks:
        """Return the interlocks of the table; they look once somebody starts them."""
        if self._interlocks is None:
            self._interlocks = Interlocks(self)
        return self._interlocks

    def driver(self, name: str) -> Driver:
        """Return the driver of one instrument, for looking after it; procedures use roles."""
        return self._drivers[name]

    def rebind(self) -> None:
        """Forget what the roles remember of their instruments: they start anew after an instrument was away.

        Loops that labctl closes itself are opened where they are.
        """
        for servo in self.software_servos():
            servo.hold()
        for name, value in vars(type(self)).items():
            if isinstance(value, cached_property):
                self.__dict__.pop(name, None)

    def health(self) -> list[Health]:
        """Ask every instrument who it is and return how it answered."""
        return [self._health(name, driver) for name, driver in self._drivers.items()]

    def health_of(self, name: str) -> Health:
        """Ask one instrument who it is and return how it answered."""
        return self._health(name, self._drivers[name])

    def settings(self) -> list[Setting]:
        """Read the settings that belong into a snapshot."""
        return [
            self._setting(name, driver, setting)
            for name, driver in self._drivers.items()
            for setting in REGISTRY[self.file.instruments[name].driver].settings
        ]

    def make_safe(self) -> list[str]:
        """Leave the table safe, see `labctl.station.safe_state`: light first, then servos, high voltage and heat.

        May be called from any thread: what moves the table in another ends with `Stopped`. Returns one sentence for
        each device that could not be made safe; never raises.
        """
        return make_safe(self)

    def close(self) -> None:
        """Close every link; instruments keep their state, and a loop that labctl closes itself the output it has."""
        for servo in self.software_servos():
            if servo.closed:
                self.on_trouble(
                    servo.name, f"{servo.name}: its servo is this program, which ends: the output stays where it is."
                )
            servo.hold()
        if self._ramped_oven is not None:
            self._ramped_oven.stop_ramp()
        for driver in self._drivers.values():
            try:
                driver.close()
            except Exception:
                continue

    def _driver(self, name: str) -> Any:
        return self._drivers[name]

    def _health(self, name: str, driver: Driver) -> Health:
        started = time.perf_counter()
        try:
            require_model(name, self.file.instruments[name], driver.read_identity())
        except LabError as error:
            return Health(name, False, time.perf_counter() - started, str(error))
        return Health(name, True, time.perf_counter() - started)

    def _setting(self, name: str, driver: Driver, setting: str) -> Setting:
        try:
            return Setting(name, setting, str(getattr(driver, setting)), self.clock.now())
        except LabError as error:
            return Setting(name, setting, "", self.clock.now(), str(error))


def _needed(value: T | None, table: str) -> T:
    if value is None:
        raise ConfigurationError(f"This station has no {table}.", remedy=f"Add {table} to the station file.")
    return value
