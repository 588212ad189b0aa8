"""SRS SIM900 mainframe, simulated: message mode, stream mode and the eight ports behind which the modules sit.

Commands as drivers that run on hardware use them. Guesses: the host terminator is CR LF until `TERM D,LF`; a port keeps
256 bytes that the host has not fetched; `RAWN?` gives what is there when more is asked for. A message reaches its
module one wire time later, but what it sets takes effect at once. Configuration commands without an effect here (CEOI,
EOIX, BAUD, ...) are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from labctl.simulation.instruments.srs_module import BAUD, CME, SimulatedModule
from labctl.simulation.instruments.srs_sim960 import SimulatedSIM960
from labctl.simulation.ports import ServoPort
from labctl.simulation.wire import BITS_PER_SERIAL_BYTE, Timebase, WireInstrument

LONGEST_LINE_BYTES = 256
PORT_BUFFER_BYTES = 256
LARGEST_BLOCK_BYTES = 999
ANSWER_DELAY_S = 1e-3
BREAK_S = 0.1

_STATEMENT = re.compile(r"""(?:"[^"]*"|'[^']*'|[^;])+""")
_COMMAND = re.compile(r"(\*?[A-Z]{3,4})(\?)?\s*(.*)", re.DOTALL)
_PORT_AND_STRING = re.compile(r"""([1-8])\s*,\s*(?:"([^"]*)"|'([^']*)')""")
_TERMINATIONS = {
    **{"NONE": b"", "CR": b"\r", "LF": b"\n", "CRLF": b"\r\n", "LFCR": b"\n\r"},
    **{"0": b"", "1": b"\r", "2": b"\n", "3": b"\r\n", "4": b"\n\r"},
}
_ACCEPTED = {"CEOI", "EOIX", "BAUD", "BRER", "RPER", "VERB", "FLOW", "PARI", "CONS"}


class _BadCommand(Exception):
    """The mainframe does not understand; it stays silent and notes a command error."""


class SimulatedSIM900(WireInstrument):
    """A SIM900 with a SIM960 in each slot of `servos`, at 9600 baud.

    `rng` is the noise of the modules' converters (None: none). The connection of stream mode belongs to the mainframe,
    not to the host's program: it outlives a program that dies.
    """

    baud = float(BAUD)

    def __init__(
        self,
        timebase: Timebase,
        servos: Mapping[int, ServoPort],
        rng: np.random.Generator | None = None,
        serial: str = "152741",
        firmware: str = "3.6",
    ) -> None:
        super().__init__(timebase)
        if not all(1 <= slot <= 8 for slot in servos):
            raise ValueError(f"a SIM900 has slots 1 to 8, not {sorted(servos)}")
        self.identity = f"Stanford_Research_Systems,SIM900,s/n{serial},ver{firmware}"
        self.modules: dict[int, SimulatedModule] = {
            slot: SimulatedSIM960(timebase, servo, rng, serial=f"0115{slot:02d}") for slot, servo in servos.items()
        }
        self._fetchable = {slot: bytearray() for slot in range(1, 9)}
        self._line = bytearray()
        self._termination = b"\r\n"
        self._standard_events = 0
        self._connected: int | None = None
        self._escape = b""
        self._held_back = b""  # the beginning of what may become the escape string
        self._sets: dict[str, Callable[[str], None]] = {
            "SNDT": self._send_terminated,
            "SEND": self._send_plain,
            "CONN": self._connect,
            "FLSH": self._flush,
            "SRST": self._reset_port,
            "TERM": self._set_termination,
            "*DCL": self._device_clear,
            "*CLS": self._clear_status,
            "*RST": self._device_clear,
        }
        self._queries: dict[str, Callable[[str], bytes]] = {
            "*IDN": self._answer(lambda: self.identity),
            "*OPC": self._answer(lambda: "1"),
            "*ESR": self._answer(self._read_events),
            "CTCR": self._present,
            "NINP": self._waiting,
            "RAWN": self._raw,
            "GETN": self._block,
        }

    def on_bytes(self, data: bytes) -> None:
        """Take bytes from the host."""
        while data:
            data = self._take_line(data) if self._connected is None else self._pass_through(data)

    def ready_at(self) -> float | None:
        """Return when the next byte is there for the host; in stream mode it may be the module's."""
        ready = super().ready_at()
        module = self._stream_module()
        return module.next_byte_at() if ready is None and module is not None else ready

    def take(self) -> bytes:
        """Return all bytes that are ready now, and forget them."""
        data = super().take()
        module = self._stream_module()
        return data if module is None else data + module.transmit()

    def _stream_module(self) -> SimulatedModule | None:
        return None if self._connected is None else self.modules.get(self._connected)

    # ---- host to mainframe

    def _take_line(self, data: bytes) -> bytes:
        for position, byte in enumerate(data):
            if byte in b"\r\n":
                line, self._line = self._line.decode("latin-1"), bytearray()
                self._execute_line(line)
                return data[position + 1 :]
            if len(self._line) < LONGEST_LINE_BYTES:
                self._line.append(byte)
        return b""

    def _pass_through(self, data: bytes) -> bytes:
        data = self._held_back + data
        self._held_back = b""
        found = data.find(self._escape)
        if found >= 0:
            self._forward(self._connected, data[:found], store=False)
            self._connected = None
            return data[found + len(self._escape) :]
        kept = next(n for n in range(len(self._escape) - 1, -1, -1) if data.endswith(self._escape[:n]))
        self._held_back = data[len(data) - kept :]
        self._forward(self._connected, data[: len(data) - kept], store=False)
        return b""

    def _execute_line(self, line: str) -> None:
        for statement in _STATEMENT.findall(line):
            if not statement.strip():
                continue
            try:
                self._execute(statement.strip())
            except _BadCommand:
                self._standard_events |= CME

    def _execute(self, statement: str) -> None:
        head = statement[:5].upper() + statement[5:]
        parsed = _COMMAND.fullmatch(head)
        if parsed is None:
            raise _BadCommand
        mnemonic, query, rest = parsed.groups()
        if query and mnemonic in self._queries:
            self.send(self._queries[mnemonic](rest), ANSWER_DELAY_S)
        elif not query and mnemonic in self._sets:
            self._sets[mnemonic](rest)
        elif query or mnemonic not in _ACCEPTED:
            raise _BadCommand

    # ---- mainframe to modules

    def _forward(self, slot: int | None, data: bytes, store: bool = True) -> None:
        module = self.modules.get(slot or 0)
        if module is not None and data:
            module.receive(data, (len(data) if store else 1) * BITS_PER_SERIAL_BYTE / BAUD)

    def _fetch(self, slot: int) -> bytearray:
        """Return what module `slot` has said so far and the host has not fetched."""
        waiting = self._fetchable[slot]
        if slot in self.modules:
            waiting += self.modules[slot].transmit()
            del waiting[PORT_BUFFER_BYTES:]
        return waiting

    def _send_terminated(self, rest: str) -> None:
        slot, text = _port_and_string(rest)
        self._forward(slot, text + b"\n")

    def _send_plain(self, rest: str) -> None:
        self._forward(*_port_and_string(rest))

    def _connect(self, rest: str) -> None:
        slot, escape = _port_and_string(rest)
        if not escape:
            raise _BadCommand
        self._connected, self._escape, self._held_back = slot, escape, b""
        waiting = self._fetch(slot)
        if waiting:
            self.send(bytes(waiting))
            waiting.clear()

    def _flush(self, rest: str) -> None:
        for slot in [_port(rest)] if rest else list(self._fetchable):
            self._fetch(slot).clear()

    def _reset_port(self, rest: str) -> None:
        for slot in [_port(rest)] if rest else list(self.modules):
            if slot in self.modules:
                self.modules[slot].device_clear(BREAK_S)

    def _set_termination(self, rest: str) -> None:
        port, _, word = rest.upper().replace(" ", "").rpartition(",")
        if word not in _TERMINATIONS:
            raise _BadCommand
        if port in ("", "D"):
            self._termination = _TERMINATIONS[word]

    def _device_clear(self, rest: str) -> None:
        self._flush("")
        self.discard_output()

    def _clear_status(self, rest: str) -> None:
        self._standard_events = 0

    # ---- answers

    def _answer(self, text: Callable[[], str]) -> Callable[[str], bytes]:
        return lambda rest: self._line_of(text())

    def _line_of(self, text: str) -> bytes:
        return text.encode("latin-1") + self._termination

    def _read_events(self) -> str:
        events, self._standard_events = self._standard_events, 0
        return str(events)

    def _present(self, rest: str) -> bytes:
        if rest:
            return self._line_of(str(int(_port(rest) in self.modules)))
        return self._line_of(str(sum(1 << slot for slot in self.modules)))

    def _waiting(self, rest: str) -> bytes:
        return self._line_of(str(len(self._fetch(_port(rest)))))

    def _raw(self, rest: str) -> bytes:
        slot, count = _port_and_count(rest)
        waiting = self._fetch(slot)
        data = bytes(waiting[:count])
        del waiting[:count]
        return data

    def _block(self, rest: str) -> bytes:
        data = self._raw(rest)
        return b"#3%03d" % len(data) + data + self._termination


def _port(text: str) -> int:
    if not re.fullmatch("[1-8]", text.strip()):
        raise _BadCommand
    return int(text)


def _port_and_count(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not re.fullmatch("[0-9]{1,6}", parts[1].strip()):
        raise _BadCommand
    return _port(parts[0]), min(int(parts[1]), LARGEST_BLOCK_BYTES)


def _port_and_string(text: str) -> tuple[int, bytes]:
    parsed = _PORT_AND_STRING.fullmatch(text.strip())
    if parsed is None:
        raise _BadCommand
    port, double, single = parsed.groups()
    return int(port), (single if double is None else double).encode("latin-1")
