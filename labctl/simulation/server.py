"""The simulated table as a bench of instruments that other programs talk to: TCP ports and serial ports."""

from __future__ import annotations

import math
import select
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Protocol

from labctl.configuration.station_file import StationFile
from labctl.errors import ConfigurationError
from labctl.simulation.network_port import NetworkPort, address_of, bound
from labctl.simulation.realtime import RealTime
from labctl.simulation.serial_line import SerialWire
from labctl.simulation.serial_port import SerialPort
from labctl.simulation.table import TICK_S
from labctl.simulation.wire import WireInstrument
from labctl.simulation.wiring import simulate

LOOPBACK = "127.0.0.1"
SHORTEST_BEAT_S, LONGEST_BEAT_S = 5e-3, 50e-3  # wall time between two looks at the table when nobody talks
_MISSING_SERIAL = "ASRL/dev/labctl-missing-{name}::INSTR"
_LARGEST_PORT = 65535


class _Port(Protocol):
    name: str
    address: str

    def readers(self) -> list[int]: ...
    def writers(self) -> list[int]: ...
    def attend(self, now: float) -> float: ...
    def recover(self) -> None: ...
    def close(self) -> None: ...


class TableServer:
    """Serves every instrument of `station`, whose backend is simulated, in real time or `speed` times as fast.

    Instruments with an ASRL address get a pseudo terminal, all others a TCP port on `interface`: `port_base` and the
    place of the instrument in the station file, counted from 0, or any free port without `port_base`. `addresses`
    says where each one answers, as VISA resource names. An instrument with the fault `missing` has an address where
    nobody answers.

    Everything happens in the thread that calls `serve`, so twins and table are never touched by two. Other threads and
    signal handlers may call `stop`. `on_trouble` is told in a sentence what an operator should know.

    Raises `LabError` where a port or a pseudo terminal cannot be had.
    """

    def __init__(
        self,
        station: StationFile,
        *,
        speed: float = 1.0,
        port_base: int = 0,
        interface: str = LOOPBACK,
        on_trouble: Callable[[str], None] = lambda text: None,
    ) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise ConfigurationError(f"--speed {speed:g} is not above 0.", remedy="Use 1 for real time.")
        if not interface:
            raise ConfigurationError("--interface is empty.", remedy=f"Use {LOOPBACK}, or leave it out.")
        last = port_base + len(station.instruments) - 1
        if port_base < 0 or (port_base and last > _LARGEST_PORT):
            raise ConfigurationError(
                f"Ports {port_base} to {last} do not exist.",
                remedy=f"Choose a --port-base that ends by {_LARGEST_PORT}.",
            )
        simulation = simulate(station)
        self._on_trouble = on_trouble
        self._told: set[str] = set()
        self._stopping = False
        self._resources = ExitStack()
        self._ports: list[_Port] = []
        self.addresses: dict[str, str] = {}
        try:
            self._alarm, self._bell = socket.socketpair()
            self._resources.callback(self._alarm.close)
            self._resources.callback(self._bell.close)
            for place, (name, instrument) in enumerate(station.instruments.items()):
                number = port_base + place if port_base else 0
                is_serial = instrument.address.upper().startswith("ASRL")
                self.addresses[name] = self._open(name, simulation.wires.get(name), is_serial, interface, number)
        except BaseException:
            self.close()
            raise
        self._alarm.setblocking(False)
        self._table, self._speed = simulation.table, speed
        self._time = RealTime(self._table, speed)
        self._beat_s = min(max(TICK_S / speed, SHORTEST_BEAT_S), LONGEST_BEAT_S)

    def serve(self) -> None:
        """Serve until `stop` is called; lab time runs from here on."""
        self._time = RealTime(self._table, self._speed)
        while not self._stopping:
            self._time.follow()
            self._tell_if_late()
            next_at = min([self._attend(port) for port in self._ports], default=math.inf)
            self._wait(min(self._time.wall_s_until(next_at), self._beat_s))

    def stop(self) -> None:
        """Let `serve` return soon; safe from any thread and from a signal handler."""
        self._stopping = True
        with suppress(OSError):
            self._bell.send(b"!")

    def close(self) -> None:
        """Close every connection, port and pseudo terminal."""
        self._resources.close()

    def __enter__(self) -> TableServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self, name: str, wire: WireInstrument | None, is_serial: bool, interface: str, number: int) -> str:
        """Open the port of one instrument and return its address; `wire` is None where nobody answers."""
        if wire is None:
            if is_serial:
                return _MISSING_SERIAL.format(name=name)
            nobody = bound(name, interface, number)  # and not listening: connections are refused, and nobody takes it
            self._resources.callback(nobody.close)
            return address_of(nobody)
        if wire.baud is not None:
            wire = SerialWire(wire, wire.baud)
        port: _Port = SerialPort(name, wire) if is_serial else NetworkPort(name, wire, interface, number)
        self._resources.callback(port.close)
        self._ports.append(port)
        return port.address

    def _attend(self, port: _Port) -> float:
        try:
            return port.attend(self._time.now())
        except Exception as error:  # a defect of one twin must not take the whole table down
            self._tell(f"{port.name}: {type(error).__name__}: {error}. Its connections were closed. This is a defect.")
            with suppress(Exception):
                port.recover()
            return math.inf

    def _wait(self, seconds: float) -> None:
        """Wait until a host does something, but no longer than `seconds` of wall time."""
        readers = [self._alarm.fileno(), *(one for port in self._ports for one in port.readers())]
        writers = [one for port in self._ports for one in port.writers()]
        ready, _, _ = select.select(readers, writers, [], seconds)
        if self._alarm.fileno() in ready:
            with suppress(BlockingIOError):
                self._alarm.recv(64)

    def _tell_if_late(self) -> None:
        if self._time.lost_s:
            self._tell(
                "The simulated table fell behind its clock: this machine is too slow for the speed, or was asleep."
                " Use a lower --speed."
            )

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._on_trouble(text)
