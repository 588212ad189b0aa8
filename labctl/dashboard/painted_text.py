"""Texts that widgets paint themselves: aligned, wrapped, or pressed into a width."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtGui

Align = QtCore.Qt.AlignmentFlag
LEFT = Align.AlignLeft | Align.AlignVCenter
RIGHT = Align.AlignRight | Align.AlignVCenter
CENTRE = Align.AlignHCenter | Align.AlignVCenter
CAPITAL_SHARE = 0.729  # height of a capital of DejaVu Sans over the size of the font
NARROWEST = 0.55  # share of their width to which letters may be pressed
_PLENTY = 100_000


def plain(flags: Any) -> int:
    """Return flags as the number that painters take; some bindings keep them as objects."""
    return int(getattr(flags, "value", flags))


def draw(painter: QtGui.QPainter, room: QtCore.QRect, text: str, where: Any = LEFT) -> None:
    """Draw a text on one line in `room`."""
    painter.drawText(room, plain(where), text)


def draw_wrapped(painter: QtGui.QPainter, room: QtCore.QRect, text: str) -> None:
    """Draw a text from the top of `room`, in as many lines as its width asks for."""
    painter.drawText(QtCore.QRect(room.x(), room.y(), room.width(), _PLENTY), plain(_wraps()), text)


def wrapped_height(font: QtGui.QFont, text: str, width: int) -> int:
    """Return how high a text is when it is wrapped at `width`."""
    room = QtCore.QRect(0, 0, max(width, 1), _PLENTY)
    return int(QtGui.QFontMetrics(font).boundingRect(room, plain(_wraps()), text).height())


def draw_pressed(painter: QtGui.QPainter, x: float, baseline: float, text: str, room: float) -> float:
    """Draw a text as high as its font, and narrower where it would not fit into `room`; returns its width."""
    wide = float(painter.fontMetrics().horizontalAdvance(text))
    share = max(NARROWEST, min(1.0, room / wide)) if wide else 1.0
    painter.save()
    painter.translate(x, baseline)
    painter.scale(share, 1.0)
    painter.drawText(QtCore.QPointF(0.0, 0.0), text)
    painter.restore()
    return share * wide


def _wraps() -> Any:
    return QtCore.Qt.TextFlag.TextWordWrap
