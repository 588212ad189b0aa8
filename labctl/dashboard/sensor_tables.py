"""The calibrations of one sensor, and the loops that hold it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import CalibrationRow, LoopRow
from labctl.dashboard.dressing import HEADING_UNITS
from labctl.dashboard.look import Look
from labctl.dashboard.loop_words import is_unseen, shown_mark, steady_text
from labctl.dashboard.number_text import NO_BREAK, UNKNOWN_TEXT, number_parts, short_duration_text, value_text
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.state_glyphs import STALE, window_mark
from labctl.dashboard.text_rows import MAY_BREAK, Cell, TextRow
from labctl.dashboard.text_table import TextTable
from labctl.dashboard.thin_panel import ThinPanel, set_flush


class CalibrationTable(ThinPanel):
    """Value and uncertainty of each quantity, the window in which it may be used, its age, and what measured it."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._title = PlainLabel("Calibrations")
        headings = ("Quantity", "Value", "Window", "Age", "Measured by")
        self.table = TextTable(look, headings, right=(3,), wrapped={4: 1.0}, is_choosable=False)
        _stack(self, self._title, self.table)
        self.use_look(look)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        _dress(self, self._title, self.table, look)

    def show_rows(self, rows: Sequence[CalibrationRow], latest: Latest, now: float) -> None:
        """Show these calibrations."""
        self.table.show_rows([self._row(row, latest.age_s(row.measured_at, now)) for row in rows])

    def _row(self, row: CalibrationRow, age_s: float) -> TextRow:
        theme = self._look.theme
        mark = window_mark(row.value, row.low, row.high)
        window = window_text(row.low, row.high, row.unit)
        if mark.severity:
            window = f"{mark.text} {window}"
        elif window != UNKNOWN_TEXT:
            window = f"{mark.glyph} {window}"
        age = UNKNOWN_TEXT if math.isnan(row.measured_at) else short_duration_text(age_s)
        return TextRow(
            row.quantity,
            (
                Cell(row.label or row.quantity, theme.text, tool_tip=row.convention),
                Cell(value_text(row.value, row.sigma, row.unit), theme.text, bold=bool(mark.severity)),
                Cell(window, theme.of(mark.severity), bold=bool(mark.severity)),
                Cell(age, theme.dim),
                Cell(row.step.replace("_", f"_{MAY_BREAK}"), theme.dim, tool_tip=row.run_id),
            ),
        )


class SensorLoops(ThinPanel):
    """The loops of one sensor; the signal `chosen` tells the name of the one that the operator went to."""

    chosen = QtCore.Signal(str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._title = PlainLabel("Loops")
        self.table = TextTable(look, ("", "", "", "", ""), right=(3, 4), wrapped={2: 1.0})
        self.table.horizontalHeader().hide()
        self.table.chosen.connect(self.chosen)
        _stack(self, self._title, self.table)
        self.use_look(look)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        _dress(self, self._title, self.table, look)

    def show_rows(self, rows: Sequence[LoopRow], latest: Latest, now: float) -> None:
        """Show these loops."""
        self.table.show_rows([self._row(row, latest, now) for row in rows])
        # All of them are in sight: they are two or three.
        rim = self._look.px(4)
        height = sum(self.table.rowHeight(place) for place in range(len(rows)))
        self.table.setFixedHeight(max(height, self._look.px(30)) + rim)

    def _row(self, row: LoopRow, latest: Latest, now: float) -> TextRow:
        theme = self._look.theme
        mark = shown_mark(row, latest, now)
        colour = theme.of(mark.severity)
        residual = f"residual{NO_BREAK}{steady_text(row.residual, row.unit, row.residual_limit)}"
        light = f"light{NO_BREAK}{steady_text(row.witness, '', 1.0)}"
        if is_unseen(row, latest, now):
            residual = light = UNKNOWN_TEXT if row.state == "off" else STALE.word
        return TextRow(
            row.name,
            (
                Cell(mark.glyph, colour, bold=True),
                Cell(row.name, theme.text),
                Cell(mark.word, colour, tool_tip=row.why, bold=bool(mark.severity)),
                Cell(residual, theme.text),
                Cell(light, theme.text),
            ),
        )


def window_text(low: float, high: float, unit: str) -> str:
    """Return "4.25 … 4.35 MHz", "≥ 0.95", "≤ 80 Hz", or "–" for no window."""
    if math.isnan(low) and math.isnan(high):
        return UNKNOWN_TEXT
    if math.isnan(high):
        return f"≥{NO_BREAK}{value_text(low, math.nan, unit)}"
    if math.isnan(low):
        return f"≤{NO_BREAK}{value_text(high, math.nan, unit)}"
    first, last = number_parts(low, math.nan, unit), number_parts(high, math.nan, unit)
    begin = first.value if first.unit == last.unit else first.text
    return f"{begin}{NO_BREAK}…{NO_BREAK}{last.text}"


def _stack(panel: ThinPanel, title: PlainLabel, table: TextTable) -> None:
    column = QtWidgets.QVBoxLayout(panel)
    column.addWidget(title)
    column.addWidget(table, 1)


def _dress(panel: ThinPanel, title: PlainLabel, table: TextTable, look: Look) -> None:
    panel.dress(look)
    column = panel.layout()
    column.setContentsMargins(look.px(10), look.px(6), look.px(10), look.px(6))
    column.setSpacing(look.px(4))
    title.dress(look, HEADING_UNITS, look.theme.text, bold=True)
    set_flush(table, look)
    table.use_look(look)
