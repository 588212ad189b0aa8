"""The window, driven as an operator would: real keys, real presses, on tables that are not there."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from cut_off_text import cut_off_text
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets
from pytestqt.qtbot import QtBot
from stub_table import NOW, StubTable, alarm_row, core_row

from labctl.bus.latest import Latest
from labctl.bus.messages import CoreRow, SettingRow
from labctl.bus.replies import Reply
from labctl.dashboard.keys import KEYS, SPECTRUM_LETTERS
from labctl.dashboard.look import THEMES, Look, ThemeName
from labctl.dashboard.page import Commander
from labctl.dashboard.window import MainWindow

Key = QtCore.Qt.Key
Control = QtCore.Qt.KeyboardModifier.ControlModifier
Shift = QtCore.Qt.KeyboardModifier.ShiftModifier
Left = QtCore.Qt.MouseButton.LeftButton


class StubPage(QtWidgets.QWidget):  # type: ignore[misc]
    """Notes what the window asks of it."""

    def __init__(self, title: str, commander: Commander) -> None:
        super().__init__()
        self.title = title
        self.commander = commander
        self.looks: list[Look] = []
        self.draws = 0
        self.letters: list[str] = []
        self.relocks = 0
        self.fails = False
        self.takes_s = 0.0
        self.field, self.number = QtWidgets.QLineEdit(), QtWidgets.QDoubleSpinBox()
        self.button = QtWidgets.QPushButton("Press")
        layout = QtWidgets.QVBoxLayout(self)
        for part in (self.field, self.number, self.button):
            layout.addWidget(part)

    def show_latest(self, latest: Latest, now: float) -> None:
        self.draws += 1
        if self.takes_s:
            threading.Event().wait(self.takes_s)
        if self.fails:
            raise RuntimeError("no such trace")

    def use_look(self, look: Look) -> None:
        self.looks.append(look)

    def spectrum_key(self, letter: str) -> None:
        self.letters.append(letter)

    def relock_selected(self) -> None:
        self.relocks += 1


class PlainPage(QtWidgets.QWidget):  # type: ignore[misc]
    """A page that takes no keys."""

    title = "Network"

    def show_latest(self, latest: Latest, now: float) -> None:
        pass

    def use_look(self, look: Look) -> None:
        pass


TITLES = ("Overview", "Loop", "Sensor", "Network", "Instruments")


def pages(commander: Commander, turn_to: object) -> list[QtWidgets.QWidget]:
    return [PlainPage() if title == "Network" else StubPage(title, commander) for title in TITLES]


@dataclass
class Desk:
    """A window and its tables, on a clock that stands still until it is moved."""

    window: MainWindow
    tables: list[StubTable]
    now: list[float]

    @property
    def page(self) -> StubPage:
        return self.window.table.pages[self.window.table.currentIndex()]

    @property
    def sent(self) -> list[tuple[str, dict[str, object]]]:
        return self.window.tables[self.window.table_shown].link.commander.sent

    @property
    def errors(self) -> str:
        return str(self.window.message_bar.error.text())

    @property
    def message(self) -> str:
        return self.window.message_bar.message.text()

    def key(self, key: QtCore.Qt.Key, modifier: object = QtCore.Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key where the focus is."""
        self.bot.keyClick(QtWidgets.QApplication.focusWidget() or self.window, key, modifier)

    def later(self, seconds: float) -> None:
        """Let time pass, and the header see it, as its timer does ten times a second."""
        self.now[0] += seconds
        self.window._header_timer.timeout.emit()

    bot: QtBot


Sit = Callable[..., Desk]


@pytest.fixture
def sit(qtbot: QtBot) -> Iterator[Sit]:
    desks: list[Desk] = []

    def make(*names: str, theme: ThemeName = "dark", size: tuple[int, int] = (1280, 720)) -> Desk:
        tables = [StubTable(name) for name in names or ("here:5075/labctl",)]
        for table in tables:
            table.tell(NOW)
        now = [NOW]
        window = MainWindow(tables, pages, look=Look(THEMES[theme]), clock=lambda: now[0])
        window.resize(*size)
        with qtbot.waitActive(window):
            window.show()
            window.activateWindow()
        desks.append(Desk(window, tables, now, qtbot))
        return desks[-1]

    yield make
    for desk in desks:
        desk.window.close()
        desk.window.deleteLater()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)


# ---- the stop -------------------------------------------------------------------------------------------------------


def test_stop_acts_on_press_and_as_often_as_it_is_pressed(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    desk.page.field.setFocus()
    qtbot.mousePress(desk.window.header.stop, Left)
    assert desk.tables[0].stops == 1  # the button is still down
    assert desk.page.field.hasFocus()
    qtbot.mouseRelease(desk.window.header.stop, Left)
    assert desk.tables[0].stops == 1
    qtbot.mouseDClick(desk.window.header.stop, Left)
    assert desk.tables[0].stops >= 2
    assert "STOP sent" in desk.message


def test_stop_takes_no_other_button_of_the_mouse(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    qtbot.mousePress(desk.window.header.stop, QtCore.Qt.MouseButton.RightButton)
    assert desk.tables[0].stops == 0


def test_shift_stops_all_tables_and_a_plain_press_only_the_one_that_is_shown(sit: Sit, qtbot: QtBot) -> None:
    desk = sit("a:1/x", "b:1/x")
    desk.window.choose_table(1)
    qtbot.mousePress(desk.window.header.stop, Left)
    assert [table.stops for table in desk.tables] == [0, 1]
    qtbot.mousePress(desk.window.header.stop, Left, Shift)
    assert [table.stops for table in desk.tables] == [1, 2]
    assert "Shift+click stops all tables" in desk.window.header.stop.toolTip()


def test_a_table_whose_stop_fails_does_not_keep_the_others_from_stopping(sit: Sit, qtbot: QtBot) -> None:
    class Broken(StubTable):
        def stop(self) -> None:
            raise OSError("socket is closed")

    desk = sit("a:1/x", "b:1/x")
    desk.window.tables[0].link = Broken("a:1/x")
    qtbot.mousePress(desk.window.header.stop, Left, Shift)
    assert desk.tables[1].stops == 1
    assert "STOP was not sent to a:1/x: socket is closed" in desk.errors


def test_the_key_of_the_stop_works_while_a_text_is_typed(sit: Sit) -> None:
    desk = sit()
    desk.page.field.setFocus()
    desk.key(Key.Key_S, Control | Shift)
    assert desk.tables[0].stops == 1


def test_without_a_link_stop_says_so_and_the_words_stay(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    desk.later(3.0)
    qtbot.mousePress(desk.window.header.stop, Left)
    assert "NO LINK to here:5075/labctl: STOP was not delivered" in desk.errors
    desk.window.say("something else")
    assert "STOP was not delivered" in desk.errors
    desk.key(Key.Key_Escape)
    assert desk.errors == ""


def test_a_stop_that_the_core_does_not_confirm_is_an_error_and_one_that_it_does_is_not(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    qtbot.mousePress(desk.window.header.stop, Left)
    desk.later(0.5)
    assert desk.errors == ""
    desk.later(1.2)
    assert "does not say that it is stopped" in desk.errors
    desk.window.message_bar.dismiss()
    desk.tables[0].tell(desk.now[0])
    qtbot.mousePress(desk.window.header.stop, Left)
    desk.tables[0].tell(desk.now[0], stopped=True)
    desk.later(0.1)
    assert "is stopped" in desk.message
    desk.later(1.8)
    assert desk.errors == ""


def test_a_latched_stop_is_a_banner_and_its_reset_asks_why(sit: Sit, qtbot: QtBot) -> None:
    desk, banner = sit(), None
    banner = desk.window.stop_banner
    assert banner.isHidden()
    desk.tables[0].commander.has_control = False
    stopped = {"stopped": True, "stop_reason": "smell of smoke", "stopped_by": "alice@desk", "stopped_at": NOW}
    desk.tables[0].tell(NOW, **stopped)
    desk.later(0.1)
    assert banner.isVisible()
    assert "STOPPED by alice@desk" in banner.text.text()
    assert "smell of smoke" in banner.text.text()
    assert not banner.reset_button.isEnabled()
    desk.tables[0].commander.has_control = True
    desk.later(0.1)
    qtbot.mouseClick(banner.reset_button, Left)
    assert desk.sent == []
    assert not banner.confirm_button.isEnabled()
    qtbot.keyClicks(banner.reason, "it was the soldering iron")
    desk.later(0.1)
    assert banner.reason.text() == "it was the soldering iron"  # what is typed is not lost to the next drawing
    qtbot.mouseClick(banner.confirm_button, Left)
    assert desk.sent == [("reset", {"reason": "it was the soldering iron"})]
    desk.tables[0].tell(NOW)
    desk.later(0.1)
    assert banner.isHidden()


# ---- the link -------------------------------------------------------------------------------------------------------


def test_a_core_that_is_gone_covers_the_page_within_two_and_a_half_seconds_and_comes_back(sit: Sit) -> None:
    desk = sit()
    desk.later(1.9)
    assert desk.window.mask.isHidden()
    desk.now[0] += 0.45
    desk.bot.waitUntil(desk.window.mask.isVisible, timeout=300)  # by its own timer
    assert "NO LINK to here:5075/labctl for 2 s" in desk.window.mask.text.text()
    assert "values are not current" in desk.window.mask.text.text()
    assert desk.window.mask.geometry() == desk.window.page_area.rect()
    assert desk.window.header.live.word.text() == "✗ NO LINK"
    assert not desk.window.header.control.button.isEnabled()
    desk.tables[0].tell(desk.now[0])
    desk.later(0.05)
    assert desk.window.mask.isHidden()
    assert desk.window.header.live.word.text() == "● LIVE"


def test_the_links_are_started_and_closed_with_the_window(sit: Sit) -> None:
    desk = sit("a:1/x", "b:1/x")
    assert [(table.starts, table.closes) for table in desk.tables] == [(1, 0), (1, 0)]
    desk.window.close()
    assert [(table.starts, table.closes) for table in desk.tables] == [(1, 1), (1, 1)]


# ---- several tables -------------------------------------------------------------------------------------------------


def test_the_tab_of_a_table_that_is_not_shown_says_what_must_not_be_missed(sit: Sit) -> None:
    desk = sit("a:1/x", "b:1/x")
    tabs = desk.window.header.table_tabs
    assert tabs.isVisible()
    assert tabs.tabText(1) == "b:1/x"
    desk.tables[1].alarms(alarm_row(), alarm_row(identity=2))
    desk.later(0.1)
    assert tabs.tabText(1) == "b:1/x ▲ 2 UNACK"
    assert tabs.tabTextColor(1) == QtGui.QColor(THEMES["dark"].major)
    desk.tables[1].alarms()
    desk.later(1.6)
    assert tabs.tabText(1) == "b:1/x ◌ STALE"
    desk.tables[0].tell(desk.now[0])
    desk.later(1.0)
    assert tabs.tabText(1) == "b:1/x ✗ NO LINK"
    assert desk.window.mask.isHidden()


def test_a_tab_chooses_the_table_whose_pages_get_its_commander(sit: Sit, qtbot: QtBot) -> None:
    desk = sit("a:1/x", "b:1/x")
    assert desk.window.tables[1].pages == []  # made when first shown
    desk.key(Key.Key_3)
    tabs = desk.window.header.table_tabs
    qtbot.mouseClick(tabs, Left, pos=tabs.tabRect(1).center())
    assert desk.window.table.link is desk.tables[1]
    assert desk.page.title == "Sensor"
    desk.page.commander.send("hold_loop", loop="lo1")
    assert desk.tables[1].commander.names() == ["hold_loop"]
    assert desk.tables[0].commander.names() == []
    desk.key(Key.Key_Tab, Control)
    assert desk.window.table.link is desk.tables[0]


def test_one_table_needs_no_tabs(sit: Sit) -> None:
    assert sit().window.header.table_tabs.isHidden()


# ---- keys -----------------------------------------------------------------------------------------------------------


def test_digits_and_clicks_choose_pages(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    desk.key(Key.Key_2)
    assert desk.page.title == "Loop"
    assert desk.window.header.page_tabs.currentIndex() == 1
    tabs = desk.window.header.page_tabs
    qtbot.mouseClick(tabs, Left, pos=tabs.tabRect(4).center())
    assert desk.page.title == "Instruments"


def test_letters_and_f5_go_to_the_page(sit: Sit) -> None:
    desk = sit()
    for letter in SPECTRUM_LETTERS:
        desk.key(Key(ord(letter)))
    desk.key(Key.Key_F5)
    assert desk.page.letters == list(SPECTRUM_LETTERS)
    assert desk.page.relocks == 1
    desk.key(Key.Key_4)
    desk.key(Key.Key_M)  # the page takes no keys
    assert "does nothing on this page" in desk.message


@pytest.mark.parametrize("part", ["field", "number"])
def test_no_key_but_the_stop_fires_while_somebody_types(sit: Sit, part: str) -> None:
    desk = sit()
    field = getattr(desk.page, part)
    field.setFocus()
    for key in (Key.Key_M, Key.Key_2, Key.Key_Space, Key.Key_T, Key.Key_F2, Key.Key_F5, Key.Key_F1):
        desk.key(key)
    assert desk.page.title == "Overview"
    assert (desk.page.letters, desk.page.relocks, desk.sent) == ([], 0, [])
    assert desk.window.help.isHidden()
    assert desk.window.frozen_banner.isHidden()
    if part == "field":
        assert desk.page.field.text() == "m2 t"
    desk.key(Key.Key_Escape)  # leaves the field
    desk.key(Key.Key_M)
    assert desk.page.letters == ["M"]


def test_a_key_works_whatever_button_has_the_focus(sit: Sit) -> None:
    desk = sit()
    clicked: list[bool] = []
    desk.page.button.clicked.connect(lambda: clicked.append(True))
    desk.page.button.setFocus()
    desk.key(Key.Key_Space)
    assert clicked == []
    assert desk.window.frozen_banner.isVisible()


def test_no_key_starts_a_run(sit: Sit) -> None:
    desk = sit()
    letters = [chr(code) for code in range(ord("A"), ord("Z") + 1)]
    for name in [*letters, *(f"F{number}" for number in range(1, 13)), "Return", "Enter"]:
        desk.key(getattr(Key, f"Key_{name}"))
    assert {name for name, _ in desk.sent} == {"acknowledge", "note"}
    assert not any(len(key) == 1 for one in KEYS if one.action == "stop" for key in one.keys)


def test_space_freezes_the_page_and_not_the_header(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    desk.key(Key.Key_Space)
    draws = desk.page.draws
    desk.tables[0].alarms(alarm_row())
    desk.now[0] += 1.0
    qtbot.wait(150)
    assert desk.page.draws == draws
    assert "DISPLAY FROZEN for 1 s" in desk.window.frozen_banner.text.text()
    assert "values are not current" in desk.window.frozen_banner.text.text()
    assert desk.window.header.live.word.text() == "‖ FROZEN"
    assert desk.window.header.alarms.heading.text() == "▲ 1 UNACK"
    desk.key(Key.Key_Space)
    assert desk.page.draws == draws + 1
    assert desk.window.frozen_banner.isHidden()


def test_f1_shows_every_key_and_hides_them(sit: Sit) -> None:
    desk = sit()
    desk.key(Key.Key_F1)
    assert desk.window.help.isVisible()
    shown = {label.text() for label in desk.window.help.findChildren(QtWidgets.QLabel)}
    assert {"Ctrl+Shift+S", "Shift+click on STOP", "F2", "F12 or Ctrl+P", "1 – 5", *SPECTRUM_LETTERS} <= shown
    desk.key(Key.Key_Escape)
    assert desk.window.help.isHidden()


def test_f2_and_its_button_acknowledge_all_alarms_with_control(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    desk.tables[0].alarms(alarm_row())
    desk.later(0.1)
    desk.key(Key.Key_F2)
    qtbot.mouseClick(desk.window.header.alarms.button, Left)
    assert desk.sent == [("acknowledge", {"identity": 0})] * 2
    desk.tables[0].commander.has_control = False
    desk.later(0.1)
    assert not desk.window.header.alarms.button.isEnabled()


@pytest.mark.parametrize(("key", "modifier"), [(Key.Key_F12, None), (Key.Key_P, Control)])
def test_a_picture_goes_to_the_log_book(sit: Sit, key: int, modifier: object) -> None:
    desk = sit()
    desk.key(key, modifier or QtCore.Qt.KeyboardModifier.NoModifier)
    ((name, note),) = desk.sent
    assert name == "note"
    assert "page Overview of here:5075/labctl" in str(note["text"])
    assert "overnight 07" in str(note["text"])
    picture = QtGui.QImage.fromData(base64.b64decode(str(note["picture"])), "PNG")
    assert (picture.width(), picture.height()) == (1280, 720)
    assert "log book" in desk.message


def test_ctrl_z_changes_the_last_setting_back(sit: Sit) -> None:
    desk = sit()
    before = SettingRow("live.averages", "Averages", 50.0, "", 1.0, 1000.0, True)
    desk.tables[0].commander.answers["change_setting"] = Reply(rows=(before,))
    desk.page.commander.send("change_setting", setting="live.averages", value=100.0)
    desk.key(Key.Key_Z, Control)
    assert desk.sent[-1] == ("change_setting", {"setting": "live.averages", "value": 50.0})
    desk.key(Key.Key_Z, Control)
    assert len(desk.sent) == 2
    assert "nothing to undo" in desk.message


# ---- look and drawing -----------------------------------------------------------------------------------------------


def test_t_takes_the_next_theme_on_all_tables(sit: Sit) -> None:
    desk = sit("a:1/x", "b:1/x")
    desk.window.choose_table(1)
    looked = [desk.window.tables[0].pages[0], desk.page]
    for theme in ("red", "day", "dark"):
        desk.key(Key.Key_T)
        assert [page.looks[-1].theme.name for page in looked] == [theme, theme]


def test_a_new_size_gives_pages_new_sizes_by_height_or_by_width(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    assert desk.page.looks[-1].scale == pytest.approx(720 / 1080)
    desk.window.resize(1920, 1080)
    qtbot.waitUntil(lambda: desk.page.looks[-1].scale == 1.0, timeout=1000)
    desk.window.resize(1280, 1024)  # less wide than high: the width decides
    qtbot.waitUntil(lambda: desk.page.looks[-1].scale == pytest.approx(720 / 1080), timeout=1000)


def test_f11_is_the_wall_mode(sit: Sit) -> None:
    desk = sit()
    small = desk.window.header.live.word.font().pixelSize()
    desk.key(Key.Key_F11)
    assert desk.page.looks[-1].wall
    assert desk.window.isFullScreen()
    assert desk.window.header.live.word.font().pixelSize() > small
    desk.key(Key.Key_F11)
    assert not desk.page.looks[-1].wall
    assert not desk.window.isFullScreen()


def test_only_the_page_in_sight_is_drawn_and_a_slow_one_less_often(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    qtbot.waitUntil(lambda: desk.page.draws >= 3, timeout=1000)
    assert desk.window._draw_timer.interval() == 100
    assert desk.window.table.pages[1].draws == 0
    desk.page.takes_s = 0.08
    qtbot.waitUntil(lambda: desk.window._draw_timer.interval() >= 160, timeout=1000)


def test_a_page_that_fails_is_covered_and_harms_nothing_else(
    sit: Sit, qtbot: QtBot, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = sit()
    desk.page.fails = True
    draws = desk.page.draws
    qtbot.waitUntil(lambda: desk.page.draws > draws + 1, timeout=1000)
    desk.later(0.0)
    assert "Page Overview could not be drawn: RuntimeError('no such trace')" in desk.errors
    assert "more before" not in desk.errors  # said once
    assert "values are not current" in desk.window.mask.text.text()
    assert capsys.readouterr().err.count("Traceback") == 1
    qtbot.mousePress(desk.window.header.stop, Left)
    assert desk.tables[0].stops == 1
    desk.key(Key.Key_2)
    assert desk.window.mask.isHidden()


def test_refusals_of_what_a_page_asks_are_shown_and_given_to_the_page(sit: Sit) -> None:
    desk = sit()
    desk.tables[0].commander.refusals["lock_loop"] = "lo1 is parked by the queue."
    heard: list[str] = []
    desk.page.commander.send("lock_loop", refused=heard.append, loop="lo1")
    assert heard == ["lo1 is parked by the queue."]
    assert "lo1 is parked by the queue." in desk.errors


# ---- control --------------------------------------------------------------------------------------------------------


def test_control_is_taken_given_and_taken_over_only_by_a_second_click(sit: Sit, qtbot: QtBot) -> None:
    desk = sit()
    commander, control = desk.tables[0].commander, desk.window.header.control
    commander.has_control = False
    desk.later(0.1)
    assert control.holder.text() == "○ Nobody has control"
    qtbot.mouseClick(control.button, Left)
    commander.has_control = True
    desk.later(0.1)
    assert control.button.text() == "Give control"
    qtbot.mouseClick(control.button, Left)
    commander.has_control = False
    desk.tables[0].latest.put_rows(CoreRow, [core_row(control_holder="bob@office")])
    desk.later(0.1)
    assert control.holder.text() == "○ bob@office has control"
    qtbot.mouseClick(control.button, Left)
    assert desk.sent == [("take_control", {"force": False}), ("give_control", {})]
    assert control.button.text() == "Take over now?"
    desk.later(0.1)
    qtbot.mouseClick(control.button, Left)
    assert desk.sent[-1] == ("take_control", {"force": True})


# ---- nothing cut off ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "wall"),
    [((1280, 720), False), ((1280, 720), True), ((1920, 1080), True), ((3840, 2160), False), ((1280, 1024), False)],
)
def test_no_text_is_cut_off(sit: Sit, qtbot: QtBot, size: tuple[int, int], wall: bool) -> None:
    desk = sit("bench-a:5075/labctl", "bench-b:5075/labctl", theme="day", size=size)
    window = desk.window
    window.use_look(Look(THEMES["day"], window.look.scale, wall))
    for table in desk.tables:
        table.alarms(alarm_row(), alarm_row(identity=2))
    desk.tables[0].tell(NOW, control_holder="alice@homodyne-desk", speed=60.0)
    desk.tables[0].commander.has_control = False
    desk.later(0.1)
    assert _cut_off(window) == []
    desk.key(Key.Key_F1)
    assert _cut_off(window) == []
    desk.key(Key.Key_F1)
    desk.tables[0].tell(NOW, stopped=True, stop_reason="smell of smoke", stopped_by="alice@desk", stopped_at=NOW)
    desk.tables[0].commander.has_control = True
    desk.key(Key.Key_Space)
    qtbot.mouseClick(window.stop_banner.reset_button, Left)
    window.warn("The loop lo2 is not held: the queue has it until step 9 ends.")
    window.say("STOP sent.")
    assert _cut_off(window) == []
    desk.later(100.0)
    assert _cut_off(window) == []


def _cut_off(window: MainWindow) -> Sequence[str]:
    QtWidgets.QApplication.processEvents()
    return cut_off_text(window)
