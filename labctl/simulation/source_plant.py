"""The squeezed-light source: cavity length, seed-pump phase, crystal temperature, and the squeezing that follows from
them."""

from __future__ import annotations

import cmath
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics import cavity, opa
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.crystal import SEED_PHASE_PER_KELVIN_RAD, threshold_ratio
from labctl.simulation.piezo import PiezoChannel
from labctl.simulation.room import Room
from labctl.simulation.slow_noise import OrnsteinUhlenbeck
from labctl.simulation.truth import Truth, generator

PUMP_FSR_HZ = 3.69e9
PUMP_LENGTH_FSR_M = 387.5e-9  # half the pump wavelength
PUMP_COUPLER_TRANSMISSION = 0.022
PUMP_LOSS = 0.01
PDH_MODULATION_HZ = 36e6
PIEZO_M_PER_V = 5e-9
PDH_VOLTS = 0.35
LENGTH_DRIFT_M = 15e-9
LENGTH_DRIFT_S = 900.0
LENGTH_RESIDUAL_M = 0.02e-9
TRANSMISSION_V = 0.9
SEED_V = 0.2  # seed monitor at unit gain
SEED_NOISE_V = 1e-3
DITHER_V = 0.25  # error signal at a right angle
PUMP_PHASE_DRIFT_RAD = 0.8
PUMP_PHASE_DRIFT_S = 200.0
SEED_HWHM_RAD = 0.088
SIDEBAND_OVER_HWHM = 4.3205e6 / 51.5e6
SERVO_NOISE_V = 0.5e-3
PATH_SHARE = 0.4  # seed and pump share most of their path: what is left of the noise of a free one
_R_IN = math.sqrt(1.0 - PUMP_COUPLER_TRANSMISSION)
_R_REST = math.sqrt(1.0 - PUMP_LOSS)
_FINESSE = math.pi * math.sqrt(_R_IN * _R_REST) / (1.0 - _R_IN * _R_REST)
_HWHM_M = 0.5 * PUMP_LENGTH_FSR_M / _FINESSE
_MODULATION_TURN = 2.0 * math.pi * PDH_MODULATION_HZ / PUMP_FSR_HZ
_AIRY = (2.0 * _FINESSE / math.pi) ** 2
_SWING_SINES = [math.sin(2.0 * math.pi * (k + 0.5) / 16) for k in range(16)]


class SourcePlant:
    """State of the source; one call of `advance` a tick.

    `pump_open`, `pump_dimmed` (its power over that where the table was aligned) and the crystal temperature come from
    outside.
    """

    def __init__(
        self, truth: Truth, length_piezo: PiezoChannel, phase_piezo: PiezoChannel, tick_s: float, room: Room
    ) -> None:
        self._truth = truth
        self._room = room
        # A stream for each process, and others for the readings: what happens must not depend on who looks.
        length, phase, length_input, phase_input, self._transmission_readings, self._seed_readings = (
            generator(truth.seed, f"source {process}")
            for process in ("length", "phase", "length servo", "phase servo", "transmission", "seed monitor")
        )
        self._tick_s = tick_s
        self._length_piezo = length_piezo
        self._phase_piezo = phase_piezo
        self._length_drift = OrnsteinUhlenbeck(length, LENGTH_DRIFT_M, LENGTH_DRIFT_S, tick_s)
        self._phase_drift = OrnsteinUhlenbeck(phase, PUMP_PHASE_DRIFT_RAD, PUMP_PHASE_DRIFT_S, tick_s)
        self.pump_open = True
        self.pump_dimmed = 1.0
        self.crystal_c = 25.0
        self._x_on_resonance = 0.0
        self._moved_m = self._length_drift.value
        line_v = _HWHM_M / PIEZO_M_PER_V / length_piezo.servo_gain
        self.length_servo = AnalogServo(
            self._length_error, 0.6 * line_v, SERVO_NOISE_V, length_input, moved=length_piezo.moved
        )
        pi_v = truth.pump_volts_per_pi / phase_piezo.servo_gain
        self.phase_servo = AnalogServo(
            self._phase_error, pi_v / 6.0, SERVO_NOISE_V, phase_input, moved=phase_piezo.moved
        )

    def advance(self) -> None:
        """Move on by one tick."""
        self._length_drift.advance()
        self._phase_drift.advance()
        truth, error_k = self._truth, self._error_k()
        thresholds = threshold_ratio(error_k, truth.phase_matching_offset_k, truth.crystal_edge_rad)
        self._x_on_resonance = truth.pump * math.sqrt(self._room.light * self.pump_dimmed / thresholds)
        # The pump is the second harmonic: it hops twice as far.
        hop_m = 2.0 * self._room.laser_hop_hz / PUMP_FSR_HZ * PUMP_LENGTH_FSR_M
        warm_m = truth.thermal_m_per_k * error_k
        self._moved_m = self._length_drift.value + self._room.source_length.value + hop_m + warm_m
        self.length_servo.advance(self._tick_s)
        self.phase_servo.advance(self._tick_s)

    # -- length of the cavity ---------------------------------------------------------------------------------------

    def length_m(self, piezo_v: ArrayLike) -> NDArray[np.float64]:
        """Return the cavity length in m from a resonance, for voltages at the piezo."""
        return np.asarray(PIEZO_M_PER_V * (np.asarray(piezo_v) - self._truth.opa_resonance_v) + self._moved_m)

    def pdh_volts(self, piezo_v: ArrayLike) -> NDArray[np.float64]:
        """Return the error signal in V for voltages at the piezo."""
        detuning = PUMP_FSR_HZ * self.length_m(piezo_v) / PUMP_LENGTH_FSR_M
        error = cavity.pound_drever_hall_error(detuning, PDH_MODULATION_HZ, PUMP_FSR_HZ, _R_IN, _R_REST)
        return np.asarray(self._pump_light() * PDH_VOLTS * error)

    def transmission(self, piezo_v: ArrayLike) -> NDArray[np.float64]:
        """Return the pump power in the cavity relative to resonance with the usual light."""
        detuning = PUMP_FSR_HZ * self.length_m(piezo_v) / PUMP_LENGTH_FSR_M
        return np.asarray(self.pump_open * self.pump_dimmed * cavity.airy_transmission(detuning, PUMP_FSR_HZ, _FINESSE))

    def transmission_now(self) -> float:
        """Return `transmission` at present, with the residual length noise."""
        noise_v = LENGTH_RESIDUAL_M / PIEZO_M_PER_V * float(self._transmission_readings.standard_normal())
        output_v = self.length_servo.output_volts() + self.length_servo.swing(self._transmission_readings)
        return self._pump_light() * self._resonance_at(self._length_piezo.motion_v(output_v) + noise_v)

    def _pump_light(self) -> float:
        return self._room.light * self.pump_dimmed if self.pump_open else 0.0

    def _resonance(self) -> float:
        output_v, swing_v = self.length_servo.output_volts(), self.length_servo.swing_v()
        if not swing_v:
            return self._resonance_at(self._length_piezo.motion_v(output_v))
        seen = [self._resonance_at(self._length_piezo.motion_v(output_v + swing_v * sine)) for sine in _SWING_SINES]
        return sum(seen) / len(seen)

    # The loop asks for these at every step of the table, one number at a time, where array arithmetic would cost ten
    # times more.

    def _resonance_at(self, piezo_v: float) -> float:
        if not self.pump_open:
            return 0.0
        return 1.0 / (1.0 + _AIRY * math.sin(math.pi * self._length_at(piezo_v) / PUMP_LENGTH_FSR_M) ** 2)

    def _length_at(self, piezo_v: float) -> float:
        return PIEZO_M_PER_V * (piezo_v - self._truth.opa_resonance_v) + self._moved_m

    def _length_error(self, servo_v: float) -> float:
        if not self.pump_open:
            return 0.0
        turn = 2.0 * math.pi * self._length_at(self._length_piezo.motion_v(servo_v)) / PUMP_LENGTH_FSR_M
        carrier = _reflection(turn)
        upper = _reflection(turn + _MODULATION_TURN)
        lower = _reflection(turn - _MODULATION_TURN)
        return (
            -2.0
            * self._room.light
            * self.pump_dimmed
            * PDH_VOLTS
            * (carrier * upper.conjugate() - carrier.conjugate() * lower).imag
        )

    # -- phase between seed and pump --------------------------------------------------------------------------------

    def _phase_rad(self, servo_v: float) -> float:
        turn = math.pi * self._phase_piezo.motion_v(servo_v) / self._truth.pump_volts_per_pi
        return self._truth.pump_phase_offset_rad + self._phase_drift.value + self._room.pump_path.value + turn

    def pump_phase_rad(self) -> float:
        """Return the phase between seed and pump at present, in rad; 0 amplifies."""
        return self._phase_rad(self.phase_servo.output_volts())

    def pump_phase_error_rad(self) -> float:
        """Return the pump phase from the nearest amplifying point, in rad, from -pi to pi."""
        return math.remainder(self.pump_phase_rad(), 2.0 * math.pi)

    def _phase_residual_rad(self) -> float:
        """Return the rms pump phase faster than the tick, in rad."""
        swing_v = self.phase_servo.swing_v()
        swing_rad = math.pi * self._phase_piezo.servo_gain * swing_v / self._truth.pump_volts_per_pi / math.sqrt(2.0)
        return math.hypot(self._room.loudness * PATH_SHARE * self.phase_servo.residual_rad(), swing_rad)

    def _pump(self) -> float:
        """Return x now: less where length or temperature are off."""
        return self._x_on_resonance * math.sqrt(self._resonance())

    def _phase_error(self, servo_v: float) -> float:
        """Return the demodulated dither: the slope of the seed against pump phase, over the steepest at the best
        place."""
        x, pump = self._pump(), self._truth.pump
        one = 1.0 + self._seed_detuning() ** 2
        steepest = x * math.sqrt(one) / (one - x * x) ** 2 * (1.0 - pump * pump) ** 2 / pump
        return self._room.light * DITHER_V * steepest * math.sin(self._phase_rad(servo_v))

    # -- the seed in the cavity --------------------------------------------------------------------------------------

    def _error_k(self) -> float:
        """Return the temperature of the crystal above the best one, in K."""
        return self.crystal_c - self._truth.best_temperature_c

    def seed_turn_rad(self) -> float:
        """Return the round-trip phase of the seed from its nearest resonance, in rad: 0 on a fringe of the pump is
        double resonance. From one fringe to the next it turns by half."""
        length_m = self._length_at(self._length_piezo.motion_v(self.length_servo.output_volts()))
        turn = math.pi * length_m / PUMP_LENGTH_FSR_M - SEED_PHASE_PER_KELVIN_RAD * self._error_k()
        return math.remainder(turn, 2.0 * math.pi)

    def _seed_detuning(self) -> float:
        """Return how far the seed is off its resonance, in half linewidths of an Airy line."""
        return math.sin(0.5 * self.seed_turn_rad()) / math.sin(0.5 * SEED_HWHM_RAD)

    def seed_resonance(self) -> float:
        """Return the seed power in the cavity without pump relative to resonance."""
        return 1.0 / (1.0 + self._seed_detuning() ** 2)

    def seed_power(self) -> float:
        """Return the seed power in the cavity relative to resonance without pump; see
        `physics.double_resonance.detuned_seed_power`."""
        x, one = self._pump(), 1.0 + self._seed_detuning() ** 2
        return (one + x * x + 2.0 * x * math.sqrt(one) * math.cos(self.pump_phase_rad())) / (one - x * x) ** 2

    def seed_gain(self) -> float:
        """Return the parametric gain of the seed now: its power over that without pump."""
        return self.seed_power() / self.seed_resonance()

    def seed_monitor_volts(self) -> float:
        """Return the seed monitor in V."""
        level = self._room.light * SEED_V * self.seed_power()
        return level + SEED_NOISE_V * float(self._seed_readings.standard_normal())

    def probe_power_ratio(self) -> float:
        """Return the probe power relative to that at the design lock point."""
        return self._room.light * self.seed_power() * (1.0 - self._truth.pump) ** 2

    def quadratures(self) -> tuple[float, float, float]:
        """Return squeezed and antisqueezed variance at the source and the rms angle in rad by which the ellipse
        shakes.

        The angle of the ellipse follows half the seed-pump phase.
        """
        detuning = -self.seed_turn_rad() / SEED_HWHM_RAD
        efficiency = self._truth.source_efficiency * self._truth.extra_transmission
        squeezed, antisqueezed = opa.quadrature_variances(self._pump(), SIDEBAND_OVER_HWHM, efficiency, detuning)
        return float(squeezed), float(antisqueezed), 0.5 * self._phase_residual_rad()


def _reflection(turn_rad: float) -> complex:
    """Return `cavity.cavity_reflection` of the pump for one round-trip phase."""
    turn = cmath.exp(1j * turn_rad)
    return (_R_IN - _R_REST * turn) / (1.0 - _R_IN * _R_REST * turn)
