"""Which segments of a stream may be used: those that no spoiled sample reaches."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused


@dataclass(frozen=True)
class Segment:
    """One segment of a stream: input samples [start, stop) reach it through the filters; `valid` if none is spoiled."""

    index: int
    start: int
    stop: int
    valid: bool


class ValidityMask:
    """Stretches [start, stop) of a stream's samples that are spoiled: a lock was lost, or the converter was full.

    Stretches that touch are kept as one, and those before `forget` not at all, so memory stays bounded.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def spoil(self, start: int, stop: int) -> None:
        """Spoil the samples [start, stop); an empty stretch changes nothing. Refuses one that ends before it starts."""
        if stop < start:
            raise AnalysisRefused(f"Samples {start} to {stop} are no stretch of a stream.")
        if stop == start:
            return
        first, last = bisect_left(self._stops, start), bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def spoil_where(self, bad: npt.NDArray[np.bool_], first: int) -> None:
        """Spoil the samples where `bad` (n,) is true, `first` being the index of its first one."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2):
            self.spoil(first + int(start), first + int(stop))

    def is_good(self, start: int, stop: int) -> bool:
        """Whether none of the samples [start, stop) is spoiled."""
        first = bisect_right(self._stops, start)
        return first == len(self._starts) or self._starts[first] >= stop

    def forget(self, before: int) -> None:
        """Drop what lies wholly before sample `before`."""
        done = bisect_right(self._stops, before)
        del self._starts[:done], self._stops[:done]

    @property
    def stretches(self) -> list[tuple[int, int]]:
        """The stretches that are kept, in order."""
        return list(zip(self._starts, self._stops, strict=True))
