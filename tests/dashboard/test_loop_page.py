"""Page 2, driven as an operator would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cut_off_text import cut_off_text
from loop_scene import NOW, NotedCommands, changed, events, fringe, history, loops, table
from pyqtgraph.Qt import QtCore, QtWidgets
from pytestqt.qtbot import QtBot

from labctl.bus.latest import Latest
from labctl.bus.messages import EventRow, LoopRow
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.loop_page import LoopPage

LEFT = QtCore.Qt.MouseButton.LeftButton


@pytest.fixture
def commands() -> NotedCommands:
    return NotedCommands()


@pytest.fixture
def page(qtbot: QtBot, look: Look, commands: NotedCommands) -> Iterator[LoopPage]:
    page = LoopPage(look, commands)
    qtbot.addWidget(page)
    page.resize(1920, 960)
    page.show()
    yield page
    page.close()


def texts(page: QtWidgets.QWidget) -> str:
    labels = page.findChildren(QtWidgets.QLabel)
    return "\n".join(label.text().replace("\u00a0", " ") for label in labels if label.isVisible())


def log_lines(page: LoopPage) -> list[str]:
    return [row.cells[2].text for row in page.log.table.shown_rows]


def test_shows_the_worst_loop_first_and_stays_with_what_is_chosen(page: LoopPage, qtbot: QtBot) -> None:
    latest = table()
    latest.put_rows(LoopRow, changed("lo2", state="stalled", why="There is no light. A person must look."))
    page.show_latest(latest, NOW)
    assert page.loop == "lo2" and page.chooser.keys[0] == "lo2"
    assert "✗ STALLED" in texts(page) and "There is no light. A person must look." in texts(page)
    place = page.chooser.keys.index("cavity1")
    row = page.chooser.table.visualRect(page.chooser.table.model().index(place, 1))
    qtbot.mouseClick(page.chooser.table.viewport(), LEFT, pos=row.center())
    page.show_latest(latest, NOW)
    assert page.loop == "cavity1" and "cavity1: Cavity of sensor 1" in texts(page)
    latest.put_rows(LoopRow, changed("lo1", state="fault"))
    page.show_latest(latest, NOW)
    assert page.loop == "cavity1"


def test_the_list_holds_still_under_the_mouse(page: LoopPage, monkeypatch: pytest.MonkeyPatch) -> None:
    latest = table()
    page.show_latest(latest, NOW)
    before = page.chooser.keys
    monkeypatch.setattr(page.chooser.table, "underMouse", lambda: True)
    latest.put_rows(LoopRow, changed("lo2", state="stalled"))
    page.show_latest(latest, NOW)
    assert page.chooser.keys == before
    monkeypatch.undo()
    page.show_latest(latest, NOW)
    assert page.chooser.keys[0] == "lo2"


def test_tells_the_numbers_beside_their_limits(page: LoopPage) -> None:
    latest = table()
    latest.put_rows(LoopRow, changed("lo1", witness=0.61, output_v=9.71, state="hold", relocks_left=7))
    page.select("lo1")
    page.show_latest(latest, NOW)
    shown = texts(page)
    for words in (
        "−0.012 rad", "of one reading, at most 0.8 rad", "0.021 rad", "0.61 ▲", "at least 0.9", "9.71 V ▲",
        "0.29 V to the nearer of −10.0 V and 10.0 V", "relocks left: 7", "99.34 %", "for 12 min 5 s",
    ):  # fmt: skip
        assert words in shown


def test_says_which_of_its_needs_is_not_locked(page: LoopPage) -> None:
    latest = table()
    latest.put_rows(LoopRow, changed("pump_phase", state="relock"))
    page.select("lo1")
    page.show_latest(latest, NOW)
    assert "Needs opa_length, pump_phase." in texts(page)
    assert "Not locked: pump_phase (↻ RELOCK)" in texts(page)
    latest.put_rows(LoopRow, loops())
    page.show_latest(latest, NOW)
    assert "Not locked" not in texts(page)


def test_masks_what_is_old(page: LoopPage) -> None:
    latest = table()
    latest.put_curve(history())
    page.select("lo1")
    page.show_latest(latest, NOW + 1.0)
    assert "STALE" not in texts(page)
    page.show_latest(latest, NOW + 1.9)  # heard, but the loop was not looked at
    shown = texts(page)
    assert shown.count("◌ STALE") == 5 and "0.021 rad\n" not in shown and "99.34 %" in shown
    page.show_latest(latest, NOW + 3.0)
    shown = texts(page)
    assert "Last known: LOCKED" in shown and "99.34 %" not in shown and "▨ STALE" in shown
    assert "The core is not heard." in shown and not page.buttons.lock.isEnabled()


def test_a_history_that_no_longer_comes_is_hatched(page: LoopPage) -> None:
    latest = table()
    page.select("lo1")
    for taken_at, is_old in ((NOW - 4.0, False), (NOW - 6.0, True)):
        latest.put_curve(history(taken_at=taken_at))
        page.show_latest(latest, NOW)
        assert ("▨ STALE" in texts(page)) is is_old


def test_log_has_the_events_of_the_loop_newest_first_and_the_last_cause(page: LoopPage) -> None:
    latest = table()
    page.select("lo2")
    page.show_latest(latest, NOW)
    assert log_lines(page) == [event.text for event in reversed(events()) if event.source == "lo2"]
    assert "Last loss: 14:02:11: lo2 was knocked: it and lo1 jumped within 200 ms." in texts(page)
    later = EventRow(9, NOW, 99.0, "info", "lo2", "Locked again.")
    latest.put_rows(EventRow, [*events(), later])
    page.show_latest(latest, NOW)
    assert log_lines(page)[0] == "Locked again." and "Last loss: 14:02:11" in texts(page)
    page.select("lo1")
    page.show_latest(latest, NOW)
    assert len(log_lines(page)) == 1 and "Last loss" not in texts(page)


def test_buttons_send_for_the_chosen_loop(page: LoopPage, commands: NotedCommands, qtbot: QtBot) -> None:
    page.select("lo1")
    page.show_latest(table(), NOW)
    for button in (page.buttons.lock, page.buttons.hold, page.buttons.release):
        qtbot.mouseClick(button, LEFT)
    page.relock_selected()
    names = ["lock_loop", "hold_loop", "release_loop", "lock_loop"]
    assert commands.sent == [(name, {"loop": "lo1"}) for name in names]


def test_a_release_that_takes_others_along_is_asked_about(
    page: LoopPage, commands: NotedCommands, qtbot: QtBot
) -> None:
    latest = table()
    page.select("pump_phase")
    page.show_latest(latest, NOW)
    qtbot.mouseClick(page.buttons.release, LEFT)
    assert commands.sent == []
    assert "cavity1, lo1, cavity2, lo2 go with pump_phase." in texts(page)
    qtbot.mouseClick(page.buttons.cancel, LEFT)
    assert page.buttons.release.isVisible() and commands.sent == []
    qtbot.mouseClick(page.buttons.release, LEFT)
    qtbot.mouseClick(page.buttons.confirm, LEFT)
    assert commands.sent == [("release_loop", {"loop": "pump_phase"})]
    qtbot.mouseClick(page.buttons.release, LEFT)
    page.select("opa_length")  # the question was of another loop
    page.show_latest(latest, NOW)
    assert not page.buttons.confirm.isVisible()


def test_without_control_nothing_is_sent(page: LoopPage, commands: NotedCommands, qtbot: QtBot) -> None:
    commands.has_control = False
    page.select("lo1")
    page.show_latest(table(), NOW)
    assert not any(button.isEnabled() for button in (page.buttons.lock, page.buttons.hold, page.buttons.release))
    qtbot.mouseClick(page.buttons.lock, LEFT)
    page.relock_selected()
    assert commands.sent == [] and "View only: take control" in texts(page)


def test_before_and_after_there_are_loops(page: LoopPage) -> None:
    latest = Latest()
    page.show_latest(latest, NOW)
    assert "no loops yet" in texts(page) and page.loop == ""
    page.show_latest(table(), NOW)
    assert page.loop == "opa_length" and "no loops yet" not in texts(page)
    page.show_latest(latest, NOW)
    assert "no loops yet" in texts(page) and not page.buttons.lock.isVisible()


def test_empty_plots_name_the_procedure_of_that_kind_of_loop(page: LoopPage) -> None:
    latest = table()
    latest.put_curve(fringe("lo1"))
    for loop, words in (
        ("cavity1", "Not measured yet: run lock_cavity."),
        ("pump_phase", "Not measured yet: run lock_source."),
        ("lo2", "Not measured yet: run lock_homodyne."),
        ("lo1", "Fringe scan"),
        ("lo1", "Not measured yet: run loop_noise."),
    ):
        page.select(loop)
        page.show_latest(latest, NOW)
        assert words in texts(page)


@pytest.mark.parametrize("height", [720, 1080, 2160])
def test_no_text_is_cut_off(page: LoopPage, qtbot: QtBot, height: int) -> None:
    latest = table()
    latest.put_curve(fringe("lo2"))
    latest.put_curve(history("lo2"))
    latest.put_rows(LoopRow, changed("lo2", state="unwind", unit="linewidths", why="Hops back from +9.71 V."))
    page.use_look(Look(THEMES["day"]).for_height(height))
    page.resize(height * 16 // 9, round(0.88 * height))
    page.show_latest(latest, NOW)
    qtbot.wait(1)
    assert cut_off_text(page) == []
    page.select("opa_length")
    page.show_latest(latest, NOW)
    qtbot.mouseClick(page.buttons.release, LEFT)
    qtbot.wait(1)
    assert cut_off_text(page) == []
