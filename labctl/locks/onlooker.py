"""Look at the loops of a table without touching them: what is closed, what holds, and why the rest does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from labctl.errors import LabError, LockError
from labctl.locks.loop import ActuatorState, Loop, Reading, Verdict
from labctl.locks.machine import Parents
from labctl.locks.servo_loop import ServoLoop
from labctl.locks.states import Acquisition, LockState, Reach
from labctl.locks.supervisor import PERIOD_S, Supervisor
from labctl.station.clock import Clock

HELD_BY_A_PROGRAM = "labctl holds it itself, while it runs; an onlooker does not see whether one does."
NOT_AS_LEFT = "It is not as labctl left it."

LOST = frozenset({LockState.RELOCK, LockState.HOLD, LockState.STALLED})
"""States in which an onlooker, who brings nothing back, has a loop that it saw fall out of lock."""


class HandsOff:
    """A loop that can be looked at and not moved: what would move it is refused or does nothing."""

    def __init__(self, loop: Loop) -> None:
        self.name, self.unit = loop.name, loop.unit
        self.tolerance, self.capabilities = loop.tolerance, loop.capabilities
        self.scan_look = loop.scan_look
        self._loop = loop

    @property
    def period_v(self) -> float:
        """Return the output from one lock point to the next, in V."""
        return self._loop.period_v

    def read(self) -> Reading:
        """Look at the signals once."""
        return self._loop.read()

    def confirm(self) -> Verdict:
        """Look closer."""
        return self._loop.confirm()

    def actuator(self) -> ActuatorState:
        """Look at the output once."""
        return self._loop.actuator()

    def adopt(self) -> bool:
        """Return whether the loop is closed as this program closes it, by a servo that holds it alone."""
        return self.capabilities.holds_alone and self._loop.adopt()

    def not_as_left(self) -> str:
        """Return in a sentence why it is not taken for closed; "" where it is."""
        if not self.capabilities.holds_alone:
            return HELD_BY_A_PROGRAM
        return self._loop.not_as_left() if isinstance(self._loop, ServoLoop) else NOT_AS_LEFT

    def remembered(self) -> Mapping[str, float]:
        """Return the calibration."""
        return self._loop.remembered()

    def recall(self, remembered: Mapping[str, float]) -> None:
        """Take a calibration up."""
        self._loop.recall(remembered)

    def acquisition(self, reach: Reach) -> Acquisition:
        """Refuse."""
        raise LockError(f"{self.name}: is only looked at.")

    def unwinding(self, output_v: float) -> Acquisition:
        """Refuse."""
        raise LockError(f"{self.name}: is only looked at.")

    def step(self) -> None:
        """Nothing."""

    def hold(self) -> None:
        """Nothing."""

    def coast(self, output_v: float) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing."""


class Onlooker(Supervisor):
    """A supervisor that begins nothing and judges each loop by its own signals, whatever it needs."""

    def __init__(self, loops: Mapping[str, Loop], clock: Clock, *, period_s: float = PERIOD_S) -> None:
        self._hands_off = {name: HandsOff(loop) for name, loop in loops.items()}
        super().__init__(self._hands_off, {}, clock, period_s=period_s)

    def look(self, remembered: Mapping[str, Mapping[str, float]], only: Sequence[str] | None = None) -> list[str]:
        """Find out what the servos hold, look at these loops from now on, and return their names; the others' machines
        say why they are not among them.

        A calibration that a loop does not understand, of another version of labctl, counts as none.
        """
        with self._guard:
            looked_at = [name for name in self._hands_off if only is None or name in only]
            held = [name for name in looked_at if self._look_at(name, remembered.get(name, {}))]
            for name in held:  # asking all servos takes seconds: the time to prove them begins after the last
                self.machines[name].since = self._clock.now()
        self.start()
        return held

    def _look_at(self, name: str, remembered: Mapping[str, float]) -> bool:
        machine, loop = self.machines[name], self._hands_off[name]
        try:
            if remembered:
                with suppress(TypeError):
                    loop.recall(remembered)
            if machine.take_over():
                return True
            machine.why = loop.not_as_left() or NOT_AS_LEFT
        except LabError as error:
            machine.fault(error)
        return False

    def may_begin(self) -> bool:
        """Return False: nothing is acquired."""
        return False

    def may_hop(self, urgent: bool) -> bool:
        """Return False: no fringe is left."""
        return False

    def _parents(self, name: str) -> Parents:
        return Parents(True)
