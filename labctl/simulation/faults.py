"""Faults on the wire of a simulated instrument: what a lab does to a program at two in the morning."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from labctl.simulation.wire import Timebase, WireInstrument

GARBAGE_BYTES = 24
OTHER_MODEL = b"ACME,Frequency Counter 7,0000,1.0"


class FaultKind(StrEnum):
    """What goes wrong."""

    MISSING = "missing"  # nothing answers at the address
    SILENT = "silent"  # it takes commands and never replies
    GARBAGE = "garbage"  # replies are replaced by random bytes
    WRONG_MODEL = "wrong_model"  # another instrument answers


class FaultyWire(WireInstrument):
    """An instrument behind a wire that fails from lab time `after_s` on."""

    def __init__(
        self, instrument: WireInstrument, kind: FaultKind, after_s: float, timebase: Timebase, rng: np.random.Generator
    ) -> None:
        super().__init__(timebase)
        self.baud = instrument.baud
        self._instrument = instrument
        self._kind = kind
        self._after_s = after_s
        self._rng = rng

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

    def ready_at(self) -> float | None:
        """Return when the next byte is there, if ever."""
        if self._failing() and self._kind is FaultKind.SILENT:
            return None
        if self._partly_read or (self._failing() and self._kind is FaultKind.WRONG_MODEL):
            return super().ready_at()
        return self._instrument.ready_at()

    def take(self) -> bytes:
        """Return what comes out of the wire now; a reply turns into garbage once, when it comes out first."""
        read_before = super().take()
        if self._failing() and self._kind is FaultKind.WRONG_MODEL:
            return read_before
        data = self._instrument.take()
        if self._failing() and self._kind is FaultKind.SILENT:
            return b""
        if data and self._failing():
            data = self._rng.bytes(GARBAGE_BYTES) + data[-2:]
        return read_before + data

    def discard_output(self) -> None:
        """Forget everything not yet read by the host."""
        super().discard_output()
        self._instrument.discard_output()

    def _failing(self) -> bool:
        return self.now() >= self._after_s
