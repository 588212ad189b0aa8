"""One curve in its frame: what is drawn, when it is drawn anew, and what is said about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyqtgraph as pg
import pytest
from cut_off_text import cut_off_text
from loop_scene import fringe
from pyqtgraph.Qt import QtCore, QtWidgets
from pytestqt.qtbot import QtBot

from labctl.bus.spectra import Curve
from labctl.dashboard.curve_plot import CurvePlot
from labctl.dashboard.look import THEMES, Look


@pytest.fixture
def plot(qtbot: QtBot, look: Look) -> Iterator[CurvePlot]:
    plot = CurvePlot(look, title="Last scan", source="lock_homodyne")
    qtbot.addWidget(plot)
    plot.resize(700, 320)
    plot.show()
    yield plot
    plot.close()


def drawn(plot: CurvePlot, kind: type) -> list[pg.GraphicsObject]:
    return [item for item in plot.findChild(pg.PlotWidget).getPlotItem().items if isinstance(item, kind)]


def texts(plot: CurvePlot) -> str:
    return "\n".join(label.text() for label in plot.findChildren(QtWidgets.QLabel) if label.isVisible())


def test_says_what_would_measure_it(plot: CurvePlot) -> None:
    plot.show_curve(None)
    assert "Not measured yet: run lock_homodyne." in texts(plot)
    assert "Last scan" in texts(plot)
    plot.name_source("")
    assert "Not measured yet.\n" in texts(plot) + "\n"


def test_few_measured_points_are_dots_below_a_line(plot: CurvePlot) -> None:
    plot.show_curve(fringe(points=100), 720.0)
    (dots,), (line,) = drawn(plot, pg.ScatterPlotItem), drawn(plot, pg.PlotCurveItem)
    assert len(dots.points()) == 100
    assert line.opts["pen"].color().name().upper() == THEMES["dark"].traces[5]
    assert ", 12\u00a0min\u00a0old" in texts(plot)


def test_many_points_are_a_line_of_pixels(plot: CurvePlot) -> None:
    plot.show_curve(fringe(points=100_000))
    assert not drawn(plot, pg.ScatterPlotItem)
    assert all(len(line.getData()[0]) <= 2 * plot.width() for line in drawn(plot, pg.PlotCurveItem))


def test_draws_anew_only_another_curve(plot: CurvePlot) -> None:
    curve = fringe()
    plot.show_curve(curve, 1.0)
    before = drawn(plot, pg.PlotCurveItem)
    plot.show_curve(curve, 61.0)
    assert drawn(plot, pg.PlotCurveItem) == before and "1\u00a0min\u00a0old" in texts(plot)
    plot.show_curve(replace(curve), 0.0)
    assert not set(drawn(plot, pg.PlotCurveItem)) & set(before)


def test_not_valid_is_hatched_dimmed_and_says_why(plot: CurvePlot) -> None:
    plot.show_curve(replace(fringe(), valid=False, reason="lo2 is not locked."))
    assert "▨ Not valid: lo2 is not locked." in texts(plot)
    hatches = [rectangle for rectangle in plot.findChild(pg.PlotWidget).items() if is_hatch(rectangle)]
    assert len(hatches) == 1 and hatches[0].isVisible() and hatches[0].rect().width() > 300
    colours = {line.opts["pen"].color().name().upper() for line in drawn(plot, pg.PlotCurveItem)}
    assert colours == {THEMES["dark"].dim}
    plot.show_curve(fringe())
    assert not hatches[0].isVisible() and "▨" not in texts(plot)


def is_hatch(item: object) -> bool:
    pattern = QtCore.Qt.BrushStyle.BDiagPattern
    return isinstance(item, QtWidgets.QGraphicsRectItem) and item.brush().style() == pattern


def test_uncertainties_are_bars_of_dots_and_bands_of_lines(plot: CurvePlot) -> None:
    x = np.arange(10.0)
    columns = {"power": x, "power_sigma": np.full(10, 0.5), "fit": x}
    curve = Curve("sensor1", "mode", "", "", "", "", "", x, columns)
    plot.show_curve(curve)
    bars = next(line for line in drawn(plot, pg.PlotCurveItem) if line.opts["connect"] == "pairs")
    assert list(bars.getData()[1][:4]) == [-0.5, 0.5, 0.5, 1.5]
    plot.show_curve(replace(curve, columns={"power": x, "power_sigma": np.full(10, 0.5)}))
    assert len(drawn(plot, pg.FillBetweenItem)) == 1


def test_texts_of_the_core_are_no_markup(plot: CurvePlot) -> None:
    ones = np.ones(1200)
    plot.show_curve(replace(fringe(), title="<img src=x>", text="<b>1</b>", columns={"<i>a": ones, "b": ones}))
    assert "<img src=x>" in texts(plot) and "<b>1</b>" in texts(plot)
    assert "&lt;i&gt;a" in texts(plot) and "<i>" not in texts(plot)  # the legend is rich text


@pytest.mark.parametrize(("width", "height", "scale"), [(700, 320, 1.0), (420, 400, 1.0), (1400, 640, 2.0)])
def test_no_text_is_cut_off(plot: CurvePlot, qtbot: QtBot, width: int, height: int, scale: float) -> None:
    plot.use_look(Look(THEMES["day"], scale))
    plot.show_curve(replace(fringe(), valid=False, reason="lo2, which it needs, is on its way to be locked."))
    plot.resize(width, height)
    qtbot.wait(1)
    assert cut_off_text(plot) == []


def test_log_axes_draw_logarithms_and_leave_out_what_has_none(qtbot: QtBot, look: Look) -> None:
    plot = CurvePlot(look, log_x=True, log_y=True)
    qtbot.addWidget(plot)
    x = np.array([0.0, 1.0, 10.0, 100.0])
    plot.show_curve(
        Curve("lo1", "psd", "", "Frequency", "Hz", "", "V²/Hz", x, {"psd": np.array([1.0, 10.0, 0.0, 1e3])})
    )
    (line,) = drawn(plot, pg.PlotCurveItem)
    assert np.array_equal(line.getData()[0], [np.nan, 0.0, 1.0, 2.0], equal_nan=True)
    assert np.array_equal(line.getData()[1], [0.0, 1.0, np.nan, 3.0], equal_nan=True)


def test_a_curve_of_nothing_is_drawn_as_nothing(plot: CurvePlot) -> None:
    nothing = np.array([])
    plot.show_curve(replace(fringe(), x=nothing, columns={"signal": nothing, "fit": nothing}))
    plot.show_curve(replace(fringe(), x=np.full(3, np.nan), columns={"signal": np.full(3, np.nan)}))
    assert len(drawn(plot, pg.PlotCurveItem)) == 1
