"""A Lorentzian line behind its resolution filter, with its derivatives: what a likelihood fit of lines is made of."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import wofz

from labctl.spectra.acquisition import GAUSSIAN_SIGMA_PER_RBW, HANN_ENBW_BINS, Acquisition, FilterShape, FloatArray

ComplexArray = npt.NDArray[np.complex128]

SMALL_Q = 1e-3
"""Below it the closed forms lose digits and their series are used."""
FAR_Z = 200.0
"""Beyond it w'(z) = -2 z w + 2i/sqrt(pi) cancels and its asymptotic series is used."""


def line_and_slopes(
    frequency_hz: FloatArray, f0_hz: float, gamma_hz: float, acquisition: Acquisition
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """L (n,) as `broadened_lorentzian` gives it, dL/df0 per Hz (n,) and dL/d ln Gamma (n,)."""
    if acquisition.filter_shape is FilterShape.GAUSSIAN:
        return _voigt(frequency_hz, f0_hz, gamma_hz, acquisition.rbw_hz)
    hann = acquisition.filter_shape is FilterShape.HANN
    record_s = (HANN_ENBW_BINS if hann else 1.0) / acquisition.enbw_hz
    damping = math.pi * gamma_hz * record_s
    q: ComplexArray = np.asarray(damping + 2j * math.pi * record_s * (frequency_hz - f0_hz), np.complex128)
    integral, slope = _hann(q) if hann else _ramp(q)
    line = damping * integral.real
    by_f0 = damping * (-2j * math.pi * record_s * slope).real
    return line, by_f0, line + damping**2 * slope.real


def _voigt(
    frequency_hz: FloatArray, f0_hz: float, gamma_hz: float, rbw_hz: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """L = (pi Gamma / 2) Re w(z) / (s sqrt(2 pi)), z = (f - f0 + i Gamma/2) / (s sqrt 2)."""
    width = GAUSSIAN_SIGMA_PER_RBW * rbw_hz * math.sqrt(2.0)
    z: ComplexArray = np.asarray((frequency_hz - f0_hz + 0.5j * gamma_hz) / width, np.complex128)
    w = wofz(z)
    far = np.abs(z) > FAR_Z
    safe = np.where(far, z, FAR_Z)
    series = -1j / math.sqrt(math.pi) * (safe**-2 + 1.5 * safe**-4 + 3.75 * safe**-6)
    slope = np.where(far, series, -2 * z * w + 2j / math.sqrt(math.pi))
    scale = 0.5 * math.pi * gamma_hz / (width * math.sqrt(math.pi))
    line = scale * w.real
    by_f0 = -scale / width * slope.real
    by_log_gamma = line - scale * gamma_hz / (2 * width) * slope.imag
    return np.asarray(line), np.asarray(by_f0), np.asarray(by_log_gamma)


def _exponential(q: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
    """E = Int_0^1 exp(-q u) du and dE/dq."""
    small = np.abs(q) < SMALL_Q
    safe = np.where(small, 1.0, q)
    decay = np.exp(-safe)
    value = np.where(small, 1 - q / 2 + q**2 / 6, -np.expm1(-safe) / safe)
    return value, np.where(small, -1 / 2 + q / 3 - q**2 / 8, (decay - value) / safe)


def _ramp(q: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
    """R = Int_0^1 (1 - u) exp(-q u) du, for the boxcar, and dR/dq = (E - 2 R) / q."""
    small = np.abs(q) < SMALL_Q
    safe = np.where(small, 1.0, q)
    value = np.where(small, 0.5 - q / 6 + q**2 / 24, (safe + np.expm1(-safe)) / safe**2)
    return value, np.where(small, -1 / 6 + q / 12 - q**2 / 40, (_exponential(safe)[0] - 2 * value) / safe)


def _hann(q: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
    """Int_0^1 h(u) exp(-q u) du and its slope; h = (1-u)(2/3 + cos(2 pi u)/3) + sin(2 pi u)/(2 pi)."""
    up, down = q - 2j * math.pi, q + 2j * math.pi
    ramps = [_ramp(x) for x in (q, up, down)]
    sines = [_exponential(x) for x in (up, down)]
    value, slope = (
        (2 / 3) * ramps[0][i] + (ramps[1][i] + ramps[2][i]) / 6 + (sines[0][i] - sines[1][i]) / (4j * math.pi)
        for i in (0, 1)
    )
    return value, slope
