"""Line shapes of a mechanical mode, as they are and as a spectrum analyzer shows them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import wofz


def lorentzian(frequency_hz: ArrayLike, f0_hz: float, gamma_hz: float) -> NDArray[np.float64]:
    """Return 1 / (1 + (2 (f - f0) / Gamma)^2): peak 1, full width at half maximum `gamma_hz`."""
    detuning = (np.asarray(frequency_hz, dtype=float) - f0_hz) / gamma_hz
    return np.asarray(1.0 / (1.0 + (2.0 * detuning) ** 2))


def filtered_lorentzian(frequency_hz: ArrayLike, f0_hz: float, gamma_hz: float, rbw_hz: float) -> NDArray[np.float64]:
    """Return `lorentzian` convolved with the unit-area power response of a Gaussian filter of -3 dB width `rbw_hz` (a
    Voigt profile).

    The area pi Gamma / 2 is kept; the peak falls below 1 as the filter widens. All in Hz.
    """
    sigma_hz = rbw_hz / (2.0 * np.sqrt(2.0 * np.log(2.0)))
    if sigma_hz == 0.0:
        return lorentzian(frequency_hz, f0_hz, gamma_hz)
    z = (np.asarray(frequency_hz, dtype=float) - f0_hz + 0.5j * gamma_hz) / (sigma_hz * np.sqrt(2.0))
    voigt = np.real(wofz(z)) / (sigma_hz * np.sqrt(2.0 * np.pi))
    return np.asarray(0.5 * np.pi * gamma_hz * voigt)


def apparent_linewidth_hz(gamma_hz: ArrayLike, peak_to_shot: ArrayLike, variance: ArrayLike) -> NDArray[np.float64]:
    """Return Gamma sqrt((A + V) / (A - V)): the width of V + A L(f) where it is half its own top, floor and all.

    `peak_to_shot` A > V, both relative to shot noise. It falls with the floor V, so a squeezed trace looks
    narrower though its Gamma is the same.
    """
    gamma, a, v = (np.asarray(x, dtype=float) for x in (gamma_hz, peak_to_shot, variance))
    return np.asarray(gamma * np.sqrt((a + v) / (a - v)))
