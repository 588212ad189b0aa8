"""Squeezing of an amplifier against pump: threshold, total efficiency and phase noise, fitted to V- and V+ together.

V-+ = 1 -+ eta 4x / ((1 +- x)^2 + F^2), x = sqrt(P / P_threshold), F the sideband in half linewidths; phase noise
theta (rms) mixes them by <sin^2> = (1 - e^{-2 theta^2}) / 2 (T. Aoki et al., Opt. Express 14, 6930 (2006)). One pump
power does not tell loss from phase noise; several do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, Fit
from labctl.estimation.likelihood import fit_power
from labctl.spectra.acquisition import FloatArray

FEWEST_PUMPS = 3
SMALLEST_CLEARANCE = 2.0
"""Shot noise (with dark) over dark noise: 3 dB. Below it the difference is mostly the dark trace's noise."""
LARGEST_SIGMA_EFFICIENCY = 0.1
BOUND_SIGMAS = 3.0
RESOLVED_SIGMAS = 2.0
EFFICIENCY_STARTS = (0.4, 0.7, 0.9)
PHASE_VARIANCE_STARTS = (1e-4, 4e-3)
THRESHOLD_STARTS = tuple(np.geomspace(1.05, 20.0, 16))
"""Thresholds over the highest pump power."""


def noise_over_shot(signal: Estimate, shot: Estimate, dark: Estimate) -> Estimate:
    """(P_signal - P_dark) / (P_shot - P_dark) of three independent powers in one unit; 1 is shot noise.

    The dark level enters twice and is counted as one. Refuses shot noise less than 3 dB above dark noise.
    """
    if dark.value < 0 or signal.value <= 0 or shot.value < SMALLEST_CLEARANCE * dark.value or shot.value <= 0:
        raise AnalysisRefused(
            f"Shot noise at {shot.value:.4g} is not 3 dB above dark noise at {dark.value:.4g}.",
            remedy="Raise the local oscillator power.",
        )
    alone = shot.value - dark.value
    ratio = (signal.value - dark.value) / alone
    sigma = math.hypot(signal.sigma, ratio * shot.sigma, (1 - ratio) * dark.sigma) / alone
    return Estimate(ratio, sigma, "", "power over shot noise, dark noise subtracted")


@dataclass(frozen=True, eq=False)
class SqueezingModel(Fit):
    """`names`: efficiency (total), phase_variance (rad^2, noise may put it below 0), threshold_w (against powers)."""

    sideband_over_hwhm: float = 0.0

    @property
    def efficiency(self) -> Estimate:
        """Total efficiency, escape to detection."""
        return self.parameters["efficiency"]

    @property
    def phase_noise_rad(self) -> Estimate:
        """Rms phase noise theta, rad; refuses one that the data do not resolve."""
        variance = self.parameters["phase_variance"]
        if variance.value < RESOLVED_SIGMAS * variance.sigma:
            limit = math.sqrt(max(variance.value, 0.0) + RESOLVED_SIGMAS * variance.sigma)
            raise AnalysisRefused(
                f"Phase noise is not resolved; it is below {limit:.2g} rad.", remedy="Pump harder, or average longer."
            )
        theta = math.sqrt(variance.value)
        return Estimate(theta, variance.sigma / (2 * theta), "rad", "rms, Gaussian")

    @property
    def threshold_w(self) -> Estimate:
        """Pump power at threshold, W; refuses a fit against x."""
        if "threshold_w" not in self.parameters:
            raise AnalysisRefused("A fit against x knows no threshold.", remedy="Give pump powers.")
        return self.parameters["threshold_w"]

    def variances_at(self, pump: float) -> tuple[Estimate, Estimate]:
        """(V-, V+) as measured at one pump power (W) or x, loss and phase noise included."""
        theta = np.array([self.parameters[name].value for name in self.names])
        s, jacobian = _variances(np.array([pump]), self.sideband_over_hwhm, theta)
        sigma = np.sqrt(np.maximum(np.einsum("ip,pq,iq->i", jacobian, self.covariance, jacobian), 0.0))
        low, high = (Estimate(float(v), float(e), "", "relative to shot noise") for v, e in zip(s, sigma, strict=True))
        return low, high


def fit_squeezing(
    pump: npt.ArrayLike,
    squeezed: npt.ArrayLike,
    antisqueezed: npt.ArrayLike,
    *,
    averages: npt.ArrayLike,
    against_power: bool = True,
    sideband_over_hwhm: float = 0.0,
    shot_relative_sigma: float = 0.0,
) -> SqueezingModel:
    """Fit V- and V+ (n,), relative to shot noise and dark noise subtracted, against `pump` (n,).

    `pump`: powers in W, or x from the gain of the seed (taken as exact) with `against_power` False; `averages`: K of
    each variance, one for all or (2, n) for V- and V+ of each pump; `shot_relative_sigma`: relative uncertainty of a
    shot level that all of them share.
    Raises AnalysisRefused for fewer than 3 pumps, x outside (0, 1), variances that are not positive or not on either
    side of 1, and an efficiency above 1, phase noise below 0 or a model at odds with the data beyond their noise.
    """
    p, low, high = (np.asarray(a, dtype=np.float64) for a in (pump, squeezed, antisqueezed))
    _require_measured(p, low, high, averages, against_power)
    order = np.argsort(p)
    p, power = p[order], np.concatenate([low[order], high[order]])
    k = np.broadcast_to(np.asarray(averages, dtype=np.float64), (2, len(p)))[:, order].ravel()

    def curve(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        return _variances(p, sideband_over_hwhm, theta)

    start = _start(p, sideband_over_hwhm, power, against_power)
    solution = fit_power(curve, power, k, start)
    theta = solution.theta
    s, jacobian = curve(theta)
    common = solution.covariance @ ((jacobian / s[:, None]).T @ k) * shot_relative_sigma
    covariance = solution.covariance + np.outer(common, common)
    names = ("efficiency", "phase_variance", "threshold_w")[: len(theta)]
    units = ("", "rad^2", "W")
    sigma = np.sqrt(np.diag(covariance))
    _require_physical(theta, sigma)
    return SqueezingModel(
        parameters={n: Estimate(float(v), float(e), u) for n, v, e, u in zip(names, theta, sigma, units, strict=False)},
        covariance=covariance,
        names=names,
        chi2_per_dof=solution.chi2_per_dof,
        p_value=solution.p_value,
        reason=f"loss and phase noise leave structure (chi2 per degree of freedom {solution.chi2_per_dof:.2f}): "
        "does the threshold drift, or the angle?"
        if solution.poor
        else "",
        sideband_over_hwhm=sideband_over_hwhm,
    )


def _variances(pump: FloatArray, f: float, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(V- of all pumps, V+ of all pumps) and their Jacobian; negative where the pump is above threshold."""
    eta, v = theta[0], theta[1]
    x = np.sqrt(pump / theta[2]) if len(theta) == 3 and theta[2] > 0 else pump
    if (len(theta) == 3 and theta[2] <= 0) or (x >= 1).any():
        return np.full(2 * len(pump), -1.0), np.zeros((2 * len(pump), len(theta)))
    below, above = (1 + x) ** 2 + f**2, (1 - x) ** 2 + f**2
    low, high = -4 * x / below, 4 * x / above
    low_by_x = -4 * (below - 2 * x * (1 + x)) / below**2
    high_by_x = 4 * (above + 2 * x * (1 - x)) / above**2
    sin2, by_v = -0.5 * math.expm1(-2 * v), math.exp(-2 * v)
    mixed = np.concatenate([low + (high - low) * sin2, high - (high - low) * sin2])
    columns = [mixed, eta * by_v * np.concatenate([high - low, low - high])]
    if len(theta) == 3:
        turned = (high_by_x - low_by_x) * sin2
        by_x = np.concatenate([low_by_x + turned, high_by_x - turned])
        columns.append(eta * by_x * np.tile(-x / (2 * theta[2]), 2))
    return 1 + eta * mixed, np.column_stack(columns)


def _start(pump: FloatArray, f: float, power: FloatArray, against_power: bool) -> FloatArray:
    """Best of a grid, by squared error of logarithms."""
    best, least = np.zeros(0), math.inf
    for threshold in THRESHOLD_STARTS if against_power else (0.0,):
        for eta in EFFICIENCY_STARTS:
            for v in PHASE_VARIANCE_STARTS:
                theta = np.array([eta, v, threshold * pump[-1]] if against_power else [eta, v])
                s = _variances(pump, f, theta)[0]
                left = float((np.log(s / power) ** 2).sum())
                if left < least:
                    best, least = theta, left
    return best


def _require_measured(
    p: FloatArray, low: FloatArray, high: FloatArray, averages: npt.ArrayLike, against_power: bool
) -> None:
    if p.ndim != 1 or not p.shape == low.shape == high.shape or len(p) < FEWEST_PUMPS:
        raise AnalysisRefused(
            f"Squeezing against pump needs {FEWEST_PUMPS} pumps with V- and V+ each, not {p.shape}, {low.shape}, "
            f"{high.shape}."
        )
    if not all(np.isfinite(a).all() and (a > 0).all() for a in (p, low, high)) or not np.all(np.asarray(averages) > 1):
        raise AnalysisRefused(
            "Pumps and variances must be positive numbers, with more than one average.",
            remedy="Were variances given in dB?",
        )
    if not against_power and (p >= 1).any():
        raise AnalysisRefused("x must be below 1, the threshold.", remedy="Give x = sqrt(P / P_threshold).")
    if (low.mean() >= 1) or (high.mean() <= 1):
        raise AnalysisRefused(
            f"V- averages {low.mean():.3g} and V+ {high.mean():.3g}: there is no squeezing to fit.",
            remedy="Check the lock of the angle, and which trace is which.",
        )


def _require_physical(theta: FloatArray, sigma: FloatArray) -> None:
    if sigma[0] > LARGEST_SIGMA_EFFICIENCY:
        raise AnalysisRefused(
            f"The efficiency would be {theta[0]:.2f} +- {sigma[0]:.2g}, too uncertain to mean anything.",
            remedy="Take pumps further apart, or average longer.",
        )
    if theta[0] - 1 > BOUND_SIGMAS * sigma[0]:
        raise AnalysisRefused(
            f"The efficiency would be {theta[0]:.3f} +- {sigma[0]:.2g}, above 1.", remedy="Check shot and dark levels."
        )
    if theta[1] < -BOUND_SIGMAS * sigma[1]:
        raise AnalysisRefused(
            f"The phase variance would be {theta[1]:.2g} +- {sigma[1]:.2g} rad^2, below 0.",
            remedy="Is V- selected as the lowest of several? Is antisqueezing compressed by the detector?",
        )
