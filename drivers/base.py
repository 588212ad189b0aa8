"""What every driver shares: whole transactions under one lock, strict casts, binary blocks by length, errors that
name the instrument."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pymeasure
import pyvisa
from numpy.typing import NDArray
from pymeasure.instruments import Instrument

from drivers.channel import DriverChannel
from drivers.errors import BadReply, ConnectionLost, InstrumentError, NoReply, Refused
from drivers.late_replies import SHORT_SILENCE_MS, Marks, falls_silent
from drivers.link import Link
from drivers.moves import Gate, Move
from drivers.transaction import Transaction

__all__ = ["Driver", "DriverChannel", "Identity"]

_WANTS_INCLUDE_SCPI = tuple(int(part) for part in pymeasure.__version__.split(".")[:2]) < (0, 17)
# pyvisa only warns of a reply with another end than agreed; here that is an error like any other.
warnings.filterwarnings("error", message="read string doesn't end with termination", category=UserWarning)
_LARGEST_BLOCK_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Identity:
    """Who answers behind an address, as the instrument itself says."""

    manufacturer: str
    model: str
    serial: str
    firmware: str

    def __str__(self) -> str:
        return ", ".join(part for part in (self.manufacturer, self.model, self.serial, self.firmware) if part)


class Driver(Instrument):  # type: ignore[misc]
    """Base of all drivers.

    A transaction (write, wait, read, error check) holds one lock, so that two threads never swap replies. A reply
    that cannot be cast raises `BadReply`; silence raises `NoReply`; a broken link raises `ConnectionLost`. After
    silence the input is drained before the next command, so that a late reply never answers another question. No
    input or output happens in `__init__`.

    Subclasses override `read_identity`, `check_errors` where the instrument has an error queue, and `_ask_for_mark`
    where replies do not say what they answer.
    """

    # pymeasure guards every attribute read for its dynamic properties, at half a microsecond each and sixty reads a
    # query; no driver here has such properties.
    __getattribute__ = object.__getattribute__

    adapter: Any
    exchanges: int
    last_error: tuple[float, str]

    tells_late_replies_apart: ClassVar[bool] = False
    """True where the protocol marks which question a reply answers, or the driver asks for a mark after silence."""

    moving_settings: ClassVar[frozenset[str]] = frozenset()
    """Names of properties, channels' too, that move light, heat, voltage or a stage: never put back behind anybody."""

    def __init__(self, adapter: Any, name: str, **kwargs: Any) -> None:
        self.__dict__["exchanges"] = 0  # with the instrument, since it was opened
        self.__dict__["last_error"] = (0.0, "")  # wall time (s since the epoch) and sentence; "" none yet
        self._transaction = threading.RLock()
        self._out_of_step = False
        self._reply_is_missing = False
        self._marks = Marks()
        self._command_in_hand = ""
        self._link = (adapter, dict(kwargs))
        self.on_setting: Callable[[str, Any], None] | None = None
        self._gate: Gate | None = None
        if isinstance(adapter, str):
            adapter, kwargs = Link(adapter, **kwargs), {}
        if _WANTS_INCLUDE_SCPI:
            kwargs.setdefault("includeSCPI", False)
        super().__init__(adapter, name, **kwargs)

    def initialise(self) -> None:
        """Bring the interface into a known state after opening; outputs are left as they are.

        The base has nothing to do.
        """

    def read_identity(self) -> Identity:
        """Return who answers, from the four comma fields of `*IDN?`.

        Raises `BadReply` when the reply has fewer than two fields.
        """
        reply = self.ask("*IDN?")
        fields = [field.strip() for field in reply.strip().split(",", 3)]
        if len(fields) < 2:
            raise BadReply(self.name, "did not identify itself", command="*IDN?", reply=reply)
        return Identity(*fields, *[""] * (4 - len(fields)))

    def transaction(self, command: str = "") -> Transaction:
        """Hold the instrument for one exchange and turn errors of the link into those of the family.

        Errors name `command`; a transaction without one belongs to that around it.
        """
        return Transaction(self, command)

    def _lose_step(self) -> None:
        """Note that the reply in hand may still come: the next exchange begins with the way back into step."""
        self._out_of_step = self._reply_is_missing = True

    def write(self, command: str, **kwargs: Any) -> None:
        """Write one command."""
        with self.transaction(command):
            super().write(command, **kwargs)

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Write one command and return its reply, as one transaction."""
        with self.transaction(command):
            self.write(command)
            self.wait_for(query_delay)
            return str(self.read())

    def values(
        self,
        command: str,
        separator: str = ",",
        cast: Callable[[str], Any] = float,
        preprocess_reply: Callable[[str], str] | None = None,
        maxsplit: int = -1,
        **kwargs: Any,
    ) -> list[Any]:
        """Write a command and return its reply as a list cast strictly.

        Raises `BadReply` where an element cannot be cast; a garbled number never becomes a string.
        """
        with self.transaction(command):
            reply = self.ask(command, **kwargs).strip()
            text = preprocess_reply(reply) if preprocess_reply else reply
            try:
                return [_cast(element, cast) for element in text.split(separator, maxsplit)]
            except (ValueError, TypeError) as error:
                kind = "a number" if cast in (float, int, bool) else cast.__name__
                raise BadReply(self.name, f"expected {kind}", command=command, reply=reply) from error

    def read_block(self, dtype: str, command: str = "") -> NDArray[Any]:
        """Read one IEEE 488.2 definite-length block and return it as a one-dimensional array of `dtype` (numpy, with
        byte order).

        Reads by length, never to a terminator, since the payload may contain one. What follows the block is left to
        the caller. Raises `BadReply` where the header is not that of a block or its length does not divide into
        elements.
        """
        with self.transaction(command):
            header = self.read_bytes(2)
            if len(header) != 2 or header[:1] != b"#" or not header[1:].isdigit() or header == b"#0":
                self._out_of_step = True
                raise BadReply(self.name, "expected a binary block", command=command, reply=header)
            digits = self.read_bytes(int(header[1:]))
            item = np.dtype(dtype).itemsize
            if not digits.isdigit() or int(digits) > _LARGEST_BLOCK_BYTES or int(digits) % item:
                self._out_of_step = True
                raise BadReply(self.name, "sent a block of impossible length", command=command, reply=header + digits)
            payload = self.read_bytes(int(digits))
        return np.frombuffer(payload, dtype=dtype)

    def is_question(self, command: str) -> bool:
        """Return whether a raw command only reads; by default one that ends in a question mark."""
        return command.rstrip().endswith("?")

    def moves(self, command: str) -> Sequence[Move]:
        """Return what a command would move, read from the text as it goes to the instrument, without its terminator.

        The base is an instrument that moves nothing. A driver whose instrument does overrides it; what it cannot
        account for, questions and settings of its own that move nothing aside, it says is an unknown move.
        """
        return ()

    def gate_with(self, gate: Gate | None) -> None:
        """Have `gate` asked before each command that moves something; None for nobody."""
        self._gate = gate
        if isinstance(self.adapter, Link):
            self.adapter.guard = None if gate is None else self._ask_gate

    def _ask_gate(self, command: str) -> None:
        if moves := self.moves(command):
            assert self._gate is not None
            self._gate.permit(self.name, command, moves)

    def check_errors(self) -> list[Any]:
        """Return the instrument's errors; the base has no error queue."""
        return []

    def __setattr__(self, name: str, value: Any) -> None:
        if name[0] == "_":  # no property of an instrument, and set twice in every exchange
            object.__setattr__(self, name, value)
            return
        # A property set is write and error check: both belong to one transaction.
        lock = self.__dict__.get("_transaction")
        if lock is None:
            super().__setattr__(name, value)
            return
        with lock:
            super().__setattr__(name, value)
            if isinstance(getattr(type(self), name, None), property):
                self.note_setting(name, value)

    def note_setting(self, path: str, value: Any) -> None:
        """Tell whoever keeps a ledger that the setting `path` ("sweep_points", "ch_1.target_temperature_c") was set."""
        if self.on_setting is not None:
            self.on_setting(path, value)

    def close(self) -> None:
        """Close the link; the instrument keeps its state."""
        with self._transaction:
            self.adapter.close()

    def reconnect(self) -> None:
        """Open the link again after it broke; nothing is sent. What the driver remembered of outputs is forgotten.

        Raises `ConnectionLost` when nobody is there.
        """
        address, keywords = self._link
        with self._transaction:
            with suppress(pyvisa.errors.Error, OSError):
                self.adapter.close()
            try:
                self.adapter = Link(address, **keywords)
                self.gate_with(self._gate)
            except (pyvisa.errors.Error, OSError) as error:
                raise ConnectionLost(
                    self.name, f"cannot be reached again at {address}", remedy="Check cable and power."
                ) from error
            self._out_of_step = self._reply_is_missing = False
            self._marks.forget()
            self.forget_outputs()
            if self._gate is not None:
                self._gate.doubt(self.name)

    def forget_outputs(self) -> None:
        """Forget outputs that cannot be read back: after a power cut they are not what they were. The base has none."""

    def _link_error(self, error: pyvisa.errors.VisaIOError, command: str) -> InstrumentError:
        if error.error_code == pyvisa.constants.StatusCode.error_timeout:
            return NoReply(
                self.name,
                "did not answer in time",
                command=command,
                remedy="Check that it is switched on and not busy, or raise its timeout.",
            )
        return ConnectionLost(
            self.name,
            f"the link broke ({error.abbreviation})",
            command=command,
            remedy="Check cable, power and address.",
        )

    def _drain(self) -> None:
        connection = self._connection()
        self._out_of_step = False
        if connection is None:
            return
        # The reply may be late, not lost: one more time-out is waited for it, then a short silence ends it.
        with self._timeout(SHORT_SILENCE_MS if self.tells_late_replies_apart else connection.timeout):
            if not falls_silent(connection):
                self._out_of_step = True
                raise BadReply(self.name, "does not stop talking", remedy="Switch it off and on.")
        if self._reply_is_missing:
            self._reply_is_missing = False
            self._ask_for_mark()

    def _ask_for_mark(self) -> None:
        """Call `_seek_mark` with a question whose answer cannot be taken for another; the base knows none."""

    def _seek_mark(self, command: str, is_mark: Callable[[str], bool], ask: Callable[[], None] | None = None) -> None:
        """Send `command` (by `ask`, by default `write`) and drop what comes before a reply that is the mark."""
        with self.transaction(command):
            came = self._marks.seek(ask or (lambda: self.write(command)), self._next_reply, is_mark)
            if not came:
                self._out_of_step = self._reply_is_missing = True
                raise NoReply(
                    self.name,
                    "answers late or not at all",
                    command=command,
                    remedy="Check that it is switched on and not busy, or raise its timeout.",
                )
        self._out_of_step = self._reply_is_missing = False

    def _next_reply(self, soon: bool) -> str | None:
        connection = self._connection()
        usual = 0.0 if connection is None else connection.timeout
        try:
            with self._timeout(SHORT_SILENCE_MS if soon else usual), self.transaction():
                return str(self.read())
        except Refused as refusal:
            return str(refusal.reply)  # late as well
        except NoReply:
            return None

    def _connection(self) -> Any:
        """Return the pyvisa resource, or None where a test stands in for it."""
        connection = getattr(self.adapter, "connection", None)
        return connection if isinstance(connection, pyvisa.resources.MessageBasedResource) else None

    @contextmanager
    def _timeout(self, milliseconds: float) -> Iterator[None]:
        connection = self._connection()
        if connection is None:
            yield
            return
        usual = connection.timeout
        connection.timeout = milliseconds
        try:
            yield
        finally:
            connection.timeout = usual


def _cast(element: str, cast: Callable[[str], Any]) -> Any:
    if cast in (int, float, bool) and "_" in element:  # which Python takes for a separator of digits
        raise ValueError(f"{element} is not a number")
    value = float(element) if cast is bool else cast(element)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{element} is not a finite number")
    return bool(value) if cast is bool else value
