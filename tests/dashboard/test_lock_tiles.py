"""The column of lock states, driven as an operator would."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from night_table import night
from pyqtgraph.Qt import QtCore, QtGui
from pytestqt.qtbot import QtBot
from stub_table import NOW

from labctl.bus.messages import LoopRow
from labctl.dashboard.lock_tiles import LockTiles
from labctl.dashboard.look import Look
from labctl.dashboard.tile_painter import TilePainter

LEFT = QtCore.Qt.MouseButton.LeftButton


@pytest.fixture
def tiles(qtbot: QtBot, look: Look) -> Iterator[LockTiles]:
    made = LockTiles(look)
    made.resize(made.width(), 680)
    made.show()
    made.show_latest(night(), NOW)
    qtbot.wait(1)
    yield made
    made.close()
    made.deleteLater()


@pytest.mark.parametrize(("wall", "units"), [(False, 46), (True, 58)])
def test_capitals_of_name_and_state_have_the_height_that_two_metres_ask_for(look: Look, wall: bool, units: int) -> None:
    painter = TilePainter(replace(look, wall=wall))
    for font in (painter._large, painter._bold):
        assert QtGui.QFontMetrics(font).capHeight() >= units


def test_a_clicked_tile_stays_selected_while_others_move(qtbot: QtBot, tiles: LockTiles) -> None:
    qtbot.mouseClick(tiles.widget(), LEFT, pos=tiles.tile_centre("lo2"))
    assert tiles.selected is not None
    assert tiles.selected.name == "LO1..4"
    tiles.show_latest(night(state="stalled"), NOW)
    assert tiles.tiles[0].name == "LO2"
    assert "lo1" in tiles.selected.loops
    qtbot.mouseClick(tiles.widget(), LEFT, pos=tiles.tile_centre("lo2"))
    assert tiles.selected is tiles.tiles[0]


def test_a_double_click_or_enter_opens_the_loop(qtbot: QtBot, tiles: LockTiles) -> None:
    with qtbot.waitSignal(tiles.loop_opened) as opened:
        qtbot.mouseDClick(tiles.widget(), LEFT, pos=tiles.tile_centre("pump_phase"))
    assert opened.args == ["pump_phase"]
    canvas = tiles.widget()
    qtbot.mouseClick(canvas, LEFT, pos=tiles.tile_centre("pump_phase"))
    qtbot.keyClick(canvas, QtCore.Qt.Key.Key_Up)
    with qtbot.waitSignal(tiles.loop_opened) as opened:
        qtbot.keyClick(canvas, QtCore.Qt.Key.Key_Return)
    assert opened.args == ["opa_length"]


def test_where_room_is_a_little_short_the_bars_of_what_is_normal_go_first(qtbot: QtBot, tiles: LockTiles) -> None:
    names = [tile.name for tile in tiles.tiles]
    assert not any(math.isnan(tile.rms) for tile in tiles.tiles if tile.loops)
    tiles.resize(tiles.width(), 600)
    assert [tile.name for tile in tiles.tiles] == names
    assert all(math.isnan(tile.rms) for tile in tiles.tiles)
    qtbot.wait(1)
    assert tiles.verticalScrollBar().maximum() == 0
    tiles.resize(tiles.width(), 680)
    assert not math.isnan(tiles.tiles[0].rms)


def test_where_room_is_short_all_that_is_locked_shares_one_tile(tiles: LockTiles) -> None:
    assert len(tiles.tiles) == 6
    tiles.show_latest(night(state="relock", why="the light fell to 0.4 of what it was"), NOW)
    assert [tile.name.replace("\u00a0", " ") for tile in tiles.tiles] == ["LO2", "9 LOOPS", "OVEN", "VACUUM"]


def test_a_hundred_lost_loops_scroll_and_the_worst_is_in_sight(tiles: LockTiles) -> None:
    latest = night(64)
    lost = [replace(row, state="scan" if row.name != "lo50" else "fault") for row in latest.rows(LoopRow)]
    latest.put_rows(LoopRow, lost)
    tiles.show_latest(latest, NOW)
    tiles.grab()
    assert tiles.tiles[0].loops == ("lo50",)
    assert tiles.viewport().rect().contains(tiles.tile_centre("lo50"))
    assert tiles.verticalScrollBar().maximum() > 10_000
    tiles.ensureVisible(0, tiles.tile_centre("lo64").y())
    assert tiles.viewport().rect().contains(tiles.widget().mapTo(tiles.viewport(), tiles.tile_centre("lo64")))


def test_only_a_tile_that_changed_is_painted_again(
    qtbot: QtBot, tiles: LockTiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[str] = []
    paint = TilePainter.paint
    monkeypatch.setattr(
        TilePainter,
        "paint",
        lambda self, p, tile, *a, **k: (painted.append(tile.name), paint(self, p, tile, *a, **k))[1],
    )
    tiles.show_latest(night(), NOW)
    qtbot.wait(1)
    assert painted == []
    tiles.show_latest(night(residual=0.05), NOW)
    qtbot.waitUntil(lambda: bool(painted), timeout=500)
    assert painted == ["LO1..4"]
