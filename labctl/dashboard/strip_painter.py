"""How the day strip is painted: lock ribbons above, slow readings below, and an axis of clock times."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyqtgraph.Qt import QtCore, QtGui

from labctl.bus.spectra import Curve
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look, Theme
from labctl.dashboard.loop_tiles import group_name
from labctl.dashboard.number_text import clock_text, number_text
from labctl.dashboard.painted_text import CENTRE, LEFT, draw
from labctl.dashboard.strip_columns import (
    HELD,
    HOUR_S,
    LOCKED,
    LOST,
    NO_RECORD,
    OFF,
    ON_ITS_WAY,
    Columns,
    runs_of,
    span_s,
    widened,
    worst_of,
)

TEXT_UNITS = 14
WORDS = {LOCKED: "locked", ON_ITS_WAY: "on its way", HELD: "held", LOST: "lost", OFF: "off"}
_LEAST_LOSS_UNITS, _LEAST_ROW_PX, _LEAST_TICK_UNITS = 2, 3, 64
_READINGS_SHARE = 0.44  # of the height
_TICK_STEPS_H = (1 / 30, 1 / 12, 1 / 6, 1 / 4, 1 / 2, 1, 2, 3, 4, 6, 12)
Pattern = QtCore.Qt.BrushStyle


@dataclass(frozen=True)
class _Reading:
    """A slow reading of the strip; digits of its number, and whether its axis is logarithmic."""

    column: str
    label: str
    unit: str
    digits: int
    is_log: bool = False


def brush(code: int, theme: Theme) -> QtGui.QBrush:
    """Return colour and hatching of a code of a ribbon: locked is grey, every other state has its own pattern."""
    colour, pattern = {
        LOCKED: (theme.dim, Pattern.SolidPattern),
        ON_ITS_WAY: (theme.minor, Pattern.BDiagPattern),
        HELD: (theme.minor, Pattern.VerPattern),
        LOST: (theme.major, Pattern.SolidPattern),
        OFF: (theme.line, Pattern.HorPattern),
    }[code]
    shown = QtGui.QColor(colour)
    if code == LOCKED:
        shown.setAlpha(130)  # the common state must not outshine the rare ones
    return QtGui.QBrush(shown, pattern)


@dataclass(frozen=True)
class Record:
    """What a strip is drawn from: the codes of the loops, the readings that were ever read, and how long they go back.

    Before the record, and where there is a gap in it, the strip is blank.
    """

    loops: Mapping[str, NDArray[np.float64]]
    readings: tuple[_Reading, ...]
    span_s: float

    @classmethod
    def of(cls, curve: Curve) -> Record:
        """Return what a curve has."""
        possible = {reading.column: reading for reading in _readings(curve)}
        columns = {name: np.asarray(values, dtype=np.float64) for name, values in curve.columns.items()}
        loops = {name: values for name, values in columns.items() if name not in possible}
        readings = {name: columns[name] for name in possible if name in columns and np.isfinite(columns[name]).any()}
        is_recorded = np.zeros(curve.x.size, dtype=np.bool_)
        for codes in loops.values():
            is_recorded |= codes > NO_RECORD
        for values in readings.values():
            is_recorded |= np.isfinite(values)
        return cls(loops, tuple(possible[name] for name in readings), span_s(curve.x, is_recorded))

    @property
    def codes(self) -> frozenset[int]:
        """The codes that occur."""
        known = (codes[codes > NO_RECORD] for codes in self.loops.values())
        return frozenset(int(code) for codes in known for code in np.unique(codes))


class StripPainter:
    """Paints one curve in one look into one size."""

    def __init__(self, curve: Curve, look: Look, width: int, height: int) -> None:
        self._curve, self._look, self._theme = curve, look, look.theme
        self._font = sized_font(look, TEXT_UNITS)
        self._metrics = QtGui.QFontMetrics(self._font)
        record = Record.of(curve)
        self._loops, self._readings, self._span_s = record.loops, record.readings, record.span_s
        self._groups = _grouped(self._loops)
        step_s = float(np.median(np.diff(curve.x))) if curve.x.size > 1 else 0.0
        self._end = float(curve.x[-1]) + step_s if curve.x.size else 0.0
        axis, line = self._metrics.height() + look.px(2), self._metrics.height()
        share = int(_READINGS_SHARE * (height - axis) / max(1, len(self._readings)))
        self._lane = min(max(share, line), 2 * line)
        left, right = self._label_widths()
        self._plot = QtCore.QRect(left, 0, max(10, width - left - right), max(10, height - axis))
        self._right = QtCore.QRect(self._plot.right() + look.px(6), 0, right - look.px(6), self._plot.height())
        self._columns = Columns.of(curve.x, self._end - self._span_s, self._end, self._plot.width())

    def _label_widths(self) -> tuple[int, int]:
        gap, wide = self._look.px(8), self._metrics.horizontalAdvance
        names = [group_name(names, len(names)) for names in self._groups] + [one.label for one in self._readings]
        lines = self._lane // self._metrics.height()
        values = [text for one in self._readings for text in self._texts(one)[:lines]]
        return max(map(wide, names), default=0) + gap, max(map(wide, values), default=0) + gap

    def paint(self, painter: QtGui.QPainter) -> None:
        """Paint everything."""
        painter.setFont(self._font)
        lane = self._lane
        lanes_top = self._plot.height() - lane * len(self._readings)
        self._paint_axis(painter)
        self._paint_ribbons(painter, lanes_top - self._look.px(3))
        for place, reading in enumerate(self._readings):
            self._paint_reading(painter, reading, place, lanes_top + place * lane, lane)

    # ---- ribbons ----------------------------------------------------------------------------------------------------

    def _paint_ribbons(self, painter: QtGui.QPainter, height: int) -> None:
        line, gap = self._metrics.height(), self._look.px(2)
        single = [names for names in self._groups if len(names) == 1]
        members = sum(len(names) for names in self._groups) - len(single)
        rest = height - len(single) * line - gap * len(self._groups)
        row = rest / members if members else 0.0
        y = 0.0
        for names in self._groups:
            block = max(float(line), row * len(names)) if len(names) > 1 else float(line)
            self._paint_group(painter, names, y, block)
            y += block + gap

    def _paint_group(self, painter: QtGui.QPainter, names: Sequence[str], top: float, height: float) -> None:
        rows = max(1, min(len(names), int(height) // _LEAST_ROW_PX))
        shares = [names[len(names) * n // rows : len(names) * (n + 1) // rows] for n in range(rows)]
        each, least = height / rows, self._look.px(_LEAST_LOSS_UNITS)
        for place, share in enumerate(shares):
            codes = widened(worst_of([self._columns.worst(self._loops[name]) for name in share]), least)
            y, below = round(top + place * each), round(top + (place + 1) * each)
            for run in runs_of(codes):
                rect = QtCore.QRect(self._plot.x() + run.first, y, run.last - run.first + 1, max(1, below - y - 1))
                painter.fillRect(rect, brush(run.code, self._theme))
        painter.setPen(QtGui.QColor(self._theme.text))
        draw(painter, QtCore.QRect(0, round(top), self._plot.x(), round(height)), group_name(names, len(names)), LEFT)

    # ---- slow readings ----------------------------------------------------------------------------------------------

    def _paint_reading(self, painter: QtGui.QPainter, reading: _Reading, place: int, top: int, height: int) -> None:
        values = _scaled(self._curve.columns[reading.column], reading)
        low, high = self._columns.limits(values)
        colour = QtGui.QColor(self._theme.traces[place % len(self._theme.traces)])
        painter.setPen(QtGui.QColor(self._theme.line))
        painter.drawLine(self._plot.x(), top, self._plot.right(), top)
        painter.setPen(colour)
        draw(painter, QtCore.QRect(0, top, self._plot.x(), height), reading.label, LEFT)
        line, texts = self._metrics.height(), self._texts(reading)
        room = QtCore.QRect(self._right.x(), top, self._right.width(), height)
        if height >= 2 * line:
            room.setHeight(line)
            painter.setPen(QtGui.QColor(self._theme.dim))
            draw(painter, room.translated(0, line), texts[1], LEFT)
            painter.setPen(colour)
        draw(painter, room, texts[0], LEFT)
        if np.isfinite(low).any():
            painter.setPen(QtGui.QPen(colour, self._look.px(1)))
            self._paint_line(painter, low, high, top + 2, height - 4)

    def _paint_line(
        self, painter: QtGui.QPainter, low: NDArray[np.float64], high: NDArray[np.float64], top: int, height: int
    ) -> None:
        least, most = float(np.nanmin(low)), float(np.nanmax(high))
        span = most - least if most > least else max(abs(most), 1e-30)
        below = least if most > least else least - span / 2
        known = np.flatnonzero(np.isfinite(low))
        for part in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
            ends = ((x, value) for x in part.tolist() for value in (low[x], high[x]))
            points = [QtCore.QPointF(self._plot.x() + x, top + height * (1.0 - (y - below) / span)) for x, y in ends]
            painter.drawPolyline(QtGui.QPolygonF(points))

    def _texts(self, reading: _Reading) -> tuple[str, str]:
        """Return the last value, and the range of the day."""
        values = np.asarray(self._curve.columns[reading.column], dtype=np.float64)
        values = values[np.isfinite(values)]
        if not values.size or not np.isfinite(self._curve.columns[reading.column][-1]):
            return number_text(math.nan, reading.unit), ""
        ends = [number_text(float(end), "", reading.digits) for end in (values.min(), values.max())]
        return number_text(float(values[-1]), reading.unit, reading.digits), " … ".join(ends)

    # ---- axis -------------------------------------------------------------------------------------------------------

    def _paint_axis(self, painter: QtGui.QPainter) -> None:
        per_px = self._span_s / self._plot.width()
        least_h = self._look.px(_LEAST_TICK_UNITS) * per_px / HOUR_S
        step = HOUR_S * next((hours for hours in _TICK_STEPS_H if hours >= least_h), 24)
        offset = time.localtime(self._end).tm_gmtoff
        tick = math.ceil((self._end - self._span_s + offset) / step) * step - offset
        while tick <= self._end:
            x = self._plot.x() + round((tick - self._end + self._span_s) / per_px)
            painter.setPen(QtGui.QColor(self._theme.line))
            painter.drawLine(x, 0, x, self._plot.height())
            painter.setPen(QtGui.QColor(self._theme.dim))
            wide = self._look.px(_LEAST_TICK_UNITS)
            left = min(max(x - wide // 2, 0), self._plot.right() + self._right.width() - wide)
            room = QtCore.QRect(left, self._plot.height(), wide, self._metrics.height() + self._look.px(2))
            draw(painter, room, clock_text(tick, seconds=False), CENTRE)
            tick += step


def _readings(curve: Curve) -> tuple[_Reading, ...]:
    said = f"{curve.y_unit} {curve.y_label} {curve.text}"
    pressure = "mbar" if "mbar" in said else "Pa"
    return (
        _Reading("squeezing_db", "squeezing", "dB", 3),
        _Reading("oven", "oven", "degC", 5),
        _Reading("vacuum", "vacuum", pressure, 2, is_log=True),
    )


def _scaled(values: NDArray[np.float64], reading: _Reading) -> NDArray[np.float64]:
    values = np.asarray(values, dtype=np.float64)
    if not reading.is_log:
        return values
    return np.log10(values, out=np.full(values.shape, np.nan), where=values > 0.0)


def _grouped(loops: Mapping[str, object]) -> list[list[str]]:
    """Return the loops by their families, in the order in which they came."""
    groups: dict[str, list[str]] = {}
    for name in loops:
        groups.setdefault(name.rstrip("0123456789"), []).append(name)
    return list(groups.values())
