"""A cell of a table that is a bar with a word in it."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.look import Look
from labctl.dashboard.painted_text import CENTRE, draw


class ProgressCell(QtWidgets.QStyledItemDelegate):  # type: ignore[misc]
    """Paints the text of a cell over a bar; `fractions` are those of the rows, 0 to 1."""

    def __init__(self, look: Look, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.look = look
        self.fractions: list[float] = []

    def paint(self, painter: QtGui.QPainter, option: QtWidgets.QStyleOptionViewItem, index: QtCore.QModelIndex) -> None:
        """Paint ground, bar and word."""
        theme, px = self.look.theme, self.look.px
        painter.save()
        if option.state & QtWidgets.QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, QtGui.QColor(theme.line))
        ground = option.rect.adjusted(px(3), px(3), -px(3), -px(3))
        fraction = self.fractions[index.row()] if index.row() < len(self.fractions) else 0.0
        if 0.0 < fraction < 1.0:
            painter.fillRect(ground, QtGui.QColor(theme.background))
            bar = QtCore.QRectF(ground)
            bar.setWidth(bar.width() * fraction)
            painter.fillRect(bar, QtGui.QColor(theme.line))
            painter.setPen(QtGui.QColor(theme.dim))
            painter.drawRect(ground)
        painter.setPen(index.data(QtCore.Qt.ItemDataRole.ForegroundRole) or QtGui.QColor(theme.dim))
        painter.setFont(option.font)
        draw(painter, ground, str(index.data() or ""), CENTRE)
        painter.restore()
