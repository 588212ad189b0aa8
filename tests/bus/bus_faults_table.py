"""Real processes for what must hold when processes die: a told table, clients of it, and real cores.

Each notes what it knows in a file, a line each time; all end with the block that starts them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TOLD_TABLE = str(TESTS / "bus" / "told_table.py")
SIMULATED = TESTS.parent / "config" / "simulated.toml"


@dataclass
class Started:
    """A process of a test: what it notes, and its end."""

    process: subprocess.Popen[str]
    log: Path

    @cached_property
    def port(self) -> int:
        """Return the port in the first line that it prints, alone or in "... at HOST:PORT/PREFIX"; wait for it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        digits = line.partition(" at ")[2].partition("/")[0].rpartition(":")[2] or line
        if not digits.strip().isdigit():
            faults = self.log.with_suffix(".err").read_text(encoding="utf-8", errors="replace")
            raise AssertionError(f"It said {line!r}: {faults[-2000:]}")
        return int(digits)

    @property
    def notes(self) -> list[dict[str, float]]:
        """Return what it noted, in order; a line that is being written is left out."""
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def worst_gap_s(self, since: float) -> float:
        """Return the worst gap that was noted since a wall time."""
        return max((note["gap_s"] for note in self.notes if note["at"] >= since), default=float("inf"))

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as SIGKILL does, without a word."""
        self.process.kill()
        self.process.wait()


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a process whose user is somebody else: no cards of other cores, no display."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    places = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_RUNTIME_DIR": str(home)}
    screen = {"QT_QPA_PLATFORM": "offscreen", "QT_FONT_DPI": "96"}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, **places, **screen, **threads, "PYTHONPATH": str(TESTS.parent), "PYTHONUNBUFFERED": "1"}


@contextmanager
def started(command: list[str], folder: Path, name: str) -> Iterator[Started]:
    """Start a process for the block; it is killed at the end if it still lives."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.err").open("wb") as faults:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=faults, text=True, env=environment(folder / "home"), cwd=folder
        )
        try:
            yield Started(process, folder / f"{name}.log")
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@contextmanager
def publisher(
    folder: Path,
    *,
    port: int = 0,
    points: int = 1001,
    spectra_hz: float = 50.0,
    lively: bool = False,
    without: Sequence[str] = (),
) -> Iterator[Started]:
    """Start a process that tells the table."""
    given = ["--port", str(port), "--points", str(points), "--spectra-hz", str(spectra_hz), "--without", *without]
    command = [sys.executable, TOLD_TABLE, "publish", *given, *(["--lively"] if lively else [])]
    with started([*command, "--log", str(folder / "publisher.log")], folder, "publisher") as one:
        yield one


@contextmanager
def follower(folder: Path, port: int, name: str = "follower") -> Iterator[Started]:
    """Start a client that follows."""
    command = [sys.executable, TOLD_TABLE, "follow", "--address", f"127.0.0.1:{port}"]
    with started([*command, "--log", str(folder / f"{name}.log")], folder, name) as one:
        yield one


@contextmanager
def ticker(folder: Path) -> Iterator[Started]:
    """Start a process that only ticks."""
    command = [sys.executable, TOLD_TABLE, "tick", "--log", str(folder / "ticker.log")]
    with started(command, folder, "ticker") as one:
        yield one


@contextmanager
def core(folder: Path, *options: str, port: int = 0, station: Path = SIMULATED) -> Iterator[Started]:
    """Start a real core."""
    command = [sys.executable, "-m", "labctl", "serve", str(station), "--port", str(port), "--speed", "1"]
    with started([*command, "--runs", str(folder / "runs"), *options], folder, "core") as one:
        yield one


def until(holds: Callable[[], object], within_s: float, what: str = "") -> float:
    """Wait until something holds and return how long that took in s; fail where it does not come."""
    began, wait = time.monotonic(), threading.Event()
    while not holds():
        assert time.monotonic() - began < within_s, f"not within {within_s:g} s: {what or holds}"
        wait.wait(0.01)
    return time.monotonic() - began
