"""Records of all detectors as boards that share clock and trigger take them: drawn once for one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class RecordSource(Protocol):
    """What draws records of detectors; `Detectors` does."""

    def records(
        self, sensors: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        """Return volts of the detectors `sensors` (indices from 0), shape (len(sensors), samples)."""
        ...


class SharedRecords:
    """Implements `RecordSource`: the latest record of all `count` detectors, of which each board takes its rows.

    Records of one kind that begin within one sample of each other are the same: that is what a shared clock makes of
    boards that were triggered together.
    """

    def __init__(self, source: RecordSource, count: int) -> None:
        self._source = source
        self._all = range(count)
        self._kind = (0.0, 0, 0)
        self._started_at = 0.0
        self._volts = np.zeros((count, 0))

    def records(
        self, sensors: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        """Return volts of the detectors `sensors` (indices from 0), shape (len(sensors), samples)."""
        kind = (sample_rate_hz, samples, average)
        if kind != self._kind or abs(started_at - self._started_at) * sample_rate_hz >= 1.0:
            self._volts = self._source.records(self._all, started_at, sample_rate_hz, samples, average)
            self._kind, self._started_at = kind, started_at
        return self._volts[list(sensors)]
