"""The calibration of all sensors side by side: value ± sigma, how old it is, and what is out of its window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import CalibrationRow, Severity
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.number_text import (
    UNKNOWN_TEXT,
    age_text,
    common_power,
    number_parts,
    number_text,
    short_duration_text,
    unit_text,
    value_text,
)
from labctl.dashboard.panel_box import SMALL_UNITS, PanelBox
from labctl.dashboard.state_glyphs import Mark, window_mark

SOURCE = 0
_SOURCE_SPAN = 4  # columns; more would put its middle out of sight
_AGES_EVERY_S = 10.0
_LONGEST = 9  # characters of a value, from which its sigma has one digit, so that four sensors stay side by side
_GAP_UNITS, _LABEL_GAP_UNITS = 3, 11


@dataclass(frozen=True)
class Cell:
    """One cell as it is shown."""

    text: str
    tip: str = ""
    severity: Severity = Severity.NONE


@dataclass(frozen=True)
class Grid:
    """The table as it is shown: a row for each quantity, a column for each sensor; a row of the source has one cell."""

    sensors: tuple[int, ...]
    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    outside: tuple[str, ...]  # "κ of 2"


def grid_of(rows: Sequence[CalibrationRow], age_s: dict[float, float]) -> Grid:
    """Return the grid; `age_s` gives the age of each `measured_at`."""
    sensors = tuple(sorted({row.sensor for row in rows if row.sensor != SOURCE}))
    quantities: dict[tuple[bool, str], dict[int, CalibrationRow]] = {}
    for row in sorted(rows, key=lambda row: row.sensor == SOURCE):
        quantities.setdefault((row.sensor == SOURCE, row.quantity), {})[row.sensor] = row
    labels, cells, outside = [], [], []
    for (of_source, _), members in quantities.items():
        first = next(iter(members.values()))
        power = common_power((row.value for row in members.values()), first.unit)
        unit = unit_text(first.unit, power)
        age = max(age_s[row.measured_at] for row in members.values())
        beneath = f"{unit} · {short_duration_text(age)}" if unit else age_text(age)
        labels.append(f"{first.label}\n{beneath}")
        columns = (SOURCE,) if of_source else sensors
        cells.append(tuple(_cell(members.get(sensor), power, age_s) for sensor in columns))
        outside += [
            f"{row.label} of {sensor or 'the source'}"
            for sensor, row in members.items()
            if window_mark(row.value, row.low, row.high).severity
        ]
    return Grid(sensors, tuple(labels), tuple(cells), tuple(outside))


def _cell(row: CalibrationRow | None, power: int, age_s: dict[float, float]) -> Cell:
    if row is None:
        return Cell(UNKNOWN_TEXT, "not measured")
    number = number_parts(row.value, row.sigma, row.unit, power)
    if len(number.value) > _LONGEST:
        number = number_parts(row.value, row.sigma, row.unit, power, short=True)
    mark, age = window_mark(row.value, row.low, row.high), age_s[row.measured_at]
    sigma = f"±{number.own_sigma or number.sigma}" if number.sigma else ""
    parts = [part for part in (number.value, sigma, mark.text if mark.severity else "") if part]
    text = f"source: {'  '.join(parts)}" if row.sensor == SOURCE else "\n".join(parts)
    return Cell(text, _tip(row, mark, age), mark.severity)


def _tip(row: CalibrationRow, mark: Mark, age: float) -> str:
    of = f"sensor {row.sensor}" if row.sensor != SOURCE else "the source"
    limits = [number_text(limit, row.unit) for limit in (row.low, row.high)]
    has_window = not (math.isnan(row.low) and math.isnan(row.high))
    lines = [
        f"{row.label} ({row.quantity}) of {of}: {value_text(row.value, row.sigma, row.unit)}",
        f"{mark.text}: {limits[0]} to {limits[1]}" if has_window else mark.text,
        f"{age_text(age)}, measured by {row.step or 'a step without a name'} of run {row.run_id or UNKNOWN_TEXT}",
        row.convention,
    ]
    return "\n".join(line for line in lines if line)


class _Table(QtWidgets.QTableWidget):  # type: ignore[misc]
    """Tells when there is another width to share out."""

    def __init__(self, resized: Callable[[], None]) -> None:
        super().__init__()
        self._resized = resized

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Tell."""
        super().resizeEvent(event)
        self._resized()


class CalibrationTable(PanelBox):
    """Quantities as rows, each with the age of its oldest value, sensors as columns; a cell is value, sigma, and, where
    the value may not be used, why not."""

    def __init__(self, look: Look) -> None:
        super().__init__("CALIBRATION", look)
        self._rows: tuple[CalibrationRow, ...] | None = None
        self._aged_at = float("-inf")
        self._grid = Grid((), (), (), ())
        self.table = _Table(self._fit)
        self.table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self.table.setShowGrid(False)
        self.table.setAlternatingRowColors(True)
        self.table.setWordWrap(False)
        self.table.setCornerButtonEnabled(False)
        for mode in (self.table.setVerticalScrollMode, self.table.setHorizontalScrollMode):
            mode(QtWidgets.QAbstractItemView.ScrollMode.ScrollPerPixel)
        for header in (self.table.horizontalHeader(), self.table.verticalHeader()):
            header.setSectionResizeMode(QtWidgets.QHeaderView.ResizeMode.Fixed)
            header.setHighlightSections(False)
        self.body.addWidget(self.table)
        self.use_look(look)

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw the calibration; ages are counted on every ten seconds."""
        rows = latest.rows(CalibrationRow)
        if rows is self._rows and now - self._aged_at < _AGES_EVERY_S:
            return
        self._rows, self._aged_at = rows, now
        ages = {row.measured_at: latest.age_s(row.measured_at, now) for row in rows}
        grid = grid_of(rows, ages)
        if grid != self._grid:
            self._grid = grid
            self._fill()

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        super().use_look(look)
        for part in (self.table, self.table.horizontalHeader(), self.table.verticalHeader()):
            part.setFont(sized_font(look, SMALL_UNITS))
        self._fill()

    def _fill(self) -> None:
        grid, table = self._grid, self.table
        table.clearSpans()
        table.setRowCount(len(grid.rows))
        table.setColumnCount(len(grid.sensors))
        table.setHorizontalHeaderLabels([f"sensor {n}" if len(grid.sensors) < 3 else str(n) for n in grid.sensors])
        table.setVerticalHeaderLabels(list(grid.labels))
        for place, cells in enumerate(grid.rows):
            if len(cells) == 1 and len(grid.sensors) > 1:
                table.setSpan(place, 0, 1, min(len(grid.sensors), _SOURCE_SPAN))
            for column, cell in enumerate(cells):
                table.setItem(place, column, self._item(cell))
        self._say_outside()
        self._fit()

    def _item(self, cell: Cell) -> QtWidgets.QTableWidgetItem:
        item = QtWidgets.QTableWidgetItem(cell.text)
        item.setToolTip(cell.tip)
        item.setTextAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        theme = self.look.theme
        item.setForeground(QtGui.QColor(theme.of(cell.severity) if cell.severity else theme.text))
        return item

    def _say_outside(self) -> None:
        outside = self._grid.outside
        if not self._grid.rows:
            self.set_note("none yet")
        elif not outside:
            self.set_note("✓ all in their windows")
        elif len(outside) <= 2:
            self.set_note(f"▲ outside: {', '.join(outside)}", Severity.MAJOR)
        else:
            self.set_note(f"▲ {len(outside)} outside: {outside[0]} …", Severity.MAJOR)
        self._note.setToolTip("\n".join(outside))

    def _fit(self) -> None:
        """Give all columns the same width, what the widest text needs or more, and all rows their lines."""
        if not self._grid.rows:
            return
        metrics = QtGui.QFontMetrics(self.table.font())
        pad = 1 + self.table.style().pixelMetric(QtWidgets.QStyle.PixelMetric.PM_FocusFrameHMargin, None, self.table)
        texts = [cell.text for cells in self._grid.rows if len(cells) == len(self._grid.sensors) for cell in cells]
        needed = max((metrics.size(0, text).width() for text in texts), default=0) + 2 * pad
        room = self.table.viewport().width() // max(1, len(self._grid.sensors))
        self.table.horizontalHeader().setDefaultSectionSize(max(needed, room))
        for place, cells in enumerate(self._grid.rows):
            lines = max(metrics.size(0, cell.text).height() for cell in cells) + self.look.px(_GAP_UNITS)
            label = metrics.size(0, self._grid.labels[place]).height() + self.look.px(_LABEL_GAP_UNITS)
            self.table.setRowHeight(place, max(lines, label))
