"""An operator's evening at a real core: the window is attached over the bus, and driven by mouse and keys alone.

The tests share one core and one window, and come one after the other as an evening does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyqtgraph.Qt import QtCore, QtTest, QtWidgets
from served_table import ServedTable, served_table, spin

from labctl.bus.latest import Latest
from labctl.bus.messages import AlarmRow, LoopRow, QueueRow, SettingRow
from labctl.dashboard.ask_dialog import AskDialog
from labctl.dashboard.fonts import load_fonts
from labctl.dashboard.text_table import TextTable
from labctl.dashboard.window import MainWindow

Key = QtCore.Qt.Key
LEFT = QtCore.Qt.MouseButton.LeftButton
PLAIN = QtCore.Qt.KeyboardModifier.NoModifier
SPEED = 20.0


class Desk:
    """The window with what an operator does there, and what is seen then."""

    def __init__(self, table: ServedTable) -> None:
        self.table = table
        self.window: MainWindow = table.screen("anna@bench:1")

    @property
    def latest(self) -> Latest:
        """Return what the core told last."""
        return self.window.table.link.latest

    def page(self, place: int) -> Any:
        """Return the page of a key, 1 to 5."""
        return self.window.table.pages[place - 1]

    @property
    def shown(self) -> int:
        """Return the key of the page that is shown."""
        return int(self.window.table.currentIndex()) + 1

    @property
    def heading(self) -> str:
        """Return the first line of the header."""
        return str(self.window.header.run.title.text())

    @property
    def message(self) -> str:
        """Return the last message at the foot of the window."""
        return str(self.window.message_bar.message.text())

    @property
    def complaint(self) -> str:
        """Return the error at the foot of the window."""
        return str(self.window.message_bar.error.text())

    def steps(self) -> list[str]:
        """Return the states of the steps of the queue."""
        return [row.state for row in self.latest.rows(QueueRow)]

    def loop(self, name: str) -> str:
        """Return the state of a loop."""
        return next((row.state for row in self.latest.rows(LoopRow) if row.name == name), "")

    def click(self, button: QtWidgets.QAbstractButton) -> None:
        """Click a button, once it can be clicked."""
        spin(lambda: button.isVisible() and button.isEnabled(), what=f"a button {button.text()!r}")
        QtTest.QTest.mouseClick(button, LEFT)

    def click_row(self, table: TextTable, text: str) -> None:
        """Click the row of a table in which a text stands, once it is there."""
        spin(lambda: _row_of(table, text) >= 0, what=f"a row with {text!r}")
        index = table.model().index(_row_of(table, text), 0)
        table.scrollTo(index)
        QtTest.QTest.mouseClick(table.viewport(), LEFT, PLAIN, table.visualRect(index).center())

    def key(self, key: QtCore.Qt.Key, modifier: Any = PLAIN) -> None:
        """Press a key where the focus is."""
        QtTest.QTest.keyClick(QtWidgets.QApplication.focusWidget() or self.window, key, modifier)

    def write(self, field: QtWidgets.QLineEdit, text: str) -> None:
        """Write into a field in place of what it holds."""
        QtTest.QTest.mouseClick(field, LEFT)
        field.selectAll()
        QtTest.QTest.keyClicks(field, text)

    def agree(self, text: str = "") -> None:
        """Fill in the question that is open, and press its button."""
        spin(lambda: _question() is not None, what="a question")
        question = _question()
        assert question is not None
        if text:
            QtTest.QTest.keyClicks(question.text, text)
        self.click(question.agree)
        spin(lambda: _question() is None, what="the end of the question")

    def add(self, words: str, **parameters: str) -> None:
        """Queue a procedure by the launcher, with parameters by their labels."""
        self.click(self.page(1).queue.buttons["Add…"])
        launcher = self.page(1).launcher
        self.write(launcher.search, words)
        self.click_row(launcher.table, words.split()[0])
        for field in launcher.form.fields:
            if field.row.name in parameters:
                self.write(field.field, parameters[field.row.name])
        steps = len(self.latest.rows(QueueRow))
        self.click(launcher.add_button)
        spin(lambda: len(self.latest.rows(QueueRow)) > steps, what="a new step in the queue")
        self.click(launcher.close_button)

    def come_back(self) -> None:
        """Let the window have the keys again, after a dialog."""
        self.window.activateWindow()
        spin(lambda: QtWidgets.QApplication.activeWindow() is self.window, what="the keys for the window")

    def start(self, title: str) -> None:
        """Start the queue."""
        self.click(self.page(1).queue.buttons["Start"])
        self.agree(title)


def _row_of(table: TextTable, text: str) -> int:
    rows = (" ".join(cell.text for cell in row.cells).replace("\u200b", "") for row in table.shown_rows)
    return next((place for place, row in enumerate(rows) if text.lower() in row.lower()), -1)


def _question() -> AskDialog | None:
    shown = (w for w in QtWidgets.QApplication.topLevelWidgets() if isinstance(w, AskDialog) and w.isVisible())
    return next(shown, None)


@pytest.fixture(scope="module")
def desk(qapp: QtWidgets.QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    load_fonts(qapp)
    with served_table(tmp_path_factory.mktemp("table"), SPEED) as table:
        made = Desk(table)
        made.window.resize(1280, 720)
        made.window.show()
        made.window.activateWindow()
        spin(lambda: made.latest.core is not None and bool(made.latest.rows(LoopRow)), what="the link")
        spin(lambda: QtWidgets.QApplication.activeWindow() is made.window, what="the active window")
        yield made
        made.window.close()
        made.window.deleteLater()
        QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)


@pytest.fixture(autouse=True)
def _on_the_first_page(desk: Desk) -> None:
    desk.window.activateWindow()
    if desk.shown != 1:
        desk.window.choose_page(0)


def test_a_screen_without_control_only_looks_until_it_takes_control(desk: Desk) -> None:
    buttons = desk.page(1).queue.buttons
    spin(lambda: "simulated table" in desk.window.header.station.text(), what="the name of the table")
    assert not any(button.isEnabled() for button in buttons.values())
    assert desk.window.header.stop.isEnabled()
    desk.click(desk.window.header.control.button)
    spin(lambda: "You have control" in desk.window.header.control.holder.text(), what="control")
    spin(buttons["Add…"].isEnabled, what="the right to add")
    assert desk.latest.core is not None
    spin(lambda: desk.latest.core.control_holder == "anna@bench:1", what="the holder")


def test_steps_are_queued_started_skipped_paused_and_resumed(desk: Desk) -> None:
    queue = desk.page(1).queue
    desk.add("warm oven", target="36 °C")
    desk.add("lock source")
    desk.add("warm oven")
    assert desk.steps() == ["waiting", "waiting", "waiting"]
    assert "target = 36" in desk.latest.rows(QueueRow)[0].parameters
    desk.start("first light")
    spin(lambda: desk.steps()[0] == "running", what="the first step")
    spin(lambda: desk.heading == "▶ RUN first light", what="the run in the header")
    spin(lambda: "step 1/3" in desk.window.header.run.progress.text(), what="the step in the header")
    spin(lambda: _row_of(queue.table, "running") == 0, what="the step that runs in the queue")
    desk.click(queue.buttons["Pause"])
    spin(lambda: "No further step begins" in desk.message, what="the answer")
    desk.click_row(queue.table, "warm_oven")
    desk.click(queue.buttons["Skip"])
    desk.agree()
    spin(lambda: desk.steps()[0] == "skipped", what="the skipped step")
    spin(lambda: "PAUSED" in desk.heading, what="the pause in the header")
    assert desk.steps()[1:] == ["waiting", "waiting"]
    spin(lambda: queue.buttons["Pause"].text() == "Resume", what="the other name of the button")
    desk.click(queue.buttons["Pause"])
    spin(lambda: desk.steps()[1] == "running", what="the second step")


@pytest.mark.parametrize("place", [2, 3, 4, 5, 1])
def test_a_number_shows_its_page(desk: Desk, place: int) -> None:
    desk.key(Key(ord(str(place))))
    assert desk.shown == place
    assert desk.page(place).isVisible()


def test_alarms_are_acknowledged_and_shelved(desk: Desk) -> None:
    panel = desk.page(1).alarms
    # The oven is cold: the pump finds no gain, the step fails.
    spin(lambda: desk.steps()[1:] == ["failed", "running"], 30.0, "a step that fails")
    spin(lambda: len(desk.latest.rows(AlarmRow)) >= 2, what="the alarms")
    spin(lambda: "UNACK" in desk.window.header.alarms.heading.text(), what="the alarms in the header")
    desk.click_row(panel.table, "lock_source failed")
    desk.click(panel.buttons["Acknowledge"])
    spin(lambda: _row_of(panel.table, "lock_source failed") < 0, what="an alarm that is over and acknowledged")
    desk.click_row(panel.table, "does not lock")
    desk.click(panel.buttons["Shelve…"])
    desk.agree("the oven is cold")
    spin(lambda: _row_of(panel.table, "shelved until") >= 0, what="the shelved alarm")
    spin(lambda: "UNACK" not in desk.window.header.alarms.heading.text(), what="the calm in the header")
    assert "the oven is cold" in panel.table.shown_rows[0].cells[2].text


def test_stop_is_pressed_and_reset_with_a_reason(desk: Desk) -> None:
    banner = desk.window.stop_banner
    assert desk.steps()[2] == "running"
    QtTest.QTest.mousePress(desk.window.header.stop, LEFT)
    spin(banner.isVisible, 3.0, "the banner")
    QtTest.QTest.mouseRelease(desk.window.header.stop, LEFT)
    assert "STOPPED by anna@bench:1" in banner.text.text()
    spin(lambda: desk.steps()[2] == "stopped", what="the end of the step")
    spin(lambda: "STOPPED" in desk.heading, what="the stop in the header")
    desk.click(banner.reset_button)
    assert not banner.confirm_button.isEnabled()
    QtTest.QTest.keyClicks(banner.reason, "it was only a test")
    desk.click(banner.confirm_button)
    spin(lambda: not banner.isVisible(), what="the reset")
    assert desk.latest.core is not None
    assert not desk.latest.core.stopped
    assert "running" not in desk.steps()  # nothing was started again


def test_a_tile_opens_the_page_of_its_loop_and_its_buttons_lock_hold_and_release(desk: Desk) -> None:
    tiles = desk.page(1).tiles
    canvas = tiles.widget()
    QtTest.QTest.mouseClick(canvas, LEFT, PLAIN, tiles.tile_centre("opa_length"))
    assert tiles.selected is not None
    assert "opa_length" in tiles.selected.loops
    QtTest.QTest.mouseDClick(canvas, LEFT, PLAIN, tiles.tile_centre("opa_length"))
    page = desk.page(2)
    assert (desk.shown, page.loop) == (2, "opa_length")
    desk.click(page.buttons.lock)
    spin(lambda: desk.loop("opa_length") == "locked", what="the lock")
    spin(lambda: "LOCKED" in page.summary._state.text(), what="the state on the page")
    desk.click(page.buttons.hold)
    spin(lambda: desk.loop("opa_length") == "hold", what="the hold")
    spin(lambda: "HELD" in page.summary._state.text(), what="the state on the page")
    desk.click(page.buttons.release)
    spin(lambda: desk.loop("opa_length") == "off", what="the release")
    spin(lambda: page.scan.curve is not None and page.scan.curve.system == "opa_length", what="the scan")


def test_the_traffic_of_an_instrument_is_read(desk: Desk) -> None:
    desk.key(Key.Key_5)
    page = desk.page(5)
    desk.click_row(page._table, "oven")
    spin(lambda: " < " in page.traffic.text.toPlainText(), what="an answer of the oven")  # kept from the first look on


def test_the_runs_on_disk_are_listed(desk: Desk) -> None:
    desk.key(Key.Key_F3)
    browser = desk.page(1).browser
    assert browser is not None
    desk.click_row(browser.table, "first light")
    spin(lambda: "stopped" in browser.table.shown_rows[0].cells[3].text, what="its state")
    spin(lambda: QtWidgets.QApplication.activeWindow() is browser, what="the keys for the dialog")
    desk.key(Key.Key_Escape)
    spin(lambda: not browser.isVisible(), what="the end of the dialog")
    desk.come_back()


def test_a_picture_goes_into_the_log_book(desk: Desk) -> None:
    book = desk.table.runs / "logbook" / "logbook.jsonl"
    desk.key(Key.Key_F12)
    spin(book.exists, what="the log book")
    spin(lambda: "The picture is in the log book" in desk.message, what="the answer")
    line = json.loads(book.read_text(encoding="utf-8").splitlines()[-1])
    assert line["by"] == "anna@bench:1"
    assert (book.parent / line["picture"]).stat().st_size > 10_000


def test_a_setting_is_changed_and_undone(desk: Desk) -> None:
    def averages() -> float:
        return next((row.value for row in desk.latest.rows(SettingRow) if row.name == "live.averages"), 0.0)

    desk.click(desk.page(1).spectrum.trace_row.settings)
    dialog = desk.page(1).settings
    assert dialog is not None
    field = next(field for field in dialog.form.fields if field.row.name == "live.averages")
    assert not dialog.apply_button.isEnabled()
    desk.write(field.field, "20")
    desk.click(dialog.apply_button)
    spin(lambda: averages() == 20.0, what="the change")
    spin(lambda: not dialog.form.changes, what="the change in the form")
    desk.click(dialog.close_button)
    desk.come_back()
    desk.key(Key.Key_Z, QtCore.Qt.KeyboardModifier.ControlModifier)
    spin(lambda: averages() == 50.0, what="the undoing")
    spin(lambda: "live.averages is 50 again" in desk.message, what="the message")


def _pressed(desk: Desk, key: QtCore.Qt.Key, is_so: Callable[[], bool]) -> list[bool]:
    """Return what was so before, after the key, and after it once more."""
    seen = [is_so()]
    for _ in range(2):
        desk.key(key)
        QtWidgets.QApplication.processEvents()
        seen.append(is_so())
    return seen


def test_theme_wall_freeze_and_help_have_keys(desk: Desk) -> None:
    window = desk.window
    themes = []
    for _ in range(3):
        desk.key(Key.Key_T)
        themes.append(window.look.theme.name)
    assert themes == ["red", "day", "dark"]
    assert _pressed(desk, Key.Key_F11, lambda: window.look.wall) == [False, True, False]
    assert _pressed(desk, Key.Key_Space, window.frozen_banner.isVisible) == [False, True, False]
    assert _pressed(desk, Key.Key_F1, window.help.isVisible) == [False, True, False]


def test_nothing_went_wrong_that_nobody_saw(desk: Desk) -> None:
    assert desk.complaint == ""
    assert desk.window.table.fault == ""
