"""A loop on no table: its signals are what a test says, and it writes down what is done to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from labctl.errors import LabError, LockError
from labctl.locks.loop import ActuatorState, Capabilities, Reading, Tolerance, Verdict
from labctl.locks.states import Acquisition, LockState, Reach, Step
from labctl.locks.supervisor import Supervisor
from labctl.station.clock import SimulatedClock

LIMIT_V = 4.5
PERIOD_V = 2.0


@dataclass
class ScriptedLoop:
    """Locked while `error` is small and `witness` near 1. `refusals` is how many acquisitions fail before one
    succeeds."""

    name: str
    clock: SimulatedClock
    error: float = 0.01
    witness: float = 1.0
    output_v: float = 0.0
    drift_v_per_s: float = 0.0
    refusals: int = 0
    acquiring_s: float = 0.4
    dimmer: bool = False  # a closer look finds it locked
    broken: LabError | None = None
    held_by_hardware: bool = False
    steps_itself: bool = False
    release_s: float = 0.0
    done: list[str] = field(default_factory=list)

    unit = "rad"
    tolerance = Tolerance(0.36, 0.15, 0.35, 0.85)
    period_v = PERIOD_V
    scan_look = None

    def __post_init__(self) -> None:
        self.closed = False
        self.memory: dict[str, float] = {}
        self.capabilities = Capabilities(holds_alone=True, unwinds=True, steps_itself=self.steps_itself)
        self._moved_at = self.clock.now()

    def _move(self) -> None:
        now = self.clock.now()
        if self.closed:
            self.output_v += self.drift_v_per_s * (now - self._moved_at)
        self._moved_at = now

    def acquisition(self, reach: Reach) -> Acquisition:
        self.done.append(f"acquire {reach}")
        yield Step(LockState.SCAN, self.acquiring_s / 2)
        if self.refusals:
            self.refusals -= 1
            raise LockError(f"{self.name}: nothing there.", remedy="Look.")
        yield Step(LockState.ENGAGE, self.acquiring_s / 2)
        self._move()
        self.closed = True
        self.error, self.witness = 0.01, 1.0
        self.memory = {"at": self.clock.now()}

    def read(self) -> Reading:
        if self.broken is not None:
            raise self.broken
        return Reading(self.clock.now(), self.error, self.witness)

    def confirm(self) -> Verdict:
        self.done.append("confirm")
        if self.dimmer:
            self.witness = 1.0
            return Verdict(True)
        good = abs(self.error) < 0.36 and self.witness > 0.85 and self.closed
        return Verdict(good, "" if good else f"{self.name}: it is gone.")

    def actuator(self) -> ActuatorState:
        self._move()
        return ActuatorState(self.clock.now(), self.closed, self.output_v, -LIMIT_V, LIMIT_V)

    def step(self) -> None:
        self.done.append("step")

    def hold(self) -> None:
        self._move()
        self.closed = False
        self.done.append("hold")

    def coast(self, output_v: float) -> None:
        self.output_v = output_v
        self.done.append("coast")

    def release(self) -> None:
        self.clock.sleep(self.release_s)  # a ramp
        self.closed, self.output_v = False, 0.0
        self.done.append("release")

    def unwinding(self, output_v: float) -> Acquisition:
        self._move()
        self.output_v -= math.copysign(2 * PERIOD_V, self.output_v)
        self.done.append("unwind")
        yield Step(LockState.UNWIND)

    def adopt(self) -> bool:
        self.closed = self.held_by_hardware
        return self.held_by_hardware

    def remembered(self) -> Mapping[str, float]:
        return self.memory

    def recall(self, remembered: Mapping[str, float]) -> None:
        self.memory = dict(remembered)


def supervise(loops: list[ScriptedLoop], **needs: list[str]) -> Supervisor:
    """Return a supervisor of scripted loops on their clock."""
    return Supervisor({loop.name: loop for loop in loops}, needs, loops[0].clock)  # type: ignore[misc]
