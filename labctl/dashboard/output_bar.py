"""Where an output stands between its rails."""

from __future__ import annotations

import math
from typing import Final

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.look import Look

RAIL_SHARE: Final = 0.05  # of half the range: so close to a rail no loop counts as locked
NEAR_SHARE: Final = 0.2  # worth a look


def margin_of(output_v: float, low_v: float, high_v: float) -> float:
    """Return the distance from the nearer rail over half the range: 1 in the middle, 0 at a rail, nan unknown."""
    half = 0.5 * (high_v - low_v)
    if not half > 0.0:
        return math.nan
    return min(high_v - output_v, output_v - low_v) / half


class OutputBar(QtWidgets.QWidget):  # type: ignore[misc]
    """A bar from the low rail to the high one with a mark at the output; the ends where no lock counts are hatched."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._place = math.nan
        self._colour = ""
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self.use_look(look)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.setFixedHeight(look.px(16))
        self.update()

    def show_output(self, output_v: float, low_v: float, high_v: float, colour: str) -> None:
        """Put the mark, in `colour`; an unknown output or unknown rails leave the bar empty."""
        span = high_v - low_v
        place = (output_v - low_v) / span if span > 0.0 else math.nan
        place = round(min(max(place, 0.0), 1.0), 3) if math.isfinite(place) else math.nan
        if repr((place, colour)) != repr((self._place, self._colour)):
            self._place, self._colour = place, colour
            self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the bar."""
        painter = QtGui.QPainter(self)
        theme, box = self._look.theme, self.rect().adjusted(0, 0, -1, -1)
        painter.setPen(QtGui.QPen(QtGui.QColor(theme.line)))
        painter.setBrush(QtGui.QColor(theme.background))
        painter.drawRect(box)
        end = max(2, round(0.5 * RAIL_SHARE * box.width()))
        hatch = QtGui.QBrush(QtGui.QColor(theme.dim), QtCore.Qt.BrushStyle.BDiagPattern)
        for left in (box.left(), box.right() - end):
            painter.fillRect(QtCore.QRect(left, box.top(), end, box.height()), hatch)
        middle = box.center().x()
        painter.drawLine(middle, box.top(), middle, box.bottom())
        if math.isfinite(self._place):
            wide = self._look.px(6)
            left = box.left() + round(self._place * (box.width() - wide))
            painter.fillRect(QtCore.QRect(left, box.top(), wide, box.height()), QtGui.QColor(self._colour))
        painter.end()
