"""What stands round every drawn curve: title, when it was taken, whether it may be believed, results of its fit."""

from __future__ import annotations

import html
import math

import pyqtgraph as pg
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.spectra import Curve
from labctl.dashboard.dressing import HEADING_UNITS, TEXT_UNITS
from labctl.dashboard.fonts import FAMILY, SMALL_UNITS
from labctl.dashboard.look import Look
from labctl.dashboard.number_text import age_text, clock_text, moment_text, tidied
from labctl.dashboard.plain_label import PlainLabel, flowing, unbroken

BESIDE_RATIO = 2.0  # of width to height, from which the results stand beside the plot and not below it
WIDEST_RESULTS = 0.4  # of the width
REDRAW_RATIO = 0.15  # of the width: a smaller change keeps what is drawn
NOT_MEASURED = "Not measured yet"

Key = list[tuple[str, str]]
"""An entry of a legend: texts with their colours as #RRGGBB."""


class CurveFrame(QtWidgets.QWidget):  # type: ignore[misc]
    """A curve in its frame; who derives from it draws into `body`, which is shown once there is a curve.

    `source` names the procedure that gives the curve, "" where nothing does so by itself.
    """

    def __init__(self, look: Look, body: pg.GraphicsView, *, title: str, source: str = "") -> None:
        super().__init__()
        self._look = look
        self._body = body
        self._title_text = title
        self._source = source
        self._curve: Curve | None = None
        self._drawn_width = 0
        self._hatches: list[QtWidgets.QGraphicsRectItem] = []
        self._doubt = ""
        self._build()
        self.use_look(look)

    def _build(self) -> None:
        self._title = PlainLabel(self._title_text, wraps=True)
        self._taken = PlainLabel()
        self._banner = PlainLabel(wraps=True)
        self._missing = PlainLabel(self._missing_text(), wraps=True)
        self._missing.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self._results = PlainLabel(wraps=True)
        self._results.setAlignment(QtCore.Qt.AlignmentFlag.AlignTop | QtCore.Qt.AlignmentFlag.AlignLeft)
        self._stack = QtWidgets.QStackedWidget()
        ignored = QtWidgets.QSizePolicy.Policy.Ignored  # frames of a page are of one size, drawn or not
        self._stack.setSizePolicy(ignored, ignored)
        self._stack.addWidget(self._missing)
        self._stack.addWidget(self._body)
        self._legend: list[QtWidgets.QLabel] = []
        self._head = QtWidgets.QHBoxLayout()
        self._head.addWidget(self._title, 1)
        self._head.addWidget(self._taken)
        self._beside = QtWidgets.QBoxLayout(QtWidgets.QBoxLayout.Direction.TopToBottom)
        self._keys = QtWidgets.QBoxLayout(QtWidgets.QBoxLayout.Direction.LeftToRight)
        self._words = QtWidgets.QBoxLayout(QtWidgets.QBoxLayout.Direction.LeftToRight)
        self._words.addLayout(self._keys)
        self._words.addWidget(self._results, 1)
        self._beside.addWidget(self._stack, 1)
        self._beside.addLayout(self._words)
        column = QtWidgets.QVBoxLayout(self)
        column.addLayout(self._head)
        column.addWidget(self._banner)
        column.addLayout(self._beside, 1)
        self._banner.hide()

    # ---- what the page calls ----------------------------------------------------------------------------------------

    @property
    def curve(self) -> Curve | None:
        """Return the curve that is shown."""
        return self._curve

    def show_curve(self, curve: Curve | None, age_s: float = float("nan"), doubt: str = "") -> None:
        """Draw `curve`, taken `age_s` ago, if it is another one than before.

        `doubt` is why it is not to be believed although it was valid when it was taken, such as "STALE".
        """
        if curve is not self._curve or doubt != self._doubt:
            self._curve, self._doubt = curve, doubt
            self._redraw()
        self._taken.say("" if curve is None else _taken_text(curve.taken_at, age_s))

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        theme, gap = look.theme, look.px(8)
        self.layout().setContentsMargins(look.px(10), look.px(6), look.px(10), look.px(6))
        for box in (self.layout(), self._beside, self._words, self._keys, self._head):
            box.setSpacing(gap)
        self._title.dress(look, HEADING_UNITS, theme.text, bold=True)
        self._taken.dress(look, SMALL_UNITS, theme.dim)
        self._banner.dress(look, TEXT_UNITS, theme.minor, bold=True)
        self._missing.dress(look, TEXT_UNITS, theme.dim)
        self._results.dress(look, TEXT_UNITS, theme.text)
        self._body.setBackground(theme.panel)
        self._body.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self._stack.setMinimumSize(look.px(150), look.px(90))
        self._redraw()

    def name_source(self, source: str, title: str = "") -> None:
        """Say which procedure would give the curve, and how the frame is called without one."""
        self._source = source
        self._title_text = title or self._title_text
        self._missing.say(self._missing_text())
        if self._curve is None:
            self._title.say(self._title_text)

    # ---- what derived classes fill ----------------------------------------------------------------------------------

    def _draw(self, curve: Curve, *, dimmed: bool) -> list[Key]:
        """Draw into the body; return the legend."""
        raise NotImplementedError

    def _view_boxes(self) -> list[pg.ViewBox]:
        """Return the places that are hatched where the curve is not valid."""
        raise NotImplementedError

    # ---- the rest ---------------------------------------------------------------------------------------------------

    @property
    def pixels(self) -> int:
        """Return how many points side by side can be told apart at most."""
        return int(max(100, self.width()))

    def _missing_text(self) -> str:
        return f"{NOT_MEASURED}: run {self._source}." if self._source else f"{NOT_MEASURED}."

    def _redraw(self) -> None:
        curve = self._curve
        self._drawn_width = self.width()
        doubt = self._doubt
        if curve is not None and not curve.valid:
            doubt = f"Not valid: {curve.reason}" if curve.reason else "Not valid"
        self._title.say(self._title_text if curve is None else curve.title or self._title_text)
        self._banner.say(f"▨ {doubt}")
        self._banner.setVisible(bool(doubt and curve is not None))
        self._stack.setCurrentWidget(self._missing if curve is None else self._body)
        self._show_legend([] if curve is None else self._draw(curve, dimmed=bool(doubt)))
        self._arrange()
        self._hatch(bool(doubt))

    def _show_legend(self, keys: list[Key]) -> None:
        while len(self._legend) < len(keys):
            label = QtWidgets.QLabel()
            label.setTextFormat(QtCore.Qt.TextFormat.RichText)
            self._legend.append(label)
            self._keys.addWidget(label, 0, QtCore.Qt.AlignmentFlag.AlignTop)
        for number, label in enumerate(self._legend):
            label.setVisible(number < len(keys))
            if number < len(keys):
                style = f"font-family: {FAMILY}; font-size: {self._look.px(TEXT_UNITS)}px; white-space: pre"
                spans = (f'<span style="color: {colour}">{html.escape(text)}</span>' for text, colour in keys[number])
                label.setText(f'<span style="{style}">{"".join(spans)}</span>')

    def _arrange(self) -> None:
        """Put the results beside a wide plot and below a high one."""
        direction = QtWidgets.QBoxLayout.Direction
        lines = [] if self._curve is None else [tidied(line) for line in self._curve.text.splitlines() if line.strip()]
        self._results.setVisible(bool(lines))
        beside = self.width() > BESIDE_RATIO * self.height()
        if beside:
            self._results.ensurePolished()
            metrics = QtGui.QFontMetrics(self._results.font())
            longest = max((metrics.horizontalAdvance(line) for line in lines), default=0) + self._look.px(4)
            self._results.setFixedWidth(min(longest, round(WIDEST_RESULTS * self.width())))
            self._results.say("\n".join(map(unbroken, lines)))
        else:
            self._results.setMinimumWidth(0)
            self._results.setMaximumWidth(16_777_215)
            self._results.say(flowing(lines))
        self._beside.setDirection(direction.LeftToRight if beside else direction.TopToBottom)
        for box in (self._words, self._keys):
            box.setDirection(direction.TopToBottom if beside else direction.LeftToRight)

    def _hatch(self, hatched: bool) -> None:
        for rectangle in self._hatches:
            rectangle.setVisible(False)
        if not hatched:
            return
        if not self._hatches:
            for box in self._view_boxes():
                rectangle = QtWidgets.QGraphicsRectItem(box)
                rectangle.setZValue(50)
                self._hatches.append(rectangle)
                box.sigResized.connect(lambda resized, rectangle=rectangle: rectangle.setRect(resized.rect()))
        colour = QtGui.QColor(self._look.theme.dim)
        colour.setAlpha(110)
        for rectangle, box in zip(self._hatches, self._view_boxes(), strict=True):
            rectangle.setRect(box.rect())
            rectangle.setPen(pg.mkPen(None))
            rectangle.setBrush(QtGui.QBrush(colour, QtCore.Qt.BrushStyle.BDiagPattern))
            rectangle.setVisible(True)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Bring the curve down to the new number of pixels."""
        super().resizeEvent(event)
        if abs(self.width() - self._drawn_width) > REDRAW_RATIO * self._drawn_width:
            self._redraw()
        else:
            self._arrange()


def _taken_text(taken_at: float, age_s: float) -> str:
    if math.isnan(taken_at):
        return ""
    if math.isnan(age_s):
        return clock_text(taken_at)
    return f"{moment_text(taken_at, taken_at + age_s)}, {age_text(age_s)}"
