"""One curve with its fit, in a frame."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from pyqtgraph.Qt import QtGui

from labctl.bus.spectra import Curve
from labctl.dashboard.curve_axes import CurveAxis, DecadeAxis, dashed
from labctl.dashboard.curve_columns import Column, Points, bin_means, columns_of, envelope, log10_or_nan
from labctl.dashboard.curve_frame import Key
from labctl.dashboard.look import Look
from labctl.dashboard.one_plot import OnePlot

FIT_TRACE: Final = 5  # of the colours of a theme
PIXELS_PER_POINT: Final = 2.5  # closer together, measured points become a line
MARGIN: Final = 0.04  # of the range, around what is drawn
BAND_ALPHA: Final = 60


class CurvePlot(OnePlot):
    """Measured columns as points or, where these would touch, as lines; the fit above them; results beside or below.

    With `log_x` and `log_y` the axes are in decades; power spectra are then brought down to pixels by their mean, all
    else by lowest and highest value. A column "power_sigma" is the standard uncertainty of "power", drawn as bars of
    one sigma to either side, or as a band.
    """

    def __init__(
        self, look: Look, *, title: str = "", source: str = "", log_x: bool = False, log_y: bool = False
    ) -> None:
        self._log_x, self._log_y = log_x, log_y
        axes = {
            "bottom": DecadeAxis("bottom") if log_x else CurveAxis("bottom"),
            "left": DecadeAxis("left") if log_y else CurveAxis("left"),
        }
        self._view = pg.PlotWidget(axisItems=axes)
        self._plot: pg.PlotItem = self._view.getPlotItem()
        self._drawn: list[pg.GraphicsObject] = []
        super().__init__(look, self._view, title=title, source=source)

    def _draw(self, curve: Curve, *, dimmed: bool) -> list[Key]:
        for item in self._drawn:
            self._plot.removeItem(item)
        self._drawn = []
        self._plot.getAxis("bottom").name(curve.x_label, curve.x_unit)
        self._plot.getAxis("left").name(curve.y_label, curve.y_unit)
        columns = columns_of(curve)
        theme = self._look.theme
        is_red = theme.name == "red"
        legend: list[Key] = []
        reach: list[Points] = []
        place = 0
        for column in columns:
            colour = theme.traces[FIT_TRACE if column.is_fit else place % FIT_TRACE]
            is_dashed = is_red and (column.is_fit or place > 0)  # all lines have one colour there
            place += not column.is_fit
            if dimmed:
                colour = theme.dim
            elif is_red and columns[-1].is_fit and not column.is_fit:
                colour = theme.stop  # below a fit of the same hue
            as_points = self._is_sparse(curve, columns) and not column.is_fit
            reach += self._draw_column(curve, column, colour, as_points, is_dashed)
            legend.append([("● " if as_points else "╍ " if is_dashed else "━ ", colour), (column.name, theme.text)])
        self._set_range(reach)
        return legend if len(columns) > 1 else []

    def _is_sparse(self, curve: Curve, columns: list[Column]) -> bool:
        has_fit = any(column.is_fit for column in columns)
        return has_fit and PIXELS_PER_POINT * len(curve.x) <= self.pixels

    def _draw_column(self, curve: Curve, column: Column, colour: str, as_points: bool, is_dashed: bool) -> list[Points]:
        """Draw one column with its uncertainty and return what must be in sight."""
        x = log10_or_nan(curve.x) if self._log_x else curve.x
        reach = []
        if column.sigma is not None:
            low, high = self._scaled(column.values - column.sigma), self._scaled(column.values + column.sigma)
            reach += [(x, low), (x, high)]
            if as_points:
                self._draw_bars(x, low, high, colour)
            else:
                self._draw_band(x, low, high, colour)
        if as_points:
            y = self._scaled(column.values)
            self._draw_points(x, y, colour)
        else:
            x, y = self._thinned(x, column.values)
            wide = self._look.px(2) if column.is_fit else 1
            pen = dashed(colour, wide) if is_dashed else pg.mkPen(colour, width=wide)
            self._draw_line(x, y, pen, 3 if column.is_fit else 2)
        return [*reach, (x, y)]

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return log10_or_nan(values) if self._log_y else values

    def _thinned(self, x: NDArray[np.float64], values: NDArray[np.float64]) -> Points:
        if self._log_y:
            thin_x, means = bin_means(x, values, self.pixels)
            return thin_x, log10_or_nan(means)
        return envelope(x, values, self.pixels)

    def _draw_points(self, x: NDArray[np.float64], y: NDArray[np.float64], colour: str) -> None:
        known = np.isfinite(x) & np.isfinite(y)
        size = self._look.px(5)
        self._add(pg.ScatterPlotItem(x[known], y[known], size=size, pen=None, brush=pg.mkBrush(colour)), 4)

    def _draw_line(self, x: NDArray[np.float64], y: NDArray[np.float64], pen: QtGui.QPen, above: int) -> None:
        self._add(pg.PlotCurveItem(x, y, pen=pen, connect="finite", antialias=False), above)

    def _draw_bars(
        self, x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], colour: str
    ) -> None:
        ends = np.column_stack([low, high]).ravel()
        self._add(pg.PlotCurveItem(np.repeat(x, 2), ends, pen=pg.mkPen(colour), connect="pairs"), 3)

    def _draw_band(
        self, x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], colour: str
    ) -> None:
        known = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
        if not known.any():
            return
        x, low, high = x[known], low[known], high[known]
        edges = []
        for edge in (low, high):
            curve = pg.PlotCurveItem(*bin_means(x, edge, self.pixels), pen=None)
            edges.append(curve)
        fill = QtGui.QColor(colour)
        fill.setAlpha(BAND_ALPHA)
        self._drawn += edges  # the filling asks them for their paths
        self._add(pg.FillBetweenItem(*edges, brush=pg.mkBrush(fill)), 0)

    def _add(self, item: pg.GraphicsObject, above: int) -> None:
        item.setZValue(above)
        self._plot.addItem(item)
        self._drawn.append(item)

    def _set_range(self, reach: list[Points]) -> None:
        x_range = spread([x for x, _ in reach])
        y_range = spread([y for _, y in reach])
        if x_range is not None and y_range is not None:
            self._plot.getViewBox().setRange(xRange=x_range, yRange=y_range, padding=MARGIN)


def spread(arrays: list[NDArray[np.float64]]) -> tuple[float, float] | None:
    """Return lowest and highest of all finite numbers, apart from each other; None where there is none."""
    known = [values[np.isfinite(values)] for values in arrays]
    known = [values for values in known if len(values)]
    if not known:
        return None
    low, high = min(float(values.min()) for values in known), max(float(values.max()) for values in known)
    if high > low:
        return low, high
    half = 0.5 * abs(low) or 1.0
    return low - half, math.nextafter(high + half, math.inf)
