"""From looks at the loops to alarms: one for each first cause, with what it brought down."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from labctl.bus.messages import LoopRow, Severity
from labctl.core.alarms import AlarmBook
from labctl.core.first_causes import NOT_DOWN, first_causes
from labctl.locks.states import LockState

LOST_S: Final = 1.0  # a lock that comes back sooner is an event, no alarm
CONDITION: Final = "lock"

_LOCKED: Final = frozenset({LockState.LOCKED, LockState.SUSPECT})
_GIVEN_UP: Final = frozenset({LockState.STALLED, LockState.FAULT})
_FAILED: Final = _GIVEN_UP | {LockState.RELOCK}
_WORDS: Final[Mapping[str, str]] = {
    LockState.HOLD: "held",
    LockState.STALLED: "stalled",
    LockState.FAULT: "faulty",
}


@dataclass
class _Seen:
    """What earlier looks at one loop showed."""

    was_locked: bool = False
    lost_at: float = math.nan
    causes: tuple[str, ...] = ()  # what brought it down, also while it comes back


class LoopAlarms:
    """Raises an alarm for a loop that is wanted and lost: MINOR while it relocks by itself, MAJOR when it gave up, when
    an instrument of it is gone, or when a run that takes data needs it.

    Giving up and faults are told at once, a loss after `lost_s`. A loop on its way to its first lock is not lost, nor
    is one that somebody holds. May be used by several threads.
    """

    def __init__(self, book: AlarmBook, *, lost_s: float = LOST_S) -> None:
        self._book = book
        self._lost_s = lost_s
        self._seen: dict[str, _Seen] = {}
        self._guard = threading.Lock()

    def update(self, rows: Sequence[LoopRow], now: float, needed: Collection[str] = ()) -> None:
        """Take a look at all loops; `needed` are those that a run needs for the data that it takes now."""
        with self._guard:
            for name in self._seen.keys() - {row.name for row in rows}:
                self._forget(name, now)
            for row in rows:
                self._look(row, now)
            down = {row.name: row for row in rows if not math.isnan(self._seen[row.name].lost_at)}
            needs = {row.name: [need.strip() for need in row.needs.split(",")] for row in rows}
            brought_down = first_causes({name: row.state for name, row in down.items()}, needs)
            causes_of = {name: [cause for cause, others in brought_down.items() if name in others] for name in down}
            for name in down:
                hit = [down[other] for other in (name, *brought_down.get(name, ()))]
                causes = [down[cause] for cause in causes_of[name]]
                self._tell(down[name], hit, causes, now, any(row.name in needed for row in hit))

    def _forget(self, name: str, now: float) -> None:
        self._book.clear(name, now, condition=CONDITION)
        del self._seen[name]

    def _look(self, row: LoopRow, now: float) -> None:
        """Note whether a loop is lost, and since when."""
        seen = self._seen.setdefault(row.name, _Seen())
        if not row.wanted or row.parked or row.state in NOT_DOWN:
            wanted = row.wanted and not row.parked
            was_locked = wanted and (row.state in _LOCKED or (seen.was_locked and row.state == LockState.UNWIND))
            self._seen[row.name] = _Seen(was_locked)
            self._book.clear(row.name, now, condition=CONDITION)
        elif math.isnan(seen.lost_at) and (seen.was_locked or row.state in _FAILED):
            seen.lost_at = now

    def _tell(
        self, row: LoopRow, hit: Sequence[LoopRow], causes: Sequence[LoopRow], now: float, is_needed: bool
    ) -> None:
        seen = self._seen[row.name]
        if any(cause.state == row.state for cause in causes) or row.state not in _GIVEN_UP:
            seen.causes = tuple(cause.name for cause in causes) or seen.causes
        else:
            seen.causes = ()  # it has a trouble of its own
        if row.state not in _GIVEN_UP and now - seen.lost_at < self._lost_s:
            return
        severity = Severity.MAJOR if is_needed or row.state in _GIVEN_UP else Severity.MINOR
        for cause in seen.causes or ("",):
            self._book.raise_alarm(
                row.name,
                _text(row, seen.was_locked, is_needed),
                severity,
                now,
                condition=CONDITION,
                cause_source=cause,
                brief=f"{row.name} {_WORDS.get(row.state, 'lost')}",
                brings=("joint invalid",) if any(other.kind == "homodyne" for other in hit) else (),
                again=False,
            )


def _text(row: LoopRow, was_locked: bool, is_needed: bool) -> str:
    name = row.name.upper().replace("_", " ")
    if row.state == LockState.FAULT:
        return f"{name} fault: {row.why}"
    what = "lock lost" if was_locked else "does not lock"
    if row.state == LockState.STALLED:
        return f"{name} {what}, gave up: {row.why}"
    doing = "held" if row.state == LockState.HOLD else "relocking" if was_locked else "tries again"
    return f"{name} {what}, {doing}{'; the run needs it' if is_needed else ''}"
