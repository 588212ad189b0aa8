"""A simulated Thorlabs MDT693B or MDT694B piezo driver, with the replies of old (1.06) and of new (1.10) firmware."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from labctl.simulation.instruments.thorlabs_mdt693b_grammar import (
    BadArgument,
    Grammar,
    PromptGrammar,
    StarGrammar,
    UnknownCommand,
)
from labctl.simulation.ports import PiezoPort
from labctl.simulation.wire import Timebase, WireInstrument

CHANNELS = {"MDT693B": ("x", "y", "z"), "MDT694B": ("x",)}
BAUD = 115_200.0
PROCESSING_S = 6e-3
LONGEST_LINE = 80
DAC_STEP_V = 150.0 / 2**16
LIMIT_MARGIN_V = 0.5  # a unit at 150 V says that its limit is 150.50
# Bounds of the error of the read-back, uniform: together at most 1.25 V at 150 V.
ADC_OFFSET_V = 0.5
ADC_GAIN_ERROR = 0.005

Firmware = Literal["1.06", "1.10"]
Model = Literal["MDT693B", "MDT694B"]

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_SHORT_QUERY = re.compile(r"([xyz])([rlh])\?")
_SHORT_SET = re.compile(r"([xyz])([vlh])(" + _NUMBER.pattern + ")")
_SHORT_ALL = re.compile(r"av(" + _NUMBER.pattern + ")")
_LONG_NAMES = {"r": "voltage", "v": "voltage", "l": "min", "h": "max"}
_INTEGERS = {"dacstep": (1, 5000), "rotarymode": (0, 2), "pushdisable": (0, 1), "intensity": (0, 15)}
_FACTORY_INTEGERS = {"dacstep": 10, "rotarymode": 0, "pushdisable": 0, "intensity": 8}
_SWITCHES = ("Off", "On")
_OF_MANY_CHANNELS = ("xyzvoltage", "allvoltage", "msenable", "msvoltage")


@dataclass
class _Channel:
    piezo: PiezoPort | None
    gain: float
    offset_v: float
    set_point_v: float = 0.0
    minimum_v: float = 0.0
    maximum_v: float = 150.0 + LIMIT_MARGIN_V


class SimulatedMDT693B(WireInstrument):
    """Three outputs onto `piezos` ("x", "y", "z"; a missing one is an open connector), or "x" alone of a MDT694B.

    That one is assumed to know neither the commands for all channels nor the master scan.
    Set points start at 0 V, as after power-up. `rng` draws the errors of the read-back, once. `voltage_limit` is the
    switch at the rear in V; `echo` is how the last user left it.
    """

    baud = BAUD

    def __init__(
        self,
        timebase: Timebase,
        piezos: Mapping[str, PiezoPort],
        rng: np.random.Generator,
        *,
        model: Model = "MDT693B",
        firmware: Firmware = "1.10",
        serial: str = "150226100001",
        voltage_limit: Literal[75, 100, 150] = 150,
        echo: bool = True,
    ) -> None:
        super().__init__(timebase)
        self._model: Model = model
        self._firmware = firmware
        self._serial = serial
        self._limit_v = voltage_limit
        self._echo = echo
        self._compatible = False
        self._name: str = model
        self._channels = {
            name: _Channel(
                piezos.get(name),
                gain=1 + rng.uniform(-ADC_GAIN_ERROR, ADC_GAIN_ERROR),
                offset_v=rng.uniform(-ADC_OFFSET_V, ADC_OFFSET_V),
            )
            for name in CHANNELS[model]
        }
        self._integers = dict(_FACTORY_INTEGERS)
        self._master_scan, self._master_scan_v = False, 0.0
        self._system_minimum_v, self._system_maximum_v = 0.0, voltage_limit + LIMIT_MARGIN_V
        self._restore()
        self._line = bytearray()
        self._last_terminator = b""
        self._free_at = -float("inf")

    def on_bytes(self, data: bytes) -> None:
        """Take bytes; CR or LF ends a command, and the two together, in any order, end one."""
        for value in data:
            byte = bytes([value])
            if byte not in (b"\r", b"\n"):
                self._last_terminator = b""
                if len(self._line) <= LONGEST_LINE:
                    self._line += byte
            elif self._last_terminator not in (b"", byte):
                self._last_terminator = b""  # the second half of a pair
            else:
                self._last_terminator = byte
                line, self._line = bytes(self._line), bytearray()
                self._take_line(line, byte)

    @property
    def _grammar(self) -> Grammar:
        if self._firmware == "1.06":
            return StarGrammar()
        return PromptGrammar("*" if self._compatible else ">")

    def _take_line(self, line: bytes, terminator: bytes) -> None:
        if self._echo:
            self.send(line + terminator)
        text = "" if len(line) > LONGEST_LINE else _spelled_out(line.decode("ascii", "replace"))
        try:
            lines = self._execute(text)
            reply = self._grammar.done() if lines is None else self._grammar.data(text, lines)
        except UnknownCommand:
            reply = self._grammar.unknown()
        except BadArgument:
            reply = self._grammar.bad_argument()
        self._free_at = max(self.now(), self._free_at) + PROCESSING_S
        self.send(reply.encode("ascii", "replace"), self._free_at - self.now())

    def _execute(self, text: str) -> list[str] | None:
        if text == "?":
            return ["id?", "serial?", "echo=", *(f"{name}voltage=" for name in self._channels), "vlimit?", "restore"]
        if text == "restore":
            self._restore()
            return None
        if text.endswith("?"):
            return self._query(text[:-1])
        name, equals, argument = text.partition("=")
        if not equals:
            raise UnknownCommand
        return self._set(name, argument)

    def _query(self, name: str) -> list[str]:
        self._refuse_absent(name)
        channel, quantity = self._channels.get(name[:1]), name[1:]
        if channel is not None and quantity in ("voltage", "min", "max"):
            if quantity == "voltage":
                return [f"[{self._grammar.number(self._measured(channel))}]"]
            return [self._plain(channel.minimum_v if quantity == "min" else channel.maximum_v)]
        if name in _INTEGERS:
            return [str(self._integers[name])]
        answers: dict[str, Callable[[], list[str]]] = {
            "id": self._identity,
            "serial": lambda: [self._serial],
            "friendly": lambda: [self._name],
            "xyzvoltage": self._measured_all,
            "vlimit": lambda: [f"[{self._limit_v:4d}]"],
            "echo": lambda: [f"[Echo {_SWITCHES[self._echo]}]"],
            "cm": lambda: [f"[MDT693A Compatibility Mode {_SWITCHES[self._compatible]}]"],
            "msenable": lambda: [str(int(self._master_scan))],
            "msvoltage": lambda: [self._plain(self._master_scan_v)],
            "sysmin": lambda: [self._plain(self._system_minimum_v)],
            "sysmax": lambda: [self._plain(self._system_maximum_v)],
        }
        if name not in answers:
            raise UnknownCommand
        return answers[name]()

    def _refuse_absent(self, name: str) -> None:
        if len(self._channels) == 1 and name in _OF_MANY_CHANNELS:
            raise UnknownCommand

    def _set(self, name: str, argument: str) -> list[str] | None:
        self._refuse_absent(name)
        channel, quantity = self._channels.get(name[:1]), name[1:]
        if channel is not None and quantity == "voltage":
            self._move({name[:1]: _volts(argument)})
        elif channel is not None and quantity == "min":
            channel.minimum_v = _volts(argument, 0.0, channel.maximum_v)
        elif channel is not None and quantity == "max":
            channel.maximum_v = _volts(argument, channel.minimum_v, self._limit_v + LIMIT_MARGIN_V)
        elif name == "xyzvoltage":
            self._move(dict(zip(self._channels, _volts_of_each(argument, len(self._channels)), strict=True)))
        elif name == "allvoltage":
            self._move(dict.fromkeys(self._channels, _volts(argument)))
        elif name == "sysmin":
            self._system_minimum_v = _volts(argument, 0.0, self._system_maximum_v)
        elif name == "sysmax":
            self._system_maximum_v = _volts(argument, self._system_minimum_v, self._limit_v + LIMIT_MARGIN_V)
        elif name == "msenable":
            self._master_scan = bool(_integer(argument, 0, 1))
        elif name == "msvoltage":
            self._master_scan_v = _volts(argument, 0.0, float(self._limit_v))
        elif name == "echo":
            self._echo = bool(_integer(argument, 0, 1))
            return self._query("echo")
        elif name == "cm":
            self._compatible = bool(_integer(argument, 0, 1))
        elif name == "friendly":
            self._name = argument
        elif name in _INTEGERS:
            self._integers[name] = _integer(argument, *_INTEGERS[name])
        else:
            raise UnknownCommand
        self._drive()
        return None

    def _move(self, volts: Mapping[str, float]) -> None:
        for name, value in volts.items():
            lowest, highest = self._range(self._channels[name])
            if not lowest <= value <= highest:
                raise BadArgument
        for name, value in volts.items():
            self._channels[name].set_point_v = round(value / DAC_STEP_V) * DAC_STEP_V

    def _range(self, channel: _Channel) -> tuple[float, float]:
        highest = min(channel.maximum_v, self._system_maximum_v, self._limit_v + LIMIT_MARGIN_V)
        return max(channel.minimum_v, self._system_minimum_v), highest

    def _restore(self) -> None:
        self._integers = dict(_FACTORY_INTEGERS)
        self._master_scan, self._master_scan_v = False, 0.0
        self._system_minimum_v, self._system_maximum_v = 0.0, self._limit_v + LIMIT_MARGIN_V
        for channel in self._channels.values():
            channel.set_point_v, channel.minimum_v = 0.0, 0.0
            channel.maximum_v = self._limit_v + LIMIT_MARGIN_V
        self._drive()

    def _drive(self) -> None:
        for channel in self._channels.values():
            lowest, highest = self._range(channel)
            channel.set_point_v = float(np.clip(channel.set_point_v, lowest, max(lowest, highest)))
            if channel.piezo is not None:
                channel.piezo.drive(self._driven(channel))

    def _driven(self, channel: _Channel) -> float:
        scan_v = self._master_scan_v if self._master_scan else 0.0
        return float(np.clip(channel.set_point_v + scan_v, 0.0, self._limit_v + LIMIT_MARGIN_V))

    def _measured(self, channel: _Channel) -> float:
        external_v = 0.0 if channel.piezo is None else channel.piezo.external_volts()
        output_v = float(np.clip(self._driven(channel) + external_v, 0.0, self._limit_v + LIMIT_MARGIN_V))
        return max(0.0, channel.gain * output_v + channel.offset_v)

    def _measured_all(self) -> list[str]:
        volts = (self._grammar.number(self._measured(channel)) for channel in self._channels.values())
        return [f"[{','.join(volts)}]"]

    def _plain(self, volts: float) -> str:
        return self._grammar.number(volts).strip() if volts else "0"

    def _identity(self) -> list[str]:
        return [
            f"Model {self._model} Piezo Control Module",
            f"Firmware Version: {self._firmware}",
            f"Voltage Range: 0V to {self._limit_v}V",
            f"Serial#:{self._serial}",
            f"Friendly Name:{self._name}",
            "",
        ]


def _spelled_out(text: str) -> str:
    """Return a command in its long form, without blanks, in lower case but for a name that is given."""
    name, equals, argument = text.partition("=")
    command = "".join(name.lower().split()) + equals + argument.strip()
    if query := _SHORT_QUERY.fullmatch(command):
        return f"{query[1]}{_LONG_NAMES[query[2]]}?"
    if setting := _SHORT_SET.fullmatch(command):
        return f"{setting[1]}{_LONG_NAMES[setting[2]]}={setting[3]}"
    if setting := _SHORT_ALL.fullmatch(command):
        return f"allvoltage={setting[1]}"
    return {"i": "id?", "%": "vlimit?"}.get(command, command)


def _volts(text: str, lowest: float = -np.inf, highest: float = np.inf) -> float:
    if not _NUMBER.fullmatch(text) or not lowest <= float(text) <= highest:
        raise BadArgument
    return float(text)


def _volts_of_each(text: str, count: int) -> list[float]:
    fields = text.split(",")
    if len(fields) != count:
        raise BadArgument
    return [_volts(field.strip()) for field in fields]


def _integer(text: str, lowest: int, highest: int) -> int:
    volts = _volts(text, lowest, highest)
    if volts != int(volts):
        raise BadArgument
    return int(volts)
