"""A train of motor steps with a trapezoidal rate, as stepper and picomotor controllers send it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

_ROUNDING_STEPS = 1e-6  # a float never loses this much over the longest train; a step is whole when it is this close


@dataclass(frozen=True)
class StepTrain:
    """Steps whose rate rises with `acceleration` (steps/s^2) to at most `rate` (steps/s), holds, and falls again.

    `started_at` is in s of lab time; braking begins `braking_after` s later (inf: runs until it is stopped).
    `direction` is +1 or -1.
    """

    direction: int
    started_at: float
    rate: float
    acceleration: float
    braking_after: float = math.inf

    @classmethod
    def of(cls, steps: int, started_at: float, rate: float, acceleration: float) -> StepTrain:
        """Return the train of exactly `steps` steps (signed)."""
        count = abs(steps)
        # A short train never reaches its rate: a triangle of height sqrt(a N) has the area N.
        peak = min(rate, math.sqrt(acceleration * count))
        return cls(1 if steps >= 0 else -1, started_at, rate, acceleration, count / peak if count else 0.0)

    @property
    def ends_at(self) -> float:
        """Return the lab time in s at which the motor stands."""
        return self.started_at + self.braking_after + self._rate_after(self.braking_after) / self.acceleration

    def braked(self, now: float) -> StepTrain:
        """Return this train as it goes on when it is told to stop at `now` (s): it brakes with its acceleration."""
        return replace(self, braking_after=min(self.braking_after, max(0.0, now - self.started_at)))

    def steps_at(self, now: float) -> int:
        """Return how many steps (signed) were sent by `now` (s)."""
        elapsed = max(0.0, now - self.started_at)
        driven = min(elapsed, self.braking_after)
        braking = elapsed - driven
        rate = self._rate_after(driven)
        braking = min(braking, rate / self.acceleration)
        rising = min(driven, self.rate / self.acceleration)
        steps = self.acceleration * rising**2 / 2 + self.rate * (driven - rising)
        steps += rate * braking - self.acceleration * braking**2 / 2
        return self.direction * math.floor(steps + _ROUNDING_STEPS)

    def _rate_after(self, seconds: float) -> float:
        return min(self.rate, self.acceleration * seconds)
