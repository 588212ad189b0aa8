"""What all simulated SCPI instruments share: messages, headers, common commands, status and the error queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from labctl.simulation import scpi_syntax as syntax
from labctl.simulation.scpi_commands import Answer, ArgumentCount, Call, CommandTable, Handler, Later, Reply, marked, on
from labctl.simulation.scpi_status import OPERATION_COMPLETE, SERVICE_REQUEST, Status
from labctl.simulation.scpi_syntax import ERROR_TEXTS, NO_UNIT, ScpiError, Unterminated
from labctl.simulation.wire import Timebase, WireInstrument

__all__ = ["Answer", "Call", "Handler", "Later", "Reply", "ScpiInstrument", "on"]

_MOST_HELD = 256


class ScpiInstrument(WireInstrument):
    """Base of simulated SCPI instruments.

    Handlers are methods marked with `@on`, or closures given to `register` in `__init__`:

        @on(":ACQuire:DECimation", arguments=1)
        def _set_decimation(self, call: Call) -> None: ...
        @on(":ACQuire:SOURce<n>:DATA?")
        def _data(self, call: Call) -> str: ...

    A pattern ending in `?` is a query. Capitals are the short form (short and long form match in any case), `[...]` is
    optional, `<n>` an optional number, found in `call.suffixes`. The leading colon of a pattern says nothing.
    `;` chains commands, the path of one being that of the one before unless it starts with `:`; the replies of one
    message are joined by `;`. A number may follow its header without a space. Plain settings are one line each:
    `number`, `choice` and `switch` make setter and query. A method that overrides a marked one needs the mark again.

    A handler returns text or bytes (the terminator is added), `Unterminated` bytes, a `Later` (known when the host
    reads), or None for no reply. It raises `ScpiError(code[, text])` to refuse: the error is queued, and a failing
    *query* answers `failed_query_reply` (None: nothing at all, the host times out).

    What differs between makers is attributes:
    `command_end`: what ends a command; b"\\n" also takes CR LF, b"\\r\\n" insists on both.
    `reply_end`: what ends a reply. `reply_delay_s`: thinking time before it.
    `error_format`: one entry of the queue, from code and text. `error_texts`: texts by number.
    `longest_command`: more bytes than this without an end are dropped with error -363.

    Common commands: *IDN? (`identity`), *OPT? (`options`), *CLS, *ESR?, *ESE, *SRE, *STB?, *OPC, *OPC?, *WAI, *RST
    (`reset`), *TST?, SYSTem:ERRor[:NEXT]?, SYSTem:ERRor:COUNt?, SYSTem:VERSion?. Overlapped operations:
    `operation_ends_at` says when the pending one will be over; `*OPC?`, `*OPC` and `*WAI` follow it, also when it moves
    (an abort).
    """

    command_end: bytes = b"\n"
    reply_end: bytes = b"\n"
    error_format: str = '{code:+d},"{text}"'
    error_texts: Mapping[int, str] = ERROR_TEXTS
    error_queue_length: int = 30
    failed_query_reply: bytes | None = None
    reply_delay_s: float = 0.0
    longest_command: int = 1 << 16
    identity: str = ""
    options: str = ""

    def __init__(self, timebase: Timebase) -> None:
        super().__init__(timebase)
        self.status = Status(self.error_queue_length)
        self._endless_error: int | None = None
        self._complete_wanted = False
        self._input = bytearray()
        self._overrun = False
        self._held: deque[str] = deque()
        self._commands = CommandTable()
        for pattern, arguments, name in marked(type(self)):
            self.register(pattern, getattr(self, name), arguments=arguments)

    # ---- what an instrument may override ---------------------------------------------------------------------------

    def operation_ends_at(self) -> float:
        """Return when the pending overlapped operation ends, in s of lab time; any time past when none is pending."""
        return self.now()

    def operation_condition(self) -> int:
        """Return the operation condition register, which `*STB?` sums up in bit 7."""
        return 0

    def reset(self) -> None:
        """Go to the state of `*RST`."""

    # ---- registering -----------------------------------------------------------------------------------------------

    def register(self, pattern: str, handler: Handler, *, arguments: ArgumentCount = 0) -> None:
        """Let `handler` answer `pattern`, replacing what answered it before."""
        self._commands.add(pattern, handler, arguments)

    def number(
        self,
        pattern: str,
        get: Callable[[], float],
        set_: Callable[[float], None],
        *,
        minimum: float,
        maximum: float,
        default: float | None = None,
        units: Mapping[str, float] = NO_UNIT,
        form: Callable[[float], str] = "{:.12E}".format,
        clip: bool = True,
    ) -> None:
        """Add a numeric setting and its query (which also takes MIN, MAX, DEF).

        Out of range queues -222; the value is then clipped, or the setting left alone when `clip` is false.
        `form` writes the number of the query.
        """

        def read(text: str) -> float:
            return syntax.read_number(text, units, minimum=minimum, maximum=maximum, default=default)

        def write(call: Call) -> None:
            value = read(call.arguments[0])
            clipped = min(max(value, minimum), maximum)
            if value != clipped and not clip:
                raise ScpiError(-222)
            set_(clipped)
            if value != clipped:
                raise ScpiError(-222)

        def query(call: Call) -> str:
            if not call.arguments:
                return form(get())
            if call.arguments[0][:1].upper() not in ("M", "D"):
                raise ScpiError(-224)
            return form(read(call.arguments[0]))

        self.register(pattern, write, arguments=1)
        self.register(pattern + "?", query, arguments=(0, 1))

    def choice(self, pattern: str, get: Callable[[], str], set_: Callable[[str], None], choices: Sequence[str]) -> None:
        """Add a setting that is one of `choices` ("POSitive"); getter and setter deal in short forms ("POS")."""
        self.register(pattern, lambda call: set_(syntax.read_choice(call.arguments[0], choices)), arguments=1)
        self.register(pattern + "?", lambda call: get())

    def switch(self, pattern: str, get: Callable[[], bool], set_: Callable[[bool], None]) -> None:
        """Add an on/off setting; its query answers 0 or 1."""
        self.register(pattern, lambda call: set_(syntax.read_boolean(call.arguments[0])), arguments=1)
        self.register(pattern + "?", lambda call: str(int(get())))

    # ---- errors ----------------------------------------------------------------------------------------------------

    def push_error(self, code: int, text: str | None = None) -> None:
        """Queue an error; its text is that of `error_texts` unless given."""
        if text is None:
            text = self.error_texts.get(code) or ERROR_TEXTS.get(code, "Device-specific error")
        self.status.push_error(code, text)

    def flood_errors(self, code: int | None) -> None:
        """Answer `code` to every question for the next error from now on, a queue without end; None ends it."""
        self._endless_error = code

    # ---- bytes in --------------------------------------------------------------------------------------------------

    def on_bytes(self, data: bytes) -> None:
        """Take bytes; every complete command is executed, the rest waits for its end."""
        self._input += data
        while (end := self._input.find(self.command_end)) >= 0:
            line = bytes(self._input[:end])
            del self._input[: end + len(self.command_end)]
            if self._overrun:
                self._overrun = False
            elif end > self.longest_command:
                self.push_error(-363)
            else:
                self._take_line(line)
        if len(self._input) > self.longest_command:
            # What could still be half of the end is kept.
            del self._input[: len(self._input) - len(self.command_end) + 1]
            if not self._overrun:
                self.push_error(-363)
            self._overrun = True

    def on_disconnect(self) -> None:
        """Forget the half command, the held commands and the replies of the connection."""
        super().on_disconnect()
        self._input.clear()
        self._held.clear()
        self._overrun = False

    def ready_at(self) -> float | None:
        """Return when the next byte is there, running commands that `*WAI` held back once their time has come."""
        self._resume()
        ready = super().ready_at()
        return self.operation_ends_at() if ready is None and self._held else ready

    def take(self) -> bytes:
        """Return all bytes that are ready now, and forget them."""
        self._resume()
        return super().take()

    def _take_line(self, line: bytes) -> None:
        try:
            text = line.decode("ascii").strip()
        except UnicodeDecodeError:
            self.push_error(-101)
            return
        self._resume()
        if self._held:
            self._hold(text)
        elif text:
            self._execute(text)

    def _hold(self, text: str) -> None:
        if len(self._held) >= _MOST_HELD:
            self.push_error(-363)
        else:
            self._held.append(text)

    def _resume(self) -> None:
        while self._held and self.operation_ends_at() <= self.now():
            waiting, self._held = self._held, deque()
            while waiting and not self._held:  # until one of them waits again
                self._execute(waiting.popleft())
            self._held.extend(waiting)

    def _execute(self, text: str) -> None:
        answers: list[Reply | Later] = []
        path = ""
        units = list(syntax.split_outside_quotes(text, ";"))
        for index, unit in enumerate(units):
            if not unit.strip():
                continue
            if unit.strip().upper() == "*WAI" and self.operation_ends_at() > self.now():
                # What follows keeps its path: the first unit after the wait is spelled from the root.
                rest = [f":{path}" + u.strip() if _relative(u) else u for u in units[index + 1 :][:1]]
                self._held.appendleft(";".join(rest + units[index + 2 :]))
                break
            query = "?" in unit
            try:
                path, answer = self._commands.call(unit, path)
            except ScpiError as error:
                self.push_error(error.code, error.text)
                answer = self.failed_query_reply if query else None
            if answer is not None:
                answers.append(answer)
        self._answer(answers)

    # ---- bytes out -------------------------------------------------------------------------------------------------

    def _answer(self, answers: Sequence[Reply | Later]) -> None:
        for index, answer in enumerate(answers):
            last = index == len(answers) - 1
            if isinstance(answer, Later):
                self.send_when(answer.ready_at, partial(self._end_later, answer, last))
            else:
                self.send(self._end(answer, last), self.reply_delay_s)

    def _end_later(self, later: Later, last: bool) -> bytes:
        return self._end(later.data(), last)

    def _end(self, reply: Reply, last: bool) -> bytes:
        data = reply.encode("ascii") if isinstance(reply, str) else bytes(reply)
        if isinstance(reply, Unterminated):
            return data
        return data + (self.reply_end if last else b";")

    # ---- common commands -------------------------------------------------------------------------------------------

    @on("*IDN?")
    def _identify(self, call: Call) -> Answer:
        return self.identity

    @on("*OPT?")
    def _options(self, call: Call) -> Answer:
        return self.options

    @on("*CLS")
    def _clear_status(self, call: Call) -> None:
        self.status.forget_errors()
        self.status.take_events()
        self._complete_wanted = False

    @on("*RST")
    def _reset(self, call: Call) -> None:
        self._complete_wanted = False
        self.reset()

    @on("*TST?")
    def _self_test(self, call: Call) -> Answer:
        return "0"

    @on("*OPC")
    def _want_complete(self, call: Call) -> None:
        self._complete_wanted = True

    @on("*OPC?")
    def _complete(self, call: Call) -> Answer:
        return Later(self.operation_ends_at, lambda: "1")

    @on("*WAI")
    def _wait(self, call: Call) -> None:
        """Nothing is pending: where something is, the message is held before it comes here."""

    @on("*ESR?")
    def _take_event_status(self, call: Call) -> Answer:
        self._note_completion()
        return str(self.status.take_events())

    @on("*ESE", arguments=1)
    def _set_event_enable(self, call: Call) -> None:
        self.status.event_enable = _byte(call.arguments[0])

    @on("*ESE?")
    def _get_event_enable(self, call: Call) -> Answer:
        return str(self.status.event_enable)

    @on("*SRE", arguments=1)
    def _set_service_enable(self, call: Call) -> None:
        self.status.service_enable = _byte(call.arguments[0]) & ~SERVICE_REQUEST

    @on("*SRE?")
    def _get_service_enable(self, call: Call) -> Answer:
        return str(self.status.service_enable)

    @on("*STB?")
    def _status_byte(self, call: Call) -> Answer:
        self._note_completion()
        message = WireInstrument.ready_at(self) is not None
        return str(self.status.byte(message=message, operation=self.operation_condition() != 0))

    @on(":SYSTem:ERRor[:NEXT]?")
    def _next_error(self, call: Call) -> Answer:
        if self._endless_error is not None:
            self.push_error(self._endless_error)
        code, text = self.status.pop_error() or (0, ERROR_TEXTS[0])
        return self.error_format.format(code=code, text=text)

    @on(":SYSTem:ERRor:COUNt?")
    def _error_count(self, call: Call) -> Answer:
        return str(self.status.error_count)

    @on(":SYSTem:VERSion?")
    def _scpi_version(self, call: Call) -> Answer:
        return "1999.0"

    def _note_completion(self) -> None:
        if self._complete_wanted and self.operation_ends_at() <= self.now():
            self.status.raise_event(OPERATION_COMPLETE)
            self._complete_wanted = False


def _relative(unit: str) -> bool:
    return not unit.strip().startswith((":", "*")) and bool(unit.strip())


def _byte(text: str) -> int:
    value = round(syntax.read_number(text))
    if not 0 <= value <= 255:
        raise ScpiError(-222)
    return value
