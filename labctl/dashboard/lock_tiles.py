"""The column of lock states: large enough to be read from two metres, the worst on top."""

from __future__ import annotations

import math
from dataclasses import replace

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.latest import Latest
from labctl.dashboard.dressing import dress
from labctl.dashboard.look import Look
from labctl.dashboard.loop_tiles import Tile, tiles_of
from labctl.dashboard.tile_painter import TilePainter, shape, tip

_SCROLL_UNITS = 14


class LockTiles(QtWidgets.QScrollArea):  # type: ignore[misc]
    """Tiles of all loops and slow readings; scrolls where there are many.

    A click or the arrow keys select a tile; a double click or Enter emits `loop_opened` with the name of the loop, of
    several the one with the largest residual.
    """

    loop_opened = QtCore.Signal(str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._choices: tuple[tuple[Tile, ...], ...] = ((),)
        self._canvas = _Canvas(look)
        self._canvas.opened.connect(self.loop_opened)
        self.setWidget(self._canvas)
        self.setWidgetResizable(True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.use_look(look)

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw the loops and readings as they are now; what was not looked at lately is STALE."""
        tiles = tiles_of(latest, now)
        plain = tuple(replace(tile, rms=math.nan, out=math.nan) if tile.is_normal else tile for tile in tiles)
        self._choices = tiles, plain, tiles_of(latest, now, one_for_locked=True)
        self._show_what_fits()

    def _show_what_fits(self) -> None:
        """Leave the bars of what is normal away where room is short, then put all that is normal together."""
        room = self.viewport().height()
        fitting = (tiles for tiles in self._choices if self._canvas.height_of(tiles) <= room)
        self._canvas.show_tiles(next(fitting, self._choices[-1]))

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Show as much as fits now."""
        super().resizeEvent(event)
        self._show_what_fits()

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        dress(self, look)
        self._canvas.use_look(look)
        self.setFixedWidth(self._canvas.painter.needed_width + look.px(_SCROLL_UNITS))

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles as they are shown, from the top."""
        return self._canvas.tiles

    @property
    def selected(self) -> Tile | None:
        """The selected tile; it stays selected while others move around it."""
        return self._canvas.selected

    def tile_centre(self, loop: str) -> QtCore.QPoint:
        """Return where the tile of a loop is on `widget()`.

        :raises KeyError: there is none.
        """
        for tile, rect in zip(self._canvas.tiles, self._canvas.rects, strict=True):
            if loop in tile.loops:
                return rect.center()
        raise KeyError(loop)


class _Canvas(QtWidgets.QWidget):  # type: ignore[misc]
    """Paints the tiles; one widget for all, so that a hundred loops cost no more than their letters."""

    opened = QtCore.Signal(str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.tiles: tuple[Tile, ...] = ()
        self.rects: list[QtCore.QRect] = []
        self.painter = TilePainter(look)
        self._selected = ""
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)

    # ---- what is shown, and where -----------------------------------------------------------------------------------

    def show_tiles(self, tiles: tuple[Tile, ...]) -> None:
        """Take other tiles; only those that changed are painted anew."""
        before, self.tiles = self.tiles, tiles
        if [shape(tile) for tile in before] != [shape(tile) for tile in tiles]:
            self._arrange()
            self.update()
            return
        for old, new, rect in zip(before, tiles, self.rects, strict=True):
            if not old.same(new):
                self.update(rect)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self.painter = TilePainter(look)
        self._arrange()
        self.update()

    def height_of(self, tiles: tuple[Tile, ...]) -> int:
        """Return how high these tiles would be together."""
        return sum(self.painter.height(tile, self.width()) for tile in tiles)

    def _arrange(self) -> None:
        top, self.rects = 0, []
        for tile in self.tiles:
            height = self.painter.height(tile, self.width())
            self.rects.append(QtCore.QRect(0, top, self.width(), height))
            top += height
        if self.minimumHeight() != top:
            self.setMinimumHeight(top)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Wrap anew."""
        self._arrange()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Paint the tiles that the event asks for."""
        painter = QtGui.QPainter(self)
        painter.fillRect(event.rect(), QtGui.QColor(self.painter.look.theme.background))
        for tile, rect in zip(self.tiles, self.rects, strict=True):
            if rect.intersects(event.rect()):
                self.painter.paint(painter, tile, rect, selected=self._has_selection(tile))
        painter.end()

    def cut_off_texts(self) -> list[str]:
        """Name the texts for which the column is too narrow."""
        return [text for tile in self.tiles for text in self.painter.too_wide(tile, self.width())]

    # ---- the selection, the pointer and the keys --------------------------------------------------------------------

    @property
    def selected(self) -> Tile | None:
        """The tile that the selected loop or reading is in."""
        return next((tile for tile in self.tiles if self._has_selection(tile)), None)

    def _has_selection(self, tile: Tile) -> bool:
        return bool(self._selected) and (self._selected in tile.loops or self._selected == tile.key)

    def _select(self, tile: Tile) -> None:
        self._selected = tile.key
        self.update()

    def _open(self, tile: Tile) -> None:
        if tile.opens:
            self.opened.emit(tile.opens)

    def _tile_at(self, point: QtCore.QPoint) -> Tile | None:
        return next((tile for tile, rect in zip(self.tiles, self.rects, strict=True) if rect.contains(point)), None)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """Select."""
        if tile := self._tile_at(_place_of(event)):
            self._select(tile)

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """Open."""
        if tile := self._tile_at(_place_of(event)):
            self._open(tile)

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:  # noqa: N802
        """Select the tile above or below, or open the selected one."""
        steps = {QtCore.Qt.Key.Key_Up: -1, QtCore.Qt.Key.Key_Down: 1}
        chosen = self.selected
        if event.key() in steps and self.tiles:
            place = self.tiles.index(chosen) + steps[event.key()] if chosen else 0
            self._select(self.tiles[min(max(place, 0), len(self.tiles) - 1)])
        elif event.key() in (QtCore.Qt.Key.Key_Return, QtCore.Qt.Key.Key_Enter) and chosen:
            self._open(chosen)
        else:
            super().keyPressEvent(event)

    def event(self, event: QtCore.QEvent) -> bool:
        """Say in a tool tip what the letters leave out."""
        if event.type() == QtCore.QEvent.Type.ToolTip:
            tile = self._tile_at(event.pos())
            QtWidgets.QToolTip.showText(event.globalPos(), tip(tile) if tile else "", self)
            return True
        return bool(super().event(event))


def _place_of(event: QtGui.QMouseEvent) -> QtCore.QPoint:
    """Return where the pointer is, in pixels of the widget; Qt 6 has another name for it."""
    return event.position().toPoint() if hasattr(event, "position") else event.pos()
