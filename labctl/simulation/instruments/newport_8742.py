"""A simulated chain of Newport 8742 picomotor controllers, as TCP port 23 of its master shows it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from labctl.simulation.instruments.newport_8742_controller import PicomotorUnit
from labctl.simulation.instruments.newport_8742_errors import Fault
from labctl.simulation.ports import MirrorPort
from labctl.simulation.wire import Timebase, WireInstrument

# Two greetings seen on real controllers: (DO, WILL) suppress-go-ahead and echo, in two orders.
TELNET_DO_WILL = b"\xff\xfd\x03\xff\xfb\x01"
TELNET_WILL_WILL = b"\xff\xfb\x01\xff\xfb\x03"

LONGEST_LINE = 64
PROCESSING_S = 1e-3
RS485_S_PER_CHARACTER = 100e-6
CHAIN_SCAN_S = 2.0
ADDRESSES = range(1, 32)
BUS_FAULT = 46

_TELNET_TRIPLE = re.compile(rb"\xff[\xfb-\xfe].", re.DOTALL)
_ADDRESS = re.compile(r"(\d+)>(.*)")


class SimulatedNewport8742(WireInstrument):
    """A chain of controllers; `mirrors` says what hangs at (controller, axis), the other axes have no motor.

    The first address of `chain` (default: those of `mirrors`, in order) is the master, whose network port this is.
    `telnet` is what it emits on a connection, at once or, with `telnet_lazily`, before its first reply; None: nothing.

    The table calls `advance` at every step, so that mirrors turn while nobody asks; commands bring motion up to date.
    """

    def __init__(
        self,
        timebase: Timebase,
        mirrors: Mapping[tuple[int, int], MirrorPort],
        *,
        chain: Sequence[int] | None = None,
        serial: str = "10001",
        telnet: bytes | None = TELNET_DO_WILL,
        telnet_lazily: bool = False,
    ) -> None:
        super().__init__(timebase)
        addresses = list(chain or sorted({controller for controller, _ in mirrors}) or [1])
        self._units = [
            PicomotorUnit(
                address,
                serial if position == 0 else f"{serial}-{position}",
                {axis: mirror for (controller, axis), mirror in mirrors.items() if controller == address},
            )
            for position, address in enumerate(addresses)
        ]
        self._master = self._units[0]
        self._telnet = telnet or b""
        self._telnet_lazily = telnet_lazily
        self._greeting = b""
        self._line = bytearray()
        self._scanning_until = -math.inf

    def advance(self, now: float) -> None:
        """Send every mirror the steps that are due by lab time `now` (s)."""
        for unit in self._units:
            unit.advance(now)

    def jam(self, controller: int, axis: int, stuck: bool = True) -> None:
        """Let a motor stick: it takes no step and reports no end of its motion until it is stopped."""
        unit = next(unit for unit in self._units if unit.address == controller)
        unit.advance(self.now())
        unit.axes[axis].stuck = stuck

    def flood_errors(self, flooded: bool = True) -> None:
        """Let the error queues of all controllers never come to an end, or end that."""
        for unit in self._units:
            unit.errors.endless = BUS_FAULT if flooded else None

    def on_connect(self) -> None:
        """Start the telnet negotiation that no client answers."""
        self._line.clear()
        self._greeting = self._telnet
        if self._greeting and not self._telnet_lazily:
            self.send(self._greeting)
            self._greeting = b""

    def on_bytes(self, data: bytes) -> None:
        """Take bytes; CR or LF ends a line, empty lines are nothing."""
        self.advance(self.now())
        for byte in data:
            if byte in b"\r\n":
                line, self._line = bytes(self._line), bytearray()
                self._take_line(line)
            elif len(self._line) <= LONGEST_LINE:  # one byte more than allowed marks the line as too long
                self._line.append(byte)

    def _take_line(self, line: bytes) -> None:
        if self.now() < self._master.booted_at:
            return
        if len(line) > LONGEST_LINE:
            self._master.errors.add(Fault(6))
            return
        text = _TELNET_TRIPLE.sub(b"", line).decode("ascii", "replace").upper()
        text = "".join(text.split())
        if not text:
            return
        try:
            reply = self._execute(text)
        except Fault as fault:
            self._master.errors.add(fault)
            return
        if reply is not None:
            delay, answer = reply
            self.send(self._greeting + answer.encode("ascii") + b"\r\n", delay)
            self._greeting = b""

    def _execute(self, text: str) -> tuple[float, str] | None:
        addressed = _ADDRESS.fullmatch(text)
        if addressed is None:
            reply = self._execute_list(self._master, text)
            return None if reply is None else (PROCESSING_S, reply)
        unit = self._unit(int(addressed[1]))
        if unit is None or self.now() < unit.booted_at:
            return None  # nobody hears
        if unit is not self._master and ";" in text:
            raise Fault(6)
        reply = self._execute_list(unit, addressed[2])
        if reply is None:
            return None
        answer = f"{addressed[1]}>{reply}"
        on_the_bus = 0.0 if unit is self._master else (len(text) + len(answer)) * RS485_S_PER_CHARACTER
        return PROCESSING_S + on_the_bus, answer

    def _unit(self, address: int) -> PicomotorUnit | None:
        if address not in ADDRESSES:
            raise Fault(48)
        if address == self._master.address:
            return self._master
        if self.now() < self._scanning_until:
            raise Fault(49)
        units = [unit for unit in self._units if unit.address == address]
        if len(units) > 1:
            raise Fault(47)  # they answer at once and garble each other
        return units[0] if units else None

    def _execute_list(self, unit: PicomotorUnit, text: str) -> str | None:
        replies = [self._execute_one(unit, command) for command in text.split(";") if command]
        answers = [reply for reply in replies if reply is not None]
        return "; ".join(answers) if answers else None

    def _execute_one(self, unit: PicomotorUnit, command: str) -> str | None:
        if unit is self._master and command == "SD?":
            return "0" if self.now() < self._scanning_until else "1"
        if unit is self._master and command == "SC?":
            return str(self._chain_mask())
        if unit is self._master and command in ("SC0", "SC1", "SC2"):
            self._scan(command)
            return None
        return unit.execute(command, self.now())

    def _chain_mask(self) -> int:
        count = Counter(unit.address for unit in self._units)
        conflict = any(number > 1 for number in count.values())
        return int(conflict) | sum(1 << address for address, number in count.items() if number == 1)

    def _scan(self, command: str) -> None:
        self._scanning_until = self.now() + CHAIN_SCAN_S
        if command == "SC2":
            for address, unit in zip(ADDRESSES, self._units, strict=False):
                unit.address = address
        elif command == "SC1":
            for unit in reversed(self._units):
                addresses = [other.address for other in self._units]
                if addresses.count(unit.address) > 1:
                    unit.address = next(address for address in ADDRESSES if address not in addresses)
