"""The doors of an alignment: an axis that turns, the light that shows how well it stands, and what is known of its
steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from labctl.spectra.estimate import Estimate
from labctl.station.roles import Picomotor

UNKNOWN_RATIO = Estimate(1.0, 0.5)
UNKNOWN_BACKLASH = Estimate(10.0, 20.0, "steps")

Objective = Callable[[], Estimate]
"""One reading of what is to be greatest, proportional to power: transmission, or visibility squared."""


class Axis(Protocol):
    """Something that turns by steps of unknown size, which differ by direction, with play at every reversal."""

    @property
    def name(self) -> str:
        """Return what an operator calls it."""
        ...

    def move(self, steps: int) -> None:
        """Turn by `steps` and wait for the end of the motion."""
        ...


@dataclass
class MirrorAxis:
    """One axis ("pitch" or "yaw") of a mirror mount; what is longer than `most_steps` is done in several moves.

    `turned` counts the steps that were asked for: where the mirror is, as far as steps are alike.
    """

    mirror: Picomotor
    name: str
    most_steps: int
    turned: int = 0

    def move(self, steps: int) -> None:
        """Turn by `steps`. Raises what the mirror raises."""
        left = steps
        while left:
            part = max(-self.most_steps, min(self.most_steps, left))
            self.mirror.move(self.name, part)
            self.turned += part
            left -= part


@dataclass(frozen=True)
class StepHint:
    """What earlier moves of an axis told, for forecasts alone.

    `ratio`: a step backward over one forward; `backlash`: motor steps that move nothing after a reversal; `width`:
    steps forward from the top to where the power has fallen to 1/e, None before the top was crossed.
    """

    ratio: Estimate = UNKNOWN_RATIO
    backlash: Estimate = UNKNOWN_BACKLASH
    width: float | None = None

    def forward(self, distance: float, *, reversed_: bool = True) -> int:
        """Return the steps that should turn the mirror by `distance` steps forward."""
        return max(1, round(distance + reversed_ * self.backlash.value))

    def backward(self, distance: float, *, reversed_: bool = True) -> int:
        """Return the steps, negative, that should turn it back by as much as `distance` steps forward turn it."""
        return -max(1, round(distance / self.ratio.value + reversed_ * self.backlash.value))

    def distance(self, fall: float) -> float:
        """Return how far from the top the logarithm of the power has fallen by `fall`, in steps forward.

        Raises `ValueError` before the top was crossed.
        """
        if self.width is None:
            raise ValueError("the top was not crossed yet")
        return self.width * math.sqrt(max(0.0, fall))
