"""How a loop's output moves while it is locked: its drift, where it will be, and when it meets a rail."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

KEPT: Final = 16  # looks at the output
LONGEST_S: Final = 60.0  # older looks say nothing of the drift of now
FEWEST: Final = 3


class OutputDrift:
    """Looks at the output of a locked loop, the straight line through them, and what follows from it."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self.rate_v_per_s = 0.0  # by least squares; 0 while there are too few looks

    def note(self, at: float, output_v: float) -> None:
        """Take one look, lab time in s."""
        self._looks.append((at, output_v))
        while at - self._looks[0][0] > LONGEST_S:
            self._looks.popleft()
        self.rate_v_per_s = self._slope()

    def forget(self) -> None:
        """Begin anew: the loop was opened or hopped."""
        self._looks.clear()
        self.rate_v_per_s = 0.0

    def _slope(self) -> float:
        count = len(self._looks)
        if count < FEWEST:
            return 0.0
        mean_t = sum(at for at, _ in self._looks) / count
        mean_v = sum(volts for _, volts in self._looks) / count
        spread = sum((at - mean_t) ** 2 for at, _ in self._looks)
        if spread == 0.0:
            return 0.0
        return sum((at - mean_t) * (volts - mean_v) for at, volts in self._looks) / spread

    @property
    def is_known(self) -> bool:
        """Return whether there were looks enough."""
        return len(self._looks) >= FEWEST

    def expected_v(self, at: float) -> float:
        """Return where the output would be at lab time `at`, going on from the last look; nan before the first."""
        if not self._looks:
            return math.nan
        last_at, last_v = self._looks[-1]
        return last_v + self.rate_v_per_s * (at - last_at)

    def time_to_rail_s(self, low_v: float, high_v: float) -> float:
        """Return when the output meets a rail if it goes on so, in s from the last look; inf where it does not."""
        rate = self.rate_v_per_s
        if not self._looks or rate == 0.0:
            return math.inf
        left_v = (high_v if rate > 0.0 else low_v) - self._looks[-1][1]
        return max(0.0, left_v / rate)
