"""A real core in a process of its own, on the simulated table, for the tests that see the screens attached to one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.client import CoreAddress
from labctl.dashboard.core_link import CoreLink
from labctl.dashboard.look import Look
from labctl.dashboard.pages import all_pages
from labctl.dashboard.window import MainWindow

STARTS_WITHIN_S, ENDS_WITHIN_S = 40.0, 20.0
STATION = Path(__file__).parents[2] / "config" / "simulated.toml"
_SAID = re.compile(r"Serving .* at (\S+):(\d+)/(\S+)\. ")


@dataclass(frozen=True)
class ServedTable:
    """Where the core is, and where its runs and its log book go."""

    address: CoreAddress
    runs: Path

    def screen(self, name: str, look: Look | None = None) -> MainWindow:
        """Return a window attached to the core, under the name of a screen."""
        return MainWindow([CoreLink(self.address, name)], all_pages, look=look)


@contextmanager
def served_table(folder: Path, speed: float) -> Iterator[ServedTable]:
    """Serve a simulated table so many times as fast as the clock on the wall for the block."""
    runs, home = folder / "runs", folder / "home"
    for made in (runs, home):
        made.mkdir()
    environment = {**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "labctl", "serve", str(STATION), "--port", "0", "--speed", f"{speed:g}"]
    process = subprocess.Popen(
        [*command, "--seed", "1", "--runs", str(runs)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield ServedTable(_address(process), runs)
    finally:
        _end(process)


def _address(process: subprocess.Popen[str]) -> CoreAddress:
    """Return where the core says that it listens."""
    lines: list[str] = []
    found: list[CoreAddress] = []
    came = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:  # to the end, or the core would wait for a reader
            lines.append(line)
            if match := _SAID.search(line):
                found.append(CoreAddress(match[1], int(match[2]), match[3]))
                came.set()
        came.set()

    threading.Thread(target=read, name="what the core says", daemon=True).start()
    came.wait(STARTS_WITHIN_S)
    if not found:
        raise AssertionError(f"The core did not start: {''.join(lines)}")
    return found[0]


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def spin(until: Callable[[], bool], timeout_s: float = 10.0, what: str = "it") -> None:
    """Let the screens go on until something is so; raise AssertionError where that takes too long."""
    timer = QtCore.QElapsedTimer()
    timer.start()
    while not until():
        if timer.elapsed() > 1e3 * timeout_s:
            raise AssertionError(f"{what} did not happen within {timeout_s:g} s")
        QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        threading.Event().wait(0.005)
