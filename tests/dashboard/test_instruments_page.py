"""The page of the instruments, as an operator uses it."""

from __future__ import annotations

from typing import Any

import pytest
from cut_off_text import cut_off_text
from keeping import shown
from pyqtgraph.Qt import QtCore
from pytestqt.qtbot import QtBot
from stub_table import NAN, NOW, StubCommander

from labctl.bus.latest import Latest
from labctl.bus.messages import InstrumentRow
from labctl.bus.replies import Reply
from labctl.dashboard.instruments_page import InstrumentsPage, latency_text
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.style_sheet import style_sheet
from labctl.dashboard.text_table import TextTable

SILENT = {
    "answers": False, "latency_s": NAN, "last_error": "No reply within 1.0 s.\nIs it on?", "last_error_at": NOW - 60,
}  # fmt: skip


def instrument(name: str, **changes: Any) -> InstrumentRow:
    fields: dict[str, Any] = {
        "name": name, "model": "Rigol DSA815", "driver": "rigol-dsa815", "address": "TCPIP0::10.0.0.7::5555::SOCKET",
        "identity": "Rigol Technologies,DSA815,DSA8A154200123,00.01.19", "answers": True, "latency_s": 0.0123,
        "last_error": "", "last_error_at": NAN, "checked_at": NOW - 3, "messages": 2211,
    }  # fmt: skip
    return InstrumentRow(**{**fields, **changes})


def latest_of(*rows: InstrumentRow) -> Latest:
    latest = Latest()
    latest.hear(NOW, NOW)
    latest.put_rows(InstrumentRow, rows)
    return latest


@pytest.fixture
def commander() -> StubCommander:
    return StubCommander(answers={"read_traffic": Reply(text="12:00:00 > *IDN?\n12:00:01 < Rigol")})


@pytest.fixture
def page(qtbot: QtBot, look: Look, commander: StubCommander) -> InstrumentsPage:
    made = InstrumentsPage(look, commander)
    made.resize(1280, 620)
    shown(qtbot, made)
    rows = (instrument("analyzer"), instrument("boards", last_error="Refused: 151 V.", last_error_at=NOW - 9))
    made.show_latest(latest_of(*rows, instrument("oven", **SILENT)), NOW)
    return made


def click(qtbot: QtBot, page: InstrumentsPage, row: int) -> None:
    table = page.findChild(TextTable)
    where = table.visualRect(table.model().index(row, 1)).center()
    qtbot.mouseClick(table.viewport(), QtCore.Qt.MouseButton.LeftButton, pos=where)


def told(page: InstrumentsPage) -> str:
    return "\n".join(label.text() for label in page.findChildren(PlainLabel) if label.isVisibleTo(page))


def test_the_silent_come_first_then_those_with_errors(page: InstrumentsPage) -> None:
    rows = page.findChild(TextTable).shown_rows
    assert [row.key for row in rows] == ["oven", "boards", "analyzer"]
    assert [row.cells[0].text for row in rows] == ["✗ SILENT", "✓ answers", "✓ answers"]
    assert rows[0].cells[5].text == "–" and rows[2].cells[5].text == "12 ms"
    assert rows[0].cells[7].text == "No reply within 1.0 s."
    assert "1 silent" in told(page)


def test_choosing_one_shows_all_about_it_and_its_traffic(
    qtbot: QtBot, page: InstrumentsPage, commander: StubCommander
) -> None:
    click(qtbot, page, 0)
    assert commander.sent == [("read_traffic", {"instrument": "oven"})]
    assert page.traffic.text.toPlainText() == "12:00:00 > *IDN?\n12:00:01 < Rigol"
    assert "Is it on?" in told(page) and "00.01.19" in told(page) and "Traffic of oven" in told(page)


def test_traffic_is_asked_for_again_only_while_auto_is_ticked_and_nothing_pauses(
    qtbot: QtBot, page: InstrumentsPage, commander: StubCommander
) -> None:
    click(qtbot, page, 0)
    page.traffic._timer.timeout.emit()
    assert len(commander.sent) == 2
    qtbot.mouseClick(page.traffic.pause_button, QtCore.Qt.MouseButton.LeftButton)
    page.traffic._timer.timeout.emit()
    assert len(commander.sent) == 2 and "paused" in told(page)
    qtbot.mouseClick(page.traffic.refresh_button, QtCore.Qt.MouseButton.LeftButton)
    assert len(commander.sent) == 3
    qtbot.mouseClick(page.traffic.pause_button, QtCore.Qt.MouseButton.LeftButton)
    assert len(commander.sent) == 4
    page.traffic.auto.setChecked(False)
    page.traffic._timer.timeout.emit()
    assert len(commander.sent) == 4


def test_traffic_is_not_asked_for_while_the_page_is_hidden(page: InstrumentsPage) -> None:
    assert page.traffic._timer.isActive()
    page.hide()
    assert not page.traffic._timer.isActive()


def test_one_question_at_a_time_and_late_answers_are_dropped(
    qtbot: QtBot, page: InstrumentsPage, commander: StubCommander
) -> None:
    commander.answers_at_once = False
    click(qtbot, page, 0)
    page.traffic._timer.timeout.emit()
    assert len(commander.sent) == 1
    click(qtbot, page, 2)
    assert commander.sent[-1] == ("read_traffic", {"instrument": "analyzer"})
    commander.waiting.pop()  # only that of the oven comes
    commander.answer_all()
    assert page.traffic.text.toPlainText() == ""


def test_a_refusal_is_told(qtbot: QtBot, page: InstrumentsPage, commander: StubCommander) -> None:
    commander.refusals["read_traffic"] = "There is no instrument oven."
    click(qtbot, page, 0)
    assert "not read: There is no instrument oven." in told(page)


def test_the_choice_stays_when_the_order_changes(qtbot: QtBot, page: InstrumentsPage, commander: StubCommander) -> None:
    click(qtbot, page, 2)
    page.show_latest(latest_of(instrument("analyzer", **SILENT), instrument("oven")), NOW + 0.1)
    table = page.findChild(TextTable)
    assert [row.key for row in table.shown_rows] == ["analyzer", "oven"]
    assert [index.row() for index in table.selectionModel().selectedRows()] == [0]
    assert len(commander.sent) == 1
    assert "analyzer   ✗ SILENT" in told(page)


def test_a_core_that_is_gone_makes_all_stale(page: InstrumentsPage) -> None:
    page.show_latest(latest_of(instrument("analyzer")), NOW + 5)
    row = page.findChild(TextTable).shown_rows[0]
    assert "STALE" in row.cells[0].text and row.cells[5].text == "–"


def test_latencies() -> None:
    assert [latency_text(s).replace("\u00a0", " ") for s in (0.0007, 0.0123, 1.5, NAN)] == [
        "0.7 ms", "12 ms", "1500 ms", "–",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (3840, 2160)])
def test_no_text_is_cut_off(qtbot: QtBot, commander: StubCommander, size: tuple[int, int]) -> None:
    look = Look(THEMES["day"]).for_height(size[1])
    page = InstrumentsPage(look, commander)
    page.setStyleSheet(style_sheet(look))
    page.resize(size[0], round(0.86 * size[1]))
    shown(qtbot, page)
    page.show_latest(latest_of(*(instrument(f"board{n}", **SILENT) for n in range(12))), NOW)
    page.findChild(TextTable).choose("board3")
    assert cut_off_text(page) == []


def test_counts_alone_are_drawn_once_a_second_and_a_silence_at_once(page: InstrumentsPage) -> None:
    table = page.findChild(TextTable)

    def messages(now: float, **changes: Any) -> str:
        page.show_latest(latest_of(instrument("analyzer", **changes)), now)
        return str(table.shown_rows[0].cells[6].text)

    assert messages(NOW + 1.0, messages=1) == "1"
    assert messages(NOW + 1.5, messages=2, latency_s=0.5) == "1"
    assert messages(NOW + 2.0, messages=3) == "3"
    assert messages(NOW + 2.1, messages=4, answers=False) == "4"
