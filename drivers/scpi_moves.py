"""What a line of SCPI would move: a table of the settings of one instrument, in all their spellings.

A question moves nothing, nor does a setting on the quiet list; what is in no table is an unknown move.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from drivers.moves import Move, unknown_move

Reading = Callable[[int, Sequence[str]], Sequence[Move] | None]
"""What a setting with the number in its header (1 where none) and these arguments moves; None for nobody can tell."""

VOLTS: Mapping[str, float] = {"": 1.0, "V": 1.0, "MV": 1e-3, "UV": 1e-6}
HERTZ: Mapping[str, float] = {"": 1.0, "HZ": 1.0, "KHZ": 1e3, "MHZ": 1e6, "GHZ": 1e9}
DEGREES: Mapping[str, float] = {"": 1.0, "DEG": 1.0}
NO_UNIT: Mapping[str, float] = {"": 1.0}

_ASKED = r"(?!\*TST|[:*]?CAL|:?DIAG|:?TEST)[:*]?[A-Z][A-Z0-9:_]*\?(?: [^;\r\n\"']*)?"
_QUESTION = re.compile(_ASKED, re.IGNORECASE)
_QUESTIONS = re.compile(rf"{_ASKED}(?:\r\n{_ASKED})*", re.IGNORECASE)
_LINE_ENDS = re.compile(r"[\r\n]+")
_UNIT = re.compile(r"([:*]?[A-Z_][A-Z_0-9:]*)(\??)(\s*)(.*)", re.DOTALL)
_NODE = re.compile(r"(\[)?:?([A-Za-z*_]+)(<n>)?(\])?")
_SUFFIX = re.compile(r"[0-9]{1,6}(?=:|$)")
_NUMBER = re.compile(r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:\s*E\s*[-+]?[0-9]+)?)\s*([A-Z]*)")
_COMMON = ("*CLS", "*ESE", "*SRE", "*OPC", "*WAI")


def number(text: str, units: Mapping[str, float] = NO_UNIT) -> float | None:
    """Return the number that `text` (upper case) spells in one of `units`, None where it spells none."""
    found = _NUMBER.fullmatch(text)
    if found is None or found[2] not in units:
        return None
    value = float("".join(found[1].split())) * units[found[2]]
    return value if math.isfinite(value) else None


def switch_position(text: str) -> float | None:
    """Return 1 or 0 for ON, OFF or a number (rounded, zero is off) in upper case, None for anything else."""
    if text in ("ON", "OFF"):
        return float(text == "ON")
    value = number(text)
    return None if value is None else float(round(value) != 0)


def only(arguments: Sequence[str]) -> str:
    """Return the argument where there is one alone, or else "", which no setting takes."""
    match arguments:
        case [argument]:
            return argument
    return ""


def level(output: str, units: Mapping[str, float] = NO_UNIT, scale: float = 1.0) -> Reading:
    """Return the reading of a setting that moves `output` (`{}` is the number of the header) to its only argument, in
    `units`, times `scale`."""

    def read(channel: int, arguments: Sequence[str]) -> Sequence[Move] | None:
        value = number(only(arguments), units)
        return None if value is None else (Move(output.format(channel), value * scale),)

    return read


def switch(*outputs: str) -> Reading:
    """Return the reading of a setting that switches `outputs` on (1) or off (0)."""

    def read(channel: int, arguments: Sequence[str]) -> Sequence[Move] | None:
        position = switch_position(only(arguments))
        return None if position is None else [Move(output.format(channel), position) for output in outputs]

    return read


def nothing(*choices: str) -> Reading:
    """Return the reading of a setting that moves nothing, or only where its argument is one of `choices`."""

    def read(channel: int, arguments: Sequence[str]) -> Sequence[Move] | None:
        return () if not choices or only(arguments) in choices else None

    return read


class ScpiReader:
    """Reads lines to one kind of instrument.

    `settings` are headers as manuals print them (`[:SOURce<n>]:VOLTage`: capitals are the short form) and how they are
    read; `quiet` are headers that move nothing, `quiet_roots` the short forms of subsystems that move nothing at all.
    """

    def __init__(
        self, settings: Mapping[str, Reading], quiet: Iterable[str] = (), quiet_roots: Iterable[str] = ()
    ) -> None:
        moves_nothing = nothing()
        self._readings: dict[str, Reading] = dict.fromkeys(_COMMON, moves_nothing)
        for pattern, reading in (*dict.fromkeys(quiet, moves_nothing).items(), *settings.items()):
            self._readings.update(dict.fromkeys(_spellings(pattern), reading))
        self._quiet_roots = tuple(f"{root}:" for root in quiet_roots)

    def moves(self, command: str) -> Sequence[Move]:
        """Return what `command` would move."""
        if _QUESTIONS.fullmatch(command):
            return ()
        if not command.isascii():
            return unknown_move(command)
        found: list[Move] = []
        for line in _LINE_ENDS.split(command):
            paths = [""]
            if not line.strip():
                continue
            for unit in line.upper().split(";"):
                found += self._moves_of_unit(unit.strip(), paths)
        return found

    def _moves_of_unit(self, unit: str, paths: list[str]) -> Sequence[Move]:
        """Return what one unit would move; `paths` are those that the instrument may stand at: what it refuses, it
        forgets. They are added to."""
        parsed = _UNIT.fullmatch(unit)
        if parsed is None or '"' in unit or "'" in unit:
            return unknown_move(unit)
        header, asks, space, rest = parsed.groups()
        candidates = [header[1:]] if header.startswith(":") else [path + header for path in paths]
        paths += [path for full in candidates if (path := full[: full.rfind(":") + 1]) not in paths]
        if asks:
            return () if _QUESTION.fullmatch(f"{header}?") else unknown_move(unit)
        if (rest and not space) or (len(candidates) > 1 and header[-1].isdigit()):
            return unknown_move(unit)  # a number may follow its header without a space
        arguments = [argument.strip() for argument in rest.split(",")]
        readings = {moves for full in candidates if (moves := self._read(full, arguments)) != _NO_SUCH_HEADER}
        moves = readings.pop() if len(readings) == 1 else None
        return unknown_move(unit) if moves is None else moves

    def _read(self, header: str, arguments: Sequence[str]) -> tuple[Move, ...] | None:
        if header.startswith(self._quiet_roots):
            return ()
        reading = self._readings.get(_SUFFIX.sub("#", header))
        if reading is None:
            return _NO_SUCH_HEADER
        suffix = _SUFFIX.search(header)
        moves = reading(int(suffix[0]) if suffix else 1, arguments)
        return None if moves is None else tuple(moves)


_NO_SUCH_HEADER = unknown_move("a header that is not there")


def _spellings(pattern: str) -> list[str]:
    """Return every spelling of a header in upper case, with `#` for a number."""
    choices = []
    for optional, name, numbered, _ in _NODE.findall(pattern):
        names = {name.upper(), "".join(letter for letter in name if not letter.islower())}
        spelled = [*names, *(f"{one}#" for one in names if numbered)]
        choices.append([*spelled, ""] if optional else spelled)
    return [":".join(node for node in nodes if node) for nodes in itertools.product(*choices)]
