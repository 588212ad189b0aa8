"""One sensor's light path as the slow plant sees it: alignment, local-oscillator phase, the fringe, and the lock on
it."""

from __future__ import annotations

import math

import numpy as np

from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.output_record import MoveTrack, OutputTrack
from labctl.simulation.piezo import HIGHEST_V, PiezoChannel
from labctl.simulation.room import Room
from labctl.simulation.sensor_cavity import SensorCavity
from labctl.simulation.slow_noise import OrnsteinUhlenbeck
from labctl.simulation.truth import TILT_OF_VISIBILITY_RAD, SensorTruth, generator

SPEED_OF_LIGHT_M_PER_S = 299792458.0
RESONANCE_DRIFT_HZ = 15.0  # -2e-4 per kelvin of a room that wanders by some hundredths of a kelvin
RESONANCE_DRIFT_S = 3600.0
PATH_WANDER_RAD = 1.2
PATH_WANDER_S = 16.0
THERMAL_DRIFT_RAD = 2.0
THERMAL_DRIFT_S = 600.0
ELECTRONIC_NOISE_V = 0.5e-3


class MirrorTilt:
    """Implements `MirrorPort` for one axis: unequal steps by direction and from step to step, and play between screw
    and mount; only the tilt matters.

    After a change of direction `backlash_steps` of the motor move nothing; at the start it is taken up forwards.
    """

    def __init__(
        self,
        start_rad: float,
        step_rad: float,
        backward_ratio: float,
        rng: np.random.Generator,
        backlash_steps: float = 0.0,
    ) -> None:
        self.tilt_rad = start_rad
        self._step_rad = step_rad
        self._backward_ratio = backward_ratio
        self._rng = rng
        self._backlash_steps = backlash_steps
        self.move_track = MoveTrack()
        self._play_ahead = 0.0  # of the backlash, in steps forwards; the rest lies behind

    def begin_move(self) -> None:
        """Note that the steps from now on are those of another move."""
        self.move_track.begin()

    def step(self, steps: int) -> None:
        """Take `steps` steps; each is 5 % uncertain."""
        self.move_track.step(steps)
        size = self._step_rad * (1.0 if steps > 0 else self._backward_ratio)
        moving = self._past_play(steps)
        jitter = 0.05 * math.sqrt(abs(moving)) * float(self._rng.standard_normal())
        self.tilt_rad += size * (moving + jitter)

    def _past_play(self, steps: int) -> float:
        """Return how many of `steps` the mirror follows."""
        play = self._play_ahead - steps  # where the screw would be, were there nothing to push
        self._play_ahead = min(max(play, 0.0), self._backlash_steps)
        return self._play_ahead - play


class SensorPlant:
    """State of one sensor, one call of `advance` a tick.

    From outside come the powers on sensor and detector (W), the `share` of the light that the network sends it, and the
    `extraction`, of what comes back from the sensor, to its detector.
    """

    def __init__(
        self,
        number: int,
        truth: SensorTruth,
        seed: int,
        light: LightOnDetector,
        piezo: PiezoChannel,
        tick_s: float,
        room: Room,
        cavity: SensorCavity,
    ) -> None:
        self.cavity = cavity
        self.truth = truth
        self._room = room
        self._index = number - 1
        self._readings = generator(seed, f"sensor{number} detector")
        self._light = light
        self._piezo = piezo
        self._tick_s = tick_s
        # A stream for each process, and others for the readings: what happens must not depend on who looks.
        path, thermal, pitch, yaw, servo, membrane = (
            generator(seed, f"sensor{number} {process}")
            for process in ("path", "thermal", "pitch", "yaw", "servo", "membrane")
        )
        self._wander = OrnsteinUhlenbeck(path, PATH_WANDER_RAD, PATH_WANDER_S, tick_s)
        self._thermal = OrnsteinUhlenbeck(thermal, THERMAL_DRIFT_RAD, THERMAL_DRIFT_S, tick_s)
        self._detuning = OrnsteinUhlenbeck(membrane, RESONANCE_DRIFT_HZ, RESONANCE_DRIFT_S, tick_s)
        self._path_rad = self._wander.value + self._thermal.value
        self.pitch, self.yaw = (
            MirrorTilt(start_rad, step_rad, ratio, rng, truth.backlash_steps)
            for start_rad, step_rad, ratio, rng in zip(
                truth.misalignment_rad, truth.step_rad, truth.backward_ratio, (pitch, yaw), strict=True
            )
        )
        self.probe_track = OutputTrack("W")
        self.probe_power_w = 0.0
        self.share = truth.weight
        self.extraction = 1.0
        self.local_oscillator_w = light.local_oscillator_w
        structure_v = truth.volts_per_pi / piezo.servo_gain / 6.0
        self.servo = AnalogServo(self._fringe_volts, structure_v, ELECTRONIC_NOISE_V, servo, moved=piezo.moved)

    def advance(self) -> None:
        """Move on by one tick."""
        self._wander.advance()
        self._thermal.advance()
        self._detuning.advance()
        self._path_rad = self._wander.value + self._thermal.value + self._disturbed_rad()
        self.servo.advance(self._tick_s)

    def visibility(self) -> float:
        """Return the interference visibility at the present alignment."""
        tilt2 = self.pitch.tilt_rad**2 + self.yaw.tilt_rad**2
        return self.truth.visibility * math.exp(-tilt2 / TILT_OF_VISIBILITY_RAD**2)

    def phase_rad(self, servo_v: float) -> float:
        """Return the phase between local oscillator and probe, in rad, with `servo_v` at the servo output."""
        volts = self._piezo.motion_v(servo_v)
        turn = math.pi * volts * (1.0 + self.truth.piezo_bow * volts / HIGHEST_V) / self.truth.volts_per_pi
        return self._path_rad + turn

    def _disturbed_rad(self) -> float:
        room = self._room
        hop_rad = 2.0 * math.pi * room.laser_hop_hz * self.truth.path_mismatch_m / SPEED_OF_LIGHT_M_PER_S
        return room.path[self._index].value + room.path_drift_rad[self._index] + hop_rad + self.cavity.phase_rad

    def resonance_hz(self) -> float:
        """Return the resonance of the membrane now, in Hz: its stress follows the temperature of the room."""
        return self.truth.f0_hz + self._detuning.value

    def photodiode(self) -> float:
        """Return the quantum efficiency of the worse photodiode over that of a new one."""
        return self._room.photodiode[self._index]

    def angle_from_squeezed_rad(self) -> float:
        """Return the angle of the measured quadrature from the phase quadrature; 0 at +pi/2, pi at -pi/2."""
        return self.phase_rad(self.servo.output_volts()) - 0.5 * math.pi

    def residual_rad(self) -> float:
        """Return the rms phase noise faster than the tick, in rad, that of an unstable loop with it."""
        swing_rad = self._piezo.servo_gain * math.pi / self.truth.volts_per_pi * self.servo.swing_v() / math.sqrt(2.0)
        return math.hypot(self._room.loudness * self.servo.residual_rad(), swing_rad)

    def dc_volts(self) -> float:
        """Return the DC output of the detector in V, with the phase noise of the moment."""
        shake = self._room.loudness * self.servo.residual_rad() * float(self._readings.standard_normal())
        phase = self.phase_rad(self.servo.output_volts() + self.servo.swing(self._readings)) + shake
        noise = ELECTRONIC_NOISE_V * float(self._readings.standard_normal())
        return self._level(math.cos(phase)) + noise

    def _fringe_volts(self, servo_v: float) -> float:
        return self._level(math.cos(self.phase_rad(servo_v)))

    def _level(self, cosine: float) -> float:
        # The fringe amplitude of `homodyne.fringe_amplitude_a`, for one number.
        light = self._light
        worse = self.photodiode()
        amplitude_a = (
            (1.0 + worse)
            * light.responsivity_a_per_w
            * math.sqrt(self.local_oscillator_w * self.probe_power_w * self.extraction)
        )
        unbalanced_a = 0.5 * (1.0 - worse) * light.responsivity_a_per_w * self.local_oscillator_w
        fringe_a = amplitude_a * self.visibility() * cosine
        return self.truth.dc_offset_v + light.dc_volts_per_ampere * (fringe_a + unbalanced_a)


class LightOnDetector:
    """Design powers and responses that all detectors share."""

    def __init__(
        self,
        probe_power_w: float,
        local_oscillator_w: float,
        responsivity_a_per_w: float,
        dc_volts_per_ampere: float,
        quantum_efficiency: float,
    ) -> None:
        self.probe_power_w = probe_power_w
        self.local_oscillator_w = local_oscillator_w
        self.responsivity_a_per_w = responsivity_a_per_w
        self.dc_volts_per_ampere = dc_volts_per_ampere
        self.quantum_efficiency = quantum_efficiency
