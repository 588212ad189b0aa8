"""Newport (New Focus) 8742 open-loop picomotor controller, alone or as the master of an RS-485 chain.

Source: 8742 user manual (command set, error messages, chain) and datasheet DS-111201 (one motor at a time).
"""

from __future__ import annotations

import logging
import operator
import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from drivers.base import Driver, DriverChannel, Identity
from drivers.errors import BadReply, NoReply, Refused, WrongInstrument
from drivers.moves import Move
from drivers.newport.error_queue_8742 import ErrorEntry, read_entry
from drivers.newport.moves_8742 import moves_of

log = logging.getLogger(__name__)

ADDRESSES = range(1, 32)
AXES = (1, 2, 3, 4)
INT32 = (-(2**31), 2**31 - 1)

_DEEPEST_ERROR_QUEUE = 10

_TELNET_TRIPLE = re.compile("\xff[\xfb-\xfe].", re.DOTALL)
_CUT_TELNET_TRIPLE = re.compile("\xff[\xfb-\xfe]\\Z")
_MOST_CUTS = 8
_ADDRESS = re.compile(r"\s*(\d+)>")
_IDENTITY_REPLY = re.compile(r"\s*(\S+)\s+(\S+)\s+v(\S+)\s+(\d+/\d+/\d+)\s+(?:SN)?(\S+)\s*")


class MotorType(IntEnum):
    """What the controller believes to be connected to an axis."""

    NONE = 0
    UNKNOWN = 1
    TINY = 2
    STANDARD = 3


def strict_integer(value: Any, bounds: Sequence[int]) -> int:
    """Return `value` as an int; raises ValueError where it is no integer (2.5 steps are never 2) or out of bounds."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{value!r} is not an integer") from None
    return int(strict_range(number, bounds))


def motion_flag(text: str) -> bool:
    """Return whether `MD?` says that a motor moves: "0" moving, "1" standing."""
    if text not in ("0", "1"):
        raise ValueError(f"neither 0 nor 1: {text!r}")
    return text == "0"


def motor_type(text: str) -> MotorType:
    """Return the motor type that `QM?` says."""
    return MotorType(int(text))


# Scalars are cast whole (maxsplit=0): a stray comma is an error and not a list.


class PicomotorAxis(DriverChannel):
    """One motor. It is open loop: a position is a count of steps, and real steps are unequal."""

    placeholder = "axis"

    target_position = Instrument.control(
        "{axis}PA?",
        "{axis}PA%d",
        """Control the target position in steps from home (integer, strictly from -2147483648 to 2147483647).

        Setting it starts a move; the move ends when `is_moving` is False. Raises `Refused` while any motor of the
        controller moves.
        """,
        validator=strict_integer,
        values=INT32,
        maxsplit=0,
        cast=int,
        check_set_errors=True,
    )
    position = Instrument.measurement(
        "{axis}TP?",
        """Get the position in steps from home (integer): steps sent so far, not a measured angle.""",
        maxsplit=0,
        cast=int,
    )
    home = Instrument.control(
        "{axis}DH?",
        "{axis}DH%d",
        """Control the zero of the count: the present position is this many steps (strictly -2147483648 to 2147483647).

        Setting it moves nothing. A power cycle sets it to 0.
        """,
        validator=strict_integer,
        values=INT32,
        maxsplit=0,
        cast=int,
        check_set_errors=True,
    )
    velocity = Instrument.control(
        "{axis}VA?",
        "{axis}VA%d",
        """Control the velocity of later moves in steps/s (integer, strictly from 1 to 2000; a Tiny motor: 1750).""",
        validator=strict_integer,
        values=(1, 2000),
        maxsplit=0,
        cast=int,
        check_set_errors=True,
    )
    acceleration = Instrument.control(
        "{axis}AC?",
        "{axis}AC%d",
        """Control the acceleration of later moves in steps/s^2 (integer, strictly from 1 to 200000).""",
        validator=strict_integer,
        values=(1, 200_000),
        maxsplit=0,
        cast=int,
        check_set_errors=True,
    )
    is_moving = Instrument.measurement(
        "{axis}MD?",
        """Get whether the motor is moving (bool).""",
        maxsplit=0,
        cast=motion_flag,
    )
    motor_type = Instrument.control(
        "{axis}QM?",
        "{axis}QM%d",
        """Control the stored motor type (`MotorType`, strictly 0 to 3); reading it checks nothing on the motor.""",
        validator=strict_discrete_set,
        values=tuple(MotorType),
        maxsplit=0,
        cast=motor_type,
        check_set_errors=True,
    )

    def move_by(self, steps: int) -> None:
        """Start a move by `steps` (integer, the sign is the direction) and return at once; `is_moving` tells its end.

        Raises `Refused` while any motor of the controller moves, or where no motor is connected.
        """
        self._command(f"{{axis}}PR{strict_integer(steps, INT32):d}")

    def stop(self) -> None:
        """Stop the motor with its deceleration."""
        self._command("{axis}ST")

    def _command(self, command: str) -> None:
        with self.parent._transaction:
            self.write(command)
            self.check_set_errors()


class PicomotorController(DriverChannel):
    """One controller of the chain with its four `axes`, 1 to 4. Only one of its motors moves at a time."""

    axes = Instrument.MultiChannelCreator(PicomotorAxis, AXES, prefix="axis_")

    def __init__(self, parent: Newport8742, id: int, is_master: bool) -> None:  # noqa: A002 (pymeasure's name)
        self._transaction = parent._transaction
        self._prefix = "" if is_master else f"{id}>"
        self._last_command = ""
        super().__init__(parent, id)

    @property
    def is_moving(self) -> bool:
        """Get whether any motor of the controller is moving (bool)."""
        return any(axis.is_moving for axis in self.axes.values())

    def insert_id(self, command: str) -> str:
        """Return the command as it goes on the wire: slaves are spoken to by address."""
        return f"{self._prefix}{command}"

    def write(self, command: str, **kwargs: Any) -> None:
        """Write one command to this controller."""
        with self._transaction:
            self._last_command = self.insert_id(command)
            super().write(command, **kwargs)

    def read_identity(self) -> Identity:
        """Return who answers at this address; raises `BadReply` where it is no 8742-like identity."""
        reply = self.ask("*IDN?")
        fields = _IDENTITY_REPLY.fullmatch(reply)
        if fields is None:
            raise self._bad_reply("did not identify itself", "*IDN?", reply)
        maker, model, version, date, serial = fields.groups()
        return Identity(maker, model, serial, f"{version} {date}")

    def start_motor_check(self) -> None:
        """Start to look which motors are connected; each takes one step back and forth. `is_moving` tells the end."""
        with self._transaction:
            self.write("MC")
            self.check_set_errors()

    def stop(self) -> None:
        """Stop the moving motor with its deceleration."""
        with self._transaction:
            self.write("ST")
            self.check_set_errors()

    def check_errors(self) -> list[ErrorEntry]:
        """Read the error queue until it is empty and return what was in it, in the order of reading."""
        errors: list[ErrorEntry] = []
        with self._transaction:
            for _ in range(_DEEPEST_ERROR_QUEUE + 1):
                reply = self.ask("TB?")
                try:
                    entry = read_entry(reply)
                except ValueError:
                    raise self._bad_reply("expected an error code", "TB?", reply) from None
                if entry is None:
                    return errors
                errors.append(entry)
        raise self._bad_reply("reports errors without end", "TB?", reply, "Switch it off and on.")

    def check_set_errors(self) -> list[ErrorEntry]:
        """Raise `Refused` with the axis and the text of every error in the queue; sets are silent otherwise."""
        command = self._last_command
        errors = self.check_errors()
        if errors:
            raise Refused(
                self.parent.name,
                f"controller {self.id} refused: {'; '.join(str(error) for error in errors)}",
                command=command,
                remedy=" ".join(dict.fromkeys(error.remedy for error in errors if error.remedy)),
            )
        return errors

    def _bad_reply(self, message: str, command: str, reply: str, remedy: str = "") -> BadReply:
        return BadReply(self.parent.name, message, command=self.insert_id(command), reply=reply, remedy=remedy)


class Newport8742(Driver):
    """A chain of picomotor controllers behind one link, usually TCP port 23: `controllers[address].axes[1..4]`.

    `chain` lists the addresses of the controllers; the first is the master, the one that the link goes to. Call
    `initialise` before the first move.
    """

    controllers: dict[int, PicomotorController]
    tells_late_replies_apart = True
    moving_settings = frozenset({"target_position", "home"})

    def __init__(self, adapter: Any, name: str = "Newport 8742", *, chain: Sequence[int] = (1,), **kwargs: Any) -> None:
        if not chain or len(set(chain)) != len(chain) or not set(chain) <= set(ADDRESSES):
            raise ValueError(f"chain must list different addresses from 1 to 31, not {chain!r}")
        kwargs.setdefault("write_termination", "\r")
        # Replies end in CR LF; telnet bytes are no text, so every byte is let through and judged in `read`.
        kwargs.setdefault("read_termination", "\n")
        kwargs.setdefault("encoding", "latin-1")
        super().__init__(adapter, name, **kwargs)
        self._master = int(chain[0])
        for address in chain:
            self.add_child(
                PicomotorController,
                int(address),
                collection="controllers",
                prefix="controller_",
                is_master=address == self._master,
            )

    found_controllers = Instrument.measurement(
        "SC?",
        """Get the addresses that the last scan of the chain found once each (tuple of integers from 1 to 31).""",
        maxsplit=0,
        cast=int,
        get_process=lambda mask: tuple(address for address in ADDRESSES if mask >> address & 1),
    )
    has_address_conflict = Instrument.measurement(
        "SC?",
        """Get whether two controllers of the chain had one address in its last scan (bool).""",
        maxsplit=0,
        cast=int,
        get_process=lambda mask: bool(mask & 1),
    )

    @property
    def is_moving(self) -> bool:
        """Get whether any motor of the chain is moving (bool)."""
        return any(controller.is_moving for controller in self.controllers.values())

    def initialise(self) -> None:
        """Empty every error queue, and make sure that every controller of the chain answers. Nothing moves.

        Raises `NoReply` where an address of the chain is silent, `WrongInstrument` where something else answers.
        """
        for controller in self.controllers.values():
            try:
                for error in controller.check_errors():
                    log.warning("%s: controller %d had an old error: %s", self.name, controller.id, error)
                identity = controller.read_identity()
            except NoReply as silence:
                raise NoReply(
                    self.name,
                    f"controller {controller.id} did not answer in time",
                    command=silence.command,
                    remedy="Check its power, the RS-485 cable and its address.",
                ) from silence
            if "8742" not in identity.model:
                raise WrongInstrument(self.name, f"expected an 8742 at address {controller.id}, found {identity}")

    def moves(self, command: str) -> Sequence[Move]:
        """Return what a command would move: motors to positions or by steps, their zeros."""
        return moves_of(command, self._master)

    def read_identity(self) -> Identity:
        """Return who the master is."""
        return self.controllers[self._master].read_identity()

    def stop(self) -> None:
        """Stop every motor with its deceleration."""
        self._tell_all("ST")

    def abort_motion(self) -> None:
        """Stop every motor at once, without deceleration."""
        self._tell_all("AB")

    def safe_state(self) -> None:
        """Stop every motor; mirrors stay where they are."""
        self.stop()

    def check_errors(self) -> list[ErrorEntry]:
        """Read the error queues of all controllers until they are empty and return what was in them."""
        return [error for controller in self.controllers.values() for error in controller.check_errors()]

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Write one command and return its reply without address; raises `BadReply` if another controller answers."""
        with self.transaction(command):
            reply = super().ask(command, query_delay)
            asked, _ = _split_address(command)
            answered, text = _split_address(reply)
            if (answered or self._master) != (asked or self._master):
                self._out_of_step = True
                raise BadReply(self.name, "another controller answered", command=command, reply=reply)
        return text

    def read(self, **kwargs: Any) -> str:
        """Read one reply line; telnet negotiation is dropped wherever it stands, and never waited for."""
        with self.transaction():
            line = str(super().read(**kwargs))
            for _ in range(_MOST_CUTS):
                if not _CUT_TELNET_TRIPLE.search(line):
                    break
                line += "\n" + str(super().read(**kwargs))  # the third byte of a triple happened to be LF
            text = _TELNET_TRIPLE.sub("", line).rstrip("\r\n")
            if not text.isascii():
                self._out_of_step = True
                raise BadReply(self.name, "answered bytes that are no text", command=self._command_in_hand, reply=line)
        return text

    def _ask_for_mark(self) -> None:
        self._seek_mark("*IDN?", lambda reply: _IDENTITY_REPLY.fullmatch(reply) is not None)

    def _tell_all(self, command: str) -> None:
        with self._transaction:
            for controller in self.controllers.values():
                controller.write(command)
            for controller in self.controllers.values():
                controller.check_set_errors()


def _split_address(text: str) -> tuple[int | None, str]:
    address = _ADDRESS.match(text)
    return (int(address[1]), text[address.end() :]) if address else (None, text)
