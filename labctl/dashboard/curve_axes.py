"""Axes of the plots of curves: SI prefixes where a unit takes one, and decades for what is drawn as log10."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any, Final

import pyqtgraph as pg
from pyqtgraph.Qt import QtCore, QtGui

from labctl.dashboard.fonts import FAMILY, SMALL_UNITS, sized_font
from labctl.dashboard.look import Look

BOTTOM_UNITS: Final = 50  # numbers and the label below them
SMALLEST_LABEL: Final = 0.7  # of its size, before it is cut off
LEAST_ON_ONE_LINE: Final = 0.85  # of its size, before it takes two
TAKES_PREFIX: Final = frozenset({"V", "A", "W", "Hz", "s", "m", "rad", "N", "Pa", "J"})
"""Units of which an axis may show milli or mega; "dB", "linewidths", "V²/Hz" and "°C" are shown as they are."""
MOST_DECADES: Final = 7  # with a number each
FEW_DECADES: Final = 1.3  # between them twos and fives get a number too
_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class CurveAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis with a quantity and its unit, in the sizes and colours of a look."""

    autoSIPrefixScale: float  # noqa: N815 - of pyqtgraph
    labelUnitPrefix: str  # noqa: N815

    def __init__(self, side: str) -> None:
        self._words = ("", "")
        self._look: Look | None = None
        self._label_px, self._is_broken = 1, False
        self._takes_prefix = False
        super().__init__(side)  # which sizes it already

    def name(self, quantity: str, unit: str, *, prefixed: bool = True) -> None:
        """Say what is drawn along it; texts are shown as they are, never as markup. With `prefixed` a unit that takes
        a prefix gets the one that suits the range."""
        if (quantity, unit) == self._words:
            return
        self._words = (quantity, unit)
        self._takes_prefix = prefixed and unit in TAKES_PREFIX
        self._write_label()
        self.updateAutoSIPrefix()

    def updateAutoSIPrefix(self) -> None:  # noqa: N802 - pyqtgraph's name
        """Choose the prefix; a unit that takes none, and a number without a unit, are left as they are."""
        if self._takes_prefix:
            super().updateAutoSIPrefix()
        elif self.autoSIPrefixScale != 1.0 or self.labelUnitPrefix:
            self.autoSIPrefixScale, self.labelUnitPrefix = 1.0, ""
            self._write_label()
        self.picture = None
        self.update()
        self._fit_label()

    def dress(self, look: Look) -> None:
        """Take the theme and the sizes of `look`."""
        font = sized_font(look, SMALL_UNITS)
        self.setStyle(tickFont=font, tickLength=-look.px(5), tickTextOffset=look.px(5), hideOverlappingLabels=True)
        self.setPen(pg.mkPen(look.theme.line, width=1))
        self.setTextPen(pg.mkPen(look.theme.dim))
        if self.orientation == "bottom":
            self.setHeight(look.px(BOTTOM_UNITS))
        self._look, self._label_px, self._is_broken = look, look.px(SMALL_UNITS), False
        self._write_label()
        self._fit_label()

    def resizeEvent(self, event: Any = None) -> None:  # noqa: N802 - Qt's name
        """Keep the label within the axis."""
        super().resizeEvent(event)
        self._fit_label()

    def _fit_label(self) -> None:
        """Break or shrink a label that is longer than the axis, as far as it stays legible."""
        if self._look is None or not self.label.isVisible() or self._length <= 0.0:
            return
        words = self.label.toPlainText().replace("\n", " ").strip()
        full = self._look.px(SMALL_UNITS)
        one_line = self._size_that_fits(full, [words])
        is_broken = one_line < LEAST_ON_ONE_LINE * full and bool(self._words[1])
        size = self._size_that_fits(full, words.split(" (")) if is_broken else one_line
        if (size, is_broken) != (self._label_px, self._is_broken):
            self._label_px, self._is_broken = size, is_broken
            self._write_label()

    def _size_that_fits(self, full: int, lines: Sequence[str]) -> int:
        """Return the height of letters in pixels with which the longest line fits, from the smallest to `full`."""
        assert self._look is not None
        metrics = QtGui.QFontMetricsF(sized_font(self._look, SMALL_UNITS))
        needs = max(metrics.horizontalAdvance(f"{line} ") for line in lines)
        has = self._length - 2.0 * self.label.document().documentMargin()
        return int(max(math.ceil(SMALLEST_LABEL * full), min(full, math.floor(full * has / needs))))

    def labelString(self) -> str:  # noqa: N802 - pyqtgraph's name
        """Return the label as HTML, quantity and unit on a line each where one is too short."""
        text = str(super().labelString())
        return text.replace(f"{self.labelText} (", f"{self.labelText}<br/>(") if self._is_broken else text

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """Return the numbers of the ticks."""
        return [text.replace("-", "−") for text in super().tickStrings(values, scale, spacing)]

    def _write_label(self) -> None:
        if self._look is None:
            return
        quantity, unit = self._words
        style = {"color": self._look.theme.text, "font-size": f"{self._label_px}px", "font-family": FAMILY}
        self.setLabel(html.escape(quantity), units=html.escape(unit), unitPrefix=self.labelUnitPrefix, **style)
        super().resizeEvent(None)  # puts the label into the middle of the axis

    @property
    def _length(self) -> float:
        upright = self.orientation in ("left", "right")
        return float(self.size().height() if upright else self.size().width())

    def cut_off_texts(self) -> list[str]:
        """Name the label if it reaches beyond the axis."""
        if not self.label.isVisible():
            return []
        place = self.mapRectFromItem(self.label, self.label.boundingRect())
        begin, end = (
            (place.top(), place.bottom()) if self.orientation in ("left", "right") else (place.left(), place.right())
        )
        if begin >= -1.0 and end <= self._length + 1.0:
            return []
        return [f"axis label {self.label.toPlainText()!r}: {begin:.0f} to {end:.0f} in {self._length:.0f}"]


class DecadeAxis(CurveAxis):
    """An axis of what is drawn as log10: numbers at the decades, ticks at 2 to 9 of each.

    It has no prefix of its own; frequencies and other units that take one show it at the number ("10 k").
    """

    def name(self, quantity: str, unit: str, *, prefixed: bool = False) -> None:
        """Say what is drawn along it."""
        super().name(quantity, unit, prefixed=prefixed)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: N802
        """Return (spacing, places) of decades and of what is between them, in log10."""
        low, high = min(minVal, maxVal), max(minVal, maxVal)
        if not (math.isfinite(low) and math.isfinite(high)) or high - low > 100.0:
            return []
        first, last = math.floor(low), math.ceil(high)
        step = max(1, math.ceil((last - first) / MOST_DECADES))
        decades = [float(n) for n in range(first, last + 1) if low <= n <= high and n % step == 0]
        if step > 1:
            return [(float(step), decades)]
        between = [n + math.log10(digit) for n in range(first, last + 1) for digit in range(2, 10)]
        return [(1.0, decades), (0.1, [place for place in between if low <= place <= high])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """Return the numbers of the ticks."""
        view: Any = self.range
        few = abs(view[1] - view[0]) < FEW_DECADES
        return [self._number(value) if spacing >= 1.0 or (few and _is_two_or_five(value)) else "" for value in values]

    def _number(self, logarithm: float) -> str:
        decade = math.floor(logarithm + 1e-6)
        digit = round(10 ** (logarithm - decade))
        if self._words[1] in TAKES_PREFIX and -9 <= decade < 12:
            prefix = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}[3 * (decade // 3)]
            return f"{digit * 10 ** (decade % 3)}{prefix and ' ' + prefix}"
        raised = "10" + str(decade).translate(_RAISED)
        return raised if digit == 1 else f"{digit}·{raised}"


def _is_two_or_five(logarithm: float) -> bool:
    return round(10 ** (logarithm - math.floor(logarithm + 1e-6))) in (2, 5)


def dressed_plot(look: Look, plot: pg.PlotItem) -> None:
    """Give a plot the colours of a look, a faint grid, and nothing that a mouse could move."""
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(False, False)
    for side in ("left", "bottom"):
        plot.getAxis(side).dress(look)
    plot.showGrid(x=True, y=True, alpha=0.25)
    plot.getViewBox().setBorder(pg.mkPen(look.theme.line, width=1))


def dashed(colour: str, width: int = 1) -> QtGui.QPen:
    """Return a dashed pen."""
    return pg.mkPen(colour, width=width, style=QtCore.Qt.PenStyle.DashLine)
