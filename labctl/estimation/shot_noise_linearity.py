"""Is it shot noise? Noise power against light: the exponent with dark noise taken out, and the straight line.

P = d + a I^n, d measured without light; shot noise has n = 1, excess classical noise n -> 2, a saturating detector
n < 1. Left in, dark noise flattens the curve: the raw exponent falls short by about the mean dark share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.likelihood import Curve, Solution, fit_power
from labctl.spectra.acquisition import FloatArray

FEWEST_LEVELS = 4
SMALLEST_RANGE = 2.0
"""Highest over lowest light: over less an exponent says nothing."""
SMALLEST_CLEARANCE = 2.0
"""Noise at the highest light over dark noise: 3 dB."""
EXPONENT_TOLERANCE = 0.02
NOMINAL_AVERAGES = 1e6
"""Stands in for an unknown K, which the scatter then replaces."""


@dataclass(frozen=True, eq=False)
class ShotNoiseLinearity:
    """Result for light levels in the unit they were given in.

    exponent: n with dark noise taken out (nan-free: equal to raw where no dark noise was given); raw_exponent: n with
    it left in; slope: noise per unit of light, and intercept: noise at no light, of a straight line through the lit
    points; dark: as fitted; chi2_per_dof, p_value: of the power law; linear: the exponent is 1 within 0.02 and 3 sigma.
    """

    exponent: Estimate
    raw_exponent: Estimate
    slope: Estimate
    intercept: Estimate
    dark: Estimate | None
    chi2_per_dof: float
    p_value: float
    linear: bool
    reason: str = ""

    @property
    def intercept_over_dark(self) -> Estimate:
        """Intercept of the straight line over dark noise, 1 for shot noise; refuses without a dark measurement."""
        if self.dark is None:
            raise AnalysisRefused("No dark noise was given to compare the intercept with.")
        ratio = self.intercept.value / self.dark.value
        sigma = math.hypot(self.intercept.sigma, ratio * self.dark.sigma) / self.dark.value
        return Estimate(ratio, sigma, "", "intercept over dark noise")


def fit_shot_noise_linearity(
    light: npt.ArrayLike,
    noise: npt.ArrayLike,
    dark: float | None = None,
    *,
    averages: npt.ArrayLike | None = None,
    dark_averages: float | None = None,
) -> ShotNoiseLinearity:
    """Fit noise power (n,), as V^2, V^2/Hz or W, against light level (n,) with its dark offset subtracted.

    `dark`: noise power without light; `averages`: K of each noise power, one or (n,); `dark_averages`: K of the dark
    one (the first of `averages` if None). Without K, or where scatter exceeds it, the scatter about the curve gives the
    uncertainties. Raises AnalysisRefused for fewer than 4 levels or less than a factor of 2 between them, numbers that
    are not positive, and noise less than 3 dB above dark noise at the highest light.
    """
    i, p = np.asarray(light, dtype=np.float64), np.asarray(noise, dtype=np.float64)
    _require_levels(i, p, dark)
    known = averages is not None
    k = np.broadcast_to(np.asarray(NOMINAL_AVERAGES if averages is None else averages, dtype=np.float64), p.shape)
    k_dark = float(k[0]) if dark_averages is None else dark_averages
    if not ((k > 1).all() and k_dark > 1):
        raise AnalysisRefused("Noise powers need more than one average each.")
    reference = math.exp(float(np.log(i).mean()))
    ratio = i / reference
    raw = _power_law(ratio, p, k, None, k_dark)
    law = raw if dark is None else _power_law(ratio, p, k, dark, k_dark)
    line = fit_power(_line(ratio), p, k, np.array(np.polyfit(ratio, p, 1)[::-1]))
    widen = [_widening(s, known) for s in (law, raw, line)]
    exponent = _parameter(law, 1, widen[0], "dark noise subtracted" if dark is not None else "dark noise left in")
    tolerance = math.hypot(EXPONENT_TOLERANCE, 3 * exponent.sigma)
    linear = abs(exponent.value - 1) <= tolerance
    slope = _parameter(line, 1, widen[2], "noise per unit of light")
    return ShotNoiseLinearity(
        exponent=exponent,
        raw_exponent=_parameter(raw, 1, widen[1], "dark noise left in"),
        slope=Estimate(slope.value / reference, slope.sigma / reference, "", slope.convention),
        intercept=_parameter(line, 0, widen[2], "straight line at no light"),
        dark=None if dark is None else _parameter(law, 2, widen[0], "as fitted"),
        chi2_per_dof=law.chi2_per_dof if known else 1.0,
        p_value=law.p_value if known else 1.0,
        linear=linear,
        reason=_reason(law, known, exponent, linear, dark),
    )


def _power_law(ratio: FloatArray, p: FloatArray, k: FloatArray, dark: float | None, k_dark: float) -> Solution:
    """Fit of (ln a, n) to a r^n, or of (ln a, n, d) to d + a r^n with the dark measurement as one more point."""
    log_ratio = np.log(ratio)
    lit = p if dark is None else np.maximum(p - dark, 0.05 * p)
    n, log_a = np.polyfit(log_ratio, np.log(lit), 1)
    if dark is None:

        def bare(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
            s = np.exp(theta[0] + theta[1] * log_ratio)
            return s, np.column_stack([s, s * log_ratio])

        return fit_power(bare, p, k, np.array([log_a, n]))

    def curve(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        s = np.exp(theta[0] + theta[1] * log_ratio)
        jacobian = np.column_stack([s, s * log_ratio, np.ones_like(s)])
        return np.append(s + theta[2], theta[2]), np.vstack([jacobian, [0.0, 0.0, 1.0]])

    return fit_power(curve, np.append(p, dark), np.append(k, k_dark), np.array([log_a, n, dark]))


def _line(ratio: FloatArray) -> Curve:
    jacobian = np.column_stack([np.ones_like(ratio), ratio])
    return lambda theta: (jacobian @ theta, jacobian)


def _widening(solution: Solution, known: bool) -> float:
    """Factor on uncertainties: the scatter's own size where K is unknown, and where it is more than K explains."""
    scatter = math.sqrt(solution.chi2_per_dof)
    return scatter if not known or solution.poor else 1.0


def _parameter(solution: Solution, index: int, widening: float, convention: str) -> Estimate:
    sigma = widening * math.sqrt(float(solution.covariance[index, index]))
    return Estimate(float(solution.theta[index]), sigma, "", convention)


def _reason(law: Solution, known: bool, exponent: Estimate, linear: bool, dark: float | None) -> str:
    found = []
    if dark is None:
        found.append("dark noise was not given, so the exponent is low")
    if known and law.poor:
        found.append(f"the points scatter more than their averages allow (chi2 {law.chi2_per_dof:.1f} per degree)")
    if not linear:
        cause = "classical noise of the light" if exponent.value > 1 else "a detector that saturates"
        found.append(f"the exponent {exponent} is not that of shot noise: {cause}?")
    return "; ".join(found)


def _require_levels(light: FloatArray, noise: FloatArray, dark: float | None) -> None:
    if light.ndim != 1 or light.shape != noise.shape or len(np.unique(light)) < FEWEST_LEVELS:
        raise AnalysisRefused(f"{FEWEST_LEVELS} light levels with noise are needed, not {light.shape}, {noise.shape}.")
    if not (np.isfinite(light).all() and np.isfinite(noise).all() and (light > 0).all() and (noise > 0).all()):
        raise AnalysisRefused(
            "Light levels and noise powers must be positive numbers.", remedy="Were noise powers given in dB?"
        )
    if light.max() < SMALLEST_RANGE * light.min():
        raise AnalysisRefused(
            f"Light from {light.min():g} to {light.max():g} is too narrow a range for an exponent.",
            remedy=f"Vary it by a factor of {SMALLEST_RANGE:g} or more.",
        )
    if dark is not None:
        brightest = float(noise[np.argmax(light)])
        if not (math.isfinite(dark) and dark > 0 and brightest >= SMALLEST_CLEARANCE * dark):
            raise AnalysisRefused(
                f"Noise at the highest light, {brightest:.4g}, is not 3 dB above dark noise, {dark:.4g}.",
                remedy="Use more light.",
            )
