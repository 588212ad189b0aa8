"""What every spectrum-analyzer driver takes and gives back: one averaged sweep."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PointAveraging:
    """What one sweep averages into each of its points, as far as bandwidths do not say it.

    detector_time_s: how long the detector averages power or voltage for one point, past the video filter, in s; None
    where the detector shows the video signal. sweep_rate_hz_per_s: None for an FFT, or where the instrument does not
    say. log_video: whether the video filter averages decibels whatever the average type.
    """

    detector_time_s: float | None = None
    sweep_rate_hz_per_s: float | None = None
    log_video: bool = False


@dataclass(frozen=True)
class SweepSettings:
    """One averaged sweep. Frequencies and bandwidths in Hz; `rbw_hz` is the -3 dB width of the resolution filter.

    `detector` is AVER, SAMP, POS or NEG, `average_type` RMS (power), LOG (video) or SCAL (voltage). `point_averaging`
    is what the driver found out; nobody asks for it, and it does not count when sweeps are compared.
    """

    start_hz: float
    stop_hz: float
    points: int
    rbw_hz: float
    vbw_hz: float
    averages: int
    detector: str = "AVER"
    average_type: str = "RMS"
    point_averaging: PointAveraging = field(default=PointAveraging(), compare=False)

    def frequency_hz(self) -> NDArray[np.float64]:
        """Return the frequency of each point, shape (points,), in Hz."""
        return np.linspace(self.start_hz, self.stop_hz, self.points)
