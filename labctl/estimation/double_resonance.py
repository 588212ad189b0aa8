"""Where seed and pump are resonant together: from the offset of their fringes in length to a forecast in temperature,
and from the seed around one such place to its temperature.

The pump is held resonant; from one of its fringes to the next the seed turns by half. With temperature the seed turns
steadily, so double resonances follow each other at pi / rate, of alternate fringes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.fringe import fit_fringe
from labctl.estimation.fringe_crests import fringe_crests
from labctl.estimation.parametric_gain import ParametricGain, gain_from_levels
from labctl.spectra.acquisition import FloatArray

FEWEST_POINTS = 3
POOR_FIT_PROBABILITY = 1e-4
OTHER_SIGN_EVIDENCE = 16.0  # squared sigmas by which the other sign of the dispersion must fit better


@dataclass(frozen=True)
class SeedLevel:
    """The seed against pump phase, taken apart: pump parameter x / sqrt(1 + D^2) and `unpumped`, the level without
    pump, resonant level over 1 + D^2 (V); D is the detuning of the seed in half linewidths."""

    gain: ParametricGain
    unpumped: Estimate

    @property
    def merit(self) -> Estimate:
        """Pump over threshold times an unknown constant that places of one seed power share; detuning drops out."""
        x, level = self.gain.x, self.unpumped
        value = x.value**2 / level.value
        return Estimate(value, value * math.hypot(2.0 * x.relative_sigma, level.relative_sigma), "1/V", "x^2 / V")


@dataclass(frozen=True)
class LengthOffset:
    """One look at the fringes: temperature in degC, and the round-trip phase of the seed on one pump fringe in rad,
    known but for half turns."""

    temperature_c: float
    phase_rad: Estimate


@dataclass(frozen=True)
class Dispersion:
    """The phase of the seed against temperature, `phase_rad` at `at_c`, falling by `rate_rad_per_k`.

    covariance: of phase and rate, (2, 2).
    """

    at_c: float
    phase_rad: float
    rate_rad_per_k: float
    covariance: FloatArray

    @property
    def rate(self) -> Estimate:
        """Fall of the phase of the seed, in rad/K."""
        return Estimate(self.rate_rad_per_k, math.sqrt(float(self.covariance[1, 1])), "rad/K", "with the pump resonant")

    def phase_at(self, temperature_c: float) -> float:
        """Return the phase in rad, known but for half turns."""
        return self.phase_rad - self.rate_rad_per_k * (temperature_c - self.at_c)

    def temperatures(self, low_c: float, high_c: float) -> dict[int, Estimate]:
        """Return the double resonances from `low_c` to `high_c`, in degC, by their number: each half turn of the seed
        from `phase_rad` is one, and fringes of one parity have numbers of one parity."""
        first, last = sorted((self.phase_at(low_c) / math.pi, self.phase_at(high_c) / math.pi))
        return {number: self.temperature(number) for number in range(math.ceil(first), math.floor(last) + 1)}

    def temperature(self, number: int) -> Estimate:
        """Return the double resonance of a number, in degC."""
        away_k = (self.phase_rad - number * math.pi) / self.rate_rad_per_k
        gradient = np.array([1.0, -away_k]) / self.rate_rad_per_k
        sigma_k = math.sqrt(float(gradient @ self.covariance @ gradient))
        return Estimate(self.at_c + away_k, sigma_k, "degC", "forecast")


def fit_dispersion(looks: Sequence[LengthOffset], expected_rate: Estimate) -> Dispersion:
    """Straight line through the phases of the seed, from `expected_rate` (rad/K) on, whose sign may be the other: the
    looks say which.

    A look may be off by any number of half turns; each is taken at the one nearest to what the looks before forecast,
    so the second must not be further than pi / 4 of phase from the first. Refuses an empty list.
    """
    if not looks:
        raise AnalysisRefused("No look at the fringes of seed and pump is there.", remedy="Walk the length first.")
    as_expected, expected = _line(looks, expected_rate.value, expected_rate.sigma)
    otherwise, other = _line(looks, -expected_rate.value, expected_rate.sigma)
    return other if otherwise + OTHER_SIGN_EVIDENCE < as_expected else expected


def _line(looks: Sequence[LengthOffset], rate: float, rate_sigma: float) -> tuple[float, Dispersion]:
    """Return the squared distance of a line, in sigmas, and the line: looks one by one, the rate as a measurement."""
    first = looks[0]
    theta = np.array([first.phase_rad.value, rate])
    information = np.diag([first.phase_rad.sigma**-2, rate_sigma**-2])
    distance = 0.0
    for look in looks[1:]:
        design = np.array([1.0, -(look.temperature_c - first.temperature_c)])
        ahead = look.phase_rad.value - float(design @ theta)
        ahead -= math.pi * round(ahead / math.pi)
        variance = look.phase_rad.sigma**2
        spread = float(design @ np.linalg.solve(information, design)) + variance
        distance += ahead**2 / spread
        information = information + np.outer(design, design) / variance
        theta = theta + np.linalg.solve(information, design) * ahead / variance
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    return distance, Dispersion(first.temperature_c, float(theta[0]), float(theta[1]), covariance)


def seed_level(volts: FloatArray, signal: FloatArray, dark_v: float = 0.0) -> SeedLevel:
    """Take the seed's fringe apart: `signal` (n,) in V against `volts` (n,) at the pump phase; `dark_v` is the reading
    without seed, in V.

    With the seed detuned by D (`physics.double_resonance.detuned_seed_power`) it is the fringe of an amplifier on
    resonance with x' = x / sqrt(1 + D^2), lit with 1 / (1 + D^2). Its extremes are 1 / (1 -+ x')^2 of that light.
    Refuses a scan without a fringe that stands out.
    """
    crest, trough = (_above(level, dark_v) for level in fringe_crests(fit_fringe(volts, signal), volts, signal))
    gain = gain_from_levels(crest, trough)
    x = gain.x.value
    root_crest, root_trough = math.sqrt(crest.value), math.sqrt(trough.value)
    # 1 / sqrt(G) is 1 - x and 1 + x: their mean is the light alone
    root = 2.0 * root_crest * root_trough / (root_crest + root_trough)
    relative = math.hypot((1.0 - x) * crest.relative_sigma, (1.0 + x) * trough.relative_sigma) / 2.0
    return SeedLevel(gain, Estimate(root**2, root**2 * relative, "V", "seed without pump"))


def _above(level: Estimate, dark_v: float) -> Estimate:
    return Estimate(level.value - dark_v, level.sigma, level.unit)


def mean_level(levels: Sequence[SeedLevel]) -> SeedLevel:
    """Return the mean of several looks at one place, which must not be none."""
    gain = ParametricGain(_mean([level.gain.x for level in levels]))
    return SeedLevel(gain, _mean([level.unpumped for level in levels]))


def _mean(values: Sequence[Estimate]) -> Estimate:
    first = values[0]
    sigma = math.sqrt(sum(value.sigma**2 for value in values)) / len(values)
    return Estimate(sum(value.value for value in values) / len(values), sigma, first.unit, first.convention)


def resonance_temperature(temperatures_c: FloatArray, levels: Sequence[Estimate]) -> Estimate:
    """Temperature (degC) at which the seed is resonant: vertex of a parabola through 1 / `levels` (V) at
    `temperatures_c` (n,).

    The level without pump is a Lorentzian in temperature, so its inverse is a parabola exactly; the gain is not: phase
    matching tilts it, by some ten millikelvin. Refuses fewer than 3 points, points without a resonance, and one outside
    the points.
    """
    t = np.asarray(temperatures_c, dtype=np.float64)
    values, sigmas = (np.array([getattr(level, name) for level in levels]) for name in ("value", "sigma"))
    line = lorentzian_line(t, values, sigmas)
    if not t.min() <= line.centre <= t.max():
        raise AnalysisRefused(
            f"The resonance of the seed is not within {t.min():.3f} to {t.max():.3f} degC.",
            remedy="Repeat about where it is.",
        )
    return Estimate(line.centre, line.sigma, "degC", "resonance of the seed with the pump held resonant")


@dataclass(frozen=True)
class LorentzianLine:
    """Centre with its standard uncertainty, half width at half maximum, and height."""

    centre: float
    sigma: float
    half_width: float
    height: float


def lorentzian_line(position: FloatArray, level: FloatArray, sigma: FloatArray) -> LorentzianLine:
    """Fit h / (1 + ((x - x0) / w)^2) to points (n,) about its top, as the parabola that its inverse is.

    What the points scatter more than their `sigma` says widens the uncertainty. Refuses fewer than 3 points, levels
    that are not positive, and points without a maximum.
    """
    if len(position) < FEWEST_POINTS or len(position) != len(level):
        raise AnalysisRefused(f"A resonance needs {FEWEST_POINTS} points, not {len(position)}.")
    if not (level > 0.0).all():
        raise AnalysisRefused("The seed is dark.", remedy="Check its beam.")
    middle = float(np.mean(position))
    weight = level**2 / sigma
    design = np.vander(position - middle, 3) * weight[:, None]
    inverse = np.linalg.pinv(design.T @ design)
    c, b, a = (float(term) for term in inverse @ design.T @ (weight / level))
    lowest = a - b * b / (4.0 * c) if c > 0.0 else 0.0
    if lowest <= 0.0:
        raise AnalysisRefused("The seed has no resonance there.", remedy="Search anew.")
    residual = float(((design @ np.array([c, b, a]) - weight / level) ** 2).sum())
    dof = len(position) - 3
    excess = residual / dof if dof and chi2.sf(residual, dof) < POOR_FIT_PROBABILITY else 1.0
    gradient = np.array([b / (2.0 * c * c), -1.0 / (2.0 * c), 0.0])
    spread = math.sqrt(float(gradient @ inverse @ gradient) * excess)
    return LorentzianLine(middle - b / (2.0 * c), spread, math.sqrt(lowest / c), 1.0 / lowest)
