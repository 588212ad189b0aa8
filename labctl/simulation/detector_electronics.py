"""Electronics of the homodyne detectors and of their digitizer: responses over frequency (Hz), and added noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

RF_VOLTS_PER_AMPERE = 5.0e4  # transimpedance and amplifier together
BANDWIDTH_HZ = 20e6  # of each detector, one pole
DARK_CORNER_HZ = 100e3  # below it dark noise rises as 1/f
EXCESS_OVER_SHOT = 1e4  # of the laser's intensity noise, below its corner, at the full local oscillator
EXCESS_CORNER_HZ = 100e3
SLOWEST_HZ = 1.0  # what is slower is a drift, not noise
ANTI_ALIAS_HZ = 6.5e6  # Butterworth low-pass in front of the digitizer
ANTI_ALIAS_ORDER = 7
DIGITIZER_NOISE_V2_PER_HZ = 1.5e-15  # at the raw rate
RAW_RATE_HZ = 125e6


def detector_response(frequency_hz: FloatArray) -> NDArray[np.complex128]:
    """Return the complex response 1 / (1 + i f / BW) of a detector."""
    return np.asarray(1.0 / (1.0 + 1j * frequency_hz / BANDWIDTH_HZ))


def dark_shape(frequency_hz: FloatArray) -> FloatArray:
    """Return dark noise at the input over its white part: sqrt(1 + (f_c / f)^2), 1/f below the corner."""
    return np.hypot(1.0, DARK_CORNER_HZ / np.maximum(frequency_hz, SLOWEST_HZ))


def laser_excess(frequency_hz: FloatArray) -> FloatArray:
    """Return the laser's excess noise over shot noise where nothing is balanced, as power; far below 1 at 4.3 MHz."""
    return np.asarray(EXCESS_OVER_SHOT / (1.0 + (frequency_hz / EXCESS_CORNER_HZ) ** 4))


def low_pass(frequency_hz: FloatArray) -> FloatArray:
    """Return the amplitude response of the filter in front of the digitizer."""
    return np.asarray(1.0 / np.sqrt(1.0 + (frequency_hz / ANTI_ALIAS_HZ) ** (2 * ANTI_ALIAS_ORDER)))


def boxcar(frequency_hz: FloatArray, average: int) -> FloatArray:
    """Return the amplitude response of averaging `average` raw samples into one."""
    return np.asarray(np.sinc(average * frequency_hz / RAW_RATE_HZ) / np.sinc(frequency_hz / RAW_RATE_HZ))


def digitizer_noise_v2_per_hz(sample_rate_hz: float, average: int) -> float:
    """Return the digitizer's own noise in V^2/Hz: samples that are dropped, not averaged, leave theirs in the band."""
    return DIGITIZER_NOISE_V2_PER_HZ * RAW_RATE_HZ / (sample_rate_hz * average)
