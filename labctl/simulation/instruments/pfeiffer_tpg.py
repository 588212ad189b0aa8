"""A simulated Pfeiffer gauge controller, TPG 261, 262, 361 or 362, at the level of its bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from labctl.simulation.ports import GaugeStatus, PressurePort
from labctl.simulation.wire import Timebase, WireInstrument

BAUD = 9600.0
PROCESSING_S = 5e-3  # not published
LONGEST_LINE = 64
ACK, NAK, ENQ, ETX = b"\x06", b"\x15", 0x05, 0x03
CONTINUOUS_PERIODS_S = (0.1, 1.0, 60.0)
MOST_UNREAD_LINES = 150  # what the buffer of a serial port holds

CHANNELS = (1, 2)
_PASCAL_PER_TORR = 101_325 / 760
PASCALS = (100.0, _PASCAL_PER_TORR, 1.0, _PASCAL_PER_TORR / 1000, 100.0)  # mbar, Torr, Pa, micron, hPa
VOLT = 5
UNITS_OF_OLD_MODELS = 3
NO_READING_PA = 2.0  # what is sent where there is no pressure: 2.0000E-2 mbar, which looks like one

# A full-range gauge (Pirani and cold cathode), and how well such gauges know the pressure.
GAUGE_TYPE = "PKR"
LOWEST_PA, HIGHEST_PA = 5e-7, 1e5
GAIN_ERROR = 0.3  # bound, uniform, drawn once
READING_NOISE = 0.01  # rms, relative

STATUS_CODES = {
    GaugeStatus.OK: 0,
    GaugeStatus.UNDER_RANGE: 1,
    GaugeStatus.OVER_RANGE: 2,
    GaugeStatus.SENSOR_ERROR: 3,
    GaugeStatus.SENSOR_OFF: 4,
    GaugeStatus.NO_SENSOR: 5,
}
SYNTAX_ERROR, INADMISSIBLE_PARAMETER = "0001", "0010"
NO_ERROR = "0000"
_UNKNOWN_CHARACTER = "replace"

Model = Literal["TPG261", "TPG262", "TPG361", "TPG362"]


class Refusal(Exception):
    """A command that is answered with NAK; `word` goes to the error register."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass
class _Channel:
    port: PressurePort | None
    gain: float
    switched_on: bool = True
    broken: bool = False

    def status(self) -> GaugeStatus:
        if self.port is None:
            return GaugeStatus.NO_SENSOR
        if self.broken:
            return GaugeStatus.SENSOR_ERROR
        status = self.port.status()
        return GaugeStatus.SENSOR_OFF if status is GaugeStatus.OK and not self.switched_on else status


class SimulatedTPG(WireInstrument):
    """A controller with a full-range gauge at each channel of `gauges`, 1 and 2; a missing one has no sensor.

    `rng` draws the gain of every gauge, once, and the noise of every reading. `continuous` is the output that it was
    switched on with: 0, 1 or 2 for a line every 100 ms, second or minute; None for silence. `unit` is what the display
    counts in, as in `UNI`. `error_word` is what the error register holds at first.

    The table calls `advance` at every step, so that continuous lines carry the pressure of their time.
    """

    baud = BAUD

    def __init__(
        self,
        timebase: Timebase,
        gauges: Mapping[int, PressurePort],
        rng: np.random.Generator,
        *,
        model: Model = "TPG362",
        continuous: Literal[0, 1, 2] | None = None,
        unit: int = 0,
        serial: str = "44990000",
        firmware: str = "010100",
        error_word: str = NO_ERROR,
        gain_error: float = GAIN_ERROR,
    ) -> None:
        super().__init__(timebase)
        self._rng = rng
        self._model = model
        self._is_new = model.startswith("TPG36")
        self._serial, self._firmware = serial, firmware
        self._channels = {
            number: _Channel(gauges.get(number), 1 + float(rng.uniform(-gain_error, gain_error))) for number in CHANNELS
        }
        self._unit = unit
        self._errors = error_word
        self._period_s: float | None = None
        self._next_line_at = math.inf
        if continuous is not None:
            self._start_lines(continuous)
        self._line = bytearray()
        self._data: Callable[[], str] | None = None  # what ENQ asks for
        self._commands: dict[str, Callable[[list[str]], Callable[[], str]]] = {
            "PR1": lambda parameters: self._reading(parameters, 1),
            "PR2": lambda parameters: self._reading(parameters, 2),
            "PRX": lambda parameters: self._plain(parameters, self._all_readings),
            "UNI": self._choose_unit,
            "SEN": self._switch_sensors,
            "TID": lambda parameters: self._plain(parameters, self._types),
            "ERR": lambda parameters: self._plain(parameters, self._take_errors),
            "RES": self._reset,
            "COM": self._continue,
        }
        if self._is_new:
            self._commands["AYT"] = lambda parameters: self._plain(parameters, self._identity)

    def break_sensor(self, channel: int, broken: bool = True) -> None:
        """Break the sensor of a gauge, or mend it."""
        self._channels[channel].broken = broken

    # ---- the wire ----------------------------------------------------------------------------------------------------

    def on_bytes(self, data: bytes) -> None:
        """Take bytes: a command ends with CR, ENQ asks for its data, and anything ends the continuous output."""
        self.advance(self.now())
        for byte in data:
            if byte == 0x0A:
                continue  # the second half of CR LF
            self._period_s, self._next_line_at = None, math.inf
            if byte == ENQ:
                self._answer()
            elif byte == ETX:
                self._line.clear()
                self._data = None
            elif byte == 0x0D:
                line, self._line = bytes(self._line), bytearray()
                self._take_line(line)
            else:
                self._data = None
                if len(self._line) <= LONGEST_LINE:  # one byte more than allowed marks the line as too long
                    self._line.append(byte)

    def advance(self, now: float) -> None:
        """Put out the continuous lines that are due by lab time `now` (s); the oldest of too many are lost."""
        if self._period_s is None:
            return
        waiting = (now - self._next_line_at) / self._period_s
        if waiting > MOST_UNREAD_LINES:
            self._next_line_at += math.floor(waiting - MOST_UNREAD_LINES) * self._period_s
        while self._next_line_at <= now:
            if self.replies_waiting() < MOST_UNREAD_LINES:
                self.send(self._all_readings().encode("ascii") + b"\r\n")
            self._next_line_at += self._period_s

    def ready_at(self) -> float | None:
        """Return when the next byte is there, be it a continuous line."""
        at = super().ready_at()
        if self._period_s is None:
            return at
        return self._next_line_at if at is None else min(at, self._next_line_at)

    def take(self) -> bytes:
        """Return all bytes that are ready now, and forget them."""
        self.advance(self.now())
        return super().take()

    def on_connect(self) -> None:
        """Forget what was said while nobody listened."""
        self.discard_output()
        self._line.clear()
        self._data = None

    def discard_output(self) -> None:
        """Forget everything not yet read by the host."""
        self.advance(self.now())
        super().discard_output()

    def _take_line(self, line: bytes) -> None:
        text = "".join(line.decode("ascii", _UNKNOWN_CHARACTER).split())
        if not text:
            return
        name, *parameters = text.split(",")
        try:
            if len(line) > LONGEST_LINE or name not in self._commands:
                raise Refusal(SYNTAX_ERROR)
            self._data = self._commands[name](parameters)
        except Refusal as refusal:
            self._errors = "".join(max(pair) for pair in zip(self._errors, refusal.word, strict=True))
            self._data = self._take_errors
            self.send(NAK + b"\r\n", PROCESSING_S)
            return
        self.send(ACK + b"\r\n", PROCESSING_S)

    def _answer(self) -> None:
        if self._data is not None:
            self.send(self._data().encode("ascii") + b"\r\n", PROCESSING_S)

    # ---- commands ----------------------------------------------------------------------------------------------------

    def _plain(self, parameters: list[str], data: Callable[[], str]) -> Callable[[], str]:
        if parameters:
            raise Refusal(INADMISSIBLE_PARAMETER)
        return data

    def _reading(self, parameters: list[str], number: int) -> Callable[[], str]:
        return self._plain(parameters, lambda: self._shown(self._channels[number]))

    def _choose_unit(self, parameters: list[str]) -> Callable[[], str]:
        if parameters:
            self._unit = _digit(parameters, 1, VOLT if self._is_new else UNITS_OF_OLD_MODELS - 1)[0]
        return lambda: str(self._unit)

    def _switch_sensors(self, parameters: list[str]) -> Callable[[], str]:
        if parameters:
            for channel, action in zip(self._channels.values(), _digit(parameters, 2, 2), strict=True):
                if action and channel.port is not None:
                    channel.switched_on = action == 2
        return lambda: ",".join(
            "0" if channel.port is None else str(1 + channel.switched_on) for channel in self._channels.values()
        )

    def _reset(self, parameters: list[str]) -> Callable[[], str]:
        if parameters:
            _digit(parameters, 1, 1)
        return lambda: ",".join(self._present_errors()) or "0"

    def _continue(self, parameters: list[str]) -> Callable[[], str]:
        kind = _digit(parameters, 1, len(CONTINUOUS_PERIODS_S) - 1)[0] if parameters else 1
        self._start_lines(kind)
        return self._all_readings

    def _start_lines(self, kind: int) -> None:
        self._period_s = CONTINUOUS_PERIODS_S[kind]
        self._next_line_at = self.now() + self._period_s

    # ---- data --------------------------------------------------------------------------------------------------------

    def _all_readings(self) -> str:
        return ",".join(self._shown(channel) for channel in self._channels.values())

    def _shown(self, channel: _Channel) -> str:
        status, pressure_pa = self._measured(channel)
        return f"{STATUS_CODES[status]},{self._displayed(pressure_pa):+.4E}"

    def _measured(self, channel: _Channel) -> tuple[GaugeStatus, float]:
        status = channel.status()
        if channel.port is None or status not in (GaugeStatus.OK, GaugeStatus.UNDER_RANGE, GaugeStatus.OVER_RANGE):
            return status, NO_READING_PA
        noise = math.exp(float(self._rng.normal(0.0, READING_NOISE)))
        pressure_pa = channel.port.pressure_pa() * channel.gain * noise
        if status is GaugeStatus.UNDER_RANGE or not pressure_pa >= LOWEST_PA:
            return GaugeStatus.UNDER_RANGE, LOWEST_PA
        if status is GaugeStatus.OVER_RANGE or pressure_pa > HIGHEST_PA:
            return GaugeStatus.OVER_RANGE, HIGHEST_PA
        return GaugeStatus.OK, pressure_pa

    def _displayed(self, pressure_pa: float) -> float:
        if self._unit == VOLT:
            return (math.log10(pressure_pa / 100) + 11.33) / 1.667  # the signal of such a gauge, pressure in mbar
        return pressure_pa / PASCALS[self._unit]

    def _types(self) -> str:
        return ",".join("noSEn" if channel.port is None else GAUGE_TYPE for channel in self._channels.values())

    def _take_errors(self) -> str:
        word, self._errors = self._errors, NO_ERROR
        return word

    def _present_errors(self) -> list[str]:
        numbers = {1: "9", 2: "11"}
        return [
            numbers[number]
            for number, channel in self._channels.items()
            if channel.status() is GaugeStatus.SENSOR_ERROR
        ]

    def _identity(self) -> str:
        return f"{self._model},PTG28290,{self._serial},{self._firmware},010100"


def _digit(parameters: list[str], count: int, highest: int) -> list[int]:
    """Return `count` one-digit parameters, each at most `highest`; raises `Refusal` for anything else."""
    if len(parameters) != count or not all(text in "012345"[: highest + 1] and len(text) == 1 for text in parameters):
        raise Refusal(INADMISSIBLE_PARAMETER)
    return [int(text) for text in parameters]
