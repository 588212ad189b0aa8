"""The page of the network, as an operator sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cut_off_text import cut_off_text
from keeping import shown
from network_rows import loops, network, result, results
from pyqtgraph.Qt import QtCore
from pytestqt.qtbot import QtBot
from stub_table import NOW, StubCommander

from labctl.bus.latest import Latest
from labctl.bus.messages import LoopRow, ResultRow
from labctl.dashboard.advantage_plot import AdvantagePlot
from labctl.dashboard.filter_field import FilterField
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.network_page import HATCH, NetworkPage
from labctl.dashboard.painted_frame import PaintedChart
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.readout_plot import ReadoutPlot
from labctl.dashboard.style_sheet import style_sheet
from labctl.dashboard.text_rows import TextRow
from labctl.dashboard.text_table import TextTable


def page_of(qtbot: QtBot, latest: Latest, look: Look, width: int = 1280, height: int = 620) -> NetworkPage:
    page = NetworkPage(look, StubCommander())
    page.setStyleSheet(style_sheet(look))
    page.resize(width, height)
    shown(qtbot, page)
    page.show_latest(latest, NOW)
    return page


def table_of(page: NetworkPage) -> TextTable:
    return next(table for table in page.findChildren(TextTable) if "Convention" in str(table.model().headings))


def row_of(page: NetworkPage, name: str) -> TextRow:
    return next(row for row in table_of(page).all_rows if row.key == name)


def told(page: NetworkPage) -> str:
    return "\n".join(label.text() for label in page.findChildren(PlainLabel) if label.isVisibleTo(page))


def sentences(chart: PaintedChart) -> list[str]:
    chart.grab()
    return [spot.sentence() for spot in chart._spots]


def test_all_levels_are_drawn_and_told(qtbot: QtBot, look: Look) -> None:
    page = page_of(qtbot, network(4), look)
    found = sentences(page.findChild(ReadoutPlot))
    assert len(found) == 4 * 3 + 4
    assert "sum of records, complex weights: −4.570 ± 0.030 dB" in "\n".join(found).replace("\u00a0", " ")
    assert not any(HATCH in sentence for sentence in found)
    assert HATCH not in told(page)
    assert row_of(page, "joint.raw_db").cells[6].text == ""


def test_a_lost_lock_hatches_what_needs_it_and_says_why(qtbot: QtBot, look: Look) -> None:
    page = page_of(qtbot, network(4, "lo2"), look)
    line = told(page).replace("\u00a0", " ")
    assert f"{HATCH} LO2 is not locked (scan): measured 12 min ago: raw, digital, re-phased, source; " in line
    assert "conditional of sensors 1 to 4; marginal, individual of sensor 2" in line
    hatched = [sentence for sentence in sentences(page.findChild(ReadoutPlot)) if HATCH in sentence]
    assert len(hatched) == 4 + 4 + 2
    cells = row_of(page, "joint.raw_db").cells
    assert cells[1].text == "−3.710 ± 0.020"  # it stays in sight
    assert cells[1].hatched and "LO2" in cells[1].tool_tip and "not current" in cells[6].text
    assert not row_of(page, "sensor1.marginal_db").cells[1].hatched


def test_a_lock_that_comes_back_takes_the_hatching_away(qtbot: QtBot, look: Look) -> None:
    latest = network(4, "lo2")
    page = page_of(qtbot, latest, look)
    latest.put_rows(LoopRow, loops(4))
    page.show_latest(latest, NOW + 0.1)
    assert HATCH not in told(page)


def test_loops_that_fall_silent_put_everything_in_doubt(qtbot: QtBot, look: Look) -> None:
    latest = network(4)
    page = page_of(qtbot, latest, look)
    page.show_latest(latest, NOW + 3.0)
    assert "STALE" in told(page)


def test_the_filter_leaves_rows_with_all_its_words(qtbot: QtBot, look: Look) -> None:
    page = page_of(qtbot, network(4), look)
    field = page.findChild(FilterField)
    qtbot.mouseClick(field, QtCore.Qt.MouseButton.LeftButton)
    qtbot.keyClicks(field, "Joint RAW")
    assert [row.key for row in table_of(page).shown_rows] == ["joint.raw_db"]
    qtbot.keyClick(field, QtCore.Qt.Key.Key_Escape)
    assert len(table_of(page).shown_rows) == len(results(4))


def test_single_keys_are_not_taken_by_the_filter(qtbot: QtBot, look: Look) -> None:
    page = page_of(qtbot, network(4), look)
    assert not page.findChild(FilterField).hasFocus()
    assert not page.findChild(FilterField).focusPolicy() & QtCore.Qt.FocusPolicy.TabFocus


def test_what_was_not_measured_is_said(qtbot: QtBot, look: Look) -> None:
    page = page_of(qtbot, network(4), look)
    lines = next(table for table in page.findChildren(TextTable) if table is not table_of(page))
    texts = {row.cells[0].text.strip(): row.cells[1].text for row in lines.all_rows}
    assert texts["Force resolution"] == "not measured yet"
    assert texts["Weights in the sum"] == "not measured"
    assert texts["coherent light"] == "0.25"


def test_weights_and_forces_are_shown_once_they_are_there(qtbot: QtBot, look: Look) -> None:
    latest = network(4)
    page = page_of(qtbot, latest, look)
    more = [result("sensor1.weight", 0.51, 0.01, ""), result("force.resolution", 1.2e-15, 1e-16, "N")]
    latest.put_rows(ResultRow, [*results(4), *more])
    page.show_latest(latest, NOW + 0.1)
    lines = next(table for table in page.findChildren(TextTable) if table is not table_of(page))
    texts = {row.cells[0].text.strip(): row.cells[1].text.replace("\u00a0", " ") for row in lines.all_rows}
    assert texts["sensor 1"] == "0.510 ± 0.010"
    assert texts["resolution"] == "1.20 ± 0.10 fN"
    assert texts["Weights in the sum"] == texts["Force resolution"] == ""


def test_nothing_known_is_said_and_not_drawn(qtbot: QtBot, look: Look) -> None:
    page = page_of(qtbot, Latest(), look)
    assert sentences(page.findChild(ReadoutPlot)) == sentences(page.findChild(AdvantagePlot)) == []
    assert "Results: none yet" in told(page)


def test_nothing_is_built_anew_while_nothing_changes(qtbot: QtBot, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    latest = network(4)
    page = page_of(qtbot, latest, look)
    monkeypatch.setattr(page, "_show_table", lambda *_: pytest.fail("built anew"))
    rows = [replace(loop, error=0.1) for loop in loops(4)]  # a loop's error is not for this page
    latest.put_rows(LoopRow, rows)
    page.show_latest(latest, NOW + 0.2)


@pytest.mark.parametrize(
    ("size", "sensors"), [((1280, 720), 4), ((1280, 720), 16), ((1920, 1080), 4), ((3840, 2160), 16)]
)
def test_no_text_is_cut_off(qtbot: QtBot, size: tuple[int, int], sensors: int) -> None:
    look = Look(THEMES["day"]).for_height(size[1])
    page = page_of(qtbot, network(sensors, "lo2", "lo3"), look, size[0], round(0.86 * size[1]))
    assert cut_off_text(page) == []


def test_another_theme_is_taken(qtbot: QtBot, look: Look) -> None:
    page = page_of(qtbot, network(4, "lo2"), look)
    page.use_look(Look(THEMES["red"]))
    assert row_of(page, "joint.raw_db").cells[6].colour == THEMES["red"].minor
