"""The cavity of one sensor: a membrane in front of a mirror on a piezo, plane and short, of finesse 5."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np

from labctl.physics.cavity import airy_finesse, free_spectral_range_hz
from labctl.physics.membrane_cavity import (
    front_mirror_phase_slope,
    reflected_amplitude,
    resonant_gap_m,
    slab_amplitudes,
    transmitted_amplitude,
)
from labctl.simulation.piezo import HIGHEST_V, PiezoChannel
from labctl.simulation.room import Room
from labctl.simulation.truth import SensorTruth

MEMBRANE_INDEX = 2.169
MEMBRANE_M = 100e-9
MIRROR_AMPLITUDE = math.sqrt(0.999)
PIEZO_M_PER_V = 26e-9
DESIGN_BIAS_V = 75.0  # where the cavity was when it was built
TRANSMISSION_V = 0.5  # at the photodiode behind the mirror, on resonance, with the design power of the probe
TRANSMISSION_NOISE_V = 1e-3


def reflection_depth_m(wavelength_m: float) -> float:
    """Return how far inside its face the membrane seems to reflect, (1/2) d(arg r)/dk, in m: what a free spectral range
    counts beside the gap, for the phase of a slab's reflection changes with the wavelength."""
    optical_m, k = MEMBRANE_INDEX * MEMBRANE_M, 2.0 * math.pi / wavelength_m
    steepness = 0.5 * (MEMBRANE_INDEX + 1.0 / MEMBRANE_INDEX)  # arg r = pi / 2 + atan(steepness tan(k n h))
    turn = optical_m * k
    return 0.5 * optical_m * steepness / (math.cos(turn) ** 2 + (steepness * math.sin(turn)) ** 2)


class SensorCavity:
    """Length, transmission and transduction of one cavity; closed forms of where its piezo is and of the laser.

    `transduction` is radians of light per metre of membrane, over what they are on resonance (the sign turns far off
    it); `phase_rad` is how far the phase of the reflected light is from that on resonance. Both are of the last
    `advance`. It was built to be resonant where `DESIGN_BIAS_V` leads from a discharged piezo; `laser_m` returns the
    wavelength of the light in m.
    """

    def __init__(
        self,
        truth: SensorTruth,
        piezo: PiezoChannel,
        laser_m: Callable[[], float],
        room: Room,
        index: int,
        readings: np.random.Generator,
    ) -> None:
        self.transduction = 1.0
        self.phase_rad = 0.0
        self._truth = truth
        self._piezo = piezo
        self._laser_m = laser_m
        self._room = room
        self._index = index
        self._readings = readings
        self._design_m = laser_m()
        self._r, self._t = _slab(self._design_m)
        self._tuned: tuple[float, tuple[complex, complex]] = self._design_m, (self._r, self._t)
        self._resonant_gap_m = float(resonant_gap_m(self._r, truth.cavity_length_m, self._design_m))
        self._built_m = self._displacement_m(piezo.settled_v(DESIGN_BIAS_V))
        self._best_slope = self._slope(self._resonant_gap_m)
        self._best_transmission = self._transmitted(self._resonant_gap_m, self._design_m)
        self._best_phase_rad = self._phase(self._resonant_gap_m)
        self._seen_at: tuple[float, float] | None = None
        self._seen = 0.0
        self._known_at: tuple[float, float] | None = None
        self.advance()

    def gap_m(self) -> float:
        """Return the distance between membrane and mirror, in m."""
        stretched = self._displacement_m(self._piezo.motion_v(0.0)) - self._built_m
        return self._resonant_gap_m + self._truth.cavity_offset_m + self._room.cavity_drift_m[self._index] + stretched

    def optical_length_m(self) -> float:
        """Return c / 2 FSR at the light that it was built for, in m: the gap now and how deep the membrane reflects."""
        return self.gap_m() + reflection_depth_m(self._design_m)

    def fsr_hz(self) -> float:
        """Return the free spectral range now, in Hz, at the light that it was built for."""
        return float(free_spectral_range_hz(self.optical_length_m()))

    def finesse(self) -> float:
        """Return the finesse, free spectral range over full width at half maximum."""
        return float(airy_finesse(abs(self._r) * MIRROR_AMPLITUDE))

    def linewidth_hz(self) -> float:
        """Return the full width at half maximum now, in Hz."""
        return self.fsr_hz() / self.finesse()

    def transmission_volts(self, light: float = 1.0) -> float:
        """Return the photodiode behind the mirror, in V, with its noise; `light` is the power of the probe over that of
        the design."""
        return TRANSMISSION_V * light * self._transmission() + TRANSMISSION_NOISE_V * float(
            self._readings.standard_normal()
        )

    def _transmission(self) -> float:
        """Return the transmission now over that on resonance; one that stands still is not computed anew."""
        at = self.gap_m(), self._laser_m()
        if self._seen_at != at:
            self._seen_at, self._seen = at, self._transmitted(*at) / self._best_transmission
        return self._seen

    def advance(self) -> None:
        """Follow the length and the laser; a cavity that stands still is not computed anew."""
        gap_m, laser_m = self.gap_m(), self._laser_m()
        if self._known_at != (gap_m, laser_m):
            self._known_at = gap_m, laser_m
            phase = self._phase(gap_m, laser_m) - self._best_phase_rad
            self.phase_rad = math.remainder(phase, 2.0 * math.pi)
            self.transduction = self._slope(gap_m, laser_m) / self._best_slope

    def _displacement_m(self, motion_v: float) -> float:
        return PIEZO_M_PER_V * motion_v * (1.0 + self._truth.cavity_piezo_bow * motion_v / HIGHEST_V)

    def _slab_at(self, laser_m: float) -> tuple[complex, complex]:
        """Return reflection and transmission of the membrane; a laser that stands still is not asked anew."""
        if laser_m == self._design_m:
            return self._r, self._t
        if self._tuned[0] != laser_m:
            self._tuned = laser_m, _slab(laser_m)
        return self._tuned[1]

    def _slope(self, gap_m: float, laser_m: float | None = None) -> float:
        wavelength_m = laser_m or self._design_m
        r, t = self._slab_at(wavelength_m)
        return float(front_mirror_phase_slope(r, t, MIRROR_AMPLITUDE, gap_m, wavelength_m))

    def _phase(self, gap_m: float, laser_m: float | None = None) -> float:
        wavelength_m = laser_m or self._design_m
        r, t = self._slab_at(wavelength_m)
        return cmath.phase(complex(reflected_amplitude(r, t, MIRROR_AMPLITUDE, gap_m, wavelength_m)))

    def _transmitted(self, gap_m: float, laser_m: float) -> float:
        r, t = self._slab_at(laser_m)
        return abs(complex(transmitted_amplitude(r, t, MIRROR_AMPLITUDE, gap_m, laser_m))) ** 2


def _slab(wavelength_m: float) -> tuple[complex, complex]:
    r, t = slab_amplitudes(MEMBRANE_INDEX, MEMBRANE_M, wavelength_m)
    return complex(r), complex(t)
