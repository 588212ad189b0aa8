"""A simulated line of Thorlabs ELL14 rotation mounts, at the level of its bytes."""

from __future__ import annotations

import string
from collections.abc import Mapping

import numpy as np

from labctl.simulation.instruments.thorlabs_ell14_rotator import (
    COMMUNICATION_TIMEOUT,
    UNKNOWN_COMMAND,
    Imperfections,
    RotatorUnit,
)
from labctl.simulation.ports import RotatorPort
from labctl.simulation.wire import Timebase, WireInstrument

BAUD = 9600.0
PULSES_PER_REVOLUTION = 143_360
# Not published: how soon it answers, and for how long it waits for the rest of a packet.
PROCESSING_S = 5e-3
INTER_CHARACTER_S = 2.0

# How many characters follow a mnemonic: nothing else ends a packet.
ARGUMENT_LENGTHS = {
    **dict.fromkeys(("in", "gs", "gp", "gj", "go", "gv", "i1", "i2"), 0),
    **dict.fromkeys(("fw", "bw", "st", "us", "s1", "s2", "om", "cm"), 0),
    **dict.fromkeys(("ho", "ca"), 1),
    "sv": 2,
    **dict.fromkeys(("f1", "b1", "f2", "b2"), 4),
    **dict.fromkeys(("ma", "mr", "sj", "so"), 8),
}
_HEX = "0123456789ABCDEF"
_HEADER = 3  # address and mnemonic


class SimulatedELL14Bus(WireInstrument):
    """Rotation mounts on one line; `rotators` says what turns at each address, 0 to 15.

    With `button_probability` a reply has an unsolicited button message before it. Isolation and group addresses are
    not simulated: they are answered as unknown commands.

    The table calls `advance` at every step, so that mounts turn while nobody asks.
    """

    baud = BAUD

    def __init__(
        self,
        timebase: Timebase,
        rotators: Mapping[int, RotatorPort],
        rng: np.random.Generator,
        *,
        pulses_per_revolution: int = PULSES_PER_REVOLUTION,
        serial: str = "11400590",
        imperfections: Imperfections | None = None,
        button_probability: float = 0.0,
    ) -> None:
        super().__init__(timebase)
        self._rng = rng
        self._button_probability = button_probability
        self._units = [
            RotatorUnit(
                address,
                port,
                rng,
                pulses_per_revolution,
                f"{int(serial) + position:08d}",
                imperfections or Imperfections(),
            )
            for position, (address, port) in enumerate(rotators.items())
        ]
        self._packet = ""
        self._last_byte_at = self.now()

    def press_button(self, address: int) -> None:
        """Press the jog button of the mount at `address`: it moves, and says so twice."""
        self.advance(self.now())
        for unit in self._at(address):
            message = unit.press_button()
            if message is not None:
                self.send(f"{unit.address:X}{message}\r\n".encode("ascii"))

    def jam(self, address: int, stuck: bool = True) -> None:
        """Let the mount at `address` stick from its next motion on: it stays, and reports a mechanical timeout."""
        for unit in self._at(address):
            unit.stuck = stuck

    def stay_busy(self, busy: bool) -> None:
        """Let every mount answer that it is busy, whatever it is told."""
        for unit in self._units:
            unit.busy = busy

    def advance(self, now: float) -> None:
        """Turn every mount to where it is at lab time `now` (s) and answer for those that have arrived."""
        for unit in self._units:
            answer = unit.advance(now)
            if answer is not None:
                self.send(f"{unit.address:X}{answer}\r\n".encode("ascii"))

    def on_connect(self) -> None:
        """Forget what was said while nobody listened."""
        self.advance(self.now())
        self.discard_output()
        self._packet = ""

    def ready_at(self) -> float | None:
        """Return when the next byte is there, be it at the end of a motion."""
        times = [super().ready_at(), *(unit.ends_at for unit in self._units)]
        return min((time for time in times if time is not None), default=None)

    def take(self) -> bytes:
        """Return all bytes that are ready now, and forget them."""
        self.advance(self.now())
        return super().take()

    def on_bytes(self, data: bytes) -> None:
        """Take bytes; a packet ends when it has as many characters as its mnemonic wants."""
        self.advance(self.now())
        if self._packet and self.now() - self._last_byte_at > INTER_CHARACTER_S:
            for unit in self._at(int(self._packet[0], 16)):
                unit.latch(COMMUNICATION_TIMEOUT)
            self._packet = ""
        self._last_byte_at = self.now()
        for byte in data:
            self._take_character(chr(byte))

    def _take_character(self, character: str) -> None:
        position = len(self._packet)
        expected = (_HEX, string.ascii_lowercase, string.ascii_lowercase + string.digits)
        if position < _HEADER and character not in expected[position]:
            # Line ends and noise; what may be an address begins a new packet.
            self._packet = character if character in _HEX else ""
            return
        self._packet += character
        if len(self._packet) < _HEADER:
            return
        name, digits = self._packet[1:_HEADER], self._packet[_HEADER:]
        length = ARGUMENT_LENGTHS.get(name)
        if character in "\r\n":
            self._packet = ""
        elif length is None or not all(digit in _HEX for digit in digits):
            self._refuse(int(self._packet[0], 16))
        elif len(digits) == length:
            self._execute(int(self._packet[0], 16), name, digits)

    def _execute(self, address: int, name: str, digits: str) -> None:
        self._packet = ""
        for unit in self._at(address):
            answer = unit.execute(name, digits)
            if answer is not None:
                self._reply(unit, answer)

    def _refuse(self, address: int) -> None:
        self._packet = ""
        for unit in self._at(address):
            unit.latch(UNKNOWN_COMMAND)
            self._reply(unit, f"GS{UNKNOWN_COMMAND:02X}")

    def _reply(self, unit: RotatorUnit, answer: str) -> None:
        said = f"{unit.address:X}{answer}\r\n"
        if self._rng.random() < self._button_probability:
            said = f"{unit.address:X}{unit.button_message()}\r\n{said}"
        self.send(said.encode("ascii"), PROCESSING_S)

    def _at(self, address: int) -> list[RotatorUnit]:
        return [unit for unit in self._units if unit.address == address]
