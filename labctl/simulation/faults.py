"""Faults on the wire of a simulated instrument: what a lab does to a program at two in the morning."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

import numpy as np

from labctl.configuration.fault_kinds import FaultKind
from labctl.simulation.wire import Timebase, WireInstrument

GARBAGE_BYTES = 24
START_S = 2.0  # that an instrument takes at least, once its power is back
LATE_S = 7.0  # longer than any timeout of the shipped station file
OTHER_MODEL = b"ACME,Frequency Counter 7,0000,1.0"

Switch = Callable[[WireInstrument, bool], None]
"""Puts a fault of the device into an instrument, or takes it out."""

_BROKEN_LINK = (FaultKind.DROPPED, FaultKind.POWER_CYCLE)
_FRAME_CHECKSUM = re.compile(rb"(?<=[0-9A-F]{3})[0-9A-F](?=\r)")  # the last digit of a MeCom frame


class Fault:
    """One fault between two lab times in s; `switch` where it is one of the device and not of the wire."""

    def __init__(
        self, kind: FaultKind, after_s: float, until_s: float = math.inf, switch: Switch | None = None
    ) -> None:
        self.kind = kind
        self.after_s = after_s
        self.until_s = max(until_s, self._over_s())
        self.switch = switch
        self.is_in = False  # whether `switch` has put it into the instrument

    def end(self, now: float) -> None:
        """End it at `now`, or as soon after that as it can; nothing happens where it is over already."""
        self.until_s = min(self.until_s, now if now <= self.after_s else max(now, self._over_s()))

    def _over_s(self) -> float:
        return self.after_s + (START_S if self.kind is FaultKind.POWER_CYCLE else 0.0)


class FaultyWire(WireInstrument):
    """An instrument behind a wire that can fail, and that takes one connection at a time.

    `rng` draws garbage and flipped bits. `wake_up` returns the instrument as after power-on.
    """

    def __init__(
        self,
        instrument: WireInstrument,
        timebase: Timebase,
        rng: np.random.Generator,
        wake_up: Callable[[], WireInstrument] | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        super().__init__(timebase)
        self.baud = instrument.baud
        self._instrument = instrument
        self._rng = rng
        self._wake_up = wake_up
        self._faults = list(faults)

    def add(self, fault: Fault) -> None:
        """Let `fault` happen in its time, beside those that are there already."""
        self._faults.append(fault)
        self._follow()

    def end(self, fault: Fault) -> None:
        """End `fault` now, see `Fault.end`."""
        fault.end(self.now())
        self._follow()

    def link_is_up(self) -> bool:
        """Return False while the cable is out or the power off."""
        self._follow()
        return not any(fault.kind in _BROKEN_LINK for fault in self._present())

    def advance(self, now: float) -> None:
        """Begin and end faults, and pass the tick on while there is power: without its cable an instrument goes on."""
        self._follow()
        advance = getattr(self._instrument, "advance", None)
        if advance is not None and not self._has(FaultKind.POWER_CYCLE):
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
        self._follow()
        if self._has(FaultKind.WRONG_MODEL):
            if b"?" in data:
                self.send(OTHER_MODEL + b"\r\n")
            return
        self._instrument.on_bytes(data)

    def replies_waiting(self) -> int:
        """Return how many replies the host has not taken yet."""
        return super().replies_waiting() + self._instrument.replies_waiting()

    def ready_at(self) -> float | None:
        """Return when the next byte is there, if ever."""
        self._follow()
        if self._has(FaultKind.SILENT):
            return None
        if self._partly_read or self._has(FaultKind.WRONG_MODEL):
            return super().ready_at()
        times = [at for at in (super().ready_at(), self._instrument.ready_at()) if at is not None]
        return min(times, default=None)

    def take(self) -> bytes:
        """Return what comes out of the wire now; a reply is spoilt once, when it comes out first."""
        self._follow()
        read_before = super().take()
        if self._has(FaultKind.WRONG_MODEL):
            return read_before
        data = self._instrument.take()
        for fault in self._present():
            data = self._spoilt(data, fault.kind) if data else data
        if data and super().replies_waiting():
            self.send(data)  # behind what is late
            return read_before
        return read_before + data

    def discard_output(self) -> None:
        """Forget everything not yet read by the host."""
        super().discard_output()
        self._instrument.discard_output()

    def _spoilt(self, data: bytes, kind: FaultKind) -> bytes:
        match kind:
            case FaultKind.SILENT:
                return b""
            case FaultKind.GARBAGE:
                return self._rng.bytes(GARBAGE_BYTES) + data[-2:]
            case FaultKind.TRUNCATED:
                return data[: len(data) // 2]
            case FaultKind.CORRUPT:
                at = int(self._rng.integers(len(data)))
                return data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
            case FaultKind.BAD_CRC:
                return _FRAME_CHECKSUM.sub(lambda digit: b"1" if digit[0] == b"0" else b"0", data)
            case FaultKind.LATE:
                self.send(data, LATE_S)
                return b""
            case _:
                return data

    # ---- beginning and end -------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Begin and end what is due by now."""
        if not self._faults:
            return
        now = self.now()
        for fault in [fault for fault in self._faults if now >= fault.until_s]:
            self._faults.remove(fault)
            self._finish(fault)
        for fault in self._present():
            if fault.switch is not None and not fault.is_in:
                fault.switch(self._instrument, True)
                fault.is_in = True

    def _finish(self, fault: Fault) -> None:
        if fault.kind is FaultKind.POWER_CYCLE and self._wake_up is not None:
            self._instrument = self._wake_up()
            self._put_in_again(self._faults)  # what is broken is broken after power-on as well
        elif fault.switch is not None and fault.is_in:
            fault.switch(self._instrument, False)
            self._put_in_again([other for other in self._faults if other.kind is fault.kind])

    @staticmethod
    def _put_in_again(faults: list[Fault]) -> None:
        for fault in faults:
            fault.is_in = False

    def _present(self) -> list[Fault]:
        now = self.now()
        return [fault for fault in self._faults if fault.after_s <= now < fault.until_s]

    def _has(self, kind: FaultKind) -> bool:
        return any(fault.kind is kind for fault in self._present())
