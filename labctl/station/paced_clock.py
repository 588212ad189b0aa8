"""Lab time of a simulated table in this process that goes as fast as the wall clock, or so many times as fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from labctl.station.clock import Registration, SimulatedClock

STRIDE_S = 0.02  # wall time between two looks at the wall clock
LONGEST_LAG_S = 1.0  # wall time by which the table may be late and still catches up


class PacedClock:
    """A simulated clock that waits for the wall clock wherever it sleeps.

    The table itself still moves on one line of time, in the thread that sleeps. A table that is too slow is late, and
    gives up what it cannot catch up with.
    """

    concurrent = False

    def __init__(self, clock: SimulatedClock, speed: float, wall: Callable[[], float] = time.monotonic) -> None:
        if not speed > 0:
            raise ValueError(f"the speed of a clock is above 0, not {speed:g}")
        self._speed = speed
        self._clock = clock
        self._wall = wall
        self._wake = threading.Event()
        self._wall_origin, self._lab_origin = wall(), clock.now()

    @property
    def speed(self) -> float:
        """Lab seconds per wall second."""
        return self._speed

    def go_at(self, speed: float) -> None:
        """Let lab time go at another speed from now on."""
        self._wall_origin, self._lab_origin = self._wall(), self.now()
        self._speed = speed

    def now(self) -> float:
        """Return the time in s since the table was switched on."""
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Let lab time pass, stride by stride with the wall clock; less if interrupted."""
        end = self.now() + max(0.0, seconds)
        while not self._wake.is_set():
            left = end - self.now()
            self._clock.sleep(min(max(left, 0.0), STRIDE_S * self._speed))
            self._keep_pace()
            if end - self.now() <= 0.0:
                break
        self._wake.clear()

    def interrupt(self) -> None:
        """Let the present or next sleep return at once."""
        self._wake.set()

    def every(self, period_s: float, task: Callable[[], None], name: str) -> Registration:
        """Run `task` every `period_s` of lab time, first after one period."""
        return self._clock.every(period_s, task, name)

    def _keep_pace(self) -> None:
        ahead_s = (self.now() - self._lab_origin) / self._speed - (self._wall() - self._wall_origin)
        if ahead_s > 0.0:
            self._wake.wait(ahead_s)
        elif ahead_s < -LONGEST_LAG_S:
            self._wall_origin, self._lab_origin = self._wall(), self.now()
