"""What all commands of a simulated Red Pitaya share: line ends, refusals, the board behind the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labctl.simulation.scpi import Call, ScpiInstrument, on
from labctl.simulation.scpi_syntax import ScpiError, read_boolean, read_number
from labctl.simulation.wire import Timebase

OUT_OF_RANGE, PIN_IS_INPUT, NO_SUCH_PIN, NOT_SUPPORTED = 6, 9, 10, 24
"""Numbers of the board's own errors; the queue shows them as 9500 and the number."""
_NO_SUCH_CHANNEL = 0
_FATAL = 9500
_REASONS = {
    _NO_SUCH_CHANNEL: "Invalid channel number",
    OUT_OF_RANGE: "Value out of range.",
    PIN_IS_INPUT: "Writing to an input pin is not valid.",
    NO_SUCH_PIN: "Invalid pin number.",
    NOT_SUPPORTED: "Command not supported.",
}


@dataclass(frozen=True)
class Variant:
    """What distinguishes two boards with the same server."""

    board: str
    inputs: int
    outputs: int


VARIANTS: Mapping[str, Variant] = {
    "125-14": Variant("STEMlab 125-14 v1.1", inputs=2, outputs=2),
    "4-input": Variant("STEMlab 125-14 4-Input v1.3", inputs=4, outputs=0),
}


class RedPitayaServer(ScpiInstrument):
    """The SCPI server without the commands of inputs, outputs and pins.

    Commands end in CR LF and in nothing else. A query that fails is not answered, or by an empty line after
    `RP:RET_ON_ERROR ON`, which belongs to the board and not to the connection.
    """

    command_end = b"\r\n"
    reply_end = b"\r\n"
    error_format = '{code},"{text}"'
    own_to_connection: tuple[str, ...] = (
        *("_outgoing", "_partly_read", "_input", "_overrun", "_held"),
        *("status", "_complete_wanted"),
    )

    def __init__(self, timebase: Timebase, variant: Variant, identity: str) -> None:
        super().__init__(timebase)
        self.variant = variant
        self.identity = identity

    def on_disconnect(self) -> None:
        """Forget what belongs to the connection: replies and errors."""
        super().on_disconnect()
        self.status.forget_errors()

    def refusal(self, header: str, number: int, failed: str) -> ScpiError:
        """Return the error of a command whose work on the board `failed`, for the reason `number`."""
        return ScpiError(_FATAL + number, f"*{header} {failed}: {_REASONS[number]}")

    def channel(self, call: Call, header: str, count: int) -> int:
        """Return the channel that `call` names; raises ScpiError outside 1 to `count`."""
        number = call.suffixes[0]
        if not 1 <= number <= count:
            raise ScpiError(_FATAL + _NO_SUCH_CHANNEL, f"*{header} {_REASONS[_NO_SUCH_CHANNEL]}")
        return number

    def word(self, text: str, header: str, choices: tuple[str, ...]) -> str:
        """Return the one of `choices` that `text` is, in any case; queues two errors as the server does otherwise."""
        word = text.upper()
        if word not in choices:
            self.push_error(-109, f"*{header} Missing first parameter.")
            raise ScpiError(-224)
        return word

    def integer(self, text: str, header: str) -> int:
        """Return the whole number that `text` is; queues two errors as the server does otherwise."""
        value = read_number(text)
        if not value.is_integer() or abs(value) >= 2**32:
            self.push_error(-109, f"*{header} Missing first parameter.")
            raise ScpiError(-104)
        return int(value)

    @on("SYSTem:BRD:Name?")
    def _board_name(self, call: Call) -> str:
        return self.variant.board

    @on("RP:RET_ON_ERROR", arguments=1)
    def _set_ret_on_error(self, call: Call) -> None:
        self.failed_query_reply = b"" if read_boolean(call.arguments[0]) else None


def to_single(value: float) -> float:
    """Return `value` as the board keeps it, in single precision."""
    return float(np.float32(value))


def single(value: float) -> str:
    """Return a number as the server writes it, in single precision with six digits."""
    return f"{np.float32(value):g}"
