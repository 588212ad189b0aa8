"""The serial line before a simulated instrument: each byte takes its time at the baud rate."""

from __future__ import annotations

import re

from labctl.simulation.wire import BITS_PER_SERIAL_BYTE, WireInstrument

_LINE_END = re.compile(rb"[\r\n]")
_LONGEST_STRETCH = 16  # bytes without a line end that are handed on together
_SLACK = 1e-6  # of a byte


class SerialLine:
    """One direction of a serial line at `baud`, in lab time."""

    def __init__(self, baud: float) -> None:
        self._byte_s = BITS_PER_SERIAL_BYTE / baud
        self._bytes = bytearray()
        self._began_at = 0.0  # when the first of them went onto the line

    def __len__(self) -> int:
        return len(self._bytes)

    def put(self, data: bytes, now: float) -> None:
        """Send bytes; they queue behind those that are on their way."""
        if not self._bytes:
            self._began_at = max(self._began_at, now)
        self._bytes += data

    def arrived(self, now: float) -> bytes:
        """Return the bytes that are through by lab time `now` (s), and forget them."""
        count = min(len(self._bytes), int((now - self._began_at) / self._byte_s + _SLACK))
        if count <= 0:
            return b""
        data = bytes(self._bytes[:count])
        del self._bytes[:count]
        self._began_at += count * self._byte_s
        return data

    def next_at(self) -> float | None:
        """Return the lab time in s at which a line, or a stretch of one, is through; None when nothing is on its
        way."""
        if not self._bytes:
            return None
        found = _LINE_END.search(self._bytes, 0, _LONGEST_STRETCH)
        count = found.end() if found else min(len(self._bytes), _LONGEST_STRETCH)
        return self._began_at + count * self._byte_s

    def clear(self) -> None:
        """Forget what is on its way."""
        self._bytes.clear()


class SerialWire(WireInstrument):
    """A serial instrument with its line, for a host that sends its bytes at once and does not wait for the line."""

    def __init__(self, instrument: WireInstrument, baud: float) -> None:
        super().__init__(instrument.timebase)
        self.baud = baud
        self._instrument = instrument
        self._from_host, self._to_host = SerialLine(baud), SerialLine(baud)

    def on_bytes(self, data: bytes) -> None:
        """Put the host's bytes on the line."""
        self._from_host.put(data, self.now())

    def link_is_up(self) -> bool:
        """Return False while nothing gets through."""
        return self._instrument.link_is_up()

    def on_connect(self) -> None:
        """Pass the connection on."""
        self._instrument.on_connect()

    def on_disconnect(self) -> None:
        """Pass the end of the connection on; what the host sent before still arrives."""
        super().on_disconnect()
        self._instrument.on_disconnect()

    def replies_waiting(self) -> int:
        """Return how many replies the host has not taken yet; every byte of the host may ask for one."""
        return len(self._from_host) + self._instrument.replies_waiting()

    def ready_at(self) -> float | None:
        """Return when something next happens on the line: a line of the host arrives, or a reply."""
        self._move()
        if not self.link_is_up():
            return None
        times = (self._from_host.next_at(), self._to_host.next_at(), self._instrument.ready_at())
        return min((time for time in times if time is not None), default=None)

    def take(self) -> bytes:
        """Return all bytes that are through by now, and forget them."""
        self._move()
        return super().take() + self._to_host.arrived(self.now())

    def discard_output(self) -> None:
        """Forget everything not yet read by the host."""
        super().discard_output()
        self._to_host.clear()
        self._instrument.discard_output()

    def _move(self) -> None:
        if not self.link_is_up():
            self._from_host.clear()
            self._to_host.clear()
            return
        if data := self._from_host.arrived(self.now()):
            self._instrument.on_bytes(data)
        if data := self._instrument.take():
            self._to_host.put(data, self.now())
