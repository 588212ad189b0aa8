"""A simulated instrument behind a TCP port."""

from __future__ import annotations

import copy
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from labctl.errors import LabError
from labctl.host.sockets import acknowledge_at_once, claim
from labctl.simulation.wire import WireInstrument

MOST_CONNECTIONS = 8  # to an instrument that takes several
MOST_REPLIES = 64  # under way at once; then commands wait, as in an instrument whose output queue is full
MOST_INCOMING_BYTES = 1 << 16
MOST_OUTGOING_BYTES = 1 << 20
LINGER_S = 1.0  # lab time for which a host that has said all may still wait for a reply
_CHUNK_BYTES = 1 << 14
_LONGEST_WORK_S = 5e-3  # wall time on one connection before the others get their turn
_LINE = re.compile(rb"[^\r\n]*[\r\n]+")
_IMMEDIATELY = float("-inf")
_NEVER = float("inf")


class _Connection:
    def __init__(self, link: socket.socket, own: dict[str, Any]) -> None:
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link = link
        self.own = own
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.host_is_done = False

    @property
    def reads(self) -> bool:
        return not self.host_is_done and len(self.incoming) < MOST_INCOMING_BYTES

    def receive(self) -> None:
        with suppress(BlockingIOError):
            while self.reads:
                data = self.link.recv(_CHUNK_BYTES)
                self.incoming += data
                self.host_is_done = not data
                acknowledge_at_once(self.link)

    def next_line(self) -> bytes:
        """Return the bytes up to the next line end, or all there are."""
        found = _LINE.match(self.incoming)
        end = found.end() if found else len(self.incoming)
        line = bytes(self.incoming[:end])
        del self.incoming[:end]
        return line

    def transmit(self) -> None:
        with suppress(BlockingIOError):
            while self.outgoing:
                del self.outgoing[: self.link.send(self.outgoing)]


class NetworkPort:
    """The port of one instrument on `interface`, with number `port` (0: any free one).

    An instrument takes one connection at a time, and a second one is closed at once; but for those that take several
    (`own_to_connection`), up to `MOST_CONNECTIONS`. A host that closed its side still gets the replies that are due
    soon. One that does not read its replies is not listened to until it does, and loses its place when another comes.

    Raises `LabError` where the port cannot be had.
    """

    def __init__(self, name: str, wire: WireInstrument, interface: str, port: int) -> None:
        self.name = name
        self._wire = wire
        self._fresh = {attribute: copy.deepcopy(getattr(wire, attribute)) for attribute in wire.own_to_connection}
        self._most = MOST_CONNECTIONS if self._fresh else 1
        self._connections: list[_Connection] = []
        self._listener = bound(name, interface, port)
        self._listener.listen()
        self.address = address_of(self._listener)

    def readers(self) -> list[int]:
        """Return what to wait on for new connections and bytes of the hosts."""
        return [self._listener.fileno(), *(one.link.fileno() for one in self._connections if one.reads)]

    def writers(self) -> list[int]:
        """Return what to wait on for hosts to read."""
        return [one.link.fileno() for one in self._connections if one.outgoing]

    def attend(self, now: float) -> float:
        """Accept, and move bytes both ways; return the lab time in s at which there is more to do."""
        if not self._wire.link_is_up():
            self._cut_off()
            return _NEVER
        self._accept(now)
        return min([self._serve(one, now) for one in list(self._connections)], default=_NEVER)

    def recover(self) -> None:
        """Close every connection, after the instrument failed."""
        self._cut_off()

    def close(self) -> None:
        """Close the port and every connection."""
        self.recover()
        self._listener.close()

    # ---- connections -------------------------------------------------------------------------------------------------

    def _accept(self, now: float) -> None:
        while (link := self._newcomer()) is not None:
            self._make_room(now)
            if len(self._connections) >= self._most:
                link.close()
                continue
            try:
                connection = _Connection(link, copy.deepcopy(self._fresh))
            except OSError:  # gone already
                link.close()
                continue
            self._connections.append(connection)
            with self._on(connection):
                self._wire.on_connect()

    def _newcomer(self) -> socket.socket | None:
        try:
            return self._listener.accept()[0]
        except OSError:  # nobody is there, or no more
            return None

    def _cut_off(self) -> None:
        """Let no connection live: the cable is out, or the power off."""
        for connection in list(self._connections):
            self._drop(connection)
        while (link := self._newcomer()) is not None:
            link.close()

    def _make_room(self, now: float) -> None:
        """Drop, where a place is wanted, hosts that are gone, have said all or do not read."""
        for connection in list(self._connections):
            if len(self._connections) < self._most:
                return
            while self._serve(connection, now) == _IMMEDIATELY and connection.host_is_done:
                pass  # a host that left has sent its last commands before the new one came
            if connection in self._connections and (connection.host_is_done or not connection.reads):
                self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        connection.link.close()
        with self._on(connection):
            self._wire.on_disconnect()

    @contextmanager
    def _on(self, connection: _Connection) -> Iterator[None]:
        """Let the instrument deal with one connection: what is its own is put into place, and kept afterwards."""
        for name, value in connection.own.items():
            setattr(self._wire, name, value)
        try:
            yield
        finally:
            for name in connection.own:
                connection.own[name] = getattr(self._wire, name)

    # ---- bytes -------------------------------------------------------------------------------------------------------

    def _serve(self, connection: _Connection, now: float) -> float:
        try:
            with self._on(connection):
                connection.receive()
                hurried = self._feed(connection)
                connection.transmit()
                ready_at = self._wire.ready_at()
        except OSError:  # the host is gone
            self._drop(connection)
            return _NEVER
        soon = ready_at is not None and ready_at <= now + LINGER_S
        if connection.host_is_done and not (connection.incoming or connection.outgoing or soon):
            self._drop(connection)
            return _NEVER
        if hurried:
            return _IMMEDIATELY
        return _NEVER if ready_at is None or self._is_full(connection) else ready_at

    def _feed(self, connection: _Connection) -> bool:
        """Hand what came to the instrument, line by line, and take what it answers; return whether time ran out."""
        began = time.monotonic()
        self._take(connection)
        while connection.incoming and self._wire.replies_waiting() < MOST_REPLIES and not self._is_full(connection):
            if time.monotonic() - began > _LONGEST_WORK_S:
                return True
            self._wire.on_bytes(connection.next_line())
            self._take(connection)
        return False

    def _take(self, connection: _Connection) -> None:
        if not self._is_full(connection):
            connection.outgoing += self._wire.take()

    def _is_full(self, connection: _Connection) -> bool:
        return len(connection.outgoing) >= MOST_OUTGOING_BYTES


def bound(name: str, interface: str, port: int) -> socket.socket:
    """Return a TCP socket bound for instrument `name`, that does not listen yet and never blocks.

    Raises `LabError` where there is no such interface, or the port is taken.
    """
    link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        claim(link)
        link.bind((interface, port))
        link.setblocking(False)
    except (OSError, OverflowError, UnicodeError) as error:
        link.close()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise LabError(
            f"{name} cannot be served on port {port or 'any'} of {interface} ({reason}).",
            remedy="Choose another --port-base, or an --interface that is an IPv4 address of this machine.",
        ) from error
    return link


def address_of(link: socket.socket) -> str:
    """Return the VISA address of a bound socket; one on every interface is reached through the loopback here."""
    host, port = link.getsockname()
    return f"TCPIP::{'127.0.0.1' if host == '0.0.0.0' else host}::{port}::SOCKET"
