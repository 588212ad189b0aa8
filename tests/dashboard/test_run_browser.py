"""The dialog with the runs on disk and their figures."""

from __future__ import annotations

import time

import pytest
from cut_off_text import cut_off_text
from keeping import shown
from pyqtgraph.Qt import QtCore, QtGui
from pytestqt.qtbot import QtBot
from stub_table import StubCommander

from labctl.bus.messages import FigureRow, RunSummaryRow
from labctl.bus.replies import Reply
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.run_browser import RunBrowser, local_text

Key = QtCore.Qt.Key
RUNS = (
    RunSummaryRow("20251124-b", "2025-11-24T21:04:00+00:00", "overnight 07", "complete", "31 of 31 steps", ""),
    RunSummaryRow("20251123-a", "2025-11-23T20:00:00+00:00", "overnight 06", "crashed", "12 of 31 steps", "No word."),
)
FIGURES = tuple(FigureRow(f"{name}.png", f"What {name} shows.") for name in ("timeline", "joint", "sensor1_ringdown"))


def picture(width: int) -> bytes:
    image = QtGui.QImage(width, 60, QtGui.QImage.Format.Format_RGB32)
    image.fill(QtGui.QColor("white"))
    buffer = QtCore.QBuffer()
    buffer.open(QtCore.QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data())


@pytest.fixture
def commander() -> StubCommander:
    answers = {
        "list_runs": Reply(rows=RUNS),
        "list_figures": Reply(rows=FIGURES),
        "read_figure": Reply(data=picture(90)),
    }
    return StubCommander(answers=answers)


def browser(qtbot: QtBot, look: Look, commander: StubCommander) -> RunBrowser:
    made = RunBrowser(look, commander)
    shown(qtbot, made)
    return made


@pytest.fixture
def dialog(qtbot: QtBot, look: Look, commander: StubCommander) -> RunBrowser:
    return browser(qtbot, look, commander)


def choose(qtbot: QtBot, dialog: RunBrowser, row: int) -> None:
    where = dialog.table.visualRect(dialog.table.model().index(row, 0)).center()
    qtbot.mouseClick(dialog.table.viewport(), QtCore.Qt.MouseButton.LeftButton, pos=where)


def told(dialog: RunBrowser) -> str:
    return "\n".join(label.text() for label in dialog.findChildren(PlainLabel) if label.isVisibleTo(dialog))


def figures_read(commander: StubCommander) -> list[object]:
    return [arguments["figure"] for command, arguments in commander.sent if command == "read_figure"]


def test_runs_are_listed_with_their_states(dialog: RunBrowser) -> None:
    rows = dialog.table.shown_rows
    assert [row.cells[3].text for row in rows] == ["✓ complete", "✗ crashed"]
    assert rows[1].cells[3].colour == THEMES["dark"].major
    assert "2 on disk" in told(dialog)


def test_times_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert local_text("2025-11-24T21:04:00+00:00") == "2025-11-25 02:49"
        assert local_text("yesterday") == "yesterday"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_chosen_run_shows_its_first_figure_and_reads_the_others(
    qtbot: QtBot, dialog: RunBrowser, commander: StubCommander
) -> None:
    choose(qtbot, dialog, 0)
    assert "figure 1 of 3, timeline" in told(dialog) and "What timeline shows." in told(dialog)
    assert dialog.view.has_figure
    qtbot.waitUntil(lambda: len(figures_read(commander)) == 3, timeout=1000)
    assert figures_read(commander) == [figure.name for figure in FIGURES]


def test_arrow_keys_go_through_the_figures_and_the_runs(
    qtbot: QtBot, dialog: RunBrowser, commander: StubCommander
) -> None:
    choose(qtbot, dialog, 0)
    qtbot.keyClick(dialog.table, Key.Key_Right)
    assert "figure 2 of 3, joint" in told(dialog)
    qtbot.keyClick(dialog.thumbnails, Key.Key_Right)
    qtbot.keyClick(dialog, Key.Key_Right)  # there is no fourth
    assert "figure 3 of 3" in told(dialog) and dialog.thumbnails.place == 2
    qtbot.keyClick(dialog.table, Key.Key_Left)
    assert "What joint shows." in told(dialog)
    qtbot.keyClick(dialog.table, Key.Key_Down)
    assert "20251123-a: figure 1 of 3" in told(dialog)
    assert ("list_figures", {"run": "20251123-a"}) in commander.sent


def test_a_run_without_figures_is_said_to_have_none(qtbot: QtBot, dialog: RunBrowser, commander: StubCommander) -> None:
    commander.answers["list_figures"] = Reply()
    choose(qtbot, dialog, 1)
    assert dialog.view.sentence == "No stored figures with the run 20251123-a."
    assert not dialog.thumbnails.isVisible()


def test_figures_that_cannot_be_read_or_shown_are_told(
    qtbot: QtBot, dialog: RunBrowser, commander: StubCommander
) -> None:
    commander.answers["read_figure"] = Reply(data=b"no picture")
    choose(qtbot, dialog, 0)
    assert dialog.view.sentence == "timeline.png was not read: it is no picture that can be shown"
    commander.refusals["read_figure"] = "It is too large."
    choose(qtbot, dialog, 1)
    assert dialog.view.sentence == "timeline.png was not read: It is too large."
    commander.refusals["list_figures"] = "The disk is gone."
    choose(qtbot, dialog, 0)
    assert "The disk is gone." in dialog.view.sentence


def test_answers_for_a_run_that_is_no_longer_shown_are_dropped(
    qtbot: QtBot, dialog: RunBrowser, commander: StubCommander
) -> None:
    commander.answers_at_once = False
    choose(qtbot, dialog, 0)
    late = commander.waiting.pop()
    choose(qtbot, dialog, 1)
    late()
    assert "figure" not in told(dialog)
    commander.answer_all()
    assert "20251123-a: figure 1 of 3" in told(dialog)


def test_the_filter_and_a_refused_list(qtbot: QtBot, dialog: RunBrowser, commander: StubCommander) -> None:
    qtbot.keyClicks(dialog.search, "crashed")
    assert [row.key for row in dialog.table.shown_rows] == ["20251123-a"]
    commander.refusals["list_runs"] = "No folder."
    qtbot.mouseClick(dialog.refresh_button, QtCore.Qt.MouseButton.LeftButton)
    assert "not listed: No folder." in told(dialog)


@pytest.mark.parametrize("height", [720, 1080, 2160])
def test_no_text_is_cut_off(qtbot: QtBot, commander: StubCommander, height: int) -> None:
    dialog = browser(qtbot, Look(THEMES["day"]).for_height(height), commander)
    choose(qtbot, dialog, 0)
    assert cut_off_text(dialog) == []
