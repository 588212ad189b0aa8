"""Whittle likelihood of several lines on one floor, and its maximum.

S(f) = V exp(b x) + sum_j A_j L(f; f_j, Gamma_j), L behind the resolution filter, x = (f - middle) / span; each point is
drawn from Gamma(K, S/K). Minimises K sum_k [ln S_k + P_k / S_k] (P. Whittle, 1953) by damped Fisher scoring.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from labctl.estimation.line_slopes import line_and_slopes
from labctl.physics.line_shape import lorentzian
from labctl.spectra.trace import FloatArray, Spectrum

SMALLEST_GAMMA_PER_RESOLUTION = 0.05
SMALLEST_PEAK_PER_FLOOR = 1e-6
LARGEST_PEAK_PER_FLOOR = 1e9
LARGEST_TILT = 12.0
"""Largest |b|: a floor that changes by a factor of e^12 over the span."""
SMALLEST_START = 0.05
"""Smallest height or floor that a fit starts from, in units of the mean."""
TEMPLATE_WIDTHS = 10
SCORING_STEPS = 60
CONVERGED_STEP = 1e-5
"""Largest step, in standard deviations of the parameter, of a converged fit."""
SMALLEST_CURVATURE = 1e-300
PARAMETERS_PER_LINE = 3


class LinesProblem:
    """The likelihood of `lines` lines in one spectrum.

    theta = (f, ln Gamma, ln A) of each line, then ln V, then b where the floor may tilt. With `one_width` the lines
    share Gamma, and the rows of theta that are the same parameter are stepped together.
    """

    def __init__(self, spectrum: Spectrum, lines: int, *, tilt: bool = False, one_width: bool = False) -> None:
        self.name = spectrum.name
        self.f, self.p = spectrum.frequency_hz, spectrum.values
        self.acquisition = spectrum.acquisition
        self.k = spectrum.acquisition.effective_k
        self.lines, self.tilt = lines, tilt
        self.mean = float(self.p.mean())
        self.independent = spectrum.acquisition.independent_points(self.f)
        self.span = float(self.f[-1] - self.f[0])
        self.x = (self.f - (self.f[0] + self.f[-1]) / 2) / self.span
        self.resolution = max(spectrum.spacing_hz, spectrum.acquisition.enbw_hz)
        level, deepest = math.log(self.mean), math.log(SMALLEST_PEAK_PER_FLOOR)
        highest = math.log(LARGEST_PEAK_PER_FLOOR)
        narrowest = math.log(SMALLEST_GAMMA_PER_RESOLUTION * self.resolution)
        tail = [-LARGEST_TILT] if tilt else []
        self.lower = np.array([self.f[0], narrowest, level + deepest] * lines + [level - highest, *tail])
        upper = [self.f[-1], math.log(self.span), level + highest] * lines + [level + highest]
        self.upper = np.array(upper + [-t for t in tail])
        self.tie = np.eye(len(self.lower))
        if one_width and lines > 1:
            widths = [PARAMETERS_PER_LINE * j + 1 for j in range(lines)]
            self.tie[widths, widths[0]] = 1.0
            self.tie = np.delete(self.tie, widths[1:], axis=1)

    def spectrum_at(self, theta: FloatArray) -> FloatArray:
        """S (n,)."""
        return self.log_slopes(theta)[0]

    def cost(self, theta: FloatArray) -> float:
        """Minus the logarithm of the likelihood, up to a constant."""
        s = self.spectrum_at(theta)
        return self.k * float((np.log(s) + self.p / s).sum())

    def flat_cost(self) -> float:
        """Cost of a flat spectrum at the mean."""
        return self.k * len(self.p) * (math.log(self.mean) + 1)

    def log_slopes(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """S (n,) and d ln S / d theta (n, len(theta))."""
        slopes = np.empty((len(self.f), len(theta)))
        floor_at = PARAMETERS_PER_LINE * self.lines
        floor = np.exp(theta[floor_at] + (theta[-1] * self.x if self.tilt else np.zeros_like(self.f)))
        slopes[:, floor_at] = floor
        if self.tilt:
            slopes[:, -1] = floor * self.x
        s = floor
        for at in range(0, floor_at, PARAMETERS_PER_LINE):
            f0, gamma, peak = float(theta[at]), math.exp(theta[at + 1]), math.exp(theta[at + 2])
            line, by_f0, by_log_gamma = line_and_slopes(self.f, f0, gamma, self.acquisition)
            slopes[:, at], slopes[:, at + 1], slopes[:, at + 2] = peak * by_f0, peak * by_log_gamma, peak * line
            s = s + peak * line
        return s, slopes / s[:, None]

    def information(self, slopes: FloatArray) -> FloatArray:
        """Fisher information of theta for independent points."""
        return np.asarray(self.k * slopes.T @ slopes)

    def covariance(self, theta: FloatArray) -> FloatArray:
        """Covariance of the free parameters (columns of `tie`), corrected for neighbours that the filter correlates.

        Raises numpy's LinAlgError where the points do not determine them.
        """
        slopes = self.log_slopes(theta)[1] @ self.tie
        information = self.information(slopes)
        scale = np.sqrt(np.diag(information)) + SMALLEST_CURVATURE
        inverse = np.linalg.inv(information / np.outer(scale, scale)) / np.outer(scale, scale)
        spread = self.k * slopes.T @ self.acquisition.correlated_sum(self.f, slopes)
        return np.asarray(inverse @ spread @ inverse)

    def maximise(self, start: FloatArray) -> FloatArray:
        """Damped Fisher scoring within the bounds."""
        theta = np.clip(start, self.lower, self.upper)
        cost, damping = self.cost(theta), 1e-3
        s, slopes = self.log_slopes(theta)
        for _ in range(SCORING_STEPS):
            free = slopes @ self.tie
            information = self.information(free)
            scale = np.sqrt(np.diag(information)) + SMALLEST_CURVATURE
            score = self.k * free.T @ (self.p / s - 1)
            whitened = information / np.outer(scale, scale) + damping * np.eye(len(scale))
            step = np.linalg.solve(whitened, score / scale) / scale
            trial = np.clip(theta + self.tie @ step, self.lower, self.upper)
            trial_s, trial_slopes = self.log_slopes(trial)
            trial_cost = self.k * float((np.log(trial_s) + self.p / trial_s).sum())
            if trial_cost <= cost:
                moved = float(np.abs((trial - theta) * (self.tie @ scale)).max())
                theta, s, slopes, cost, damping = trial, trial_s, trial_slopes, trial_cost, max(damping / 10, 1e-12)
                if moved < CONVERGED_STEP:
                    break
            else:
                damping *= 10
                if damping > 1e12:
                    break
        return theta

    def best(self, starts: Sequence[FloatArray]) -> FloatArray:
        """The best of the maxima reached from several starts."""
        return min((self.maximise(start) for start in starts), key=self.cost)

    def start_at(self, places: Sequence[tuple[float, float]]) -> FloatArray:
        """Theta with heights and floor from least squares for lines of given (f0, Gamma)."""
        shapes = [lorentzian(self.f, f0, gamma) for f0, gamma in places]
        design = np.column_stack([*shapes, np.ones_like(self.f)])
        heights = np.linalg.lstsq(design, self.p, rcond=None)[0]
        smallest = SMALLEST_START * min(self.mean, float(np.median(self.p)))
        logs = np.log(np.maximum(heights, smallest))
        theta = [x for (f0, gamma), peak in zip(places, logs, strict=False) for x in (f0, math.log(gamma), peak)]
        return np.array([*theta, logs[-1], *([0.0] if self.tilt else [])])

    def at_bound(self, theta: FloatArray) -> npt.NDArray[np.bool_]:
        """True (len(theta),) where the fit has run into a bound."""
        margin = 1e-6 * (self.upper - self.lower)
        return np.asarray((theta <= self.lower + margin) | (theta >= self.upper - margin))


def likely_places(problem: LinesProblem, s: FloatArray, count: int = 1) -> list[tuple[float, float]]:
    """(f0, Gamma) where one more line would gain most over the spectrum `s` (n,), best first, one for each width.

    The score test of a line of each of many widths slid along the trace, whose points must be about evenly spaced.
    """
    n = len(problem.f)
    weighted, information = (problem.p / s - 1) / s, 1 / s**2
    offset = np.arange(-n + 1, n, dtype=np.float64)
    spacing = problem.span / (n - 1)
    found: list[tuple[float, float, float]] = []
    for width in np.geomspace(2, n / 3, TEMPLATE_WIDTHS):
        template = lorentzian(offset, 0.0, float(width))
        energy = np.maximum(fftconvolve(information, template**2, mode="same"), SMALLEST_CURVATURE)
        merit = fftconvolve(weighted, template, mode="same") / np.sqrt(energy)
        at = int(np.argmax(merit))
        found.append((float(merit[at]), float(problem.f[at]), float(width) * spacing))
    found.sort(reverse=True)
    return [(f0, gamma) for _, f0, gamma in found[:count]]
