"""The last minutes of one loop: error, light and output above one time axis, with the limits that judge them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from labctl.bus.messages import LoopRow
from labctl.bus.spectra import Curve
from labctl.dashboard.curve_axes import CurveAxis, dashed, dressed_plot
from labctl.dashboard.curve_columns import envelope
from labctl.dashboard.curve_frame import CurveFrame, Key
from labctl.dashboard.curve_plot import spread
from labctl.dashboard.look import Look

NAMES: Final = ("error", "witness", "output")
ROOM: Final = 1.15  # of what is seen, over the limits
LEAST_LIGHT: Final = 1.2  # of that at lock, to which the axis goes


@dataclass(frozen=True)
class Limits:
    """What a loop is judged by; nan where there is none."""

    error_unit: str = ""
    error: float = math.nan
    witness: float = math.nan
    low_v: float = math.nan
    high_v: float = math.nan

    @classmethod
    def of(cls, row: LoopRow) -> Limits:
        """Return the limits of a loop."""
        return cls(row.unit, row.error_limit, row.witness_limit, row.low_v, row.high_v)


class LoopHistory(CurveFrame):
    """Columns "error", "witness" and "output" of a curve, whose x is the time before now in s, with either sign.

    The axes stay: error about zero with its limits in sight, light from zero, output from rail to rail. A loop that is
    not judged by error or light, and has none, shows no empty axes for it.
    """

    def __init__(self, look: Look) -> None:
        self._view = pg.GraphicsLayoutWidget()
        self._limits = Limits()
        self._plots: list[pg.PlotItem] = []
        self._lines: list[pg.PlotCurveItem] = []
        self._marks: list[list[pg.InfiniteLine]] = []
        for place in range(len(NAMES)):
            self._add_plot(place)
        super().__init__(look, self._view, title="History")

    def _add_plot(self, place: int) -> None:
        axes = {"left": CurveAxis("left"), "bottom": CurveAxis("bottom")}
        plot = self._view.addPlot(row=place, col=0, axisItems=axes)
        line = pg.PlotCurveItem(connect="finite", antialias=False)
        marks = [pg.InfiniteLine(angle=0, movable=False) for _ in range(1 if NAMES[place] == "witness" else 2)]
        for item in (line, *marks):
            plot.addItem(item)
        plot.disableAutoRange()
        if self._plots:
            plot.setXLink(self._plots[0])
        self._plots.append(plot)
        self._lines.append(line)
        self._marks.append(marks)

    def show_limits(self, limits: Limits) -> None:
        """Draw these limits from now on."""
        if not _same(limits, self._limits):
            self._limits = limits
            self._redraw()

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        for place, plot in enumerate(self._plots):
            dressed_plot(look, plot)
            plot.getAxis("left").setWidth(look.px(100))
            if place < len(NAMES) - 1:
                plot.getAxis("bottom").setStyle(showValues=False)
                plot.getAxis("bottom").setHeight(look.px(4))
            for mark in self._marks[place]:
                mark.setPen(dashed(look.theme.text))
        layout = self._view.ci.layout
        layout.setContentsMargins(0, 0, look.px(8), 0)
        layout.setVerticalSpacing(look.px(6))
        super().use_look(look)

    def cut_off_texts(self) -> list[str]:
        """Name the labels of axes that are longer than these."""
        if self._curve is None:
            return []
        return [text for plot in self._plots if plot.isVisible() for text in plot.getAxis("left").cut_off_texts()]

    def _missing_text(self) -> str:
        return "No history yet."

    def _view_boxes(self) -> list[pg.ViewBox]:
        return [plot.getViewBox() for plot in self._plots]

    def _draw(self, curve: Curve, *, dimmed: bool) -> list[Key]:
        x = -np.abs(curve.x)
        theme = self._look.theme
        self._plots[-1].getAxis("bottom").name(curve.x_label, curve.x_unit)
        names = {"error": ("Error", self._limits.error_unit), "witness": ("Light", ""), "output": ("Output", "V")}
        for place, name in enumerate(NAMES):
            values = curve.columns.get(name, np.full(len(x), np.nan))
            has_any = len(values) == len(x) and bool(np.isfinite(values).any())
            quantity, unit = names[name] if has_any else (f"no {name}", "")
            # The units of the numbers above, not milli of them.
            self._plots[place].getAxis("left").name(quantity, unit, prefixed=False)
            self._give_room(place, has_any or name == "output" or math.isfinite(getattr(self._limits, name)))
            line = self._lines[place]
            line.setPen(pg.mkPen(theme.dim if dimmed else theme.traces[place]))
            line.setVisible(has_any)
            if has_any:
                line.setData(*envelope(x, values, self.pixels))
            self._scale(place, name, values[np.isfinite(values)] if has_any else np.zeros(0))
        times = spread([x])
        if times is not None:
            self._plots[0].setXRange(times[0], 0.0, padding=0.0)
        return []

    def _give_room(self, place: int, is_wanted: bool) -> None:
        layout, plot = self._view.ci.layout, self._plots[place]
        if plot.isVisible() != is_wanted:
            plot.setVisible(is_wanted)
            layout.setRowMaximumHeight(place, 16_777_215 if is_wanted else 0)
            layout.setRowPreferredHeight(place, -1 if is_wanted else 0)

    def _scale(self, place: int, name: str, values: NDArray[np.float64]) -> None:
        """Choose the range of one plot and put its limits there."""
        limits = self._limits
        if name == "error":
            largest = float(np.abs(values).max()) if len(values) else 0.0
            half = ROOM * max(largest, _or(limits.error, 0.0)) or 1.0
            self._range(place, -half, half, [-limits.error, limits.error])
        elif name == "witness":
            highest = float(values.max()) if len(values) else 1.0
            self._range(place, 0.0, max(LEAST_LIGHT, ROOM * highest), [limits.witness])
        elif math.isnan(limits.low_v) or math.isnan(limits.high_v):
            seen = spread([values])
            self._range(place, *(seen or (-1.0, 1.0)), [limits.low_v, limits.high_v])
        else:
            beyond = 0.5 * (ROOM - 1.0) * (limits.high_v - limits.low_v)
            self._range(place, limits.low_v - beyond, limits.high_v + beyond, [limits.low_v, limits.high_v])

    def _range(self, place: int, low: float, high: float, limits: Sequence[float]) -> None:
        self._plots[place].setYRange(low, high, padding=0.0)
        for mark, limit in zip(self._marks[place], limits, strict=True):
            mark.setVisible(math.isfinite(limit))
            if math.isfinite(limit):
                mark.setPos(limit)


def _or(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


def _same(one: Limits, other: Limits) -> bool:
    """Return whether both are the same; nan is nan."""
    return repr(one) == repr(other)
