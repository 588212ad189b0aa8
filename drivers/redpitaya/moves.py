"""What a line to a Red Pitaya would move.

Of a generator the reader tells what bounds its output: amplitude, offset, the values before the start and between
bursts, and whether it is on; shape, frequency, bursts and triggers stay within those. Volts are those into high
impedance; the command for another load is a move of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from drivers.moves import Move
from drivers.redpitaya.pins import DIGITAL_PINS, LIGHTS, SLOW_OUTPUTS
from drivers.scpi_moves import VOLTS, Reading, ScpiReader, level, nothing, number, only, switch

_SHAPES = ("SINE", "SQUARE", "TRIANGLE", "SAWU", "SAWD", "DC", "DC_NEG", "PWM", "ARBITRARY")
_WHOLE = re.compile(r"[+-]?[0-9]{1,10}")
_LOAD_OHM = {"L50": 50.0}
_DIRECTIONS = {"IN": 0.0, "OUT": 1.0}


def _digital_level(_: int, arguments: Sequence[str]) -> Sequence[Move] | None:
    if len(arguments) != 2 or not _WHOLE.fullmatch(arguments[1]):
        return None
    if arguments[0] in LIGHTS:
        return ()
    position = float(int(arguments[1]) != 0)
    return (Move(f"pin_{arguments[0]}.level", position),) if arguments[0] in DIGITAL_PINS else None


def _direction(_: int, arguments: Sequence[str]) -> Sequence[Move] | None:
    if len(arguments) != 2 or arguments[0] not in _DIRECTIONS or arguments[1] not in DIGITAL_PINS:
        return None
    return (Move(f"pin_{arguments[1]}.direction", _DIRECTIONS[arguments[0]]),)


def _slow_output(_: int, arguments: Sequence[str]) -> Sequence[Move] | None:
    volts = number(arguments[1], VOLTS) if len(arguments) == 2 and arguments[0] in SLOW_OUTPUTS else None
    return None if volts is None else (Move(f"slow_{arguments[0]}.voltage", volts),)


def _load(channel: int, arguments: Sequence[str]) -> Sequence[Move] | None:
    if arguments == ["INF"]:
        return ()
    ohms = _LOAD_OHM.get(only(arguments))
    return None if ohms is None else (Move(f"output_{channel}.load", ohms),)


def _table(_: int, arguments: Sequence[str]) -> Sequence[Move] | None:
    """A table is in parts of the amplitude, and moves nothing beyond it while its values are from -1 to 1."""
    values = [number(argument) for argument in arguments]
    return () if values and all(value is not None and abs(value) <= 1.0 for value in values) else None


_SETTINGS: dict[str, Reading] = {
    "SOUR<n>:VOLT": level("output_{}.amplitude", VOLTS),
    "SOUR<n>:VOLT:OFFS": level("output_{}.offset", VOLTS),
    "SOUR<n>:INITValue": level("output_{}.initial_value", VOLTS),
    "SOUR<n>:BURS:LASTValue": level("output_{}.last_value", VOLTS),
    "SOUR<n>:LOAD": _load,
    "SOUR<n>:FUNC": nothing(*_SHAPES),
    "SOUR<n>:BURS:STAT": nothing("CONTINUOUS", "BURST"),
    "SOUR<n>:TRig:SOUR": nothing("INT", "EXT_PE", "EXT_NE"),
    "SOUR<n>:TRAC:DATA:DATA": _table,
    "OUTPUT<n>:STATE": switch("output_{}.on"),
    "OUTPUT:STATE": switch("output_1.on", "output_2.on"),
    "DIG:PIN": _digital_level,
    "DIG:PIN:DIR": _direction,
    "ANALOG:PIN": _slow_output,
}
_QUIET = (
    *("SOUR<n>:FREQ:FIX", "SOUR<n>:PHAS", "SOUR<n>:DCYC", "SOUR<n>:BURS:NCYC", "SOUR<n>:BURS:NOR"),
    *("SOUR<n>:BURS:INT:PER", "SOUR<n>:TRig:INT", "SOUR:TRig:INT", "SOUR:TRig:EXT:DEBouncer[:US]", "PHAS:ALIGN"),
)

moves_of = ScpiReader(_SETTINGS, _QUIET, quiet_roots=("ACQ", "DAISY", "LED", "RP")).moves
