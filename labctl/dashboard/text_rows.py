"""Rows of texts behind a table: what a cell shows, and the model and the delegate that hand it to Qt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

Role = QtCore.Qt.ItemDataRole
APART = "\u2002"
MAY_BREAK = "\u200b"  # a place in a long word where a line may end


@dataclass(frozen=True)
class Cell:
    """A text; `colour` as #RRGGBB, "" that of the table; `hatched` for what does not hold now."""

    text: str
    colour: str = ""
    tool_tip: str = ""
    hatched: bool = False
    bold: bool = False


@dataclass(frozen=True)
class TextRow:
    """One row; `key` tells it from the others."""

    key: str
    cells: tuple[Cell, ...]

    def fits(self, words: Sequence[str]) -> bool:
        """Return whether every one of `words`, in lower case, is somewhere in the row."""
        text = "\n".join(cell.text for cell in self.cells).lower().replace(MAY_BREAK, "")
        return all(word in text for word in words)


class RowsModel(QtCore.QAbstractTableModel):  # type: ignore[misc]
    """The rows that pass the filter."""

    def __init__(self, headings: Sequence[str], right: Collection[int], parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self.headings = tuple(headings)
        self.rows: tuple[TextRow, ...] = ()
        self.hatching = QtGui.QBrush()
        self._right = frozenset(right)

    def rowCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt's name
        """Return how many rows are shown."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt's name
        """Return how many columns there are."""
        return 0 if parent is not None and parent.isValid() else len(self.headings)

    def headerData(self, section: int, orientation: Any, role: int = Role.DisplayRole) -> object:  # noqa: N802
        """Return a heading."""
        if orientation != QtCore.Qt.Orientation.Horizontal:
            return None
        if role == Role.DisplayRole:
            return self._apart(self.headings[section], section)
        return self._alignment(section) if role == Role.TextAlignmentRole else None

    def data(self, index: Any, role: int = Role.DisplayRole) -> object:
        """Return what a cell shows."""
        cell = self.rows[index.row()].cells[index.column()]
        if role == Role.DisplayRole:
            return self._apart(cell.text, index.column())
        if role == Role.ForegroundRole:
            return QtGui.QColor(cell.colour) if cell.colour else None
        if role == Role.BackgroundRole:
            return self.hatching if cell.hatched else None
        if role == Role.ToolTipRole:
            return cell.tool_tip or None
        if role == Role.FontRole and cell.bold:
            font = QtGui.QFont(self.parent().font())
            font.setBold(True)
            return font
        return self._alignment(index.column()) if role == Role.TextAlignmentRole else None

    def _apart(self, text: str, column: int) -> str:
        """Keep what stands at the right off the texts of the next column."""
        return f"{text}{APART}" if text and column in self._right and column + 1 < len(self.headings) else text

    def _alignment(self, column: int) -> object:
        side = QtCore.Qt.AlignmentFlag.AlignRight if column in self._right else QtCore.Qt.AlignmentFlag.AlignLeft
        return side | QtCore.Qt.AlignmentFlag.AlignVCenter

    def show(self, rows: tuple[TextRow, ...]) -> bool:
        """Take other rows; returns whether there are others than before, and not only other texts."""
        before, self.rows = self.rows, rows
        if [row.key for row in before] == [row.key for row in rows]:
            for place, (old, new) in enumerate(zip(before, rows, strict=True)):
                if old != new:
                    self.dataChanged.emit(self.index(place, 0), self.index(place, len(self.headings) - 1))
            return False
        self.rows = before
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()
        return True


class RowPainter(QtWidgets.QStyledItemDelegate):  # type: ignore[misc]
    """Leaves the colours of a state to a chosen row, and marks rows instead of single cells."""

    def initStyleOption(self, option: Any, index: Any) -> None:  # noqa: N802 - Qt's name
        """Fill in how a cell is drawn."""
        super().initStyleOption(option, index)
        option.state &= ~QtWidgets.QStyle.StateFlag.State_HasFocus
        if (colour := index.data(Role.ForegroundRole)) is not None:
            option.palette.setColor(QtGui.QPalette.ColorRole.HighlightedText, colour)
