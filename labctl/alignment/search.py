"""One search: moves that can be stopped, readings that are averaged as long as they must be, and the count of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from labctl.alignment.axes import Axis, Objective
from labctl.errors import LockError
from labctl.spectra.estimate import Estimate

COARSE = 0.03  # relative sigma of a look that only tells uphill from downhill
FINE = 0.005  # of one that decides
MOST_READINGS = 12  # of one look
SIGNAL_SIGMAS = 5.0  # what is weaker is no light
DARK_READINGS = 2  # and is not averaged further
DARK_LOOKS = 8  # in a row, where there had been light
NOTHING = Estimate(0.0, 0.0)


@dataclass
class Search:
    """Moves axes and reads the power, and stops between two of either when `check_stop` raises.

    `moving` makes the context in which a motor runs: whoever uses the light holds it there. `on_look` is told the
    number of moves so far and the power found.
    Raises `LockError` once `most_moves` or `most_steps` were made, or the light went out for good; the mirrors stay
    where they are.
    """

    power: Objective
    check_stop: Callable[[], None] = lambda: None
    moving: Callable[[], AbstractContextManager[None]] = nullcontext
    on_look: Callable[[int, Estimate], None] = lambda moves, power: None
    most_moves: int = 2000
    most_steps: int = 1_000_000
    moves: int = 0
    steps: int = 0
    readings: int = 0
    best: Estimate = NOTHING
    _here: list[Estimate] = field(default_factory=list)
    _dark_looks: int = 0

    def move(self, axis: Axis, steps: int) -> None:
        """Turn `axis` by `steps`."""
        self.check_stop()
        if self.moves >= self.most_moves or self.steps + abs(steps) > self.most_steps:
            raise LockError(
                f"The alignment was not done after {self.moves} moves and {self.steps} steps; the highest power was "
                f"{self.best.value:.3g}.",
                remedy="Look whether the light is steady and every motor turns its mirror.",
            )
        self._here.clear()
        self.moves += 1
        self.steps += abs(steps)
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
        self._dark_looks = 0 if is_lit(power) else self._dark_looks + 1
        if self._dark_looks >= DARK_LOOKS and is_lit(self.best):
            raise LockError(
                f"The light went out: {power.value:.2g}, after {self.best.value:.2g} before.",
                remedy="Look whether a beam is blocked or its source lost its lock; else search with a raster.",
            )
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
        if not is_lit(power):
            return len(self._here) >= DARK_READINGS
        return power.relative_sigma <= relative_sigma


def is_lit(power: Estimate) -> bool:
    """Return whether a power stands clear of its noise."""
    return power.value > SIGNAL_SIGMAS * power.sigma


def mean_of(readings: Sequence[Estimate]) -> Estimate:
    """Return the plain mean, with the larger of the readings' own uncertainty and that of their scatter."""
    values = np.array([reading.value for reading in readings])
    count = len(values)
    sigma = math.sqrt(sum(reading.sigma**2 for reading in readings)) / count
    if count > 3:
        sigma = max(sigma, float(values.std(ddof=1)) / math.sqrt(count))
    return Estimate(float(values.mean()), sigma, readings[0].unit, readings[0].convention)
