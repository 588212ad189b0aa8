"""What every driver shares: whole transactions under one lock, strict casts, binary blocks by length, errors that
name the instrument."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymeasure
import pyvisa
from numpy.typing import NDArray
from pymeasure.instruments import Channel, Instrument

from drivers.errors import BadReply, ConnectionLost, InstrumentError, NoReply

_WANTS_INCLUDE_SCPI = tuple(int(part) for part in pymeasure.__version__.split(".")[:2]) < (0, 17)
_LARGEST_BLOCK_BYTES = 256 * 2**20
_DRAIN_TIMEOUT_MS = 50
_MOST_DRAINED_BYTES = 2**20


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

    Subclasses override `read_identity`, and `check_errors` where the instrument has an error queue.
    """

    def __init__(self, adapter: Any, name: str, **kwargs: Any) -> None:
        self._transaction = threading.RLock()
        self._out_of_step = False
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

    @contextmanager
    def transaction(self, command: str = "") -> Iterator[None]:
        """Hold the instrument for one exchange and turn errors of the link into those of the family."""
        with self._transaction:
            try:
                if self._out_of_step:
                    self._drain()
                yield
            except pyvisa.errors.VisaIOError as error:
                self._out_of_step = True
                raise self._link_error(error, command) from error
            except (OSError, pyvisa.errors.InvalidSession) as error:
                self._out_of_step = True
                raise ConnectionLost(
                    self.name, f"the link broke ({error})", command=command, remedy="Check cable, power and address."
                ) from error
            except UnicodeDecodeError as error:
                self._out_of_step = True
                raise BadReply(
                    self.name,
                    "answered bytes that are no text",
                    command=command,
                    reply=error.object,
                    remedy="Check baud rate, cable and address.",
                ) from error
            except BaseException as error:
                if not isinstance(error, Exception):  # Ctrl-C: the reply may still be on its way
                    self._out_of_step = True
                raise

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

    def check_errors(self) -> list[Any]:
        """Return the instrument's errors; the base has no error queue."""
        return []

    def __setattr__(self, name: str, value: Any) -> None:
        # A property set is write and error check: both belong to one transaction.
        lock = self.__dict__.get("_transaction")
        if lock is None:
            super().__setattr__(name, value)
            return
        with lock:
            super().__setattr__(name, value)

    def close(self) -> None:
        """Close the link; the instrument keeps its state."""
        with self._transaction:
            self.adapter.close()

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
        connection = getattr(self.adapter, "connection", None)
        self._out_of_step = False
        if not isinstance(connection, pyvisa.resources.MessageBasedResource):
            return
        timeout = connection.timeout
        connection.timeout = _DRAIN_TIMEOUT_MS
        try:
            for _ in range(_MOST_DRAINED_BYTES):
                connection.read_bytes(1)
        except pyvisa.errors.VisaIOError:
            pass  # silence: nothing is left over
        finally:
            connection.timeout = timeout


class DriverChannel(Channel):  # type: ignore[misc]
    """Base of the channels of a driver: its transactions are those of the parent."""

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Write one command and return its reply, as one transaction of the parent."""
        return str(self.parent.ask(self.insert_id(command), query_delay))

    def values(self, command: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Write a command and return its reply as a list cast strictly, see `Driver.values`."""
        return list(self.parent.values(self.insert_id(command), *args, **kwargs))

    def __setattr__(self, name: str, value: Any) -> None:
        parent = self.__dict__.get("parent")
        if parent is None:
            super().__setattr__(name, value)
            return
        with parent._transaction:
            super().__setattr__(name, value)


def _cast(element: str, cast: Callable[[str], Any]) -> Any:
    if cast in (int, float, bool) and "_" in element:  # which Python takes for a separator of digits
        raise ValueError(f"{element} is not a number")
    value = float(element) if cast is bool else cast(element)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{element} is not a finite number")
    return bool(value) if cast is bool else value
