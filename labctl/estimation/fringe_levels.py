"""Offset and amplitude of a fringe scan: by least squares where the noise is white, from quantiles where it is not."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from labctl.errors import AnalysisRefused
from labctl.estimation.fringe_phase import correlation_time, fringe_jacobian, fringe_signal, spread
from labctl.estimation.likelihood import Solution, fit_white
from labctl.spectra.acquisition import FloatArray

EXTREME_QUANTILE = 0.01
"""Share of samples beyond the quantiles from which offset and amplitude are taken."""

OUTLIER_SIGMAS = 5.0
"""Samples further from the fit are left out of the quantiles."""

SMALLEST_NOISE_PER_AMPLITUDE = 1e-3
"""The quantile model needs some width; a smaller noise moves it by less than 1e-4 of the amplitude."""

PHASE_NOISE_SIGMAS = 3.0
"""Residuals stronger on the slopes than at the turning points by more than this are noise of the phase."""
FEWEST_TURNING_SAMPLES = 10
TURNING_SHARE = 20
"""One sample in so many, those nearest to the turning points, tells the noise there."""


def fit_if_white(x: FloatArray, y: FloatArray, solution: FloatArray, noise: float) -> Solution | None:
    """Least squares from the robust `solution` (5,), or None where the residuals are not those of white noise.

    Then phase drift, phase noise or outliers are at work, which bend least squares most where it looks: at the levels.
    """
    residual = y - fringe_signal(x, solution)
    if noise < SMALLEST_NOISE_PER_AMPLITUDE * solution[1] or (np.abs(residual) > OUTLIER_SIGMAS * noise).any():
        return None
    if correlation_time(residual) > 1 or _phase_noise_sigmas(x, residual, solution) > PHASE_NOISE_SIGMAS:
        return None
    try:
        fit = fit_white(lambda p: (fringe_signal(x, p), fringe_jacobian(x, p)), y, solution)
    except AnalysisRefused:
        return None
    return None if fit.poor else fit


def _phase_noise_sigmas(x: FloatArray, residual: FloatArray, p: FloatArray) -> float:
    """Correlation of squared residuals with squared slope, in its standard errors under white Gaussian noise."""
    slope = np.sin(p[2] + p[3] * x + p[4] * x**2) ** 2
    slope = slope - slope.mean()
    mean_square = float((residual**2).mean())
    if mean_square == 0:
        return 0.0
    power = residual**2 / mean_square - 1
    return float(slope @ power) / math.sqrt(2 * float(slope @ slope))


def _noise_of_levels(x: FloatArray, y: FloatArray, solution: FloatArray, noise: float) -> float:
    """Noise at the turning points, where that of the phase does not reach, if the slopes have clearly more of it."""
    residual = y - fringe_signal(x, solution)
    if _phase_noise_sigmas(x, residual, solution) < PHASE_NOISE_SIGMAS:
        return noise
    slope = np.abs(np.sin(solution[2] + solution[3] * x + solution[4] * x**2))
    turning = np.argsort(slope)[: max(FEWEST_TURNING_SAMPLES, len(x) // TURNING_SHARE)]
    return min(noise, spread(residual[turning]))


def levels_from_quantiles(
    x: FloatArray, y: FloatArray, solution: FloatArray, noise: float
) -> tuple[float, float, FloatArray]:
    """Offset, amplitude and their covariance (2, 2) from y_lo = y0 + a q_lo, y_hi = y0 + a q_hi.

    q are the same quantiles of cos(phi_i) + noise/a over the fitted phases; their variance is that of the share of
    samples below them, sum F_i (1 - F_i) / n^2, over the density squared. Raises AnalysisRefused where hardly any
    sample lies near the fit.
    """
    cosine = np.cos(solution[2] + solution[3] * x + solution[4] * x**2)
    sound = np.abs(y - solution[0] - solution[1] * cosine) <= OUTLIER_SIGMAS * noise + 1e-9 * solution[1]
    if np.count_nonzero(sound) < FEWEST_TURNING_SAMPLES:
        raise AnalysisRefused("The samples do not lie on the fitted fringe.", remedy="Scan further, and more slowly.")
    cosine, y = cosine[sound], y[sound]
    width = max(_noise_of_levels(x[sound], y, solution, noise) / solution[1], SMALLEST_NOISE_PER_AMPLITUDE)
    low, high = (float(q) for q in np.quantile(y, [EXTREME_QUANTILE, 1 - EXTREME_QUANTILE], method="hazen"))
    model: list[tuple[float, float]] = []
    for share in (EXTREME_QUANTILE, 1 - EXTREME_QUANTILE):
        q = float(
            brentq(lambda z, p=share: float(ndtr((z - cosine) / width).mean()) - p, -2 - 5 * width, 2 + 5 * width)
        )
        below = ndtr((q - cosine) / width)
        density = float(np.exp(-(((q - cosine) / width) ** 2) / 2).mean()) / (width * math.sqrt(2 * math.pi))
        model.append((q, float((below * (1 - below)).sum()) / (len(y) * density) ** 2))
    (q_low, variance_low), (q_high, variance_high) = model
    amplitude = (high - low) / (q_high - q_low)
    offset = low - amplitude * q_low
    gradient = np.array([[q_high, -q_low], [-1.0, 1.0]]) / (q_high - q_low)  # d(offset, amplitude) / d(low, high)
    covariance = gradient @ np.diag([variance_low, variance_high]) @ gradient.T * amplitude**2
    return offset, amplitude, np.asarray(covariance)
