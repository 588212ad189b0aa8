"""What the lock tiles say: loops and readings put into tiles, the worst first. No drawing here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from labctl.bus.latest import Latest
from labctl.bus.messages import LoopRow, ReadingRow, Severity
from labctl.dashboard.loop_words import shown_mark
from labctl.dashboard.number_text import NO_BREAK, number_text
from labctl.dashboard.state_glyphs import STALE, Mark, loop_label, loop_rank, reading_mark

_LONGEST_LIST = 3  # members of a group that are named one by one
_STALE_RANK = 2  # of the loops: unknown is worse than known and on its way
_READING_RANKS = {Severity.NONE: 20, Severity.MINOR: 5, Severity.MAJOR: 1, Severity.INVALID: 2}
NEAR_RAIL = 0.9  # of the way from the middle to a rail


@dataclass(frozen=True)
class Tile:
    """One tile as it is drawn; two tiles that are equal look the same.

    `rms` is the residual over its limit and `out` the output between its rails, -1 to 1, in steps that can be seen;
    nan where there is none. `value` is the reading, "" for loops. `opens` is the loop whose page it opens.
    """

    name: str
    mark: Mark
    loops: tuple[str, ...] = ()
    to_lock: tuple[str, ...] = ()
    opens: str = ""
    why: str = ""
    value: str = ""
    rms: float = math.nan
    out: float = math.nan

    @property
    def is_normal(self) -> bool:
        """Whether nothing here asks to be looked at."""
        return self.mark.severity == Severity.NONE

    @property
    def key(self) -> str:
        """What a selection keeps when tiles are put together anew."""
        return self.loops[0] if self.loops else f"reading {self.name}"

    def same(self, other: Tile) -> bool:
        """Return whether both look the same; nan counts as nan."""
        return repr(self) == repr(other)


def tiles_of(latest: Latest, now: float, *, one_for_locked: bool = False) -> tuple[Tile, ...]:
    """Return the tiles, the worst first: a tile for each loop that is not normal, one for each kind of those that are
    locked (or for all kinds, where room is short), off and not wanted, or stale, and one for each reading."""
    loops = latest.rows(LoopRow)
    counts = Counter(_family(row.name) for row in loops)
    groups: dict[tuple[int, str, str], list[LoopRow]] = {}
    marks: dict[tuple[int, str, str], Mark] = {}
    for row in loops:
        mark = shown_mark(row, latest, now)
        rank = _STALE_RANK if mark is STALE else loop_rank(row)
        alone = mark.severity != Severity.NONE and mark is not STALE
        together = "" if one_for_locked and mark.severity == Severity.NONE else _family(row.name)
        key = (rank, mark.word, row.name if alone else together)
        groups.setdefault(key, []).append(row)
        marks[key] = mark
    ranked = [(key[0], _loop_tile(rows, marks[key], counts)) for key, rows in groups.items()]
    for reading in latest.rows(ReadingRow):
        tile = _reading_tile(reading, latest.is_stale(reading.read_at, now))
        ranked.append((_READING_RANKS[tile.mark.severity], tile))
    return tuple(tile for _, tile in sorted(ranked, key=lambda pair: pair[0]))


def _loop_tile(rows: Sequence[LoopRow], mark: Mark, counts: Counter[str]) -> Tile:
    names = tuple(row.name for row in rows)
    members = {family: [name for name in names if _family(name) == family] for family in map(_family, names)}
    parts = [group_name(some, counts[family]) for family, some in members.items()]
    name = parts[0] if len(parts) == 1 else f"{len(names)}{NO_BREAK}LOOPS"
    if mark is STALE:
        return Tile(name, STALE, names, opens=names[0], to_lock=names if len(names) == 1 else ())
    worst = max(rows, key=lambda row: _size(_share_of_limit(row)))
    why = rows[0].parked or rows[0].why
    return Tile(
        name,
        mark,
        names,
        to_lock=tuple(row.name for row in rows if row.state != "locked" or len(rows) == 1),
        opens=worst.name,
        why=why if mark.severity else ", ".join(parts) if len(parts) > 1 else "",
        rms=round(_share_of_limit(worst), 2),
        out=round(_between_rails(max(rows, key=lambda row: _size(_between_rails(row)))), 2),
    )


def _reading_tile(row: ReadingRow, stale: bool) -> Tile:
    name = (row.label or row.name).upper()
    if stale:
        return Tile(name, STALE)
    mark = reading_mark(row)
    digits = 2 if "bar" in row.unit or row.unit == "Pa" else 5  # a gauge of vacuum tells no more
    why = _window_text(row) if mark.severity else ""
    return Tile(name, mark, why=why, value=number_text(row.value, row.unit, digits))


def _window_text(row: ReadingRow) -> str:
    low, high = (number_text(limit, row.unit, 4) for limit in (row.low, row.high))
    if math.isfinite(row.low) and math.isfinite(row.high):
        return f"should be {low} to {high}"
    if math.isfinite(row.low):
        return f"should be over {low}"
    return f"should be under {high}" if math.isfinite(row.high) else ""


def group_name(names: Sequence[str], of_all: int) -> str:
    """Return the name of some loops of one family: "LO1..4", "LO1,3,4", "LO1,3..8" or "LO 61 of 64"."""
    family = _family(names[0])
    label = loop_label(family)
    numbers = sorted(int(name[len(family) :]) for name in names if name != family)
    if len(names) == 1 or len(numbers) < len(names):
        return loop_label(names[0]) + (f"{NO_BREAK}+{len(names) - 1}" if len(names) > 1 else "")
    runs = list(_runs(numbers))
    if len(runs) == 1 and len(numbers) > 2:
        return f"{label}{numbers[0]}..{numbers[-1]}"
    if len(numbers) <= _LONGEST_LIST:
        return label + ",".join(map(str, numbers))
    return f"{label}{NO_BREAK}{len(numbers)}{NO_BREAK}of{NO_BREAK}{of_all}"


def _family(name: str) -> str:
    return name.rstrip("0123456789")


def _runs(numbers: Iterable[int]) -> list[list[int]]:
    ordered = list(numbers)
    runs = [ordered[:1]]
    for before, number in pairwise(ordered):
        if number == before + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _share_of_limit(row: LoopRow) -> float:
    return abs(row.residual) / row.residual_limit if row.residual_limit > 0.0 else math.nan


def _between_rails(row: LoopRow) -> float:
    span = row.high_v - row.low_v
    return 2.0 * (row.output_v - row.low_v) / span - 1.0 if span > 0.0 else math.nan


def _size(value: float) -> float:
    return -1.0 if math.isnan(value) else abs(value)
