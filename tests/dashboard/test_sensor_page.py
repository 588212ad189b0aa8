"""Page 3, driven as an operator would."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cut_off_text import cut_off_text
from loop_scene import NOW, NotedCommands, alignment, changed, fringe, table
from pyqtgraph.Qt import QtCore, QtWidgets
from pytestqt.qtbot import QtBot

from labctl.bus.latest import Latest
from labctl.bus.messages import CoreRow, LoopRow
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.sensor_page import SensorPage
from labctl.dashboard.sensor_tables import window_text
from labctl.dashboard.text_rows import MAY_BREAK

LEFT = QtCore.Qt.MouseButton.LeftButton


@pytest.fixture
def page(qtbot: QtBot, look: Look) -> Iterator[SensorPage]:
    page = SensorPage(look, NotedCommands())
    qtbot.addWidget(page)
    page.resize(1920, 960)
    page.show()
    yield page
    page.close()


def labels(page: QtWidgets.QWidget) -> str:
    return "\n".join(label.text() for label in page.findChildren(QtWidgets.QLabel) if label.isVisible())


def calibration(page: SensorPage, place: int) -> list[str]:
    return [
        cell.text.replace("\u00a0", " ").replace(MAY_BREAK, "")
        for cell in page.calibrations.table.shown_rows[place].cells
    ]


def test_calibrations_with_uncertainty_window_age_and_step(page: SensorPage) -> None:
    page.show_latest(table(), NOW)
    assert calibration(page, 0) == [
        "f₀", "4.3008000 MHz ± 1.0 Hz", "✓ 4.25 … 4.35 MHz", "25 min", "individual_spectrum[1]",
    ]  # fmt: skip
    assert calibration(page, 1)[2] == "–"
    assert calibration(page, 2)[1:3] == ["0.971 ± 0.004", "✓ ≥ 0.95"]


def test_a_click_goes_to_another_sensor(page: SensorPage, qtbot: QtBot) -> None:
    latest = table()
    latest.put_curve(fringe("sensor2"))
    page.show_latest(latest, NOW)
    assert page.chooser.keys == ["1", "2"] and "Fringe scan" not in labels(page)
    row = page.chooser.table.visualRect(page.chooser.table.model().index(1, 1))
    qtbot.mouseClick(page.chooser.table.viewport(), LEFT, pos=row.center())
    page.show_latest(latest, NOW)
    assert page.sensor == 2 and "Fringe scan" in labels(page)
    assert calibration(page, 2)[2] == "▲ outside ≥ 0.95"


def test_each_sensor_has_the_state_of_its_worst_loop(page: SensorPage) -> None:
    latest = table()
    latest.put_rows(LoopRow, changed("cavity2", state="relock"))
    page.show_latest(latest, NOW)
    assert [row.cells[2].text for row in page.chooser.table.shown_rows] == ["LOCKED", "RELOCK"]
    latest.put_rows(LoopRow, [row for row in changed("cavity2", state="relock") if row.sensor == 2])
    page.show_latest(latest, NOW)
    assert [row.cells[2].text for row in page.chooser.table.shown_rows] == ["no loop", "RELOCK"]
    latest.put_rows(LoopRow, changed("cavity2", state="relock"))
    page.show_latest(latest, NOW + 5.0)
    assert [row.cells[2].text for row in page.chooser.table.shown_rows] == ["STALE", "STALE"]
    assert page.loops.table.shown_rows[0].cells[3].text == "STALE"


def test_a_loop_of_the_sensor_can_be_gone_to(page: SensorPage, qtbot: QtBot) -> None:
    page.show_latest(table(), NOW)
    assert [row.key for row in page.loops.table.shown_rows] == ["cavity1", "lo1"]
    row = page.loops.table.visualRect(page.loops.table.model().index(1, 1))
    with qtbot.waitSignal(page.loop_chosen) as told:
        qtbot.mouseClick(page.loops.table.viewport(), LEFT, pos=row.center())
    assert told.args == ["lo1"]


def test_empty_plots_name_what_measures_them(page: SensorPage) -> None:
    page.show_latest(table(), NOW)
    shown = labels(page).splitlines()
    for procedure in ("align_sensor", "lock_cavity", "individual_spectrum"):
        assert f"Not measured yet: run {procedure}." in shown
    assert "Not measured yet." in shown  # the ringdown


def test_sensors_come_and_go_with_the_core(page: SensorPage) -> None:
    page.show_latest(Latest(), NOW)
    assert "no sensors yet" in labels(page)
    latest = table()
    page.select(2)
    page.show_latest(latest, NOW)
    assert page.sensor == 2
    core = latest.core
    assert core is not None
    latest.put_rows(CoreRow, [replace(core, sensors=1)])
    page.show_latest(latest, NOW)
    assert page.sensor == 1 and page.chooser.keys == ["1"]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (4.25e6, 4.35e6, "4.25 … 4.35 MHz"),
        (900e3, 1.1e6, "900 kHz … 1.1 MHz"),
        (math.nan, 80.0, "≤ 80 Hz"),
        (math.nan, math.nan, "–"),
    ],
)
def test_windows_in_words(low: float, high: float, text: str) -> None:
    assert window_text(low, high, "Hz").replace("\u00a0", " ") == text


@pytest.mark.parametrize("height", [720, 1080, 2160])
def test_no_text_is_cut_off(page: SensorPage, qtbot: QtBot, height: int) -> None:
    latest = table()
    latest.put_curve(alignment("sensor2"))
    latest.put_curve(replace(fringe("sensor2"), valid=False, reason="lo2 was not locked."))
    page.select(2)
    page.use_look(Look(THEMES["dark"]).for_height(height))
    page.resize(height * 16 // 9, round(0.88 * height))
    page.show_latest(latest, NOW)
    qtbot.wait(1)
    assert cut_off_text(page) == []
