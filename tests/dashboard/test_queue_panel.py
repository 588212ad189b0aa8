"""The queue, driven as an operator would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cut_off_text import cut_off_text
from night_table import night, queue_rows
from pyqtgraph.Qt import QtCore
from pytestqt.qtbot import QtBot
from stub_table import NOW, StubCommander, core_row, run_row

from labctl.bus.latest import Latest
from labctl.bus.messages import CoreRow, QueueRow, RunRow
from labctl.dashboard.ask_dialog import AskDialog
from labctl.dashboard.look import Look
from labctl.dashboard.queue_panel import QueuePanel

LEFT = QtCore.Qt.MouseButton.LeftButton


@pytest.fixture
def commander() -> StubCommander:
    return StubCommander()


@pytest.fixture
def panel(qtbot: QtBot, look: Look, commander: StubCommander) -> Iterator[QueuePanel]:
    made = QueuePanel(look, commander)
    made.resize(478, 260)
    made.show()
    made.show_latest(night(), NOW)
    yield made
    made.close()
    made.deleteLater()


def _idle(**run: object) -> Latest:
    latest = night()
    latest.put_rows(RunRow, [run_row(state="idle", **run)])
    latest.put_rows(QueueRow, [row for row in queue_rows() if row.state == "waiting"])
    return latest


def _press(qtbot: QtBot, panel: QueuePanel, name: str) -> None:
    qtbot.mouseClick(panel.buttons[name], LEFT)


def _dialog(panel: QueuePanel) -> AskDialog:
    return next(dialog for dialog in panel.findChildren(AskDialog) if dialog.isVisible())


def _texts(panel: QueuePanel, place: int) -> list[str]:
    row = panel.table.shown_rows[place]
    return [cell.text.replace("\u00a0", " ").replace("\u200b", "") for cell in row.cells]


def test_a_step_has_glyph_name_state_and_time(panel: QueuePanel) -> None:
    assert _texts(panel, 0) == ["✓ warm_oven", "done", "10 min"]
    assert _texts(panel, 3) == ["✗ audit_signs", "failed", "10 min"]
    assert "the tone was not found" in panel.table.shown_rows[3].cells[0].tool_tip
    assert _texts(panel, 8) == ["▶ align_sensor[5]", "running 30 %", "13 min left"]
    assert _texts(panel, 9)[1:] == ["waiting", "≈ 19 min"]
    assert panel.note.replace("\u00a0", " ") == "▶ running · 9/31 · 4 h left"
    assert cut_off_text(panel) == []


def test_the_running_step_is_in_sight_until_the_operator_scrolls(qtbot: QtBot, panel: QueuePanel) -> None:
    latest, table = night(), panel.table

    def seen() -> bool:
        panel.show_latest(latest, NOW)
        return bool(table.viewport().rect().contains(table.visualRect(table.model().index(8, 0))))

    qtbot.waitUntil(seen, timeout=1000)
    table.verticalScrollBar().setValue(0)
    panel.show_latest(latest, NOW)
    assert table.verticalScrollBar().value() == 0


def test_start_asks_for_a_title_and_blocks_nothing(qtbot: QtBot, panel: QueuePanel, commander: StubCommander) -> None:
    panel.show_latest(_idle(), NOW)
    _press(qtbot, panel, "Start")
    assert commander.sent == []
    dialog = _dialog(panel)
    assert not dialog.isModal()
    assert "22 waiting steps" in dialog.sentence.text()
    qtbot.keyClicks(dialog.text, "overnight 08")
    qtbot.mouseClick(dialog.agree, LEFT)
    assert commander.sent == [("start_queue", {"title": "overnight 08"})]


def test_a_question_that_is_cancelled_does_nothing(qtbot: QtBot, panel: QueuePanel, commander: StubCommander) -> None:
    panel.show_latest(_idle(), NOW)
    _press(qtbot, panel, "Start")
    qtbot.mouseClick(_dialog(panel).cancel, LEFT)
    _press(qtbot, panel, "Start")
    qtbot.keyClick(_dialog(panel), QtCore.Qt.Key.Key_Escape)
    assert commander.sent == []


def test_pause_becomes_resume(qtbot: QtBot, panel: QueuePanel, commander: StubCommander) -> None:
    _press(qtbot, panel, "Pause")
    latest = night()
    latest.put_rows(RunRow, [run_row(state="paused")])
    panel.show_latest(latest, NOW)
    assert panel.buttons["Pause"].text() == "Resume"
    _press(qtbot, panel, "Pause")
    assert commander.names() == ["pause_queue", "resume_queue"]


def test_a_waiting_step_is_moved_skipped_and_removed(qtbot: QtBot, panel: QueuePanel, commander: StubCommander) -> None:
    panel.table.choose("110")  # the second of those that wait
    for name in ("▲", "▼", "Skip", "Remove"):
        _press(qtbot, panel, name)
    assert commander.sent == [
        ("move_step", {"identity": 110, "place": 0}),
        ("move_step", {"identity": 110, "place": 2}),
        ("skip_step", {"identity": 110}),
        ("remove_step", {"identity": 110}),
    ]


def test_to_skip_the_running_step_takes_a_second_word(
    qtbot: QtBot, panel: QueuePanel, commander: StubCommander
) -> None:
    panel.table.choose("108")
    _press(qtbot, panel, "Skip")
    assert commander.sent == []
    qtbot.mouseClick(_dialog(panel).agree, LEFT)
    assert commander.sent == [("skip_step", {"identity": 108})]


def test_the_queue_is_cleared_after_a_second_word(qtbot: QtBot, panel: QueuePanel, commander: StubCommander) -> None:
    qtbot.mouseClick(panel.clear_button, LEFT)
    assert "the 22 steps that wait and the 8 that are over" in _dialog(panel).sentence.text()
    assert commander.sent == []
    qtbot.mouseClick(_dialog(panel).agree, LEFT)
    assert commander.sent == [("clear_queue", {})]
    latest = night()
    latest.put_rows(QueueRow, queue_rows()[8:9])
    panel.show_latest(latest, NOW)
    assert panel.clear_button.toolTip() == "There is nothing to take out"


def test_the_chosen_step_stays_chosen_while_the_queue_moves(panel: QueuePanel) -> None:
    panel.table.choose("112")
    latest = night()
    latest.put_rows(QueueRow, queue_rows()[4:])
    panel.show_latest(latest, NOW)
    assert panel.selected is not None
    assert panel.selected.identity == 112
    latest.put_rows(QueueRow, [row for row in queue_rows() if row.identity != 112])
    panel.show_latest(latest, NOW)
    assert panel.selected is None
    assert panel.buttons["Remove"].toolTip() == "Choose a step first"


def test_what_cannot_be_done_says_why(panel: QueuePanel, commander: StubCommander) -> None:
    enabled = [name for name, button in panel.buttons.items() if button.isEnabled()]
    assert enabled == ["Pause", "Add…"]
    assert panel.buttons["Start"].toolTip() == "A run goes on already"
    latest = _idle()
    latest.put_rows(CoreRow, [core_row(stopped=True)])
    panel.show_latest(latest, NOW)
    assert "software stop" in panel.buttons["Start"].toolTip()
    commander.has_control = False
    panel.show_latest(_idle(), NOW)
    assert not any(button.isEnabled() for button in panel.buttons.values())
    assert "take control" in panel.buttons["Add…"].toolTip()


def test_add_asks_for_the_launcher(qtbot: QtBot, panel: QueuePanel) -> None:
    with qtbot.waitSignal(panel.add_requested, timeout=500):
        _press(qtbot, panel, "Add…")


def test_progress_does_not_freeze_when_the_core_is_gone(panel: QueuePanel) -> None:
    panel.show_latest(night(), NOW + 5)
    assert _texts(panel, 8)[1:] == ["STALE", "–"]
    assert "core not heard" in panel.note
    assert not panel.buttons["Pause"].isEnabled()


@pytest.mark.parametrize(("speed", "managed"), [(6.0, 6.0), (100.0, 6.0), (1.0, 1.0)])
def test_times_are_those_of_the_wall_at_the_pace_that_the_table_manages(
    panel: QueuePanel, speed: float, managed: float
) -> None:
    latest = night()
    latest.put_rows(CoreRow, [core_row(speed=speed, lab_time_s=managed * 3600.0)])
    latest.put_rows(QueueRow, [replace(row, attempt=2) for row in queue_rows()])
    panel.show_latest(latest, NOW)
    assert _texts(panel, 0)[2] == "10 min"
    left, expected, note = ("2 min left", "≈ 3 min", "42 min") if managed > 1 else ("13 min left", "≈ 19 min", "4 h")
    assert (_texts(panel, 8)[2], _texts(panel, 9)[2]) == (left, expected)
    assert panel.note.replace("\u00a0", " ").endswith(f"{note} left")
    assert "attempt 2" in panel.table.shown_rows[0].cells[0].tool_tip
