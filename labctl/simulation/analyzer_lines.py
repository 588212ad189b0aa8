"""Lines (coherent signals) behind a Gaussian resolution filter, beside noise: |A + n|^2 is Rice distributed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e

from labctl.simulation.ports import Line

FloatArray = NDArray[np.float64]

_AMPLITUDES = 600  # of the integral over |A + n|
_REACH = 6.0  # standard amplitudes of the noise beyond the line: e^-36


def lines_v2(lines: Sequence[Line], frequency_hz: FloatArray, rbw_hz: float) -> FloatArray:
    """Return the mean square in V^2 that a Gaussian filter of -3 dB width `rbw_hz` lets through at each frequency: that
    of the line, times 2^-(2 d / RBW)^2 at the distance d."""
    total = np.zeros(frequency_hz.shape)
    for line in lines:
        total += line.power_v2 * np.exp2(-((2.0 * (frequency_hz - line.frequency_hz) / rbw_hz) ** 2))
    return total


def rice_moments(
    forward: Callable[[FloatArray], FloatArray], line: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean, variance and skewness of forward(|A + n|^2), noise power 1, for lines of power |A|^2 = `line`.

    By the midpoint rule over t = |A + n|, whose density is 2 t e^{-(t - A)^2} i0e(2 t A).
    """
    amplitude = np.sqrt(line)[:, None]
    lowest = np.maximum(amplitude - _REACH, 0.0)
    step = (amplitude + _REACH - lowest) / _AMPLITUDES
    t = lowest + step * (np.arange(_AMPLITUDES) + 0.5)
    weight = 2.0 * t * np.exp(-((t - amplitude) ** 2)) * i0e(2.0 * t * amplitude) * step
    weight /= weight.sum(axis=1, keepdims=True)
    value = forward(t**2)
    mean = np.sum(weight * value, axis=1)
    away = value - mean[:, None]
    variance = np.sum(weight * away**2, axis=1)
    return mean, variance, np.sum(weight * away**3, axis=1) / variance**1.5
