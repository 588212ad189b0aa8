"""A Lorentzian line as an analyzer shows it: convolved with the power response of its resolution filter."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from labctl.physics.line_shape import filtered_lorentzian
from labctl.spectra.acquisition import (
    HANN_ENBW_BINS,
    Acquisition,
    FilterShape,
    FloatArray,
)

ComplexArray = npt.NDArray[np.complex128]


def broadened_lorentzian(
    frequency_hz: FloatArray, f0_hz: float, gamma_hz: float, acquisition: Acquisition
) -> FloatArray:
    """L convolved with the filter's power response of unit area (n,); the area under it stays pi Gamma / 2.

    Gaussian filter: Voigt profile. FFT windows: the expected periodogram of one record, 2 Re Int_0^T r(t) h(t)
    exp(-2 pi i f t) dt with r = (pi Gamma/2) exp(-pi Gamma t + 2 pi i f0 t) and h the window's autocorrelation.
    """
    if acquisition.filter_shape is FilterShape.GAUSSIAN:
        return filtered_lorentzian(frequency_hz, f0_hz, gamma_hz, acquisition.rbw_hz)
    hann = acquisition.filter_shape is FilterShape.HANN
    record_s = (HANN_ENBW_BINS if hann else 1.0) / acquisition.enbw_hz
    q: ComplexArray = np.asarray((math.pi * gamma_hz + 2j * math.pi * (frequency_hz - f0_hz)) * record_s, np.complex128)
    integral = _hann_integral(q) if hann else _ramp_integral(q)
    return np.asarray(math.pi * gamma_hz * record_s * integral.real)


def _ramp_integral(q: ComplexArray) -> ComplexArray:
    """Int_0^1 (1 - u) exp(-q u) du; (1 - u) is the autocorrelation of the boxcar."""
    small = np.abs(q) < 1e-3
    safe = np.where(small, 1.0, q)
    return np.where(small, 0.5 - q / 6 + q**2 / 24, (safe + np.expm1(-safe)) / safe**2)


def _exponential_integral(q: ComplexArray) -> ComplexArray:
    """Int_0^1 exp(-q u) du."""
    small = np.abs(q) < 1e-3
    safe = np.where(small, 1.0, q)
    return np.where(small, 1 - q / 2 + q**2 / 6, -np.expm1(-safe) / safe)


def _hann_integral(q: ComplexArray) -> ComplexArray:
    """Int_0^1 h(u) exp(-q u) du for the Hann window, h = (1-u)(2/3 + cos(2 pi u)/3) + sin(2 pi u)/(2 pi)."""
    up, down = q - 2j * math.pi, q + 2j * math.pi
    ramp = (2 / 3) * _ramp_integral(q) + (_ramp_integral(up) + _ramp_integral(down)) / 6
    sine = (_exponential_integral(up) - _exponential_integral(down)) / (4j * math.pi)
    return ramp + sine
