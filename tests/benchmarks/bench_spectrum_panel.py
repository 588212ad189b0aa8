"""What one frame of the spectrum panel costs, against plain curves of all points in a pyqtgraph plot.

Both draw 6 spectra of 10 001 points (or 100 001) and a shot noise line into 1280 x 720 pixels, painting included; for
each frame every channel has a new spectrum. CPU time.

Run: pytest tests/benchmarks/bench_spectrum_panel.py --benchmark-only
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import pyqtgraph as pg
import pytest
from numpy.typing import NDArray
from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.spectra import Kind, LiveSpectrum
from labctl.dashboard.look import Look
from labctl.dashboard.spectrum_panel import SpectrumPanel

CHANNELS = ("bhd1", "bhd2", "bhd3", "bhd4", "joint", "rephased")
LEVELS_DB = (-0.8, -0.8, -0.8, -0.8, -3.7, -4.6)
FRAMES = 8
RANDOM = np.random.default_rng(1)
AIM_MS = 15.0  # of CPU time for a frame of 10 001 points


@cache
def axis(points: int) -> NDArray[np.float64]:
    return np.linspace(4.08e6, 4.56e6, points)


def spectrum(channel: str, level_db: float, kind: Kind, at: float, points: int) -> LiveSpectrum:
    power = 4e-14 * 10 ** (level_db / 10) * RANDOM.gamma(50, 1 / 50, points)
    settings = (10.0, float("nan"), 50, 50, "power", "digitizer", "bench", True, "", at)
    return LiveSpectrum(channel, kind, axis(points), power, *settings)


@pytest.fixture(scope="module")
def application() -> QtWidgets.QApplication:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    return pg.mkQApp()


def finished(widget: QtWidgets.QWidget, application: QtWidgets.QApplication) -> None:
    widget.resize(1280, 720)
    widget.show()
    application.processEvents()


def closed(widget: QtWidgets.QWidget, application: QtWidgets.QApplication) -> None:
    widget.close()
    widget.deleteLater()
    application.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    application.processEvents()


@pytest.fixture(params=[10_001, 100_001], ids=["10k", "100k"])
def points(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def panel_frame(application: QtWidgets.QApplication, points: int) -> Iterator[Callable[[], None]]:
    panel, latest = SpectrumPanel(Look().for_height(720)), Latest()
    for channel in CHANNELS:
        latest.put_spectrum(spectrum(channel, 0.0, "shot", 0.0, points))
        latest.put_spectrum(spectrum(channel, -20.0, "dark", 0.0, points))
    frames = cycle(
        [
            [
                spectrum(channel, level, "psd", float(number), points)
                for channel, level in zip(CHANNELS, LEVELS_DB, strict=True)
            ]
            for number in range(FRAMES)
        ]
    )

    def frame() -> None:
        spectra = next(frames)
        for each in spectra:
            latest.put_spectrum(each)
        panel.show_latest(latest, spectra[0].taken_at)
        application.processEvents()

    finished(panel, application)
    yield frame
    closed(panel, application)


@pytest.fixture
def plain_frame(application: QtWidgets.QApplication, points: int) -> Iterator[Callable[[], None]]:
    plot, x = pg.PlotWidget(), axis(points)
    curves = [plot.plot(pen=pg.mkPen(pg.intColor(number), width=1)) for number in range(len(CHANNELS))]
    plot.addLine(y=0.0, pen=pg.mkPen("w", style=QtCore.Qt.PenStyle.DotLine))
    shot = spectrum("shot", 0.0, "shot", 0.0, points).psd_v2_per_hz
    frames = cycle(
        [[spectrum("any", level, "psd", 0.0, points).psd_v2_per_hz for level in LEVELS_DB] for _ in range(FRAMES)]
    )

    def frame() -> None:
        for curve, power in zip(curves, next(frames), strict=True):
            curve.setData(x, 10 * np.log10(power / shot))
        application.processEvents()

    finished(plot, application)
    plot.setRange(xRange=(x[0], x[-1]), yRange=(-22.0, 10.0), padding=0)
    yield frame
    closed(plot, application)


@pytest.mark.benchmark(group="one frame", timer=time.process_time)
def test_frame_of_the_panel(benchmark: Any, panel_frame: Callable[[], None], points: int) -> None:
    benchmark.pedantic(panel_frame, rounds=20, iterations=2, warmup_rounds=3)
    if points == 10_001 and benchmark.stats is not None:
        assert benchmark.stats.stats.median * 1e3 < AIM_MS


@pytest.mark.benchmark(group="one frame", timer=time.process_time)
def test_frame_of_plain_curves(benchmark: Any, plain_frame: Callable[[], None]) -> None:
    benchmark.pedantic(plain_frame, rounds=10, iterations=2, warmup_rounds=3)
