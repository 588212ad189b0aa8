"""What sharing one squeezed beam among M sensors is worth, against a squeezed beam for each: section 4.1, fig. 4.

The estimate is the mean of M equal displacements of the phase quadrature. `photons` is the mean number of squeezed
photons N_s of the whole network, whatever M; `photons_each` that of one sensor. Efficiency is the same for all.
Source of the bounds: Zhuang et al., Phys. Rev. A 97, 032329 (2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.physics.constants import Real
from labctl.physics.squeezing import after_loss, pure_variance


def rmse(variance: Real, sensors: Real) -> NDArray[np.float64]:
    """Return sqrt(V / (4 M)): the error of the mean, V = 1 for coherent light; sigma of fig. 4a."""
    return np.asarray(np.sqrt(variance / (4.0 * np.asarray(sensors))))


def entangled_variance(photons: Real, efficiency: Real) -> NDArray[np.float64]:
    """Return eta e^{-2r} + 1 - eta, sinh^2 r = N_s: one pure squeezed beam for all, in the joint quadrature."""
    return after_loss(pure_variance(photons), efficiency)


def separable_variance(photons: Real, sensors: Real, efficiency: Real) -> NDArray[np.float64]:
    """Return the same with sinh^2 r = N_s / M: a pure squeezed beam for each sensor, the same photons in all.

    Not what one output of the network shows, a quarter of the squeezing for M = 4.
    """
    return after_loss(pure_variance(photons / np.asarray(sensors)), efficiency)


def advantage(photons: Real, sensors: Real, efficiency: Real) -> NDArray[np.float64]:
    """Return sigma_separable / sigma_entangled at equal photons: fig. 4b.

    sqrt(M) only for no loss and N_s / M >> 1; never above `advantage_limit` in M, nor `coherent_limit` at all.
    """
    ratio = separable_variance(photons, sensors, efficiency) / entangled_variance(photons, efficiency)
    return np.asarray(np.sqrt(ratio))


def advantage_limit(photons: Real, efficiency: Real) -> NDArray[np.float64]:
    """Return the advantage for M to infinity at fixed N_s: 1 / sqrt(eta e^{-2r} + 1 - eta)."""
    return np.asarray(1.0 / np.sqrt(entangled_variance(photons, efficiency)))


def coherent_limit(efficiency: Real) -> NDArray[np.float64]:
    """Return 1 / sqrt(1 - eta): no squeezing beats coherent light by more."""
    return np.asarray(1.0 / np.sqrt(1.0 - np.asarray(efficiency)))


def crossover_sensors(photons_each: Real, efficiency: Real) -> NDArray[np.float64]:
    """Return M* = eta / (4 n_s (1 - eta)), where e^{-2r} = (1 - eta) / eta: from here on loss dominates (N_s >> 1)."""
    return np.asarray(efficiency / (4.0 * photons_each * (1.0 - np.asarray(efficiency))))


def joint_phase_noise_rad(common_rad: Real, private_rad: Real, sensors: Real) -> NDArray[np.float64]:
    """Return sqrt(common^2 + private^2 / M): the phase noise of the sum, rms, for small angles and V+ >> M."""
    return np.asarray(np.sqrt(np.square(common_rad) + np.square(private_rad) / np.asarray(sensors)))


def delay_coherence(frequency_hz: Real, rms_delay_s: Real) -> NDArray[np.float64]:
    """Return e^{-(2 pi f rms)^2}: the share of the joint squeezing that the sum keeps, of many sensors whose delays
    scatter like a Gaussian. It enters like an efficiency."""
    return np.asarray(np.exp(-((2.0 * np.pi * frequency_hz * np.asarray(rms_delay_s)) ** 2)))


def fibre_transmission(length_m: Real, loss_db_per_km: Real) -> NDArray[np.float64]:
    """Return 10^(-a L / 10)."""
    return np.asarray(np.power(10.0, -loss_db_per_km * np.asarray(length_m) / 1e4))
