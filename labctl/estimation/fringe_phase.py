"""Phase against voltage of a fringe scan: a grid over fringe rate and bow, then a robust fit.

Scan coordinate x runs from -1 to 1; parameters p = (offset, amplitude, phase, rate, bow):
y(x) = offset + amplitude cos(phase + rate x + bow x^2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from labctl.spectra.acquisition import FloatArray

MOST_FRINGES = 40.0
SAMPLES_PER_FRINGE = 8
"""A scan with fewer samples in a fringe could alias."""
FEWEST_GRID_SAMPLES = 100
GRID_SAMPLES_PER_FRINGE = 10
GRID_STEP_FRINGES = 0.2
LARGEST_BOW = 0.5
"""Largest relative change of the fringe rate from the middle to either end of the scan."""
ROBUST_SCALE = 2.0
"""Residuals beyond this many standard deviations count linearly (soft L1)."""
MAD_TO_SIGMA = 1.4826


def grid_search(x: FloatArray, y: FloatArray) -> FloatArray:
    """Best of a grid over fringe rate and bow, with offset, cosine and sine by least squares; x from -1 to 1.

    Returns p = (offset, amplitude, phase, rate, bow).
    """
    most = min(MOST_FRINGES, len(x) / SAMPLES_PER_FRINGE)
    best, best_share = (math.pi, 0.0), -1.0
    for fringes in np.arange(0.3, most, GRID_STEP_FRINGES):
        blocks = max(FEWEST_GRID_SAMPLES, math.ceil(GRID_SAMPLES_PER_FRINGE * fringes / 20) * 20)
        xs, ys = _block_means(x, blocks), _block_means(y, blocks)
        rate = math.pi * fringes  # 2 pi per fringe over a scan of length 2
        bows = rate / 2 * np.linspace(-LARGEST_BOW, LARGEST_BOW, min(2 * math.ceil(fringes) + 5, 21))
        share = _explained_share(rate * xs + bows[:, None] * xs**2, ys - ys.mean())
        at = int(np.argmax(share))
        if share[at] > best_share:
            best, best_share = (rate, float(bows[at])), float(share[at])
    rate, bow = best
    angle = rate * x + bow * x**2
    offset, c, s = np.linalg.lstsq(np.column_stack([np.ones_like(x), np.cos(angle), -np.sin(angle)]), y, rcond=None)[0]
    return np.array([offset, math.hypot(c, s), math.atan2(s, c), rate, bow])


def _explained_share(angle: FloatArray, y: FloatArray) -> FloatArray:
    """Share of the variance of y (n,), mean zero, that offset, cosine and sine of each row of `angle` explain."""
    c, s = np.cos(angle), np.sin(angle)
    c, s = c - c.mean(axis=1, keepdims=True), s - s.mean(axis=1, keepdims=True)
    cc, ss, cs = (c * c).sum(axis=1), (s * s).sum(axis=1), (c * s).sum(axis=1)
    yc, ys = c @ y, s @ y
    power = (yc**2 * ss - 2 * yc * ys * cs + ys**2 * cc) / np.maximum(cc * ss - cs**2, 1e-9)
    return np.asarray(power / max(float(y @ y), 1e-300))


def _block_means(values: FloatArray, blocks: int) -> FloatArray:
    """Means of about `blocks` equal stretches, or the values themselves if there are not many more."""
    length = max(1, len(values) // blocks)
    return np.asarray(values[: len(values) // length * length].reshape(-1, length).mean(axis=1))


def robust_fit(x: FloatArray, y: FloatArray, start: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Soft-L1 fit from `start`: solution (5,), Jacobian (n, 5), noise standard deviation."""

    def residual(p: FloatArray) -> FloatArray:
        return fringe_signal(x, p) - y

    def jacobian(p: FloatArray) -> FloatArray:
        return fringe_jacobian(x, p)

    solution = start
    smallest = 1e-9 * float(np.ptp(y))
    for _ in range(2):  # the second pass knows the noise
        scale = max(spread(residual(solution)), smallest)
        solution = least_squares(
            residual, solution, jac=jacobian, loss="soft_l1", f_scale=ROBUST_SCALE * scale, x_scale="jac"
        ).x
    if solution[1] < 0:
        solution[1], solution[2] = -solution[1], solution[2] + math.pi
    if solution[3] < 0:
        solution[2:] = -solution[2:]
    solution[2] = math.remainder(solution[2], 2 * math.pi)
    return solution, jacobian(solution), max(spread(residual(solution)), smallest)


def fringe_signal(x: FloatArray, p: Sequence[float] | FloatArray) -> FloatArray:
    """The model y(x) for parameters p."""
    return np.asarray(p[0] + p[1] * np.cos(p[2] + p[3] * x + p[4] * x**2))


def fringe_jacobian(x: FloatArray, p: Sequence[float] | FloatArray) -> FloatArray:
    """Derivatives (n, 5) of the model by its parameters."""
    phase = p[2] + p[3] * x + p[4] * x**2
    slope = -p[1] * np.sin(phase)
    return np.column_stack([np.ones_like(x), np.cos(phase), slope, slope * x, slope * x**2])


def correlation_time(residual: FloatArray) -> float:
    """Samples per independent residual, 1 + 2 sum rho_k up to the first lag that is not significant; at least 1."""
    bound = 3 * spread(residual)
    r = np.clip(residual, -bound, bound)
    r = r - r.mean()
    power = float(r @ r)
    if power == 0:
        return 1.0
    total = 1.0
    for lag in range(1, len(r) // 4):
        rho = float(r[lag:] @ r[:-lag]) / power
        if rho < 3 / math.sqrt(len(r)):
            break
        total += 2 * rho
    return total


def spread(residual: FloatArray) -> float:
    """Standard deviation of Gaussian noise from the median absolute deviation."""
    return MAD_TO_SIGMA * float(np.median(np.abs(residual - np.median(residual))))
