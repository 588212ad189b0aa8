"""SCPI commands and their handlers: marking methods, and finding the handler of a header in any spelling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from labctl.simulation import scpi_syntax as syntax
from labctl.simulation.scpi_syntax import ScpiError

Reply = str | bytes
ArgumentCount = int | tuple[int, int]


_MOST_READ = 512  # units that a table remembers: those that a program repeats


@dataclass(frozen=True)
class Call:
    """One command as its handler sees it: the number at each `<n>` of the pattern (1 where none), and the arguments."""

    suffixes: tuple[int, ...]
    arguments: tuple[str, ...]

    def suffix(self, low: int, high: int, place: int = 0) -> int:
        """Return the number at the `<n>` with index `place`; raises ScpiError -114 outside `low`..`high`."""
        if not low <= self.suffixes[place] <= high:
            raise ScpiError(-114)
        return self.suffixes[place]


@dataclass(frozen=True)
class Later:
    """A reply whose content and time (s of lab time) are found when the host reads, such as the end of a sweep."""

    ready_at: Callable[[], float]
    data: Callable[[], Reply]


Answer = Reply | Later | None
Handler = Callable[[Call], Answer]
_Method = TypeVar("_Method", bound=Callable[..., Answer])


def on(pattern: str, *, arguments: ArgumentCount = 0) -> Callable[[_Method], _Method]:
    """Mark a method `(self, call: Call) -> str | bytes | Later | None` as the handler of `pattern`.

    `arguments` is how many the command takes, or (fewest, most). Several marks on one method are allowed.
    """

    def mark(method: _Method) -> _Method:
        patterns = [*getattr(method, "_scpi", ()), (pattern, arguments)]
        method._scpi = patterns  # type: ignore[attr-defined]
        return method

    return mark


def marked(owner: type) -> tuple[tuple[str, ArgumentCount, str], ...]:
    """Return pattern, arguments and method name of everything marked in `owner` and its bases, bases first."""
    names = dict.fromkeys(name for cls in reversed(owner.__mro__) for name in vars(cls))
    return tuple(
        (pattern, arguments, name)
        for name in names
        for pattern, arguments in getattr(getattr(owner, name), "_scpi", ())
    )


@dataclass(frozen=True)
class _Entry:
    handler: Handler
    places: tuple[int, ...]
    suffix_count: int
    fewest: int
    most: int


class CommandTable:
    """Handlers by pattern; looks one up in constant time, whatever the spelling."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, bool], _Entry] = {}
        self._read: dict[tuple[str, str], tuple[str, _Entry, Call]] = {}  # what a unit behind a path was found to be

    def add(self, pattern: str, handler: Handler, arguments: ArgumentCount) -> None:
        """Let `handler` answer `pattern`, replacing what answered it before."""
        fewest, most = (arguments, arguments) if isinstance(arguments, int) else arguments
        for key, places in syntax.spellings(pattern):
            entry = _Entry(handler, places, pattern.count("<n>"), fewest, most)
            self._entries[key, pattern.endswith("?")] = entry
        self._read.clear()

    def call(self, unit: str, path: str) -> tuple[str, Answer]:
        """Run one program message unit behind `path`; return the path behind it and the answer.

        Raises ScpiError -102, -108, -109 or -113, and what the handler raises.
        """
        if (known := self._read.get((unit, path))) is not None:
            return known[0], known[1].handler(known[2])
        asked = unit, path
        header, space, rest = syntax.split_unit(unit)
        if header.startswith("*"):
            full = header
        else:
            full = header[1:] if header.startswith(":") else path + header
            path = full[: full.rfind(":") + 1]
        entry, suffixes = self._find(full)
        if entry is None and not space and (parts := syntax.unglue(full + rest)):
            full, rest = parts
            entry, suffixes = self._find(full)
        if entry is None:
            raise ScpiError(-113)
        arguments = tuple(part.strip() for part in syntax.split_outside_quotes(rest, ",")) if rest else ()
        if len(arguments) < entry.fewest or "" in arguments:
            raise ScpiError(-109)
        if len(arguments) > entry.most:
            raise ScpiError(-108)
        call = Call(suffixes, arguments)
        if len(self._read) >= _MOST_READ:
            self._read.clear()
        self._read[asked] = path, entry, call
        return path, entry.handler(call)

    def _find(self, text: str) -> tuple[_Entry | None, tuple[int, ...]]:
        header = syntax.read_header(text)
        entry = self._entries.get((header.key, header.query))
        if entry is None:
            return None, ()
        suffixes = [1] * entry.suffix_count
        for place, suffix in zip(entry.places, header.suffixes, strict=True):
            suffixes[place] = suffix
        return entry, tuple(suffixes)
