"""One squeezed mode: photon number, loss, the measured angle, phase noise. Variances relative to vacuum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.physics.constants import Real


def pure_variance(photon_number: Real) -> NDArray[np.float64]:
    """Return e^{-2r} of the pure squeezed vacuum with sinh^2 r = `photon_number`."""
    return np.asarray(1.0 / (np.sqrt(photon_number + 1.0) + np.sqrt(photon_number)) ** 2)


def photon_number(squeezed: Real, antisqueezed: Real) -> NDArray[np.float64]:
    """Return (V- + V+ - 2) / 4: photons per mode of a squeezed vacuum, pure or not."""
    return np.asarray((squeezed + antisqueezed - 2.0) / 4.0)


def after_loss(variance: Real, efficiency: Real) -> NDArray[np.float64]:
    """Return 1 + eta (V - 1)."""
    return np.asarray(1.0 + efficiency * (variance - 1.0))


def before_loss(variance: Real, efficiency: Real) -> NDArray[np.float64]:
    """Return 1 - (1 - V) / eta: the inverse of `after_loss`; not above 0 for a variance that the loss cannot leave."""
    return np.asarray(1.0 - (1.0 - variance) / efficiency)


def at_angle(squeezed: Real, antisqueezed: Real, angle_rad: Real) -> NDArray[np.float64]:
    """Return V- cos^2 + V+ sin^2, the variance of the quadrature at `angle_rad` from the squeezed one."""
    return np.asarray(squeezed * np.cos(angle_rad) ** 2 + antisqueezed * np.sin(angle_rad) ** 2)


def with_phase_noise(squeezed: Real, antisqueezed: Real, rms_rad: Real) -> NDArray[np.float64]:
    """Return the variance of the squeezed quadrature read with Gaussian phase noise: `at_angle` with
    <sin^2> = (1 - e^{-2 rms^2}) / 2.

    The antisqueezed one follows with the two exchanged (Aoki et al., Opt. Express 14, 6930 (2006)).
    """
    sin2 = _mean_sin2(rms_rad)
    return np.asarray(squeezed * (1.0 - sin2) + antisqueezed * sin2)


def best_variance_with_phase_noise(rms_rad: Real, efficiency: Real) -> NDArray[np.float64]:
    """Return the least variance that any pure squeezing can reach: 1 - eta + 2 eta sqrt(<cos^2> <sin^2>), at
    e^{2r} = sqrt(<cos^2> / <sin^2>), about 1 / rms; more squeezing makes it worse."""
    sin2 = _mean_sin2(rms_rad)
    return np.asarray(1.0 - efficiency + 2.0 * efficiency * np.sqrt(sin2 * (1.0 - sin2)))


def _mean_sin2(rms_rad: Real) -> Real:
    return np.asarray(-0.5 * np.expm1(-2.0 * np.square(rms_rad)))
