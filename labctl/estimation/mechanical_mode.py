"""Frequency, linewidth, height and floor of one mechanical mode, by Whittle likelihood.

Model of the displayed spectrum relative to shot noise: S(f) = V + A L(f; f0, Gamma), L convolved with the resolution
filter (`line_shape`), each point drawn from Gamma(K, S/K). Minimises sum_k K [ln S_k + P_k / S_k] (P. Whittle, 1953).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, Fit
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.estimation.lines import PARAMETERS_PER_LINE, TEMPLATE_WIDTHS, LinesProblem, likely_places
from labctl.spectra.trace import Acquisition, Averaging, Detector, FloatArray, Spectrum, Unit

FEWEST_POINTS = 20
FEWEST_INDEPENDENT_POINTS = 8.0
FALSE_PEAK_PROBABILITY = 1e-3
LARGEST_RELATIVE_SIGMA_GAMMA = 0.25
"""Above it no estimator of Gamma is efficient or unbiased, so none is reported."""
POOR_FIT_PROBABILITY = 1e-4
LARGEST_GAMMA_PER_SPAN = 0.5
"""Beside a broader line the floor cannot be told from its wings."""
STARTS = 3
NAMES = ("f0_hz", "gamma_hz", "peak_to_floor", "floor")
UNITS = ("Hz", "Hz", "", "")
CONVENTIONS = ("", "FWHM", "units of shot noise, filter taken out", "units of shot noise")


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
    require_fit_for_whittle(spectrum)
    problem = LinesProblem(spectrum, 1)
    starts = single_line_starts(problem)
    if guess is not None:
        starts.insert(0, problem.start_at([guess]))
    theta = problem.best(starts)
    require_peak(problem, theta)
    require_inside(problem, theta)
    require_span(problem, math.exp(theta[1]))
    return _report(problem, theta, normalisation_relative_sigma)


def single_line_starts(problem: LinesProblem) -> list[FloatArray]:
    """Best places and widths for one line on a flat floor, best first."""
    flat = np.full(len(problem.f), float(np.median(problem.p)))
    starts = [problem.start_at([place]) for place in likely_places(problem, flat, TEMPLATE_WIDTHS)]
    starts.sort(key=lambda start: problem.cost(np.clip(start, problem.lower, problem.upper)))
    return starts[:STARTS]


def require_fit_for_whittle(spectrum: Spectrum) -> None:
    """Refuse units, averages and detectors whose points are not Gamma distributed about S, and too few of them."""
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


def require_peak(problem: LinesProblem, theta: FloatArray) -> None:
    """Likelihood-ratio test against a flat spectrum, with as many trials as there are independent places."""
    gain = 2 * (problem.flat_cost() - problem.cost(theta)) * problem.independent / len(problem.f)
    if problem.independent * float(chi2.sf(gain, 3)) > FALSE_PEAK_PROBABILITY:
        raise AnalysisRefused(
            f"{problem.name} shows no peak that noise would not make.",
            remedy="Average longer, or check the band and the lock.",
        )


def require_inside(problem: LinesProblem, theta: FloatArray) -> None:
    """Refuse a fit that ended at a bound."""
    for i in np.flatnonzero(problem.at_bound(theta)):
        line, which = divmod(int(i), PARAMETERS_PER_LINE)
        name = NAMES[which] if line < problem.lines else "floor"
        number = f" of line {line + 1}" if problem.lines > 1 and line < problem.lines else ""
        value = theta[i] if name == "f0_hz" else math.exp(theta[i])
        raise AnalysisRefused(
            f"{problem.name}: the fit ended at a bound, {name}{number} = {value:.6g}.",
            remedy="Record a wider span around the line, or a finer resolution bandwidth.",
        )


def require_span(problem: LinesProblem, gamma_hz: float) -> None:
    """Refuse a line beside which no floor is seen."""
    if gamma_hz > LARGEST_GAMMA_PER_SPAN * problem.span:
        raise AnalysisRefused(
            f"{problem.name}: a line of {gamma_hz:.4g} Hz is too broad for a span of {problem.span:.4g} Hz.",
            remedy="Record a wider span.",
        )


def _report(problem: LinesProblem, theta: FloatArray, normalisation_relative_sigma: float) -> ModeFit:
    covariance = covariance_of(problem, theta)
    gamma, peak, floor = (float(x) for x in np.exp(theta[1:]))
    scale = np.array([1.0, gamma, peak, floor])
    covariance = covariance * np.outer(scale, scale)
    common = normalisation_relative_sigma * np.array([0.0, 0.0, peak, floor])
    covariance += np.outer(common, common)
    sigma = np.sqrt(np.diag(covariance))
    require_certain_width(problem, gamma, float(sigma[1]))
    chi2_per_dof, p_value = goodness(problem, theta)
    values = (float(theta[0]), gamma, peak, floor)
    return ModeFit(
        parameters={
            n: Estimate(v, float(e), u, c)
            for n, v, e, u, c in zip(NAMES, values, sigma, UNITS, CONVENTIONS, strict=True)
        },
        covariance=covariance,
        names=NAMES,
        chi2_per_dof=chi2_per_dof,
        p_value=p_value,
        reason=""
        if p_value > POOR_FIT_PROBABILITY
        else f"one line does not describe the points (chi2 per degree of freedom {chi2_per_dof:.2f}): "
        "look for a second mode, a tone, or a drift",
    )


def covariance_of(problem: LinesProblem, theta: FloatArray) -> FloatArray:
    """Covariance of the free parameters; refuses points that do not determine them."""
    try:
        covariance = problem.covariance(theta)
    except np.linalg.LinAlgError:
        raise AnalysisRefused(f"{problem.name} does not determine the line.") from None
    if not (np.isfinite(covariance).all() and (np.diag(covariance) > 0).all()):
        raise AnalysisRefused(f"{problem.name} does not determine the line.")
    return covariance


def require_certain_width(problem: LinesProblem, gamma_hz: float, sigma_hz: float) -> None:
    """Refuse a linewidth known to no better than 25 %."""
    if sigma_hz > LARGEST_RELATIVE_SIGMA_GAMMA * gamma_hz:
        raise AnalysisRefused(
            f"{problem.name}: the linewidth would be {gamma_hz:.3g} +- {sigma_hz:.2g} Hz, "
            "too uncertain to mean anything.",
            remedy="Average longer.",
        )


def goodness(problem: LinesProblem, theta: FloatArray) -> tuple[float, float]:
    """Pearson's chi2 per degree of freedom, and the chance of a larger one; (P/S - 1)^2 K has mean 1 for any K."""
    s = problem.spectrum_at(theta)
    dof = problem.independent - problem.tie.shape[1]
    pearson = problem.k * float(((problem.p / s - 1) ** 2).mean()) * problem.independent / dof
    normal_points = dof / (1 + 3 / problem.k)  # (P/S - 1)^2 of Gamma(K) spreads wider than that of a Gaussian
    return pearson, float(chi2.sf(pearson * normal_points, normal_points))
