"""The keys of the window as Qt's short cuts, which rest while somebody types."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.keys import KEYS


class ShortCuts(QtCore.QObject):  # type: ignore[misc]
    """Binds every key of `KEYS` to what its action does.

    They hold for the whole program, so that no button, table or dialog swallows a key; a field that takes text keeps
    all but those that work while typing.
    """

    def __init__(self, window: QtWidgets.QWidget, actions: Mapping[str, Callable[[], None]]) -> None:
        super().__init__(window)
        self._resting: list[QtCore.QObject] = []  # those that rest while somebody types
        shortcut = getattr(QtGui, "QShortcut", None) or QtWidgets.QShortcut  # Qt 6 has it among the other things
        for key in KEYS:
            for text in key.keys:
                made = shortcut(QtGui.QKeySequence(text), window)
                made.setContext(QtCore.Qt.ShortcutContext.ApplicationShortcut)
                made.setAutoRepeat(False)
                made.activated.connect(actions[key.action])
                if not key.while_typing:
                    self._resting.append(made)
        application = QtWidgets.QApplication.instance()
        application.focusChanged.connect(self._follow)
        self._follow(None, application.focusWidget())

    def _follow(self, before: QtWidgets.QWidget | None, focus: QtWidgets.QWidget | None) -> None:
        is_typing = takes_text(focus)
        for made in self._resting:
            made.setEnabled(not is_typing)


def takes_text(widget: QtWidgets.QWidget | None) -> bool:
    """Return whether keys typed now are text for `widget`."""
    if isinstance(widget, QtWidgets.QLineEdit | QtWidgets.QTextEdit | QtWidgets.QPlainTextEdit):
        return not widget.isReadOnly()
    if isinstance(widget, QtWidgets.QComboBox):
        return bool(widget.isEditable())
    return isinstance(widget, QtWidgets.QAbstractSpinBox)
