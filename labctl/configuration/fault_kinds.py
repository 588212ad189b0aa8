"""The faults that a simulated instrument can have: what each does on the wire, who can have it, and what comes of it.

This is the one place where they are described: station files, the command line and the simulated table take kinds and
instruments from here, and `labctl faults` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from labctl.configuration.faults import choices
from labctl.configuration.instrument_kinds import DriverName
from labctl.errors import BadReply, ConnectionLost, LabError, LockError, NoReply, Refused, WrongInstrument


class FaultKind(StrEnum):
    """What goes wrong: first faults of the wire, which every instrument can have, then those of the device."""

    MISSING = "missing"
    SILENT = "silent"
    GARBAGE = "garbage"
    WRONG_MODEL = "wrong_model"
    LATE = "late"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    DROPPED = "dropped"
    POWER_CYCLE = "power_cycle"
    BAD_CRC = "bad_crc"
    BUSY = "busy"
    STUCK_MOTOR = "stuck_motor"
    RAILED_OUTPUT = "railed_output"
    OPEN_SENSOR = "open_sensor"
    ERROR_FLOOD = "error_flood"
    SLOW_SWEEP = "slow_sweep"


class Recovery(StrEnum):
    """How the table comes back from a fault."""

    RETRIED = "retried"  # the driver or the step tries again over the same link
    RECONNECTED = "reconnected"  # the link is opened again first, and settings are compared with what was asked
    REPORTED = "reported"  # tries fail until a person has removed the cause


EVERY_DRIVER: frozenset[DriverName] = frozenset(get_args(DriverName))


@dataclass(frozen=True, slots=True)
class FaultDescription:
    """One kind of fault.

    `errors` are what an operation that needs the instrument ends in while the fault lasts, the usual one first;
    `unnoticed` where it can also seem to succeed. `response` says what driver and station do, `afterwards` what is
    left when the fault is over. `of_channel` where one motor, servo or sensor of several can have it alone.
    """

    on_the_wire: str
    errors: tuple[type[LabError], ...]
    recovery: Recovery
    response: str
    afterwards: str
    drivers: frozenset[DriverName] = EVERY_DRIVER
    unnoticed: bool = False
    of_channel: bool = False

    @property
    def outcome(self) -> str:
        """The errors by name."""
        named = [error.__name__ for error in self.errors]
        return choices([*named, "nothing that is noticed"] if self.unnoticed else named)


_BACK_IN_STEP = "The driver gets back into step before its next command; the step is repeated while it has retries."
_UNTIL_MENDED = "The step fails, and so do its retries until the cause is gone."
_HEARD = "What it was told meanwhile was done."

FAULTS: Mapping[FaultKind, FaultDescription] = {
    FaultKind.MISSING: FaultDescription(
        "nobody is at the address, from the start and for ever",
        (ConnectionLost,),
        Recovery.REPORTED,
        "The station does not open; the instrument is named with its address, beside all others that failed.",
        "Nothing was moved.",
    ),
    FaultKind.SILENT: FaultDescription(
        "it takes commands and never replies",
        (NoReply,),
        Recovery.RETRIED,
        f"The time-out ends the wait. {_BACK_IN_STEP}",
        _HEARD,
    ),
    FaultKind.GARBAGE: FaultDescription(
        "random bytes come in place of every reply",
        (BadReply, NoReply),
        Recovery.RETRIED,
        f"Nothing of it is taken for a number. {_BACK_IN_STEP}",
        _HEARD,
    ),
    FaultKind.WRONG_MODEL: FaultDescription(
        "another instrument hears every command and answers every question with its own name",
        (WrongInstrument, BadReply, NoReply),
        Recovery.REPORTED,
        "A station does not open, and says which model was expected and which was found. In the midst of a run the "
        "replies fit no question, and the other model is not taken for the right one.",
        "The right instrument heard nothing; it is as it was.",
    ),
    FaultKind.LATE: FaultDescription(
        "every reply comes 7 s later, after any time-out of the shipped station file",
        (NoReply,),
        Recovery.RETRIED,
        "What comes late is dropped before the next command; a temperature controller of Meerstetter numbers its "
        f"answers, and the right one is taken if a repeated question finds it. {_BACK_IN_STEP}",
        _HEARD,
        unnoticed=True,
    ),
    FaultKind.TRUNCATED: FaultDescription(
        "the second half of what comes out is lost",
        (NoReply, BadReply),
        Recovery.RETRIED,
        f"Half a reply is no reply. {_BACK_IN_STEP}",
        _HEARD,
    ),
    FaultKind.CORRUPT: FaultDescription(
        "one bit of what comes out is flipped",
        (BadReply, NoReply, Refused),
        Recovery.RETRIED,
        "A checksum always finds it; without one a digit can become another, which nobody notices while it is in "
        f"range. {_BACK_IN_STEP}",
        _HEARD,
        unnoticed=True,
    ),
    FaultKind.DROPPED: FaultDescription(
        "the link breaks, and cannot be opened until the fault is over",
        (ConnectionLost,),
        Recovery.RECONNECTED,
        "Everything fails at once. Before a retry of the step the link is opened again, with pauses that grow to a "
        "minute.",
        "The instrument has kept its settings.",
    ),
    FaultKind.POWER_CYCLE: FaultDescription(
        "as dropped, for 2 s at least, and the instrument comes back as it wakes up",
        (ConnectionLost,),
        Recovery.RECONNECTED,
        "As dropped. Settings that move nothing are put back; those that move light, heat or high voltage are told.",
        "Outputs are as after power-on until the steps bring them up again in order.",
    ),
    FaultKind.BAD_CRC: FaultDescription(
        "the checksum of every reply is wrong",
        (BadReply,),
        Recovery.RETRIED,
        "The driver asks twice more under the same number. Then the step fails and is repeated while it has retries.",
        f"{_HEARD} A command that was repeated was done each time.",
        drivers=frozenset({"meerstetter-tec"}),
    ),
    FaultKind.BUSY: FaultDescription(
        "it answers that it is busy; a laser, that its tuning is not over",
        (Refused, BadReply),
        Recovery.RETRIED,
        "The driver asks a temperature controller twice more; a rotation mount is left alone; a laser is waited for, "
        "one minute. Then the step fails and is repeated while it has retries.",
        "What was refused was not done; the laser was tuned.",
        drivers=frozenset({"meerstetter-tec", "thorlabs-ell14", "santec-tsl570"}),
    ),
    FaultKind.STUCK_MOTOR: FaultDescription(
        "a motor takes no step: a picomotor never ends its motion, a rotation mount reports a mechanical time-out",
        (BadReply, Refused),
        Recovery.REPORTED,
        f"A picomotor is stopped after two minutes; a rotation mount is tried a second time. {_UNTIL_MENDED}",
        "The motor stands where it stood.",
        drivers=frozenset({"newport-8742", "thorlabs-ell14"}),
        of_channel=True,
    ),
    FaultKind.RAILED_OUTPUT: FaultDescription(
        "a servo says that its output stands at its upper limit; the plant does not feel it",
        (LockError,),
        Recovery.REPORTED,
        "The lock is not believed: a trace taken under it is marked invalid, and the loop is locked again. "
        f"{_UNTIL_MENDED}",
        "The servo goes on from where it is.",
        drivers=frozenset({"srs-sim900"}),
        of_channel=True,
    ),
    FaultKind.OPEN_SENSOR: FaultDescription(
        "a sensor's cable breaks: a temperature controller switches its output off, a gauge says so in place of a "
        "pressure",
        (Refused, BadReply),
        Recovery.REPORTED,
        "A controller says why it does not regulate, or gives no temperature; a gauge is read without an error, as a "
        f"state and no pressure. {_UNTIL_MENDED}",
        "A gauge reads again. An output stays off until it is switched on; a controller of Meerstetter has to be reset "
        "first.",
        drivers=frozenset({"meerstetter-tec", "thorlabs-ted4015", "pfeiffer-tpg", "mks-937b"}),
        unnoticed=True,
        of_channel=True,
    ),
    FaultKind.ERROR_FLOOD: FaultDescription(
        "the error queue never comes to an end",
        (BadReply, Refused),
        Recovery.REPORTED,
        "After a setting the queue is read for as many entries as it could hold, and no longer; what only reads goes "
        f"on. {_UNTIL_MENDED}",
        f"{_HEARD} The queue is empty.",
        unnoticed=True,
        drivers=frozenset(
            {
                "keysight-x-series",
                "rohde-schwarz-fsv",
                "newport-8742",
                "redpitaya-4-input",
                "redpitaya-125-14",
                "santec-tsl570",
                "keysight-33500",
                "thorlabs-pm100",
                "thorlabs-ted4015",
            }
        ),
    ),
    FaultKind.SLOW_SWEEP: FaultDescription(
        "every sweep that starts takes ten times as long as the analyzer says",
        (BadReply,),
        Recovery.REPORTED,
        "A trace that is not complete is never read; one that is half a minute and a fifth of its time late is given "
        f"up. {_UNTIL_MENDED}",
        "The next sweep takes its time again.",
        drivers=frozenset({"keysight-x-series", "rohde-schwarz-fsv"}),
    ),
}


def kinds_of(driver: DriverName) -> tuple[FaultKind, ...]:
    """Return the faults that an instrument with this driver can have."""
    return tuple(kind for kind, description in FAULTS.items() if driver in description.drivers)
