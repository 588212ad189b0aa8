"""Force-noise budget of one sensor: one array per origin, and their sum (fig. 1b of the publication)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.physics.back_action import back_action_force_psd
from labctl.physics.constants import Real
from labctl.physics.force_noise import imprecision_force_psd, phase_noise_psd, thermal_force_psd
from labctl.physics.membrane import susceptibility_m_per_n


@dataclass(frozen=True)
class Oscillator:
    """One mechanical mode and how it turns into phase. `phase_slope_rad_per_m` includes the overlap of the spot."""

    f0_hz: float
    gamma_hz: float
    mass_kg: float
    temperature_k: float
    phase_slope_rad_per_m: float


@dataclass(frozen=True)
class Readout:
    """The probe and its detector. `efficiency` from membrane to photocurrent; `squeezed` is the phase variance at the
    detector, `antisqueezed` the amplitude variance at the membrane, `dark` dark noise over shot noise."""

    power_w: float
    wavelength_m: float
    efficiency: float = 1.0
    squeezed: float = 1.0
    antisqueezed: float = 1.0
    dark: float = 0.0


@dataclass(frozen=True, eq=False)
class ForceNoiseBudget:
    """One-sided force PSDs in N^2/Hz, each of the shape of the frequency."""

    thermal: NDArray[np.float64]
    imprecision: NDArray[np.float64]
    dark: NDArray[np.float64]
    back_action: NDArray[np.float64]

    @property
    def total(self) -> NDArray[np.float64]:
        """Sum of all: the contributions are independent, phase and amplitude of the probe being uncorrelated."""
        return np.asarray(self.thermal + self.imprecision + self.dark + self.back_action)

    @property
    def peak_to_floor(self) -> NDArray[np.float64]:
        """Thermal over imprecision: on resonance A / V of the spectrum that the detector shows."""
        return np.asarray(self.thermal / self.imprecision)


def force_noise_budget(frequency_hz: Real, oscillator: Oscillator, readout: Readout) -> ForceNoiseBudget:
    """Return what limits the force resolution at `frequency_hz`."""
    f = np.asarray(frequency_hz, dtype=float)
    o, probe = oscillator, readout
    chi = susceptibility_m_per_n(f, o.f0_hz, o.gamma_hz, o.mass_kg)
    shot = phase_noise_psd(probe.power_w, probe.wavelength_m, probe.efficiency)
    as_force = imprecision_force_psd(shot, o.phase_slope_rad_per_m, chi)
    thermal = thermal_force_psd(o.gamma_hz, o.mass_kg, o.temperature_k)
    push = back_action_force_psd(o.phase_slope_rad_per_m, probe.power_w, probe.wavelength_m, probe.antisqueezed)
    return ForceNoiseBudget(
        thermal=np.broadcast_to(thermal, f.shape),
        imprecision=probe.squeezed * as_force,
        dark=probe.dark * as_force,
        back_action=np.broadcast_to(push, f.shape),
    )
