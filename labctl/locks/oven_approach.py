"""Bring the crystal to a temperature always from below, and wait until it is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labctl.errors import LabError, StepTimeout
from labctl.station.clock import Clock
from labctl.station.roles import TemperatureController

SLOWEST_TIME_CONSTANT_S = 8.0  # of oven and crystal
LAGS = 3.0
QUICK_LAGS = 2.0  # of a visit: what is left of a ramp is a few hundredths of a kelvin
STEADY_K_PER_S = 1e-3
STEADY_FOR_S = 20.0
THERE_K = 0.03  # a mean reading further from its target is not there yet
UNDERSHOOT_K = 0.2  # a place that is approached from above is passed by this much first
POLL_S = 2.0
READINGS = 5
READING_PERIOD_S = 0.2
PATIENCE_S = 600.0  # beyond ramp and lags


@dataclass(frozen=True)
class OvenApproach:
    """The oven between its limits (degC), ramped at `ramp_k_per_s`; `wait` waits in lab time (s) and may raise to
    stop."""

    oven: TemperatureController
    clock: Clock
    wait: Callable[[float], None]
    low_c: float
    high_c: float
    ramp_k_per_s: float

    def present_c(self) -> float:
        """Return one reading, in degC."""
        return self.oven.temperature_c()

    def reading_c(self) -> float:
        """Return the mean of some readings, in degC."""
        readings = []
        for _ in range(READINGS):
            readings.append(self.oven.temperature_c())
            self.wait(READING_PERIOD_S)
        return float(np.mean(readings))

    def go(self, target_c: float, *, quick: bool = False) -> None:
        """Settle at `target_c` from below: for three times the longest lag at least, and until it is steady to 1 mK/s
        over 20 s. A `quick` visit ends with the lags.

        Raises `StepTimeout` where it does not settle, `LabError` where the controller stops regulating.
        """
        target_c = min(max(target_c, self.low_c), self.high_c)
        present_c = self.present_c()
        if present_c > target_c + THERE_K:
            below_c = max(target_c - UNDERSHOOT_K, self.low_c)
            self._ramp(present_c, below_c)
            present_c = below_c
        self._ramp(present_c, target_c)
        if quick:
            self.wait(QUICK_LAGS * SLOWEST_TIME_CONSTANT_S if abs(target_c - present_c) > THERE_K else POLL_S)
        else:
            self._until_steady(target_c)

    def _ramp(self, from_c: float, to_c: float) -> None:
        self.oven.set_target(to_c, self.ramp_k_per_s)
        self.wait(abs(to_c - from_c) / self.ramp_k_per_s)
        if not self.oven.regulating():
            raise LabError(
                "The oven stopped regulating.",
                remedy="Look at the controller: it reports an error or was switched off.",
            )

    def _until_steady(self, target_c: float) -> None:
        started_at = self.clock.now()
        seen: deque[tuple[float, float]] = deque(maxlen=round(STEADY_FOR_S / POLL_S) + 1)
        while True:
            since_s = self.clock.now() - started_at
            seen.append((since_s, self.oven.temperature_c()))
            if since_s >= LAGS * SLOWEST_TIME_CONSTANT_S and len(seen) == seen.maxlen:
                times, readings = np.array(seen).T
                rate = float(np.polyfit(times, readings, 1)[0])
                if abs(rate) < STEADY_K_PER_S and abs(float(readings.mean()) - target_c) < THERE_K:
                    return
            if since_s > PATIENCE_S:
                raise StepTimeout(
                    f"The oven is at {seen[-1][1]:.3f} degC and not steady at {target_c:.3f} degC.",
                    remedy="Check its heat sink and its gains.",
                )
            self.wait(POLL_S)
