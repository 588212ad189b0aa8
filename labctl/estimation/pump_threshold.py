"""Threshold of a parametric amplifier from its pump parameter at several pump powers: x = sqrt(P / P_threshold)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate

FEWEST_POWERS = 2
POOR_FIT_PROBABILITY = 1e-4


@dataclass(frozen=True)
class PumpPoint:
    """One pump power in W, and the pump parameter that the seed showed there; their noise is independent."""

    power_w: Estimate
    x: Estimate

    @property
    def x_sigma(self) -> float:
        """Uncertainty of x with that of the power in it."""
        return math.hypot(self.x.sigma, 0.5 * self.x.value * self.power_w.relative_sigma)


@dataclass(frozen=True)
class PumpThreshold:
    """Pump power at threshold (W), and how well x^2 = P / P_threshold describes all points."""

    threshold_w: Estimate
    chi2_per_dof: float
    p_value: float

    @property
    def poor(self) -> bool:
        """Whether the points scatter about the law by more than their noise."""
        return self.p_value < POOR_FIT_PROBABILITY

    def at_resonance(self, short: Estimate) -> PumpThreshold:
        """Return the threshold that exact double resonance would have, where the points were taken `short` of it, a
        share of the power in the cavity."""
        value = self.threshold_w.value * (1.0 - short.value)
        sigma = math.hypot(self.threshold_w.sigma, value * short.sigma)
        return replace(self, threshold_w=Estimate(value, sigma, "W", self.threshold_w.convention))

    def x_at(self, power_w: Estimate) -> Estimate:
        """Return the pump parameter at a power in W."""
        x = math.sqrt(power_w.value / self.threshold_w.value)
        sigma = 0.5 * x * math.hypot(power_w.relative_sigma, self.threshold_w.relative_sigma)
        return Estimate(x, sigma, "", "x = sqrt(P / P_threshold), threshold from all pump powers")


def fit_threshold(points: Sequence[PumpPoint]) -> PumpThreshold:
    """Weighted least squares of x against sqrt(P): one parameter, 1 / sqrt(P_threshold).

    A scatter beyond the noise widens the uncertainty. Refuses fewer than 2 points, and points without pump.
    """
    if len(points) < FEWEST_POWERS or any(p.power_w.value <= 0.0 or p.x.value <= 0.0 for p in points):
        raise AnalysisRefused(f"A threshold needs {FEWEST_POWERS} pump powers with gain.", remedy="Pump harder.")
    root = np.sqrt([point.power_w.value for point in points])
    x = np.array([point.x.value for point in points])
    weight = np.array([point.x_sigma for point in points]) ** -2
    information = float(weight @ root**2)
    slope = float(weight @ (root * x)) / information
    dof = len(points) - 1
    distance = float(weight @ (x - slope * root) ** 2)
    p_value = float(chi2.sf(distance, dof))
    stretch = math.sqrt(distance / dof) if p_value < POOR_FIT_PROBABILITY else 1.0
    relative = stretch / math.sqrt(information) / slope
    threshold = slope**-2
    return PumpThreshold(
        Estimate(threshold, 2.0 * relative * threshold, "W", "pump power at threshold, x^2 = P / P_threshold"),
        distance / dof,
        p_value,
    )
