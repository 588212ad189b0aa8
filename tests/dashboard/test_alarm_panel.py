"""The list of alarms, driven as an operator would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cut_off_text import cut_off_text
from night_table import alarm_rows, night
from pyqtgraph.Qt import QtCore
from pytestqt.qtbot import QtBot
from stub_table import NOW, StubCommander, alarm_row

from labctl.bus.messages import AlarmRow
from labctl.dashboard.alarm_panel import AlarmPanel
from labctl.dashboard.ask_dialog import AskDialog
from labctl.dashboard.look import Look

LEFT = QtCore.Qt.MouseButton.LeftButton


@pytest.fixture
def commander() -> StubCommander:
    return StubCommander()


@pytest.fixture
def panel(qtbot: QtBot, look: Look, commander: StubCommander) -> Iterator[AlarmPanel]:
    made = AlarmPanel(look, commander)
    made.resize(630, 244)
    made.show()
    made.show_latest(night(), NOW)
    yield made
    made.close()
    made.deleteLater()


def _row(panel: AlarmPanel, identity: int) -> list[str]:
    row = next(row for row in panel.table.shown_rows if row.key == str(identity))
    return [cell.text.replace("\u00a0", " ") for cell in row.cells]


def _order(panel: AlarmPanel) -> list[str]:
    return [row.key for row in panel.table.shown_rows]


def test_the_worst_and_newest_comes_first_and_what_is_shelved_last(panel: AlarmPanel) -> None:
    assert _order(panel) == ["16", "11", "15", "13", "12", "14"]
    latest = night()
    latest.put_rows(AlarmRow, [alarm_row(identity=1, raised_at=NOW - 50), alarm_row(identity=2, raised_at=NOW - 5)])
    panel.show_latest(latest, NOW)
    assert _order(panel) == ["2", "1"]


def test_a_row_has_severity_time_source_text_consequences_and_state(panel: AlarmPanel) -> None:
    severity, _, what, state = _row(panel, 11)
    assert (severity, state) == ("▲ MAJOR", "● UNACK")
    assert what == "LO2 lock lost → joint invalid, cavity2 held"
    assert _row(panel, 12)[3] == "▪ ACK"
    assert _row(panel, 13)[3] == "○ CLEARED"
    assert _row(panel, 16)[2].endswith("(3×)")
    assert _row(panel, 14)[3] == "▽ SHELVED"
    assert "being repaired" in _row(panel, 14)[2]
    assert panel.note == "● 4 UNACK"
    assert cut_off_text(panel) == []


def test_the_chosen_alarm_is_acknowledged_even_when_the_list_moved(
    qtbot: QtBot, panel: AlarmPanel, commander: StubCommander
) -> None:
    panel.table.choose("15")
    latest = night()
    latest.put_rows(AlarmRow, [alarm_row(identity=99, raised_at=NOW), *alarm_rows()])
    panel.show_latest(latest, NOW)
    qtbot.mouseClick(panel.buttons["Acknowledge"], LEFT)
    assert commander.sent == [("acknowledge", {"identity": 15})]


def test_shelving_asks_for_a_time_and_a_reason(qtbot: QtBot, panel: AlarmPanel, commander: StubCommander) -> None:
    panel.table.choose("16")
    qtbot.mouseClick(panel.buttons["Shelve…"], LEFT)
    dialog = panel.findChild(AskDialog)
    assert not dialog.isModal()
    assert not dialog.agree.isEnabled()
    qtbot.keyClicks(dialog.text, "gauge is being changed")
    dialog.choice.setCurrentIndex(2)
    assert cut_off_text(dialog) == []
    qtbot.mouseClick(dialog.agree, LEFT)
    expected = {"identity": 16, "seconds": 8 * 3600.0, "reason": "gauge is being changed"}
    assert commander.sent == [("shelve", expected)]


def test_a_shelved_alarm_is_brought_back(qtbot: QtBot, panel: AlarmPanel, commander: StubCommander) -> None:
    panel.table.choose("14")
    assert not panel.buttons["Shelve…"].isEnabled()
    qtbot.mouseClick(panel.buttons["Unshelve"], LEFT)
    assert commander.sent == [("shelve", {"identity": 14, "seconds": 0.0})]
    panel.show_latest(night(), NOW + 0.5)
    latest = night()
    latest.put_rows(AlarmRow, [replace(row, shelved_until=NOW - 1) for row in alarm_rows() if row.identity == 14])
    panel.show_latest(latest, NOW)
    assert _row(panel, 14)[3] == "● UNACK"


def test_what_cannot_be_done_says_why(panel: AlarmPanel, commander: StubCommander) -> None:
    assert panel.buttons["Acknowledge"].toolTip() == "Choose an alarm first"
    panel.table.choose("12")
    assert panel.buttons["Acknowledge"].toolTip() == "It is acknowledged already"
    assert panel.buttons["Unshelve"].toolTip() == "It is not shelved"
    commander.has_control = False
    panel.show_latest(night(), NOW)
    assert "take control" in panel.buttons["Acknowledge"].toolTip()
    commander.has_control = True
    panel.show_latest(night(), NOW + 5)
    assert "core not heard" in panel.note
    assert not any(button.isEnabled() for button in panel.buttons.values())


def test_no_alarm_is_said_too(panel: AlarmPanel) -> None:
    latest = night()
    latest.put_rows(AlarmRow, [])
    panel.show_latest(latest, NOW)
    assert panel.note == "✓ none"
    latest.put_rows(AlarmRow, [alarm_row(acknowledged=True)])
    panel.show_latest(latest, NOW)
    assert panel.note == "1, all acknowledged or shelved"
