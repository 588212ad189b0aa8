"""Where an alignment went and how much light it found there."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from pyqtgraph.Qt import QtGui

from labctl.bus.spectra import Curve
from labctl.dashboard.curve_axes import CurveAxis
from labctl.dashboard.curve_frame import Key
from labctl.dashboard.curve_plot import MARGIN, spread
from labctl.dashboard.look import Look, Theme
from labctl.dashboard.number_text import number_text
from labctl.dashboard.one_plot import OnePlot

SHADES: Final = 12
MAP_MARGIN: Final = 0.08
# Lightness, chroma and hue (degrees) in OKLab: the hue stays, and equal steps of light look equal.
_BLUE, _RED = 245.0, 28.0
_ON_DARK, _ON_LIGHT = (0.36, 0.93), (0.90, 0.34)


class AlignmentMap(OnePlot):
    """A curve with x = pitch and columns "yaw" and "power": one point a look, in the order in which they were taken.

    More power is further from the background in lightness, of one hue; the best point has a ring. A curve without
    "yaw" is drawn as power against x, the number of the move.
    """

    def __init__(self, look: Look, *, title: str = "Alignment", source: str = "align_sensor") -> None:
        self._view = pg.PlotWidget(axisItems={"left": CurveAxis("left"), "bottom": CurveAxis("bottom")})
        self._plot: pg.PlotItem = self._view.getPlotItem()
        self._path = pg.PlotCurveItem(connect="finite", antialias=False)
        self._points = pg.ScatterPlotItem(pen=None)
        self._best = pg.ScatterPlotItem(brush=None)
        for item in (self._path, self._points, self._best):
            self._plot.addItem(item)
        self._plot.disableAutoRange()
        super().__init__(look, self._view, title=title, source=source)

    def _draw(self, curve: Curve, *, dimmed: bool) -> list[Key]:
        power = curve.columns.get("power", np.full(len(curve.x), np.nan))
        yaw = curve.columns.get("yaw")
        is_map = yaw is not None
        y = power if yaw is None else yaw
        known = np.isfinite(curve.x) & np.isfinite(y) & np.isfinite(power)
        x, y, power = curve.x[known], y[known], power[known]
        self._plot.getAxis("bottom").name(curve.x_label or ("Pitch" if is_map else "Move"), curve.x_unit)
        # Where the map is of places, the unit of the curve is that of the places and not of the power.
        self._plot.getAxis("left").name(curve.y_label or ("Yaw" if is_map else "Power"), curve.y_unit)
        theme = self._look.theme
        self._path.setData(x, y)
        self._path.setPen(pg.mkPen(theme.dim))
        if not len(x):
            self._points.setData([], [])
            self._best.setData([], [])
            return []
        shades = [theme.dim] * SHADES if dimmed else shades_of(theme)
        brushes = [pg.mkBrush(shades[shade]) for shade in _shade_numbers(power)]
        self._points.setData(x, y, brush=brushes, size=self._look.px(9), pen=pg.mkPen(theme.line))
        best = int(np.argmax(power))
        self._best.setData(x[best : best + 1], y[best : best + 1], size=self._look.px(20))
        self._best.setPen(pg.mkPen(theme.text, width=self._look.px(2)))
        x_range, y_range = spread([x]), spread([y])
        assert x_range is not None and y_range is not None  # as there are points
        padding = MAP_MARGIN if is_map else MARGIN
        self._plot.getViewBox().setRange(xRange=x_range, yRange=y_range, padding=padding)
        low, high = (number_text(float(value), "", 3) for value in (power.min(), power.max()))
        dots = [("●", shade) for shade in shades[:: SHADES // 4]]
        scale = [(f"power {low} ", theme.text), *dots, ("●", shades[-1]), (f" {high}", theme.text)]
        return [scale, [("◯ best", theme.text)]]


def _shade_numbers(power: NDArray[np.float64]) -> NDArray[np.intp]:
    low, high = float(power.min()), float(power.max())
    share = (power - low) / (high - low) if high > low else np.ones(len(power))
    return np.minimum((share * SHADES).astype(np.intp), SHADES - 1)


def shades_of(theme: Theme) -> list[str]:
    """Return the colours from least to most power, as #RRGGBB."""
    first, last = _ON_LIGHT if QtGui.QColor(theme.panel).lightnessF() > 0.5 else _ON_DARK
    hue = _RED if theme.name == "red" else _BLUE
    return [oklch_colour(lightness, 0.11, hue) for lightness in np.linspace(first, last, SHADES)]


def oklch_colour(lightness: float, chroma: float, hue_deg: float) -> str:
    """Return a colour given in OKLab (Ottosson, 2020) as #RRGGBB; one that no screen shows has less chroma."""
    while True:
        linear = _linear_rgb(lightness, chroma, math.radians(hue_deg))
        if chroma <= 0.0 or all(-1e-4 <= part <= 1.0 + 1e-4 for part in linear):
            break
        chroma = max(chroma - 0.01, 0.0)
    encoded = (_encoded(min(max(part, 0.0), 1.0)) for part in linear)
    return "#" + "".join(f"{round(255 * part):02X}" for part in encoded)


def _linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _encoded(part: float) -> float:
    return 12.92 * part if part <= 0.0031308 else 1.055 * part ** (1.0 / 2.4) - 0.055
