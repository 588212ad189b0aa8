"""Every instrument that has a driver, alone at a small simulated table, and what is done with it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.sweep import SweepSettings
from labctl.configuration.instrument_kinds import DriverName
from labctl.configuration.station_file import StationFile
from labctl.simulation.simulation import Simulation
from labctl.station.bring_up import Link, link_to, open_station
from labctl.station.station import Station

TIME_OUT_S = 2.0
SWEEP = SweepSettings(4.27e6, 4.28e6, 101, 1000.0, 1000.0, 2)

NETWORK, SERIAL = "TCPIP::192.168.10.11::5025::SOCKET", "ASRL/dev/ttyUSB0::INSTR"
_TABLE: Mapping[str, Any] = {
    "station": {"name": "one instrument", "sensors": 1},
    "light": {
        "wavelength": "1550 nm",
        "probe_power": "5 uW",
        "local_oscillator_power": "5 mW",
        "seed_gain_expected": 4.0,
    },
    "detectors": {
        "quantum_efficiency": {"value": 0.99, "sigma": 0.005},
        "dc_volts_per_ampere": 1000.0,
        "responsivity": "1.24 A/W",
    },
    "sensors": [
        {
            "resonance": "4.276 MHz",
            "search_span": "8 kHz",
            "propagation_efficiency": {"value": 0.92, "sigma": 0.005},
        }
    ],
}
_PIEZO_LIMITS = {"minimum": "0 V", "maximum": "150 V", "slew": "50 V/s", "servo_gain": 15.0}
_OVEN = {
    "channel": 1,
    "target": "35 degC",
    "minimum": "15 degC",
    "maximum": "45 degC",
    "ramp": "0.02 K/s",
    "tolerance": "5 mK",
    "at_shutdown": "hold",
}

Operation = Callable[[Station], object]


@dataclass(frozen=True)
class Alone:
    """One instrument: its entry in the station file, the roles it fills, and what is done with it.

    `operate` uses it as a procedure does; every call sends something. `questions` are settings of its driver that
    answer differently and in the same form, as far as there are such, so that a swapped reply shows. `kept` is a
    setting that moves nothing with a value that it does not wake up with, or says why there is none. One question that
    fails takes up to `time_outs` time-outs, and opening up to `opening_time_outs`.
    """

    name: str
    driver: DriverName
    model: str
    operate: Operation
    questions: tuple[str, str, str]
    kept: tuple[str, Any] | str
    roles: Mapping[str, Any] = field(default_factory=dict)
    entry: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    address: str = NETWORK
    time_outs: int = 1
    opening_time_outs: int = 2

    def station_file(self, faults: list[dict[str, Any]] | None = None, time_out_s: float = TIME_OUT_S) -> StationFile:
        """Return the station file, with faults."""
        own = {"driver": self.driver, "address": self.address, "model": self.model, "timeout": time_out_s, **self.entry}
        backend = {"kind": "simulated", "scenario": "ideal", "faults": faults or []}
        instruments = {self.name: own, **self.others}
        return StationFile.model_validate({**_TABLE, **self.roles, "instruments": instruments, "backend": backend})


@dataclass
class Table:
    """The open table of one instrument."""

    alone: Alone
    link: Link
    station: Station

    @classmethod
    def of(cls, alone: Alone, time_out_s: float = TIME_OUT_S) -> Table:
        file = alone.station_file(time_out_s=time_out_s)
        link = link_to(file)
        return cls(alone, link, open_station(file, link))

    @property
    def simulation(self) -> Simulation:
        assert self.link.simulation is not None
        return self.link.simulation

    @property
    def driver(self) -> Any:
        return self.station.driver(self.alone.name)

    def operate(self) -> object:
        return self.alone.operate(self.station)

    def answers(self) -> list[Any]:
        """Return what the three questions are answered with."""
        return [self.ask(number) for number in range(len(self.alone.questions))]

    def ask(self, number: int) -> Any:
        return self.setting(self.alone.questions[number])

    def setting(self, path: str) -> Any:
        value = self.driver
        for name in path.split("."):
            value = getattr(value, name)
        return value

    def set(self, path: str, value: Any) -> None:
        *channels, name = path.split(".")
        owner = self.driver
        for channel in channels:
            owner = getattr(owner, channel)
        setattr(owner, name, value)

    def wait(self, seconds: float) -> None:
        self.station.clock.sleep(seconds)

    def now(self) -> float:
        return self.station.clock.now()


# ---- what a procedure does -------------------------------------------------------------------------------------------


def take_trace(station: Station) -> Any:
    analyzer = station.analyzer
    analyzer.configure_sweep(SWEEP)
    analyzer.start()
    station.clock.sleep(2 * analyzer.duration_s() + 1.0)
    return analyzer.read_trace()


def _step_piezo(station: Station) -> None:
    piezo = station.piezos["arm"]
    piezo.ramp_to(5.0 if (piezo.commanded_v or 0.0) < 4.0 else 2.0)


def _turn_plate(station: Station) -> None:
    plate = station.rotators["plate"]
    plate.move_to(50.0 if plate.angle_deg() < 40.0 else 30.0)


def _measure_power(station: Station) -> float:
    meter = station.power_meters["probe"]
    meter.set_wavelength(1550e-9)
    return meter.power_w()


def _mirror(controller: int) -> dict[str, Any]:
    mirror = {"instrument": "picomotors", "controller": controller, "pitch": 1, "yaw": 2}
    return {"mirrors": {"sensor1": mirror}, "mirror_limits": {"steps_per_move": 2000}}


def _arm(channel: str) -> dict[str, Any]:
    piezo = {"instrument": "piezo", "channel": channel, "bias": "75 V"}
    return {"piezos": {"arm": piezo}, "piezo_limits": _PIEZO_LIMITS}


_ANALYZER_ROLE = {"analyzer": {"instrument": "analyzer", "longest_sweep": "1 h"}}
_ANALYZER_QUESTIONS = ("resolution_bandwidth_hz", "video_bandwidth_hz", "sweep_points")
_LOCAL_OSCILLATOR = {
    "kind": "homodyne",
    "sensor": 1,
    "quadrature": "+pi/2",
    "servo": {"instrument": "servos", "slot": 3},
    "piezo": {"instrument": "piezo", "channel": "z"},
    "bias": "75 V",
    "output_limit": "4.5 V",
    "unity_gain": "3 kHz",
}

ALONE: Mapping[str, Alone] = {
    "X-series": Alone(
        "analyzer", "keysight-x-series", "N9020A", take_trace, _ANALYZER_QUESTIONS, ("reference_level_dbm", -17.0),
        roles=_ANALYZER_ROLE,
    ),
    "FSV": Alone(
        "analyzer", "rohde-schwarz-fsv", "FSW-13", take_trace, _ANALYZER_QUESTIONS, ("reference_level_dbm", -17.0),
        roles=_ANALYZER_ROLE,
    ),
    "8742": Alone(
        "picomotors", "newport-8742", "8742", lambda s: s.mirrors["sensor1"].move("pitch", 10),
        ("controller_1.axis_1.velocity", "controller_1.axis_1.acceleration", "controller_1.axis_3.home"),
        ("controller_1.axis_2.velocity", 300),
        roles=_mirror(1),
    ),
    "8742 of a chain": Alone(
        "picomotors", "newport-8742", "8742", lambda s: s.mirrors["sensor1"].move("pitch", 10),
        ("controller_2.axis_1.velocity", "controller_2.axis_1.acceleration", "controller_2.axis_3.home"),
        ("controller_2.axis_2.velocity", 300),
        roles=_mirror(2), entry={"chain": [1, 2]},
    ),
    "SIM900 with SIM960": Alone(
        "servos", "srs-sim900", "SIM900", lambda s: s.servos["lo1"].set_output(0.1),
        ("module_3.upper_limit", "module_3.manual_output", "module_3.lower_limit"),
        ("module_3.derivative_gain", 0.02),
        roles={"loops": {"lo1": _LOCAL_OSCILLATOR}, "piezo_limits": _PIEZO_LIMITS}, entry={"slots": {"3": "SIM960"}},
        others={"piezo": {"driver": "thorlabs-mdt693b", "address": "ASRL/dev/ttyACM0::INSTR", "model": "MDT693B"}},
        address=SERIAL, opening_time_outs=4,
    ),
    "MDT693B": Alone(
        "piezo", "thorlabs-mdt693b", "MDT693B", _step_piezo,
        ("ch_y.minimum_voltage", "ch_y.maximum_voltage", "voltage_limit"),
        "its settings are voltages, and the limits of these are kept in the instrument",
        roles=_arm("y"), address=SERIAL, opening_time_outs=5,
    ),
    "MDT694B": Alone(
        "piezo", "thorlabs-mdt694b", "MDT694B", _step_piezo,
        ("ch_x.minimum_voltage", "ch_x.maximum_voltage", "voltage_limit"),
        "its settings are voltages, and the limits of these are kept in the instrument",
        roles=_arm("x"), address=SERIAL, opening_time_outs=5,
    ),
    "TEC": Alone(
        "oven", "meerstetter-tec", "1091", lambda s: s.oven.temperature_c(),
        ("device_type", "serial_number", "flash_saving_disabled"), ("ch_1.coarse_ramp_k_per_s", 0.02),
        roles={"oven": {"instrument": "oven", **_OVEN}}, address=SERIAL, time_outs=3, opening_time_outs=3,
    ),
    "TED4015": Alone(
        "oven", "thorlabs-ted4015", "TED4015", lambda s: s.oven.temperature_c(),
        ("target_temperature_c", "current_limit_a", "oscillation_period_s"), ("proportional_gain_a_per_k", 0.7),
        roles={"oven": {"instrument": "oven", **_OVEN}},
    ),
    "Red Pitaya, four inputs": Alone(
        "digitizer", "redpitaya-4-input", "REDPITAYA", lambda s: s.digitizer.record(),
        ("trigger_delay", "decimation", "sample_rate_hz"), ("trigger_level", 0.125),
        roles={
            "digitizer": {"instrument": "digitizer", "inputs": {"bhd1": 1}, "gain": "LV", "decimation": 8},
        },
        time_outs=3, opening_time_outs=4,
    ),
    "Red Pitaya, two inputs": Alone(
        "scan", "redpitaya-125-14", "REDPITAYA", lambda s: s.shutters["signal"].open(),
        ("trigger_delay", "decimation", "sample_rate_hz"), ("trigger_level", 0.125),
        roles={"shutters": {"signal": {"instrument": "scan", "pin": "DIO0_P", "open_level": 1}}},
        time_outs=3, opening_time_outs=4,
    ),
    "ELL14": Alone(
        "plates", "thorlabs-ell14", "ELL14", _turn_plate,
        ("rotator_0.velocity_percent", "rotator_0.jog_step_deg", "rotator_3.jog_step_deg"),
        ("rotator_3.velocity_percent", 60),
        roles={"rotators": {"plate": {"instrument": "plates", "address": 0}}}, entry={"addresses": [0, 3]},
        address=SERIAL,
    ),
    "TPG": Alone(
        "vacuum", "pfeiffer-tpg", "TPG362", lambda s: s.gauges["chamber"].read(), ("unit", "gauge_types", "unit"),
        "this driver changes nothing",
        roles={"gauges": {"chamber": {"instrument": "vacuum", "channel": 1}}}, address=SERIAL,
    ),
    "937B": Alone(
        "vacuum", "mks-937b", "937B", lambda s: s.gauges["chamber"].read(),
        ("unit", "ch_1.power_enabled", "ch_1.ion_gauge_status"), ("unit", "PASCAL"),
        roles={"gauges": {"chamber": {"instrument": "vacuum", "channel": 1}}}, address=SERIAL,
    ),
    "TSL-570": Alone(
        "laser", "santec-tsl570", "TSL-570", lambda s: s.laser.tune(1551e-9),
        ("wavelength_setpoint", "power_setpoint", "wavelength_max"),
        "its settings are light, and the unit is set whenever it is opened",
        roles={
            "laser": {
                "instrument": "laser",
                "minimum_wavelength": "1540 nm", "maximum_wavelength": "1560 nm",
                "minimum_power": "0.1 mW", "maximum_power": "5 mW",
            }
        },
    ),
    "33500": Alone(
        "generator", "keysight-33500", "33522B", lambda s: s.tones["drive"].set_tone(4e6, 0.1),
        ("ch_1.frequency", "ch_1.amplitude", "ch_1.output_load"),
        "what moves nothing wakes up with the one value that it may have",
        roles={
            "tones": {
                "drive": {
                    "instrument": "generator", "output": 1,
                    "minimum_frequency": "1 MHz", "maximum_frequency": "10 MHz",
                    "minimum_amplitude": "1 mV", "maximum_amplitude": "0.5 V",
                }
            }
        },
    ),
    "PM100": Alone(
        "meter", "thorlabs-pm100", "PM100D", _measure_power, ("wavelength", "wavelength_max", "attenuation_db"),
        ("attenuation_db", 3.0),
        roles={
            "power_meters": {
                "probe": {
                    "instrument": "meter",
                    "minimum_wavelength": "1500 nm", "maximum_wavelength": "1600 nm", "attenuation_db": 3.0,
                }
            }
        },
    ),
}  # fmt: skip
