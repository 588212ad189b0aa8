"""The map of an alignment: the best point is marked, and more light is further from the background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyqtgraph as pg
import pytest
from cut_off_text import cut_off_text
from loop_scene import alignment
from pyqtgraph.Qt import QtGui
from pytestqt.qtbot import QtBot

from labctl.dashboard.alignment_map import AlignmentMap, oklch_colour, shades_of
from labctl.dashboard.look import THEMES, Look, ThemeName


@pytest.fixture
def plot(qtbot: QtBot, look: Look) -> Iterator[AlignmentMap]:
    plot = AlignmentMap(look)
    qtbot.addWidget(plot)
    plot.resize(700, 500)
    plot.show()
    yield plot
    plot.close()


def scatters(plot: AlignmentMap) -> tuple[pg.ScatterPlotItem, pg.ScatterPlotItem]:
    items = plot.findChild(pg.PlotWidget).getPlotItem().items
    points, best = (item for item in items if isinstance(item, pg.ScatterPlotItem))
    return points, best


def test_the_point_of_most_light_has_the_ring_and_the_last_shade(plot: AlignmentMap, qtbot: QtBot) -> None:
    plot.show_curve(alignment())
    points, best = scatters(plot)
    assert best.getData()[0].tolist() == [0.0]  # where the scene puts it
    assert points.points()[30].brush().color().name().upper() == shades_of(THEMES["dark"])[-1]
    assert points.points()[0].brush().color().name().upper() == shades_of(THEMES["dark"])[0]
    qtbot.wait(1)
    assert cut_off_text(plot) == []


def test_without_places_it_is_power_against_moves(plot: AlignmentMap) -> None:
    curve = alignment()
    plot.show_curve(replace(curve, columns={"power": curve.columns["power"]}, x_label="", y_label="", y_unit=""))
    assert scatters(plot)[1].getData()[1].tolist() == [0.97]
    axes = plot.findChild(pg.PlotWidget).getPlotItem()
    assert axes.getAxis("bottom").label.toPlainText().startswith("Move")
    assert axes.getAxis("left").label.toPlainText().startswith("Power")


def test_a_look_without_light_does_no_harm(plot: AlignmentMap) -> None:
    curve = alignment()
    power = curve.columns["power"].copy()
    power[30] = float("nan")
    plot.show_curve(replace(curve, columns={**curve.columns, "power": power}))
    assert scatters(plot)[1].getData()[0][0] in (-20.0, 20.0)
    plot.show_curve(replace(curve, columns={}))
    assert len(scatters(plot)[0].points()) == 0


@pytest.mark.parametrize("name", ["day", "dark", "red"])
def test_shades_go_evenly_away_from_the_background(name: ThemeName) -> None:
    theme = THEMES[name]
    lightness = [QtGui.QColor(shade).lightnessF() for shade in shades_of(theme)]
    background = QtGui.QColor(theme.panel).lightnessF()
    away = [abs(value - background) for value in lightness]
    assert away == sorted(away) and away[-1] > 0.5


def test_colours_are_those_of_oklab() -> None:
    assert oklch_colour(1.0, 0.0, 0.0) == "#FFFFFF" and oklch_colour(0.0, 0.0, 0.0) == "#000000"
    assert oklch_colour(0.62796, 0.25768, 29.234) in ("#FF0000", "#FF0100", "#FE0000")  # sRGB's red
