"""The length of the source cavity in a record while its loop is closed: what is left of a generator's waveform and of
the cavity's own noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.acoustics import FREQUENCY_HZ, residual_phase_rad
from labctl.simulation.coloured_records import Sampling
from labctl.simulation.loop_phase import DETECTOR_BANDWIDTH_HZ, FastPhase, OpenLoop, noise_of_record, phases_of_lines
from labctl.simulation.loop_shape import MIRROR_PIEZO
from labctl.simulation.piezo import PiezoChannel
from labctl.simulation.ports import Waveform
from labctl.simulation.source_plant import LENGTH_RESIDUAL_M, PIEZO_M_PER_V, SERVO_NOISE_V, SourcePlant

DESIGN_UNITY_GAIN_HZ = 1e3  # of the loop that leaves LENGTH_RESIDUAL_M
NOISE_V_PER_RAD = LENGTH_RESIDUAL_M / PIEZO_M_PER_V / residual_phase_rad(DESIGN_UNITY_GAIN_HZ / (1j * FREQUENCY_HZ))
"""Noise of the length, in V at the piezo, per noise of an optical path in rad: both have the spectrum of the room."""
_TURN = np.arange(4096) / 4096
_SMALL_V = 1e-3
_STREAM = "length record"


class LengthRecords:
    """What a record shows of a closed length loop that drives `piezo`; `volts_per_volt` is what the generator adds at
    the servo's output."""

    def __init__(self, source: SourcePlant, piezo: PiezoChannel, volts_per_volt: float, seed: int) -> None:
        self._source = source
        self._piezo = piezo
        self._volts_per_volt = volts_per_volt
        self._seed = seed

    def loop(self) -> OpenLoop:
        """Return the open loop as it is now."""
        return OpenLoop.of(self._source.length_servo)

    def noise(self) -> FastPhase:
        """Return the noise of the closed loop, in V at the piezo where it says rad."""
        servo, gain = self._source.length_servo, self._motion_per_volt()
        return FastPhase(
            open_loop=self.loop(),
            loudness=self._source._room.loudness * NOISE_V_PER_RAD,
            volts_per_rad=servo._slope(servo.output_volts()) / gain,
            detector_v2_per_hz=SERVO_NOISE_V**2 / DETECTOR_BANDWIDTH_HZ,
            detector_pole_hz=2.0 / math.pi * DETECTOR_BANDWIDTH_HZ,
            swing_rad=gain * servo.swing_v(),
        )

    def draw(
        self, waveform: Waveform, after_start_s: NDArray[np.float64], started_at: float, sampling: Sampling
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the motion that the loop leaves, in V at the piezo, and the noise of the error signal in V.

        The generator was started `after_start_s` (samples,) before each sample; what its start stirred up is over.
        """
        rng = noise_of_record(self._seed, _STREAM, started_at)
        motion_v, noise_v = self.noise().draw(rng, phases_of_lines(self._seed, _STREAM), started_at, sampling)
        if waveform.on:
            motion_v = motion_v + self._motion_per_volt() * self._left_of(waveform, after_start_s)
        return motion_v, noise_v

    def _motion_per_volt(self) -> float:
        """Return the motion in V at the piezo per V at the servo, for a small one: less than a scan shows, by the
        hysteresis."""
        output_v = self._source.length_servo.output_volts()
        above, below = (self._piezo.motion_v(output_v + step) for step in (_SMALL_V, -_SMALL_V))
        return (above - below) / (2.0 * _SMALL_V)

    def _left_of(self, waveform: Waveform, after_start_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the loop leaves of a periodic drive, in V at the servo's output: H / (1 + L) of each harmonic; of
        its mean nothing."""
        period = self._volts_per_volt * waveform.volts(_TURN / waveform.frequency_hz)
        harmonics = np.fft.rfft(period)
        frequency = np.asarray(np.arange(1, harmonics.size) * waveform.frequency_hz, dtype=np.float64)
        harmonics[0] = 0.0
        harmonics[1:] *= MIRROR_PIEZO.response(frequency) / (1.0 + self.loop().gain(frequency))
        left = np.fft.irfft(harmonics, _TURN.size)
        return np.asarray(np.interp(after_start_s * waveform.frequency_hz, _TURN, left, period=1.0))
