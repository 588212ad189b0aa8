"""The sweep sequence of a simulated spectrum analyzer, and one trace: sweeps in, displayed power out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments.analyzer_receiver import AnalyzerReceiver

MOST_HELD_ONE_BY_ONE = 32
_TIME_TOLERANCE = 1e-9  # of one sweep

Draw = Callable[[float], FloatArray]
"""Returns the mean of that many sweeps, on the scale of the averaging type, shape (points,)."""


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


class Trace:
    """One trace: what it does with new sweeps and through which detector, and what it holds, on the averaging scale.

    `kind` is WRIT, AVER, MAXH or MINH; `detector_set` None follows the kind. A trace that is not `live` keeps what it
    has; `shown` says whether it is on the screen.
    """

    def __init__(self) -> None:
        self.preset(live=False)

    def preset(self, *, live: bool) -> None:
        """Forget everything; a live trace is rewritten by every sweep."""
        self.kind = "WRIT"
        self.detector_set: str | None = None
        self.live = self.shown = live
        self.clear()

    def clear(self) -> None:
        """Forget all sweeps."""
        self.sweeps = 0
        self.taken_with: AnalyzerReceiver | None = None
        self._value: FloatArray | None = None

    def power_w(self) -> FloatArray | None:
        """Return the displayed power in W, shape (points,), or None when no sweep is finished."""
        if self._value is None or self.taken_with is None:
            return None
        return self.taken_with.scale.backward(self._value)

    def load(self, receiver: AnalyzerReceiver, power_w: FloatArray) -> None:
        """Show powers in W, shape (points,), that a host has sent; the trace is not live any more."""
        self.clear()
        self.live, self.shown = False, True
        self.taken_with, self._value = receiver, receiver.scale.forward(power_w)

    def add(self, receiver: AnalyzerReceiver, sweeps: int, draw: Draw) -> None:
        """Add `sweeps` (at least 1) sweeps that finished now, seen through `receiver`.

        What is averaged is drawn as one with that many times the averages, which is exact; of what is held at most 32
        sweeps are drawn.
        """
        self.taken_with = receiver
        match self.kind:
            case "AVER":
                self._average(receiver.average_count, sweeps, draw)
            case "MAXH":
                self._hold(sweeps, draw, np.fmax)
            case "MINH":
                self._hold(sweeps, draw, np.fmin)
            case _:
                self._value = draw(1)
        self.sweeps += sweeps

    def _average(self, count: int, sweeps: int, draw: Draw) -> None:
        linear = min(sweeps, max(count - self.sweeps, 0))
        if linear:
            drawn = draw(linear)
            share = linear / (self.sweeps + linear)
            self._value = drawn if self._value is None else self._value + share * (drawn - self._value)
        later = sweeps - linear
        if later and self._value is not None:
            # Once the count is reached the average is exponential, weight 1/N for the newest.
            keep = 1.0 - 1.0 / count
            old = keep**later
            as_many_as = (1.0 + keep) * (1.0 - old) / ((1.0 - keep) * (1.0 + old))
            self._value = old * self._value + (1.0 - old) * draw(as_many_as)

    def _hold(self, sweeps: int, draw: Draw, extreme: np.ufunc) -> None:
        for _ in range(min(sweeps, MOST_HELD_ONE_BY_ONE)):
            drawn = draw(1)
            self._value = drawn if self._value is None else extreme(self._value, drawn)
