"""Radiation-pressure force noise of the probe, and the power at which it equals the imprecision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.physics.constants import HBAR_J_S, PLANCK_J_S, SPEED_OF_LIGHT_M_PER_S, Real
from labctl.physics.force_noise import photon_flux_per_s


def back_action_force_psd(
    phase_slope_rad_per_m: Real, power_w: Real, wavelength_m: Real, antisqueezed: Real = 1.0
) -> NDArray[np.float64]:
    """Return 2 hbar^2 s^2 flux V+ in N^2/Hz, one-sided; `antisqueezed` is the amplitude variance at the membrane.

    With the imprecision of a perfect detector the product of the two-sided PSDs is (hbar / 2)^2 V- V+: the uncertainty
    principle, which the printed 9.7e-22 N/rtHz breaks.
    """
    flux = photon_flux_per_s(power_w, wavelength_m)
    return np.asarray(2.0 * np.square(HBAR_J_S * np.asarray(phase_slope_rad_per_m)) * flux * antisqueezed)


def standard_quantum_limit_power_w(
    phase_slope_rad_per_m: Real, susceptibility_m_per_n: NDArray[np.complex128], wavelength_m: Real
) -> NDArray[np.float64]:
    """Return the probe power with back-action equal to imprecision, coherent light, perfect detection: flux =
    1 / (2 hbar s^2 |chi|), on resonance m Gamma Omega / (2 hbar s^2)."""
    flux = 1.0 / (2.0 * HBAR_J_S * np.square(phase_slope_rad_per_m) * np.abs(susceptibility_m_per_n))
    return np.asarray(flux * PLANCK_J_S * SPEED_OF_LIGHT_M_PER_S / wavelength_m)
