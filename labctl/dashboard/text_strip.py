"""A strip of short texts that changes ten times a second: painted, so that new words never move the layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.look import Look
from labctl.dashboard.painted_line import draw_centred, draw_left


@dataclass(frozen=True)
class Cell:
    """One text and its colour."""

    text: str
    colour: str
    bold: bool = False


class TextStrip(QtWidgets.QWidget):  # type: ignore[misc]
    """Shows cells from left to right, in up to `rows` rows; the last ones, which matter least, give way."""

    def __init__(self, name: str, units: float = 16, separator: str = "", rows: int = 1) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._units, self._separator, self._rows = units, separator, rows
        self._cells: tuple[Cell, ...] = ()
        self._places: list[QtCore.QRectF] = []
        self._look = Look()
        self._font, self._bold = QtGui.QFont("DejaVu Sans"), QtGui.QFont("DejaVu Sans")
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)

    @property
    def text(self) -> str:
        """Return all texts, whether there is room for them or not."""
        return self._separator.join(cell.text for cell in self._cells)

    def use_look(self, look: Look) -> None:
        """Take colours and sizes."""
        self._look = look
        self._font.setPixelSize(look.px(self._units))
        self._bold.setPixelSize(look.px(self._units))
        self._bold.setBold(True)
        self._arrange()

    @property
    def _row_px(self) -> int:
        return self._look.px(self._units * 1.45)

    def show_cells(self, cells: Sequence[Cell]) -> None:
        """Show these from now on."""
        if tuple(cells) != self._cells:
            self._cells = tuple(cells)
            self.setAccessibleDescription(self.text)
            self._arrange()

    def resizeEvent(self, _: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Make room for another number of rows."""
        self._arrange()

    def _arrange(self) -> None:
        """Give each cell that has room its place, and the strip the height that it needs."""
        x, row, gap = 0.0, 0, float(self._look.px(22))
        self._places = []
        for cell in self._cells:
            width = QtGui.QFontMetricsF(self._bold if cell.bold else self._font).horizontalAdvance(cell.text)
            if x and x + width > self.width():
                x, row = 0.0, row + 1
            if row >= self._rows:
                break
            self._places.append(QtCore.QRectF(x, row * self._row_px, width, self._row_px))
            x += width + gap
        rows = 1 + min(row, self._rows - 1)
        if self.minimumHeight() != rows * self._row_px:
            self.setFixedHeight(rows * self._row_px)
        self.update()

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Draw the cells that have room."""
        painter = QtGui.QPainter(self)
        gap = float(self._look.px(22))
        for cell, place in zip(self._cells, self._places, strict=False):
            painter.setFont(self._bold if cell.bold else self._font)
            if place.left() and self._separator:
                painter.setPen(QtGui.QColor(self._look.theme.line))
                draw_centred(painter, place.adjusted(-gap, 0, -place.width(), 0), self._separator)
            painter.setPen(QtGui.QColor(cell.colour))
            draw_left(painter, place, cell.text)
        painter.end()
