"""Faults on the wire of a simulated instrument: what a lab does to a program at two in the morning."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

import numpy as np

from labctl.simulation.wire import Timebase, WireInstrument

GARBAGE_BYTES = 24
LATE_S = 7.0  # longer than any timeout of the shipped station file
OTHER_MODEL = b"ACME,Frequency Counter 7,0000,1.0"


class FaultKind(StrEnum):
    """What goes wrong."""

    MISSING = "missing"  # nothing answers at the address
    SILENT = "silent"  # it takes commands and never replies
    GARBAGE = "garbage"  # replies are replaced by random bytes
    WRONG_MODEL = "wrong_model"  # another instrument answers
    LATE = "late"  # every reply comes `LATE_S` later
    TRUNCATED = "truncated"  # the second half of every reply is lost
    CORRUPT = "corrupt"  # one bit of every reply is flipped: a bad checksum where there is one
    DROPPED = "dropped"  # the link breaks, and cannot be opened, until the fault ends
    POWER_CYCLE = "power_cycle"  # as dropped, and the instrument comes back as it wakes up


class FaultyWire(WireInstrument):
    """An instrument behind a wire that fails from lab time `after_s` on."""

    def __init__(
        self,
        instrument: WireInstrument,
        kind: FaultKind,
        after_s: float,
        timebase: Timebase,
        rng: np.random.Generator,
        until_s: float = math.inf,
        wake_up: Callable[[], WireInstrument] | None = None,
    ) -> None:
        super().__init__(timebase)
        self.baud = instrument.baud
        self._instrument = instrument
        self._kind = kind
        self._after_s = after_s
        self._until_s = until_s
        self._wake_up = wake_up
        self._rng = rng

    def link_is_up(self) -> bool:
        """Return False while the cable is out or the power off."""
        return not (self._failing() and self._kind in (FaultKind.DROPPED, FaultKind.POWER_CYCLE))

    def advance(self, now: float) -> None:
        """Pass the tick on; wake the instrument up when its power comes back."""
        if self._wake_up is not None and now >= self._until_s:
            self._instrument = self._wake_up()
            self._wake_up = None
        advance = getattr(self._instrument, "advance", None)
        if advance is not None and self.link_is_up():
            advance(now)

    def on_connect(self) -> None:
        """Pass the connection on."""
        self._instrument.on_connect()

    def on_disconnect(self) -> None:
        """Pass the end of the connection on."""
        super().on_disconnect()
        self._instrument.on_disconnect()

    def on_bytes(self, data: bytes) -> None:
        """Pass the host's bytes on; another model answers every question in its own way."""
        if self._failing() and self._kind is FaultKind.WRONG_MODEL:
            if b"?" in data:
                self.send(OTHER_MODEL + b"\r\n")
            return
        self._instrument.on_bytes(data)

    def replies_waiting(self) -> int:
        """Return how many replies the host has not taken yet."""
        return super().replies_waiting() + self._instrument.replies_waiting()

    def ready_at(self) -> float | None:
        """Return when the next byte is there, if ever."""
        if self._failing() and self._kind is FaultKind.SILENT:
            return None
        if self._partly_read or (self._failing() and self._kind is FaultKind.WRONG_MODEL):
            return super().ready_at()
        times = [at for at in (super().ready_at(), self._instrument.ready_at()) if at is not None]
        return min(times, default=None)

    def take(self) -> bytes:
        """Return what comes out of the wire now; a reply is spoilt once, when it comes out first."""
        read_before = super().take()
        if self._failing() and self._kind is FaultKind.WRONG_MODEL:
            return read_before
        data = self._instrument.take()
        if data and self._failing():
            data = self._spoilt(data)
        return read_before + data

    def _spoilt(self, data: bytes) -> bytes:
        match self._kind:
            case FaultKind.SILENT:
                return b""
            case FaultKind.GARBAGE:
                return self._rng.bytes(GARBAGE_BYTES) + data[-2:]
            case FaultKind.TRUNCATED:
                return data[: len(data) // 2]
            case FaultKind.CORRUPT:
                at = int(self._rng.integers(len(data)))
                return data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
            case FaultKind.LATE:
                self.send(data, LATE_S)
                return b""
            case _:
                return data

    def discard_output(self) -> None:
        """Forget everything not yet read by the host."""
        super().discard_output()
        self._instrument.discard_output()

    def _failing(self) -> bool:
        return self._after_s <= self.now() < self._until_s
