"""What a line to an MDT693B would move, read from its text; both the long commands and the short ones of older units.

Anything that is not on the lists here is an unknown move: `restore`, `sysmin=`, an argument that is no plain number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from drivers.moves import Move, unknown_move

_PLAIN_QUESTION = re.compile(r"[a-z]{2,12}\?")
_LINE_ENDS = re.compile(r"[\r\n]")
_LONGEST_LINE = 80
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_VOLTS = re.compile(_NUMBER)
_LONG_CHANNEL = re.compile(r"([xyz])(voltage|min|max)")
_SHORT_CHANNEL = re.compile(rf"([xyz])([vlh])({_NUMBER})")
_SHORT_ALL = re.compile(rf"av({_NUMBER})")
_ANY_QUESTION = re.compile(r"[a-z]*\?|i|%")
_PROPERTIES = {
    **{"voltage": "voltage", "min": "minimum_voltage", "max": "maximum_voltage"},
    **{"v": "voltage", "l": "minimum_voltage", "h": "maximum_voltage"},
}
_MASTER_SCAN = {"msenable": "master_scan_enabled", "msvoltage": "master_scan_voltage"}
_MOVE_NOTHING = frozenset({"echo", "cm", "friendly", "dacstep", "rotarymode", "pushdisable", "intensity"})


def moves_of(command: str, channels: Sequence[str]) -> Sequence[Move]:
    """Return what `command` would move on an instrument with `channels` ("x", "y", "z"), volts or switches (0 or 1)."""
    if _PLAIN_QUESTION.fullmatch(command):
        return ()
    if not command.isascii():
        return unknown_move(command)
    lines = _LINE_ENDS.split(command)
    if len(lines) == 1:
        return _moves_of_line(command, channels)
    return [move for line in lines for move in _moves_of_line(line, channels)]


def _moves_of_line(line: str, channels: Sequence[str]) -> Sequence[Move]:
    if len(line) > _LONGEST_LINE:
        return unknown_move(line)
    name, equals, argument = line.partition("=")
    name, argument = "".join(name.lower().split()), argument.strip()
    if equals:
        return _moves_of_setting(name, argument, channels) if argument else unknown_move(line)
    if not name or _ANY_QUESTION.fullmatch(name):
        return ()
    if short := _SHORT_CHANNEL.fullmatch(name):
        return (Move(f"{short[1]}.{_PROPERTIES[short[2]]}", float(short[3])),)
    if short := _SHORT_ALL.fullmatch(name):
        return [Move(f"{channel}.voltage", float(short[1])) for channel in channels]
    return unknown_move(line)


def _moves_of_setting(name: str, argument: str, channels: Sequence[str]) -> Sequence[Move]:
    if name in _MOVE_NOTHING:
        return ()
    fields = [field.strip() for field in argument.split(",")]
    if all(_VOLTS.fullmatch(field) for field in fields):
        volts = [float(field) for field in fields]
        if name == "xyzvoltage" and len(volts) == len(channels):
            return [Move(f"{channel}.voltage", value) for channel, value in zip(channels, volts, strict=True)]
        if len(volts) == 1:
            if channel := _LONG_CHANNEL.fullmatch(name):
                return (Move(f"{channel[1]}.{_PROPERTIES[channel[2]]}", volts[0]),)
            if name in _MASTER_SCAN:
                return (Move(_MASTER_SCAN[name], volts[0]),)
            if name == "allvoltage":
                return [Move(f"{channel}.voltage", volts[0]) for channel in channels]
    return unknown_move(f"{name}={argument}")
