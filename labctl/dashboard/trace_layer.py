"""The layer of the plot that draws the traces: all lines, labels and markers by one painter, in pixels.

One item that makes its own few hundred points and paints them costs less than a curve item for each trace. A thick line
is several thin ones side by side: the stroker of Qt takes forty times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from pyqtgraph.Qt import QtCore, QtGui

from labctl.dashboard.decimation import FEWEST_BINS, MOST_BINS
from labctl.dashboard.label_spread import settled_order, spread
from labctl.dashboard.look import Look
from labctl.dashboard.painted_line import draw_centred, draw_left
from labctl.dashboard.spectrum_axis import TEXT_UNITS, CalmAxis
from labctl.dashboard.trace_lines import end_level
from labctl.dashboard.trace_picture import Line, Picture

DIM = 0.45  # of the colour that a dimmed line keeps
FAR_PX = 4000.0  # beyond which the painter need not know how far a point is
HATCH_UNITS = 9.0
MARKER_UNITS = 9
GRAB_UNITS = 16

FloatArray = NDArray[np.float64]


@lru_cache(maxsize=64)
def mixed(colour: str, ground: str, share: float) -> QtGui.QColor:
    """Return `share` of a colour over a ground, opaque: blending while painting costs more."""
    one, other = QtGui.QColor(colour), QtGui.QColor(ground)
    parts = zip(one.getRgb()[:3], other.getRgb()[:3], strict=True)
    return QtGui.QColor(*(round(share * a + (1 - share) * b) for a, b in parts))


class TraceLayer(pg.GraphicsObject):  # type: ignore[misc]
    """Draws a `Picture` over a view box, and labels in the margin to its right.

    `painted` is called at the end of each painting.
    """

    def __init__(self, box: pg.ViewBox, x_axis: CalmAxis, y_axis: CalmAxis, painted: Callable[[], None]) -> None:
        super().__init__()
        self._box, self._x_axis, self._y_axis, self._painted = box, x_axis, y_axis, painted
        self.picture = Picture()
        self._look = Look()
        self._margin = 0.0
        self._lines: list[Line] = []
        self._made_for: tuple[object, ...] = ()
        self._font, self._bold = QtGui.QFont("DejaVu Sans"), QtGui.QFont("DejaVu Sans")
        self._label_order: list[str] = []
        self.marker_places: dict[int, QtCore.QPointF] = {}
        box.sigRangeChanged.connect(self._refresh)
        box.sigResized.connect(self._moved)

    def use_look(self, look: Look, margin_px: float) -> None:
        """Take colours and sizes, and the width of the margin for labels."""
        self._look, self._margin = look, margin_px
        self._font.setPixelSize(look.px(TEXT_UNITS))
        self._bold.setPixelSize(look.px(TEXT_UNITS))
        self._bold.setBold(True)
        self._moved()

    def show_picture(self, picture: Picture) -> None:
        """Draw this from now on."""
        self.picture = picture
        self.update()

    def _moved(self, *_: object) -> None:
        self.prepareGeometryChange()
        self.update()

    def _refresh(self, *_: object) -> None:
        self.update()

    def boundingRect(self) -> QtCore.QRectF:  # noqa: N802
        """Return the view box and the margin."""
        return QtCore.QRectF(self._box.geometry()).adjusted(0, 0, self._margin, 0)

    # ---- painting ---------------------------------------------------------------------------------------------------

    def paint(self, painter: QtGui.QPainter, *_: object) -> None:
        """Draw everything."""
        area = QtCore.QRectF(self._box.geometry())
        (low_hz, high_hz), (low_db, high_db) = self._box.viewRange()
        made_for = (self.picture, low_hz, high_hz, area.width())
        if made_for != self._made_for:
            most = int(min(MOST_BINS, max(FEWEST_BINS, area.width())))
            self._lines, self._made_for = self.picture.lines(low_hz, high_hz, most), made_for
        to_x = area.width() / ((high_hz - low_hz) or 1.0)
        to_y = area.height() / ((high_db - low_db) or 1.0)
        painter.save()
        painter.setClipRect(area)
        self._draw_grid(painter, area, (low_hz, high_hz), (low_db, high_db))
        pixels = [
            (
                line,
                area.left() + (line.x_hz - low_hz) * to_x,
                np.clip(area.top() + (high_db - line.y_db) * to_y, -FAR_PX, FAR_PX),
            )
            for line in self._lines
        ]
        for draw in (self._draw_hatch, self._draw_line):  # no hatch over another line
            for line, x, y in pixels:
                draw(painter, line, x, y)
        places = [(line, area.top() + (high_db - end_level(line.y_db)) * to_y) for line in self._lines]
        self._draw_markers(painter, area, (low_hz, to_x), (high_db, to_y))
        self._draw_notes(painter, area)
        painter.setClipping(False)
        self._draw_labels(painter, area, places)
        painter.restore()
        self._painted()

    def _draw_grid(
        self, painter: QtGui.QPainter, area: QtCore.QRectF, x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        theme = self._look.theme
        painter.setPen(_pen(mixed(theme.line, theme.panel, 0.55)))
        for at in self._x_axis.ticks(*x, area.width())[1]:
            px = round(area.left() + (at - x[0]) / (x[1] - x[0]) * area.width())
            painter.drawLine(QtCore.QPointF(px, area.top()), QtCore.QPointF(px, area.bottom()))
        for at in self._y_axis.ticks(*y, area.height())[1]:
            px = round(area.top() + (y[1] - at) / (y[1] - y[0]) * area.height())
            painter.drawLine(QtCore.QPointF(area.left(), px), QtCore.QPointF(area.right(), px))

    def _draw_line(self, painter: QtGui.QPainter, line: Line, x: FloatArray, y: FloatArray) -> None:
        if not len(x):
            return
        good = np.isfinite(y)
        y = np.where(good, y, 0.0)
        drawn = good & np.append(good[1:], False)  # the stretch from each point to the next
        dimmed = mixed(line.style.colour, self._look.theme.panel, DIM)
        colour = dimmed if line.dim else QtGui.QColor(line.style.colour)
        if line.hatched is not None and line.hatched.any():
            self._stroke(painter, _pen(dimmed), line, x, y, drawn & line.hatched)
            drawn = drawn & ~line.hatched
        self._stroke(painter, _pen(colour, line.style.dashes, self._look), line, x, y, drawn)

    def _stroke(
        self, painter: QtGui.QPainter, pen: QtGui.QPen, line: Line, x: FloatArray, y: FloatArray, drawn: FloatArray
    ) -> None:
        if not drawn.any():
            return
        painter.setPen(pen)
        painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
        path = None if drawn[:-1].all() else pg.arrayToQPath(x, y, connect=drawn.astype(np.int32))
        polygon = pg.functions.arrayToQPolygonF(x, y)
        thick = max(round(line.style.thickness), self._look.px(line.style.thickness))
        for step in range(thick * thick):
            painter.translate(step % thick, step // thick)
            if path is None:
                painter.drawPolyline(polygon)
            else:
                painter.drawPath(path)
            painter.translate(-(step % thick), -(step // thick))

    def _draw_hatch(self, painter: QtGui.QPainter, line: Line, x: FloatArray, y: FloatArray) -> None:
        """Draw slanted strokes under what is hatched: a filled pattern along it takes thirty times as long."""
        if line.hatched is None or len(x) < 2:
            return
        gap = float(x[1] - x[0])
        under = line.hatched & np.isfinite(y)
        x, y = x[under], y[under]
        if len(x) < 2:
            return
        deep = self._look.px(HATCH_UNITS)
        feet = np.arange(x[0], x[-1], max(3, deep * 2 // 3))
        near = np.clip(np.searchsorted(x, feet), 0, len(x) - 1)
        covered = np.abs(x[near] - feet) <= 2 * max(gap, 1.0)
        feet, tops = feet[covered], y[near][covered]
        ends_x = np.stack((feet, feet - deep), axis=1).ravel()
        ends_y = np.stack((tops + 2, tops + 2 + 2 * deep), axis=1).ravel()
        painter.setPen(_pen(mixed(line.style.colour, self._look.theme.panel, DIM)))
        connect = np.tile(np.array([1, 0], dtype=np.int32), len(feet))
        painter.drawPath(pg.arrayToQPath(ends_x, ends_y, connect=connect))

    # ---- text -------------------------------------------------------------------------------------------------------

    def _draw_labels(self, painter: QtGui.QPainter, area: QtCore.QRectF, places: list[tuple[Line, float]]) -> None:
        shown = [(line, at) for line, at in places if line.label and np.isfinite(at)]
        row = QtGui.QFontMetricsF(self._font).height()
        wanted = [min(max(at, area.top()), area.bottom()) for _, at in shown]
        names = [line.style.name for line, _ in shown]
        order = settled_order(self._label_order, names, wanted, row / 2)
        self._label_order = [names[index] for index in order]
        bottom = area.bottom() - row
        centres = spread(wanted, [row * len(line.label) for line, _ in shown], area.top(), bottom, order)
        painter.setFont(self._font)
        painter.setPen(_pen(QtGui.QColor(self._look.theme.text)))
        draw_left(painter, QtCore.QRectF(area.right() + self._look.px(4), bottom, self._margin, row), self._x_axis.unit)
        left = area.right() + self._look.px(14)
        for (line, at), centre in zip(shown, centres, strict=True):
            colour = mixed(line.style.colour, self._look.theme.panel, 0.75 if line.dim else 1.0)
            painter.setPen(_pen(colour))
            where = min(max(at, area.top()), area.bottom())
            painter.drawLine(QtCore.QPointF(area.right() + 1, where), QtCore.QPointF(left - self._look.px(4), centre))
            painter.setFont(self._bold if line.bold else self._font)
            for number, text in enumerate(self._off_scale(line, at, area)):
                top = centre + row * (number - len(line.label) / 2)
                place = QtCore.QRectF(left, top, self._margin - self._look.px(14), row)
                draw_left(painter, place, text)

    @staticmethod
    def _off_scale(line: Line, at: float, area: QtCore.QRectF) -> tuple[str, ...]:
        if area.top() <= at <= area.bottom():
            return line.label
        return (f"{'▲' if at < area.top() else '▼'} {line.label[0]}", *line.label[1:])

    def _draw_notes(self, painter: QtGui.QPainter, area: QtCore.QRectF) -> None:
        theme, look = self._look.theme, self._look
        painter.setFont(self._font)
        metrics = QtGui.QFontMetricsF(self._font)
        if self.picture.empty:
            painter.setPen(QtGui.QColor(theme.dim))
            draw_centred(painter, area, self.picture.empty)
        place = QtCore.QRectF(area.left() + look.px(8), area.top() + look.px(6), 0, metrics.height() + look.px(2))
        for note in self.picture.notes:
            text = metrics.elidedText(note, QtCore.Qt.TextElideMode.ElideRight, area.width() - look.px(24))
            place.setWidth(metrics.horizontalAdvance(text) + look.px(8))
            painter.fillRect(place, QtGui.QColor(theme.panel))
            painter.setPen(QtGui.QColor(theme.minor))
            draw_left(painter, place.adjusted(look.px(4), 0, look.px(4), 0), text)
            place.translate(0, place.height())

    def _draw_markers(
        self, painter: QtGui.QPainter, area: QtCore.QRectF, x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        self.marker_places = {}
        size = float(self._look.px(MARKER_UNITS))
        painter.setFont(self._bold)
        for marker in self.picture.markers:
            at = QtCore.QPointF(
                area.left() + (marker.frequency_hz - x[0]) * x[1], area.top() + (y[0] - marker.level_db) * y[1]
            )
            if not area.contains(at):
                continue
            self.marker_places[marker.number] = at
            triangle = [at, QtCore.QPointF(at.x() - size * 0.7, at.y() - size * 1.4)]
            triangle.append(QtCore.QPointF(at.x() + size * 0.7, at.y() - size * 1.4))
            painter.setPen(QtGui.QColor(marker.colour))
            painter.setBrush(QtGui.QColor(marker.colour if marker.selected else self._look.theme.panel))
            painter.drawPolygon(QtGui.QPolygonF(triangle))
            text = QtCore.QRectF(at.x() - 40, at.y() - size * 1.4 - self._look.px(20), 80, self._look.px(20))
            painter.setPen(QtGui.QColor(self._look.theme.text))
            draw_centred(painter, text, f"{marker.letter}{marker.number}")

    def marker_at(self, place: QtCore.QPointF) -> int:
        """Return the number of the marker that the mouse would take at a place in pixels; 0 none."""
        reach = self._look.px(GRAB_UNITS)
        distance = {
            number: abs(at.x() - place.x()) + abs(at.y() - self._look.px(MARKER_UNITS) - place.y())
            for number, at in self.marker_places.items()
        }
        closest = min(distance, key=lambda number: distance[number], default=0)
        return closest if closest and distance[closest] <= 2 * reach else 0


def _pen(colour: QtGui.QColor, dashes: Sequence[int] = (), look: Look | None = None) -> QtGui.QPen:
    pen = QtGui.QPen(colour)
    pen.setWidth(1)
    pen.setCosmetic(True)
    if dashes and look is not None:
        pen.setDashPattern([float(look.px(length)) for length in dashes])
    return pen
