"""The first page as a whole: everything fits, and the keys of the window reach their panels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from cut_off_text import cut_off_text
from night_table import night
from pyqtgraph.Qt import QtCore, QtWidgets
from pytestqt.qtbot import QtBot
from stub_table import NOW, StubCommander, spectrum

from labctl.bus.messages import LoopRow
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.overview_page import OverviewPage
from labctl.dashboard.style_sheet import style_sheet

LEFT = QtCore.Qt.MouseButton.LeftButton
PAGE_SHARE = 0.865  # of the height of the window; the rest is header and messages
Make = Callable[..., tuple[OverviewPage, StubCommander]]


@pytest.fixture
def make(qtbot: QtBot) -> Iterator[Make]:
    windows: list[QtWidgets.QWidget] = []

    def page(width: int = 1920, height: int = 1080) -> tuple[OverviewPage, StubCommander]:
        look, commander, window = Look(THEMES["dark"]).for_height(height), StubCommander(), QtWidgets.QWidget()
        window.setStyleSheet(style_sheet(look))
        made = OverviewPage(look, commander)
        made.setParent(window)
        windows.append(window)
        window.resize(width, height)
        made.resize(width, round(PAGE_SHARE * height))
        window.show()
        return made, commander

    yield page
    for window in windows:
        window.close()
        window.deleteLater()


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080), (3840, 2160)])
def test_nothing_is_cut_off_in_the_panels(make: Make, width: int, height: int) -> None:
    page, _ = make(width, height)
    latest = night(state="approach", why="walking to the fringe by the length of the other mirror, 3 V to go")
    latest.put_spectrum(spectrum())
    for _ in range(2):
        page.show_latest(latest, NOW)
    parts = (page.tiles, page.calibration, page.queue, page.strip, page.alarms)
    assert [text for part in parts for text in cut_off_text(part)] == []
    assert page.calibration.table.horizontalScrollBar().maximum() == 0
    assert page.strip.chart.height() > 0.6 * page.strip.height()
    beside = page.width() - page.tiles.width() - page.calibration.width()
    assert beside > 0.52 * width  # for the spectrum


def test_on_a_calm_night_every_kind_of_loop_and_every_reading_is_in_sight(make: Make) -> None:
    page, _ = make()
    page.show_latest(night(), NOW)
    assert len(page.tiles.tiles) == 6
    assert page.tiles.verticalScrollBar().maximum() == 0


def test_the_wall_has_larger_letters_in_the_same_column(make: Make) -> None:
    page, _ = make()
    width = page.tiles.width()
    page.use_look(Look(THEMES["dark"], wall=True))
    page.show_latest(night(state="approach"), NOW)
    assert page.tiles.width() == width
    assert cut_off_text(page.tiles) == []


def test_f5_asks_to_lock_what_is_not_locked_in_the_selected_tile(qtbot: QtBot, make: Make) -> None:
    page, commander = make()
    latest = night(state="stalled")
    page.show_latest(latest, NOW)
    assert not page.relock_selected()
    qtbot.mouseClick(page.tiles.widget(), LEFT, pos=page.tiles.tile_centre("lo2"))
    assert page.relock_selected()
    assert commander.sent == [("lock_loop", {"loop": "lo2"})]
    page.show_latest(night(), NOW)
    assert not page.relock_selected()  # it is locked again, with the others
    off = [replace(row, state="off", wanted=False) if row.kind == "homodyne" else row for row in latest.rows(LoopRow)]
    latest.put_rows(LoopRow, off)
    page.show_latest(latest, NOW)
    assert page.relock_selected()
    assert [arguments["loop"] for _, arguments in commander.sent[1:]] == ["lo1", "lo2", "lo3", "lo4"]


def test_signals_of_the_panels_reach_the_window(qtbot: QtBot, make: Make) -> None:
    page, _ = make()
    page.show_latest(night(), NOW)
    with qtbot.waitSignal(page.loop_opened) as opened:
        qtbot.mouseDClick(page.tiles.widget(), LEFT, pos=page.tiles.tile_centre("opa_length"))
    assert opened.args == ["opa_length"]
    with qtbot.waitSignal(page.add_requested):
        qtbot.mouseClick(page.queue.buttons["Add…"], LEFT)


def test_keys_and_the_age_of_the_data_come_from_the_spectrum(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    page, _ = make()
    pressed: list[str] = []
    monkeypatch.setattr(page.spectrum, "spectrum_key", pressed.append)
    page.spectrum_key("M")
    assert pressed == ["M"]
    page.spectrum.data_age_s = 0.25
    assert page.data_age_s == 0.25
