"""Watch the loops that a measurement needs while it runs, and say afterwards whether its data may be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from labctl.errors import LabError
from labctl.locks.quality import FRINGE_RMS_TOLERANCE, WITNESS_TOLERANCE, Verdict
from labctl.station.clock import Clock

PERIOD_S = 1.0
BAD_READINGS_TO_LOSE = 3  # a single bad reading happens on a locked fringe, three in a row do not


class Loop(Protocol):
    """A lock that can be watched."""

    name: str

    def acquire(self) -> Verdict:
        """Lock."""
        ...

    def verify(self) -> Verdict:
        """Judge from a window of readings."""
        ...

    def witness(self) -> float:
        """Return one normalised reading."""
        ...


@dataclass
class LockWatch:
    """Running record of the witnesses: counts bad readings in a row for each loop and keeps the first loss."""

    loops: Sequence[Loop]
    on_fringe: frozenset[str]
    clock: Clock
    lost: dict[str, float] = field(default_factory=dict)
    readings: int = 0
    error: LabError | None = None  # what ended the watch, if anything did
    _bad: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        """Read every witness once; an instrument that fails ends the watch."""
        try:
            self._look()
        except LabError as error:
            self.error = error
            raise

    def still_good(self) -> bool:
        """Return False once a loop was lost. Raises what ended the watch, so that nobody waits for a blind one."""
        if self.error is not None:
            raise self.error
        return not self.lost

    def _look(self) -> None:
        self.readings += 1
        for loop in self.loops:
            value = loop.witness()
            bad = abs(value) > 2 * FRINGE_RMS_TOLERANCE if loop.name in self.on_fringe else value < WITNESS_TOLERANCE
            count = self._bad.get(loop.name, 0) + 1 if bad or math.isnan(value) else 0
            self._bad[loop.name] = count
            if count >= BAD_READINGS_TO_LOSE:
                self.lost.setdefault(loop.name, self.clock.now())

    def verdict(self) -> Verdict:
        """Judge the whole time watched: locked throughout, and still locked at the end."""
        if self.lost:
            name, at = min(self.lost.items(), key=lambda item: item[1])
            return Verdict(False, f"{name} was lost first, at lab time {at:.1f} s.")
        for loop in self.loops:
            verdict = loop.verify()
            if not verdict.locked:
                return verdict
        return Verdict(True)


@contextmanager
def while_locked(loops: Sequence[Loop], on_fringe: frozenset[str], clock: Clock) -> Iterator[LockWatch]:
    """Watch `loops` once a second for as long as the block runs; ask the watch for its verdict at the end."""
    watch = LockWatch(loops, on_fringe, clock)
    registration = clock.every(PERIOD_S, watch.look, "lock watch")
    try:
        yield watch
    finally:
        registration.cancel()
    if registration.error is not None:
        raise registration.error
