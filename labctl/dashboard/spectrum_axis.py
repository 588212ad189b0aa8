"""The axes of the spectrum plot: MHz below, dB on the left, and one calm level of lines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyqtgraph as pg
from pyqtgraph.Qt import QtGui

from labctl.dashboard.look import Look

STEPS = (1.0, 2.0, 5.0, 10.0)
TEXT_UNITS = 15


def round_ticks(low: float, high: float, most: int) -> tuple[float, list[float]]:
    """Return a round step and its multiples from `low` to `high`, at most `most` of them."""
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return 1.0, []
    raw = width / max(1, most)
    decade = 10.0 ** math.floor(math.log10(raw))
    step = decade * next(factor for factor in STEPS if factor * decade >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return step, [step * index for index in range(first, last + 1)]


class CalmAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis with one level of ticks on round numbers, shown in `unit` = 1 / `factor` of what it is given in."""

    def __init__(self, orientation: str, factor: float, unit: str = "") -> None:
        super().__init__(orientation)
        self._factor, self.unit = factor, unit
        self._apart_px = 60
        self.enableAutoSIPrefix(False)
        self.setStyle(autoExpandTextSpace=False, autoReduceTextSpace=False, hideOverlappingLabels=False)

    def use_look(self, look: Look) -> None:
        """Take fonts, colours and fixed sizes, so that new numbers never move the plot."""
        font = QtGui.QFont("DejaVu Sans")
        font.setPixelSize(look.px(TEXT_UNITS))
        level = self.orientation == "bottom"
        self._apart_px = look.px(80) if level else look.px(36)
        self.setStyle(tickFont=font, tickLength=-look.px(4), tickTextOffset=look.px(5))
        self.setPen(look.theme.line)
        self.setTextPen(look.theme.text)
        if level:
            self.setHeight(look.px(TEXT_UNITS + 11))
        else:
            self.setWidth(look.px(82))
        self.labelStyle = {"color": look.theme.dim, "font-size": f"{look.px(TEXT_UNITS)}px"}
        self.setLabel(self.labelText, **self.labelStyle)

    def use_label(self, text: str) -> None:
        """Write another quantity beside the axis."""
        if text != self.labelText:
            self.setLabel(text, **self.labelStyle)

    def ticks(self, low: float, high: float, length_px: float) -> tuple[float, list[float]]:
        """Return the step and the places of the ticks, in the unit of the data."""
        step, places = round_ticks(low * self._factor, high * self._factor, int(length_px // self._apart_px))
        return step / self._factor, [place / self._factor for place in places]

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: N802
        """Return the only level of ticks."""
        return [self.ticks(minVal, maxVal, size)]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """Return the numbers at the ticks."""
        step = spacing * self._factor
        decimals = max(0, math.ceil(-math.log10(step) - 1e-9)) if step > 0 else 0
        return [f"{value * self._factor + 0.0:.{decimals}f}".replace("-", "−") for value in values]
