"""RMSE of the network and its advantage against the number of sensors, with uncertainties: fig. 4 of the publication.

RMSE sigma = sqrt(V / 4M): V the variance of the joint quadrature relative to shot noise, M sensors. Entangled: one
squeezed beam shared by all. Separable: one squeezed beam for each sensor, the same photons in all. Advantage:
sigma_separable / sigma_entangled at equal photons. Closed forms: `labctl.physics.sensing`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.physics import sensing
from labctl.physics.squeezing import before_loss, photon_number
from labctl.spectra.acquisition import FloatArray

DERIVATIVE_STEP = 1e-3
"""In standard deviations."""


class Separable(StrEnum):
    """What "separable" stands for; the two differ by decibels, so each result names its own."""

    INDEPENDENT = "independent squeezed beams, photons shared out"
    MARGINAL = "one output of the shared beam"


@dataclass(frozen=True)
class NetworkPoint:
    """RMSE of both kinds and their ratio for `sensors` M; `convention`: what separable means, and where V is from."""

    sensors: int
    entangled: Estimate
    separable: Estimate
    advantage: Estimate
    convention: str

    @property
    def advantage_percent(self) -> float:
        """Advantage less 1, in percent, as the publication prints it."""
        return 100 * (self.advantage.value - 1)


def measured_rmse(variance: Estimate, sensors: int) -> Estimate:
    """Sigma = sqrt(V / 4M) from a measured variance; relative uncertainty half that of V. Refuses V <= 0, M < 1."""
    _require_sensors(sensors)
    if variance.value <= 0:
        raise AnalysisRefused(f"A variance of {variance} has no root.", remedy="Check the dark noise.")
    value = float(sensing.rmse(variance.value, sensors))
    return Estimate(value, value * variance.relative_sigma / 2, "", f"sqrt(V / 4M), M = {sensors}")


def measured_point(
    entangled: Estimate, separable: Estimate, sensors: int, *, separable_is: Separable, correlation: float = 0.0
) -> NetworkPoint:
    """Point of two measured variances; `correlation` of their errors, as from one shot level (0 if not known)."""
    if not -1 <= correlation <= 1:
        raise AnalysisRefused(f"A correlation of {correlation:g} is not between -1 and 1.")
    top, bottom = measured_rmse(separable, sensors), measured_rmse(entangled, sensors)
    a, b = top.relative_sigma, bottom.relative_sigma
    ratio = top.value / bottom.value
    relative = math.sqrt(max(a**2 + b**2 - 2 * correlation * a * b, 0.0))
    convention = f"measured; separable: {separable_is}"
    return NetworkPoint(sensors, bottom, top, Estimate(ratio, ratio * relative, "", convention), convention)


def expected_points(squeezed: Estimate, efficiency: Estimate, sensors: Sequence[int]) -> list[NetworkPoint]:
    """Points expected of a source that is as pure as the model has it, at equal photons for all M.

    `squeezed`: joint variance that was measured, 1 is shot noise; `efficiency`: of all losses between a pure source and
    the measurement. Photons N_s of the pure source follow from both. Their uncertainties are taken
    through to every number; RMSE of different M share them. Refuses a variance that the efficiency cannot leave.
    """
    if not 0 < efficiency.value <= 1:
        raise AnalysisRefused(f"An efficiency of {efficiency} is not between 0 and 1.")
    source = float(before_loss(squeezed.value, efficiency.value))
    if not 0 < source < 1:
        raise AnalysisRefused(
            f"A variance of {squeezed} behind an efficiency of {efficiency} would need a source at {source:.3g} of "
            "shot noise.",
            remedy="Check the efficiency and the shot level.",
        )
    for m in sensors:
        _require_sensors(m)
    theta = np.array([squeezed.value, efficiency.value])
    sigma = np.array([squeezed.sigma, efficiency.sigma])
    convention = f"expected of a pure source; separable: {Separable.INDEPENDENT}"
    return [NetworkPoint(m, *_propagated(m, theta, sigma, convention), convention) for m in sensors]


def best_possible_advantage(squeezed: Estimate, efficiency: Estimate) -> Estimate:
    """Advantage for M to infinity at these photons, 1 / sqrt(V); never above 1 / sqrt(1 - efficiency)."""
    if squeezed.value <= 0:
        raise AnalysisRefused(f"A variance of {squeezed} has no root.")
    value = 1 / math.sqrt(squeezed.value)
    limit = f"; loss allows {float(sensing.coherent_limit(efficiency.value)):.3f}" if efficiency.value < 1 else ""
    return Estimate(value, value * squeezed.relative_sigma / 2, "", f"limit of many sensors, fixed photons{limit}")


def _expected(theta: FloatArray, sensors: int) -> tuple[float, float, float]:
    """RMSE entangled and separable, and advantage, at theta = (V, efficiency)."""
    v, eta = float(theta[0]), float(theta[1])
    source = max(float(before_loss(v, eta)), np.finfo(float).tiny)
    photons = float(photon_number(source, 1 / source))
    separable = float(sensing.separable_variance(photons, sensors, eta))
    a, b = float(sensing.rmse(v, sensors)), float(sensing.rmse(separable, sensors))
    return a, b, b / a


def _propagated(
    sensors: int, theta: FloatArray, sigma: FloatArray, convention: str
) -> tuple[Estimate, Estimate, Estimate]:
    """`_expected` with its first-order uncertainties; the parameters are independent."""
    values, variance = _expected(theta, sensors), np.zeros(3)
    for i, s in enumerate(sigma):
        step = np.zeros_like(theta)
        step[i] = DERIVATIVE_STEP * s
        up, down = np.array(_expected(theta + step, sensors)), np.array(_expected(theta - step, sensors))
        variance += ((up - down) / (2 * DERIVATIVE_STEP)) ** 2
    spread = np.sqrt(variance)
    a, b, c = (Estimate(v, float(e), "", convention) for v, e in zip(values, spread, strict=True))
    return a, b, c


def _require_sensors(sensors: int) -> None:
    if sensors < 1:
        raise AnalysisRefused(f"A network of {sensors} sensors measures nothing.")
