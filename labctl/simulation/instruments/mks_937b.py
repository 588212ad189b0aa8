"""Simulated MKS 937B vacuum gauge controller on its serial line: `@<address>...;FF` both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from labctl.simulation.ports import GaugeStatus, PressurePort
from labctl.simulation.wire import Timebase, WireInstrument

BAUD = 9600.0
PROCESSING_S = 7e-3
LONGEST_MESSAGE = 80
EVERYBODY = 254  # the address that every controller listens to
CHANNELS = range(1, 7)
UNITS_PA: Mapping[str, float] = {"TORR": 101325 / 760, "mBAR": 100.0, "PASCAL": 1.0, "MICRON": 101.325 / 760}

_END = b";FF"
_MESSAGE = re.compile(r"([A-Z]+)(\d*)([?!])(.*)", re.DOTALL)
_ION_WORDS = {GaugeStatus.UNDER_RANGE: "LO<E-11", GaugeStatus.OVER_RANGE: "OVER"}
_PIRANI_WORDS = {GaugeStatus.UNDER_RANGE: "LO<E-04", GaugeStatus.OVER_RANGE: "ATM"}
_WORDS = {GaugeStatus.SENSOR_OFF: "OFF", GaugeStatus.NO_SENSOR: "NOGAUGE", GaugeStatus.SENSOR_ERROR: "MISCONN"}


class _Refused(Exception):
    """What the host gets NAK and a number for."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class _Channel:
    gauge: PressurePort
    is_ion_gauge: bool
    powered: bool = True
    broken: bool = False


class SimulatedMKS937B(WireInstrument):
    """A controller with `gauges` by channel, 1 to 6; a missing one is an empty socket. `ion_gauges` are cold cathodes,
    the others Pirani gauges.

    Relays, calibration and the combined readings are not there (NAK160). Without an address of its own it is silent.
    """

    baud = BAUD

    def __init__(
        self,
        timebase: Timebase,
        gauges: Mapping[int, PressurePort],
        *,
        ion_gauges: frozenset[int] = frozenset({1, 3, 5}),
        address: int = 253,
        serial: str = "1124508117",
        firmware: str = "1.20",
        unit: str = "TORR",
    ) -> None:
        super().__init__(timebase)
        self._channels = {number: _Channel(gauge, number in ion_gauges) for number, gauge in gauges.items()}
        self._address = address
        self._serial = serial
        self._firmware = firmware
        self._unit = unit
        self._input = bytearray()
        self._free_at = -float("inf")

    def on_bytes(self, data: bytes) -> None:
        """Take bytes; `;FF` ends a message, and what stands before its last @ is noise."""
        self._input += data
        while (end := self._input.find(_END)) >= 0:
            message = bytes(self._input[:end])
            del self._input[: end + len(_END)]
            self._take(message)
        if len(self._input) > LONGEST_MESSAGE:
            del self._input[:-LONGEST_MESSAGE]

    def on_disconnect(self) -> None:
        """Forget the half message and what was not read."""
        super().on_disconnect()
        self._input.clear()

    def break_sensor(self, channel: int, broken: bool = True) -> None:
        """Break the sensor of a gauge, or mend it."""
        self._channels[channel].broken = broken

    def _take(self, message: bytes) -> None:
        _, at, text = message.decode("latin-1").rpartition("@")
        if not at or text[:3] not in (f"{self._address:03d}", f"{EVERYBODY:03d}"):
            return
        try:
            answer = f"ACK{self._answer(text[3:])}"
        except _Refused as refusal:
            answer = f"NAK{refusal.code}"
        self._free_at = max(self.now(), self._free_at) + PROCESSING_S
        self.send(f"@{self._address:03d}{answer};FF".encode("latin-1"), self._free_at - self.now())

    def _answer(self, text: str) -> str:
        match = _MESSAGE.fullmatch(text)
        if match is None:
            raise _Refused(175 if re.fullmatch(r"[A-Z]+\d*", text) else 160)
        name, number, kind, argument = match.groups()
        channel = int(number) if number and len(number) == 1 else None
        if kind == "?" and not argument:
            return self._query(name, channel)
        if kind == "!":
            return self._set(name, channel, argument)
        raise _Refused(160)

    def _query(self, name: str, channel: int | None) -> str:
        answers: Mapping[tuple[str, bool], Callable[[], str]] = {
            ("U", False): lambda: self._unit,
            ("SN", False): lambda: self._serial,
            ("MT", False): self._modules,
            ("FV", True): lambda: self._firmware,
            ("PR", True): lambda: self._pressure(channel),
            ("CP", True): lambda: "ON" if self._channel(channel).powered else "OFF",
            ("T", True): lambda: self._ion_gauge_status(channel),
        }
        answer = answers.get((name, channel is not None))
        if answer is None or (channel is not None and channel not in CHANNELS):
            raise _Refused(160)
        return answer()

    def _set(self, name: str, channel: int | None, argument: str) -> str:
        if name == "U" and channel is None:
            if argument not in UNITS_PA:
                raise _Refused(169)
            self._unit = argument
            return argument
        if name == "CP" and channel in CHANNELS:
            if argument not in ("ON", "OFF"):
                raise _Refused(169)
            self._channel(channel).powered = argument == "ON"
            return argument
        raise _Refused(160)

    def _channel(self, number: int | None) -> _Channel:
        if number not in self._channels:
            raise _Refused(151)
        return self._channels[number]

    def _modules(self) -> str:
        def slot(first: int) -> str:
            fitted = [self._channels[number] for number in (first, first + 1) if number in self._channels]
            if not fitted:
                return "NC"
            return "CC" if any(channel.is_ion_gauge for channel in fitted) else "PR"

        return ",".join([slot(1), slot(3), slot(5), "NC"])

    def _pressure(self, number: int | None) -> str:
        if number not in self._channels:
            return "NOGAUGE"
        channel = self._channels[number]
        if not channel.powered:
            return "OFF"
        status = GaugeStatus.SENSOR_ERROR if channel.broken else channel.gauge.status()
        if status is not GaugeStatus.OK:
            words = _WORDS | (_ION_WORDS if channel.is_ion_gauge else _PIRANI_WORDS)
            return words[status]
        return f"{channel.gauge.pressure_pa() / UNITS_PA[self._unit]:.2E}"

    def _ion_gauge_status(self, number: int | None) -> str:
        channel = self._channel(number)
        if not channel.is_ion_gauge:
            raise _Refused(152)
        if not channel.powered or channel.gauge.status() is GaugeStatus.SENSOR_OFF:
            return "O"
        return "P" if channel.gauge.status() is GaugeStatus.OVER_RANGE else "G"
