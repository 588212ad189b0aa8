"""What a line to a chain of 8742 controllers would move, in steps.

Behind some commands the controller ignores a question mark, so that questions are on a list too. Endless motion (MV),
restarts and changed addresses are unknown moves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from drivers.moves import Move, MoveKind, unknown_move

_PLAIN = re.compile(r"(?:[0-9]+>)?(?:[1-4](?:MD|TP|PA|VA|AC|QM|DH)|TB|\*IDN)\?")
_LINE_ENDS = re.compile(r"[\r\n]")
_ADDRESSED = re.compile(r"([0-9]{1,2})>(.*)")
_COMMAND = re.compile(r"([0-9]{0,2})(\*?[A-Z]+)([^?]*)(\??)")
_STEPS = re.compile(r"[+-]?[0-9]{1,10}")
_AXES = (1, 2, 3, 4)
_QUESTIONS = frozenset(
    {
        *("PA", "PR", "MV", "MD", "TP", "TE", "TB", "DH", "VA", "AC", "QM", "ZZ", "SA", "SC", "SD", "VE", "*IDN"),
        *("HOSTNAME", "IPADDR", "GATEWAY", "NETMASK", "IPMODE", "MACADDR"),
    }
)
_KINDS = {"PA": MoveKind.LEVEL, "PR": MoveKind.STEP}
_MOVE_NOTHING = frozenset({"VA", "AC", "QM"})
_STOPS = frozenset({"ST", "AB"})


def moves_of(command: str, master: int) -> Sequence[Move]:
    """Return what `command` would move; a line without an address is for the controller `master`."""
    if _PLAIN.fullmatch(command):
        return ()
    if not command.isascii():
        return unknown_move(command)
    found: list[Move] = []
    for line in _LINE_ENDS.split(command):
        text = "".join(line.upper().split())
        if not text:
            continue
        addressed = _ADDRESSED.fullmatch(text)
        address, text = (int(addressed[1]), addressed[2]) if addressed else (master, text)
        for part in text.split(";"):  # an empty one may be half a line, whose other half is read by itself
            found += _moves_of_part(f"controller_{address}", part)
    return found


def _moves_of_part(controller: str, text: str) -> Sequence[Move]:
    parsed = _COMMAND.fullmatch(text)
    if parsed is None:
        return unknown_move(text)
    axis, name, argument, asks = parsed.groups()
    if asks:
        return unknown_move(text) if argument or name not in _QUESTIONS else ()
    if name in _STOPS and not argument:
        return ()
    if axis:
        return _moves_of_axis(f"{controller}.axis_{int(axis)}", name, argument) or _unless_quiet(text, name)
    if name == "MC" and not argument:  # a step there and back of every motor
        return [
            Move(f"{controller}.axis_{number}.target_position", step, MoveKind.STEP)
            for number in _AXES
            for step in (-1.0, 1.0)
        ]
    return unknown_move(text)


def _moves_of_axis(axis: str, name: str, argument: str) -> Sequence[Move]:
    if not _STEPS.fullmatch(argument or "0"):
        return ()
    if name in _KINDS and argument:
        return (Move(f"{axis}.target_position", float(argument), _KINDS[name]),)
    # A new zero moves nothing, but afterwards every target lies elsewhere.
    return (Move(f"{axis}.home", float(argument or "0")),) if name == "DH" else ()


def _unless_quiet(text: str, name: str) -> Sequence[Move]:
    return () if name in _MOVE_NOTHING else unknown_move(text)
