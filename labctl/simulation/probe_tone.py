"""Calibration tones: a sine of a generator on the modulator of the probe, ahead of the sensors and not on the local
oscillators."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from labctl.simulation.ports import Waveform

ATTENUATOR = 1e-3  # amplitude, between generator and modulator
INTO_50_OHM = 0.5  # volts across the modulator for one volt of an open generator


class Modulation(StrEnum):
    """What a tone does to the probe; the value is the name of the tone in a station file."""

    PHASE = "phase_calibration"
    AMPLITUDE = "amplitude_calibration"


@dataclass(frozen=True)
class ProbeTone:
    """A modulation index(t) = `index` sin(2 pi f t + phase), t lab time: rad of phase, or share of the power."""

    modulation: Modulation
    frequency_hz: float
    index: float
    phase_rad: float = 0.0

    def per_angle(self) -> tuple[float, float]:
        """Return what the signal has of cos and of sin of the angle from the phase quadrature, in rad of fringe."""
        return (self.index, 0.0) if self.modulation is Modulation.PHASE else (0.0, 0.5 * self.index)


class DrivenTone(Protocol):
    """A generator output that remembers: `waveform` since lab time `started_at` (s), and its latest changes, each as
    when it came, the waveform, and where its phase is counted from."""

    waveform: Waveform
    started_at: float

    @property
    def changes(self) -> Iterable[tuple[float, Waveform, float]]:
        """Return them, the oldest first."""
        ...


def probe_tones(outputs: Mapping[str, DrivenTone], volts_per_pi: float) -> tuple[ProbeTone, ...]:
    """Return the tones that are on, of the outputs whose names are those of a modulation.

    A modulator of `volts_per_pi` turns the phase by pi V / V_pi, and its twin for power, biased at half transmission,
    changes that by the share pi V / V_pi. Sines only: no harmonics of another shape lie near the sensors.
    """
    tones = []
    for modulation in Modulation:
        output = outputs.get(modulation)
        if output is None or not output.waveform.on or output.waveform.shape != "SINE":
            continue
        wave = output.waveform
        volts = ATTENUATOR * INTO_50_OHM * wave.amplitude_v
        turns = wave.phase_deg / 360.0 - wave.frequency_hz * output.started_at
        tones.append(
            ProbeTone(modulation, wave.frequency_hz, math.pi * volts / volts_per_pi, 2.0 * math.pi * (turns % 1.0))
        )
    return tuple(tones)
