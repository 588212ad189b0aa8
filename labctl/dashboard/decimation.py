"""Fewer points for the same picture: the points of a trace that fall on one bin of the screen become one.

The bins are what the detectors of an analyzer are: the mean power for noise, with the lines that stand out of it kept;
the largest for max hold; the smallest for min hold. All power is linear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_BINS = 600
FEWEST_BINS = 100
LINE_SIGMA = 5.0  # a point that stands out by more is a line, not noise: 3e-7 of the points of pure noise do
TINY = 1e-300  # stands for no power at all, which has no decibels

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins of the part of an axis that is in view: point `starts[i]` and those before the next start are bin i.

    `first` and `last` bound the points (last is exclusive); `centre_hz` is the mean frequency of each bin.
    """

    first: int
    last: int
    per_bin: int
    starts: NDArray[np.intp]  # from `first`
    counts: NDArray[np.intp]
    centre_hz: FloatArray


def bins_in_view(frequency_hz: FloatArray, low_hz: float, high_hz: float, most: int = MOST_BINS) -> Bins:
    """Return at most `most` + 2 bins that cover the points from `low_hz` to `high_hz` and one on each side.

    Where the view holds no more than `most` points each is a bin of its own. Bins begin at multiples of their size, so
    that they stay where they are while the view moves.
    """
    points = len(frequency_hz)
    first = max(0, int(np.searchsorted(frequency_hz, low_hz, "left")) - 1)
    last = min(points, int(np.searchsorted(frequency_hz, high_hz, "right")) + 1)
    per_bin = max(1, -(-(last - first) // max(1, most)))
    first -= first % per_bin
    last = min(points, -(-last // per_bin) * per_bin)
    starts = np.arange(0, max(0, last - first), per_bin, dtype=np.intp)
    counts = np.minimum(per_bin, last - first - starts)
    x = frequency_hz[first:last]
    centre = x if per_bin == 1 else _sums(x, starts) / counts
    return Bins(first, last, per_bin, starts, counts, np.asarray(centre, dtype=np.float64))


def mean_power(power: FloatArray, bins: Bins) -> FloatArray:
    """Return the mean power of each bin."""
    seen = power[bins.first : bins.last]
    return seen if bins.per_bin == 1 else np.asarray(_sums(seen, bins.starts) / bins.counts)


def largest(power: FloatArray, bins: Bins) -> FloatArray:
    """Return the largest power of each bin."""
    seen = power[bins.first : bins.last]
    return seen if bins.per_bin == 1 or not len(seen) else np.maximum.reduceat(seen, bins.starts)


def smallest(power: FloatArray, bins: Bins) -> FloatArray:
    """Return the smallest power of each bin."""
    seen = power[bins.first : bins.last]
    return seen if bins.per_bin == 1 or not len(seen) else np.minimum.reduceat(seen, bins.starts)


def mean_with_lines(power: FloatArray, bins: Bins, effective_k: float) -> FloatArray:
    """Return the mean power of each bin, but the largest where it stands out of the others of its bin as a line does.

    `effective_k` is the number of independent averages of each point (the shape of its gamma distribution).
    """
    mean = mean_power(power, bins)
    if bins.per_bin == 1 or not len(mean):
        return mean
    top = largest(power, bins)
    others = (mean * bins.counts - top) / np.maximum(bins.counts - 1, 1)
    return np.where(top > noise_ceiling(effective_k) * others, top, mean)


def noise_ceiling(effective_k: float, sigma: float = LINE_SIGMA) -> float:
    """Return the ratio to its mean that noise of `effective_k` averages exceeds as rarely as a normal one `sigma`."""
    k = max(effective_k, 1.0)
    root = 1 - 1 / (9 * k) + sigma / (3 * math.sqrt(k))
    return root**3  # Wilson and Hilferty's cube root of a gamma variable


def decibels(ratio: FloatArray) -> FloatArray:
    """Return 10 log10 of a ratio; what is not a positive number becomes nan."""
    good = ratio > 0
    return np.where(good, 10 * np.log10(np.where(good, np.maximum(ratio, TINY), 1.0)), np.nan)


def _sums(values: FloatArray, starts: NDArray[np.intp]) -> FloatArray:
    return np.add.reduceat(values, starts) if len(values) else values
