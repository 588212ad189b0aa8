"""What every spectrum-analyzer driver takes and gives back: one averaged sweep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SweepSettings:
    """One averaged sweep. Frequencies and bandwidths in Hz; `rbw_hz` is the -3 dB width of the resolution filter.

    `detector` is AVER, SAMP, POS or NEG, `average_type` RMS (power), LOG (video) or SCAL (voltage).
    """

    start_hz: float
    stop_hz: float
    points: int
    rbw_hz: float
    vbw_hz: float
    averages: int
    detector: str = "AVER"
    average_type: str = "RMS"

    def frequency_hz(self) -> NDArray[np.float64]:
        """Return the frequency of each point, shape (points,), in Hz."""
        return np.linspace(self.start_hz, self.stop_hz, self.points)
