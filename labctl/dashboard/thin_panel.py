"""A box that stands out from the background by a thin line."""

from __future__ import annotations

from pyqtgraph.Qt import QtGui, QtWidgets

from labctl.dashboard.look import Look


class ThinPanel(QtWidgets.QFrame):  # type: ignore[misc]
    """A box around a part of a page. It paints itself, as a style sheet would keep the palette from what is in it."""

    def __init__(self) -> None:
        super().__init__()
        self._panel_look: Look | None = None

    def dress(self, look: Look) -> None:
        """Take the colours of a look."""
        self._panel_look = look
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the box."""
        if self._panel_look is None:
            return
        theme = self._panel_look.theme
        painter = QtGui.QPainter(self)
        painter.setPen(QtGui.QPen(QtGui.QColor(theme.line)))
        painter.setBrush(QtGui.QColor(theme.panel))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()


def boxed(part: QtWidgets.QWidget) -> ThinPanel:
    """Return a box with nothing but `part` in it."""
    box = ThinPanel()
    column = QtWidgets.QVBoxLayout(box)
    column.setContentsMargins(1, 1, 1, 1)
    column.addWidget(part)
    return box


def set_flush(table: QtWidgets.QAbstractItemView, look: Look) -> None:
    """Take the frame from a table that stands in a panel, whatever style sheet the window has."""
    theme = look.theme
    style = (
        f"QAbstractItemView {{ border: none; background: {theme.panel}; color: {theme.text};"
        f" selection-background-color: {theme.line}; selection-color: {theme.text}; outline: none; }}"
        f" QHeaderView, QHeaderView::section {{ border: none; background: {theme.panel}; color: {theme.dim}; }}"
    )
    if style != table.styleSheet():
        table.setStyleSheet(style)
