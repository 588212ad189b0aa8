"""The table with every loop where it belongs: what its light and its detectors are then, in closed form.

What no seed says beforehand is not in it: where drifts have gone, and how far each lock sits from its point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics import homodyne, opa
from labctl.physics.constants import BOLTZMANN_J_PER_K, PLANCK_J_S
from labctl.physics.shared_state import SharedState, shared_state
from labctl.simulation import crystal, source_plant
from labctl.simulation.design import Design
from labctl.simulation.detector_electronics import dark_shape
from labctl.simulation.loop_shape import MIRROR_PIEZO, LoopShape
from labctl.simulation.ports import ServoSettings
from labctl.simulation.truth import TILT_OF_VISIBILITY_RAD, SensorTruth, Truth, generator

FloatArray = NDArray[np.float64]

MEMBRANE_TEMPERATURE_K = (300.0, 1.0)
"""Mean and rms of the tables that there are, as station files have it."""


@dataclass(frozen=True)
class WorkingPoint:
    """A truth at its working point; arrays have one entry a sensor, in the order of their numbers."""

    truth: Truth
    design: Design

    @property
    def sensors(self) -> tuple[SensorTruth, ...]:
        """The sensors of the table."""
        return self.truth.sensors

    def source(self) -> tuple[float, float]:
        """Return squeezed and antisqueezed variance of the light that enters the network, with the crystal where the
        oven is told to hold it; at its best where that was for the night to find."""
        truth, target_c = self.truth, self.design.oven_target_c
        error_k = 0.0 if truth.cold or target_c is None else target_c - truth.best_temperature_c
        detuning = crystal.SEED_PHASE_PER_KELVIN_RAD * error_k / source_plant.SEED_HWHM_RAD
        pump = truth.pump / math.sqrt(
            crystal.threshold_ratio(error_k, truth.phase_matching_offset_k, truth.crystal_edge_rad)
        )
        squeezed, antisqueezed = opa.quadrature_variances(
            pump, source_plant.SIDEBAND_OVER_HWHM, truth.source_efficiency * truth.extra_transmission, detuning
        )
        return float(squeezed), float(antisqueezed)

    def visibility(self) -> FloatArray:
        """Return the visibilities with the mirrors as they were when the table was switched on."""
        each = np.array([sensor.visibility for sensor in self.sensors])
        tilt2 = np.array([sum(tilt**2 for tilt in sensor.misalignment_rad) for sensor in self.sensors])
        return np.asarray(each * np.exp(-tilt2 / TILT_OF_VISIBILITY_RAD**2))

    def efficiency(self) -> FloatArray:
        """Return propagation x quantum efficiency x visibility squared, from the network to the photocurrent."""
        propagation = np.array([sensor.propagation_efficiency for sensor in self.sensors])
        return homodyne.detection_efficiency(propagation, self.design.quantum_efficiency, self.visibility())

    def weights(self) -> FloatArray:
        """Return the share of the squeezed light that each sensor gets."""
        return np.array([sensor.weight for sensor in self.sensors])

    def fringe_v(self) -> FloatArray:
        """Return the amplitude of the DC fringe of each detector, in V."""
        amplitude_a = homodyne.fringe_amplitude_a(
            self.design.responsivity_a_per_w,
            self.design.local_oscillator_w,
            self.design.probe_power_w,
            self.visibility(),
        )
        return np.asarray(self.design.dc_volts_per_ampere * amplitude_a)

    def loop_residual_rad(self) -> FloatArray:
        """Return the rms phase that each local-oscillator loop leaves, in rad, at the unity gain that it is to have."""
        return np.array([residual_rad(unity_gain_hz) for unity_gain_hz in self.design.unity_gain_hz])

    def common_jitter_rad(self) -> float:
        """Return the rms phase by which the squeezed light shakes for all detectors, in rad."""
        pump_rad = source_plant.PATH_SHARE * residual_rad(self.design.pump_unity_gain_hz)
        return math.hypot(0.5 * pump_rad, self.truth.common_jitter_rad)

    def private_jitter_rad(self) -> FloatArray:
        """Return the rms phase by which each local oscillator shakes, in rad."""
        return np.hypot(self.loop_residual_rad(), self.truth.private_jitter_rad)

    def light(self, angle_rad: float = 0.0) -> SharedState:
        """Return the covariance of the detectors; `angle_rad` turns every local oscillator from where it is locked."""
        squeezed, antisqueezed = self.source()
        locked_at = np.where(np.array(self.design.quadratures) > 0, 0.0, math.pi)
        return shared_state(
            squeezed,
            antisqueezed,
            self.weights() * self.efficiency(),
            locked_at + angle_rad,
            self.common_jitter_rad(),
            self.private_jitter_rad(),
        )

    def gain(self) -> FloatArray:
        """Return the gain of each detector into the analogue sum."""
        return np.array([sensor.detector_gain for sensor in self.sensors])

    def delay_s(self) -> FloatArray:
        """Return the delay of the cable of each detector, in s."""
        return np.array([sensor.delay_s for sensor in self.sensors])

    def middle_hz(self) -> float:
        """Return the middle of the band of the resonances, in Hz."""
        found = [sensor.f0_hz for sensor in self.sensors]
        return 0.5 * (min(found) + max(found))

    def plain_sum(self, frequency_hz: ArrayLike) -> FloatArray:
        """Return the variance of the analogue sum over its shot noise; shape of `frequency_hz`."""
        return self.light().summed(self.gain(), self.delay_s(), frequency_hz)

    def best_weights(self) -> FloatArray:
        """Return the weights of the re-phased sum, in units of each detector's shot noise."""
        signs = np.sign(self.design.quadratures)
        return np.asarray(signs * np.sqrt(self.weights() * self.efficiency()))

    def best_sum(self, frequency_hz: ArrayLike) -> FloatArray:
        """Return the variance of the re-phased sum over its shot noise; shape of `frequency_hz`."""
        return np.full(np.shape(frequency_hz), float(self.light().weighted_sum(self.best_weights())))

    def turned(self, angle_rad: float) -> tuple[float, float]:
        """Return the variances of the re-phased sum and of the first detector with every local oscillator turned by
        `angle_rad` from where it is locked."""
        light = self.light(angle_rad)
        return float(light.weighted_sum(self.best_weights())), float(light.marginal()[0])

    def seen_of_motion(self) -> FloatArray:
        """Return what the phase noise of each local oscillator leaves of the peak of its membrane, a share of 1."""
        return np.asarray(0.5 * (1.0 + np.exp(-2.0 * self.private_jitter_rad() ** 2)))

    def membrane_temperature_k(self) -> float:
        """Return the temperature of the membranes in K: drawn from what a station file knows of it."""
        return float(generator(self.truth.seed, "membrane temperature").normal(*MEMBRANE_TEMPERATURE_K))

    def thermal_phase_variance(self) -> FloatArray:
        """Return the phase variance in rad^2 that the main mode of each membrane gives the probe, its cavity on
        resonance: the area A S_shot pi Gamma / 2 of its line over the square of the fringe's slope."""
        design, each = self.design, self.sensors
        peak = np.array([sensor.peak_to_shot for sensor in each])
        gamma_hz = np.array([sensor.gamma_hz for sensor in each])
        shot = homodyne.shot_noise_a2_per_hz(design.responsivity_a_per_w, design.local_oscillator_w)
        slope_a = homodyne.fringe_amplitude_a(
            design.responsivity_a_per_w,
            design.local_oscillator_w,
            design.probe_power_w,
            np.array([sensor.visibility for sensor in each]),
        )
        return np.asarray(0.5 * np.pi * peak * gamma_hz * shot / slope_a**2)

    def g0_over_kappa(self) -> FloatArray:
        """Return g0 / kappa of each sensor as probed: 4 g0 / kappa = (<phi^2> / 2 n_th)^1/2, n_th = kB T / h f0."""
        f0_hz = np.array([sensor.f0_hz for sensor in self.sensors])
        occupation = BOLTZMANN_J_PER_K * self.membrane_temperature_k() / (PLANCK_J_S * f0_hz)
        return np.asarray(0.25 * np.sqrt(self.thermal_phase_variance() / (2.0 * occupation)))

    def records(self, frequency_hz: FloatArray) -> NDArray[np.complex128]:
        """Return the covariance matrix of the records, delays and all, averaged over the frequencies; (M, M)."""
        turn = np.exp(-2j * np.pi * np.multiply.outer(self.delay_s(), frequency_hz))
        coherence = turn @ turn.conj().T / len(frequency_hz)
        return np.asarray(self.light().matrix() * coherence)

    def clearance(self, frequency_hz: float) -> FloatArray:
        """Return shot plus dark noise over dark noise of each detector, as a ratio of powers."""
        return 1.0 + 1.0 / self._dark(frequency_hz)

    def summed_clearance(self, frequency_hz: float) -> float:
        """Return shot plus dark noise over dark noise of the analogue sum, as a ratio of powers."""
        shot = self.gain() ** 2
        return 1.0 + float(np.sum(shot) / np.sum(shot * self._dark(frequency_hz)))

    def _dark(self, frequency_hz: float) -> FloatArray:
        """Return dark over shot noise of each detector."""
        white = 10.0 ** (np.array([sensor.dark_db for sensor in self.sensors]) / 10.0)
        return np.asarray(white * dark_shape(np.asarray(frequency_hz)))


@cache
def residual_rad(unity_gain_hz: float) -> float:
    """Return the rms phase that an integrating loop of this unity gain leaves of the noise of a free path, in rad."""
    integrator = ServoSettings(
        proportional_gain=1.0,
        integral_gain=2.0 * math.pi * unity_gain_hz,
        proportional_on=False,
        integral_on=True,
    )
    return LoopShape(integrator, MIRROR_PIEZO).residual_rad(1.0)
