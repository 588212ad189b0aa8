"""Recorded readings replayed through the rule that says a lock is lost: how fast, how often wrongly, how often not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.locks.loop import Reading, Tolerance
from labctl.locks.quality import is_bad

SECONDS_PER_HOUR: Final = 3600.0
LONG_LOST_S: Final = 1.0  # a lock that comes back sooner need not be seen as lost
AFTERMATH_S: Final = 0.5  # after a true loss: an alarm then is no false one


@dataclass(frozen=True, eq=False)
class Recording:
    """Readings of one loop, evenly spaced, nobody stepping in: lab time in s, error and witness as in `Reading`, and
    whether the loop was truly locked; all of shape (n,)."""

    time_s: NDArray[np.float64]
    error: NDArray[np.float64]
    witness: NDArray[np.float64]
    locked: NDArray[np.bool_]

    def bad(self, tolerance: Tolerance) -> NDArray[np.bool_]:
        """Return which readings are bad, by the rule of the supervisor."""
        rows = zip(self.time_s.tolist(), self.error.tolist(), self.witness.tolist(), strict=True)
        return np.array([is_bad(Reading(*row), tolerance) for row in rows], dtype=np.bool_)

    def true_losses(self) -> list[tuple[float, float]]:
        """Return when the loop was truly lost, lab time from and to in s."""
        return _spans(self.time_s, ~self.locked)


@dataclass(frozen=True)
class OperatingPoint:
    """What one setting of the rule gives: `bad_in_a_row` readings beyond `tolerance` are a loss.

    Delays in s from the true loss to the decision, nan where none was seen; `missed` of `losses` that lasted were not
    seen while they lasted.
    """

    tolerance: Tolerance
    bad_in_a_row: int
    losses: int
    missed: int
    median_delay_s: float
    longest_delay_s: float
    false_alarms_per_hour: float


def alarms(bad: NDArray[np.bool_], bad_in_a_row: int) -> NDArray[np.bool_]:
    """Return for each reading whether the loop counts as lost then: with the last of `bad_in_a_row` bad ones, until
    one is good."""
    count = 0
    on = np.zeros(len(bad), dtype=np.bool_)
    for index, is_one in enumerate(bad.tolist()):
        count = count + 1 if is_one else 0
        on[index] = count >= bad_in_a_row
    return on


def operating_points(
    recordings: Sequence[Recording], tolerances: Iterable[Tolerance], bad_in_a_row: Iterable[int]
) -> list[OperatingPoint]:
    """Return what each setting of the rule gives on all `recordings`."""
    counts = list(bad_in_a_row)
    points = []
    for tolerance in tolerances:
        bad = [recording.bad(tolerance) for recording in recordings]
        points += [_point(recordings, bad, tolerance, count) for count in counts]
    return points


def with_largest_error(tolerance: Tolerance, errors: Iterable[float]) -> list[Tolerance]:
    """Return tolerances that differ in the largest error alone."""
    return [replace(tolerance, largest_error=error) for error in errors]


def with_least_witness(tolerance: Tolerance, shares: Iterable[float]) -> list[Tolerance]:
    """Return tolerances that differ in the least witness alone."""
    return [replace(tolerance, least_witness=share) for share in shares]


def _point(
    recordings: Sequence[Recording], bad: Sequence[NDArray[np.bool_]], tolerance: Tolerance, count: int
) -> OperatingPoint:
    delays: list[float] = []
    losses = missed = false = 0
    locked_s = 0.0
    for recording, bad_ones in zip(recordings, bad, strict=True):
        on = alarms(bad_ones, count)
        spans = recording.true_losses()
        lasting = [(start, end) for start, end in spans if end - start >= LONG_LOST_S]
        found = [
            float(seen[0]) - start for start, end in lasting if (seen := _within(recording.time_s[on], start, end)).size
        ]
        losses += len(lasting)
        missed += len(lasting) - len(found)
        delays += found
        false += sum(
            not any(begins <= end + AFTERMATH_S and ends >= start for start, end in spans)
            for begins, ends in _spans(recording.time_s, on)
        )
        period_s = float(np.median(np.diff(recording.time_s)))
        locked_s += period_s * int(recording.locked.sum())
    return OperatingPoint(
        tolerance,
        count,
        losses,
        missed,
        float(np.median(delays)) if delays else math.nan,
        max(delays, default=math.nan),
        SECONDS_PER_HOUR * false / locked_s if locked_s else math.nan,
    )


def _within(times: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    return times[(times >= start) & (times <= end)]


def _spans(time_s: NDArray[np.float64], on: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Return from when to when `on` is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(int)))
    last = len(time_s) - 1
    times = [float(time_s[min(edge, last)]) for edge in edges.tolist()]
    return list(zip(times[::2], times[1::2], strict=True))
