"""A served table in a thread, and hosts that talk to it with nothing but sockets and files."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.simulation.server import TableServer

PATIENCE_S = 5.0  # wall time that is never needed


def simulated_station(**backend: Any) -> StationFile:
    """Return the shipped simulated table, with other settings of its backend."""
    station = load_station(template_directory() / "simulated.toml")
    changed = SimulatedBackend.model_validate({**station.backend.model_dump(), **backend})
    return station.model_copy(update={"backend": changed})


@contextmanager
def serving(station: StationFile | None = None, **options: Any) -> Iterator[TableServer]:
    """Serve a station in a thread of its own."""
    with TableServer(station or simulated_station(), **options) as server:
        thread = threading.Thread(target=server.serve, name="served table")
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def port_of(server: TableServer, name: str) -> Any:
    """Return the port of one instrument, to look into it."""
    (port,) = [port for port in server._ports if port.name == name]
    return port


class Host:
    """A program at one end of a TCP connection; replies end in `end`."""

    def __init__(self, address: str, end: bytes = b"\n") -> None:
        self.link = socket.create_connection(place_of(address), timeout=PATIENCE_S)
        self._end = end
        self._rest = b""

    def send(self, command: str) -> None:
        self.link.sendall(command.encode("ascii") + self._end)

    def line(self) -> str:
        while self._end not in self._rest:
            data = self.link.recv(1 << 16)
            if not data:
                raise EOFError(self._rest)
            self._rest += data
        line, self._rest = self._rest.split(self._end, 1)
        return line.decode("ascii")

    def bytes(self, count: int) -> bytes:
        while len(self._rest) < count:
            data = self.link.recv(1 << 16)
            if not data:
                raise EOFError(self._rest)
            self._rest += data
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def ask(self, command: str) -> str:
        self.send(command)
        return self.line()

    def is_closed_by_the_other_side(self) -> bool:
        """Wait for the end of the connection; what comes before it is dropped."""
        try:
            while self.link.recv(1 << 16):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self.link.close()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def place_of(address: str) -> tuple[str, int]:
    """Return host and port of a VISA address on a network."""
    found = re.fullmatch(r"TCPIP::([0-9.]+)::(\d+)::SOCKET", address)
    assert found is not None, address
    return found[1], int(found[2])


def device_of(address: str) -> str:
    """Return the device behind a VISA address of a serial port."""
    found = re.fullmatch(r"ASRL(/dev/.+)::INSTR", address)
    assert found is not None, address
    return found[1]


def listening(process: int | str = "self") -> set[tuple[str, int]]:
    """Return address and port of every TCP and UDP socket of a process that waits for others, as the kernel says."""
    sockets = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            target = link.readlink().name
        except OSError:
            continue
        if found := re.fullmatch(r"socket:\[(\d+)\]", target):
            sockets.add(found[1])
    found_places = set()
    for protocol, waiting in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/{process}/net/{protocol}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == waiting and fields[9] in sockets:
                host, port = fields[1].split(":")
                found_places.add((_readable(host), int(port, 16)))
    return found_places


def _readable(host: str) -> str:
    words = [int(host[i : i + 8], 16).to_bytes(4, "little") for i in range(0, len(host), 8)]
    return ".".join(map(str, words[0])) if len(words) == 1 else socket.inet_ntop(socket.AF_INET6, b"".join(words))
