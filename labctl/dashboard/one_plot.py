"""A curve frame with a single plot in it."""

from __future__ import annotations

import pyqtgraph as pg

from labctl.dashboard.curve_axes import dressed_plot
from labctl.dashboard.curve_frame import CurveFrame
from labctl.dashboard.look import Look


class OnePlot(CurveFrame):
    """What all frames of one plot do alike; each draws its own."""

    def __init__(self, look: Look, view: pg.PlotWidget, *, title: str, source: str) -> None:
        self._plot: pg.PlotItem = view.getPlotItem()
        super().__init__(look, view, title=title, source=source)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        dressed_plot(look, self._plot)
        super().use_look(look)

    def cut_off_texts(self) -> list[str]:
        """Name the labels of axes that are longer than these."""
        if self._curve is None:
            return []
        return [text for side in ("left", "bottom") for text in self._plot.getAxis(side).cut_off_texts()]

    def _view_boxes(self) -> list[pg.ViewBox]:
        return [self._plot.getViewBox()]
