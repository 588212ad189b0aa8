"""Lab time as wall time: what a core tells is stamped with the time that the rest of the world has."""

from __future__ import annotations

import math
import threading
from bisect import bisect_right

MOST_PAIRS = 4096
SAME_S = 1e-6


class LabTimes:
    """Pairs of lab time and wall time, from which wall times of lab times between them are read.

    A lab time that stands still keeps the wall time at which it was seen first, so that what was measured then grows
    old while the table computes.
    """

    def __init__(self, lab_s: float, wall_s: float) -> None:
        self._guard = threading.Lock()
        self._lab, self._wall = [lab_s], [wall_s]

    def note(self, lab_s: float, wall_s: float) -> None:
        """Note that it is `lab_s` at the wall time `wall_s`."""
        with self._guard:
            if lab_s <= self._lab[-1] + SAME_S:
                return
            self._lab.append(lab_s)
            self._wall.append(wall_s)
            if len(self._lab) > MOST_PAIRS:  # the older half is thinned: what is long past is told less exactly
                self._lab = self._lab[: MOST_PAIRS // 2 : 2] + self._lab[MOST_PAIRS // 2 :]
                self._wall = self._wall[: MOST_PAIRS // 2 : 2] + self._wall[MOST_PAIRS // 2 :]

    def wall_of(self, lab_s: float) -> float:
        """Return the wall time of a lab time, of one outside what was noted that of the nearest; nan of nan."""
        with self._guard:
            if math.isnan(lab_s):
                return math.nan
            after = bisect_right(self._lab, lab_s)
            if after in (0, len(self._lab)):
                return self._wall[max(after - 1, 0)]
            begin, end = self._lab[after - 1], self._lab[after]
            share = (lab_s - begin) / (end - begin)
            return self._wall[after - 1] + share * (self._wall[after] - self._wall[after - 1])
