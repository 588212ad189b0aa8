"""The sweep sequence of a simulated spectrum analyzer and its trace memory: sweeps in, displayed power out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray, NoiseDraw
from labctl.simulation.instruments.analyzer_receiver import AnalyzerReceiver
from labctl.simulation.ports import RfInput

_MOST_HELD_ONE_BY_ONE = 32
_TIME_TOLERANCE = 1e-9  # of one sweep


@dataclass
class SweepSequence:
    """Sweeps under way since lab time `started_at`; `target` of them, infinitely many in continuous sweeping."""

    started_at: float
    sweep_s: float
    target: float
    finished: int = 0

    @property
    def ends_at(self) -> float:
        """End of the sequence; in continuous sweeping the end of the first sweep."""
        return self.started_at + self.sweep_s * (self.target if math.isfinite(self.target) else 1)

    def due(self, now: float) -> int:
        """Return how many sweeps are over at `now`."""
        if math.isfinite(self.target) and now >= self.ends_at:
            return int(self.target)
        return int(min(math.floor((now - self.started_at) / self.sweep_s + _TIME_TOLERANCE), self.target))


class TraceMemory:
    """Trace 1: adds finished sweeps as the trace type says, on the scale of the averaging type.

    Sweeps that finished together are drawn as one with that many times the averages, which is exact. A holding trace
    draws at most 32 of them, and a peak detector too.
    """

    def __init__(self, rng: np.random.Generator, rf_input: RfInput) -> None:
        self.sweeps = 0
        self._rng = rng
        self._rf_input = rf_input
        self._value: FloatArray | None = None
        self._noise: NoiseDraw | None = None

    def clear(self) -> None:
        """Forget all sweeps and what followed from the settings."""
        self.sweeps = 0
        self._value = None
        self._noise = None

    def power_w(self, receiver: AnalyzerReceiver) -> FloatArray | None:
        """Return the displayed power in W, shape (points,), or None when no sweep is finished."""
        return None if self._value is None else receiver.scale.backward(self._value)

    def add(self, receiver: AnalyzerReceiver, sweeps: int) -> None:
        """Add `sweeps` (at least 1) sweeps that finished now."""
        match receiver.trace_type:
            case "AVER":
                self._average(receiver, sweeps)
            case "MAXH":
                self._hold(receiver, sweeps, np.fmax)
            case "MINH":
                self._hold(receiver, sweeps, np.fmin)
            case _:
                self._value = self._draw(receiver, 1)
        self.sweeps += sweeps

    def _average(self, receiver: AnalyzerReceiver, sweeps: int) -> None:
        linear = min(sweeps, max(receiver.average_count - self.sweeps, 0))
        if linear:
            drawn = self._draw(receiver, linear)
            share = linear / (self.sweeps + linear)
            self._value = drawn if self._value is None else self._value + share * (drawn - self._value)
        later = sweeps - linear
        if later and self._value is not None:
            # Once the count is reached the average is exponential, weight 1/N for the newest.
            keep = 1.0 - 1.0 / receiver.average_count
            old = keep**later
            as_many_as = (1.0 + keep) * (1.0 - old) / ((1.0 - keep) * (1.0 + old))
            self._value = old * self._value + (1.0 - old) * self._draw(receiver, as_many_as)

    def _hold(self, receiver: AnalyzerReceiver, sweeps: int, extreme: np.ufunc) -> None:
        for _ in range(min(sweeps, _MOST_HELD_ONE_BY_ONE)):
            drawn = self._draw(receiver, 1)
            self._value = drawn if self._value is None else extreme(self._value, drawn)

    def _draw(self, receiver: AnalyzerReceiver, sweeps: float) -> FloatArray:
        if self._noise is None:
            self._noise = receiver.noise(self._rng)
        return receiver.draw(self._noise, receiver.mean_power_w(self._rf_input), sweeps)
