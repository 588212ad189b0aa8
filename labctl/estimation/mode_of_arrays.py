"""One mechanical mode from a recording of any laboratory: frequencies and powers, nothing known of how they were taken.

The fit is that of `mechanical_mode`, over a floor that may tilt and beside other lines that the recording shows. Where
the number of averages is unknown it is told from the scatter of the points about the fit, and how far neighbours are
independent from their correlation; the place of the maximum needs neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.lines import PARAMETERS_PER_LINE, LinesProblem, likely_places
from labctl.estimation.mechanical_mode import (
    FALSE_PEAK_PROBABILITY,
    covariance_of,
    require_certain_width,
    require_inside,
    require_span,
    single_line_starts,
)
from labctl.estimation.power_scale import PowerScale, power_of
from labctl.spectra.acquisition import GAUSSIAN_ENBW_PER_RBW, Averaging, FilterShape
from labctl.spectra.trace import Acquisition, FloatArray, Spectrum, Unit

FEWEST_POINTS = 10
MOST_LINES = 5
MOST_AVERAGES = 1e6
"""Points that scatter less than a thousandth are not believed to: the model is not better than that."""
WINDOW_LINEWIDTHS = 20.0
WINDOW_PER_REACH = 2.0
"""Half window over the distance at which a line sinks into its floor."""
FEWEST_POINTS_EACH_SIDE = 40
NEAR_PART = 100
"""A line is sought within this part of the recording on either side of where it should be."""
NARROWEST_RESOLVED_POINTS = 1.5
"""A line of fewer points is not told from the resolution of a recording of unknown bandwidth."""
UNKNOWN_RBW_PER_SPACING = 1e-2
OVERLAP_LINEWIDTHS = 1.0
LARGEST_CORRELATION_LAG = 50
CONFIDENCE_SIGMAS = 2.0
LARGEST_LOG_SIGMA_OF_FLOOR = 0.5
"""A floor known to no better than that is not seen beneath the line's wings."""


@dataclass(frozen=True, eq=False)
class ModeReading:
    """What a recording says of one mode.

    f0_hz; gamma_hz, FWHM; q = f0 / Gamma; peak_to_floor: height of the line over the floor under it, None where no
    floor is seen; band: frequencies
    used; averages: effective K of a point; other_lines_hz: centres of the lines fitted beside it; filter_removed: the
    resolution filter was known and taken out; reason: empty, or why not to trust the numbers blindly.
    """

    f0_hz: Estimate
    gamma_hz: Estimate
    q: Estimate
    peak_to_floor: Estimate | None
    band: tuple[float, float]
    averages: float
    other_lines_hz: tuple[float, ...]
    filter_removed: bool
    reason: str

    def to_json(self) -> dict[str, dict[str, float | str]]:
        """Value, sigma and unit of each number, under its own name."""
        found = {"f0_hz": self.f0_hz, "gamma_hz": self.gamma_hz, "q": self.q, "peak_to_floor": self.peak_to_floor}
        return {name: estimate.to_json() for name, estimate in found.items() if estimate is not None}


def fit_mode_of_arrays(
    frequency_hz: FloatArray,
    values: FloatArray,
    *,
    scale: PowerScale | str = PowerScale.AUTO,
    near_hz: float | None = None,
    rbw_hz: float | None = None,
    averages: float | None = None,
    name: str = "recording",
) -> ModeReading:
    """Fit the strongest mode, or the one nearest `near_hz`, of a power spectrum (n,) against frequency (n,), ascending.

    `rbw_hz`: -3 dB width of a Gaussian resolution filter, which is then taken out; without it Gamma is what the
    recording shows. `averages`: effective K of a point; without it, from the scatter.
    Raises AnalysisRefused for values that make no power spectrum, too few points, no line that noise would not make, a
    line narrower than the points or too broad for them, and a linewidth known to no better than 25 %.
    """
    spectrum = _spectrum(frequency_hz, power_of(values, scale, name), rbw_hz, averages, name)
    spectrum = _around_the_line(spectrum, near_hz)
    fit = _with_all_its_lines(spectrum, known_k=averages is not None)
    return _reading(fit, near_hz, rbw_hz)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A maximum, and the statistics of the points about it: K and the number of points one independent point stands
    for."""

    problem: LinesProblem
    theta: FloatArray
    k: float
    points_per_independent: float

    @property
    def cost(self) -> float:
        return self.problem.cost(self.theta) / self.problem.k

    @property
    def parameters(self) -> int:
        return len(self.theta)


def _spectrum(f: FloatArray, power: FloatArray, rbw_hz: float | None, k: float | None, name: str) -> Spectrum:
    n = len(np.atleast_1d(power))
    if n < FEWEST_POINTS:
        raise AnalysisRefused(
            f"{name} has {n} points: too few for a line.", remedy=f"Record {FEWEST_POINTS} points or more."
        )
    spacing = abs(float(f[-1] - f[0])) / (n - 1)
    rbw = UNKNOWN_RBW_PER_SPACING * spacing if rbw_hz is None else rbw_hz
    if not (rbw > 0 and (k is None or k > 0)):
        raise AnalysisRefused(f"{name}: bandwidth {rbw!r} Hz and averages {k!r} must be positive.")
    acquisition = Acquisition(
        rbw,
        GAUSSIAN_ENBW_PER_RBW * rbw,
        FilterShape.GAUSSIAN,
        Averaging.POWER,
        max(1, round(k or 1.0)),
        k or 1.0,
        independent_spacing_hz=spacing * UNKNOWN_RBW_PER_SPACING,
    )
    mean = float(power.mean())
    if not mean > 0:
        raise AnalysisRefused(f"{name} is zero everywhere.")
    return Spectrum(f, power / mean, Unit.RATIO_TO_SHOT, acquisition, name=name)


def _around_the_line(spectrum: Spectrum, near_hz: float | None) -> Spectrum:
    """The part of the spectrum that the chosen line and its floor take."""
    f, p = spectrum.frequency_hz, spectrum.values
    if near_hz is not None and not f[0] <= near_hz <= f[-1]:
        raise AnalysisRefused(f"{spectrum.name} spans {f[0]:.10g} to {f[-1]:.10g} Hz; {near_hz:.10g} Hz is not in it.")
    searched = spectrum
    if near_hz is not None:
        at = int(np.argmin(np.abs(f - near_hz)))
        reach = max(FEWEST_POINTS_EACH_SIDE, len(f) // NEAR_PART)
        searched = spectrum.at(slice(max(0, at - reach), at + reach + 1))
    median = max(float(np.median(searched.values)), float(p[p > 0].min()))
    flat = np.full(len(searched.values), median)
    f0, template_width = likely_places(LinesProblem(searched, 1), flat)[0]
    at = _highest(p, int(np.argmin(np.abs(f - f0))), 3)
    floor = float(np.quantile(p, 0.25))
    low, high = _half_maximum(p, at, floor)
    width = max(float(f[high] - f[low]), template_width)
    reach_hz = width * math.sqrt(max(float(p[at]) / max(floor, 1e-30), 1.0)) / 2
    inside = np.abs(f - f[at]) <= max(WINDOW_LINEWIDTHS * width, WINDOW_PER_REACH * reach_hz)
    inside[max(0, low - FEWEST_POINTS_EACH_SIDE) : high + FEWEST_POINTS_EACH_SIDE + 1] = True
    return spectrum.at(inside)


def _half_maximum(p: FloatArray, at: int, floor: float) -> tuple[int, int]:
    """Nearest points on either side of `at` that are less than half as far above the floor."""
    half = (p[at] + min(floor, float(p[at]))) / 2
    low, high = at, at
    while low > 0 and p[low] > half:
        low -= 1
    while high < len(p) - 1 and p[high] > half:
        high += 1
    return low, high


def _highest(p: FloatArray, at: int, reach: int) -> int:
    first = max(0, at - reach)
    return first + int(np.argmax(p[first : at + reach + 1]))


def _with_all_its_lines(spectrum: Spectrum, *, known_k: bool) -> _Fitted:
    """Lines and tilt are added while the likelihood ratio says that noise would not ask for them."""
    single, floor, tilted = (
        LinesProblem(spectrum, lines, tilt=tilt) for lines, tilt in ((1, False), (0, True), (1, True))
    )
    at = int(np.argmax(single.p))
    low, high = _half_maximum(single.p, at, float(np.quantile(single.p, 0.25)))
    as_seen = single.start_at([(float(single.f[at]), float(single.f[high] - single.f[low]))])
    best = _fitted(single, single.best([as_seen, *single_line_starts(single)]), known_k)
    bare = _fitted(floor, floor.maximise(floor.start_at([])), known_k)
    tilt = min(
        (
            _fitted(tilted, tilted.maximise(np.append(best.theta, 0.0)), known_k),
            _one_line_more(spectrum, bare, known_k),
        ),
        key=lambda fit: fit.cost,
    )
    without = single.flat_cost() / single.k
    if bare.cost < best.cost or (
        _chance(best.cost - tilt.cost, tilt, 1) < FALSE_PEAK_PROBABILITY and not tilt.problem.at_bound(tilt.theta).any()
    ):  # a floor that tilts says more than a line on a level one
        best, without = tilt, bare.cost
    seen = _chance(without - best.cost, best, PARAMETERS_PER_LINE) <= FALSE_PEAK_PROBABILITY
    while best.problem.lines < MOST_LINES and len(spectrum.frequency_hz) > 3 * (best.parameters + PARAMETERS_PER_LINE):
        more = _one_line_more(spectrum, best, known_k)
        if _chance(best.cost - more.cost, more, PARAMETERS_PER_LINE) > FALSE_PEAK_PROBABILITY:
            break
        if more.problem.at_bound(more.theta)[:-1].any():
            break
        best = more
        seen = seen or _chance(without - best.cost, best, best.parameters) <= FALSE_PEAK_PROBABILITY
    if not seen:
        raise AnalysisRefused(
            f"{spectrum.name} shows no peak that noise would not make.", remedy="Average longer, or check the band."
        )
    return best


def _one_line_more(spectrum: Spectrum, fit: _Fitted, known_k: bool) -> _Fitted:
    larger = LinesProblem(spectrum, fit.problem.lines + 1, tilt=fit.problem.tilt)
    s = fit.problem.spectrum_at(fit.theta)
    split = PARAMETERS_PER_LINE * fit.problem.lines
    starts = []
    for f0, gamma in likely_places(fit.problem, s, 3):
        at = int(np.argmin(np.abs(fit.problem.f - f0)))
        height = max(float(fit.problem.p[at] - s[at]), 0.1 * float(s[at]))
        starts.append(np.concatenate([fit.theta[:split], [f0, math.log(gamma), math.log(height)], fit.theta[split:]]))
    return _fitted(larger, larger.best(starts), known_k)


def _fitted(problem: LinesProblem, theta: FloatArray, known_k: bool) -> _Fitted:
    residual = problem.p / problem.spectrum_at(theta) - 1
    n, freedom = len(residual), len(residual) - len(theta)
    k = (
        problem.k
        if known_k
        else min(max(freedom, 1) / max(float((residual**2).sum()), n / MOST_AVERAGES), MOST_AVERAGES)
    )
    return _Fitted(problem, theta, k, _points_per_independent(residual))


def _points_per_independent(residual: FloatArray) -> float:
    """1 + 2 sum of the residual's correlations, up to the first that noise alone would show."""
    x = residual - residual.mean()
    n, power = len(x), float(x @ x)
    total = 1.0
    for lag in range(1, min(LARGEST_CORRELATION_LAG, n // 4)):
        rho = float(x[lag:] @ x[:-lag]) / power if power > 0 else 0.0
        if rho < CONFIDENCE_SIGMAS / math.sqrt(n):
            break
        total += 2 * rho
    return total


def _chance(gain: float, fit: _Fitted, added: int) -> float:
    """Chance that noise gains as much per unit of K, at any of the independent places."""
    ratio = 2 * fit.k * gain / fit.points_per_independent
    return min(1.0, len(fit.problem.f) / fit.points_per_independent * float(chi2.sf(max(ratio, 0.0), added)))


def _reading(fit: _Fitted, near_hz: float | None, rbw_hz: float | None) -> ModeReading:
    problem, theta = fit.problem, fit.theta
    rows = [PARAMETERS_PER_LINE * j for j in range(problem.lines)]
    chosen = (
        max(rows, key=lambda i: float(theta[i + 1] + theta[i + 2]))
        if near_hz is None
        else min(rows, key=lambda i: abs(float(theta[i]) - near_hz))
    )
    f0, gamma = float(theta[chosen]), math.exp(theta[chosen + 1])
    _require_resolved(problem, gamma, rbw_hz)
    if problem.at_bound(theta)[chosen : chosen + PARAMETERS_PER_LINE].any():
        require_inside(problem, theta)
    floor_seen = not problem.at_bound(theta)[PARAMETERS_PER_LINE * problem.lines :].any()
    if not floor_seen:
        problem.tie = problem.tie[:, : PARAMETERS_PER_LINE * problem.lines]
    covariance = problem.tie @ covariance_of(problem, theta) @ problem.tie.T
    covariance = covariance * (problem.k / fit.k * fit.points_per_independent)
    sigma_f0, relative_gamma = math.sqrt(covariance[chosen, chosen]), math.sqrt(covariance[chosen + 1, chosen + 1])
    require_certain_width(problem, gamma, gamma * relative_gamma)
    others = tuple(float(theta[i]) for i in rows if i != chosen)
    peak_to_floor = _peak_to_floor(problem, theta, covariance, chosen) if floor_seen else None
    return ModeReading(
        f0_hz=Estimate(f0, sigma_f0, "Hz"),
        gamma_hz=Estimate(gamma, gamma * relative_gamma, "Hz", "FWHM"),
        q=Estimate(f0 / gamma, abs(f0) / gamma * math.hypot(relative_gamma, sigma_f0 / f0), "", "f0 / Gamma"),
        peak_to_floor=peak_to_floor,
        band=(float(problem.f[0]), float(problem.f[-1])),
        averages=fit.k,
        other_lines_hz=others,
        filter_removed=rbw_hz is not None,
        reason=_reason(fit, others, f0, gamma, peak_to_floor is not None),
    )


def _require_resolved(problem: LinesProblem, gamma: float, rbw_hz: float | None) -> None:
    spacing = problem.span / (len(problem.f) - 1)
    if rbw_hz is None and gamma < NARROWEST_RESOLVED_POINTS * spacing:
        raise AnalysisRefused(
            f"{problem.name}: a line of {gamma:.3g} Hz is no wider than the points are apart ({spacing:.3g} Hz).",
            remedy="Record it with finer resolution, or give the resolution bandwidth.",
        )
    require_span(problem, gamma)


def _peak_to_floor(problem: LinesProblem, theta: FloatArray, covariance: FloatArray, chosen: int) -> Estimate | None:
    """A over the floor at the line, by the logarithms of both; None where the floor is not seen."""
    floor_at = PARAMETERS_PER_LINE * problem.lines
    x = (float(theta[chosen]) - (problem.f[0] + problem.f[-1]) / 2) / problem.span
    by_theta = np.zeros(len(theta))
    by_theta[chosen + 2], by_theta[floor_at] = 1.0, -1.0
    if problem.tilt:
        by_theta[-1] = -x
    ratio, relative = math.exp(by_theta @ theta), math.sqrt(float(by_theta @ covariance @ by_theta))
    if relative > LARGEST_LOG_SIGMA_OF_FLOOR:
        return None
    return Estimate(ratio, ratio * relative, "", "height of the line over the floor under it")


def _reason(fit: _Fitted, others: tuple[float, ...], f0: float, gamma: float, floor_seen: bool) -> str:
    reasons = []
    near = [other for other in others if abs(other - f0) < OVERLAP_LINEWIDTHS * gamma]
    if near:
        reasons.append(f"another line at {near[0]:.8g} Hz overlaps it, or it is no Lorentzian")
    if not floor_seen:
        reasons.append("no floor is seen beneath the wings of the line, so it has no peak_to_floor")
    if fit.points_per_independent > 3 * len(fit.theta):
        reasons.append("the points leave the fit together: it describes them badly")
    return "; ".join(reasons)
