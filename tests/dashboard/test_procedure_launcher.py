"""The dialog that puts procedures into the queue."""

from __future__ import annotations

import json

import pytest
from cut_off_text import cut_off_text
from keeping import shown
from pyqtgraph.Qt import QtCore
from pytestqt.qtbot import QtBot
from stub_table import NAN, NOW, StubCommander

from labctl.bus.latest import Latest
from labctl.bus.messages import ParameterRow, ProcedureRow
from labctl.bus.replies import Reply
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.parameter_form import ParameterField, default_of
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.procedure_launcher import ProcedureLauncher

LEFT = QtCore.Qt.MouseButton.LeftButton
PROCEDURES = (
    ProcedureRow("individual_spectrum", "Individual spectrum", "Spectrum of one detector at its resonance."),
    ProcedureRow("lock_all", "Lock all", "Lock loops, and those that they need, in the order of their needs."),
    ProcedureRow("rest", "Rest", "Do nothing."),
)
PARAMETERS = (
    ParameterRow("individual_spectrum", "rbw", "Resolution bandwidth", "float", "Hz", "10.0", 1, 8e6, "", "Filter."),
    ParameterRow("individual_spectrum", "averages", "Averages", "integer", "", "400", 1, 10000, "", ""),
    ParameterRow("individual_spectrum", "kind", "Averaging", "choice", "", "power", NAN, NAN, "log|power", ""),
    ParameterRow("individual_spectrum", "dark", "Dark noise too", "boolean", "", "False", NAN, NAN, "", ""),
    ParameterRow("lock_all", "loops", "Loops", "text", "", "all", NAN, NAN, "", "Names of loops."),
)


@pytest.fixture
def commander() -> StubCommander:
    return StubCommander(answers={"add_step": Reply(text="12")})


def launcher(qtbot: QtBot, look: Look, commander: StubCommander) -> ProcedureLauncher:
    latest = Latest()
    latest.put_rows(ProcedureRow, PROCEDURES)
    latest.put_rows(ParameterRow, PARAMETERS)
    made = ProcedureLauncher(look, commander, latest)
    shown(qtbot, made)
    return made


@pytest.fixture
def dialog(qtbot: QtBot, look: Look, commander: StubCommander) -> ProcedureLauncher:
    return launcher(qtbot, look, commander)


def choose(qtbot: QtBot, dialog: ProcedureLauncher, row: int) -> dict[str, ParameterField]:
    where = dialog.table.visualRect(dialog.table.model().index(row, 0)).center()
    qtbot.mouseClick(dialog.table.viewport(), LEFT, pos=where)
    return {field.row.name: field for field in dialog.form.fields}


def write(qtbot: QtBot, field: ParameterField, text: str) -> None:
    field.field.selectAll()
    qtbot.keyClicks(field.field, text)


def told(dialog: ProcedureLauncher) -> str:
    return "\n".join(label.text() for label in dialog.findChildren(PlainLabel) if label.isVisibleTo(dialog))


def test_only_values_that_differ_are_sent(qtbot: QtBot, dialog: ProcedureLauncher, commander: StubCommander) -> None:
    fields = choose(qtbot, dialog, 0)
    assert fields["rbw"].field.text() == "10 Hz"
    write(qtbot, fields["rbw"], "1 kHz")
    write(qtbot, fields["averages"], "400")
    fields["dark"].field.click()
    with qtbot.waitSignal(dialog.added, timeout=100):
        qtbot.mouseClick(dialog.add_button, LEFT)
    ((command, arguments),) = commander.sent
    assert command == "add_step" and arguments["procedure"] == "individual_spectrum"
    assert json.loads(str(arguments["parameters"])) == {"rbw": 1000.0, "dark": True}
    assert "individual_spectrum is in the queue as step 12. Nothing was started." in told(dialog)


def test_a_choice_is_sent_by_its_word(qtbot: QtBot, dialog: ProcedureLauncher, commander: StubCommander) -> None:
    fields = choose(qtbot, dialog, 0)
    qtbot.keyClick(fields["kind"].field, QtCore.Qt.Key.Key_Up)
    qtbot.mouseClick(dialog.add_button, LEFT)
    assert json.loads(str(commander.sent[0][1]["parameters"])) == {"kind": "log"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("rbw", "20 MHz", "✗ at most 8 MHz"),
        ("rbw", "0.5", "✗ at least 1 Hz"),
        ("rbw", "10 s", "✗ the unit is Hz"),
        ("averages", "2.5", "✗ a whole number is needed"),
        ("averages", "", "✗ a number is needed"),
    ],
)
def test_what_is_not_allowed_is_told_at_once_and_cannot_be_added(
    qtbot: QtBot, dialog: ProcedureLauncher, commander: StubCommander, name: str, text: str, why: str
) -> None:
    field = choose(qtbot, dialog, 0)[name]
    field.field.clear()
    qtbot.keyClicks(field.field, text)
    assert field.note.text() == why
    assert not dialog.add_button.isEnabled()
    qtbot.mouseClick(dialog.add_button, LEFT)
    assert commander.sent == []
    qtbot.mouseClick(dialog.reset_button, LEFT)
    assert dialog.add_button.isEnabled() and dialog.form.changes == {}


def test_a_quantity_is_tidied_when_its_field_is_left(qtbot: QtBot, dialog: ProcedureLauncher) -> None:
    field = choose(qtbot, dialog, 0)["rbw"]
    write(qtbot, field, "1e4")
    qtbot.keyClick(field.field, QtCore.Qt.Key.Key_Return)
    assert field.field.text() == "10 kHz"
    assert field.note.text() == "● changed, default 10 Hz"


def test_return_adds_nothing(qtbot: QtBot, dialog: ProcedureLauncher, commander: StubCommander) -> None:
    field = choose(qtbot, dialog, 0)["rbw"]
    qtbot.keyClick(field.field, QtCore.Qt.Key.Key_Return)
    assert commander.sent == [] and dialog.isVisible()


def test_the_search_looks_at_title_and_purpose(qtbot: QtBot, dialog: ProcedureLauncher) -> None:
    qtbot.keyClicks(dialog.search, "order needs")
    assert [row.key for row in dialog.table.shown_rows] == ["lock_all"]


def test_a_refusal_of_the_core_is_shown(qtbot: QtBot, dialog: ProcedureLauncher, commander: StubCommander) -> None:
    commander.refusals["add_step"] = "office holds the control."
    choose(qtbot, dialog, 1)
    qtbot.mouseClick(dialog.add_button, LEFT)
    assert "✗ Refused: office holds the control." in told(dialog)


def test_what_a_procedure_is_for_is_told(qtbot: QtBot, dialog: ProcedureLauncher) -> None:
    fields = choose(qtbot, dialog, 1)
    assert "in the order of their needs." in told(dialog)
    assert fields["loops"].field.toolTip().startswith("Names of loops")
    choose(qtbot, dialog, 2)
    assert "It has no parameters." in told(dialog)


def test_what_is_typed_stays_while_the_core_tells_the_same(qtbot: QtBot, dialog: ProcedureLauncher) -> None:
    fields = choose(qtbot, dialog, 0)
    write(qtbot, fields["rbw"], "30")
    latest = dialog._latest
    latest.put_rows(ParameterRow, PARAMETERS)
    dialog.show_latest(latest, NOW)
    assert dialog.form.changes == {"rbw": 30.0}


def test_a_default_that_is_no_number_is_kept_as_it_is() -> None:
    row = ParameterRow("p", "n", "N", "float", "Hz", "None", NAN, NAN, "", "")
    assert default_of(row) == "None"


@pytest.mark.parametrize("height", [720, 1080, 2160])
def test_no_text_is_cut_off(qtbot: QtBot, commander: StubCommander, height: int) -> None:
    dialog = launcher(qtbot, Look(THEMES["day"]).for_height(height), commander)
    fields = choose(qtbot, dialog, 0)
    fields["averages"].field.setText("2.5")
    assert cut_off_text(dialog) == []
