"""What all commands of a simulated Red Pitaya share: line ends, refusals, releases, the board behind the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.instruments.redpitaya_releases import Release, first_release, release_of
from labctl.simulation.scpi import Call, Handler, Reply, ScpiInstrument, on
from labctl.simulation.scpi_commands import ArgumentCount
from labctl.simulation.scpi_syntax import ScpiError, Unterminated, definite_block, read_boolean, read_number
from labctl.simulation.wire import Timebase

CANNOT_MAP, OUT_OF_RANGE, LED_IS_OUTPUT, PIN_IS_INPUT, NO_SUCH_PIN = 4, 6, 7, 9, 10
INVALID_VALUE, NO_SUCH_FEATURE, NOT_NORMALISED, NOT_SUPPORTED = 15, 16, 17, 24
UNKNOWN = -1
"""Numbers of the board's own errors; the queue shows them as 9500 and the number."""
_NO_SUCH_CHANNEL = 0
_FATAL = 9500
_REASONS = {
    UNKNOWN: "Unknown error",
    _NO_SUCH_CHANNEL: "Invalid channel number",
    CANNOT_MAP: "Failed to map memory device.",
    OUT_OF_RANGE: "Value out of range.",
    LED_IS_OUTPUT: "LED input direction is not valid.",
    PIN_IS_INPUT: "Writing to an input pin is not valid.",
    NO_SUCH_PIN: "Invalid pin number.",
    INVALID_VALUE: "Invalid parameter value",
    NO_SUCH_FEATURE: "Unsupported Feature",
    NOT_NORMALISED: "Data not normalized",
    NOT_SUPPORTED: "Command not supported.",
}
_UNDEFINED_HEADER = -113
LONGEST_COMMAND_BYTES = 512 * 1024
BYTE_ORDERS: Mapping[str, str] = {"BEND": ">", "LEND": "<"}

WriteNumbers = Callable[[NDArray[Any], str, Callable[[object], str]], Reply]


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
    `RP:RET_ON_ERROR ON`, which belongs to the board and not to the connection; one with an unknown header is never
    answered, since nothing takes care of it. Commands that came with a later release than `firmware` ("2.07-51") are
    unknown. Units of data belong to the board, format and byte order to the connection. Binary blocks are followed by
    CR LF only with `crlf_after_block`.
    """

    command_end = b"\r\n"
    reply_end = b"\r\n"
    error_format = '{code},"{text}"'
    longest_command = LONGEST_COMMAND_BYTES
    own_to_connection: tuple[str, ...] = (
        *("_outgoing", "_partly_read", "_input", "_overrun", "_held"),
        *("status", "_complete_wanted", "data_format", "byte_order"),
    )

    def __init__(
        self, timebase: Timebase, variant: Variant, build_date: str, firmware: str, crlf_after_block: bool
    ) -> None:
        self.variant = variant
        self._release: Release = release_of(firmware)
        self._patterns: list[str] = []
        self._returns_on_error = False
        self._crlf_after_block = crlf_after_block
        super().__init__(timebase)
        self.identity = f"REDPITAYA,INSTR,{build_date},{firmware}"
        self.data_units = "VOLTS"
        self.deep_units = "VOLTS"
        self.data_format = "ASCII"
        self.byte_order = "BEND"

    def register(self, pattern: str, handler: Handler, *, arguments: ArgumentCount = 0) -> None:
        """Let `handler` answer `pattern`, if this release knows it."""
        if first_release(pattern, self.variant.inputs) <= self._release:
            self._patterns.append(pattern)
            super().register(pattern, handler, arguments=arguments)

    def push_error(self, code: int, text: str | None = None) -> None:
        """Queue an error; it also decides what a query that fails by it is answered."""
        super().push_error(code, text)
        self.failed_query_reply = b"" if self._returns_on_error and code != _UNDEFINED_HEADER else None

    def on_disconnect(self) -> None:
        """Forget what belongs to the connection: replies, errors, format and byte order of data."""
        super().on_disconnect()
        self.status.forget_errors()
        self.data_format = "ASCII"
        self.byte_order = "BEND"

    def refusal(self, header: str, number: int, failed: str) -> ScpiError:
        """Return the error of a command whose work on the board `failed`, for the reason `number`."""
        return ScpiError(_FATAL + number, f"*{header} {failed}: {_REASONS[number]}")

    def channel(self, call: Call, header: str, count: int) -> int:
        """Return the channel that `call` names; raises ScpiError outside 1 to `count`."""
        number = call.suffixes[0]
        if not 1 <= number <= count:
            raise ScpiError(_FATAL + _NO_SUCH_CHANNEL, f"*{header} {_REASONS[_NO_SUCH_CHANNEL]}")
        return number

    def fast_input(self, call: Call, header: str) -> int:
        """Return the fast input that `call` names; raises ScpiError where the board has none of that number."""
        return self.channel(call, header, self.variant.inputs)

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

    def natural(self, text: str, header: str) -> int:
        """Return the whole number from 0 on that `text` is."""
        value = self.integer(text, header)
        if value < 0:
            raise ScpiError(-104)
        return value

    def writer_of_numbers(self) -> WriteNumbers:
        """Return what makes a reply of an array in the form of the connection as it is now: text, or a block of the
        kind (numpy, without byte order)."""
        is_text, order = self.data_format == "ASCII", BYTE_ORDERS[self.byte_order]

        def write(values: NDArray[Any], kind: str, text: Callable[[object], str]) -> Reply:
            if is_text:
                return "{" + ",".join(map(text, values.tolist())) + "}"
            block = definite_block(values.astype(order + kind).tobytes())
            return block if self._crlf_after_block else Unterminated(block)

        return write

    @on("SYSTem:BRD:Name?")
    def _board_name(self, call: Call) -> str:
        return self.variant.board

    @on("SYSTem:Help?")
    def _help(self, call: Call) -> str:
        return "\n".join(pattern.replace("<n>", "#") for pattern in self._patterns)

    @on("RP:RET_ON_ERROR", arguments=1)
    def _set_ret_on_error(self, call: Call) -> None:
        self._returns_on_error = read_boolean(call.arguments[0])

    @on("RP:LOGmode", arguments=1)
    def _set_log_mode(self, call: Call) -> None:
        self.word(call.arguments[0], "RP:LOGmode", ("OFF", "CONSOLE", "SYSLOG"))


def to_single(value: float) -> float:
    """Return `value` as the board keeps it, in single precision."""
    return float(np.float32(value))


def single(value: float) -> str:
    """Return a number as the server writes it, in single precision with six digits."""
    return f"{np.float32(value):g}"
