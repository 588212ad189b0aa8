"""The calibration of all sensors side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cut_off_text import cut_off_text
from night_table import calibration_rows, night
from pyqtgraph.Qt import QtGui
from pytestqt.qtbot import QtBot
from stub_table import NOW

from labctl.bus.messages import CalibrationRow
from labctl.dashboard.calibration_table import CalibrationTable
from labctl.dashboard.look import Look


@pytest.fixture
def panel(qtbot: QtBot, look: Look) -> Iterator[CalibrationTable]:
    made = CalibrationTable(look)
    made.resize(520, 500)
    made.show()
    made.show_latest(night(), NOW)
    yield made
    made.close()
    made.deleteLater()


def _cell(panel: CalibrationTable, row: int, column: int) -> list[str]:
    return [line.replace("\u00a0", " ") for line in panel.table.item(row, column).text().split("\n")]


def _label(panel: CalibrationTable, row: int) -> list[str]:
    return panel.table.verticalHeaderItem(row).text().replace("\u00a0", " ").split("\n")


def test_a_cell_has_value_and_sigma_and_its_row_the_age(panel: CalibrationTable) -> None:
    assert panel.table.columnCount() == 4
    assert _label(panel, 0) == ["f₀", "MHz · 12 h"]
    assert _cell(panel, 0, 0) == ["4.305321", "±12 Hz"]
    tip = panel.table.item(0, 0).toolTip().replace("\u00a0", " ")
    assert "sensor 1: 4.305321 MHz ± 12 Hz" in tip
    assert "✓ in window: 4.2 MHz to 4.4 MHz" in tip.replace("000", "")
    assert "calibrate[1] of run 20251124-overnight-06" in tip


def test_what_is_outside_its_window_says_so_in_its_cell_and_beside_the_title(
    panel: CalibrationTable, look: Look
) -> None:
    assert _cell(panel, 2, 1)[2] == "▲ outside"
    assert panel.table.item(2, 1).foreground().color() == QtGui.QColor(look.theme.major)
    assert panel.table.item(2, 0).foreground().color() == QtGui.QColor(look.theme.text)
    assert panel.note == "▲ outside: κ of 2"
    latest = night()
    latest.put_rows(CalibrationRow, [row for row in calibration_rows() if (row.sensor, row.quantity) != (2, "kappa")])
    panel.show_latest(latest, NOW)
    assert panel.note == "✓ all in their windows"
    assert _cell(panel, 2, 1) == ["–"]


def test_the_source_has_a_row_and_what_has_no_unit_only_an_age(panel: CalibrationTable) -> None:
    assert _label(panel, 7) == ["x", "10 min old"]
    assert _cell(panel, 7, 0) == ["source: 0.612  ±0.004"]


def test_the_age_of_a_row_is_that_of_its_oldest_value(panel: CalibrationTable) -> None:
    latest = night()
    fresh = [replace(row, measured_at=NOW - 60) if row.sensor != 3 else row for row in calibration_rows()]
    latest.put_rows(CalibrationRow, fresh)
    panel.show_latest(latest, NOW)
    assert _label(panel, 0)[1] == "MHz · 12 h"
    assert "1 min old" in panel.table.item(0, 0).toolTip().replace("\u00a0", " ")


def test_a_value_of_many_digits_leaves_its_sigma_one_so_that_four_fit(panel: CalibrationTable) -> None:
    latest = night()
    exact = [replace(row, sigma=0.19) if row.quantity == "f0" else row for row in calibration_rows()]
    latest.put_rows(CalibrationRow, exact)
    panel.show_latest(latest, NOW)
    assert _cell(panel, 0, 0) == ["4.3053210", "±200 mHz"]
    assert panel.table.horizontalScrollBar().maximum() == 0


def test_the_table_is_filled_again_only_for_other_values_and_ages_grow(panel: CalibrationTable) -> None:
    latest = night()
    panel.show_latest(latest, NOW)
    item = panel.table.item(0, 0)
    panel.show_latest(latest, NOW + 5)
    assert panel.table.item(0, 0) is item
    panel.show_latest(latest, NOW + 7200)
    assert _label(panel, 0)[1] == "MHz · 14 h"


def test_sixty_four_sensors_scroll_sideways_and_nothing_is_cut_off(panel: CalibrationTable) -> None:
    assert cut_off_text(panel) == []
    assert panel.table.horizontalScrollBar().maximum() == 0
    panel.show_latest(night(64), NOW)
    assert panel.table.columnCount() == 64
    assert cut_off_text(panel) == []
    assert panel.table.horizontalScrollBar().maximum() > 1000


def test_before_any_calibration_it_says_so(qtbot: QtBot, look: Look) -> None:
    latest = night()
    latest.put_rows(CalibrationRow, [])
    panel = CalibrationTable(look)
    panel.show_latest(latest, NOW)
    assert panel.note == "none yet"
    unknown = [replace(row, value=float("nan")) for row in calibration_rows(1)]
    latest.put_rows(CalibrationRow, unknown)
    panel.show_latest(latest, NOW)
    assert _cell(panel, 0, 0)[0] == "–"
    panel.deleteLater()
