"""A list of things with their states, one of which is chosen."""

from __future__ import annotations

from collections.abc import Sequence

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.dashboard.dressing import HEADING_UNITS
from labctl.dashboard.look import Look
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.state_glyphs import Mark
from labctl.dashboard.text_rows import Cell, TextRow
from labctl.dashboard.text_table import TextTable
from labctl.dashboard.thin_panel import ThinPanel, set_flush

Entry = tuple[str, str, Mark]
"""Key, name and state."""


class StateChooser(ThinPanel):
    """Glyph, name and state of each entry; the order is that of the entries, but holds still under the mouse."""

    chosen = QtCore.Signal(str)

    def __init__(self, look: Look, title: str) -> None:
        super().__init__()
        self._look = look
        self._entries: tuple[Entry, ...] = ()
        self._title = PlainLabel(title)
        self.table = TextTable(look, ("", "", ""))
        self.table.horizontalHeader().hide()
        self.table.horizontalHeader().setStretchLastSection(True)
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.addWidget(self._title)
        self._column.addWidget(self.table, 1)
        self.table.chosen.connect(self.chosen)
        self.use_look(look)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.dress(look)
        self._column.setContentsMargins(look.px(6), look.px(6), look.px(6), look.px(6))
        self._title.dress(look, HEADING_UNITS, look.theme.text, bold=True)
        set_flush(self.table, look)
        self.table.use_look(look)
        self._show()

    @property
    def key(self) -> str:
        """Return the key of the chosen entry, "" for none."""
        return self.table.key

    @property
    def keys(self) -> list[str]:
        """Return the keys in the order in which they are shown."""
        return [key for key, _, _ in self._entries]

    def choose(self, key: str) -> None:
        """Go to the entry of that key, if there is one."""
        self.table.choose(key)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show these entries; where a mouse points at the list, none moves to another place."""
        if self.table.underMouse():
            places = {key: place for place, key in enumerate(self.keys)}
            entries = sorted(entries, key=lambda entry: places.get(entry[0], len(places)))
        if tuple(entries) != self._entries:
            self._entries = tuple(entries)
            self._show()

    def _show(self) -> None:
        theme = self._look.theme
        rows = []
        for key, name, mark in self._entries:
            colour = theme.of(mark.severity)
            bold = bool(mark.severity)
            cells = (Cell(mark.glyph, colour, bold=bold), Cell(name, theme.text), Cell(mark.word, colour, bold=bold))
            rows.append(TextRow(key, cells))
        self.table.show_rows(rows)
