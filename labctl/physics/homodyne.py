"""Balanced homodyne detection: fringe, quadrature mixing, loss, and the covariance of many detectors that share one
squeezed state."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ELEMENTARY_CHARGE_C = 1.602176634e-19


def fringe_amplitude_a(
    responsivity_a_per_w: float, local_oscillator_w: float, signal_w: ArrayLike, visibility: ArrayLike
) -> NDArray[np.float64]:
    """Return the amplitude 2 R sqrt(P_LO P_s) vis of the difference current, in A."""
    geometric_mean_w = np.sqrt(local_oscillator_w * np.asarray(signal_w, dtype=float))
    return np.asarray(2.0 * responsivity_a_per_w * geometric_mean_w * np.asarray(visibility, dtype=float))


def shot_noise_a2_per_hz(responsivity_a_per_w: float, local_oscillator_w: float) -> float:
    """Return the one-sided shot-noise PSD 2 e R P_LO of the difference current, in A^2/Hz."""
    return 2.0 * ELEMENTARY_CHARGE_C * responsivity_a_per_w * local_oscillator_w


def detection_efficiency(
    propagation: ArrayLike, quantum_efficiency: ArrayLike, visibility: ArrayLike
) -> NDArray[np.float64]:
    """Return propagation x quantum efficiency x visibility squared."""
    path, quantum, contrast = (np.asarray(part, dtype=float) for part in (propagation, quantum_efficiency, visibility))
    return np.asarray(path * quantum * contrast**2)


def after_loss(variance: ArrayLike, efficiency: ArrayLike) -> NDArray[np.float64]:
    """Return 1 + eta (V - 1): a quadrature variance after loss, vacuum = 1."""
    return np.asarray(1.0 + np.asarray(efficiency, dtype=float) * (np.asarray(variance, dtype=float) - 1.0))


def shared_covariance(
    squeezed: float,
    antisqueezed: float,
    share: NDArray[np.float64],
    angle_rad: NDArray[np.float64],
    common_jitter_rad: float = 0.0,
    private_jitter_rad: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Return the (M, M) covariance of M homodyne outputs that share one squeezed state, shot noise = 1.

    `share` (M,) is efficiency times network weight of each output, `angle_rad` (M,) the angle of the measured
    quadrature from the squeezed one (pi flips the sign), the jitters are rms and Gaussian: `common_jitter_rad` is
    shared by all outputs, `private_jitter_rad` independent. C_jk = 1_jk + u_j u_k [(V- - 1) <cos cos> + (V+ - 1)
    <sin sin>].
    """
    u = np.sqrt(share)
    private = np.broadcast_to(np.asarray(private_jitter_rad, dtype=float), u.shape)
    variance_sum = private[:, None] ** 2 + private[None, :] ** 2
    difference = np.exp(-0.5 * variance_sum) * np.cos(angle_rad[:, None] - angle_rad[None, :])
    total = np.exp(-0.5 * variance_sum - 2.0 * common_jitter_rad**2) * np.cos(angle_rad[:, None] + angle_rad[None, :])
    np.fill_diagonal(difference, 1.0)
    np.fill_diagonal(total, np.exp(-2.0 * private**2 - 2.0 * common_jitter_rad**2) * np.cos(2.0 * angle_rad))
    cos_cos = 0.5 * (difference + total)
    sin_sin = 0.5 * (difference - total)
    return np.asarray(np.eye(len(u)) + np.outer(u, u) * ((squeezed - 1.0) * cos_cos + (antisqueezed - 1.0) * sin_sin))


def summed_variance(
    covariance: NDArray[np.float64], gain: NDArray[np.float64], delay_s: NDArray[np.float64], frequency_hz: ArrayLike
) -> NDArray[np.float64]:
    """Return the variance of sum_j g_j y_j e^{i 2 pi f t_j} over sum_j g_j^2, shape of `frequency_hz`: 1 = shot
    noise of the sum."""
    f = np.atleast_1d(np.asarray(frequency_hz, dtype=float))
    weight = gain[None, :] * np.exp(2j * np.pi * f[:, None] * delay_s[None, :])
    value = np.real(np.einsum("fj,jk,fk->f", weight.conj(), covariance, weight)) / np.sum(gain**2)
    return np.asarray(value.reshape(np.shape(frequency_hz)))
