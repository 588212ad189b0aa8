"""The peaks of a noise trace: maxima that noise alone would not make. Pure numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.dashboard.decimation import noise_ceiling

FloatArray = NDArray[np.float64]


def peaks(power: FloatArray, effective_k: float) -> NDArray[np.intp]:
    """Return the indices of the peaks of `power` (n,), the highest first.

    A peak stands over the lowest point between it and every higher peak by more than the noise of `effective_k`
    averages reaches once in a few million points; the highest point of all is always one, as on an analyzer.
    """
    finite = np.isfinite(power)
    if not finite.any():
        return np.empty(0, dtype=np.intp)
    level = np.where(finite, power, 0.0)
    inner = level[1:-1]
    rises = np.flatnonzero((inner >= level[:-2]) & (inner > level[2:])) + 1 if len(level) > 2 else np.empty(0, np.intp)
    highest = int(np.argmax(level))
    ceiling = noise_ceiling(effective_k)
    # What does not stand over the median of all cannot be a peak either: it keeps the search below short.
    rises = rises[level[rises] > ceiling * np.median(level)] if len(rises) > 1 else rises
    order = rises[np.argsort(level[rises])[::-1]]
    found = [highest]
    for index in order:
        if index != highest and _stands_alone(level, int(index), found, ceiling):
            found.append(int(index))
    return np.asarray(found, dtype=np.intp)


def _stands_alone(level: FloatArray, index: int, higher: list[int], ceiling: float) -> bool:
    left = max((other for other in higher if other < index), default=None)
    right = min((other for other in higher if other > index), default=None)
    valleys = [float(np.min(level[left : index + 1]))] if left is not None else []
    valleys += [float(np.min(level[index : right + 1]))] if right is not None else []
    return all(level[index] > ceiling * max(valley, 0.0) for valley in valleys)
