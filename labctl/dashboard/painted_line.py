"""One line of text painted into a box, the same way with every binding of Qt."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui


def draw_left(painter: QtGui.QPainter, box: QtCore.QRectF, text: str) -> None:
    """Draw text from the left edge of a box, in the middle of its height."""
    painter.drawText(QtCore.QPointF(box.left(), _baseline(painter, box)), text)


def draw_centred(painter: QtGui.QPainter, box: QtCore.QRectF, text: str) -> None:
    """Draw text in the middle of a box."""
    width = QtGui.QFontMetricsF(painter.font()).horizontalAdvance(text)
    painter.drawText(QtCore.QPointF(box.center().x() - width / 2, _baseline(painter, box)), text)


def _baseline(painter: QtGui.QPainter, box: QtCore.QRectF) -> float:
    metrics = QtGui.QFontMetricsF(painter.font())
    return float(box.center().y() + (metrics.ascent() - metrics.descent()) / 2)
