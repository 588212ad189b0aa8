"""The button of the software stop."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look

WORD, SMALL_WORDS = "STOP", "software stop"
WORD_UNITS, SMALL_WORDS_UNITS = 46, 17
WIDTH_UNITS = 180


class StopButton(QtWidgets.QAbstractButton):  # type: ignore[misc]
    """Emits `asked` (with True: all tables, by Shift) when it is pressed down, not when it is let go, every time."""

    asked = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = Look()
        self.setText(WORD)
        self.setAccessibleName("Software stop")
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self.setCursor(QtGui.QCursor(QtCore.Qt.CursorShape.PointingHandCursor))
        self.setToolTip(
            "Software stop of the table that is shown: outputs ramp to safe values, shutters close, the queue pauses.\n"
            "Shift+click stops all tables. Ctrl+Shift+S does the same as a click.\n"
            "It needs this computer, the link and the core: it is no emergency stop."
        )

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.setFixedWidth(look.px(WIDTH_UNITS))
        self.update()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """Ask for the stop at once."""
        if event.button() == QtCore.Qt.MouseButton.LeftButton:
            self.asked.emit(bool(event.modifiers() & QtCore.Qt.KeyboardModifier.ShiftModifier))
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """Take the second of two quick presses as a press too."""
        self.mousePressEvent(event)

    def sizeHint(self) -> QtCore.QSize:  # noqa: N802
        """Return a size that holds both words."""
        return QtCore.QSize(self._look.px(WIDTH_UNITS), self._look.px(80))

    def cut_off_texts(self) -> list[str]:
        """Return the words that do not fit the button."""
        lines = [(words, QtGui.QFontMetrics(font)) for words, font, _ in self._lines()]
        if sum(metrics.capHeight() for _, metrics in lines) > self.height() * 4 // 5:
            return [words for words, _ in lines]
        return [words for words, metrics in lines if metrics.horizontalAdvance(words) > self.width()]

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Draw both words on the colour of the stop."""
        theme = self._look.theme
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        ground = QtGui.QColor(theme.stop)
        painter.setBrush(ground.darker(140) if self.isDown() else ground)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        round_ = self._look.px(6)
        painter.drawRoundedRect(self.rect(), round_, round_)
        painter.setPen(QtGui.QColor(theme.stop_text))
        for words, font, percent in self._lines():
            painter.setFont(font)
            metrics = painter.fontMetrics()
            left = (self.width() - metrics.horizontalAdvance(words)) // 2
            painter.drawText(left, self.height() * percent // 100, words)
        painter.end()

    def _lines(self) -> list[tuple[str, QtGui.QFont, int]]:
        """Return each line with its font and the height of its foot, in percent of the button."""
        return [
            (WORD, sized_font(self._look, WORD_UNITS, bold=True), 60),
            (SMALL_WORDS, sized_font(self._look, SMALL_WORDS_UNITS), 85),
        ]
