"""The internal set point of a SIM960: it jumps, or ramps with a constant slew rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum


class RampState(IntEnum):
    """What RMPS? answers; PENDING is only reached from the front panel."""

    IDLE = 0
    PENDING = 1
    RAMPING = 2
    PAUSED = 3


@dataclass
class SetpointRamp:
    """A set point of `volts` at lab time `at` (s), on its way to `target` at `rate` (V/s); ramps only if `on`."""

    volts: float
    target: float
    at: float
    rate: float = 1.0
    on: bool = False
    state: RampState = RampState.IDLE

    def start(self, target: float, now: float) -> None:
        """Go to `target` from `now` on."""
        self.target = target
        self.at = now
        if self.on and target != self.volts:
            self.state = RampState.RAMPING
        else:
            self.volts = target

    def advance(self, now: float) -> bool:
        """Move on to `now`; return whether a ramp has ended on the way."""
        step = self.rate * (now - self.at)
        self.at = now
        if self.state is not RampState.RAMPING:
            return False
        distance = self.target - self.volts
        if step < abs(distance):
            self.volts += math.copysign(step, distance)
            return False
        self.volts = self.target
        self.state = RampState.IDLE
        return True
