"""Several mechanical modes fitted jointly on one trace over one floor, and whether a line is one mode or a doublet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, Fit
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.estimation.lines import PARAMETERS_PER_LINE, LinesProblem, likely_places
from labctl.estimation.mechanical_mode import (
    CONVENTIONS,
    NAMES,
    POOR_FIT_PROBABILITY,
    STARTS,
    UNITS,
    ModeFit,
    ModeGuess,
    covariance_of,
    fit_mode,
    goodness,
    require_certain_width,
    require_fit_for_whittle,
    require_inside,
    require_peak,
    require_span,
    single_line_starts,
)
from labctl.spectra.trace import Acquisition, FloatArray, Spectrum

FALSE_LINE_PROBABILITY = 1e-3
"""Chance that noise alone is taken for one more line."""
SPLIT_STARTS = (0.5, 1.0)
"""Half splittings, in linewidths, from which a doublet hidden in one line is sought."""


@dataclass(frozen=True)
class Mode:
    """One of several modes: centre and FWHM in Hz, and height in units of shot noise, filter taken out."""

    f0_hz: Estimate
    gamma_hz: Estimate
    peak_to_floor: Estimate


@dataclass(frozen=True, eq=False)
class ModesFit(Fit):
    """Modes over one floor V; `names`: f0_hz_1, gamma_hz_1, peak_to_floor_1, f0_hz_2, ..., floor; by frequency.

    covariance (3 J + 1, 3 J + 1) is joint, so that differences of frequencies have their true uncertainty.
    """

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes in order of frequency."""
        p = self.parameters
        count = (len(self.names) - 1) // PARAMETERS_PER_LINE
        return tuple(Mode(*(p[f"{name}_{j}"] for name in NAMES[:3])) for j in range(1, count + 1))

    @property
    def floor(self) -> Estimate:
        """V: noise beside the lines, in units of shot noise."""
        return self.parameters["floor"]

    def splitting_hz(self, first: int = 1, second: int = 2) -> Estimate:
        """f0 of mode `second` minus that of mode `first`, counted from 1, Hz."""
        a, b = (self.names.index(f"f0_hz_{j}") for j in (first, second))
        c = self.covariance
        sigma = math.sqrt(max(c[a, a] + c[b, b] - 2 * c[a, b], 0.0))
        return Estimate(
            self.parameters[self.names[b]].value - self.parameters[self.names[a]].value, sigma, "Hz", "difference of f0"
        )

    def model(self, frequency_hz: FloatArray, acquisition: Acquisition) -> FloatArray:
        """The fitted spectrum (n,) as it would be displayed, relative to shot noise."""
        s = np.full(len(frequency_hz), self.floor.value)
        for mode in self.modes:
            line = broadened_lorentzian(frequency_hz, mode.f0_hz.value, mode.gamma_hz.value, acquisition)
            s += mode.peak_to_floor.value * line
        return s


@dataclass(frozen=True, eq=False)
class DoubletTest:
    """Whether two modes describe a line better than one.

    likelihood_ratio: 2 ln of the ratio of the maxima, for independent points; chance: probability that one mode and
    noise give as much; resolved: chance below 0.1 %; two: the fit of two, None where they are not resolved.
    """

    one: ModeFit
    two: ModesFit | None
    likelihood_ratio: float
    chance: float

    @property
    def resolved(self) -> bool:
        """Two modes are there."""
        return self.two is not None

    def __str__(self) -> str:
        odds = f"likelihood ratio {self.likelihood_ratio:.1f}, chance {self.chance:.2g}"
        if self.two is None:
            return f"one mode suffices ({odds})"
        return f"two modes, {self.two.splitting_hz()} apart ({odds})"


def fit_modes(
    spectrum: Spectrum,
    modes: int | Sequence[ModeGuess],
    *,
    one_width: bool = False,
    normalisation_relative_sigma: float = 0.0,
) -> ModesFit:
    """Fit a known number of modes jointly to a power-averaged spectrum relative to shot noise.

    `modes`: how many (the points must then be about evenly spaced), or where to start; `one_width`: one Gamma for all.
    Uncertainties and refusals are those of `fit_mode`, for every mode.
    """
    require_fit_for_whittle(spectrum)
    guesses = [] if isinstance(modes, int) else list(modes)
    count = modes if isinstance(modes, int) else len(guesses)
    if count < 1:
        raise AnalysisRefused(f"{count} modes cannot be fitted.", remedy="Ask for one or more.")
    problem = LinesProblem(spectrum, count, one_width=one_width)
    if len(problem.f) <= problem.tie.shape[1]:
        raise AnalysisRefused(f"{spectrum.name} has {len(problem.f)} points, too few for {count} modes.")
    theta = problem.best([_one_width(problem, problem.start_at(guesses))] if guesses else _starts(spectrum, problem))
    return _checked(problem, theta, normalisation_relative_sigma)


def resolve_doublet(
    spectrum: Spectrum, *, one_width: bool = False, normalisation_relative_sigma: float = 0.0
) -> DoubletTest:
    """Fit one mode and two, and say by their likelihood ratio whether one suffices.

    The ratio is compared with chi2 of the added parameters, at as many places as there are independent points, which
    overstates the chance of a false doublet. Refuses what `fit_mode` refuses of one mode.
    """
    one = fit_mode(spectrum, normalisation_relative_sigma=normalisation_relative_sigma)
    single, problem = LinesProblem(spectrum, 1), LinesProblem(spectrum, 2, one_width=one_width)
    single_theta = np.array([one.f0_hz.value, *(math.log(one.parameters[name].value) for name in NAMES[1:])])
    theta = problem.best(_one_more(single, single_theta, problem))
    ratio = 2 * (single.cost(single_theta) - problem.cost(theta)) * problem.independent / len(problem.f)
    added = problem.tie.shape[1] - single.tie.shape[1]
    chance = min(1.0, problem.independent * float(chi2.sf(max(ratio, 0.0), added)))
    if chance > FALSE_LINE_PROBABILITY:
        return DoubletTest(one, None, max(ratio, 0.0), chance)
    return DoubletTest(one, _checked(problem, theta, normalisation_relative_sigma), ratio, chance)


def _starts(spectrum: Spectrum, problem: LinesProblem) -> list[FloatArray]:
    """Starts for all lines, found one after another."""
    single = LinesProblem(spectrum, 1)
    if problem.lines == 1:
        return single_line_starts(single)
    smaller, theta = single, single.best(single_line_starts(single))
    for count in range(2, problem.lines):
        larger = LinesProblem(spectrum, count)
        theta = larger.best(_one_more(smaller, theta, larger))
        smaller = larger
    return _one_more(smaller, theta, problem)


def _one_more(smaller: LinesProblem, theta: FloatArray, larger: LinesProblem) -> list[FloatArray]:
    """Starts for one line more: where the residual asks for it, and the strongest line split in two."""
    at = [slice(PARAMETERS_PER_LINE * j, PARAMETERS_PER_LINE * (j + 1)) for j in range(smaller.lines)]
    places = [(float(theta[s][0]), math.exp(theta[s][1])) for s in at]
    more = likely_places(smaller, smaller.spectrum_at(theta), STARTS)
    starts = [larger.start_at([*places, place]) for place in more]
    strongest = max(range(smaller.lines), key=lambda j: float(theta[at[j]][1] + theta[at[j]][2]))
    f0, gamma = places[strongest]
    others = places[:strongest] + places[strongest + 1 :]
    for split in SPLIT_STARTS:
        halves = [(f0 - split * gamma / 2, gamma / (1 + split)), (f0 + split * gamma / 2, gamma / (1 + split))]
        starts.append(larger.start_at([*others, *halves]))
    return [_one_width(larger, start) for start in starts]


def _one_width(problem: LinesProblem, start: FloatArray) -> FloatArray:
    """The start with the mean of what is tied together."""
    return np.asarray(problem.tie @ ((problem.tie.T @ start) / problem.tie.sum(axis=0)))


def _checked(problem: LinesProblem, theta: FloatArray, normalisation_relative_sigma: float) -> ModesFit:
    require_peak(problem, theta)
    require_inside(problem, theta)
    widths = np.exp(theta[1 : PARAMETERS_PER_LINE * problem.lines : PARAMETERS_PER_LINE])
    require_span(problem, float(widths.max()))
    order = np.argsort(theta[0 : PARAMETERS_PER_LINE * problem.lines : PARAMETERS_PER_LINE])
    rows = [PARAMETERS_PER_LINE * int(j) + i for j in order for i in range(PARAMETERS_PER_LINE)]
    rows.append(PARAMETERS_PER_LINE * problem.lines)
    covariance = (problem.tie @ covariance_of(problem, theta) @ problem.tie.T)[np.ix_(rows, rows)]
    is_place = np.array([i % PARAMETERS_PER_LINE == 0 for i in range(len(rows) - 1)] + [False])
    values = np.where(is_place, theta[rows], np.exp(np.where(is_place, 0.0, theta[rows])))
    scale = np.where(is_place, 1.0, values)
    covariance = covariance * np.outer(scale, scale)
    is_height = np.array([i % PARAMETERS_PER_LINE == 2 for i in range(len(rows) - 1)] + [True])
    common = normalisation_relative_sigma * np.where(is_height, values, 0.0)
    covariance += np.outer(common, common)
    sigma = np.sqrt(np.diag(covariance))
    for j in range(problem.lines):
        at = PARAMETERS_PER_LINE * j + 1
        require_certain_width(problem, float(values[at]), float(sigma[at]))
    names = (*(f"{name}_{j}" for j in range(1, problem.lines + 1) for name in NAMES[:3]), "floor")
    units = UNITS[:3] * problem.lines + (UNITS[3],)
    conventions = CONVENTIONS[:3] * problem.lines + (CONVENTIONS[3],)
    chi2_per_dof, p_value = goodness(problem, theta)
    return ModesFit(
        parameters={
            n: Estimate(float(v), float(e), u, c)
            for n, v, e, u, c in zip(names, values, sigma, units, conventions, strict=True)
        },
        covariance=covariance,
        names=names,
        chi2_per_dof=chi2_per_dof,
        p_value=p_value,
        reason=""
        if p_value > POOR_FIT_PROBABILITY
        else f"{problem.lines} lines do not describe the points (chi2 per degree of freedom {chi2_per_dof:.2f}): "
        "look for one more mode, a tone, or a drift",
    )
