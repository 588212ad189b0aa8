"""One search: moves that can be stopped, readings that are averaged as long as they must be, and the count of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from labctl.alignment.axes import Axis, Objective, StepHint
from labctl.errors import LockError
from labctl.spectra.estimate import Estimate

COARSE = 0.03  # relative sigma of a look that only tells uphill from downhill
FINE = 0.005  # of one that decides
MOST_READINGS = 12  # of one look
SIGNAL_SIGMAS = 3.0  # what is weaker is no light
DARK_READINGS = 2  # and is not averaged further


@dataclass
class Search:
    """Moves axes and reads the power, and stops between two of either when `check_stop` raises.

    `moving` makes the context in which a motor runs: whoever uses the light holds it there. `on_look` is told the
    number of moves so far and the power found.
    Raises `LockError` once `most_moves` were made; the mirrors stay where they are.
    """

    power: Objective
    check_stop: Callable[[], None] = lambda: None
    moving: Callable[[], AbstractContextManager[None]] = nullcontext
    on_look: Callable[[int, Estimate], None] = lambda moves, power: None
    most_moves: int = 2000
    moves: int = 0
    readings: int = 0
    best: Estimate = Estimate(0.0, 0.0)
    _here: list[Estimate] = field(default_factory=list)

    def move(self, axis: Axis, steps: int) -> None:
        """Turn `axis` by `steps`."""
        self.check_stop()
        if self.moves >= self.most_moves:
            raise LockError(
                f"The alignment was not done after {self.moves} moves; it had reached {self.best.value:.3g}.",
                remedy="Look whether the light is steady and every motor turns its mirror.",
            )
        self._here.clear()
        self.moves += 1
        with self.moving():
            axis.move(steps)

    def look(self, relative_sigma: float = COARSE) -> Estimate:
        """Return the power here, averaged until its relative uncertainty is below `relative_sigma`; readings of an
        earlier look at the same place count."""
        while not self._enough(relative_sigma):
            self.check_stop()
            self._here.append(self.power())
            self.readings += 1
        power = mean_of(self._here)
        if power.value > self.best.value:
            self.best = power
        self.on_look(self.moves, power)
        return power

    def _enough(self, relative_sigma: float) -> bool:
        if not self._here:
            return False
        if len(self._here) >= MOST_READINGS:
            return True
        power = mean_of(self._here)
        if power.value < SIGNAL_SIGMAS * power.sigma:
            return len(self._here) >= DARK_READINGS
        return power.relative_sigma <= relative_sigma


class AxisKnob:
    """One axis as a climb sees it: it moves, it is looked at, and it remembers the path since it was last asked to
    forget."""

    def __init__(self, search: Search, axis: Axis, hint: StepHint | None = None) -> None:
        self.name = axis.name
        self.hint = hint or StepHint()
        self.path = Path()
        self.search = search
        self._axis = axis

    def move(self, steps: int) -> None:
        """Turn by `steps`."""
        self.search.move(self._axis, steps)
        self.path.moves.append(steps)

    def look(self, relative_sigma: float = COARSE) -> Estimate:
        """Return the power here."""
        power = self.search.look(relative_sigma)
        self.path.looks.append((len(self.path.moves), power))
        return power

    @property
    def turned(self) -> int:
        """Return the direction of the last move, +1 before the first: every alignment ends forwards."""
        return self.path.turned


@dataclass
class Path:
    """Moves of one axis in steps, and what was seen: (number of moves before, power)."""

    moves: list[int] = field(default_factory=list)
    looks: list[tuple[int, Estimate]] = field(default_factory=list)
    before: int = 1  # direction of the move before the first

    @property
    def turned(self) -> int:
        """Return the direction of the last move."""
        return int(math.copysign(1, self.moves[-1])) if self.moves else self.before

    def forget(self) -> None:
        """Begin anew here: what was done so far is told by something else that moved meanwhile."""
        self.before = self.turned
        self.moves.clear()
        self.looks.clear()


def mean_of(readings: Sequence[Estimate]) -> Estimate:
    """Return the plain mean, with the larger of the readings' own uncertainty and that of their scatter."""
    values = np.array([reading.value for reading in readings])
    count = len(values)
    sigma = math.sqrt(sum(reading.sigma**2 for reading in readings)) / count
    if count > 3:
        sigma = max(sigma, float(values.std(ddof=1)) / math.sqrt(count))
    return Estimate(float(values.mean()), sigma, readings[0].unit, readings[0].convention)
