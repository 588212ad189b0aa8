"""A piezo ring under the membranes that a generator drives: what it does to their amplitudes, in closed form.

A mode of rate lambda = 2 pi i f0 - pi Gamma under a force F e^{i (2 pi f t + phi)} moves as the steady answer
F e^{i (2 pi f t + phi)} / (2 pi i f - lambda), and what it had besides when the force was last changed decays as
e^{lambda t}. Units of rms thermal motion. Taken with the frequency of the mode as it is when somebody looks: it drifts
by far less than its width while the motion is remembered.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.ports import Waveform
from labctl.simulation.probe_tone import INTO_50_OHM
from labctl.simulation.truth import generator

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

DRIVE = "membrane_drive"
"""The name of the tone in a station file."""
RMS_PER_VOLT = 2e4
"""Steady amplitude on resonance over rms thermal motion, for one volt (peak) across the ring."""
SPREAD = 0.3  # rms of the logarithm, from sensor to sensor
FORGOTTEN_S = 2.0  # after which nothing is left of a motion that was left ringing: e^-250 at 41 Hz
REACH_HZ = 5e4  # a mode farther from the drive moves by less than a thousandth of what it does on resonance


@dataclass(frozen=True)
class Push:
    """A force from lab time `since` (s) on: `volts` sin(2 pi f (t - origin) + phase), none for 0 V."""

    since: float
    volts: float = 0.0
    frequency_hz: float = 0.0
    origin: float = 0.0
    phase_rad: float = 0.0


@dataclass(frozen=True, eq=False)
class MembraneDrive:
    """What the ring did lately: `pushes` one after the other, and the `answer` (M,) of each sensor's membranes on
    resonance, for one volt."""

    pushes: tuple[Push, ...]
    answer: ComplexArray

    @property
    def now(self) -> Push:
        """The force of the moment."""
        return self.pushes[-1]

    def is_over(self, at: float) -> bool:
        """Return whether nothing rings at lab time `at` (s) or later."""
        return self.now.volts == 0.0 and at - self.now.since > FORGOTTEN_S

    def amplitudes(
        self, sensor: NDArray[np.intp], f0_hz: FloatArray, gamma_hz: FloatArray, at: FloatArray
    ) -> ComplexArray:
        """Return the coherent amplitudes of modes (K,) at lab times `at` (T,), ascending, with their carriers,
        shape (K, T)."""
        found = np.zeros((f0_hz.size, at.size), dtype=complex)
        reached = self._reached(f0_hz)
        if reached.any():
            found[reached] = self._of_reached(sensor[reached], f0_hz[reached], gamma_hz[reached], at)
        return found

    def _reached(self, f0_hz: FloatArray) -> NDArray[np.bool_]:
        """Return the modes (K,) near which any of the forces was."""
        used = np.array([push.frequency_hz for push in self.pushes if push.volts])
        return np.asarray((np.abs(f0_hz[:, None] - used) < REACH_HZ).any(axis=1))

    def _of_reached(
        self, sensor: NDArray[np.intp], f0_hz: FloatArray, gamma_hz: FloatArray, at: FloatArray
    ) -> ComplexArray:
        found = np.zeros((f0_hz.size, at.size), dtype=complex)
        begin = np.zeros(f0_hz.size, dtype=complex)
        ends = [push.since for push in self.pushes[1:]] + [math.inf]
        for push, until in zip(self.pushes, ends, strict=True):
            if until < at[0] - FORGOTTEN_S:
                continue
            answer = self._answer(push, sensor, f0_hz, gamma_hz)
            besides = begin - answer * self._force(push, np.array([push.since]))[0]
            during = slice(*np.searchsorted(at, [push.since, until]))
            free = _free(f0_hz, gamma_hz, at[during] - push.since)
            found[:, during] = np.outer(answer, self._force(push, at[during])) + besides[:, None] * free
            if math.isfinite(until):
                free = _free(f0_hz, gamma_hz, np.array([until - push.since]))[:, 0]
                begin = answer * self._force(push, np.array([until]))[0] + besides * free
        return found

    def steady(self, sensor: NDArray[np.intp], f0_hz: FloatArray, gamma_hz: FloatArray) -> ComplexArray:
        """Return the amplitudes (K,) that the force of the moment keeps up, without their carrier."""
        return self._answer(self.now, sensor, f0_hz, gamma_hz)

    def _answer(self, push: Push, sensor: NDArray[np.intp], f0_hz: FloatArray, gamma_hz: FloatArray) -> ComplexArray:
        away_hz = push.frequency_hz - f0_hz
        near = np.abs(away_hz) < REACH_HZ
        return np.asarray(near * push.volts * self.answer[sensor] / (1.0 + 2j * away_hz / gamma_hz))

    @staticmethod
    def _force(push: Push, at: FloatArray) -> ComplexArray:
        turns = (push.frequency_hz * (at - push.origin)) % 1.0
        return np.asarray(-1j * cmath.exp(1j * push.phase_rad) * np.exp(2j * np.pi * turns))


def _free(f0_hz: FloatArray, gamma_hz: FloatArray, elapsed_s: FloatArray) -> ComplexArray:
    """Return e^{lambda t} of the modes (K,) at `elapsed_s` (T,)."""
    turns = np.outer(f0_hz, elapsed_s) % 1.0
    return np.asarray(np.exp(2j * np.pi * turns - np.pi * np.outer(gamma_hz, elapsed_s)))


class PiezoRing:
    """The ring of one table: how well it couples to each membrane is drawn from the seed."""

    def __init__(self, seed: int, sensors: int) -> None:
        rng = generator(seed, "membrane drive")
        size = RMS_PER_VOLT * np.exp(SPREAD * rng.standard_normal(sensors))
        self._answer = size * np.exp(2j * np.pi * rng.uniform(size=sensors))

    def drive(self, changes: Iterable[tuple[float, Waveform, float]]) -> MembraneDrive | None:
        """Return the drive after these changes of its generator, each as `TonePort` has them; None where it was not on
        between any of them. Sines only."""
        pushes = tuple(_push(*change) for change in changes)
        return MembraneDrive(pushes, self._answer) if any(push.volts for push in pushes) else None


def _push(since: float, waveform: Waveform, origin: float) -> Push:
    if not waveform.on or waveform.shape != "SINE":
        return Push(since)
    volts = INTO_50_OHM * waveform.amplitude_v
    return Push(since, volts, waveform.frequency_hz, origin, math.radians(waveform.phase_deg))
