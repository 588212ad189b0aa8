"""Maximum likelihood by damped Fisher scoring, for white Gaussian noise and for averaged noise power.

A curve gives values (n,) and their Jacobian (n, p) at parameters theta (p,).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm

from labctl.errors import AnalysisRefused
from labctl.estimation.fringe_phase import correlation_time
from labctl.spectra.acquisition import FloatArray

Curve = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
Objective = Callable[[FloatArray], tuple[float, FloatArray, FloatArray]]
"""Cost (minus log likelihood), score (p,) and information (p, p) at theta (p,)."""

SCORING_STEPS = 100
CONVERGED_STEP = 1e-4
"""Largest step, in standard deviations of the parameter, of a converged fit."""
LARGEST_DAMPING = 1e12
SMALLEST_SCALE = 1e-150
"""Keeps the division by the scale of a parameter that the curve does not depend on."""
LARGEST_CONDITION = 1e13
"""Of the information with its diagonal scaled to 1: beyond it some combination of parameters is not in the data."""
POOR_FIT_PROBABILITY = 1e-4
SECOND_DIFFERENCE_VARIANCE = 6.0
"""Variance of y[i-1] - 2 y[i] + y[i+1] over that of white y."""
RATIO_VARIANCE = 17 / 9
"""n times the variance of (mean square residual) / (white variance from second differences), for white noise."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Most likely `theta` (p,) with `covariance` (p, p), noise of one point, and goodness of fit as in `Fit`."""

    theta: FloatArray
    covariance: FloatArray
    noise: float
    chi2_per_dof: float
    p_value: float

    @property
    def poor(self) -> bool:
        """Whether the curve leaves structure that noise would not."""
        return self.p_value < POOR_FIT_PROBABILITY


def fit_white(curve: Curve, y: FloatArray, start: FloatArray) -> Solution:
    """Least squares of evenly sampled y (n,) in white noise of unknown strength.

    The noise comes from the residuals, the goodness of fit from their ratio to the noise that second differences
    show; correlated residuals widen the covariance. Refuses a fit that does not converge or is not determined.
    """
    free = len(y) - len(start)
    if free < 2:
        raise AnalysisRefused(f"{len(y)} points do not determine {len(start)} parameters.", remedy="Record more.")

    def objective(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        values, jacobian = curve(theta)
        residual = y - values
        variance = max(float(residual @ residual) / free, tiny)
        score, information = jacobian.T @ residual / variance, jacobian.T @ jacobian / variance
        return 0.5 * free * math.log(variance), score, information

    tiny = (1e-12 * float(np.ptp(y))) ** 2 + 1e-300
    theta = maximise(objective, start)
    values, jacobian = curve(theta)
    residual = y - values
    variance = max(float(residual @ residual) / free, tiny)
    covariance = inverse(jacobian.T @ jacobian / variance) * correlation_time(residual)
    second = np.diff(residual, n=2)
    white = max(float((second**2).mean()) / SECOND_DIFFERENCE_VARIANCE, tiny)
    ratio = variance / white
    p_value = float(norm.sf((ratio - 1) / math.sqrt(RATIO_VARIANCE / len(y))))
    return Solution(theta, covariance, math.sqrt(variance), ratio, p_value)


def fit_measured(curve: Curve, y: FloatArray, sigma: FloatArray, start: FloatArray) -> Solution:
    """Least squares of y (n,) with known standard uncertainties `sigma` (n,); refusals as in `fit_white`."""

    def objective(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        values, jacobian = curve(theta)
        pull, slopes = (y - values) / sigma, jacobian / sigma[:, None]
        return 0.5 * float(pull @ pull), slopes.T @ pull, slopes.T @ slopes

    theta = maximise(objective, start)
    cost, _, information = objective(theta)
    free = len(y) - len(start)
    return _solution(theta, information, 2 * cost, free, spread=1.0)


def fit_power(curve: Curve, power: FloatArray, averages: FloatArray, start: FloatArray) -> Solution:
    """Noise powers (n,), each drawn from Gamma(K, S/K) with its K in `averages` (n,): minimises sum K (ln S + P/S).

    Weights come from the curve, not from the data, so few averages do not pull the curve down.
    """

    def objective(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        s, jacobian = curve(theta)
        if not (s > 0).all():
            return math.inf, np.zeros_like(theta), np.eye(len(theta))
        slopes = jacobian / s[:, None]
        score = slopes.T @ (averages * (power / s - 1))
        return float((averages * (np.log(s) + power / s)).sum()), score, (slopes * averages[:, None]).T @ slopes

    theta = maximise(objective, start)
    s, _ = curve(theta)
    information = objective(theta)[2]
    pearson = float((averages * (power / s - 1) ** 2).sum())
    return _solution(theta, information, pearson, len(power) - len(start), spread=1 + 3 / float(averages.mean()))


def maximise(objective: Objective, start: FloatArray) -> FloatArray:
    """Theta of least cost, from `start`, by scoring steps that are damped until they descend."""
    theta = np.array(start, dtype=np.float64)
    cost, score, information = objective(theta)
    damping = 1e-4
    for _ in range(SCORING_STEPS):
        scale = np.sqrt(np.diag(information)) + SMALLEST_SCALE
        whitened = information / np.outer(scale, scale) + damping * np.eye(len(theta))
        step = np.linalg.solve(whitened, score / scale) / scale
        trial = theta + step
        trial_cost, trial_score, trial_information = objective(trial)
        moved = float(np.abs(step * scale).max())
        if math.isfinite(trial_cost) and trial_cost <= cost + 1e-9 * (1 + abs(cost)) * (moved < CONVERGED_STEP):
            theta, cost, score, information = trial, trial_cost, trial_score, trial_information
            damping = max(damping / 10, 1e-12)
            if moved < CONVERGED_STEP:
                return theta
        else:
            damping *= 10
            if damping > LARGEST_DAMPING:
                return theta  # no step descends: a minimum to rounding
    raise AnalysisRefused("The fit did not settle.", remedy="Record more points or a wider scan.")


def inverse(information: FloatArray) -> FloatArray:
    """Covariance of an information matrix; refuses one that leaves a combination of parameters undetermined."""
    scale = np.sqrt(np.diag(information))
    if not (np.isfinite(information).all() and (scale > 0).all()):
        raise AnalysisRefused("The data do not determine every parameter.", remedy="Record a wider range.")
    whitened = information / np.outer(scale, scale)
    if np.linalg.cond(whitened) > LARGEST_CONDITION:
        raise AnalysisRefused("The data do not tell the parameters apart.", remedy="Record a wider range.")
    return np.asarray(np.linalg.inv(whitened) / np.outer(scale, scale), dtype=np.float64)


def _solution(theta: FloatArray, information: FloatArray, pearson: float, free: int, spread: float) -> Solution:
    covariance = inverse(information)
    if free < 1:
        return Solution(theta, covariance, 1.0, 1.0, 1.0)
    return Solution(theta, covariance, 1.0, pearson / free, float(chi2.sf(pearson / spread, free / spread)))
