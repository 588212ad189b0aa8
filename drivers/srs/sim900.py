"""SRS SIM900 mainframe: passes messages to the modules in its eight slots and hands back what they answer.

Wire protocol: SIM900 operation manual (message mode: SNDT, NINP?, RAWN?); checked against drivers that run on hardware.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from drivers.base import Driver, Identity
from drivers.errors import BadReply, ConnectionLost, InstrumentError, NoReply, WrongInstrument
from drivers.moves import Move
from drivers.srs.sim900_moves import moves_of
from drivers.srs.sim960 import SIM960

SLOTS: Final = range(1, 9)

_MODULE_BUFFER_BYTES = 32
_LONGEST_READ_BYTES = 64
_SENT_TO_MODULE = re.compile(r'SNDT ([1-8]),"')
_MODULE_IDENTITY = re.compile(r"(Stanford[_ ]Research[_ ]Systems),(SIM\w+),([^,\r\n]*),([^,\r\n]*)\s*$")
_READS_TO_RESYNCHRONISE = 8


def _slots_in_mask(mask: int) -> tuple[int, ...]:
    return tuple(slot for slot in SLOTS if mask >> slot & 1)


class SIM900(Driver):
    """SIM900 mainframe in message mode, with one `SIM960` per slot of `slots` in `modules`.

    Every exchange with a module is one transaction on the mainframe's link: send the message, ask how many bytes came
    back, read exactly those bytes, until the reply is whole. A module that fell out of step (silence, half a reply) is
    brought back into step before its next message, so that a late reply never answers another question.

    The link to a module is never switched through (CONN): all modules stay within reach, and a program that dies leaves
    nothing connected.

    Wire time at 9600 baud: 54 to 66 ms for a question to a module, about 80 ms for a checked setting.

    Parameters: `slots`, the slots that hold a SIM960 (a mapping counts by its keys); `escapes`, the strings that end a
    connection which another program may have left open; `polls`, how often a module's reply is looked for before it
    counts as silent (each look takes 12 ms of wire time at 9600 baud).
    """

    tells_late_replies_apart = True
    moving_settings = frozenset({"manual_output", "closed", "offset", "offset_on"})

    def __init__(
        self,
        adapter: Any,
        name: str = "SRS SIM900",
        *,
        slots: Iterable[int | str] = SLOTS,
        escapes: Iterable[str] = ("xyx", "xyz"),
        polls: int = 100,
        **kwargs: Any,
    ) -> None:
        kwargs["asrl"] = {"baud_rate": 9600, **kwargs.get("asrl", {})}
        kwargs.setdefault("read_termination", "\n")
        kwargs.setdefault("write_termination", "\n")
        super().__init__(adapter, name, **kwargs)
        self.modules: dict[int, SIM960] = {}
        self._escapes = tuple(escapes)
        self._polls = polls
        self._doubtful: set[int] = set()
        for slot in map(int, slots):
            if slot not in SLOTS:
                raise ValueError(f"{name} has slots 1 to 8, not {slot}")
            self.add_child(SIM960, slot, collection="modules", prefix="module_")

    slots_present = Driver.measurement(
        "CTCR?",
        "Get the slots in which a module sits (tuple of int from 1 to 8).",
        cast=int,
        maxsplit=0,
        get_process=_slots_in_mask,
    )

    def forget_outputs(self) -> None:
        """Forget the limits of the modules, which may have lost their supply."""
        for module in self.modules.values():
            module.forget_limits()

    def initialise(self) -> None:
        """Bring mainframe and modules into a known state of the interface; what a servo does is left alone.

        Ends a connection that another program left open, drops waiting bytes, and checks that each slot of `modules`
        holds a SIM960. Raises `WrongInstrument` for another model, `ConnectionLost` for an empty slot.
        """
        with self.transaction("initialise"):
            self._end_connection()
            identity = self.read_identity()
            if identity.model != "SIM900":
                raise WrongInstrument(
                    self.name,
                    "is not a SIM900, or another program left it connected to a module",
                    command="*IDN?",
                    reply=str(identity),
                    remedy="Check the address; switch the mainframe off and on, or name that program's escape string.",
                )
            self.write("FLSH")
            present = self.slots_present
            for slot, module in self.modules.items():
                if slot not in present:
                    raise ConnectionLost(
                        self.name,
                        f"has no module in slot {slot}",
                        command="CTCR?",
                        remedy="Seat the module, or correct the slots in the station file.",
                    )
                module.initialise()

    def moves(self, command: str) -> Sequence[Move]:
        """Return what a command would move: outputs and limits of modules in V, loops closed (1) or open (0)."""
        return moves_of(command, self._escapes)

    def read_identity(self) -> Identity:
        """Return the mainframe's identity, also where another program left it connected to a module."""
        with self.transaction("*IDN?"):
            try:
                identity = super().read_identity()
                if not identity.model.startswith("SIM") or identity.model == "SIM900":
                    return identity
            except (NoReply, BadReply):
                pass  # a connected module may be in the middle of a line: end the connection and ask again
            self._end_connection()
            return super().read_identity()

    def module_identity(self, port: int) -> Identity:
        """Return who sits in slot `port`; a module that does not answer is brought back into step."""
        with self.transaction():
            return self._resynchronise(port)

    def message(self, port: int, text: str) -> str:
        """Return the mainframe command that sends `text` to the module in slot `port`.

        Raises ValueError for text that would overflow the module's input buffer of 32 bytes, that cannot be quoted, or
        that resets the module: `*RST` closes the loop of a SIM960.
        """
        if port not in SLOTS:
            raise ValueError(f"{self.name} has slots 1 to 8, not {port}")
        if len(text) + 1 >= _MODULE_BUFFER_BYTES:
            raise ValueError(f"a line to a module has at most {_MODULE_BUFFER_BYTES - 2} characters: {text!r}")
        if not (text.isascii() and text.isprintable()) or '"' in text:
            raise ValueError(f"a line to a module is printable ASCII without quotes: {text!r}")
        if "*RST" in text.upper():
            raise ValueError("*RST is never sent to a module: it would close the loop")
        return f'SNDT {port},"{text}"'

    def send_to(self, port: int, text: str) -> None:
        """Send the settings `text` to the module in slot `port`; the mainframe adds the terminator.

        Raises ValueError for a question, whose reply would later answer another one, and for what `message` refuses.
        """
        if "?" in text:
            raise ValueError(f"{text!r} is a question: use ask_module")
        self.write(self.message(port, text))

    def ask_module(self, port: int, command: str) -> str:
        """Send `command` to the module in slot `port` and return its reply, as one transaction.

        Raises `NoReply` where the module stays silent, which is also its answer to a command that it does not know.
        """
        return self.ask(self.message(port, command))

    def ask_modules(self, command: str) -> dict[int, str]:
        """Send `command` to all `modules` and return their replies by slot.

        Takes a quarter less time than one after the other: the modules work at the same time.
        """
        with self.transaction(command), ExitStack() as doubts:
            for port in self.modules:
                doubts.enter_context(self._doubt(port))
                self.write(self.message(port, command))
            return {port: self.read_reply(port, command) for port in self.modules}

    def read_reply(self, port: int, command: str = "") -> str:
        """Return the one line that the module in slot `port` answers to `command`, which was sent to it before."""
        with self.transaction(command), self._doubt(port):
            text = self._collect(port, command).strip("\r\n")
            if "\n" in text or "\r" in text:
                raise BadReply(self.name, f"slot {port} sent more than one line", command=command, reply=text)
            return text

    def write(self, command: str, **kwargs: Any) -> None:
        """Write one command; a module that fell out of step is first brought back into step."""
        with self.transaction(command):
            port = _port_of(command)
            if port in self._doubtful:
                self._resynchronise(port)
            super().write(command, **kwargs)

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Write one command and return its reply; the reply to a message for a module is what that module answers."""
        port = _port_of(command)
        if port is None:
            return super().ask(command, query_delay)
        with self.transaction(command):
            self.write(command)
            return self.read_reply(port, command)

    @contextmanager
    def _doubt(self, port: int) -> Iterator[None]:
        """Mark a module as out of step when the exchange inside fails in any way, be it by Ctrl-C."""
        try:
            yield
        except BaseException as error:
            self._doubtful.add(port)
            if not isinstance(error, InstrumentError):
                self._out_of_step = True
            raise

    def _collect(self, port: int, command: str) -> str:
        received = b""
        for _ in range(self._polls):
            waiting = self._waiting_bytes(port)
            if waiting == 0:
                continue
            self.write(f"RAWN? {port},{waiting}")
            received += self.read_bytes(waiting)
            if received.endswith(b"\n"):
                return str(received, "ascii")
        raise NoReply(
            self.name,
            f"the module in slot {port} did not answer",
            command=command,
            reply=received or None,
            remedy="Check that the command is right and that the module sits firmly in its slot.",
        )

    def _waiting_bytes(self, port: int) -> int:
        reply = self.ask(f"NINP? {port}").strip()
        if not reply.isdecimal():
            raise BadReply(self.name, "expected a number of bytes", command=f"NINP? {port}", reply=reply)
        return min(int(reply), _LONGEST_READ_BYTES)

    def _resynchronise(self, port: int) -> Identity:
        """Drop what waits, read until the module has named itself, clear its error bits."""
        self._doubtful.discard(port)
        with self._doubt(port):
            self.write(f"FLSH {port}")
            question = self.message(port, "*IDN?")
            self.write(question)
            received = ""
            for _ in range(_READS_TO_RESYNCHRONISE):
                received += self._collect(port, question)
                if found := _MODULE_IDENTITY.search(received):
                    events = self.ask_module(port, "*ESR?")
                    if port in self.modules:
                        self.modules[port].note_events(events, "*ESR?")
                    return Identity(*found.groups())
            raise BadReply(self.name, f"slot {port} did not identify itself", command=question, reply=received)

    def _end_connection(self) -> None:
        for escape in self._escapes:
            self.write(escape)
        self._out_of_step = True  # what a connected module still said is drained before the next question


def _port_of(command: str) -> int | None:
    addressed = _SENT_TO_MODULE.match(command)
    return int(addressed[1]) if addressed else None
