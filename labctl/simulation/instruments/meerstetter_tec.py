"""A simulated Meerstetter TEC controller of the 109x family, at the level of its bytes (TEC protocol 5136AL)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from labctl.simulation.instruments.meerstetter_frames import Frame, FrameReader
from labctl.simulation.instruments.meerstetter_loop import NO_ERROR, TemperatureLoop
from labctl.simulation.instruments.meerstetter_memory import ParameterMemory
from labctl.simulation.instruments.meerstetter_parameters import (
    ADDRESS,
    CURRENT_LIMIT_A,
    INPUT_SELECTION,
    LIVE_ENABLE,
    OUTPUT_ENABLE,
    RESPONSE_DELAY_US,
    WATCHDOG_S,
    Parameter,
    parameter_table,
)
from labctl.simulation.ports import ThermalPort
from labctl.simulation.wire import Timebase, WireInstrument

ANY_DEVICE, SILENT_BROADCAST = 0, 255
BUSY = 2
COMMAND_UNKNOWN, FORMAT, NO_PARAMETER, READ_ONLY, OUT_OF_RANGE, NO_INSTANCE = 1, 4, 5, 6, 7, 8
INITIALISING, READY, RUNNING, ERROR, RESETTING = 0, 1, 2, 3, 5
EMERGENCY_STOP, WATCHDOG_EXPIRED = 11, 183
SENSOR_SHORT, SENSOR_OPEN = 133, 134
TEMPERATURE_CONTROLLER, OUTPUT_ON, OUTPUT_LIVE = 2, 1, 2

RESET_DELAY_S = 0.2
# The times below are not published; they are of the order of what such a controller takes.
SILENCE_AT_START_S = 0.5
INITIALISATION_S = 0.5
PROCESSING_S = 1e-3

PELTIER_RESISTANCE_OHM = 2.0
CURRENT_NOISE_A = 1e-3  # rms of the current monitor
DEVICE_TEMPERATURE_C = 32.0
NTC_OHM_AT_25_C, NTC_BETA_K, ZERO_C_K = 10e3, 3435.0, 273.15

_PARAMETER = re.compile(r"(?P<number>[0-9A-F]{4})(?P<instance>[0-9A-F]{2})")
_SETTING = re.compile(r"(?P<number>[0-9A-F]{4})(?P<instance>[0-9A-F]{2})(?P<value>[0-9A-F]{8})")
_IDENTIFICATION_WIDTH = 20


class ServerError(Exception):
    """The device understood a frame and says no with a code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class DeviceError:
    """What parameters 105 to 107 show."""

    number: int
    instance: int = 1
    parameter: int = 0


class SimulatedTEC(WireInstrument):
    """A TEC controller with a loop for each entry of `thermal` (channel number to port, numbered from 1 without gaps).

    Frames with a wrong checksum or for another address are ignored in silence. `stored` overrides what the flash of a
    new device holds (parameter number to value, every channel), so {2051: 21} gives it the address 21. PID gains and
    the limits of current and voltage are kept and read back, but it is the port that regulates. Static and live
    currents leave the output off, as does the hardware pin. A repeated sequence number is executed again.
    """

    baud = 57600.0

    _loops: dict[int, TemperatureLoop]
    _error: DeviceError | None
    _restart_at: float | None

    def __init__(
        self,
        timebase: Timebase,
        thermal: Mapping[int, ThermalPort],
        rng: np.random.Generator,
        device_type: int = 1091,
        serial: str = "4711",
        firmware: str = "3.10",
        identification: str = "8065-TEC SW G01",
        stored: Mapping[int, float] | None = None,
    ) -> None:
        super().__init__(timebase)
        self._ports = dict(thermal)
        self._rng = rng
        self._identification = f"{identification:<{_IDENTIFICATION_WIDTH}}"[:_IDENTIFICATION_WIDTH]
        self._table = parameter_table(device_type)
        self._reader = FrameReader()
        self._memory = ParameterMemory(self._table, len(self._ports), stored or {})
        self._setting = self._memory.get
        self._readings = self._make_readings(device_type, int(serial), round(float(firmware) * 100))
        self._busy_answers = 0.0
        self._broken_sensors: dict[int, int] = {}
        self._advanced_to = self.now()
        self._start(now=self.now(), silence=0.0, initialisation=0.0)

    @property
    def flash_writes(self) -> int:
        """How many changes went to flash, or are about to."""
        return self._memory.writes

    # ---- faults ------------------------------------------------------------------------------------------------------

    def be_busy(self, answers: float) -> None:
        """Answer the next `answers` commands with error 2, busy; infinity lasts until the next call."""
        self._busy_answers = answers

    def break_sensor(self, error: int | None, channel: int = 1) -> None:
        """Short (133) or open (134) the object sensor of a channel, or mend it (None), which the error outlives."""
        if error is None:
            self._broken_sensors.pop(channel, None)
        else:
            self._broken_sensors[channel] = error
        self.advance(self.now())

    # ---- the wire ----------------------------------------------------------------------------------------------------

    def on_bytes(self, data: bytes) -> None:
        """Take bytes from the host; they may end in the middle of a frame."""
        self.advance(self.now())
        if self.now() < self._deaf_until:
            return
        for frame in self._reader.feed(data):
            if frame.address in (ANY_DEVICE, int(self._setting(1, ADDRESS)), SILENT_BROADCAST):
                self._handle(frame)

    def _handle(self, frame: Frame) -> None:
        self._heard_at = self.now()
        delay = PROCESSING_S + self._setting(1, RESPONSE_DELAY_US) * 1e-6
        try:
            answer = self._execute(frame.payload)
        except ServerError as error:
            answer = f"+{error.code:02X}"
        if frame.address != SILENT_BROADCAST:
            self.send(frame.reply(answer) if answer else frame.acknowledgement(), delay)

    def _execute(self, payload: str) -> str:
        """Return the payload of the answer, empty for an acknowledgement."""
        if self._busy_answers > 0:
            self._busy_answers -= 1
            raise ServerError(BUSY)
        match payload[:3]:
            case "?VR":
                parameter, instance = self._find(_match(_PARAMETER, payload[3:]))
                return parameter.encode(self._value(parameter, instance))
            case "?VL":
                parameter, _ = self._find(_match(_PARAMETER, payload[3:]))
                return f"{parameter.kind:02X}{parameter.encode(parameter.lower)}{parameter.encode(parameter.upper)}"
            case "?VM":
                return self._describe(*self._find(_match(_PARAMETER, payload[3:])))
        if payload == "?IF":
            return self._identification
        if payload == "RS":
            self._restart_at = self.now() + RESET_DELAY_S
        elif payload == "ES":
            self._fail(DeviceError(EMERGENCY_STOP))
        elif payload.startswith("VS"):
            setting = _match(_SETTING, payload[2:])
            self._set(*self._find(setting), setting["value"])
        else:
            raise ServerError(COMMAND_UNKNOWN)
        return ""

    # ---- parameters --------------------------------------------------------------------------------------------------

    def _find(self, match: re.Match[str]) -> tuple[Parameter, int]:
        parameter = self._table.get(int(match["number"], 16))
        if parameter is None:
            raise ServerError(NO_PARAMETER)
        instance = int(match["instance"], 16)
        if not 1 <= instance <= self._memory.instances(parameter):
            raise ServerError(NO_INSTANCE)
        return parameter, instance

    def _value(self, parameter: Parameter, instance: int) -> float:
        reading = self._readings.get(parameter.number)
        return self._setting(instance, parameter.number) if reading is None else reading(instance)

    def _describe(self, parameter: Parameter, instance: int) -> str:
        values = (parameter.lower, parameter.upper, self._value(parameter, instance))
        head = f"{parameter.kind:02X}{parameter.flags:02X}{self._memory.instances(parameter):02X}{1:08X}"
        return head + "".join(parameter.encode(value) for value in values)

    def _set(self, parameter: Parameter, instance: int, digits: str) -> None:
        if not parameter.writable:
            raise ServerError(READ_ONLY)
        value = parameter.decode(digits)
        if not parameter.accepts(value):
            raise ServerError(OUT_OF_RANGE)
        self._memory.put(parameter, instance, value, self.now())
        self.advance(self.now())

    def _make_readings(self, device_type: int, serial: int, firmware: int) -> dict[int, Callable[[int], float]]:
        return {
            100: lambda _: device_type,
            101: lambda _: 100,
            102: lambda _: serial,
            103: lambda _: firmware,
            104: lambda _: self._status(),
            105: lambda _: self._error.number if self._error else NO_ERROR,
            106: lambda _: self._error.instance if self._error else 0,
            107: lambda _: self._error.parameter if self._error else 0,
            109: lambda _: self._memory.flash_status,
            1000: lambda channel: self._loops[channel].object_c,
            1001: lambda channel: self._ports[channel].sink_temperature_c(),
            1010: lambda channel: self._loops[channel].target_c,
            1011: lambda channel: self._loops[channel].nominal_c,
            1020: self._measure_current,
            1021: lambda channel: self._measure_current(channel) * PELTIER_RESISTANCE_OHM,
            1030: lambda _: -100.0,
            1031: lambda _: 100.0,
            1032: self._control_variable_percent,
            1042: lambda channel: ntc_resistance_ohm(self._loops[channel].object_c),
            1063: lambda _: DEVICE_TEMPERATURE_C,
            1200: lambda channel: self._loops[channel].stability,
        }

    def _measure_current(self, channel: int) -> float:
        if not self._is_on(channel):
            return 0.0
        return self._ports[channel].output_current_a() + float(self._rng.normal(0.0, CURRENT_NOISE_A))

    def _control_variable_percent(self, channel: int) -> float:
        limit = self._setting(channel, CURRENT_LIMIT_A)
        return 100 * self._measure_current(channel) / limit if limit else 0.0

    # ---- what goes on by itself --------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Go on to lab time `now` (s): restart, save, watch, ramp. The table calls this at every step."""
        now = self._advanced_to = max(now, self._advanced_to)
        self._memory.advance(now if self._restart_at is None else min(now, self._restart_at))
        if self._restart_at is not None and now >= self._restart_at:
            self._start(self._restart_at, SILENCE_AT_START_S, INITIALISATION_S)
        watchdog = self._setting(1, WATCHDOG_S)
        if watchdog and now - self._heard_at > watchdog:
            self._fail(DeviceError(WATCHDOG_EXPIRED))
        for channel, loop in self._loops.items():
            error = self._broken_sensors.get(channel, NO_ERROR) or loop.advance(now, self._is_on(channel))
            if error and now >= self._started_at:
                self._fail(DeviceError(error, channel))

    def _start(self, now: float, silence: float, initialisation: float) -> None:
        """Begin as after power-up, with what the flash holds."""
        self._memory.restart()
        self._loops = {
            channel: TemperatureLoop(port, partial(self._memory.get, channel)) for channel, port in self._ports.items()
        }
        self._error = None
        self._restart_at = None
        self._heard_at = now
        self._deaf_until = now + silence
        self._started_at = self._deaf_until + initialisation
        self._reader.reset()

    def _fail(self, error: DeviceError) -> None:
        """Enter the error state, which only a restart leaves; the first error stays."""
        if self._error is None:
            self._error = error
        for channel, loop in self._loops.items():
            loop.switch_off()
            self._ports[channel].regulate(None)

    def _is_on(self, channel: int) -> bool:
        enable = self._setting(channel, OUTPUT_ENABLE)
        switched_on = enable == OUTPUT_ON or (enable == OUTPUT_LIVE and bool(self._setting(channel, LIVE_ENABLE)))
        regulates = switched_on and self._setting(channel, INPUT_SELECTION) == TEMPERATURE_CONTROLLER
        return regulates and self._error is None and self._advanced_to >= self._started_at

    def _status(self) -> int:
        if self._restart_at is not None:
            return RESETTING
        if self._advanced_to < self._started_at:
            return INITIALISING
        if self._error is not None:
            return ERROR
        return RUNNING if any(self._is_on(channel) for channel in self._ports) else READY


def ntc_resistance_ohm(temperature_c: float) -> float:
    """Return the resistance in ohm of the sensor, R25 exp(B (1/T - 1/T25))."""
    kelvin, kelvin_25 = temperature_c + ZERO_C_K, 25.0 + ZERO_C_K
    return NTC_OHM_AT_25_C * math.exp(NTC_BETA_K * (1 / kelvin - 1 / kelvin_25))


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ServerError(FORMAT)
    return match
