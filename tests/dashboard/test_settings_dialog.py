"""The settings of a core: what is typed is sent when it is applied, and what the core says is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cut_off_text import cut_off_text
from pyqtgraph.Qt import QtCore
from pytestqt.qtbot import QtBot
from stub_table import StubCommander

from labctl.bus.latest import Latest
from labctl.bus.messages import SettingRow
from labctl.dashboard.look import Look
from labctl.dashboard.settings_dialog import SettingsDialog

LEFT = QtCore.Qt.MouseButton.LeftButton
ROWS = (
    SettingRow("live.on", "Live spectra while nothing runs", 1.0, "", 0.0, 1.0, True),
    SettingRow("live.averages", "Averages of a live spectrum", 50.0, "", 1.0, 10_000.0, True),
    SettingRow("live.reference_age", "Take shot noise again after", 600.0, "s", 10.0, 86_400.0, False),
)


@pytest.fixture
def commander() -> StubCommander:
    return StubCommander()


@pytest.fixture
def dialog(qtbot: QtBot, look: Look, commander: StubCommander) -> Iterator[SettingsDialog]:
    made = SettingsDialog(look, commander)
    made.show_latest(told(), 0.0)
    made.show()
    yield made
    made.close()
    made.deleteLater()


def told(**values: float) -> Latest:
    """Return what a core says whose settings have these values, by the end of their names."""
    latest = Latest()
    rows = [replace(row, value=values.get(row.name.partition(".")[2], row.value)) for row in ROWS]
    latest.put_rows(SettingRow, rows)
    return latest


def write(qtbot: QtBot, dialog: SettingsDialog, place: int, text: str) -> None:
    """Write into a field."""
    field = dialog.form.fields[place].field
    field.selectAll()
    qtbot.keyClicks(field, text)


def shown(dialog: SettingsDialog) -> list[object]:
    """Return the values in the fields."""
    return [field.answer.value for field in dialog.form.fields]


def test_only_what_was_changed_is_sent_and_then_what_the_core_says_is_shown(
    qtbot: QtBot, dialog: SettingsDialog, commander: StubCommander
) -> None:
    assert shown(dialog) == [True, 50, 600.0]
    assert cut_off_text(dialog) == []
    assert not dialog.apply_button.isEnabled()
    write(qtbot, dialog, 1, "20")
    dialog.form.fields[0].field.click()
    qtbot.mouseClick(dialog.apply_button, LEFT)
    sent = [("change_setting", {"setting": name, "value": value}) for name, value in
            (("live.on", 0.0), ("live.averages", 20.0))]  # fmt: skip
    assert commander.sent == sent
    dialog.show_latest(told(on=0.0, averages=20.0), 1.0)
    assert shown(dialog) == [False, 20, 600.0]
    assert not dialog.apply_button.isEnabled()


def test_what_is_typed_stays_while_the_core_goes_on(qtbot: QtBot, dialog: SettingsDialog) -> None:
    write(qtbot, dialog, 2, "5 min")
    dialog.show_latest(told(averages=77.0), 1.0)
    assert shown(dialog) == [True, 50, 300.0]
    write(qtbot, dialog, 2, "600 s")
    dialog.show_latest(told(averages=77.0), 2.0)
    assert shown(dialog) == [True, 77, 600.0]


def test_what_is_out_of_its_range_or_not_allowed_is_not_sent(
    qtbot: QtBot, dialog: SettingsDialog, commander: StubCommander
) -> None:
    write(qtbot, dialog, 1, "0")
    assert not dialog.apply_button.isEnabled()
    assert "Not yet" in dialog._verdict.text()
    commander.has_control = False
    write(qtbot, dialog, 1, "20")
    assert not dialog.apply_button.isEnabled()
    assert "view-only" in dialog._verdict.text()


def test_a_refusal_is_said_and_what_was_typed_stays(
    qtbot: QtBot, dialog: SettingsDialog, commander: StubCommander
) -> None:
    commander.refusals["change_setting"] = "the core is busy"
    write(qtbot, dialog, 1, "20")
    qtbot.mouseClick(dialog.apply_button, LEFT)
    assert "Refused: the core is busy" in dialog._verdict.text()
    dialog.show_latest(told(averages=60.0), 1.0)
    assert shown(dialog)[1] == 20


def test_a_core_without_settings_is_no_fault(qtbot: QtBot, look: Look, commander: StubCommander) -> None:
    dialog = SettingsDialog(look, commander)
    dialog.show_latest(Latest(), 0.0)
    assert "no settings" in dialog._verdict.text()
    assert not dialog.apply_button.isEnabled()
    dialog.deleteLater()
