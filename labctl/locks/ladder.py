"""What a lost lock tries, in which order and how often, before a person is asked."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from labctl.locks.states import Reach

SECONDS_PER_HOUR: Final = 3600.0


@dataclass(frozen=True)
class Rung:
    """One try: how far it looks, and how long after the failure before it, in s."""

    reach: Reach
    after_s: float


LADDER: Final = (
    Rung(Reach.HERE, 0.0),
    Rung(Reach.NEARBY, 0.3),
    Rung(Reach.NEARBY, 1.0),
    Rung(Reach.EVERYWHERE, 2.0),
    Rung(Reach.EVERYWHERE, 8.0),
    Rung(Reach.EVERYWHERE, 32.0),
)
FIRST_TRIES: Final = (
    Rung(Reach.EVERYWHERE, 0.0),
    Rung(Reach.EVERYWHERE, 1.0),
    Rung(Reach.EVERYWHERE, 4.0),
    Rung(Reach.EVERYWHERE, 16.0),
)


class RelockBudget:
    """How many losses an hour a loop may have; more is a table that somebody must look at."""

    def __init__(self, per_hour: int) -> None:
        self.per_hour = per_hour
        self._spent: deque[float] = deque()

    def spend(self, now: float) -> bool:
        """Note a loss at lab time `now` and return whether it is within the budget."""
        self._spent.append(now)
        while now - self._spent[0] > SECONDS_PER_HOUR:
            self._spent.popleft()
        return len(self._spent) <= self.per_hour

    def left(self, now: float) -> int:
        """Return how many losses are left in the hour before `now`."""
        return max(0, self.per_hour - sum(now - at <= SECONDS_PER_HOUR for at in self._spent))

    def refill(self) -> None:
        """Begin anew: a person has looked."""
        self._spent.clear()
