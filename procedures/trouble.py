"""The ways out of trouble, one after the other, each with a budget for the night and every one counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from labctl.configuration.recipe_file import Budgets, Step
from labctl.configuration.station_file import StationFile
from labctl.errors import LabError, LockError, MissingResult


class Rung(StrEnum):
    """What is done about a step that failed, from the least to the most."""

    RETRY = "retry"
    RECONNECT = "reconnect"
    RELOCK = "relock"
    REALIGN = "realign"
    SKIP_SENSOR = "skip sensor"
    SAFE_STATE = "safe state"


class Ladder:
    """Says what to do next about a step that failed, within the budgets of a night.

    A step is tried again as often as the recipe says. A lock that does not come is then locked anew from the beginning,
    and after that its sensor is aligned anew. What is left to do without the step is the caller's: the others go on.
    """

    def __init__(self, budgets: Budgets, file: StationFile) -> None:
        self.counts: Counter[Rung] = Counter()
        self._left: dict[Rung, int] = {
            Rung.RETRY: budgets.retry,
            Rung.RECONNECT: budgets.reconnect,
            Rung.RELOCK: budgets.relock,
            Rung.REALIGN: budgets.realign,
        }
        self._file = file

    def next(self, step: Step, error: LabError, tried: Mapping[Rung, int]) -> Rung | None:
        """Return the next way for `step`, of which `tried` were taken; None where there is no other. It is counted."""
        for rung, most in self._ways(step, error):
            if tried.get(rung, 0) < most and self.spend(rung):
                return rung
        return None

    def spend(self, rung: Rung) -> bool:
        """Return whether the budget of the night still has this way, and count it if so."""
        if not self.has(rung):
            return False
        if rung in self._left:
            self._left[rung] -= 1
        self.counts[rung] += 1
        return True

    def has(self, rung: Rung) -> bool:
        """Return whether the budget of the night still has this way."""
        return self._left.get(rung, 1) > 0

    def note(self, rung: Rung) -> None:
        """Count what was done anyway."""
        self.counts[rung] += 1

    def _ways(self, step: Step, error: LabError) -> list[tuple[Rung, int]]:
        if isinstance(error, MissingResult):
            return []  # no try of this step brings it
        ways = [(Rung.RETRY, step.retries)]
        if isinstance(error, LockError) and step.retries:
            ways.append((Rung.RELOCK, 1))
            if step.sensor is not None and f"sensor{step.sensor}" in self._file.mirrors:
                ways.append((Rung.REALIGN, 1))
        return ways
