"""What every kind of loop offers to those who supervise it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from labctl.locks.scan_look import ScanLook
from labctl.locks.states import Acquisition, Reach


@dataclass(frozen=True)
class Reading:
    """One look at the signals of a loop.

    `error` is the distance from the lock point in the loop's own unit, and `witness` the light that shows the lock over
    that at lock: 1 where it holds. Either is nan where the loop has no such signal; lab time in s.
    """

    at: float
    error: float
    witness: float


@dataclass(frozen=True)
class ActuatorState:
    """One look at what a loop moves: output and its limits in V, and whether the loop is closed."""

    at: float
    closed: bool
    output_v: float
    low_v: float
    high_v: float
    at_limit: bool = False
    overloaded: bool = False

    @property
    def margin(self) -> float:
        """Distance from the nearer rail over half the range: 1 in the middle, 0 at a rail."""
        half = 0.5 * (self.high_v - self.low_v)
        return min(self.high_v - self.output_v, self.output_v - self.low_v) / half


@dataclass(frozen=True)
class Tolerance:
    """What a good lock looks like.

    A single reading is bad beyond `largest_error` or below `least_witness`; the mean and rms of a window are bad beyond
    `mean` and `rms`. Errors in the unit of the loop.
    """

    largest_error: float
    mean: float
    rms: float
    least_witness: float


@dataclass(frozen=True)
class Verdict:
    """Whether a loop is locked, and one sentence why not. `residual` is the rms error in the unit of the loop."""

    locked: bool
    reason: str = ""
    residual: float = math.nan


@dataclass(frozen=True)
class Capabilities:
    """What the back-end of a loop can do.

    `holds_alone`: the servo is hardware and holds when this program is gone. `unwinds`: another lock point one period
    away is as good. `steps_itself`: `Loop.step` must be called for the loop to hold.
    """

    holds_alone: bool
    unwinds: bool
    steps_itself: bool = False


class Loop(Protocol):
    """One loop: how it is acquired, looked at, held and let go. Nothing here waits longer than a ramp of the servo."""

    name: str
    unit: str  # of the error: "rad" or "linewidths"
    tolerance: Tolerance
    capabilities: Capabilities
    scan_look: ScanLook | None  # the last scan with its fit; None before the first

    @property
    def period_v(self) -> float:
        """Output from one lock point to the next that is as good, in V; inf where there is none."""
        ...

    def acquisition(self, reach: Reach) -> Acquisition:
        """Return the steps to a closed loop. They raise `LockError` where there is nothing to lock on."""
        ...

    def read(self) -> Reading:
        """Look at the signals once. Raises `LabError` where an instrument does not answer."""
        ...

    def confirm(self) -> Verdict:
        """Look closer at a loop whose readings are bad; one on its point with less light is locked and remembers the
        light. Takes some tenths of a second at most."""
        ...

    def actuator(self) -> ActuatorState:
        """Look at the output once; on a serial servo this costs some ten milliseconds."""
        ...

    def step(self) -> None:
        """Do one step of a loop that this program closes itself; nothing for one in hardware."""
        ...

    def hold(self) -> None:
        """Open the loop where it is."""
        ...

    def coast(self, output_v: float) -> None:
        """Move the output of a loop that is held."""
        ...

    def release(self) -> None:
        """Open the loop and let its output go to rest."""
        ...

    def unwinding(self, output_v: float) -> Acquisition:
        """Return the steps to the equivalent lock point nearest to the middle of the range, from `output_v`."""
        ...

    def adopt(self) -> bool:
        """Take over a loop that is closed as this program closes it, without opening it; False where it is not."""
        ...

    def remembered(self) -> Mapping[str, float]:
        """Return what a later start needs to take the loop over, and when it was found (`at`); empty before the first
        acquisition."""
        ...

    def recall(self, remembered: Mapping[str, float]) -> None:
        """Take up what `remembered` gave."""
        ...
