"""What is climbed, and the path that it went."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from labctl.alignment.axes import Axis, StepHint
from labctl.alignment.search import COARSE, Search
from labctl.spectra.estimate import Estimate


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

    def saw(self, power: Estimate) -> None:
        """Keep the power here, in place of an earlier look at the same place."""
        if self.looks and self.looks[-1][0] == len(self.moves):
            self.looks.pop()
        self.looks.append((len(self.moves), power))

    def forget(self) -> None:
        """Begin anew here: what was done so far is told by something else that moved meanwhile."""
        self.before = self.turned
        self.moves.clear()
        self.looks.clear()


class Knob(Protocol):
    """What is climbed: an axis, or an axis whose partner is set anew after every move."""

    name: str
    hint: StepHint
    path: Path

    def move(self, steps: int) -> None:
        """Turn by `steps`."""
        ...

    def look(self, relative_sigma: float = COARSE) -> Estimate:
        """Return the power here."""
        ...

    @property
    def turned(self) -> int:
        """Return the direction of the last move."""
        ...


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
        self.path.saw(power)
        return power

    @property
    def turned(self) -> int:
        """Return the direction of the last move, +1 before the first: every alignment ends forwards."""
        return self.path.turned
