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
from labctl.estimation.fringe import FringeFit
from labctl.estimation.parametric_gain import ParametricGain, parametric_gain
from labctl.spectra.acquisition import FloatArray

FEWEST_POINTS = 3
POOR_FIT_PROBABILITY = 1e-4


@dataclass(frozen=True)
class SeedLevel:
    """The seed against pump phase, taken apart: pump parameter x / sqrt(1 + D^2) and `unpumped`, the level without
    pump, resonant level over 1 + D^2 (V); D is the detuning of the seed in half linewidths."""

    gain: ParametricGain
    unpumped: Estimate

    @property
    def merit(self) -> Estimate:
        """Pump over threshold times an unknown constant that places of one seed power share: x^2 without detuning, which
        drops out."""
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
        return {number: self._temperature(number) for number in range(math.ceil(first), math.floor(last) + 1)}

    def _temperature(self, number: int) -> Estimate:
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
    lines = [_line(looks, expected_rate.value * sign, expected_rate.sigma) for sign in (1.0, -1.0)]
    return min(lines, key=lambda line: line[0])[1]


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


def seed_level(fit: FringeFit, dark_v: float = 0.0) -> SeedLevel:
    """Take the seed's fringe against pump phase apart; `dark_v` is the reading without seed, in V.

    With the seed detuned by D, power follows from (1 + D^2 + x^2 + 2 x sqrt(1 + D^2) cos theta) / (1 + D^2 - x^2)^2: the
    fringe of an amplifier on resonance with x' = x / sqrt(1 + D^2), lit with 1 / (1 + D^2), and its mean over phase is
    (1 + x'^2) / (1 - x'^2)^2 of that light. Refuses a fringe deeper than its level.
    """
    gain = parametric_gain(_above(fit, dark_v))
    x, mean = gain.x, fit.offset.value - dark_v
    value = mean * (1.0 - x.value**2) ** 2 / (1.0 + x.value**2)
    slope = 4.0 * x.value / (1.0 - x.value**2) + 2.0 * x.value / (1.0 + x.value**2)
    relative = math.hypot(fit.offset.sigma / mean, slope * x.sigma)
    return SeedLevel(gain, Estimate(value, value * relative, "V", "seed without pump"))


def _above(fit: FringeFit, dark_v: float) -> FringeFit:
    """Return the fit with its level counted from `dark_v`."""
    offset = fit.offset
    lifted = {**fit.parameters, "offset": Estimate(offset.value - dark_v, offset.sigma, offset.unit)}
    return FringeFit(
        lifted, fit.covariance, fit.names, fit.chi2_per_dof, fit.p_value, fit.reason, fit.middle_v, fit.fringes
    )


def resonance_temperature(temperatures_c: FloatArray, levels: Sequence[Estimate]) -> Estimate:
    """Temperature (degC) at which the seed is resonant: vertex of a parabola through 1 / `levels` (V) at
    `temperatures_c` (n,).

    The level without pump is a Lorentzian in temperature, so its inverse is a parabola exactly; the gain itself is not:
    phase matching tilts it, by some ten millikelvin. Refuses fewer than 3 points, a parabola that opens downwards, and
    a vertex outside the points.
    """
    t = np.asarray(temperatures_c, dtype=np.float64)
    if len(t) < FEWEST_POINTS or len(t) != len(levels):
        raise AnalysisRefused(f"A parabola needs {FEWEST_POINTS} points, not {len(t)}.")
    middle = float(t.mean())
    y = np.array([1.0 / level.value for level in levels])
    sigma = np.array([level.relative_sigma for level in levels]) * y
    design = np.vander(t - middle, 3) / sigma[:, None]
    inverse = np.linalg.inv(design.T @ design)
    c, b, a = inverse @ design.T @ (y / sigma)
    if c <= 0.0 or b * b - 4.0 * a * c >= 0.0:
        raise AnalysisRefused("The seed has no resonance about this temperature.", remedy="Search anew.")
    vertex_k = -b / (2.0 * c)
    if not t.min() - middle <= vertex_k <= t.max() - middle:
        raise AnalysisRefused(
            f"The resonance of the seed is outside {t.min():.3f} to {t.max():.3f} degC.",
            remedy="Repeat about where it is.",
        )
    residual = float((((design @ np.array([c, b, a])) - y / sigma) ** 2).sum())
    dof = len(t) - 3
    # what the points scatter more than their sigmas say is in the uncertainty
    excess = residual / dof if dof and chi2.sf(residual, dof) < POOR_FIT_PROBABILITY else 1.0
    gradient = np.array([b / (2.0 * c * c), -1.0 / (2.0 * c), 0.0])
    sigma_k = math.sqrt(float(gradient @ inverse @ gradient) * excess)
    return Estimate(middle + vertex_k, sigma_k, "degC", "resonance of the seed with the pump held resonant")
