"""The processes that `bench_dashboard` measures: each measures itself and writes its figures into a file.

What is measured, and how, is said there. Nothing is imported here that a screen itself does not need.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from labctl.bus.client import BusClient, CoreAddress

WARM_UP_S, SAMPLE_EVERY_MS = 3.0, 77
SIZE = (1280, 720)
PEER_DRAWS_MS = 100


def cpu_s() -> float:
    """Return what this process used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Measurement:
    """What one process writes about itself, `seconds` after it is warm; then it ends itself."""

    def __init__(self, began_at: float, seconds: float, out: Path) -> None:
        self._began_at, self._seconds, self._out = began_at, seconds, out
        self._up_s = self._up_cpu_s = float("nan")
        self.painted: list[float] = []
        self._sampled: list[float] = []
        self._warm_at = self._used = float("nan")
        self.ends: list[Callable[[], Any]] = []

    def note_up(self) -> None:
        """Note that it is painted for the first time."""
        if np.isnan(self._up_s):
            self._up_s, self._up_cpu_s = time.time() - self._began_at, cpu_s()

    def begin(self) -> None:
        """Begin to measure."""
        self._warm_at, self._used = time.monotonic(), cpu_s()
        self.painted.clear()
        self._sampled.clear()

    def sample(self, newest_painted_at: float) -> None:
        """Note the age of what is on the screen, that was stamped then."""
        self._sampled.append(time.time() - newest_painted_at)

    def write(self) -> None:
        """Write what was measured."""
        share = (cpu_s() - self._used) / (time.monotonic() - self._warm_at)
        figures = {
            "up_s": self._up_s,
            "up_cpu_s": self._up_cpu_s,
            "cpu": share,
            "painted": self.painted,
            "sampled": self._sampled,
        }
        self._out.write_text(json.dumps(figures), encoding="utf-8")

    def run_in_qt(self, ages: Callable[[], float]) -> list[Any]:
        """Measure along with the event loop; return what must be kept. `ages` is the stamp of what is painted."""
        from pyqtgraph.Qt import QtCore

        timer = QtCore.QTimer()
        timer.timeout.connect(lambda: self.sample(ages()))
        timer.start(SAMPLE_EVERY_MS)

        def end() -> None:
            self.write()
            for act in self.ends:
                act()

        QtCore.QTimer.singleShot(round(1e3 * WARM_UP_S), self.begin)
        QtCore.QTimer.singleShot(round(1e3 * (WARM_UP_S + self._seconds)), end)
        return [timer]


def be_the_dashboard(address: str, measurement: Measurement) -> None:
    """Be `labctl dashboard`, and measure it."""
    from labctl.cli import main as labctl
    from labctl.dashboard import pages

    made_by, kept = pages.all_pages, []

    def watched(commander: Any, turn_to: Any) -> Any:
        from pyqtgraph.Qt import QtCore, QtWidgets

        made = made_by(commander, turn_to)
        overview: Any = made[0]

        class FirstPaint(QtCore.QObject):  # type: ignore[misc]
            def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802 - the name that Qt calls
                if event.type() == QtCore.QEvent.Type.Paint:
                    QtCore.QTimer.singleShot(0, measurement.note_up)
                    overview.removeEventFilter(self)
                return False

        stamp = [float("nan")]
        layer_painted = overview.spectrum.plot.layer._painted

        def painted() -> None:
            layer_painted()
            measurement.painted.append(overview.data_age_s)
            stamp[0] = time.time() - overview.data_age_s

        overview.spectrum.plot.layer._painted = painted
        first = FirstPaint()
        overview.installEventFilter(first)
        kept.extend([first, *measurement.run_in_qt(lambda: stamp[0])])
        measurement.ends.append(QtWidgets.QApplication.closeAllWindows)
        QtCore.QTimer.singleShot(0, lambda: overview.window().resize(*SIZE))
        return made

    pages.all_pages = watched
    sys.argv = ["labctl", "dashboard", "--connect", address]
    labctl()


def be_plain_curves(address: str, measurement: Measurement) -> None:
    """Draw the same spectra with nothing but pyqtgraph."""
    import pyqtgraph as pg
    from pyqtgraph.Qt import QtCore

    application = pg.mkQApp()
    client = BusClient(CoreAddress.parse(address), "plain curves")
    client.follow()
    plot, curves, stamp = pg.PlotWidget(), {}, [float("nan")]

    def draw() -> None:
        spectra = [one for one in client.latest.spectra() if one.kind == "psd"]
        for one in spectra:
            shot = client.latest.spectrum(one.channel, "shot")
            if one.channel not in curves:
                curves[one.channel] = plot.plot(pen=pg.mkPen(pg.intColor(len(curves)), width=1))
                plot.setYRange(-22.0, 10.0)
            if shot is not None:
                curves[one.channel].setData(one.frequency_hz, 10 * np.log10(one.psd_v2_per_hz / shot.psd_v2_per_hz))
        plot.viewport().repaint()
        measurement.note_up()
        if spectra:
            stamp[0] = max(one.taken_at for one in spectra)
            measurement.painted.append(time.time() - stamp[0])

    timer = QtCore.QTimer()
    timer.timeout.connect(draw)
    timer.start(PEER_DRAWS_MS)
    plot.resize(*SIZE)
    plot.show()
    kept = measurement.run_in_qt(lambda: stamp[0])
    measurement.ends += [client.close, application.quit]
    application.exec()
    kept.clear()


def only_receive(address: str, measurement: Measurement, seconds: float) -> None:
    """Receive, decode, and draw nothing."""
    client, wait = BusClient(CoreAddress.parse(address), "nothing drawn"), threading.Event()
    client.follow()
    wait.wait(WARM_UP_S)
    measurement.begin()
    wait.wait(seconds)
    measurement.write()
    client.close()


def main() -> None:
    """Be one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("dashboard", "plain", "nothing"))
    parser.add_argument("--port", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--began-at", type=float)
    given = parser.parse_args()
    measurement, address = Measurement(given.began_at, given.seconds, given.out), f"127.0.0.1:{given.port}"
    match given.part:
        case "dashboard":
            be_the_dashboard(address, measurement)
        case "plain":
            be_plain_curves(address, measurement)
        case _:
            only_receive(address, measurement, given.seconds)


if __name__ == "__main__":
    main()
