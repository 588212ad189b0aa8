"""A tone on the power of all local oscillators: what each detector shows of it, its balance did not reject."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.probe_tone import INTO_50_OHM, DrivenTone
from labctl.simulation.truth import generator

OSCILLATOR_POWER = "local_oscillator_power"
"""The name of the tone in a station file."""
ATTENUATOR = 0.1  # amplitude, between generator and modulator
STATED_VOLTS_PER_PI = 5.0
VOLTS_PER_PI_SPREAD = 0.03  # relative rms, of what the maker states


@dataclass(frozen=True, eq=False)
class OscillatorTone:
    """Volts (M,) sin(2 pi f t + phase) at each detector, before its bandwidth, t lab time."""

    frequency_hz: float
    volts: NDArray[np.float64]
    phase_rad: float = 0.0


class OscillatorModulator:
    """The modulator of one table, biased at half transmission: its power changes by the share pi V / V_pi, where V_pi
    is drawn from the seed."""

    def __init__(self, seed: int) -> None:
        error = generator(seed, "local oscillator modulator").normal(0.0, VOLTS_PER_PI_SPREAD)
        self.volts_per_pi = STATED_VOLTS_PER_PI * (1.0 + float(error))

    def tone(self, outputs: Mapping[str, DrivenTone], volts_per_share: NDArray[np.float64]) -> OscillatorTone | None:
        """Return the tone that a generator puts on, None where there is none; sines only. `volts_per_share` (M,) is
        what a detector would show of light that is modulated to the full."""
        output = outputs.get(OSCILLATOR_POWER)
        if output is None or not output.waveform.on or output.waveform.shape != "SINE":
            return None
        wave = output.waveform
        index = math.pi * ATTENUATOR * INTO_50_OHM * wave.amplitude_v / self.volts_per_pi
        turns = wave.phase_deg / 360.0 - wave.frequency_hz * output.started_at
        return OscillatorTone(wave.frequency_hz, index * volts_per_share, 2.0 * math.pi * (turns % 1.0))
