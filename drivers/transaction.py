"""One exchange with an instrument: it holds the instrument, and turns errors of the link into those of the family."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import pyvisa

from drivers.errors import BadReply, ConnectionLost, InstrumentError, LabError


class Transaction:
    """Context of one exchange of a `drivers.base.Driver`; errors name `command`, by default that of the one around it.

    A class and no generator: an exchange has four of these inside each other, and they are half of what a driver costs.
    """

    __slots__ = ("_command", "_driver", "_outer")

    def __init__(self, driver: Any, command: str) -> None:
        self._driver = driver
        self._command = command
        self._outer = ""

    def __enter__(self) -> None:
        driver = self._driver
        driver._transaction.acquire()
        state = driver.__dict__  # past the property lookup of pymeasure's attributes
        self._outer = state["_command_in_hand"]
        state["_command_in_hand"] = self._command = self._command or self._outer
        if state["_out_of_step"]:
            try:
                driver._drain()
            except BaseException as error:
                self.__exit__(type(error), error, error.__traceback__)
                raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        driver = self._driver
        state = driver.__dict__
        try:
            if error is not None:
                self._note(error)
                self._doubt(error)
                self._tell(error)
        except Exception as told:
            self._note(told)
            raise
        finally:
            state["_command_in_hand"] = self._outer
            state["exchanges"] += not self._outer
            driver._transaction.release()

    def _doubt(self, error: BaseException) -> None:
        """Tell the gate that nobody knows whether a command was done, unless the gate or a check kept it from going."""
        gate = self._driver.__dict__["_gate"]
        if gate is None:
            return
        sent = isinstance(error, InstrumentError | UnicodeDecodeError)
        if sent or not isinstance(error, LabError | ValueError):
            gate.doubt(self._driver.name)

    def _note(self, error: BaseException) -> None:
        """Keep the last error, for who looks after the instrument."""
        if isinstance(error, Exception):
            self._driver.__dict__["last_error"] = (time.time(), str(error))

    def _tell(self, error: BaseException) -> None:
        """Raise what an error of the link means; return for all others."""
        driver, command = self._driver, self._command
        if isinstance(error, pyvisa.errors.VisaIOError):
            driver._lose_step()
            raise driver._link_error(error, command) from error
        if isinstance(error, pyvisa.errors.InvalidSession):
            raise ConnectionLost(
                driver.name, "is not connected", command=command, remedy="Check cable, power and address."
            ) from error
        if isinstance(error, OSError):
            driver._lose_step()
            raise ConnectionLost(
                driver.name, f"the link broke ({error})", command=command, remedy="Check cable, power and address."
            ) from error
        if isinstance(error, UnicodeDecodeError):
            driver._lose_step()
            raise BadReply(
                driver.name,
                "answered bytes that are no text",
                command=command,
                reply=error.object,
                remedy="Check baud rate, cable and address.",
            ) from error
        if isinstance(error, UserWarning):
            driver._lose_step()
            raise BadReply(
                driver.name,
                f"sent a reply that ends wrongly ({error})",
                command=command,
                remedy="Check cable and baud rate.",
            ) from error
        # After nonsense more of it may follow; after Ctrl-C the reply may still be on its way.
        if isinstance(error, BadReply) or not isinstance(error, Exception):
            driver._lose_step()
