"""What happened to one loop, the newest first, and why it was lost last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pyqtgraph.Qt import QtWidgets

from labctl.bus.messages import EventRow, Severity
from labctl.dashboard.dressing import HEADING_UNITS
from labctl.dashboard.look import Look
from labctl.dashboard.number_text import moment_text
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.state_glyphs import severity_mark
from labctl.dashboard.text_rows import Cell, TextRow
from labctl.dashboard.text_table import TextTable
from labctl.dashboard.thin_panel import ThinPanel, set_flush

MOST_LINES: Final = 200
LEVELS: Final = {"info": Severity.NONE, "warning": Severity.MINOR, "error": Severity.MAJOR}
_CAUSE: Final = re.compile(r"(?:\d\d:\d\d:\d\d|lab time [\d.]+ s): ")
"""How the sentence of a cause begins: with when the loop was lost."""


class RelockLog(ThinPanel):
    """The events of one loop as lines."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._shown: tuple[EventRow, ...] = ()
        self._title = PlainLabel("Relock log")
        self.table = TextTable(look, ("", "", ""), wrapped={2: 1.0}, is_choosable=False)
        self.table.horizontalHeader().hide()
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.addWidget(self._title)
        self._column.addWidget(self.table, 1)
        self.use_look(look)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.dress(look)
        self._column.setContentsMargins(look.px(10), look.px(6), look.px(10), look.px(6))
        self._column.setSpacing(look.px(4))
        self._title.dress(look, HEADING_UNITS, look.theme.text, bold=True)
        set_flush(self.table, look)
        self.table.use_look(look)
        self._show()

    def show_events(self, loop: str, events: Sequence[EventRow]) -> None:
        """Show those of `events`, the newest last, that tell of `loop`."""
        found = tuple(event for event in reversed(events) if event.source == loop)[:MOST_LINES]
        if found != self._shown:
            self._shown = found
            self._show()

    def _show(self) -> None:
        self.table.show_rows([self._line(event) for event in self._shown])

    def _line(self, event: EventRow) -> TextRow:
        theme = self._look.theme
        severity = LEVELS.get(event.level, Severity.INVALID)
        newest = self._shown[0].at
        mark = Cell("" if severity is Severity.NONE else severity_mark(severity).glyph, theme.of(severity))
        time_cell = Cell(moment_text(event.at, newest), theme.dim)
        return TextRow(str(event.number), (time_cell, mark, Cell(event.text, theme.text)))


def last_cause(loop: str, events: Sequence[EventRow]) -> str:
    """Return the sentence that says why `loop` was lost last; "" where none of the events does."""
    return next((e.text for e in reversed(events) if e.source == loop and _CAUSE.match(e.text)), "")
