"""Balanced homodyne detection: fringe, visibility, efficiency, dark noise, and few detectors on one squeezed beam."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.constants import ELEMENTARY_CHARGE_C, Real
from labctl.physics.shared_state import shared_state


def fringe_amplitude_a(
    responsivity_a_per_w: float, local_oscillator_w: float, signal_w: ArrayLike, visibility: ArrayLike
) -> NDArray[np.float64]:
    """Return the amplitude 2 R sqrt(P_LO P_s) vis of the difference current, in A."""
    geometric_mean_w = np.sqrt(local_oscillator_w * np.asarray(signal_w, dtype=float))
    return np.asarray(2.0 * responsivity_a_per_w * geometric_mean_w * np.asarray(visibility, dtype=float))


def visibility_of_fringe(amplitude: Real, first: Real, second: Real) -> NDArray[np.float64]:
    """Return a / (2 sqrt(I1 I2)): right for unequal beams too. Inverse of `fringe_amplitude_a` at unit responsivity.

    `amplitude` is half the peak-to-peak fringe, `first` and `second` what each beam gives alone, all in one unit.
    """
    return np.asarray(amplitude / (2.0 * np.sqrt(first * second)))


def shot_noise_a2_per_hz(responsivity_a_per_w: float, local_oscillator_w: float) -> float:
    """Return the one-sided shot-noise PSD 2 e R P_LO of the difference current, in A^2/Hz."""
    return 2.0 * ELEMENTARY_CHARGE_C * responsivity_a_per_w * local_oscillator_w


def detection_efficiency(
    propagation: ArrayLike, quantum_efficiency: ArrayLike, visibility: ArrayLike
) -> NDArray[np.float64]:
    """Return propagation x quantum efficiency x visibility squared."""
    path, quantum, contrast = (np.asarray(part, dtype=float) for part in (propagation, quantum_efficiency, visibility))
    return np.asarray(path * quantum * contrast**2)


def reading_with_dark_noise(variance: Real, clearance: Real) -> NDArray[np.float64]:
    """Return (V + 1/c) / (1 + 1/c): the noise reduction read when dark noise, a power `clearance` c below shot noise,
    is left in both traces."""
    dark = 1.0 / np.asarray(clearance)
    return np.asarray((variance + dark) / (1.0 + dark))


def shared_covariance(
    squeezed: float,
    antisqueezed: float,
    share: NDArray[np.float64],
    angle_rad: NDArray[np.float64],
    common_jitter_rad: float = 0.0,
    private_jitter_rad: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Return the (M, M) covariance of M homodyne outputs that share one squeezed state, shot noise = 1: the matrix of
    `shared_state`, for few detectors.

    `share` (M,) is efficiency times network weight of each output, `angle_rad` (M,) the angle of the measured
    quadrature from the squeezed one (pi flips the sign), the jitters are rms and Gaussian: `common_jitter_rad` is
    shared by all outputs, `private_jitter_rad` independent. C_jk = 1_jk + u_j u_k [(V- - 1) <cos cos> + (V+ - 1)
    <sin sin>].
    """
    return shared_state(squeezed, antisqueezed, share, angle_rad, common_jitter_rad, private_jitter_rad).matrix()


def summed_variance(
    covariance: NDArray[np.float64], gain: NDArray[np.float64], delay_s: NDArray[np.float64], frequency_hz: ArrayLike
) -> NDArray[np.float64]:
    """Return the variance of sum_j g_j y_j e^{i 2 pi f t_j} over sum_j g_j^2, shape of `frequency_hz`: 1 = shot
    noise of the sum."""
    f = np.atleast_1d(np.asarray(frequency_hz, dtype=float))
    weight = gain[None, :] * np.exp(2j * np.pi * f[:, None] * delay_s[None, :])
    value = np.real(np.einsum("fj,jk,fk->f", weight.conj(), covariance, weight)) / np.sum(gain**2)
    return np.asarray(value.reshape(np.shape(frequency_hz)))
