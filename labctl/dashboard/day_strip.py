"""The last 24 hours at a glance: were the loops locked, and what did the squeezing, the oven and the vacuum do."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.spectra import Curve
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.number_text import clock_text
from labctl.dashboard.painted_text import LEFT, draw
from labctl.dashboard.panel_box import PanelBox
from labctl.dashboard.state_glyphs import STALE
from labctl.dashboard.strip_columns import HOUR_S
from labctl.dashboard.strip_painter import TEXT_UNITS, WORDS, Record, StripPainter, brush

DAY_TITLE = "LAST 24 H"
_OLD_STEPS, _LEAST_OLD_S = 4.0, 30.0  # a strip that was not told for so long has stopped


class DayStrip(PanelBox):
    """Draws the curve "day" of the system "strip": a ribbon for each loop, a line for each slow reading.

    The title says how long a time is shown: the day, or less where the record is younger.
    """

    def __init__(self, look: Look) -> None:
        super().__init__(DAY_TITLE, look)
        self._legend = _Legend(look)
        self.title_row.addWidget(self._legend)
        self.chart = _Chart(look)
        self.body.addWidget(self.chart, 1)
        self._step_s = 0.0
        self.use_look(look)

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw the strip, if there is another one than before."""
        curve = latest.curve("strip", "day")
        if curve is not self.chart.curve:
            steps = np.diff(curve.x) if curve is not None else np.empty(0)
            self._step_s = float(np.median(steps)) if steps.size else 0.0
            self.chart.show_curve(curve)
            record = Record.of(curve) if curve is not None else None
            self.set_title(_title(record.span_s) if record is not None else DAY_TITLE)
            self._legend.show_codes(record.codes if record is not None else ())
        if curve is None:
            self.set_note("not told yet")
        elif not latest.age_s(curve.taken_at, now) <= max(_OLD_STEPS * self._step_s, _LEAST_OLD_S):
            self.set_note(f"{STALE.text} since {clock_text(curve.taken_at, seconds=False)}", STALE.severity)
        else:
            self.set_note("")

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        super().use_look(look)
        self._legend.use_look(look)
        self.chart.use_look(look)


def _title(span_s: float) -> str:
    hours = span_s / HOUR_S
    return f"LAST {hours:.0f} H" if hours >= 1.0 else f"LAST {60 * hours:.0f} MIN"


class _Chart(QtWidgets.QWidget):  # type: ignore[misc]
    """Shows a picture of the curve that is made again only for another curve, size or look."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.curve: Curve | None = None
        self.pictures = 0  # how many were made
        self._look = look
        self._picture: QtGui.QPixmap | None = None

    def show_curve(self, curve: Curve | None) -> None:
        """Take another curve."""
        self.curve = curve
        self._forget()

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self._forget()

    def _forget(self) -> None:
        self._picture = None
        self.update()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Make another picture."""
        self._forget()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Paint the picture."""
        if self._picture is None:
            self._picture = self._drawn()
        painter = QtGui.QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        painter.end()

    def _drawn(self) -> QtGui.QPixmap:
        ratio = self.devicePixelRatioF()
        picture = QtGui.QPixmap(max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio)))
        picture.setDevicePixelRatio(ratio)
        picture.fill(QtGui.QColor(self._look.theme.panel))
        if self.curve is not None and self.curve.x.size:
            self.pictures += 1
            painter = QtGui.QPainter(picture)
            StripPainter(self.curve, self._look, self.width(), self.height()).paint(painter)
            painter.end()
        return picture


class _Legend(QtWidgets.QWidget):  # type: ignore[misc]
    """What the patterns of the ribbons mean: those that occur."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._words: dict[int, str] = {}
        self.use_look(look)

    @property
    def words(self) -> tuple[str, ...]:
        """What it explains."""
        return tuple(self._words.values())

    def show_codes(self, codes: Collection[int]) -> None:
        """Explain these codes only."""
        words = {code: word for code, word in WORDS.items() if code in codes}
        if words != self._words:
            self._words = words
            self.use_look(self._look)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.setFont(sized_font(look, TEXT_UNITS))
        metrics = self.fontMetrics()
        self._swatch, self._gap = look.px(20), look.px(5)
        self._widths = [metrics.horizontalAdvance(word) for word in self._words.values()]
        self.setFixedSize(sum(self._widths) + len(self._words) * (self._swatch + 3 * self._gap), metrics.height())
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Paint a sample and a word for each."""
        painter, theme, x = QtGui.QPainter(self), self._look.theme, 0
        inset = self._look.px(3)
        for (code, word), wide in zip(self._words.items(), self._widths, strict=True):
            sample = QtCore.QRect(x, inset, self._swatch, self.height() - 2 * inset)
            painter.fillRect(sample, brush(code, theme))
            painter.setPen(QtGui.QColor(theme.line))
            painter.drawRect(sample)
            painter.setPen(QtGui.QColor(theme.dim))
            draw(painter, QtCore.QRect(x + self._swatch + self._gap, 0, wide + 2, self.height()), word, LEFT)
            x += self._swatch + wide + 3 * self._gap
        painter.end()
