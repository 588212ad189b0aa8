"""What lies over the page: the mask of a lost link, and the help. The header and its stop stay free."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.messages import Severity
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.keys import help_groups
from labctl.dashboard.look import Look
from labctl.dashboard.text_color import color_text

MASK_OPACITY = 215  # of 255: what is below can be made out, and cannot be taken for current


class PageArea(QtWidgets.QWidget):  # type: ignore[misc]
    """A widget that fills its place, and others that lie over all of it."""

    def __init__(self, below: QtWidgets.QWidget, above: list[QtWidgets.QWidget]) -> None:
        super().__init__()
        self._all = [below, *above]
        for part in self._all:
            part.setParent(self)
        for part in above:
            part.hide()
            part.raise_()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Let all fill the place."""
        for part in self._all:
            part.setGeometry(self.rect())


class LinkMask(QtWidgets.QWidget):  # type: ignore[misc]
    """Covers values that are not current; it takes the clicks that were meant for them."""

    def __init__(self) -> None:
        super().__init__()
        self._look = Look()
        self.text = QtWidgets.QLabel()
        self.text.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.text.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self.text.setWordWrap(True)
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self.text)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.text.setFont(sized_font(look, 40, bold=True))
        color_text(self.text, look.theme.of(Severity.INVALID))
        self.layout().setContentsMargins(look.px(120), 0, look.px(120), 0)

    def say(self, text: str) -> None:
        """Cover the page and show `text`; "" uncovers it."""
        if self.isHidden() == bool(text):
            self.setVisible(bool(text))
        if self.text.text() != text:
            self.text.setText(text)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Dim what is below, and hatch it."""
        painter = QtGui.QPainter(self)
        ground = QtGui.QColor(self._look.theme.background)
        ground.setAlpha(MASK_OPACITY)
        painter.fillRect(self.rect(), ground)
        lines = QtGui.QColor(self._look.theme.line)
        painter.fillRect(self.rect(), QtGui.QBrush(lines, QtCore.Qt.BrushStyle.BDiagPattern))
        band = self.text.geometry()
        height = self.text.heightForWidth(band.width()) + self._look.px(60)
        band = QtCore.QRect(0, band.center().y() - height // 2, self.width(), height)
        painter.fillRect(band, QtGui.QColor(self._look.theme.background))
        painter.end()


class HelpOverlay(QtWidgets.QFrame):  # type: ignore[misc]
    """All keys, in groups; a click anywhere hides it."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("help")
        self._keys: list[QtWidgets.QLabel] = []
        self._texts: list[QtWidgets.QLabel] = []
        self._headings: list[QtWidgets.QLabel] = []
        self._grid = QtWidgets.QGridLayout()
        outer = QtWidgets.QVBoxLayout(self)
        outer.addStretch(1)
        outer.addLayout(self._grid)
        outer.addStretch(2)
        self._fill()

    def _fill(self) -> None:
        groups = help_groups()
        left = ["Safety", "Spectrum"]
        for column, names in enumerate((left, [name for name in groups if name not in left])):
            row = 0
            for name in names:
                self._put(self._headings, name, row, 3 * column, 2)
                for key, does in groups[name]:
                    row += 1
                    self._put(self._keys, key, row, 3 * column)
                    self._put(self._texts, does, row, 3 * column + 1)
                row += 1
                self._put(self._headings, "", row, 3 * column)
                row += 1
        for column in (0, 3):
            self._grid.setColumnStretch(column, 2)
            self._grid.setColumnStretch(column + 1, 5)

    def _put(self, labels: list[QtWidgets.QLabel], text: str, row: int, column: int, columns: int = 1) -> None:
        label = QtWidgets.QLabel(text)
        self._grid.addWidget(label, row, column, 1, columns)
        labels.append(label)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        theme = look.theme
        self.setStyleSheet(f"QFrame#help {{ background: {theme.panel}; border: {look.px(1)}px solid {theme.line}; }}")
        self.layout().setContentsMargins(look.px(90), look.px(30), look.px(60), look.px(30))
        self._grid.setHorizontalSpacing(look.px(24))
        self._grid.setVerticalSpacing(look.px(9))
        for labels, bold, units, color in (
            (self._headings, True, 24, theme.dim),
            (self._keys, True, 22, theme.text),
            (self._texts, False, 22, theme.text),
        ):
            for label in labels:
                label.setFont(sized_font(look, units, bold=bold))
                color_text(label, color)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """Hide."""
        self.hide()
