"""Common against private phase jitter of M detectors that share one squeezed beam, from their variances.

For equal shares the covariance has two eigenvalues: that of the sum, J, and that of every difference, a, with
marginal m = (J + (M-1) a) / M and 1/conditional c = (1/J + (M-1)/a) / M. With B = (V- + V+)/2 - 1, D = (V+ - V-)/2,
eta the path's efficiency, kappa = e^{-theta_private^2} and q = e^{-2 theta_common^2}:
a = 1 + (eta/M) (1 - kappa) (B + D q kappa),  J = a + eta kappa (B - D q).
Jitter common to all turns the squeezed state; private jitter also makes the detectors' noise differ. Marginals alone
see their sum only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.network import NetworkCovariance, conditional_variances, marginal_variances, weighted_sum
from labctl.spectra.acquisition import FloatArray

RESOLVED_SIGMAS = 2.0
RELATIVE_STEP = 1e-5


class Beside(StrEnum):
    """What is compared with the marginals: the joint sum, or the conditionals, which delays and gains do not touch."""

    JOINT = "joint"
    CONDITIONAL = "conditional"


@dataclass(frozen=True)
class SharedSource:
    """Variances of the source without jitter, and the `efficiency` from there to every detector's record."""

    squeezed: Estimate
    antisqueezed: Estimate
    efficiency: Estimate


@dataclass(frozen=True, eq=False)
class PhaseJitter:
    """Phase variances in rad^2 (noise may put them below 0) and their covariance (2, 2), common first."""

    common_variance: Estimate
    private_variance: Estimate
    covariance: FloatArray

    @property
    def common_rad(self) -> Estimate:
        """Rms phase that all detectors share; refuses one that is not resolved."""
        return _root(self.common_variance, "Common")

    @property
    def private_rad(self) -> Estimate:
        """Rms phase of each detector's own; refuses one that is not resolved."""
        return _root(self.private_variance, "Private")


def phase_jitter(network: NetworkCovariance, source: SharedSource, beside: Beside = Beside.CONDITIONAL) -> PhaseJitter:
    """Jitters of the M detectors of a network with equal shares, from the means of their marginals and conditionals.

    With `beside` JOINT the equal sum is used in place of the conditionals: only where delays and gains are mended.
    """
    marginal = float(np.mean([v.value for v in marginal_variances(network)]))
    if beside is Beside.JOINT:
        other = weighted_sum(network).variance.value
    else:
        other = float(np.mean([v.value for v in conditional_variances(network)]))
    averages = 1 / (1 / network.averages + 1 / network.shot_averages)
    return jitter_of_variances(marginal, other, source, sensors=network.channels, averages=averages, beside=beside)


def jitter_of_variances(
    marginal: float, other: float, source: SharedSource, *, sensors: int, averages: float, beside: Beside
) -> PhaseJitter:
    """Jitters from the mean marginal variance and the joint or mean conditional one, of the same K `averages`.

    Uncertainties of the source are carried along; they are common to both jitters. Refuses fewer than 2 sensors, no
    squeezing, and variances that no jitter of this source gives.
    """
    if sensors < 2 or not averages > 1:
        raise AnalysisRefused(f"{sensors} sensors and K = {averages:g} averages do not tell jitters apart.")
    if not (marginal > 0 and other > 0):
        raise AnalysisRefused(f"Variances of {marginal:g} and {other:g} are not positive.")
    joint, difference = _eigenvalues(marginal, other, sensors, beside)
    inputs = np.array([joint, difference, source.squeezed.value, source.antisqueezed.value, source.efficiency.value])
    sigma = np.array(
        [
            joint / math.sqrt(averages),
            difference / math.sqrt(averages * (sensors - 1)),
            source.squeezed.sigma,
            source.antisqueezed.sigma,
            source.efficiency.sigma,
        ]
    )
    found = _solve(inputs, sensors)
    steps = RELATIVE_STEP * np.abs(inputs)
    slopes = np.column_stack(
        [
            (_solve(inputs + h * e, sensors) - _solve(inputs - h * e, sensors)) / (2 * h)
            for h, e in zip(steps, np.eye(len(inputs)), strict=True)
        ]
    )
    covariance = np.asarray((slopes * sigma**2) @ slopes.T)
    common, private = (
        Estimate(float(v), math.sqrt(float(c)), "rad^2", "phase variance")
        for v, c in zip(found, np.diag(covariance), strict=True)
    )
    return PhaseJitter(common, private, covariance)


def _eigenvalues(marginal: float, other: float, sensors: int, beside: Beside) -> tuple[float, float]:
    """Variances (J, a) of the sum and of every difference."""
    n, m = sensors - 1, sensors
    if beside is Beside.JOINT:
        difference = (m * marginal - other) / n
    else:
        square, linear = m * n / other, m**2 * marginal / other - 1 + n**2
        inside = linear**2 - 4 * square * n * m * marginal
        if inside < 0:
            raise AnalysisRefused(
                f"A conditional variance of {other:.4g} cannot go with a marginal one of {marginal:.4g}.",
                remedy="Are both from the same records, relative to the same shot noise?",
            )
        difference = (linear + math.sqrt(inside)) / (2 * square)
    joint = m * marginal - n * difference
    if not (joint > 0 and difference > 0):
        raise AnalysisRefused(
            f"A {beside} variance of {other:.4g} cannot go with a marginal one of {marginal:.4g}.",
            remedy="Are both from the same records, relative to the same shot noise?",
        )
    return joint, difference


def _solve(inputs: FloatArray, sensors: int) -> FloatArray:
    """(theta_common^2, theta_private^2) from (J, a, V-, V+, eta)."""
    joint, difference, low, high, eta = inputs
    b, d = (low + high) / 2 - 1, (high - low) / 2
    y = (joint - difference) / eta
    c = (difference - 1) * sensors / eta
    inside = y**2 + 4 * b * (b - y - c)
    if not (b > 0 and d > 0 and 0 < eta <= 1 and inside >= 0):
        raise AnalysisRefused(
            f"No jitter of this source gives a joint variance of {joint:.4g} and {difference:.4g} between sensors.",
            remedy="Check the source's V- and V+ and the efficiency.",
        )
    kappa = (y + math.sqrt(inside)) / (2 * b)
    q = (b - y / kappa) / d if kappa > 0 else -1.0
    if not (kappa > 0 and q > 0):
        raise AnalysisRefused("The jitter is too large to be told.", remedy="Check the phase locks.")
    return np.array([-0.5 * math.log(q), -math.log(kappa)])


def _root(variance: Estimate, which: str) -> Estimate:
    if variance.value < RESOLVED_SIGMAS * variance.sigma:
        limit = math.sqrt(max(variance.value, 0.0) + RESOLVED_SIGMAS * variance.sigma)
        raise AnalysisRefused(f"{which} jitter is not resolved; it is below {limit:.2g} rad.", remedy="Average longer.")
    rms = math.sqrt(variance.value)
    return Estimate(rms, variance.sigma / (2 * rms), "rad", "rms, Gaussian")
