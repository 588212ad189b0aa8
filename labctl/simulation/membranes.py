"""Thermal motion of the membranes in sampled records: envelopes on a grid, carriers exact at every sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.carriers import carrier_samples
from labctl.simulation.detector_state import MembraneModes
from labctl.simulation.envelopes import ComplexArray, Envelopes, FloatArray, samples_within
from labctl.simulation.membrane_drive import MembraneDrive

GRID_S = 4e-6
"""Envelopes are exact this far apart and run straight between. That moves pi Gamma GRID_S / 3, 2e-4 for 41 Hz, of the
power of a line to more than 200 kHz from it, where shot noise hides it, and keeps its shape nearer by."""


class MembraneMotion:
    """All modes of all membranes over lab time. A frequency that drifts keeps the phase of its carrier."""

    def __init__(self, rng: np.random.Generator, gamma_hz: FloatArray) -> None:
        self._envelopes = Envelopes(rng, np.pi * gamma_hz)
        self._turns = np.zeros(gamma_hz.size)  # of the carriers, where the envelopes are

    def add_to(
        self,
        volts: NDArray[np.float32],
        modes: MembraneModes,
        amplitude: ComplexArray,
        started_at: float,
        sample_rate_hz: float,
        hold: int,
        drive: MembraneDrive | None = None,
    ) -> None:
        """Add the motion to records `volts` (M, n) that begin at lab time `started_at`.

        `amplitude` (K, H): rms volts of each mode, turned by what delays it, for `hold` samples each. What `drive`
        moves or left ringing comes on top of the thermal motion.
        """
        samples = volts.shape[1]
        per_step = min(samples_within(GRID_S, sample_rate_hz), hold)
        steps = -(-samples // per_step)
        starts_turns, path = self._advance(modes.f0_hz, started_at, per_step / sample_rate_hz, steps)
        held = np.arange(steps) * per_step // hold
        turns = starts_turns[:, None] + np.outer(modes.f0_hz, np.arange(steps) * (per_step / sample_rate_hz))
        carrier = np.sqrt(2.0) * amplitude[:, held] * np.exp(2j * np.pi * (turns % 1.0))
        begin, change = carrier * path[:, :-1], carrier * np.diff(path, axis=1)
        if drive is not None and not drive.is_over(started_at):
            step_s = per_step / sample_rate_hz
            driven = drive.amplitudes(
                modes.sensor, modes.f0_hz, modes.gamma_hz, started_at + step_s * np.arange(steps + 1)
            )
            turned_back = driven[:, 1:] * np.exp(-2j * np.pi * ((modes.f0_hz * step_s) % 1.0))[:, None]
            volts_of = np.sqrt(2.0) * amplitude[:, held]
            begin += volts_of * driven[:, :-1]
            change += volts_of * (turned_back - driven[:, :-1])
        for k in np.flatnonzero(amplitude.any(axis=1)):
            motion = carrier_samples(begin[k], change[k], modes.f0_hz[k] / sample_rate_hz, per_step)
            volts[modes.sensor[k]] += motion[:samples]

    def _advance(
        self, f0_hz: FloatArray, started_at: float, step_s: float, steps: int
    ) -> tuple[FloatArray, ComplexArray]:
        """Return where the carriers are at the beginning, in turns (K,), and the envelopes from there on."""
        before_s = self._envelopes.at_s
        gap_s = max(0.0, started_at - before_s) if np.isfinite(before_s) else 0.0
        path = self._envelopes.path(started_at, step_s, steps)
        begin = (self._turns + f0_hz * gap_s) % 1.0
        self._turns = (begin + f0_hz * (steps * step_s)) % 1.0
        return begin, path
