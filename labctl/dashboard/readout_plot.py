"""Noise relative to shot noise: each sensor alone and given the others, and the sums of all, with error bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pyqtgraph.Qt import QtCore, QtGui

from labctl.dashboard.look import Look
from labctl.dashboard.network_results import OF_A_SENSOR, OF_ALL, Level, SeriesName
from labctl.dashboard.number_text import value_text
from labctl.dashboard.painted_frame import PaintedChart, Shape, round_steps, step_text

SHAPES: dict[SeriesName, Shape] = {
    "marginal": "circle",
    "individual": "square",
    "conditional": "triangle",
    "raw": "diamond",
    "digital": "diamond",
    "rephased": "diamond",
    "source": "diamond",
}
TRACES: dict[SeriesName, int] = {
    "marginal": 0, "individual": 1, "conditional": 2, "raw": 5, "digital": 5, "rephased": 3, "source": 7,
}  # fmt: skip
Point, Rect = QtCore.QPointF, QtCore.QRectF


class ReadoutPlot(PaintedChart):
    """The chart. What does not hold now is hollow and hatched; the page says why."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._levels: tuple[Level, ...] = ()
        self._tell: Callable[[Level], str] = lambda level: level.result.name

    def show_levels(self, levels: Sequence[Level], tell: Callable[[Level], str]) -> None:
        """Show these levels; `tell` gives the sentence for the pointer."""
        self._tell = tell
        if tuple(levels) != self._levels:
            self._levels = tuple(levels)
            self.update()

    def draw(self, painter: QtGui.QPainter) -> None:
        """Paint the chart."""
        if not self._levels:
            self.write(painter, Point(self.rect().center()), "No noise level measured yet", self._look.theme.dim)
            return
        frame = self._frame(painter)
        low, high = self._limits(2.3 * painter.fontMetrics().height() / max(frame.height(), 1.0))
        scale = frame.height() / (high - low)
        self._draw_axis(painter, frame, high, scale)
        self._draw_key(painter, frame)
        self._draw_columns(painter, frame, high, scale)

    # ---- the frame --------------------------------------------------------------------------------------------------

    def _frame(self, painter: QtGui.QPainter) -> QtCore.QRectF:
        line = painter.fontMetrics().height()
        left = painter.fontMetrics().horizontalAdvance("−00.0") + self._look.px(10)
        lines = len(self._key_lines(painter, self.width() - left - self._look.px(10)))
        top = (lines + 0.9) * line
        return Rect(left, top, self.width() - left - self._look.px(10), self.height() - top - 2.6 * line)

    def _limits(self, share: float) -> tuple[float, float]:
        """Return the lowest and the highest level of the axis; `share` of it is for the numbers under the lowest."""
        ends = [level.result.value for level in self._levels]
        errors = [min(abs(level.result.sigma), 3.0) for level in self._levels if level.result.sigma > 0]
        error = max(errors, default=0.0)
        low, high = min(*ends, 0.0) - error - 0.2, max(*ends, 0.0) + max(0.35, error)
        return high - (high - low) / (1.0 - min(share, 0.5)), high

    def _draw_axis(self, painter: QtGui.QPainter, frame: QtCore.QRectF, high: float, scale: float) -> None:
        theme, line = self._look.theme, painter.fontMetrics().height()
        low = high - frame.height() / scale
        for level in round_steps(low, high, max(2, int(frame.height() / (2.2 * line)))):
            y = frame.top() + (high - level) * scale
            is_shot = abs(level) < 1e-9
            self.pen(painter, theme.text if is_shot else theme.line, "dot" if is_shot else "solid")
            painter.drawLine(Point(frame.left(), y), Point(frame.right(), y))
            self.write(painter, Point(frame.left() - self._look.px(6), y), step_text(level), theme.dim, "right")
        self.write(painter, Point(self._look.px(4), line * 0.55), "dB rel. shot noise", theme.dim, "left")

    # ---- the key ----------------------------------------------------------------------------------------------------

    def _key_lines(self, painter: QtGui.QPainter, width: float) -> list[list[tuple[SeriesName, str]]]:
        """Share the key out over lines; only kinds that are shown have a place in it."""
        shown = {level.series.name for level in self._levels}
        metrics, gap = painter.fontMetrics(), self._look.px(40)
        lines: list[list[tuple[SeriesName, str]]] = [[]]
        used = metrics.horizontalAdvance("dB rel. shot noise") + gap - self._frame_left(painter)
        for series in OF_A_SENSOR:
            if series.name not in shown:
                continue
            text = f"{series.short}: {series.long}"
            needs = metrics.horizontalAdvance(text) + gap
            if used + needs > width and lines[-1]:
                lines.append([])
                used = 0.0
            lines[-1].append((series.name, text))
            used += needs
        return lines

    def _frame_left(self, painter: QtGui.QPainter) -> float:
        return float(painter.fontMetrics().horizontalAdvance("−00.0") + self._look.px(10))

    def _draw_key(self, painter: QtGui.QPainter, frame: QtCore.QRectF) -> None:
        metrics, gap = painter.fontMetrics(), self._look.px(40)
        for row, entries in enumerate(self._key_lines(painter, frame.width())):
            needs = sum(metrics.horizontalAdvance(text) + gap for _, text in entries)
            x, y = frame.right() - needs + gap, (row + 0.55) * metrics.height()
            for name, text in entries:
                at = Point(x - self._look.px(12), y)
                self.mark(painter, at, 0, SHAPES[name], self._colour(name), is_hollow=False)
                self.write(painter, Point(x, y), text, self._look.theme.dim, "left")
                x += metrics.horizontalAdvance(text) + gap

    def _colour(self, name: SeriesName) -> str:
        return self._look.theme.traces[TRACES[name]]

    # ---- the levels -------------------------------------------------------------------------------------------------

    def _draw_columns(self, painter: QtGui.QPainter, frame: QtCore.QRectF, high: float, scale: float) -> None:
        sensors = sorted({level.sensor for level in self._levels if level.sensor})
        sums = [series for series in OF_ALL if any(level.series is series for level in self._levels)]
        # A sum needs room for its name, however many sensors share the rest.
        each_sum = max(0.8, 0.14 * len(sensors)) if sensors else 1.0
        unit = frame.width() / (len(sensors) + each_sum * len(sums))
        x = frame.left()
        for sensor in sensors:
            levels = [level for level in self._levels if level.sensor == sensor]
            self._draw_sensor(painter, Rect(x, frame.top(), unit, frame.height()), levels, high, scale)
            x += unit
        if sensors and sums:
            self.pen(painter, self._look.theme.dim)
            painter.drawLine(Point(x, frame.top()), Point(x, frame.bottom()))
        self._name_columns(painter, frame, sensors, unit)
        for series in sums:
            column = Rect(x, frame.top(), unit * each_sum, frame.height())
            level = next(level for level in self._levels if level.series is series)
            self._draw_level(painter, column, level, high, scale, column.width() - self._look.px(12))
            y = frame.bottom() + 0.8 * painter.fontMetrics().height()
            self.write(painter, Point(column.center().x(), y), series.short, self._look.theme.text)
            x += column.width()

    def _draw_sensor(
        self, painter: QtGui.QPainter, column: QtCore.QRectF, levels: Sequence[Level], high: float, scale: float
    ) -> None:
        slot = column.width() * 0.84 / len(OF_A_SENSOR)
        for place, series in enumerate(OF_A_SENSOR):
            found = next((level for level in levels if level.series is series), None)
            if found is not None:
                left = column.left() + column.width() * 0.08 + place * slot
                self._draw_level(
                    painter, Rect(left, column.top(), slot, column.height()), found, high, scale, 0.8 * column.width()
                )

    def _draw_level(
        self, painter: QtGui.QPainter, column: QtCore.QRectF, level: Level, high: float, scale: float, room: float
    ) -> None:
        colour = self._colour(level.series.name)
        at = Point(column.center().x(), column.top() + (high - level.result.value) * scale)
        if level.doubt:
            inset = min(column.width() * 0.12, column.width() / 2 - self._look.px(5))
            shot = column.top() + high * scale
            place = Rect(column.left() + inset, min(shot, at.y()), column.width() - 2 * inset, abs(at.y() - shot))
            self.hatch(painter, place)
        half = min(max(level.result.sigma, 0.0), 3.0) * scale if level.result.sigma > 0 else 0.0
        self.mark(painter, at, half, SHAPES[level.series.name], colour, is_hollow=bool(level.doubt))
        self.spot(at, partial(self._tell, level))
        text = value_text(level.result.value, level.result.sigma, "")
        line = painter.fontMetrics().height()
        # The levels of one sensor alone are alike: one is named below its mark, the other above.
        away = (half + 0.5 * line + self._look.px(7)) * (-1 if level.series.name == "individual" else 1)
        beside = Point(at.x(), at.y() + away)
        colour = self._look.theme.dim if level.doubt else self._look.theme.text
        # Of a sensor the value alone will do, unless there is much room.
        wide = painter.fontMetrics().horizontalAdvance(text) * (2.0 if level.sensor else 1.0)
        if wide <= room and self.label(painter, beside, text, colour):
            return
        value, _, sigma = text.partition("\u00a0")
        fits = painter.fontMetrics().horizontalAdvance(value) <= room
        if fits and self.label(painter, beside, value, colour) and sigma and not level.sensor:
            self.label(painter, beside + Point(0, 1.02 * line), sigma, colour)

    def _name_columns(self, painter: QtGui.QPainter, frame: QtCore.QRectF, sensors: Sequence[int], unit: float) -> None:
        theme, line = self._look.theme, painter.fontMetrics().height()
        y = frame.bottom() + 0.8 * line
        widest = painter.fontMetrics().horizontalAdvance(f"{max(sensors, default=0)} ")
        every = next((n for n in (1, 2, 4, 8, 16) if n * unit >= widest), 32)
        for place, sensor in enumerate(sensors):
            if place % every == 0:
                self.write(painter, Point(frame.left() + (place + 0.5) * unit, y), str(sensor), theme.text)
        under = y + line
        if sensors:
            self.write(painter, Point(frame.left() + len(sensors) * unit / 2, under), "sensor", theme.dim)
        if len(sensors) * unit < frame.width() - 1:
            middle = (frame.left() + len(sensors) * unit + frame.right()) / 2
            self.write(painter, Point(middle, under), "all sensors together", theme.dim)
