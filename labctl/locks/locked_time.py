"""How long each loop was watched, and how much of it locked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LoopTime:
    """Time in s for which somebody wanted a loop locked, and how much of it it was."""

    loop: str
    wanted_s: float
    locked_s: float

    @property
    def share(self) -> float:
        """Return the share of the time wanted in which it was locked; 1 where nobody wanted it."""
        return self.locked_s / self.wanted_s if self.wanted_s > 0.0 else 1.0


class LockedTime:
    """Adds up the time of loops, from their first lock on; `note` once a tick."""

    def __init__(self) -> None:
        self._wanted: dict[str, float] = {}
        self._locked: dict[str, float] = {}
        self._last_at: float | None = None

    def note(self, now: float, locked: Mapping[str, bool]) -> None:
        """Take at lab time `now` in s which of the loops that are wanted are locked; it holds since the last look."""
        elapsed_s = 0.0 if self._last_at is None else max(0.0, now - self._last_at)
        self._last_at = now
        for loop, is_locked in locked.items():
            if loop in self._wanted:
                self._wanted[loop] += elapsed_s
                self._locked[loop] += elapsed_s if is_locked else 0.0
            elif is_locked:
                self._wanted[loop] = self._locked[loop] = 0.0

    def times(self) -> list[LoopTime]:
        """Return the time of each loop so far."""
        return [LoopTime(loop, self._wanted[loop], self._locked[loop]) for loop in self._wanted]
