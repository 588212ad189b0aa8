"""Frequency, linewidth, height and floor of one mechanical mode, by Whittle likelihood.

Model of the displayed spectrum relative to shot noise: S(f) = V + A L(f; f0, Gamma), L convolved with the resolution
filter (`line_shape`), each point drawn from Gamma(K, S/K). Minimises sum_k K [ln S_k + P_k / S_k] (P. Whittle, 1953).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.signal import fftconvolve
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, Fit
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.physics.line_shape import lorentzian
from labctl.spectra.trace import Acquisition, Averaging, Detector, FloatArray, Spectrum, Unit

FEWEST_POINTS = 20
FEWEST_INDEPENDENT_POINTS = 8.0
FALSE_PEAK_PROBABILITY = 1e-3
LARGEST_RELATIVE_SIGMA_GAMMA = 0.25
"""Above it no estimator of Gamma is efficient or unbiased, so none is reported."""
POOR_FIT_PROBABILITY = 1e-4
LARGEST_GAMMA_PER_SPAN = 0.5
"""Beside a broader line the floor cannot be told from its wings."""
SMALLEST_GAMMA_PER_RESOLUTION = 0.05
SMALLEST_PEAK_PER_FLOOR = 1e-6
STARTS = 3
SCORING_STEPS = 60
CONVERGED_STEP = 1e-5
"""Largest step, in standard deviations of the parameter, of a converged fit."""


class ModeGuess(NamedTuple):
    """Where to start: centre and FWHM, Hz."""

    f0_hz: float
    gamma_hz: float


@dataclass(frozen=True, eq=False)
class ModeFit(Fit):
    """Fit of one mode; `names`: f0_hz, gamma_hz (FWHM), peak_to_floor (A), floor (V); A and V in units of shot."""

    @property
    def f0_hz(self) -> Estimate:
        """Centre frequency, Hz."""
        return self.parameters["f0_hz"]

    @property
    def gamma_hz(self) -> Estimate:
        """Energy decay rate as FWHM in Hz, the filter's width taken out."""
        return self.parameters["gamma_hz"]

    @property
    def peak_to_floor(self) -> Estimate:
        """A: height of the line above its floor before the filter, in units of shot noise."""
        return self.parameters["peak_to_floor"]

    @property
    def floor(self) -> Estimate:
        """V: noise beside the line, in units of shot noise."""
        return self.parameters["floor"]

    def model(self, frequency_hz: FloatArray, acquisition: Acquisition) -> FloatArray:
        """The fitted spectrum (n,) as it would be displayed, relative to shot noise."""
        line = broadened_lorentzian(frequency_hz, self.f0_hz.value, self.gamma_hz.value, acquisition)
        return self.floor.value + self.peak_to_floor.value * line


def fit_mode(
    spectrum: Spectrum, *, guess: ModeGuess | None = None, normalisation_relative_sigma: float = 0.0
) -> ModeFit:
    """Fit one mode to a power-averaged spectrum relative to shot noise; needs no guess.

    Uncertainties: Fisher information of the likelihood, corrected for neighbours that the filter correlates;
    `normalisation_relative_sigma`, the relative uncertainty of the shot reference common to all points, is added to
    A and V and leaves f0 and Gamma. `reason` is set when the model does not describe the points.
    Raises AnalysisRefused for other units, log averages and peak detectors, too few points, no significant peak,
    a parameter at its bound, or a linewidth known to no better than 25 %.
    """
    _require_fit_for_whittle(spectrum)
    problem = _Problem(spectrum)
    starts = _starts(spectrum, problem)
    if guess is not None:
        starts.insert(0, problem.start_at(guess.f0_hz, guess.gamma_hz))
    theta = min((problem.maximise(start) for start in starts), key=problem.cost)
    _require_peak(problem, theta)
    _require_inside(problem, theta)
    _require_span(problem, math.exp(theta[1]))
    return _report(problem, theta, normalisation_relative_sigma)


class _Problem:
    """The likelihood of one spectrum; theta = (f0, ln Gamma, ln A, ln V)."""

    def __init__(self, spectrum: Spectrum) -> None:
        self.name = spectrum.name
        self.f, self.p = spectrum.frequency_hz, spectrum.values
        self.acquisition = spectrum.acquisition
        self.k = spectrum.acquisition.effective_k
        self.mean = float(self.p.mean())
        self.independent = spectrum.acquisition.independent_points(self.f)
        self.span = float(self.f[-1] - self.f[0])
        self.resolution = max(spectrum.spacing_hz, spectrum.acquisition.enbw_hz)
        smallest_gamma = SMALLEST_GAMMA_PER_RESOLUTION * self.resolution
        floor = math.log(self.mean)
        tiny, huge = math.log(SMALLEST_PEAK_PER_FLOOR), -math.log(SMALLEST_PEAK_PER_FLOOR)
        self.lower = np.array([self.f[0], math.log(smallest_gamma), floor + tiny, floor + tiny])
        self.upper = np.array([self.f[-1], math.log(self.span), floor + huge, floor + huge])

    def spectrum_at(self, theta: FloatArray) -> FloatArray:
        f0, gamma, peak, floor = theta[0], *np.exp(theta[1:])
        return np.asarray(floor + peak * broadened_lorentzian(self.f, f0, gamma, self.acquisition))

    def cost(self, theta: FloatArray) -> float:
        s = self.spectrum_at(theta)
        return self.k * float((np.log(s) + self.p / s).sum())

    def flat_cost(self) -> float:
        return self.k * len(self.p) * (math.log(self.mean) + 1)

    def log_slopes(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """S (n,) and d ln S / d theta (n, 4)."""
        f0, gamma, peak, floor = theta[0], *np.exp(theta[1:])
        line = broadened_lorentzian(self.f, f0, gamma, self.acquisition)
        h = 1e-4 * math.hypot(gamma, self.resolution)
        by_f0 = self._difference(f0, gamma, h, 0.0) / (2 * h)
        by_log_gamma = self._difference(f0, gamma, 0.0, 1e-4) / 2e-4
        s = floor + peak * line
        return s, np.column_stack([peak * by_f0, peak * by_log_gamma, peak * line, np.full_like(s, floor)]) / s[:, None]

    def _difference(self, f0: float, gamma: float, h_f0: float, h_log: float) -> FloatArray:
        up = broadened_lorentzian(self.f, f0 + h_f0, gamma * math.exp(h_log), self.acquisition)
        return up - broadened_lorentzian(self.f, f0 - h_f0, gamma * math.exp(-h_log), self.acquisition)

    def information(self, slopes: FloatArray) -> FloatArray:
        return np.asarray(self.k * slopes.T @ slopes)

    def maximise(self, start: FloatArray) -> FloatArray:
        """Damped Fisher scoring within the bounds."""
        theta = np.clip(start, self.lower, self.upper)
        cost, damping = self.cost(theta), 1e-3
        for _ in range(SCORING_STEPS):
            s, slopes = self.log_slopes(theta)
            information = self.information(slopes)
            scale = np.sqrt(np.diag(information)) + 1e-300
            score = self.k * slopes.T @ (self.p / s - 1)
            whitened = information / np.outer(scale, scale) + damping * np.eye(4)
            step = np.linalg.solve(whitened, score / scale) / scale
            trial = np.clip(theta + step, self.lower, self.upper)
            trial_cost = self.cost(trial)
            if trial_cost <= cost:
                moved = float(np.abs((trial - theta) * scale).max())
                theta, cost, damping = trial, trial_cost, max(damping / 10, 1e-12)
                if moved < CONVERGED_STEP:
                    break
            else:
                damping *= 10
                if damping > 1e12:
                    break
        return theta

    def start_at(self, f0: float, gamma: float) -> FloatArray:
        """Theta with A and V from least squares for a line of given place and width."""
        line = lorentzian(self.f, f0, gamma)
        design = np.column_stack([line, np.ones_like(line)])
        peak, floor = np.linalg.lstsq(design, self.p, rcond=None)[0]
        smallest = 0.05 * self.mean
        return np.array([f0, math.log(gamma), math.log(max(peak, smallest)), math.log(max(floor, smallest))])


def _starts(spectrum: Spectrum, problem: _Problem) -> list[FloatArray]:
    """Best places and widths of a matched filter that slides Lorentzians of many widths along the trace."""
    n = len(problem.f)
    x = problem.p / float(np.median(problem.p)) - 1
    offset = np.arange(-n + 1, n, dtype=np.float64)
    found: list[tuple[float, FloatArray]] = []
    for width in np.geomspace(2, n / 3, 10):
        template = lorentzian(offset, 0.0, float(width))
        energy = fftconvolve(np.ones(n), template**2, mode="same")
        merit = fftconvolve(x, template, mode="same") / np.sqrt(energy)
        at = int(np.argmax(merit))
        start = problem.start_at(float(problem.f[at]), float(width) * spectrum.spacing_hz)
        found.append((problem.cost(np.clip(start, problem.lower, problem.upper)), start))
    found.sort(key=lambda pair: pair[0])
    return [start for _, start in found[:STARTS]]


def _require_fit_for_whittle(spectrum: Spectrum) -> None:
    acquisition = spectrum.acquisition
    if spectrum.unit is not Unit.RATIO_TO_SHOT:
        raise AnalysisRefused(
            f"{spectrum.name} is in {spectrum.unit}, not relative to shot noise.", remedy="Divide by shot noise first."
        )
    if acquisition.averaging in (Averaging.LOG, Averaging.VOLTAGE):
        raise AnalysisRefused(
            f"{spectrum.name} is a {acquisition.averaging} average; A and V would be wrong.",
            remedy="Use power averaging, or correct_log_average before dividing by shot noise.",
        )
    if acquisition.detector in (Detector.PEAK, Detector.NEGATIVE_PEAK):
        raise AnalysisRefused(
            f"{spectrum.name} was taken with the {acquisition.detector} detector.", remedy="Use the sample detector."
        )
    n = len(spectrum.frequency_hz)
    independent = acquisition.independent_points(spectrum.frequency_hz)
    if n < FEWEST_POINTS or independent < FEWEST_INDEPENDENT_POINTS:
        raise AnalysisRefused(
            f"{spectrum.name} has {n} points, {independent:.1f} of them independent: too few for a line.",
            remedy=f"Record {FEWEST_POINTS} points or more over at least {FEWEST_INDEPENDENT_POINTS:.0f} bandwidths.",
        )
    if spectrum.values.mean() <= 0:
        raise AnalysisRefused(f"{spectrum.name} is not positive on average.")


def _require_peak(problem: _Problem, theta: FloatArray) -> None:
    """Likelihood-ratio test against a flat spectrum, with as many trials as there are independent places."""
    gain = 2 * (problem.flat_cost() - problem.cost(theta)) * problem.independent / len(problem.f)
    if problem.independent * float(chi2.sf(gain, 3)) > FALSE_PEAK_PROBABILITY:
        raise AnalysisRefused(
            f"{problem.name} shows no peak that noise would not make.",
            remedy="Average longer, or check the band and the lock.",
        )


def _require_inside(problem: _Problem, theta: FloatArray) -> None:
    margin = 1e-6 * (problem.upper - problem.lower)
    names = ("f0_hz", "gamma_hz", "peak_to_floor", "floor")
    for i, name in enumerate(names):
        if not problem.lower[i] + margin[i] < theta[i] < problem.upper[i] - margin[i]:
            value = theta[i] if i == 0 else math.exp(theta[i])
            raise AnalysisRefused(
                f"{problem.name}: the fit ended at a bound, {name} = {value:.6g}.",
                remedy="Record a wider span around the line, or a finer resolution bandwidth.",
            )


def _require_span(problem: _Problem, gamma_hz: float) -> None:
    if gamma_hz > LARGEST_GAMMA_PER_SPAN * problem.span:
        raise AnalysisRefused(
            f"{problem.name}: a line of {gamma_hz:.4g} Hz is too broad for a span of {problem.span:.4g} Hz.",
            remedy="Record a wider span.",
        )


def _report(problem: _Problem, theta: FloatArray, normalisation_relative_sigma: float) -> ModeFit:
    s, slopes = problem.log_slopes(theta)
    try:
        inverse = np.linalg.inv(problem.information(slopes))
    except np.linalg.LinAlgError:
        raise AnalysisRefused(f"{problem.name} does not determine the line.") from None
    spread = problem.k * slopes.T @ problem.acquisition.correlated_sum(problem.f, slopes)
    gamma, peak, floor = (float(x) for x in np.exp(theta[1:]))
    scale = np.array([1.0, gamma, peak, floor])
    covariance = inverse @ spread @ inverse * np.outer(scale, scale)
    common = normalisation_relative_sigma * np.array([0.0, 0.0, peak, floor])
    covariance += np.outer(common, common)
    sigma = np.sqrt(np.diag(covariance))
    if sigma[1] > LARGEST_RELATIVE_SIGMA_GAMMA * gamma:
        raise AnalysisRefused(
            f"{problem.name}: the linewidth would be {gamma:.3g} +- {sigma[1]:.2g} Hz, too uncertain to mean anything.",
            remedy="Average longer.",
        )
    chi2_per_dof, p_value = _goodness(problem, s)
    names = ("f0_hz", "gamma_hz", "peak_to_floor", "floor")
    units = ("Hz", "Hz", "", "")
    conventions = ("", "FWHM", "units of shot noise, filter taken out", "units of shot noise")
    values = (float(theta[0]), gamma, peak, floor)
    return ModeFit(
        parameters={
            n: Estimate(v, float(e), u, c)
            for n, v, e, u, c in zip(names, values, sigma, units, conventions, strict=True)
        },
        covariance=covariance,
        names=names,
        chi2_per_dof=chi2_per_dof,
        p_value=p_value,
        reason=""
        if p_value > POOR_FIT_PROBABILITY
        else f"one line does not describe the points (chi2 per degree of freedom {chi2_per_dof:.2f}): "
        "look for a second mode, a tone, or a drift",
    )


def _goodness(problem: _Problem, s: FloatArray) -> tuple[float, float]:
    """Pearson's chi2 per degree of freedom, and the chance of a larger one; (P/S - 1)^2 K has mean 1 for any K."""
    dof = problem.independent - 4
    pearson = problem.k * float(((problem.p / s - 1) ** 2).mean()) * problem.independent / dof
    normal_points = dof / (1 + 3 / problem.k)  # (P/S - 1)^2 of Gamma(K) spreads wider than that of a Gaussian
    return pearson, float(chi2.sf(pearson * normal_points, normal_points))
