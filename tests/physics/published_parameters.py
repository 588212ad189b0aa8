"""Printed parameters of the publication, and what follows from them in the units of its tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq

from labctl.physics import (
    back_action,
    cavity,
    force_noise,
    line_shape,
    membrane,
    membrane_cavity,
)
from labctl.physics.constants import SPEED_OF_LIGHT_M_PER_S
from labctl.physics.shared_state import SharedState, shared_state

WAVELENGTH_M = 1550e-9
OPTICAL_HZ = SPEED_OF_LIGHT_M_PER_S / WAVELENGTH_M
LENGTH_M = 0.5e-3
KAPPA_HZ = 60e9
PROBE_W = 5e-6
EFFICIENCY = 0.82
PHOTONS = 2.3
TEMPERATURE_K = 300.0
DENSITY = 2700.0
SIDE_M = 500e-6
THICKNESS_M = 100e-9
WAIST_M = 72e-6
MODE = (5, 6)
F0_HZ = 4.32e6
PRINTED_GAMMA_HZ = 50.0
PRINTED_MASS_KG = 1.7e-11
PRINTED_G0_HZ = 822.0
MASS_KG = float(membrane.effective_mass_kg(DENSITY, SIDE_M, THICKNESS_M))
ZERO_POINT_M = float(membrane.zero_point_motion_m(MASS_KG, F0_HZ))
SOURCE = (10**-0.71, 10**0.998)  # -7.1 and +9.98 dB
JOINT, INDIVIDUAL = 10**-0.37, 10**-0.08  # as printed, -3.7 and -0.8 dB
DELAYS_S = np.array([-1.35, -0.45, 0.45, 1.35]) * 13.3e-9

R_SLAB, T_SLAB = membrane_cavity.slab_amplitudes(2.169, THICKNESS_M, WAVELENGTH_M)
R_MIRROR = float(np.sqrt(0.999))
GAP_M = float(membrane_cavity.resonant_gap_m(R_SLAB, LENGTH_M, WAVELENGTH_M))
SLOPE = float(membrane_cavity.front_mirror_phase_slope(R_SLAB, T_SLAB, R_MIRROR, GAP_M, WAVELENGTH_M))
OVERLAP = float(membrane.spot_overlap(WAIST_M, SIDE_M, MODE))
FLUX = float(force_noise.photon_flux_per_s(PROBE_W, WAVELENGTH_M))
SURVIVAL = float(np.sqrt(0.302))
FSR_HZ = float(cavity.free_spectral_range_hz(LENGTH_M))


def db(ratio: Any) -> float:
    return float(10.0 * np.log10(ratio))


def four_sensors(efficiency: float = EFFICIENCY, common_rad: float = 0.0, private_rad: float = 0.0) -> SharedState:
    return shared_state(*SOURCE, np.full(4, 0.25 * efficiency), 0.0, common_rad, private_rad)


def summed(state: SharedState, delay_s: Any = 0.0) -> float:
    return db(state.summed(1.0, delay_s, F0_HZ))


def resonant_imprecision_n(g0_hz: float, s_det: float) -> float:
    """N/rtHz, two-sided, by eq. (1)."""
    chi = membrane.susceptibility_m_per_n(F0_HZ, F0_HZ, PRINTED_GAMMA_HZ, MASS_KG)
    psd = force_noise.equation_one_imprecision(KAPPA_HZ, g0_hz, ZERO_POINT_M, FLUX, s_det, chi)
    return float(np.sqrt(psd))


def exact_imprecision_n(gamma_hz: float = PRINTED_GAMMA_HZ) -> float:
    """N/rtHz, two-sided, with the exact slope, the spot's overlap and the loss."""
    chi = membrane.susceptibility_m_per_n(F0_HZ, F0_HZ, gamma_hz, MASS_KG)
    shot = force_noise.phase_noise_psd(PROBE_W, WAVELENGTH_M, EFFICIENCY)
    return float(np.sqrt(force_noise.two_sided(force_noise.imprecision_force_psd(shot, SLOPE * OVERLAP, chi))))


def thermal_n(gamma_hz: float = PRINTED_GAMMA_HZ, mass_kg: float = PRINTED_MASS_KG) -> float:
    """N/rtHz, two-sided."""
    return float(np.sqrt(force_noise.two_sided(force_noise.thermal_force_psd(gamma_hz, mass_kg, TEMPERATURE_K))))


def detuning_hz(imprecision_n: float) -> float:
    """Where the imprecision has risen to the printed 197 fN/rtHz."""
    return float(force_noise.detuning_of_imprecision_hz(197e-15 / imprecision_n, PRINTED_GAMMA_HZ))


def back_action_n(phase_slope: float) -> float:
    """N/rtHz, two-sided."""
    return float(np.sqrt(force_noise.two_sided(back_action.back_action_force_psd(phase_slope, PROBE_W, WAVELENGTH_M))))


def sql_power_w(phase_slope: float) -> float:
    chi = membrane.susceptibility_m_per_n(F0_HZ, F0_HZ, PRINTED_GAMMA_HZ, MASS_KG)
    return float(back_action.standard_quantum_limit_power_w(phase_slope, chi, WAVELENGTH_M))


# Three routes to the damping and the height of the peak. First: the printed force noise on resonance, 6.7 and 6.3 fN.
IMPRECISION_FN = float(np.sqrt((6.7**2 - 6.3**2) / (1.0 - JOINT)))
THERMAL_FN = float(np.sqrt(6.7**2 - IMPRECISION_FN**2))
GAMMA_OF_FORCE_HZ = (1e-15 * THERMAL_FN / thermal_n(1.0)) ** 2
PEAK_OF_FORCE = (THERMAL_FN / IMPRECISION_FN) ** 2


def _widths(peak: float) -> float:
    """Zero where one Gamma shows both printed widths, 50 Hz with coherent and 45 Hz with entangled light."""
    coherent, entangled = (float(line_shape.apparent_linewidth_hz(1.0, peak, v)) for v in (1.0, JOINT))
    return coherent / entangled - 50.0 / 45.0


# Second: the printed widths. Third: first principles, for the Gamma of the first.
PEAK_OF_WIDTHS = float(brentq(_widths, 1.5, 50.0))
GAMMA_OF_WIDTHS_HZ = 50.0 / float(line_shape.apparent_linewidth_hz(1.0, PEAK_OF_WIDTHS, 1.0))
PEAK_OF_OPTICS = (thermal_n(41.0, MASS_KG) / exact_imprecision_n(41.0)) ** 2
