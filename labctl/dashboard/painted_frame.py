"""What the painted charts of the network share: a frame with an axis of decibels, hatching, marks with error bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.dressing import hatching
from labctl.dashboard.fonts import SMALL_UNITS, sized_font
from labctl.dashboard.look import Look

Shape = Literal["circle", "square", "triangle", "diamond"]
Align = QtCore.Qt.AlignmentFlag
DASHES = {
    "solid": QtCore.Qt.PenStyle.SolidLine,
    "dash": QtCore.Qt.PenStyle.DashLine,
    "dot": QtCore.Qt.PenStyle.DotLine,
}


@dataclass(frozen=True)
class Spot:
    """What a mark stands for, where the pointer may ask: its place in pixels and what gives the sentence."""

    x: float
    y: float
    sentence: Callable[[], str]


class PaintedChart(QtWidgets.QWidget):  # type: ignore[misc]
    """A chart that paints itself: it is still most of the time, so it is painted only when something changed."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._spots: list[Spot] = []
        self._cut_off: list[str] = []
        self._taken: list[QtCore.QRectF] = []
        policy = QtWidgets.QSizePolicy.Policy.Expanding
        self.setSizePolicy(policy, policy)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.update()

    def cut_off_texts(self) -> list[str]:
        """Name the texts that reached out of the chart when it was last painted."""
        return list(self._cut_off)

    # ---- painting ---------------------------------------------------------------------------------------------------

    def paintEvent(self, _event: object) -> None:  # noqa: N802 - Qt's name
        """Paint all anew."""
        self._spots, self._cut_off, self._taken = [], [], []
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect(), QtGui.QColor(self._look.theme.panel))
        painter.setFont(sized_font(self._look, SMALL_UNITS))
        try:
            self.draw(painter)
        finally:
            painter.end()

    def draw(self, painter: QtGui.QPainter) -> None:
        """Paint the chart; for who derives from this."""
        raise NotImplementedError

    def pen(self, painter: QtGui.QPainter, colour: str, dash: str = "solid", width: int = 1) -> None:
        """Draw in that colour from now on."""
        painter.setPen(QtGui.QPen(QtGui.QColor(colour), width, DASHES[dash]))

    def write(
        self, painter: QtGui.QPainter, at: QtCore.QPointF, text: str, colour: str, where: str = "centre"
    ) -> QtCore.QRectF:
        """Write `text` with its left, centre or right at `at`, in the middle of its height; returns its place."""
        metrics = painter.fontMetrics()
        width, height = metrics.horizontalAdvance(text), metrics.height()
        left = at.x() - {"left": 0.0, "centre": width / 2, "right": float(width)}[where]
        place = QtCore.QRectF(left, at.y() - height / 2, width, height)
        if not QtCore.QRectF(self.rect()).adjusted(-1, -1, 1, 1).contains(place):
            self._cut_off.append(f"{text!r} reaches out of the chart")
        painter.setPen(QtGui.QColor(colour))
        painter.drawText(QtCore.QPointF(left, place.top() + metrics.ascent()), text)
        return place

    def label(self, painter: QtGui.QPainter, at: QtCore.QPointF, text: str, colour: str, where: str = "centre") -> bool:
        """Write `text` on the ground of the chart, only where no other label is; returns whether it is there."""
        metrics = painter.fontMetrics()
        width, height = metrics.horizontalAdvance(text), metrics.height()
        left = at.x() - {"left": 0.0, "centre": width / 2, "right": float(width)}[where]
        place = QtCore.QRectF(left, at.y() - height / 2, width, height)
        if not QtCore.QRectF(self.rect()).contains(place) or any(place.intersects(other) for other in self._taken):
            return False
        self._taken.append(place.adjusted(-self._look.px(4), 0, self._look.px(4), 0))
        painter.fillRect(place, QtGui.QColor(self._look.theme.panel))
        self.write(painter, at, text, colour, where)
        return True

    def hatch(self, painter: QtGui.QPainter, place: QtCore.QRectF) -> None:
        """Hatch a place: what it shows does not hold now."""
        painter.fillRect(place, hatching(self._look))

    def mark(
        self,
        painter: QtGui.QPainter,
        at: QtCore.QPointF,
        half_bar: float,
        shape: Shape,
        colour: str,
        *,
        is_hollow: bool,
    ) -> None:
        """Draw a mark with an upright error bar of that half length in pixels; hollow is what does not hold now."""
        size = self._look.px(5)
        self.pen(painter, colour, width=max(1, self._look.px(1.6)))
        if half_bar > 0:
            cap = size * 0.8
            painter.drawLine(at - QtCore.QPointF(0, half_bar), at + QtCore.QPointF(0, half_bar))
            for end in (-half_bar, half_bar):
                painter.drawLine(at + QtCore.QPointF(-cap, end), at + QtCore.QPointF(cap, end))
        fill = self._look.theme.panel if is_hollow else colour
        painter.setBrush(QtGui.QColor(fill))
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, True)
        painter.drawPolygon(_outline(at, size, shape)) if shape != "circle" else painter.drawEllipse(at, size, size)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)

    # ---- the pointer ------------------------------------------------------------------------------------------------

    def spot(self, at: QtCore.QPointF, sentence: Callable[[], str]) -> None:
        """Let the pointer ask what is at `at`."""
        self._spots.append(Spot(at.x(), at.y(), sentence))

    def sentence_at(self, x: float, y: float) -> str:
        """Return what the mark near that pixel stands for, "" where there is none."""
        near = min(self._spots, key=lambda spot: math.hypot(spot.x - x, spot.y - y), default=None)
        return near.sentence() if near and math.hypot(near.x - x, near.y - y) <= self._look.px(18) else ""

    def event(self, event: QtCore.QEvent) -> bool:
        """Answer the pointer."""
        if event.type() == QtCore.QEvent.Type.ToolTip:
            sentence = self.sentence_at(event.pos().x(), event.pos().y())
            QtWidgets.QToolTip.showText(event.globalPos(), sentence, self)
            return True
        return bool(super().event(event))


def _outline(at: QtCore.QPointF, size: float, shape: Shape) -> QtGui.QPolygonF:
    corners: dict[Shape, Sequence[tuple[float, float]]] = {
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "triangle": ((0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)),
        "diamond": ((0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)),
    }
    return QtGui.QPolygonF([at + QtCore.QPointF(size * x, size * y) for x, y in corners[shape]])


def round_steps(low: float, high: float, most: int) -> list[float]:
    """Return round numbers from `low` to `high`, at most about `most` of them."""
    if not high > low or most < 1:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * n for n in range(first, last + 1)]


def step_text(number: float) -> str:
    """Return a number of an axis, with the minus of the other numbers."""
    return f"{number + 0.0:.6g}".replace("-", "−")
