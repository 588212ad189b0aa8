"""Red Pitaya STEMlab 125-14 and 125-14 4-Input through the SCPI server of the board (TCP port 5000)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from drivers.base import Driver, Identity
from drivers.errors import BadReply, InstrumentError, NoReply, Refused, WrongInstrument
from drivers.redpitaya.channels import (
    DIGITAL_PINS,
    SLOW_INPUTS,
    SLOW_OUTPUTS,
    DigitalPin,
    FastInput,
    FastOutput,
    SlowInput,
    SlowOutput,
    binary_digit,
    decimation_factor,
    on_off,
    on_or_off,
    one_of,
    whole_number,
)

BUFFER_SAMPLES = 16384
TRIGGER_AT_START = BUFFER_SAMPLES // 2
"""Trigger delay in samples that puts the trigger at the beginning of the record."""

_LINE_END = "\r\n"
_MOST_ERRORS = 64
_UNDEFINED_HEADER = -113
_BLOCK_TYPE = "<f4"
_FOUR_INPUTS = "4-Input"  # in the name of a board that has them
_EDGES = ("PE", "NE")


class RedPitaya(Driver):
    """What the boards have in common: acquisition, digital pins, slow analog pins.

    The server answers nothing at all (or, after `initialise`, an empty line) to a query that fails; the reason is in
    its error queue, which the driver then reads, so that such a query raises `Refused` with the reason. Settings are
    followed by a look into the queue as well. A server that is silent there too raises `NoReply`.

    Records are read in volts as float32 blocks, little-endian, because the server then applies the calibration of the
    board; with calibration in the FPGA it refuses raw codes. The byte order is set before every record, and a server
    that does not know that command (OS before 2.07-43) is refused, since its order could only be assumed.

    Source: Red Pitaya SCPI server and API sources, scpi-server and rp-api of the public repository.
    """

    slow_inputs = Instrument.MultiChannelCreator(SlowInput, SLOW_INPUTS, prefix="slow_")
    slow_outputs = Instrument.MultiChannelCreator(SlowOutput, SLOW_OUTPUTS, prefix="slow_")
    pins = Instrument.MultiChannelCreator(DigitalPin, DIGITAL_PINS, prefix="pin_")

    moving_settings = frozenset({"on", "level", "direction", "voltage"})

    fast_input_count = 0
    trigger_sources: tuple[str, ...] = ()

    decimation = Instrument.control(
        "ACQ:DEC:Factor?",
        "ACQ:DEC:Factor %d",
        """Control the decimation of 125 MS/s (int, 1, 2, 4, 8 or 16 to 65536).""",
        validator=decimation_factor,
        values=(1, 2, 4, 8, 16),
        cast=int,
        maxsplit=0,
        check_set_errors=True,
    )
    averaging = Instrument.control(
        "ACQ:AVG?",
        "ACQ:AVG %s",
        """Control whether the samples between two kept ones are averaged (bool); without, decimation aliases.""",
        validator=strict_discrete_set,
        values=(True, False),
        set_process=on_off,
        cast=on_or_off,
        maxsplit=0,
        check_set_errors=True,
    )
    sample_rate_hz = Instrument.measurement(
        "ACQ:SRATe?",
        """Get the sample rate in Hz (float), after decimation.""",
        preprocess_reply=lambda reply: reply.removesuffix("Hz"),
        maxsplit=0,
    )
    data_format = Instrument.control(
        "ACQ:DATA:FORMAT?",
        "ACQ:DATA:FORMAT %s",
        """Control the form of data replies (str, BIN or ASCII); of this connection only.""",
        validator=strict_discrete_set,
        values=("BIN", "ASCII"),
        cast=one_of("BIN", "ASCII"),
        maxsplit=0,
        check_set_errors=True,
    )
    data_units = Instrument.control(
        "ACQ:DATA:Units?",
        "ACQ:DATA:Units %s",
        """Control the unit of data replies (str, VOLTS or RAW); shared by all clients of the board.""",
        validator=strict_discrete_set,
        values=("VOLTS", "RAW"),
        cast=one_of("VOLTS", "RAW"),
        maxsplit=0,
        check_set_errors=True,
    )
    byte_order = Instrument.control(
        "ACQ:DATA:BYTE:ORDER?",
        "ACQ:DATA:BYTE:ORDER %s",
        """Control the byte order of binary data (str, LEND or BEND); of this connection, ACQ:RST leaves it.""",
        validator=strict_discrete_set,
        values=("LEND", "BEND"),
        cast=one_of("LEND", "BEND"),
        maxsplit=0,
        check_set_errors=True,
    )
    trigger_level = Instrument.control(
        "ACQ:TRig:LEV?",
        "ACQ:TRig:LEV %.12g",
        """Control the trigger level of all inputs in V (float strictly from -20 to 20, and within the gain).""",
        validator=strict_range,
        values=(-20.0, 20.0),
        maxsplit=0,
        check_set_errors=True,
    )
    trigger_delay = Instrument.control(
        "ACQ:TRig:DLY?",
        "ACQ:TRig:DLY %d",
        """Control the trigger delay in samples (int strictly from -8192 to 2^31 - 8193).

        The trigger is in the middle of the record at 0 and at its beginning at 8192.
        """,
        validator=whole_number,
        values=(-TRIGGER_AT_START, 2**31 - 1 - TRIGGER_AT_START),
        cast=int,
        maxsplit=0,
        check_set_errors=True,
    )
    trigger_status = Instrument.measurement(
        "ACQ:TRig:STAT?",
        """Get whether the acquisition has been triggered (str, TD) or waits for its trigger (str, WAIT).""",
        cast=one_of("TD", "WAIT"),
    )
    filled = Instrument.measurement(
        "ACQ:TRig:FILL?",
        """Get whether the buffer holds a complete record (int, 0 or 1).""",
        cast=binary_digit,
    )

    def __init__(self, adapter: Any, name: str = "Red Pitaya STEMlab", **kwargs: Any) -> None:
        self._sent = ""
        self._block_was_read = False
        kwargs.setdefault("read_termination", _LINE_END)
        kwargs.setdefault("write_termination", _LINE_END)
        super().__init__(adapter, name, **kwargs)

    # ---- identity and preparation ----------------------------------------------------------------------------------

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

    def initialise(self) -> None:
        """Clear old errors, ask for a reply to failing queries, and set form, unit and byte order of the data.

        Raises `WrongInstrument` when the board is not the one that this driver is for.
        """
        with self.transaction():
            self.write("*CLS")
            self.write("RP:RET_ON_ERROR ON")
            self._take_errors()  # an older server does not know it and stays silent instead: both are understood
            board = self.read_board_name()
            if board and self.fast_input_count and (_FOUR_INPUTS in board) != (self.fast_input_count == 4):
                raise WrongInstrument(
                    self.name,
                    f"the board does not have {self.fast_input_count} fast inputs",
                    command="SYST:BRD:Name?",
                    reply=board,
                    remedy="Name the driver of this board, or the address of the other.",
                )
            self._prepare_transfer()

    # ---- acquisition -----------------------------------------------------------------------------------------------

    def arm(self, decimation: int, trigger: str = "NOW", delay: int = TRIGGER_AT_START) -> None:
        """Start an acquisition that waits for `trigger`, one of `trigger_sources`, and return at once.

        The record of 16384 samples ends 8192 + `delay` samples after the trigger. What a record shows before the moment
        of arming is old data: with a smaller `delay` than 8192, let that many samples pass before the trigger.
        """
        source = strict_discrete_set(trigger, self.trigger_sources)
        with self.transaction():
            self.decimation = decimation
            self.trigger_delay = delay
            self.write("ACQ:START")
            self.write(f"ACQ:TRig {source}")  # after START, which forgets the trigger
            self.check_errors()

    def stop(self) -> None:
        """End the acquisition; the buffer keeps what it has."""
        with self.transaction():
            self.write("ACQ:STOP")
            self.check_errors()

    def is_triggered(self) -> bool:
        """Return whether the trigger has come since `arm`."""
        return bool(self.trigger_status == "TD")

    def is_filled(self) -> bool:
        """Return whether the record is complete."""
        return bool(self.filled)

    def read_records(self, channels: Sequence[int], samples: int = BUFFER_SAMPLES) -> NDArray[np.float64]:
        """Return the first `samples` samples of the record of the fast inputs `channels`, in V, oldest first.

        Shape (len(channels), samples); the rows are simultaneous. Raises `Refused` when the record is not complete,
        `BadReply` when a block has another length.
        """
        if not 1 <= samples <= BUFFER_SAMPLES:
            raise ValueError(f"A record has 1 to {BUFFER_SAMPLES} samples, not {samples}")
        for channel in channels:
            strict_discrete_set(channel, range(1, self.fast_input_count + 1))
        with self.transaction():
            if not self.is_filled():
                raise Refused(
                    self.name,
                    "has no complete record",
                    command="ACQ:TRig:FILL?",
                    reply="0",
                    remedy="Arm it, and wait until it is filled.",
                )
            self._prepare_transfer()
            records = np.empty((len(channels), samples))
            for row, channel in zip(records, channels, strict=True):
                row[:] = self._read_record(channel, samples)
        return records

    def _prepare_transfer(self) -> None:
        for setting in ("FORMAT BIN", "Units VOLTS", "BYTE:ORDER LEND"):
            self.write(f"ACQ:DATA:{setting}")
        self.check_errors()

    def _read_record(self, channel: int, samples: int) -> NDArray[np.float32]:
        command = f"ACQ:SOUR{channel:d}:DATA:Old:N? {samples:d}"
        try:
            with self.transaction(command):
                self.write(command)
                with self._no_termination():
                    record: NDArray[np.float32] = self.read_block(_BLOCK_TYPE, command)
        except (NoReply, BadReply) as failure:
            raise self._refusal(command, failure) from failure
        self._block_was_read = True
        self.check_errors()  # its reply also shows whether the server ends a block with CR LF, see `read`
        if record.size != samples:
            raise BadReply(
                self.name,
                f"sent {4 * record.size} bytes for {samples} samples of 4 bytes",
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
        remedy = "This board or its OS does not know the command: update the OS (2.07-43 or later)." if unknown else ""
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


def _trigger_sources(inputs: int, *others: str) -> tuple[str, ...]:
    edged = [*(f"CH{number}" for number in range(1, inputs + 1)), "EXT", *others]
    return ("DISABLED", "NOW", *(f"{source}_{edge}" for source in edged for edge in _EDGES))


class RedPitaya125_14(RedPitaya):  # noqa: N801  (as the maker writes it)
    """STEMlab 125-14: two fast inputs, two fast outputs."""

    inputs = Instrument.MultiChannelCreator(FastInput, (1, 2), prefix="input_")
    outputs = Instrument.MultiChannelCreator(FastOutput, (1, 2), prefix="output_")
    fast_input_count = 2
    trigger_sources = _trigger_sources(2, "AWG")

    def __init__(self, adapter: Any, name: str = "Red Pitaya STEMlab 125-14", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)

    def start_outputs(self) -> None:
        """Start both generators at the same sample."""
        with self.transaction():
            self.write("SOUR:TRig:INT")
            self.check_errors()


class RedPitaya4Input(RedPitaya):
    """STEMlab 125-14 4-Input: four fast inputs, no fast output."""

    inputs = Instrument.MultiChannelCreator(FastInput, (1, 2, 3, 4), prefix="input_")
    fast_input_count = 4
    trigger_sources = _trigger_sources(4)

    def __init__(self, adapter: Any, name: str = "Red Pitaya STEMlab 125-14 4-Input", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
