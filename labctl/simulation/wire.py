"""A simulated instrument as its wire sees it: bytes in, bytes out, each at its own lab time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

BITS_PER_SERIAL_BYTE = 10  # start, eight data, stop
NETWORK_LATENCY_S = 0.2e-3  # one packet on a local network
MOST_UNREAD_REPLIES = 4096  # a host that never reads loses what comes after these


class Timebase(Protocol):
    """Lab time as the simulated instruments need it."""

    def now(self) -> float:
        """Return lab time in s."""
        ...

    def elapse(self, seconds: float) -> None:
        """Let lab time pass while a wire is busy; the table moves on, periodic tasks wait for the next sleep."""
        ...


@dataclass
class _Outgoing:
    ready_at: Callable[[], float]
    data: Callable[[], bytes]


class WireInstrument:
    """Base of the simulated instruments.

    The host's bytes arrive through `receive`; what the instrument says is queued with `send` (bytes, possibly later)
    or `send_when` (bytes that are only known at a time that may still move, such as the end of a sweep). Subclasses
    implement `on_bytes`. `baud` is None on a network.

    `own_to_connection` names the attributes that every connection has for itself, of an instrument that takes several
    at once; without, it takes one at a time.
    """

    baud: float | None = None
    own_to_connection: tuple[str, ...] = ()

    def __init__(self, timebase: Timebase) -> None:
        self.timebase = timebase
        self._outgoing: deque[_Outgoing] = deque()
        self._partly_read = bytearray()

    def on_bytes(self, data: bytes) -> None:
        """Take bytes from the host; they may end in the middle of a command."""
        raise NotImplementedError

    def link_is_up(self) -> bool:
        """Return False while nothing can be sent or opened: a pulled cable, no power."""
        return True

    def on_connect(self) -> None:
        """Act on a new connection (a banner, telnet negotiation); most instruments stay silent."""

    def on_disconnect(self) -> None:
        """Forget what belongs to the connection."""
        self.discard_output()

    def now(self) -> float:
        """Return lab time in s."""
        return self.timebase.now()

    def wire_time(self, count: int) -> float:
        """Return the time in s that `count` bytes take on the wire."""
        return NETWORK_LATENCY_S if self.baud is None else count * BITS_PER_SERIAL_BYTE / self.baud

    def send(self, data: bytes, delay: float = 0.0) -> None:
        """Queue bytes for the host, ready `delay` s from now."""
        ready_at = self.now() + delay
        self.send_when(lambda: ready_at, lambda: data)

    def send_when(self, ready_at: Callable[[], float], data: Callable[[], bytes]) -> None:
        """Queue bytes whose content and time are found when the host reads; what is queued later waits behind
        them."""
        if len(self._outgoing) < MOST_UNREAD_REPLIES:
            self._outgoing.append(_Outgoing(ready_at, data))

    def discard_output(self) -> None:
        """Forget everything not yet read by the host."""
        self._outgoing.clear()
        self._partly_read.clear()

    def replies_waiting(self) -> int:
        """Return how many replies the host has not taken yet."""
        return len(self._outgoing)

    def ready_at(self) -> float | None:
        """Return when the next byte is there for the host, in s of lab time, or None if nothing is on its way."""
        if self._partly_read:
            return self.now()
        return self._outgoing[0].ready_at() if self._outgoing else None

    def take(self) -> bytes:
        """Return all bytes that are ready now, and forget them."""
        data = bytes(self._partly_read)
        self._partly_read.clear()
        while self._outgoing and self._outgoing[0].ready_at() <= self.now():
            data += self._outgoing.popleft().data()
        return data

    def put_back(self, data: bytes) -> None:
        """Give back bytes that `take` returned and the host did not want yet."""
        self._partly_read[:0] = data
