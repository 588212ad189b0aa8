"""What a SIM960 says about itself: the bits of its registers and the meaning of its error codes.

From the SIM960 operation manual rev. 2.3, sections 3.4 (LEXE?, LCME?) and 3.5 (status model).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

NO_CHANGE: Final = 18  # execution error of a setting that the module already has


class ServoCondition(IntFlag):
    """Bits of the condition registers INCR and INSR."""

    NONE = 0
    OVERLOAD = 1
    UPPER_LIMIT = 2
    LOWER_LIMIT = 4
    ANTI_WINDUP = 8
    RAMP_STOPPED = 16


class StandardEvent(IntFlag):
    """Bits of the standard event register ESR."""

    NONE = 0
    OPERATION_COMPLETE = 1
    INPUT_LOST = 2
    REPLY_LOST = 4
    EXECUTION_ERROR = 16
    COMMAND_ERROR = 32
    BUTTON_PRESSED = 64
    POWER_ON = 128


class RampState(IntEnum):
    """What the ramp of the internal set point does."""

    IDLE = 0
    PENDING = 1
    RAMPING = 2
    PAUSED = 3


class Monitor(IntFlag):
    """Bits of the register ADSR: the monitors that have a new reading."""

    NONE = 0
    SETPOINT = 1
    MEASURED = 2
    ERROR = 4
    OUTPUT = 8


EXECUTION_ERRORS: Final = {
    1: "illegal value",
    2: "wrong token",
    3: "invalid bit",
    16: "invalid parameter",
    17: "missing parameter",
    18: "no change",
    20: "a ramp is in progress",
    21: "the limits conflict",
}
COMMAND_ERRORS: Final = {
    1: "illegal command",
    2: "undefined command",
    3: "illegal query",
    4: "illegal set",
    5: "missing parameter",
    6: "extra parameter",
    7: "null parameter",
    8: "parameter buffer overflow",
    9: "bad floating point number",
    10: "bad integer",
    11: "bad integer token",
    12: "bad token value",
    13: "bad hex block",
    14: "unknown token",
}


def ramp_state_code(text: str) -> RampState:
    """Return the state that `text` numbers; raises ValueError for anything else."""
    return RampState(int(text))
