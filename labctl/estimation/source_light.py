"""The light of a squeezed-light source before the network, from what a fit against pump power says at the detectors.

V-+ = 1 -+ eta 4x / ((1 +- x)^2 + F^2): the efficiency of the channels behind the source divides out of eta.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from labctl.estimation.estimate import Estimate
from labctl.estimation.squeezing_model import RESOLVED_SIGMAS, SqueezingModel
from labctl.physics.opa import quadrature_variances
from labctl.spectra.acquisition import FloatArray

STEP = 1e-4  # relative, of numerical derivatives


def source_efficiency(model: SqueezingModel, channel: Estimate) -> Estimate:
    """Return the efficiency from the crystal to the network: that of the fit over that of the channels."""
    total = model.efficiency
    value = total.value / channel.value
    sigma = value * math.hypot(total.relative_sigma, channel.relative_sigma)
    return Estimate(value, sigma, "", "from the crystal to the network, channel efficiency taken out")


def antisqueezing(model: SqueezingModel, channel: Estimate, power_w: Estimate) -> Estimate:
    """Return V+ of the light before the network at a pump power in W, without the phase noise of the detection."""
    theta = np.array([model.efficiency.value, model.threshold_w.value, channel.value, power_w.value])

    def variance(at: FloatArray) -> float:
        x = math.sqrt(at[3] / at[1])
        return float(quadrature_variances(x, model.sideband_over_hwhm, at[0] / at[2])[1])

    gradient = np.array([_slope(variance, theta, index) for index in range(len(theta))])
    kept = [model.names.index(name) for name in ("efficiency", "threshold_w")]
    covariance = np.diag([0.0, 0.0, channel.sigma**2, power_w.sigma**2])
    covariance[:2, :2] = model.covariance[np.ix_(kept, kept)]
    sigma = math.sqrt(float(gradient @ covariance @ gradient))
    return Estimate(variance(theta), sigma, "", "before the network, relative to shot noise, without phase noise")


def phase_noise(model: SqueezingModel) -> Estimate:
    """Return the rms phase noise in rad; where it is compatible with 0 the value is an upper limit and says so."""
    variance = model.parameters["phase_variance"]
    if variance.value >= RESOLVED_SIGMAS * variance.sigma:
        return model.phase_noise_rad
    limit = math.sqrt(max(variance.value, 0.0) + RESOLVED_SIGMAS * variance.sigma)
    return Estimate(limit, limit / RESOLVED_SIGMAS, "rad", "upper limit, two sigma: compatible with 0; rms, Gaussian")


def _slope(function: Callable[[FloatArray], float], theta: FloatArray, index: int) -> float:
    step = np.zeros_like(theta)
    step[index] = STEP * theta[index]
    return float((function(theta + step) - function(theta - step)) / (2.0 * step[index]))
