"""What a line to a SIM960 would move, read from its text.

Gains, set point, offset and the switches of the terms move a closed loop anywhere within the limits of its output: they
are `terms`, 1 whatever they are set to, for somebody who knows these limits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from drivers.moves import Move, unknown_move

_LONGEST_LINE = 30  # of 32 bytes with the terminator; a longer one is cut, and its end read as another command
_COMMAND = re.compile(r"(\*[A-Z]{3}|[A-Z]{4})(\??)[ \t]*(.*)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:E[+-]?[0-9]{1,5})?")
_VOLTS = {"MOUT": "manual_output", "ULIM": "upper_limit", "LLIM": "lower_limit"}
_CLOSED = {"MAN": 0.0, "PID": 1.0, "0": 0.0, "1": 1.0, "+0": 0.0, "+1": 1.0}
_TERMS = frozenset(
    ("GAIN", "INTG", "DERV", "OFST", "PCTL", "ICTL", "DCTL", "OCTL", "INPT", "SETP", "RAMP", "RATE"),
)
_MOVE_NOTHING = frozenset(("SOUT", "CONS", "TERM", "TOKN", "DISX", "FPLC", "*CLS", "*OPC"))
_NO_QUESTIONS = frozenset({"*TST", "*RST"})


def moves_of_message(module: str, text: str) -> Sequence[Move]:
    """Return what the line `text` would move on `module` ("module_3"): volts, `closed` as 0 or 1, and `terms`."""
    if len(text) > _LONGEST_LINE or not text.isascii():
        return unknown_move(text)
    found: list[Move] = []
    for part in text.upper().split(";"):
        command = part.strip(" \t")
        parsed = _COMMAND.fullmatch(command)
        if parsed is None:
            found += unknown_move(command) if command else ()
            continue
        mnemonic, asks, argument = parsed.groups()
        if mnemonic in _NO_QUESTIONS if asks else mnemonic not in _MOVE_NOTHING:
            found += _moves_of_setting(module, mnemonic, argument, command)
    return found


def _moves_of_setting(module: str, mnemonic: str, argument: str, command: str) -> Sequence[Move]:
    if mnemonic in _VOLTS and _NUMBER.fullmatch(argument) and math.isfinite(float(argument)):
        return (Move(f"{module}.{_VOLTS[mnemonic]}", float(argument)),)
    if mnemonic in _TERMS:
        return (Move(f"{module}.terms", 1.0),)
    if mnemonic == "AMAN" and argument in _CLOSED:
        return (Move(f"{module}.closed", _CLOSED[argument]),)
    return unknown_move(command)
