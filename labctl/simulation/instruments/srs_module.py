"""A small-instrument module as its serial port sees it: short buffers, tokens, terminators, status registers.

After the SIM960 manual rev. 2.3: sections 3.3 (buffers, device clear), 3.4.1 (syntax), 3.4.6 to 3.4.8 (common commands)
and 3.5 (status). Guesses, where the manual is silent: a line of 31 characters and its terminator already overflows; one
reply alone always leaves whole (`*IDN?` is longer than the output queue, and real modules send it), but the replies to
the questions of one line must fit into the queue together: what does not is lost and sets QYE; a line takes 2 ms.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from labctl.simulation.wire import BITS_PER_SERIAL_BYTE, Timebase

BAUD = 9600
BUFFER_BYTES = 32
PROCESSING_S = 2e-3
LONGEST_BACKLOG_BYTES = 256  # an echo that nobody reads is lost at some point

OPC, INP, QYE, EXE, CME, PON = 1, 2, 4, 16, 32, 128  # bits of the standard event register
OVR, DCAS = 16, 128  # bits of the communication error register

_COMMAND = re.compile(r"(\*[A-Z]{3}|[A-Z]{4})(\?)?\s*(.*)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]+")
_TERMINATIONS = {"NONE": b"", "CR": b"\r", "LF": b"\n", "CRLF": b"\r\n", "LFCR": b"\n\r"}


class CommandError(Exception):
    """The parser refuses; `code` is what LCME? answers."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ExecutionError(Exception):
    """The command was understood and cannot be done; `code` is what LEXE? answers."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


ILLEGAL_COMMAND, UNDEFINED_COMMAND, ILLEGAL_QUERY, ILLEGAL_SET, MISSING, EXTRA, NULL = 1, 2, 3, 4, 5, 6, 7
BAD_FLOAT, BAD_INTEGER, BAD_INTEGER_TOKEN, BAD_TOKEN_VALUE, UNKNOWN_TOKEN = 9, 10, 11, 12, 14
ILLEGAL_VALUE, WRONG_TOKEN, INVALID_BIT, NO_CHANGE, RAMP_IN_PROGRESS, LIMITS_CONFLICT = 1, 2, 3, 18, 20, 21


@dataclass(frozen=True)
class Command:
    """What a mnemonic does: `put` takes the parameters of the set form, `get` those of the query; None refuses."""

    put: Callable[[list[str]], None] | None = None
    get: Callable[[list[str]], str | None] | None = None


@dataclass(frozen=True)
class Tokens:
    """The keywords of a parameter and their numbers."""

    numbers: dict[str, int]

    def number(self, text: str) -> int:
        """Return the number of a keyword or of a spelled number."""
        if text in self.numbers:
            return self.numbers[text]
        if text[0].isalpha():
            if text in _KNOWN_WORDS:
                raise ExecutionError(WRONG_TOKEN)
            raise CommandError(UNKNOWN_TOKEN)
        if not _INTEGER.fullmatch(text):
            raise CommandError(BAD_INTEGER_TOKEN)
        if int(text) not in self.numbers.values():
            raise CommandError(BAD_TOKEN_VALUE)
        return int(text)

    def word(self, number: int) -> str:
        """Return the keyword of a number."""
        return next(word for word, value in self.numbers.items() if value == number)


OFF_ON = Tokens({"OFF": 0, "ON": 1})
TERMINATIONS = Tokens({word: number for number, word in enumerate(_TERMINATIONS)})
_KNOWN_WORDS = {"OFF", "ON", *_TERMINATIONS, "MAN", "PID", "INT", "EXT", "POS", "NEG", "STOP", "START"}


def one(parameters: list[str]) -> str:
    """Return the only parameter."""
    if len(parameters) != 1:
        raise CommandError(EXTRA if parameters else MISSING)
    return parameters[0]


def none(parameters: list[str]) -> None:
    """Refuse parameters."""
    if parameters:
        raise CommandError(EXTRA)


def integer(text: str) -> int:
    """Return the integer that `text` spells."""
    if not _INTEGER.fullmatch(text):
        raise CommandError(BAD_INTEGER)
    return int(text)


def selected(bits: int, parameters: list[str]) -> tuple[str, int]:
    """Return the answer to a register query, whole or of one bit, and the mask of the bits in it."""
    if not parameters:
        return str(bits), 255
    bit = integer(one(parameters))
    if not 0 <= bit <= 7:
        raise ExecutionError(INVALID_BIT)
    return str(bits >> bit & 1), 1 << bit


class SimulatedModule:
    """Serial port, parser and common commands of a module; subclasses add theirs to `commands`.

    `receive` takes bytes and acts on complete lines at once; what the module says leaves byte by byte, see `transmit`.
    """

    model = ""

    def __init__(self, timebase: Timebase, serial: str, firmware: str) -> None:
        self.timebase = timebase
        self.identity = f"Stanford_Research_Systems,{self.model},s/n{serial},ver{firmware}"
        self._input = bytearray()
        self._leaving: deque[tuple[float, int]] = deque()  # time at which the byte has left, byte
        self._deaf_until = 0.0
        self._execute_at = 0.0
        self._line_reply_bytes = 0
        self._standard_events = PON
        self._communication_errors = 0
        self._execution_error = 0
        self._command_error = 0
        self._termination = "CRLF"
        self._words = False
        self._echo = False
        self.commands: dict[str, Command] = {
            "*IDN": Command(get=self._plain(lambda: self.identity)),
            "*TST": Command(get=self._plain(lambda: "0")),
            "*OPC": Command(put=self._operation_complete, get=self._plain(lambda: "1")),
            "*CLS": Command(put=self._clear_status),
            "*ESR": Command(get=lambda bit: self.read_register("_standard_events", bit)),
            "CESR": Command(get=lambda bit: self.read_register("_communication_errors", bit)),
            "LEXE": Command(get=self._plain(lambda: self._last_error("_execution_error"))),
            "LCME": Command(get=self._plain(lambda: self._last_error("_command_error"))),
            "LBTN": Command(get=self._plain(lambda: "0")),
            "CONS": self.token("_echo", OFF_ON, bool),
            "TOKN": self.token("_words", OFF_ON, bool),
            "TERM": self.token("_termination", TERMINATIONS, TERMINATIONS.word, TERMINATIONS.number),
        }

    def now(self) -> float:
        """Return lab time in s."""
        return self.timebase.now()

    def receive(self, data: bytes, delay: float = 0.0) -> None:
        """Take bytes of which the last arrives `delay` s from now."""
        if self.now() < self._deaf_until:
            return
        self._execute_at = max(self.now() + delay, self._execute_at) + PROCESSING_S
        for byte in data:
            if self._echo:
                self._put(bytes([byte]), self.now() + delay)
            if len(self._input) + 1 >= BUFFER_BYTES:
                self._input.clear()
                self._leaving.clear()
                self._communication_errors |= OVR
                self._standard_events |= INP
            elif byte in b"\r\n":
                line, self._input = bytes(self._input), bytearray()
                self._execute_line(line.decode("latin-1"))
            else:
                self._input.append(byte)

    def transmit(self) -> bytes:
        """Return the bytes that have left since the last call."""
        data = bytearray()
        while self._leaving and self._leaving[0][0] <= self.now():
            data.append(self._leaving.popleft()[1])
        return bytes(data)

    def next_byte_at(self) -> float | None:
        """Return when the next byte has left, in s of lab time, or None where nothing is on its way."""
        return self._leaving[0][0] if self._leaving else None

    def device_clear(self, seconds: float = 0.0) -> None:
        """Reset the interface, as a break of `seconds` does; the module hears nothing meanwhile."""
        self._input.clear()
        self._leaving.clear()
        self._echo = False
        self._communication_errors |= DCAS
        self._deaf_until = self.now() + seconds

    def say(self, text: str, not_before: float = 0.0) -> None:
        """Queue a line for the host."""
        self._put(text.encode("latin-1") + _TERMINATIONS[self._termination], max(not_before, self._execute_at))

    def _reply(self, text: str) -> None:
        """Queue the reply to one question of a line, if the output queue still has room for it."""
        length = len(text) + len(_TERMINATIONS[self._termination])
        if self._line_reply_bytes and self._line_reply_bytes + length > BUFFER_BYTES:
            self._standard_events |= QYE
            return
        self._line_reply_bytes += length
        self.say(text)

    def token(
        self,
        attribute: str,
        tokens: Tokens,
        stored: Callable[[int], object] = int,
        number: Callable[..., int] = int,
    ) -> Command:
        """Return the command of a token that is kept in `attribute` as `stored(number)`."""

        def put(parameters: list[str]) -> None:
            setattr(self, attribute, stored(tokens.number(one(parameters))))

        def get(parameters: list[str]) -> str:
            none(parameters)
            return self.spell(tokens, number(getattr(self, attribute)))

        return Command(put, get)

    def spell(self, tokens: Tokens, number: int) -> str:
        """Return a token as the present token mode spells it."""
        return tokens.word(number) if self._words else str(number)

    def read_register(self, attribute: str, parameters: list[str]) -> str:
        """Return a register, or the bit that is asked for, and clear what was read."""
        bits: int = getattr(self, attribute)
        answer, mask = selected(bits, parameters)
        setattr(self, attribute, bits & ~mask)
        return answer

    def clear_events(self) -> None:
        """Clear the event registers of the model; `*CLS` calls this."""

    def _clear_status(self, parameters: list[str]) -> None:
        none(parameters)
        self._standard_events = self._communication_errors = 0
        self.clear_events()

    def _operation_complete(self, parameters: list[str]) -> None:
        none(parameters)
        self._standard_events |= OPC

    def _last_error(self, attribute: str) -> str:
        code: int = getattr(self, attribute)
        setattr(self, attribute, 0)
        return str(code)

    def _plain(self, answer: Callable[[], str]) -> Callable[[list[str]], str]:
        def get(parameters: list[str]) -> str:
            none(parameters)
            return answer()

        return get

    def _execute_line(self, line: str) -> None:
        for text in line.split(";"):
            if not text.strip():
                continue
            try:
                self._execute(text.strip().upper())
            except CommandError as error:
                self._command_error = error.code
                self._standard_events |= CME
            except ExecutionError as error:
                self._execution_error = error.code
                self._standard_events |= EXE
        self._line_reply_bytes = 0

    def _execute(self, text: str) -> None:
        parsed = _COMMAND.fullmatch(text)
        if parsed is None:
            raise CommandError(ILLEGAL_COMMAND)
        mnemonic, query, rest = parsed.groups()
        command = self.commands.get(mnemonic)
        if command is None:
            raise CommandError(UNDEFINED_COMMAND)
        parameters = [part.strip() for part in rest.split(",")] if rest else []
        if "" in parameters:
            raise CommandError(NULL)
        if query:
            if command.get is None:
                raise CommandError(ILLEGAL_QUERY)
            answer = command.get(parameters)
            if answer is not None:
                self._reply(answer)
        elif command.put is None:
            raise CommandError(ILLEGAL_SET)
        else:
            command.put(parameters)

    def _put(self, data: bytes, not_before: float) -> None:
        left_at = max(not_before, self._leaving[-1][0] if self._leaving else 0.0)
        for byte in data[: max(0, LONGEST_BACKLOG_BYTES - len(self._leaving))]:
            left_at += BITS_PER_SERIAL_BYTE / BAUD
            self._leaving.append((left_at, byte))
