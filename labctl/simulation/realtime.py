"""Lab time of a table that is served to other programs: it follows the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from labctl.simulation.wire import Timebase

STRIDE_S = 0.1  # lab time between two looks at the wall clock
LONGEST_WORK_S = 5e-3  # wall time for which the table may move before the wires are looked after again
LONGEST_LAG_S = 2.0  # wall time by which the table may be late and still catches up


class RealTime:
    """Lets the lab time of `table` run `speed` times as fast as the wall clock, from where it stands.

    Not for several threads: who calls `follow` is the one who touches the table and its instruments. A machine that is
    too slow makes the table late; what it cannot catch up with is given up and counted in `lost_s` (lab time, s).
    """

    def __init__(self, table: Timebase, speed: float = 1.0, wall: Callable[[], float] = time.monotonic) -> None:
        self.speed = speed
        self.lost_s = 0.0
        self._table = table
        self._wall = wall
        self._wall_origin = wall()
        self._lab_origin = table.now()

    def now(self) -> float:
        """Return lab time in s, as far as the table has come."""
        return self._table.now()

    def follow(self) -> None:
        """Move the table on to the present, or as far as it comes in `LONGEST_WORK_S`."""
        began = self._wall()
        present = self._lab_origin + self.speed * (began - self._wall_origin)
        if (late := present - self.now() - self.speed * LONGEST_LAG_S) > 0:
            self.lost_s += late
            self._lab_origin -= late
            present -= late
        while (behind := present - self.now()) > 0:
            self._table.elapse(min(behind, STRIDE_S))
            if self._wall() - began > LONGEST_WORK_S:
                break

    def wall_s_until(self, lab_time: float) -> float:
        """Return the wall time in s until lab time is `lab_time`, 0 when it is past."""
        return max(0.0, self._wall_origin + (lab_time - self._lab_origin) / self.speed - self._wall())
