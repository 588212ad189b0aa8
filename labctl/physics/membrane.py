"""A stressed square membrane as a mechanical oscillator: modes, motion, coupling to light, damping, response.

Linewidths and couplings in Hz (over 2 pi) where the name ends in _hz. Displacement is that of an antinode.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.physics.constants import BOLTZMANN_J_PER_K, HBAR_J_S, MOLAR_GAS_J_PER_MOL_K, PLANCK_J_S, Real

AIR_KG_PER_MOL = 28.97e-3


def mode_frequency_hz(
    stress_pa: Real, density_kg_per_m3: Real, side_m: Real, mode: tuple[int, int]
) -> NDArray[np.float64]:
    """Return sqrt(T (m^2 + n^2) / (4 rho l^2)) of the (m, n) mode of a square membrane, in Hz.

    Section 6 prints it without the density; (m, n) and (n, m) are degenerate.
    """
    m, n = mode
    return np.asarray(np.sqrt(stress_pa * (m**2 + n**2) / (4.0 * density_kg_per_m3 * np.square(side_m))))


def effective_mass_kg(density_kg_per_m3: Real, side_m: Real, thickness_m: Real) -> NDArray[np.float64]:
    """Return rho l^2 h / 4: a quarter of the mass, for any mode of a square membrane."""
    return np.asarray(density_kg_per_m3 * np.square(side_m) * thickness_m / 4.0)


def zero_point_motion_m(mass_kg: Real, f0_hz: Real) -> NDArray[np.float64]:
    """Return sqrt(hbar / (2 m Omega)), rms, in m."""
    return np.asarray(np.sqrt(HBAR_J_S / (2.0 * mass_kg * 2.0 * np.pi * f0_hz)))


def single_photon_coupling_hz(optical_hz: Real, length_m: Real, zero_point_m: Real) -> NDArray[np.float64]:
    """Return g0 / 2 pi = (nu / L) x_zpf in Hz, for a spot much smaller than the mode.

    The publication prints 822 Hz, which is g0 in rad/s.
    """
    return np.asarray(optical_hz / length_m * zero_point_m)


def coupling_of_slope_hz(phase_slope_rad_per_m: Real, zero_point_m: Real, kappa_hz: Real) -> NDArray[np.float64]:
    """Return the g0 / 2 pi that eq. (1) needs for a given transduction, s x_zpf kappa / 4: what a calibration of g0
    over kappa finds. Inverse of s = 4 G / kappa."""
    return np.asarray(np.abs(phase_slope_rad_per_m) * zero_point_m * kappa_hz / 4.0)


def spot_overlap(
    waist_m: Real, side_m: Real, mode: tuple[int, int], position_m: tuple[Real, Real] | None = None
) -> NDArray[np.float64]:
    """Return the mode's displacement averaged over a Gaussian spot (1/e^2 radius), over that of an antinode.

    exp(-(m pi w / l)^2 / 8) sin(m pi x / l) and the same for y; `position_m` from a corner, None: on an antinode.
    """
    factors = np.exp(-sum((number * np.pi * waist_m / side_m) ** 2 for number in mode) / 8.0)
    if position_m is not None:
        for number, place in zip(mode, position_m, strict=True):
            factors = factors * np.sin(number * np.pi * place / side_m)
    return np.asarray(factors)


def gas_damping_quality(
    density_kg_per_m3: Real, thickness_m: Real, f0_hz: Real, pressure_pa: Real, temperature_k: Real
) -> NDArray[np.float64]:
    """Return Q = (pi/2)^(3/2) rho h f sqrt(R T / M) / p in air, free molecular flow (Bao et al., J. Micromech.
    Microeng. 12, 341 (2002))."""
    speed = np.sqrt(MOLAR_GAS_J_PER_MOL_K * temperature_k / AIR_KG_PER_MOL)
    return np.asarray((0.5 * np.pi) ** 1.5 * density_kg_per_m3 * thickness_m * f0_hz * speed / pressure_pa)


def susceptibility_m_per_n(frequency_hz: Real, f0_hz: Real, gamma_hz: Real, mass_kg: Real) -> NDArray[np.complex128]:
    """Return chi = 1 / (m (Omega^2 - omega^2 + i Gamma omega)), in m/N; with the sign of section 2, fields as
    e^{+i omega t}.

    |chi| on resonance is 1 / (m Gamma Omega); Re chi changes sign there.
    """
    w, w0, gamma = (2.0 * np.pi * np.asarray(x, dtype=float) for x in (frequency_hz, f0_hz, gamma_hz))
    return np.asarray(1.0 / (mass_kg * (w0**2 - w**2 + 1j * gamma * w)))


def thermal_occupancy(f0_hz: Real, temperature_k: Real) -> NDArray[np.float64]:
    """Return 1 / (e^{h f / k T} - 1) phonons."""
    return np.asarray(1.0 / np.expm1(PLANCK_J_S * np.asarray(f0_hz) / (BOLTZMANN_J_PER_K * temperature_k)))
