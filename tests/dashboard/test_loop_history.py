"""The last minutes of a loop, with the limits that judge them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyqtgraph as pg
import pytest
from loop_scene import LOCKED, history
from pytestqt.qtbot import QtBot

from labctl.dashboard.look import Look
from labctl.dashboard.loop_history import Limits, LoopHistory


@pytest.fixture
def plots(qtbot: QtBot, look: Look) -> Iterator[LoopHistory]:
    plots = LoopHistory(look)
    qtbot.addWidget(plots)
    plots.resize(800, 600)
    plots.show()
    yield plots
    plots.close()


def items(plots: LoopHistory, kind: type) -> list[list[pg.GraphicsObject]]:
    layout = plots.findChild(pg.GraphicsLayoutWidget)
    return [[item for item in layout.getItem(row, 0).items if isinstance(item, kind)] for row in range(3)]


def ranges(plots: LoopHistory) -> list[list[float]]:
    layout = plots.findChild(pg.GraphicsLayoutWidget)
    return [layout.getItem(row, 0).getViewBox().viewRange()[1] for row in range(3)]


def test_limits_are_drawn_and_in_sight(plots: LoopHistory) -> None:
    plots.show_limits(Limits.of(LOCKED))
    plots.show_curve(history())
    places = [[mark.value() for mark in marks] for marks in items(plots, pg.InfiniteLine)]
    assert places == [[-0.8, 0.8], [0.9], [-10.0, 10.0]]
    for (low, high), limits in zip(ranges(plots), places, strict=True):
        assert low < min(limits) and max(limits) < high


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_time_runs_to_now_at_the_right(plots: LoopHistory, sign: float) -> None:
    curve = history()
    plots.show_curve(replace(curve, x=sign * curve.x))
    x = items(plots, pg.PlotCurveItem)[0][0].getData()[0]
    assert x[0] == pytest.approx(-119.9) and x[-1] == 0.0


def test_a_signal_that_a_loop_has_not_is_named_and_has_no_limits(plots: LoopHistory) -> None:
    plots.show_limits(Limits.of(replace(LOCKED, error_limit=math.nan)))
    curve = history()
    plots.show_curve(replace(curve, columns={**curve.columns, "error": np.full(1200, np.nan)}))
    layout = plots.findChild(pg.GraphicsLayoutWidget)
    assert layout.getItem(0, 0).getAxis("left").label.toPlainText().strip() == "no error"
    assert [layout.getItem(row, 0).isVisible() for row in range(3)] == [False, True, True]  # nor any axes
    assert not any(mark.isVisible() for mark in items(plots, pg.InfiniteLine)[0])
    assert items(plots, pg.PlotCurveItem)[1][0].isVisible()


def test_a_signal_that_a_loop_is_judged_by_keeps_its_axes_while_there_is_none(plots: LoopHistory) -> None:
    layout, curve = plots.findChild(pg.GraphicsLayoutWidget), history()
    without = replace(curve, columns={**curve.columns, "error": np.full(1200, np.nan)})
    plots.show_limits(Limits.of(replace(LOCKED, error_limit=math.nan)))
    plots.show_curve(without)
    pg.mkQApp().processEvents()
    heights = [layout.getItem(row, 0).size().height() for row in (1, 2)]
    plots.show_limits(Limits.of(LOCKED))
    plots.show_curve(replace(without))
    pg.mkQApp().processEvents()
    assert all(layout.getItem(row, 0).isVisible() for row in range(3))
    assert all(layout.getItem(row, 0).size().height() < before for row, before in zip((1, 2), heights, strict=True))


def test_an_error_beyond_its_limit_stays_in_sight(plots: LoopHistory) -> None:
    plots.show_limits(Limits.of(LOCKED))
    curve = history()
    plots.show_curve(replace(curve, columns={**curve.columns, "error": np.linspace(0.0, 3.0, 1200)}))
    assert ranges(plots)[0][1] > 3.0
