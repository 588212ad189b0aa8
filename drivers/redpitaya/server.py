"""The SCPI server of a Red Pitaya board (TCP port 5000): its lines, its errors, its blocks, who it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from drivers.base import Driver, Identity
from drivers.errors import BadReply, InstrumentError, NoReply, Refused
from drivers.redpitaya.properties import choice

LINE_END = "\r\n"
_MOST_ERRORS = 64
_UNDEFINED_HEADER = -113


class RedPitayaServer(Driver):
    """What every command needs: the server answers nothing at all (or, after `initialise`, an empty line) to a query
    that fails; the reason is in its error queue, which the driver then reads, so that such a query raises `Refused`
    with the reason. Settings are followed by a look into the queue as well. A server that is silent there too raises
    `NoReply`.

    Source: Red Pitaya SCPI server and API sources, scpi-server and rp-api of the public repository.
    """

    fast_input_count = 0
    tells_late_replies_apart = True

    data_format = choice(
        "ACQ:DATA:FORMAT",
        "Control the form of data replies (str, BIN or ASCII); of this connection only.",
        ("BIN", "ASCII"),
    )
    data_units = choice(
        "ACQ:DATA:Units",
        "Control the unit of data replies (str, VOLTS or RAW); shared by all clients of the board.",
        ("VOLTS", "RAW"),
    )
    byte_order = choice(
        "ACQ:DATA:BYTE:ORDER",
        "Control the byte order of binary data (str, LEND or BEND); of this connection, ACQ:RST leaves it.",
        ("LEND", "BEND"),
    )

    def __init__(self, adapter: Any, name: str = "Red Pitaya", **kwargs: Any) -> None:
        self._sent = ""
        self._block_was_read = False
        kwargs.setdefault("read_termination", LINE_END)
        kwargs.setdefault("write_termination", LINE_END)
        super().__init__(adapter, name, **kwargs)

    # ---- identity --------------------------------------------------------------------------------------------------

    def read_identity(self) -> Identity:
        """Return who answers; the model is REDPITAYA and the name of the board where the server tells it.

        `*IDN?` says REDPITAYA, a constant, the build date and the version, whatever the board is.
        """
        told = super().read_identity()
        if "REDPITAYA" not in told.manufacturer.upper():
            return told
        firmware = f"{told.firmware} ({told.serial})" if told.serial else told.firmware
        return Identity("Red Pitaya", f"REDPITAYA {self.read_board_name()}".strip(), "", firmware)

    def read_board_name(self) -> str:
        """Return the name of the board such as "STEMlab 125-14 v1.1", or "" from a server that does not tell it."""
        try:
            return self.ask("SYST:BRD:Name?").strip()
        except (Refused, NoReply):
            return ""

    def _ask_for_mark(self) -> None:
        self._seek_mark("*IDN?", lambda reply: reply.startswith("REDPITAYA"))

    # ---- blocks ----------------------------------------------------------------------------------------------------

    def read_samples(self, command: str, samples: int, dtype: str) -> NDArray[Any]:
        """Return the `samples` samples of `dtype` (numpy, with byte order) that the block after `command` holds.

        Raises `Refused` with the reason of the server, `BadReply` when the block has another length.
        """
        try:
            with self.transaction(command):
                self.write(command)
                with self._no_termination():
                    record = self.read_block(dtype, command)
        except (NoReply, BadReply) as failure:
            raise self._refusal(command, failure) from failure
        self._block_was_read = True
        self.check_errors()  # its reply also shows whether the server ends a block with CR LF, see `read`
        if record.size != samples:
            raise BadReply(
                self.name,
                f"sent {record.nbytes} bytes for {samples} samples of {record.itemsize} bytes",
                command=command,
                remedy="Close other clients of the board: they share its data units.",
            )
        return record

    @contextmanager
    def _no_termination(self) -> Iterator[None]:
        # With a termination character the link would stop at every such byte of a block.
        connection = self.adapter.connection
        termination = connection.read_termination
        connection.read_termination = None
        try:
            yield
        finally:
            connection.read_termination = termination

    # ---- replies and errors ----------------------------------------------------------------------------------------

    def write(self, command: str, **kwargs: Any) -> None:
        """Write one command."""
        with self.transaction(command):
            super().write(command, **kwargs)
            self._sent = command

    def read(self, **kwargs: Any) -> str:
        """Read one line; the CR LF that some servers send after a block is no line."""
        line = str(super().read(**kwargs))
        if self._block_was_read and not line.strip():
            line = str(super().read(**kwargs))
        self._block_was_read = False
        return line

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Write one query and return its reply; raises `Refused` with the reason where the server refuses it."""
        with self.transaction(command):
            try:
                reply = super().ask(command, query_delay)
            except NoReply as silence:
                raise self._refusal(command, silence) from silence
            if not reply.strip():
                raise self._refusal(command, BadReply(self.name, "sent an empty line", command=command, reply=reply))
            return reply

    def check_errors(self) -> list[Any]:
        """Return [] where the server has no error to report; raises `Refused` with all its errors otherwise."""
        with self.transaction():
            command = self._sent
            errors = self._take_errors()
        if errors:
            raise self._refused(command, errors)
        return []

    def demand(self, condition: bool, message: str, command: str, reply: str, remedy: str = "") -> None:
        """Raise `Refused` with what `command` was answered where `condition` is not so."""
        if not condition:
            remedy = remedy or "Arm it, and wait until it is filled."
            raise Refused(self.name, message, command=command, reply=reply, remedy=remedy)

    def _refusal(self, command: str, failure: InstrumentError) -> InstrumentError:
        """Return the error that says why `command` got no good reply: what the server has against it, or `failure`."""
        try:
            errors = self._take_errors()
        except NoReply:
            return NoReply(
                self.name,
                "did not answer, nor say why",
                command=command,
                remedy="Check that the SCPI server runs on the board: a web application stops it.",
            )
        return self._refused(command, errors) if errors else failure

    def _refused(self, command: str, errors: Sequence[tuple[int, str]]) -> Refused:
        reply = "; ".join(f"{code} {text}" for code, text in errors)
        unknown = any(code == _UNDEFINED_HEADER for code, _ in errors)
        remedy = "This board or its OS does not know the command: update the OS (2.07-43 or later)."
        if not unknown:
            remedy = "Check the value and the state that the command needs."
        return Refused(self.name, "refused", command=command, reply=reply, remedy=remedy)

    def _take_errors(self) -> list[tuple[int, str]]:
        errors = []
        for _ in range(_MOST_ERRORS):
            reply = super().ask("SYST:ERR?")
            code, comma, text = reply.strip().partition(",")
            if not comma or not code.removeprefix("-").isdecimal():
                raise BadReply(self.name, "expected an error number and text", command="SYST:ERR?", reply=reply)
            if int(code) == 0:
                break
            errors.append((int(code), text.strip('"')))
        return errors
