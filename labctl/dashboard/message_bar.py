"""The line at the foot of the window: the last error, which stays until it is dismissed, and the last other message."""

from __future__ import annotations

from typing import Final

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.messages import Severity
from labctl.dashboard.elided_label import ElidedLabel
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.header_texts import clock_time
from labctl.dashboard.look import Look
from labctl.dashboard.text_color import color_text

ERROR_GLYPH: Final = "✗"
MESSAGE_GLYPH: Final = "›"
LETTERS_UNITS: Final = 16


class MessageBar(QtWidgets.QWidget):  # type: ignore[misc]
    """Shows an error in full, above the message, and never lets a message push it away."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = Look()
        self._errors = 0  # since the last was dismissed
        self.error = QtWidgets.QLabel()
        self.error.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.error.setWordWrap(True)
        self.error.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
        self.dismiss_button = QtWidgets.QPushButton("Dismiss [Esc]")
        self.dismiss_button.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self.dismiss_button.clicked.connect(self.dismiss)
        self.message = ElidedLabel()
        self._error_row = QtWidgets.QWidget()
        row = QtWidgets.QHBoxLayout(self._error_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.error, 1)
        row.addWidget(self.dismiss_button, 0, QtCore.Qt.AlignmentFlag.AlignTop)
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.addWidget(self._error_row)
        self._column.addWidget(self.message)
        self._error_row.hide()

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.setFont(sized_font(look, LETTERS_UNITS))
        self._column.setContentsMargins(look.px(12), look.px(1), look.px(12), look.px(2))
        self._column.setSpacing(look.px(3))
        color_text(self.error, look.theme.of(Severity.MAJOR))

    def say(self, text: str, at: float) -> None:
        """Show a message of wall time `at` in place of the last one."""
        self.message.set_text(f"{MESSAGE_GLYPH} {clock_time(at)}  {text}")
        self.message.show()

    def warn(self, text: str, at: float) -> None:
        """Show an error or a refusal of wall time `at` until it is dismissed or the next one comes."""
        self._errors += 1
        before = f"   ({self._errors - 1} more before it)" if self._errors > 1 else ""
        self.error.setText(f"{ERROR_GLYPH} {clock_time(at)}  {text}{before}")
        self._error_row.show()
        self.message.setVisible(bool(self.message.text()))

    def dismiss(self) -> bool:
        """Take the error away; return whether there was one."""
        had_one, self._errors = self._errors > 0, 0
        self._error_row.hide()
        self.error.clear()
        self.message.show()
        return had_one
