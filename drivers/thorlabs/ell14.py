"""Thorlabs ELL14 rotation mounts (Elliptec), up to sixteen on one serial line.

The line is shared: rotators that end their motions in the same moment garble each other's answers, so move one at a
time where that matters. There is no safe state: a rotator that stands is safe, and a move ends by itself.
Source: open drivers that run on hardware, see `drivers.thorlabs.elliptec`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pyvisa

from drivers.base import Driver, Identity
from drivers.errors import BadReply, NoReply, Refused, WrongInstrument
from drivers.moves import Move
from drivers.thorlabs.ell14_rotator import Rotator
from drivers.thorlabs.elliptec import BUTTON_MESSAGES, Reply, RotatorStatus, parse_reply
from drivers.thorlabs.elliptec_moves import moves_of

log = logging.getLogger(__name__)

ADDRESSES = range(16)
ELL14_TYPE = 14
LONGEST_MOVE_S = 10.0
PAUSE_BETWEEN_MOVES_S = 0.1

_POLL_TIMEOUT_MS = 10
_LEFTOVER_TIMEOUT_MS = 50
_LONGEST_LINE = 64  # bytes; the longest packet has 35
_MOST_BYTES_AT_ONCE = 4096
_PACKETS_PER_REPLY = 16  # answers of motions and button messages may come before the reply
_QUESTIONS = ("in", "gs", "gp", "gv", "gj", "go", "i1", "i2")
_REPLY_OF = {"gp": "PO", "go": "HO"}  # every other query is answered with its own mnemonic


class ThorlabsELL14(Driver):
    """A line of ELL14 rotation mounts: `rotators[address]`, 0 to 15, which the box prints as 0 to F.

    Call `initialise` before the first move. Home every rotator after it was switched on.
    """

    rotators: dict[int, Rotator]

    def __init__(
        self, adapter: Any, name: str = "Thorlabs ELL14", *, addresses: Sequence[int] = (0,), **kwargs: Any
    ) -> None:
        if not addresses or len(set(addresses)) != len(addresses) or not set(addresses) <= set(ADDRESSES):
            raise ValueError(f"addresses must list different numbers from 0 to 15, not {addresses!r}")
        kwargs["asrl"] = {"baud_rate": 9600, **kwargs.get("asrl", {})}
        kwargs.setdefault("write_termination", "")
        kwargs.setdefault("read_termination", "\n")
        super().__init__(adapter, name, **kwargs)
        self._partial = b""  # a packet that has begun to arrive
        for address in addresses:
            self.add_child(Rotator, int(address), collection="rotators", prefix="rotator_")

    def initialise(self) -> None:
        """Clear old faults and read the scale of every rotator. Nothing moves.

        Raises `NoReply` where an address is silent, `WrongInstrument` where another device answers, `Refused` where
        one still moves.
        """
        for rotator in self.rotators.values():
            with self.transaction():
                try:
                    old = rotator.status
                except NoReply as silence:
                    raise NoReply(
                        self.name,
                        f"rotator {rotator.id:X} did not answer in time",
                        command=silence.command,
                        remedy="Check its supply, its cable and its address.",
                    ) from silence
                if old.is_fault:
                    log.warning("%s: rotator %X had an old fault: %s", self.name, rotator.id, old.text)
                type_number = rotator.read_info().type_number
            if type_number != ELL14_TYPE:
                raise WrongInstrument(
                    self.name,
                    f"expected an ELL14 at address {rotator.id:X}, found an ELL{type_number}",
                    command="in",
                    remedy="Check the addresses in the station file.",
                )

    def read_identity(self) -> Identity:
        """Return who the first rotator is: model "ELL14" for type 14."""
        info = next(iter(self.rotators.values())).info
        return Identity("Thorlabs", f"ELL{info.type_number}", info.serial, info.firmware)

    def is_question(self, command: str) -> bool:
        """Return whether a packet, with its address, only reads."""
        return command[1:] in _QUESTIONS

    def moves(self, command: str) -> Sequence[Move]:
        """Return what packets would move: angles of rotators in degrees, as long as their scales are known."""
        return moves_of(command, self._scale_of)

    def _scale_of(self, address: int) -> int | None:
        rotator = self.rotators.get(address)
        return None if rotator is None else rotator.known_pulses_per_revolution()

    def forget_outputs(self) -> None:
        """Forget motions, homes and scales: after a power cut a rotator does not know where it is."""
        self._partial = b""
        for rotator in self.rotators.values():
            rotator.forget()

    def check_errors(self) -> list[Any]:
        """Return an empty list; raises `Refused` with every fault latched in a rotator that stands, and clears them.

        Rotators in motion are left alone.
        """
        faults = []
        with self.transaction():
            for rotator in self.rotators.values():
                if not rotator.is_moving():
                    status = rotator.status
                    if status.is_fault:
                        faults.append((rotator.id, status))
        if faults:
            raise Refused(
                self.name,
                "reports " + "; ".join(f"rotator {address:X}: {status.text}" for address, status in faults),
                command="gs",
                remedy=" ".join(dict.fromkeys(status.remedy for _, status in faults if status.remedy)),
            )
        return []

    def is_moving(self) -> bool:
        """Return whether any rotator moves, see `Rotator.is_moving`."""
        moving = [rotator.is_moving() for rotator in self.rotators.values()]
        return any(moving)

    # ---- packets -----------------------------------------------------------------------------------------------------

    def write(self, command: str, **kwargs: Any) -> None:
        """Send one packet and wait for its acknowledgement; raises `Refused` where a fault comes instead."""
        with self.transaction(command):
            self._refuse_in_motion(command)
            self.send(command, **kwargs)
            self._await(command, "GS")

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Send one packet and return the digits of its reply; raises `Refused` where a fault comes instead."""
        with self.transaction(command):
            self._refuse_in_motion(command)
            self.send(command)
            self.wait_for(query_delay)
            return self._await(command, _REPLY_OF.get(command[1:3], command[1:3].upper()))

    def send(self, command: str, **kwargs: Any) -> None:
        """Send one packet and wait for nothing."""
        super().write(command, **kwargs)

    def read(self, **kwargs: Any) -> str:
        """Read one line, without its end."""
        with self.transaction():
            rest = str(super().read(**kwargs))
            begun, self._partial = self._partial, b""
            return begun.decode("ascii") + rest.rstrip("\r\n")

    def take_in(self, until: Callable[[], bool]) -> None:
        """Read what has arrived, for as long as bytes come and `until()` is False, and let answers end their motions.

        Raises `BadReply` for a line that is no packet.
        """
        with self.transaction(), self._timeout(_POLL_TIMEOUT_MS):
            for line in self._arrived(until):
                self._deliver(line)

    def expect_leftovers(self) -> None:
        """Clear the line before the next packet: what comes until then answers nothing that will be asked."""
        self._out_of_step = True

    def refusal(self, command: str, status: RotatorStatus, reply: Reply | None = None) -> Refused:
        """Return the error of a packet that was answered with `status`."""
        return Refused(
            self.name,
            f"rotator {command[:1]} did not do it: {status.text}",
            command=command,
            reply=None if reply is None else str(reply),
            remedy=status.remedy,
        )

    def _refuse_in_motion(self, command: str) -> None:
        rotator = self.rotators.get(int(command[:1], 16))
        if rotator is not None:
            rotator.refuse_in_motion(command[1:])

    def _await(self, command: str, mnemonic: str) -> str:
        """Return the digits of the reply to `command`, whatever else comes before it."""
        address, is_status_query = int(command[:1], 16), command[1:3] == "gs"
        for _ in range(_PACKETS_PER_REPLY):
            line = self.read()
            reply = self._deliver(line, command)
            if reply is None or reply.address != address:
                continue
            if reply.mnemonic == "GS" and not is_status_query and reply.status is not RotatorStatus.OK:
                if address in self.rotators:
                    self.rotators[address].remember_latched(reply.status)
                raise self.refusal(command, reply.status, reply)
            if reply.mnemonic == mnemonic:
                return reply.payload
        self._out_of_step = True
        raise BadReply(self.name, "talks without answering", command=command, reply=line)

    def _deliver(self, line: str, command: str = "") -> Reply | None:
        """Return the packet in `line`, or None where nobody asked for it or it ended a motion."""
        reply = parse_reply(line)
        if reply is None:
            self._out_of_step = True
            raise BadReply(self.name, "sent what is no packet", command=command, reply=line, remedy="Check the cable.")
        if reply.mnemonic in BUTTON_MESSAGES:
            log.info("%s: somebody is at the buttons of rotator %X", self.name, reply.address)
            return None
        rotator = self.rotators.get(reply.address)
        return None if rotator is not None and rotator.finish(reply) else reply

    def _arrived(self, until: Callable[[], bool]) -> Iterator[str]:
        """Yield the lines that have arrived, without their ends; what is incomplete is kept for the next time."""
        for _ in range(_MOST_BYTES_AT_ONCE):
            byte = b"" if until() else self._next_byte()
            if not byte:
                return
            self._partial += byte
            if byte == b"\n" or len(self._partial) > _LONGEST_LINE:
                line, self._partial = self._partial, b""
                yield line.decode("latin-1").rstrip("\r\n")

    def _next_byte(self) -> bytes:
        try:
            return bytes(self.read_bytes(1))
        except pyvisa.errors.VisaIOError as error:
            if error.error_code == pyvisa.constants.StatusCode.error_timeout:
                return b""
            raise

    def _drain(self) -> None:
        """Clear the line; what answers the motion of another rotator is not lost with the rest."""
        self._out_of_step = False
        if self._connection() is None:
            return
        with self._timeout(_LEFTOVER_TIMEOUT_MS), suppress(pyvisa.errors.VisaIOError):  # the command will say so
            for line in self._arrived(until=lambda: False):
                self._end_motion(line)
        self._partial = b""
        if self._reply_is_missing:
            if any(rotator.awaits_answer() for rotator in self.rotators.values()):
                self._out_of_step = True  # one in motion is not asked; its answer comes before that to the next mark
                return
            self._reply_is_missing = False
            self._ask_for_mark()

    def _ask_for_mark(self) -> None:
        command = f"{next(iter(self.rotators)):X}in"
        mark = f"{command[0]}IN"
        self._seek_mark(command, lambda line: line.startswith(mark), lambda: self.send(command))

    def _end_motion(self, line: str) -> None:
        reply = parse_reply(line)
        rotator = None if reply is None else self.rotators.get(reply.address)
        if reply is not None and rotator is not None:
            rotator.finish(reply)
