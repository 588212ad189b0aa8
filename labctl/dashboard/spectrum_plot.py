"""The plot of the spectrum panel: axes, the layer of traces, and what the mouse does in it."""

from __future__ import annotations

from collections.abc import Callable

import pyqtgraph as pg
from pyqtgraph.Qt import QtCore, QtGui

from labctl.dashboard.look import Look
from labctl.dashboard.spectrum_axis import TEXT_UNITS, CalmAxis
from labctl.dashboard.trace_layer import TraceLayer
from labctl.dashboard.trace_picture import Picture

WIDEST_LABELS = ("▲ re-phased", "STALE 119 min", "BHD 64")
FEWEST_POINTS_IN_VIEW = 5


class SpectrumBox(pg.ViewBox):  # type: ignore[misc]
    """The view: the wheel zooms the frequency, dragging moves it, a double click shows all; markers can be dragged.

    `grab` is asked for the number of the marker at a place (0 none), `drag` told where one is dragged to in Hz.
    """

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.grab: Callable[[QtCore.QPointF], int] = lambda _: 0
        self.drag: Callable[[int, float], None] = lambda _, __: None
        self.select: Callable[[int], None] = lambda _: None
        self.show_all: Callable[[], None] = lambda: None
        self._dragged = 0

    def mouseDragEvent(self, ev: pg.GraphicsScene.mouseEvents.MouseDragEvent, axis: int | None = None) -> None:  # noqa: N802
        """Drag a marker, or the view."""
        if ev.isStart() and axis is None:
            self._dragged = self.grab(self._pixels(ev.buttonDownPos()))
        if not self._dragged:
            super().mouseDragEvent(ev, axis)
            return
        ev.accept()
        self.drag(self._dragged, float(self.mapToView(ev.pos()).x()))
        if ev.isFinish():
            self._dragged = 0

    def mouseClickEvent(self, ev: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:  # noqa: N802
        """Select the marker under the mouse, or show all at a double click."""
        ev.accept()
        if ev.double():
            self.show_all()
            return
        number = self.grab(self._pixels(ev.pos()))
        if number:
            self.select(number)

    def wheelEvent(self, ev: QtGui.QWheelEvent, axis: int | None = None) -> None:  # noqa: N802
        """Zoom the frequency over the plot, and the axis itself over an axis."""
        super().wheelEvent(ev, 0 if axis is None else axis)

    def _pixels(self, place: QtCore.QPointF) -> QtCore.QPointF:
        return QtCore.QPointF(self.mapToParent(place))


class SpectrumPlot(pg.PlotWidget):  # type: ignore[misc]
    """Shows a `Picture`; `moved` is called after the mouse changed the view, `painted` at the end of each painting."""

    def __init__(self, moved: Callable[[], None], painted: Callable[[], None]) -> None:
        self.box = SpectrumBox()
        self.x_axis, self.y_axis = CalmAxis("bottom", 1e-6, "MHz"), CalmAxis("left", 1.0)
        super().__init__(viewBox=self.box, axisItems={"bottom": self.x_axis, "left": self.y_axis})
        item = self.getPlotItem()
        item.hideButtons()
        item.setMenuEnabled(False)
        self.setFrameShape(self.Shape.NoFrame)
        self.box.disableAutoRange()
        self.box.setDefaultPadding(0.0)
        self.layer = TraceLayer(self.box, self.x_axis, self.y_axis, painted)
        self.layer.setParentItem(item)
        self.layer.setZValue(10)
        self.box.grab = self.layer.marker_at
        self.box.sigRangeChangedManually.connect(lambda *_: moved())
        self._span = (0.0, 0.0, 0)

    def use_look(self, look: Look) -> None:
        """Take colours and sizes."""
        self.setBackground(look.theme.panel)
        font = QtGui.QFont("DejaVu Sans")
        font.setPixelSize(look.px(TEXT_UNITS))
        font.setBold(True)
        metrics = QtGui.QFontMetricsF(font)
        margin = look.px(18) + max(metrics.horizontalAdvance(text) for text in WIDEST_LABELS)
        self.getPlotItem().layout.setContentsMargins(look.px(2), look.px(8), margin, look.px(2))
        self.x_axis.use_look(look)
        self.y_axis.use_look(look)
        self.layer.use_look(look, margin)

    def show_picture(self, picture: Picture, quantity: str) -> None:
        """Draw this; `quantity` is written beside the axis."""
        self.y_axis.use_label(quantity)
        self.layer.show_picture(picture)

    def limit(self, low_hz: float, high_hz: float, points: int) -> None:
        """Keep the view within the axis of the traces."""
        if (low_hz, high_hz, points) != self._span and high_hz > low_hz:
            self._span = low_hz, high_hz, points
            least = FEWEST_POINTS_IN_VIEW * (high_hz - low_hz) / max(points, FEWEST_POINTS_IN_VIEW)
            self.box.setLimits(xMin=low_hz, xMax=high_hz, minXRange=least, maxXRange=high_hz - low_hz)

    @property
    def x_range(self) -> tuple[float, float]:
        """Return the frequencies at the edges of the view, in Hz."""
        low, high = self.box.viewRange()[0]
        return float(low), float(high)

    @property
    def y_range(self) -> tuple[float, float]:
        """Return the levels at the edges of the view, in dB."""
        low, high = self.box.viewRange()[1]
        return float(low), float(high)

    def keyPressEvent(self, ev: QtGui.QKeyEvent) -> None:  # noqa: N802
        """Leave the keys to the panel."""
        ev.ignore()
