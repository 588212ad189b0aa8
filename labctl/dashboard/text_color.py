"""The colour of the text of one widget."""

from __future__ import annotations

from pyqtgraph.Qt import QtGui, QtWidgets


def color_text(widget: QtWidgets.QWidget, color: str) -> None:
    """Give the text of `widget` that colour; nothing happens where it has it."""
    palette = widget.palette()
    if palette.color(widget.foregroundRole()) != QtGui.QColor(color):
        palette.setColor(widget.foregroundRole(), QtGui.QColor(color))
        widget.setPalette(palette)
