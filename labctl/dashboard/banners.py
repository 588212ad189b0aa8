"""The strips between header and page: the latched stop with its reset, and the frozen display."""

from __future__ import annotations

import math

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.messages import CoreRow, Severity
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.header_texts import clock_time
from labctl.dashboard.look import Look
from labctl.dashboard.page import Commander

LETTERS_UNITS = 22


class _Banner(QtWidgets.QFrame):  # type: ignore[misc]
    """One line of text in the colours of a warning, and a place for buttons at its right."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.text = QtWidgets.QLabel()
        self.text.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.row = QtWidgets.QHBoxLayout(self)
        self.row.addWidget(self.text, 1)
        self.hide()

    def use_look(self, look: Look, ground: str, ink: str) -> None:
        """Take colours and sizes."""
        self.setFont(sized_font(look, LETTERS_UNITS))
        self.text.setFont(sized_font(look, LETTERS_UNITS, bold=True))
        self.row.setContentsMargins(look.px(14), look.px(6), look.px(10), look.px(6))
        self.row.setSpacing(look.px(10))
        self.setStyleSheet(f"QFrame#banner {{ background: {ground}; }} QFrame#banner > QLabel {{ color: {ink}; }}")

    def say(self, text: str) -> None:
        """Show the banner with `text`; "" hides it."""
        if self.isHidden() == bool(text):
            self.setVisible(bool(text))
        if self.text.text() != text:
            self.text.setText(text)


class FrozenBanner(_Banner):
    """Says that the display stands still while the table goes on."""

    def dress(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self.use_look(look, look.theme.of(Severity.MINOR), look.theme.background)

    def show_frozen(self, since: float | None, now: float) -> None:
        """Show since when, or hide where it goes on."""
        seconds = 0.0 if since is None else now - since
        text = f"‖ DISPLAY FROZEN for {seconds:.0f} s – values are not current. [Space] goes on"
        self.say("" if since is None else text)


class StopBanner(_Banner):
    """The latched software stop: why, by whom, when; its reset asks for a reason, in place, and starts nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._latched: tuple[float, str] | None = None
        self._commander: Commander | None = None
        self.reset_button = QtWidgets.QPushButton("Reset...")
        self.reason = QtWidgets.QLineEdit()
        self.reason.setPlaceholderText("Why is it safe to go on?")
        self.reason.setMaxLength(500)
        self.confirm_button = QtWidgets.QPushButton("Reset")
        self.cancel_button = QtWidgets.QPushButton("Cancel")
        for part in (self.reason, self.confirm_button, self.cancel_button, self.reset_button):
            self.row.addWidget(part)
        self.reset_button.clicked.connect(lambda: self._ask(True))
        self.cancel_button.clicked.connect(lambda: self._ask(False))
        self.confirm_button.clicked.connect(self._send)
        self.reason.returnPressed.connect(self._send)
        self.reason.textChanged.connect(lambda text: self.confirm_button.setEnabled(bool(text.strip())))
        self.confirm_button.setEnabled(False)
        self._ask(False)

    def dress(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self.use_look(look, look.theme.stop, look.theme.stop_text)
        self.reason.setFixedWidth(look.px(520))

    def show_core(self, core: CoreRow | None, commander: Commander, *, is_gone: bool) -> None:
        """Show the stop that `core` has latched, or hide where there is none; `is_gone` where it is not heard now."""
        latched = (core.stopped_at, core.stop_reason) if core is not None and core.stopped else None
        if latched != self._latched or commander is not self._commander:
            self._latched, self._commander = latched, commander
            self._ask(False)
        heard = " (as last heard)" if is_gone else ""
        self.say(_stop_text(core) + heard if core is not None and core.stopped else "")
        why_not = "There is no link." if is_gone else "" if commander.has_control else "Take control first."
        for button in (self.reset_button, self.reason):
            if button.isEnabled() == bool(why_not):
                button.setEnabled(not why_not)
            if button.toolTip() != why_not:
                button.setToolTip(why_not)

    def _ask(self, asks: bool) -> None:
        self.reset_button.setVisible(not asks)
        for part in (self.reason, self.confirm_button, self.cancel_button):
            part.setVisible(asks)
        self.reason.clear()
        if asks:
            self.reason.setFocus()

    def _send(self) -> None:
        why = self.reason.text().strip()
        if why and self._commander is not None and self._commander.has_control:
            self._commander.send("reset", then=lambda reply: self._ask(False), reason=why)


def _stop_text(core: CoreRow) -> str:
    by = f" by {core.stopped_by}" if core.stopped_by else ""
    at = f" at {clock_time(core.stopped_at)}" if math.isfinite(core.stopped_at) else ""
    why = f": {core.stop_reason}" if core.stop_reason else ""
    return f"■ STOPPED{by}{at}{why}. Latched until it is reset; a reset starts nothing."
