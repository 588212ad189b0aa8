"""A simulated table that a thread of this process serves, with all that goes to its instruments; and small cores."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from labctl.configuration.served_station import write_served_station
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.simulation import server
from labctl.simulation.wire import WireInstrument
from labctl.simulation.wiring import simulate

TESTS = Path(__file__).resolve().parents[1]
SIMULATED = template_directory() / "simulated.toml"
PATIENCE_S = 30.0


@dataclass
class ServedTable:
    """Where the table is, and what was sent to it: (instrument, bytes) in order."""

    station: Path
    addresses: dict[str, str]
    sent: list[tuple[str, bytes]]

    def ask(self, name: str, command: bytes) -> bytes:
        """Say something to an instrument on the network as another program would, and return its reply.

        Most let nobody in while another program has them: that is waited for.
        """
        _, host, port, _ = self.addresses[name].split("::")
        replies: list[bytes] = []

        def answered() -> bool:
            with suppress(ConnectionError), socket.create_connection((host, int(port)), timeout=5.0) as link:
                link.sendall(command)
                reply = b"" if b"?" in command else b"-\n"
                while not reply.endswith((b"\r", b"\n")) and (more := link.recv(1000)):  # a greeting comes first
                    reply += more
                replies.append(reply)
            return bool(replies) and replies[-1] != b""

        until(answered, f"a reply of {name}")
        return replies[-1]

    def sent_to(self, name: str) -> bytes:
        """Return all that was sent to an instrument."""
        return b"".join(data for instrument, data in self.sent if instrument == name)


@contextmanager
def served_table(folder: Path, extra: str = "") -> Iterator[ServedTable]:
    """Serve the simulated table, or that with `extra` in its station file, for the block."""
    path = folder / "simulated.toml"
    path.write_text(f'extends = "{SIMULATED}"\n{extra}', encoding="utf-8")
    file = load_station(path)
    simulation, sent = simulate(file), []
    for name, wire in simulation.wires.items():
        _tap(name, wire, sent)
    with patch.object(server, "simulate", lambda again: simulation), server.TableServer(file) as served:
        write_served_station(folder / "served.toml", path, served.addresses, 1.0)
        thread = threading.Thread(target=served.serve)
        thread.start()
        try:
            yield ServedTable(folder / "served.toml", dict(served.addresses), sent)
        finally:
            served.stop()
            thread.join()


def _tap(name: str, wire: WireInstrument, sent: list[tuple[str, bytes]]) -> None:
    taken = wire.on_bytes

    def on_bytes(data: bytes) -> None:
        sent.append((name, data))
        taken(data)

    wire.on_bytes = on_bytes  # type: ignore[method-assign]


@dataclass
class SmallCore:
    """A core, and who watches over it."""

    process: subprocess.Popen[str]
    watchdog: int

    def said(self) -> str:
        """Return the next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, word: str = "") -> int:
        """Let it end, and return its exit status."""
        self.process.communicate(word, timeout=PATIENCE_S)
        return self.process.returncode


@contextmanager
def small_core(station: Path, runs: Path, grace_s: float = 0.3) -> Iterator[SmallCore]:
    """Start a core for the block."""
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent), "LABCTL_WATCHDOG_GRACE_S": str(grace_s)}
    process = subprocess.Popen(
        [sys.executable, str(TESTS / "watchdog" / "small_core.py"), str(station), str(runs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline().strip()
        if not first.isdigit():
            raise AssertionError(first + process.communicate()[1])
        yield SmallCore(process, int(first))
    finally:
        process.kill()
        process.communicate()


def lives(pid: int) -> bool:
    """Return whether a process lives and is no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def until(holds: Callable[[], object], what: str) -> float:
    """Wait until something holds and return how long that took in s; fail where it does not come."""
    began, wait = time.monotonic(), threading.Event()
    while not holds():
        assert time.monotonic() - began < PATIENCE_S, f"not within {PATIENCE_S:g} s: {what}"
        wait.wait(0.02)
    return time.monotonic() - began
