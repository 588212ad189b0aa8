"""How a tile of the column of lock states is painted, and how much room it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyqtgraph.Qt import QtCore, QtGui

from labctl.bus.messages import Severity
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import KEY_STATE_PX, Look
from labctl.dashboard.loop_tiles import NEAR_RAIL, Tile
from labctl.dashboard.number_text import MINUS, NO_BREAK
from labctl.dashboard.painted_text import (
    CAPITAL_SHARE,
    LEFT,
    NARROWEST,
    RIGHT,
    draw,
    draw_pressed,
    draw_wrapped,
    wrapped_height,
)
from labctl.dashboard.state_glyphs import lock_mark

_WIDEST_NORMAL = lock_mark("locked").text  # the column is as wide as this; longer states are drawn narrower
_PAD, _GAP, _LINE_GAP, _BETWEEN = 9, 6, 11, 4  # units: around, between parts, between large lines, between tiles
_BAR_HEIGHT, _BAND = 14, 6
_SMALL_UNITS, _BAR_UNITS, _VALUE_UNITS = 16, 14, 25
_LONGEST_WHY = 160  # letters; the page of the loop has all of it


@dataclass(frozen=True)
class _Bar:
    """Name and number of a bar, and what severity its position has."""

    label: str
    number: str
    severity: Severity


class TilePainter:
    """Paints tiles in one look: the name and the state in letters whose capitals are `Look.state_px` high."""

    def __init__(self, look: Look) -> None:
        self.look = look
        units = look.state_px / look.scale / CAPITAL_SHARE
        self._large, self._bold = sized_font(look, units), sized_font(look, units, bold=True)
        self._value = sized_font(look, _VALUE_UNITS)
        self._small, self._tiny = sized_font(look, _SMALL_UNITS), sized_font(look, _BAR_UNITS)

    # ---- room -------------------------------------------------------------------------------------------------------

    @property
    def needed_width(self) -> int:
        """The width at which a locked loop is drawn in letters of full width; on the wall they are drawn narrower."""
        font = sized_font(self.look, KEY_STATE_PX / CAPITAL_SHARE)
        text = QtGui.QFontMetrics(font).horizontalAdvance(_WIDEST_NORMAL)
        return int(text) + self.look.px(2 * _PAD + _BAND)

    def height(self, tile: Tile, width: int) -> int:
        """Return the height of a tile, with the gap below it."""
        px = self.look.px
        if is_line(tile):
            return px(2 * _GAP + _BETWEEN) + int(QtGui.QFontMetrics(self._value).height())
        height = px(2 * _PAD + _LINE_GAP + _BETWEEN) + 2 * self.look.state_px
        if has_bars(tile):
            height += px(_GAP + _BAR_HEIGHT)
        if text := below(tile):
            height += px(_GAP) + wrapped_height(self._small, text, self._inner_width(width))
        return height

    def too_wide(self, tile: Tile, width: int) -> list[str]:
        """Return the texts of a tile that do not even fit where they are pressed."""
        font, texts = (self._value, [_line(tile)]) if is_line(tile) else (self._bold, [tile.name, tile.mark.text])
        room, metrics = self._inner_width(width) / NARROWEST, QtGui.QFontMetrics(font)
        return [text for text in texts if metrics.horizontalAdvance(text) > room]

    def _inner_width(self, width: int) -> int:
        return max(1, width - self.look.px(2 * _PAD + _BAND))

    # ---- painting ---------------------------------------------------------------------------------------------------

    def paint(self, painter: QtGui.QPainter, tile: Tile, rect: QtCore.QRect, *, selected: bool) -> None:
        """Paint a tile into the place that `height` asked for."""
        px, theme = self.look.px, self.look.theme
        box = rect.adjusted(0, 0, 0, -px(_BETWEEN))
        painter.fillRect(box, QtGui.QColor(theme.panel))
        if not tile.is_normal:
            band = QtCore.QRect(box.x(), box.y(), px(_BAND), box.height())
            painter.fillRect(band, QtGui.QColor(theme.of(tile.mark.severity)))
        if selected:
            width = px(2)
            painter.setPen(QtGui.QPen(QtGui.QColor(theme.text), width))
            painter.drawRect(QtCore.QRectF(box).adjusted(width / 2, width / 2, -width / 2, -width / 2))
        inner = QtCore.QRect(box.x() + px(_PAD + _BAND), box.y(), self._inner_width(box.width()), box.height())
        if is_line(tile):
            self._paint_line(painter, tile, inner)
        else:
            self._paint_large(painter, tile, inner)

    def _paint_line(self, painter: QtGui.QPainter, tile: Tile, inner: QtCore.QRect) -> None:
        """Paint a reading that is normal: its name, and its value at the right."""
        painter.setFont(self._value)
        metrics = painter.fontMetrics()
        y = inner.y() + (inner.height() + metrics.ascent() - metrics.descent()) / 2
        share = min(1.0, inner.width() / max(1, metrics.horizontalAdvance(_line(tile))))
        value_width = share * metrics.horizontalAdvance(tile.value)
        gap = share * metrics.horizontalAdvance(" ")
        painter.setPen(QtGui.QColor(self.look.theme.dim))
        draw_pressed(painter, inner.x(), y, f"{tile.mark.glyph} {tile.name}", inner.width() - value_width - gap)
        draw_pressed(painter, inner.x() + inner.width() - value_width, y, tile.value, value_width)

    def _paint_large(self, painter: QtGui.QPainter, tile: Tile, inner: QtCore.QRect) -> None:
        look, theme, px = self.look, self.look.theme, self.look.px
        painter.setFont(self._large if tile.is_normal else self._bold)
        y = inner.y() + px(_PAD) + look.state_px
        painter.setPen(QtGui.QColor(theme.dim if tile.is_normal else theme.text))
        draw_pressed(painter, inner.x(), y, tile.name, inner.width())
        y += px(_LINE_GAP) + look.state_px
        painter.setPen(QtGui.QColor(theme.of(tile.mark.severity)))
        draw_pressed(painter, inner.x(), y, tile.mark.text, inner.width())
        if has_bars(tile):
            y += px(_GAP)
            self._paint_bars(painter, tile, QtCore.QRect(inner.x(), y, inner.width(), px(_BAR_HEIGHT)))
            y += px(_BAR_HEIGHT)
        if text := below(tile):
            painter.setFont(self._small)
            painter.setPen(QtGui.QColor(theme.dim if tile.is_normal else theme.text))
            draw_wrapped(painter, QtCore.QRect(inner.x(), y + px(_GAP), inner.width(), 0), text)

    def _paint_bars(self, painter: QtGui.QPainter, tile: Tile, room: QtCore.QRect) -> None:
        """Paint the residual against its limit, and the output between its rails with their middle marked."""
        gap = self.look.px(_PAD)
        left = QtCore.QRect(room.x(), room.y(), (room.width() - gap) // 2, room.height())
        if not math.isnan(tile.rms):
            severity = Severity.MAJOR if tile.rms > 1.0 else Severity.NONE
            bar = self._paint_frame(painter, left, _Bar("rms", _percent(min(tile.rms, 9.99)), severity))
            painter.fillRect(
                QtCore.QRectF(bar.x(), bar.y(), bar.width() * min(tile.rms, 1.0), bar.height()), painter.pen().color()
            )
        if not math.isnan(tile.out):
            severity = Severity.MINOR if abs(tile.out) > NEAR_RAIL else Severity.NONE
            right = left.translated(left.width() + gap, 0)
            bar = self._paint_frame(painter, right, _Bar("out", _percent(tile.out, "+"), severity))
            wide, middle = self.look.px(5), bar.x() + bar.width() / 2
            thin = QtCore.QRectF(middle - 0.5, bar.y(), 1.0, bar.height())
            painter.fillRect(thin, QtGui.QColor(self.look.theme.dim))
            x = middle + (bar.width() - wide) / 2 * min(max(tile.out, -1.0), 1.0) - wide / 2
            painter.fillRect(QtCore.QRectF(x, bar.y(), wide, bar.height()), painter.pen().color())

    def _paint_frame(self, painter: QtGui.QPainter, room: QtCore.QRect, what: _Bar) -> QtCore.QRect:
        """Paint name, ground and number of a bar; returns the ground. The pen is left in the colour of the bar."""
        px, theme = self.look.px, self.look.theme
        painter.setFont(self._tiny)
        painter.setPen(QtGui.QColor(theme.dim))
        draw(painter, room, what.label, LEFT)
        painter.setPen(QtGui.QColor(theme.of(what.severity)))
        draw(painter, room, what.number, RIGHT)
        metrics = painter.fontMetrics()
        before, after = metrics.horizontalAdvance(f"{what.label} "), metrics.horizontalAdvance("+100 %") + px(3)
        ground = room.adjusted(before, px(2), -after, -px(2))
        painter.fillRect(ground, QtGui.QColor(theme.line))
        return ground


def shape(tile: Tile) -> tuple[object, ...]:
    """Return what the height of a tile depends on, beside the look and the width."""
    return is_line(tile), has_bars(tile), below(tile)


def is_line(tile: Tile) -> bool:
    """Return whether a tile is one line: a reading that is normal."""
    return bool(tile.value) and tile.is_normal


def has_bars(tile: Tile) -> bool:
    """Return whether a tile has a residual or an output to show."""
    return not (math.isnan(tile.rms) and math.isnan(tile.out))


def below(tile: Tile) -> str:
    """Return what is written small below the state."""
    text = ", ".join(part for part in (tile.value, tile.why) if part)
    return text if len(text) <= _LONGEST_WHY else f"{text[:_LONGEST_WHY].rsplit(' ', 1)[0]} …"


def tip(tile: Tile) -> str:
    """Return what a tool tip says: all that the letters leave out."""
    lines = [f"{tile.name}: {tile.mark.word}" + (f", {tile.value}" if tile.value else ""), tile.why]
    if has_bars(tile):
        several = ", the worst of them" if len(tile.loops) > 1 else ""
        lines.append(f"rms: residual over its limit; out: output between its rails{several}")
    if tile.loops:
        lines.append("F5 relocks, a double click opens")
    return "\n".join(line for line in lines if line)


def _line(tile: Tile) -> str:
    return f"{tile.mark.glyph} {tile.name} {tile.value}"


def _percent(share: float, sign: str = "") -> str:
    return f"{share:{sign}.0%}".replace("-", MINUS).replace("%", f"{NO_BREAK}%")
