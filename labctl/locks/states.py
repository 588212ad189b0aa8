"""The states of a lock, which may follow which, and how long each may last: one truth for all kinds of loop."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class LockState(StrEnum):
    """Where a loop is on its way to being locked. Only LOCKED and SUSPECT may carry data; "locked" is what the last
    looks showed, never that a servo is switched on."""

    OFF = "off"
    PRECHECK = "precheck"
    SCAN = "scan"
    FIT = "fit"
    APPROACH = "approach"
    ENGAGE = "engage"
    VERIFY = "verify"
    TIGHTEN = "tighten"
    LOCKED = "locked"
    SUSPECT = "suspect"
    HOLD = "hold"
    UNWIND = "unwind"
    RELOCK = "relock"
    STALLED = "stalled"
    FAULT = "fault"


ACQUIRING = frozenset(
    {
        LockState.PRECHECK,
        LockState.SCAN,
        LockState.FIT,
        LockState.APPROACH,
        LockState.ENGAGE,
        LockState.VERIFY,
        LockState.TIGHTEN,
    }
)
"""What an acquisition goes through."""

_ANYWHERE = frozenset({LockState.OFF, LockState.HOLD, LockState.FAULT})  # asked for, upstream gone, instrument gone
_LOST = frozenset({LockState.RELOCK, LockState.STALLED})

FOLLOWS: Mapping[LockState, frozenset[LockState]] = MappingProxyType(
    {
        # A loop found closed and holding is taken over without being opened.
        LockState.OFF: _ANYWHERE | ACQUIRING | {LockState.LOCKED, LockState.RELOCK},
        **{state: _ANYWHERE | _LOST | ACQUIRING | {LockState.LOCKED} for state in ACQUIRING},
        LockState.LOCKED: _ANYWHERE | _LOST | {LockState.SUSPECT, LockState.UNWIND},
        LockState.SUSPECT: _ANYWHERE | _LOST | {LockState.LOCKED},
        LockState.HOLD: _ANYWHERE | ACQUIRING | _LOST,
        LockState.UNWIND: _ANYWHERE | _LOST | {LockState.VERIFY, LockState.LOCKED},
        LockState.RELOCK: _ANYWHERE | _LOST | ACQUIRING,
        LockState.STALLED: _ANYWHERE | ACQUIRING | {LockState.RELOCK},
        LockState.FAULT: _ANYWHERE | ACQUIRING | {LockState.LOCKED, LockState.RELOCK},
    }
)
"""Which state may follow which; anything else is a fault of this program."""

LONGEST_S: Mapping[LockState, float] = MappingProxyType(
    {
        LockState.PRECHECK: 10.0,
        LockState.SCAN: 300.0,
        LockState.FIT: 10.0,
        LockState.APPROACH: 120.0,
        LockState.ENGAGE: 30.0,
        LockState.VERIFY: 30.0,
        LockState.TIGHTEN: 60.0,
        LockState.UNWIND: 60.0,
    }
)
"""How long a loop may stay in a state before the attempt has failed, in s of lab time: many times what it takes, for
slow lines and tables that run faster than real time."""


class Reach(StrEnum):
    """How far an acquisition looks: the rungs of the ladder that a lost lock climbs."""

    HERE = "here"  # close the loop again where it is, with the calibration that it has
    NEARBY = "nearby"  # look around the last good place
    EVERYWHERE = "everywhere"  # calibrate anew over the whole range


@dataclass(frozen=True)
class Step:
    """What an acquisition says as it goes: the state that it is in now, and how long it wants to wait, in s."""

    state: LockState
    wait_s: float = 0.0


Acquisition = Generator[Step, None, None]
"""An acquisition in steps: it acts, says where it is, and is called again when its wait is over. It ends with the loop
closed at full gain, or raises `LockError`."""
