"""What every SCPI driver shares: the error queue, blocks with their line feed, and getting back into step."""

from __future__ import annotations

import re
from typing import Any, Final

import pyvisa
from numpy.typing import NDArray

from drivers.base import Driver
from drivers.errors import BadReply, Refused

_IDENTITY_COMMAS: Final = 3
_LARGEST_MARK: Final = 255  # of the event enable register
_MOST_LATE_REPLIES: Final = 100
_MOST_ERRORS: Final = 50  # queues are shorter
_ERROR: Final = re.compile(r'\s*([+-]?\d+)\s*,\s*"?([^"]*)"?\s*')
_CLEARABLE: Final = (
    pyvisa.resources.USBInstrument,
    pyvisa.resources.GPIBInstrument,
    pyvisa.resources.TCPIPInstrument,  # VXI-11 and HiSLIP; a socket is another class
)


class ScpiDriver(Driver):
    """Base of drivers for SCPI instruments; lines end in a line feed both ways.

    `next_error` and `check_errors` deal with the error queue; a property made by `drivers.scpi_properties` looks into
    it after every set. After silence or garbage the driver and the instrument are brought back into step before the
    next command, whatever the link.
    """

    tells_late_replies_apart = True

    def __init__(self, adapter: Any, name: str = "SCPI instrument", **kwargs: Any) -> None:
        kwargs.setdefault("read_termination", "\n")
        kwargs.setdefault("write_termination", "\n")
        super().__init__(adapter, name, **kwargs)
        self._last_command = ""
        self._resynchronisations = 0

    @property
    def next_error(self) -> tuple[int, str]:
        """Get the oldest error of the queue and remove it (tuple of int code and str text; code 0: none)."""
        reply = self.ask(":SYST:ERR?")
        match = _ERROR.fullmatch(reply)
        if match is None:
            raise BadReply(self.name, "expected an error number and text", command=":SYST:ERR?", reply=reply)
        return int(match[1]), match[2].strip()

    def check_errors(self, command: str = "") -> list[Any]:
        """Empty the error queue and return an empty list.

        Raises `Refused` with every code and text where there were any; `BadReply` where the queue has no end.
        """
        found: list[tuple[int, str]] = []
        with self.transaction(command):
            for _ in range(_MOST_ERRORS):
                code, text = self.next_error
                if code == 0:
                    break
                found.append((code, text))
            else:
                raise BadReply(
                    self.name,
                    f"reported {_MOST_ERRORS} errors and did not stop",
                    command=":SYST:ERR?",
                    reply=f"{code} {text}",
                    remedy="Switch it off and on.",
                )
        if found:
            reasons = "; ".join(f"{code} {text}" for code, text in found)
            raise Refused(
                self.name,
                f"refused: {reasons}",
                command=command or self._last_command,
                remedy="Read the setting back: out-of-range values are clipped, others stay as they were.",
            )
        return []

    def write(self, command: str, **kwargs: Any) -> None:
        """Write one command; what is no query is remembered for the message of a refusal."""
        with self.transaction(command):
            if "?" not in command:
                self._last_command = command
            super().write(command, **kwargs)

    def ask_block(self, command: str, dtype: str) -> NDArray[Any]:
        """Write one query and return the block that answers it, as a one-dimensional array of `dtype` (numpy, with
        byte order).

        Raises `BadReply` where the reply is no block that a line feed ends.
        """
        with self.transaction(command):
            self.write(command)
            values = self.read_block(dtype, command)
            end = self.read_bytes(1)
            if end != b"\n":
                self._out_of_step = True
                raise BadReply(self.name, "did not end its block with a line feed", command=command, reply=end)
        return values

    def _drain(self) -> None:
        """Get back into step after silence or garbage: by device clear where the link has one, else by asking."""
        connection = getattr(self.adapter, "connection", None)
        if isinstance(connection, _CLEARABLE):
            self._out_of_step = False
            try:
                connection.clear()
            except pyvisa.errors.VisaIOError as error:
                if error.error_code != pyvisa.constants.StatusCode.error_nonsupported_operation:
                    raise
            else:
                return
        else:
            super()._drain()
        self._ask_until_in_step()

    def _ask_until_in_step(self) -> None:
        """Ask what nobody else gets the answer of, and drop what comes before that answer: it is late.

        A raw socket has no device clear, and a reply may still be on its way after the line has gone quiet. The
        question is identity and a new number, by way of the event enable register.
        """
        self._resynchronisations = self._resynchronisations % _LARGEST_MARK + 1
        command = f"*ESE {self._resynchronisations};*IDN?;*ESE?"
        with self.transaction(command):
            self.write(command)
            for _ in range(_MOST_LATE_REPLIES):
                reply = str(self.read())
                if reply.count(",") >= _IDENTITY_COMMAS and reply.endswith(f";{self._resynchronisations}"):
                    return
            self._out_of_step = True
            raise BadReply(self.name, "did not come back into step", command=command, reply=reply)
