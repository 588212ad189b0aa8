"""Keeps widgets alive until the end of a test: qtbot only refers to them weakly, and a page that nobody holds may be
collected while it paints itself."""

from __future__ import annotations

from pyqtgraph.Qt import QtWidgets
from pytestqt.qtbot import QtBot


def shown(qtbot: QtBot, widget: QtWidgets.QWidget) -> None:
    """Show `widget`, and hold it until qtbot closes and deletes it."""
    qtbot.addWidget(widget, before_close_func=lambda _closing: widget.hide())
    widget.show()
