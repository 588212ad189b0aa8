"""Optical parametric amplifier below threshold: gain, and squeezing with detuning, loss and pump phase.

x = sqrt(P / P_threshold) is the normalised pump amplitude, 0 <= x < 1. Quadrature variances are relative to vacuum
(1 = shot noise). Linear model of one cavity mode (Collett & Gardiner, Phys. Rev. A 30, 1386 (1984)).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.constants import Real


def pump_parameter(pump_w: Real, threshold_w: Real) -> NDArray[np.float64]:
    """Return x = sqrt(P / P_threshold)."""
    return np.asarray(np.sqrt(pump_w / threshold_w))


def parametric_gain(x: ArrayLike, theta_rad: ArrayLike) -> NDArray[np.float64]:
    """Return the classical gain of the seed, (1 + x^2 + 2 x cos theta) / (1 - x^2)^2.

    `theta_rad` is the phase between seed and pump: 0 amplifies by 1/(1-x)^2, pi de-amplifies to 1/(1+x)^2.
    """
    x = np.asarray(x, dtype=float)
    return np.asarray((1.0 + x**2 + 2.0 * x * np.cos(theta_rad)) / (1.0 - x**2) ** 2)


def output_covariance(
    x: Real, sideband_over_hwhm: Real, efficiency: Real, detuning: Real = 0.0, pump_phase_rad: Real = 0.0
) -> NDArray[np.complex128]:
    """Return the covariance N of (a, a^+) at the sideband, shape of the arguments followed by (2, 2); the unit matrix
    is vacuum.

    `sideband_over_hwhm` is the analysis frequency and `detuning` that of the cavity, both in half linewidths (HWHM);
    `efficiency` is escape times everything behind it. The squeezed quadrature turns by half the pump phase.
    """
    x, f, eta, d, p = np.broadcast_arrays(x, sideband_over_hwhm, efficiency, detuning, pump_phase_rad)
    drift = np.empty((*x.shape, 2, 2), dtype=complex)
    drift[..., 0, 0] = 1.0 + 1j * d - 1j * f
    drift[..., 0, 1] = x * np.exp(1j * p)
    drift[..., 1, 0] = x * np.exp(-1j * p)
    drift[..., 1, 1] = 1.0 - 1j * d - 1j * f
    response = np.asarray(np.linalg.inv(drift), dtype=np.complex128)
    eta = eta[..., None, None]
    reflected = 2.0 * eta * response - np.eye(2)
    lost = 2.0 * np.sqrt(eta * (1.0 - eta)) * response
    return np.asarray(reflected @ _adjoint(reflected) + lost @ _adjoint(lost))


def ellipse(covariance: NDArray[np.complex128]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (V-, V+, angle in rad of the squeezed quadrature) of `output_covariance`, the angle from -pi/2 to pi/2."""
    mean = 0.5 * np.real(covariance[..., 0, 0] + covariance[..., 1, 1])
    swing = np.abs(covariance[..., 0, 1])
    return mean - swing, mean + swing, np.asarray(0.5 * np.angle(-covariance[..., 0, 1]))


def quadrature_variances(
    x: Real, sideband_over_hwhm: Real, efficiency: Real, detuning: Real = 0.0, angle_rad: Real = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variances of the quadratures at `angle_rad` and a right angle to it, at pump phase 0.

    Arguments as for `output_covariance`; angle 0 is the squeezed quadrature on resonance, where
    V-+ = 1 -+ eta 4x / ((1 +- x)^2 + F^2).
    """
    covariance = output_covariance(x, sideband_over_hwhm, efficiency, detuning)
    mean = 0.5 * np.real(covariance[..., 0, 0] + covariance[..., 1, 1])
    swing = np.real(covariance[..., 0, 1] * np.exp(-2j * np.asarray(angle_rad)))
    return mean + swing, mean - swing


def _adjoint(matrix: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return np.asarray(matrix.conj().swapaxes(-1, -2))
