"""How far the joint noise is below that of one sensor, against the number of sensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pyqtgraph.Qt import QtCore, QtGui

from labctl.dashboard.look import Look
from labctl.dashboard.network_results import Advantage, expected_advantage_db
from labctl.dashboard.number_text import value_text
from labctl.dashboard.painted_frame import PaintedChart, round_steps, step_text
from labctl.dashboard.readout_plot import SHAPES, TRACES

Point, Rect = QtCore.QPointF, QtCore.QRectF
FEWEST_SENSORS_SHOWN = 8


class AdvantagePlot(PaintedChart):
    """The chart: what was measured, and what an even split of the same beam would give for other numbers."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._points: tuple[Advantage, ...] = ()
        self._joint_db: float | None = None
        self._tell: Callable[[Advantage], str] = lambda point: point.series.result

    def show_points(
        self, points: Sequence[Advantage], joint_db: float | None, tell: Callable[[Advantage], str]
    ) -> None:
        """Show what was measured; `joint_db` is the joint level that the expectation is from, None for no line."""
        self._tell = tell
        if (tuple(points), joint_db) != (self._points, self._joint_db):
            self._points, self._joint_db = tuple(points), joint_db
            self.update()

    def draw(self, painter: QtGui.QPainter) -> None:
        """Paint the chart."""
        if not self._points:
            text = "Advantage: not measured"
            self.write(painter, Point(self.rect().center()), text, self._look.theme.dim)
            return
        line = painter.fontMetrics().height()
        left = painter.fontMetrics().horizontalAdvance("−00.0") + self._look.px(10)
        right = self.width() - self._look.px(14)
        frame = Rect(left, 1.6 * line, right - left, self.height() - 4.0 * line)
        most = max(FEWEST_SENSORS_SHOWN, 2 * max(point.sensors for point in self._points))
        self._draw(painter, frame, most)

    def _draw(self, painter: QtGui.QPainter, frame: QtCore.QRectF, most: int) -> None:
        limit = -self._joint_db if self._joint_db is not None and self._joint_db < 0 else 0.0
        tops = [point.value + max(point.sigma, 0.0) for point in self._points]
        bottoms = [point.value - max(point.sigma, 0.0) for point in self._points]
        low, high = min(0.0, *bottoms), max(limit, *tops, 0.5) * 1.12
        scale_x, scale_y = frame.width() / most, frame.height() / (high - low)

        def place(sensors: float, level: float) -> QtCore.QPointF:
            return Point(frame.left() + sensors * scale_x, frame.top() + (high - level) * scale_y)

        self._draw_axes(painter, frame, low, high, most, place)
        if self._joint_db is not None and limit > 0:
            self._draw_expected(painter, self._joint_db, most, place)
        for point in self._points:
            at = place(point.sensors, point.value)
            name = point.series.name
            colour = self._look.theme.traces[TRACES[name]]
            half = max(point.sigma, 0.0) * scale_y
            if point.doubt:
                width = self._look.px(24)
                self.hatch(painter, Rect(at.x() - width / 2, at.y(), width, place(0, low).y() - at.y()))
            self.mark(painter, at, half, SHAPES[name], colour, is_hollow=bool(point.doubt))
            self.spot(at, partial(self._tell, point))
        self._name_points(painter, frame, place)

    def _name_points(
        self, painter: QtGui.QPainter, frame: QtCore.QRectF, place: Callable[[float, float], QtCore.QPointF]
    ) -> None:
        """Write the numbers beside their marks, pushed apart where the marks are close."""
        line = painter.fontMetrics().height()
        ordered = sorted(self._points, key=lambda point: -point.value)
        y = frame.top()
        for point in ordered:
            at = place(point.sensors, point.value)
            y = max(at.y(), y)
            text = f"{point.series.short} {value_text(point.value, point.sigma, 'dB')}"
            colour = self._look.theme.dim if point.doubt else self._look.theme.text
            self.label(painter, Point(at.x() + self._look.px(14), y), text, colour, "left")
            y += 1.02 * line

    def _draw_axes(
        self,
        painter: QtGui.QPainter,
        frame: QtCore.QRectF,
        low: float,
        high: float,
        most: int,
        place: Callable[[float, float], QtCore.QPointF],
    ) -> None:
        theme, line = self._look.theme, painter.fontMetrics().height()
        for level in round_steps(low, high, max(2, int(frame.height() / (2.2 * line)))):
            y = place(0, level).y()
            self.pen(painter, theme.line)
            painter.drawLine(Point(frame.left(), y), Point(frame.right(), y))
            self.write(painter, Point(frame.left() - self._look.px(6), y), step_text(level), theme.dim, "right")
        widest = painter.fontMetrics().horizontalAdvance(f" {most} ")
        for number in round_steps(0, most, max(2, min(most, int(frame.width() / widest)))):
            if number == int(number):
                at = Point(place(number, 0).x(), frame.bottom() + 0.8 * line)
                self.write(painter, at, step_text(number), theme.dim)
        self.write(painter, Point(frame.center().x(), frame.bottom() + 1.8 * line), "sensors M", theme.dim)
        self.write(painter, Point(self._look.px(4), 0.6 * line), "Joint below one sensor, dB", theme.dim, "left")

    def _draw_expected(
        self, painter: QtGui.QPainter, joint_db: float, most: int, place: Callable[[float, float], QtCore.QPointF]
    ) -> None:
        theme = self._look.theme
        self.pen(painter, theme.dim, "dash")
        steps = [1 + (most - 1) * n / 60 for n in range(61)]
        line = QtGui.QPolygonF([place(m, expected_advantage_db(joint_db, m)) for m in steps])
        painter.drawPolyline(line)
        end = place(most, expected_advantage_db(joint_db, most))
        at = Point(end.x(), end.y() - painter.fontMetrics().height())
        self.label(painter, at, "even split of this beam", theme.dim, "right")
