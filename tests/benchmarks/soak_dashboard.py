"""Whether the operator's screen grows while it stands on a wall for long.

A process publishes six spectra of 1001 points at 50 Hz, tables that change ten times a second, alarms that come and go,
events that flow, the histories of loops twice a second. `labctl dashboard` shows it, offscreen, 1280 x 720 pixels, and
turns its page every ten seconds, so that every page was shown while it warms up (60 s). From then on the resident
memory of the dashboard is read from /proc every 10 s.

Prints the slope of a line through the readings times the time that they span, and the highest reading less the first;
ends with 1 where either is over 5 MB. With --trace the dashboard tells at its end which lines of Python hold more than
after the warm-up, which makes it several times slower.

Run: python tests/benchmarks/soak_dashboard.py --minutes 60
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TESTS = Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS / "bus"))

from bus_faults_table import Started, publisher, started  # noqa: E402

MOST_GROWTH_MB = 5.0
WARM_UP_S, READ_EVERY_S, TURN_EVERY_S = 60.0, 10.0, 10.0
SPECTRA_HZ, POINTS = 50.0, 1001
SIZE, PAGES = (1280, 720), 5
TOLD_LINES = 25


# ---- the dashboard --------------------------------------------------------------------------------------------------


def be_the_dashboard(address: str, trace_s: float) -> None:
    """Be `labctl dashboard`, turning its pages; with `trace_s` tell after so long where memory grew, and end."""
    from labctl.cli import main as labctl
    from labctl.dashboard import pages

    made_by, timers = pages.all_pages, []

    def turning(commander: Any, turn_to: Any) -> Any:
        from pyqtgraph.Qt import QtCore

        made: Any = made_by(commander, turn_to)
        turn, place = QtCore.QTimer(), [0]

        def next_page() -> None:
            place[0] = (place[0] + 1) % PAGES
            turn_to(place[0])

        turn.timeout.connect(next_page)
        turn.start(round(1e3 * TURN_EVERY_S))
        timers.append(turn)
        QtCore.QTimer.singleShot(0, lambda: made[0].window().resize(*SIZE))
        if trace_s:
            QtCore.QTimer.singleShot(round(1e3 * WARM_UP_S), _begin_trace)
            QtCore.QTimer.singleShot(round(1e3 * (WARM_UP_S + trace_s)), lambda: _tell_trace(made[0].window()))
        return made

    pages.all_pages = turning
    sys.argv = ["labctl", "dashboard", "--connect", address]
    labctl()


_before: list[tracemalloc.Snapshot] = []


def _begin_trace() -> None:
    tracemalloc.start(8)
    _before.append(tracemalloc.take_snapshot())


def _tell_trace(window: Any) -> None:
    grown = tracemalloc.take_snapshot().compare_to(_before[0], "traceback")
    for one in grown[:TOLD_LINES]:
        print(one, *one.traceback.format(), sep="\n", file=sys.stderr)  # noqa: T201
    window.close()


# ---- watching it ----------------------------------------------------------------------------------------------------


def resident_mb(process: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def watch(dashboard: Started, minutes: float) -> NDArray[np.float64]:
    """Return time in s and resident memory in MB (2, n) after the warm-up; print each."""
    wait, began, readings = threading.Event(), time.monotonic(), []
    wait.wait(WARM_UP_S)
    while dashboard.process.poll() is None:
        at = time.monotonic() - began
        readings.append((at, resident_mb(dashboard.process.pid)))
        print(f"{at:7.0f} s  {readings[-1][1]:8.2f} MB", flush=True)  # noqa: T201
        if at - WARM_UP_S >= 60.0 * minutes:
            return np.array(readings).T
        wait.wait(READ_EVERY_S)
    raise SystemExit(f"The dashboard ended with {dashboard.process.returncode}.")


def main() -> int:
    """Soak, and return 1 where memory grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="after the warm-up")
    parser.add_argument("--trace", action="store_true", help="tell where memory grew")
    parser.add_argument("--part", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        be_the_dashboard(given.part, 60.0 * given.minutes * given.trace)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with publisher(folder, points=POINTS, spectra_hz=SPECTRA_HZ, lively=True) as table:
            options = ["--part", f"127.0.0.1:{table.port}", "--minutes", str(given.minutes)]
            command = [sys.executable, str(Path(__file__).resolve()), *options, *(["--trace"] if given.trace else [])]
            with started(command, folder, "dashboard") as dashboard:
                if given.trace:
                    dashboard.process.wait()
                    print((folder / "dashboard.err").read_text(encoding="utf-8"))  # noqa: T201
                    return 0
                at_s, used_mb = watch(dashboard, given.minutes)
            told = len(table.notes)
        faults = (folder / "dashboard.err").read_text(encoding="utf-8").strip()
    slope = float(np.polyfit(at_s, used_mb, 1)[0])
    fitted, most = slope * float(at_s[-1] - at_s[0]), float(used_mb.max() - used_mb[0])
    print(f"{told} telling notes. Line: {fitted:+.2f} MB in {(at_s[-1] - at_s[0]) / 60:.1f} min. ", end="")  # noqa: T201
    print(f"Highest over first: {most:+.2f} MB. It said: {faults[-2000:] or 'nothing'}")  # noqa: T201
    return int(max(fitted, most) > MOST_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
