"""Force noise of one sensor, eq. (1) with its dimensions right, and eq. (2).

PSDs are one-sided, in N^2/Hz, m^2/Hz or rad^2/Hz. Eq. (1) is two-sided: its thermal term 2 Gamma m k T is half the
one-sided 4 Gamma m k T, and its vacuum is S_det = 1/2. As printed it lacks a factor x_zpf^2 in the second term, and its
"photon number" is a flux per second. A phase slope s = d(phase)/dx is in rad/m, of either sign, and includes the
overlap of spot and mode.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.physics.constants import BOLTZMANN_J_PER_K, PLANCK_J_S, SPEED_OF_LIGHT_M_PER_S, Real


def two_sided(one_sided_psd: Real) -> NDArray[np.float64]:
    """Return the two-sided PSD, half of the one-sided one."""
    return np.asarray(0.5 * np.asarray(one_sided_psd))


def photon_flux_per_s(power_w: Real, wavelength_m: Real) -> NDArray[np.float64]:
    """Return P lambda / (h c)."""
    return np.asarray(power_w * wavelength_m / (PLANCK_J_S * SPEED_OF_LIGHT_M_PER_S))


def thermal_force_psd(gamma_hz: Real, mass_kg: Real, temperature_k: Real) -> NDArray[np.float64]:
    """Return 4 k T m Gamma (Gamma in rad/s), N^2/Hz, one-sided: first term of eq. (1), twice."""
    return np.asarray(4.0 * BOLTZMANN_J_PER_K * temperature_k * mass_kg * 2.0 * np.pi * gamma_hz)


def phase_noise_psd(
    power_w: Real, wavelength_m: Real, efficiency: Real = 1.0, variance: Real = 1.0
) -> NDArray[np.float64]:
    """Return V / (2 eta flux) in rad^2/Hz, one-sided: the phase noise that a homodyne detector reads from a probe.

    `variance` V is that at the detector, loss included (1 = shot noise); `efficiency` lowers the signal.
    """
    return np.asarray(variance / (2.0 * efficiency * photon_flux_per_s(power_w, wavelength_m)))


def imprecision_force_psd(
    phase_psd: Real, phase_slope_rad_per_m: Real, susceptibility_m_per_n: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """Return S_phase / (s^2 |chi|^2) in N^2/Hz: phase noise as a force."""
    return np.asarray(phase_psd / (np.square(phase_slope_rad_per_m) * np.abs(susceptibility_m_per_n) ** 2))


def equation_one_imprecision(
    kappa_hz: Real,
    g0_hz: Real,
    zero_point_m: Real,
    flux_per_s: Real,
    s_det: Real,
    susceptibility_m_per_n: NDArray[np.complex128],
) -> NDArray[np.float64]:
    """Return kappa^2 x_zpf^2 S_det / (32 g0^2 flux |chi|^2) in N^2/Hz, TWO-SIDED: second term of eq. (1), with x_zpf^2.

    Vacuum is S_det = 1/2. The same as `imprecision_force_psd` at s = 4 G / kappa, unit efficiency.
    """
    ratio = kappa_hz / np.asarray(g0_hz) * zero_point_m
    return np.asarray(ratio**2 * s_det / (32.0 * flux_per_s * np.abs(susceptibility_m_per_n) ** 2))


def resonant_imprecision_at(detuning_hz: Real, gamma_hz: Real) -> NDArray[np.float64]:
    """Return sqrt(1 + (2 delta / Gamma)^2): the amplitude of imprecision at a detuning over that on resonance, for
    detunings much less than the resonance frequency."""
    return np.asarray(np.hypot(1.0, 2.0 * np.asarray(detuning_hz) / gamma_hz))


def detuning_of_imprecision_hz(ratio: Real, gamma_hz: Real) -> NDArray[np.float64]:
    """Return the detuning at which imprecision has risen by `ratio` in amplitude; inverse of
    `resonant_imprecision_at`."""
    return np.asarray(0.5 * gamma_hz * np.sqrt(np.square(ratio) - 1.0))


def thermal_bandwidth_hz(peak_to_shot: Real, variance: Real, gamma_hz: Real) -> NDArray[np.float64]:
    """Return sqrt(A / V - 1) Gamma: the band in which thermal noise exceeds imprecision, Hz in all; A > V."""
    return np.asarray(np.sqrt(peak_to_shot / np.asarray(variance) - 1.0) * gamma_hz)


def inconsistency(force_psd: Real, design_psd: Real) -> NDArray[np.float64]:
    """Return |sqrt(S_j) - sqrt(S)| / sqrt(S): eq. (2), as a fraction."""
    return np.asarray(np.abs(np.sqrt(force_psd / np.asarray(design_psd)) - 1.0))
