"""A field for words that what is shown must have in it."""

from __future__ import annotations

from typing import Any

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.dressing import TEXT_UNITS
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look


class FilterField(QtWidgets.QLineEdit):  # type: ignore[misc]
    """The field. It takes the keyboard only when it is asked to, by a click or Ctrl+F in `page`, for single keys mean
    something elsewhere; Escape empties and leaves it."""

    def __init__(self, hint: str, page: QtWidgets.QWidget) -> None:
        super().__init__()
        self.setPlaceholderText(hint)
        self.setClearButtonEnabled(True)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.ClickFocus)
        find = QtGui.QShortcut if hasattr(QtGui, "QShortcut") else QtWidgets.QShortcut
        self._shortcut = find(QtGui.QKeySequence(QtGui.QKeySequence.StandardKey.Find), page)
        self._shortcut.setContext(QtCore.Qt.ShortcutContext.WindowShortcut)
        self._shortcut.activated.connect(self.begin)

    def begin(self) -> None:
        """Take the keyboard."""
        self.setFocus()
        self.selectAll()

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Empty and leave on Escape."""
        if event.key() == QtCore.Qt.Key.Key_Escape and (
            self.text() or not isinstance(self.window(), QtWidgets.QDialog)
        ):
            self.clear()
            self.clearFocus()
            return
        super().keyPressEvent(event)

    def use_look(self, look: Look) -> None:
        """Take other sizes."""
        self.setFont(sized_font(look, TEXT_UNITS))
        needs = self.fontMetrics().horizontalAdvance(self.placeholderText()) + look.px(50)
        self.setMinimumWidth(needs)
