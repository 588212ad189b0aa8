"""The day strip's arithmetic: what each column of pixels shows. No drawing here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

NO_RECORD, LOCKED, ON_ITS_WAY, HELD, LOST, OFF = range(6)  # codes of a ribbon
NOTHING: Final = -1  # no sample
# A column of pixels shows the worst of its samples, so that a loss of seconds is seen in a day.
_WORST_LAST: Final = (NOTHING, NO_RECORD, OFF, LOCKED, ON_ITS_WAY, HELD, LOST)
_BADNESS: Final = np.array([_WORST_LAST.index(code) for code in range(NOTHING, OFF + 1)])
_GAP_STEPS = 3.0  # so many usual steps without a sample are a gap
HOUR_S: Final = 3600.0
SPANS_S: Final = tuple(hours * HOUR_S for hours in (1 / 12, 1 / 4, 1 / 2, 1, 2, 3, 6, 12, 24))


def span_s(x: NDArray[np.float64], is_recorded: NDArray[np.bool_]) -> float:
    """Return how long a time is worth showing: that of the record, rounded up to one of `SPANS_S`."""
    if not is_recorded.any():
        return SPANS_S[-1]
    length_s = float(x[-1] - x[int(np.argmax(is_recorded))])
    return next((span for span in SPANS_S if span >= length_s), SPANS_S[-1])


@dataclass(frozen=True)
class Run:
    """Neighbouring columns of pixels, `first` to `last`, that show the same code."""

    first: int
    last: int
    code: int


@dataclass(frozen=True)
class Columns:
    """Which samples fall into which column of pixels: those from `starts[i]` up to `ends[i]` into column i. A column
    without a sample takes the one before it, unless that is too long ago."""

    starts: NDArray[np.intp]
    ends: NDArray[np.intp]

    @classmethod
    def of(cls, x: NDArray[np.float64], first: float, last: float, count: int) -> Columns:
        """Share out samples at ascending `x` among `count` columns between `first` and `last`."""
        edges = np.linspace(first, last, count + 1)
        bounds = np.searchsorted(x, edges)
        starts, ends = bounds[:-1].copy(), bounds[1:].copy()
        empty = (starts == ends) & (starts > 0)
        if x.size > 1 and empty.any():
            middle = (edges[:-1] + edges[1:]) / 2
            near = middle[empty] - x[starts[empty] - 1] <= _GAP_STEPS * float(np.median(np.diff(x)))
            starts[np.flatnonzero(empty)[near]] -= 1
        return cls(starts, ends)

    def worst(self, codes: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the worst code of each column; `NOTHING` where it has no sample."""
        known = np.where(np.isfinite(codes), codes, NO_RECORD)
        bad = _BADNESS[np.clip(known, NOTHING, OFF).astype(np.intp) - NOTHING]
        return _codes_of(self._reduced(np.maximum, bad.astype(np.float64), 0.0).astype(np.intp))

    def limits(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the least and the largest value of each column; nan where it has none."""
        return self._reduced(np.fmin, values, np.nan), self._reduced(np.fmax, values, np.nan)

    def _reduced(self, how: np.ufunc, values: NDArray[np.float64], nothing: float) -> NDArray[np.float64]:
        filled = self.ends > self.starts
        result = np.full(self.starts.size, nothing)
        if filled.any():
            # reduceat takes what lies from one index up to the next; between two columns nothing is of interest.
            padded = np.append(values, values[-1:])
            pairs = np.column_stack((self.starts[filled], self.ends[filled])).ravel()
            result[filled] = how.reduceat(padded, pairs)[::2]
        return result


def runs_of(codes: NDArray[np.intp]) -> Iterator[Run]:
    """Yield the runs of equal codes, those without a sample or a record left out."""
    if not codes.size:
        return
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
    ends = np.append(starts[1:], codes.size) - 1
    for first, last in zip(starts.tolist(), ends.tolist(), strict=True):
        if (code := int(codes[first])) > NO_RECORD:
            yield Run(first, last, code)


def widened(codes: NDArray[np.intp], least: int) -> NDArray[np.intp]:
    """Return the codes with every loss at least so many columns wide."""
    result = codes.copy()
    for place in np.flatnonzero(codes == LOST):
        result[place : place + least] = LOST
    return result


def worst_of(rows: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Return the worst code of several ribbons in each column: for more loops than rows of pixels."""
    return _codes_of(np.max([_BADNESS[row - NOTHING] for row in rows], axis=0))


def _codes_of(badness: NDArray[np.intp]) -> NDArray[np.intp]:
    codes: NDArray[np.intp] = np.array(_WORST_LAST, dtype=np.intp)[badness]
    return codes
