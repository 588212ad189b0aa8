"""Whether a reading is outside its window, and has been so for long enough to say so."""

from __future__ import annotations

import math
import threading

from labctl.bus.messages import Severity


class Watch:
    """One window for one reading, in its own unit; nan is no limit on that side.

    A reading must be out, or missing, for `delay_s` before it counts, and back inside by `deadband` before it is good
    again. Raises ValueError for a window that is no window. May be used by several threads.
    """

    def __init__(
        self,
        low: float,
        high: float,
        deadband: float = 0.0,
        delay_s: float = 0.0,
        *,
        severity: Severity = Severity.MINOR,
    ) -> None:
        self._low = -math.inf if math.isnan(low) else low
        self._high = math.inf if math.isnan(high) else high
        if not 0.0 <= 2.0 * deadband <= self._high - self._low:
            raise ValueError(f"A dead band of {deadband:g} does not fit into a window from {low:g} to {high:g}.")
        self._deadband = deadband
        self._delay_s = delay_s
        self._severity = severity
        self._guard = threading.Lock()
        self._seen: Severity | None = None  # what the readings show, since when
        self._since = 0.0
        self._told: Severity | None = None
        self._is_out = False  # until it is back inside by the dead band; a missing reading changes nothing

    def judge(self, value: float, now: float) -> Severity | None:
        """Take a reading at `now`, in s, and return how bad it is: the severity of a reading outside, INVALID for none
        (nan), or None where nothing is to be told."""
        with self._guard:
            seen = self._see(value)
            if seen is not self._seen:
                self._seen, self._since = seen, now
            if seen is None or now - self._since >= self._delay_s:
                self._told = seen
                self._is_out = seen is not None and (self._is_out or seen is self._severity)
            return self._told

    def _see(self, value: float) -> Severity | None:
        if math.isnan(value):
            return Severity.INVALID
        margin = self._deadband if self._is_out else 0.0
        return None if self._low + margin <= value <= self._high - margin else self._severity
