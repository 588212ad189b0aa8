"""Optical parametric amplifier below threshold: gain, squeezing, and the signals that lock it.

x = sqrt(P / P_threshold) is the normalised pump amplitude. Quadrature variances are relative to vacuum (1 = shot
noise).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def parametric_gain(x: ArrayLike, theta_rad: ArrayLike) -> NDArray[np.float64]:
    """Return the classical gain of the seed, (1 + x^2 + 2 x cos theta) / (1 - x^2)^2.

    `theta_rad` is the phase between seed and pump: 0 amplifies by 1/(1-x)^2, pi de-amplifies to 1/(1+x)^2.
    """
    x = np.asarray(x, dtype=float)
    return np.asarray((1.0 + x**2 + 2.0 * x * np.cos(theta_rad)) / (1.0 - x**2) ** 2)


def quadrature_variances(
    x: float, sideband_over_hwhm: float, efficiency: float, detuning: float = 0.0, angle_rad: float = 0.0
) -> tuple[float, float]:
    """Return the variances (squeezed, antisqueezed) of the quadratures at `angle_rad` and a right angle to it.

    Linear model of one cavity mode: `sideband_over_hwhm` is the analysis frequency and `detuning` the detuning of
    the cavity, both in half linewidths (HWHM); `efficiency` is escape times propagation. On resonance it reduces to
    V-+ = 1 -+ eta 4x / ((1 +- x)^2 + F^2).
    """
    f, d = sideband_over_hwhm, detuning
    drift = np.array([[1.0 + 1j * d - 1j * f, x], [x, 1.0 - 1j * d - 1j * f]])
    response = np.linalg.inv(drift)
    reflected = 2.0 * efficiency * response - np.eye(2)
    lost = 2.0 * np.sqrt(efficiency * (1.0 - efficiency)) * response
    covariance = reflected @ reflected.conj().T + lost @ lost.conj().T

    def variance(theta: float) -> float:
        r = np.array([np.exp(-1j * theta), np.exp(1j * theta)])
        return float(0.5 * np.real(r @ covariance @ r.conj()))

    return variance(angle_rad), variance(angle_rad + 0.5 * np.pi)


def phase_matching(temperature_error_k: ArrayLike, phase_per_kelvin_rad: float) -> NDArray[np.float64]:
    """Return sinc^2(dk l / 2) for a crystal whose dk l moves by `phase_per_kelvin_rad` per kelvin away from phase
    matching."""
    half = 0.5 * phase_per_kelvin_rad * np.asarray(temperature_error_k, dtype=float)
    return np.asarray(np.sinc(half / np.pi) ** 2)


def airy_transmission(detuning_hz: ArrayLike, fsr_hz: float, finesse: float) -> NDArray[np.float64]:
    """Return the power transmitted by a cavity relative to its peak, 1 / (1 + (2 F / pi)^2 sin^2(pi d / FSR))."""
    phase = np.pi * np.asarray(detuning_hz, dtype=float) / fsr_hz
    return np.asarray(1.0 / (1.0 + (2.0 * finesse / np.pi * np.sin(phase)) ** 2))


def cavity_reflection(detuning_hz: ArrayLike, fsr_hz: float, r_in: float, r_rest: float) -> NDArray[np.complex128]:
    """Return the amplitude reflectivity (r1 - r2 e^{ip}) / (1 - r1 r2 e^{ip}), p = 2 pi d / FSR, of a two-mirror
    cavity."""
    turn = np.exp(2j * np.pi * np.asarray(detuning_hz, dtype=float) / fsr_hz)
    return np.asarray((r_in - r_rest * turn) / (1.0 - r_in * r_rest * turn))


def pound_drever_hall_error(
    detuning_hz: ArrayLike, modulation_hz: float, fsr_hz: float, r_in: float, r_rest: float
) -> NDArray[np.float64]:
    """Return the demodulated error -2 Im[F(d) F*(d + O) - F*(d) F(d - O)] for unit carrier-sideband power product.

    F is `cavity_reflection`, O = `modulation_hz`. Zero on resonance; further zeros of opposite slope at d = +-O.
    """
    d = np.asarray(detuning_hz, dtype=float)
    carrier = cavity_reflection(d, fsr_hz, r_in, r_rest)
    upper = cavity_reflection(d + modulation_hz, fsr_hz, r_in, r_rest)
    lower = cavity_reflection(d - modulation_hz, fsr_hz, r_in, r_rest)
    return np.asarray(-2.0 * np.imag(carrier * upper.conj() - carrier.conj() * lower))
