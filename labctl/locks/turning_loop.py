"""Loops on a phase: every whole turn away there is a lock point that is as good."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Final

from labctl.errors import LockError
from labctl.locks.servo_loop import ServoLoop
from labctl.locks.states import Acquisition, LockState, Step
from labctl.locks.unwinding import TURN_RAD, RangeOfFringes

GUARD_SHARE: Final = 0.75  # of the range: beyond it a loop is closed anew in the middle


class TurningLoop(ServoLoop):
    """A loop whose phase turns with its output as `_range` says; None before it was calibrated."""

    @property
    @abstractmethod
    def _range(self) -> RangeOfFringes | None:
        """Return how the phase goes with the output."""

    @property
    def period_v(self) -> float:
        """Return the output of one turn of phase, in V."""
        return math.inf if self._range is None else TURN_RAD / abs(self._range.rad_per_v_at_0)

    def unwinding(self, output_v: float) -> Acquisition:
        """Return the steps to the equivalent point nearest to the middle: open, hop whole turns, close."""
        if self._range is None:
            raise LockError(f"{self.name}: never calibrated.", remedy="Lock it first.")
        self.servo.hop(self._range.nearest_to_middle(output_v))
        yield Step(LockState.UNWIND)

    def _centre(self) -> float:
        """Go to the equivalent of where the output is that has room for drift, and return it."""
        output_v = self.servo.output_v()
        if self._range is None:
            return output_v
        centred_v = self._range.centred(output_v, GUARD_SHARE * self.servo.output_limit_v)
        if centred_v != output_v:
            self.servo.set_output(centred_v)
        return centred_v
