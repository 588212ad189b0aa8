"""Lock, hold and release one loop."""

from __future__ import annotations

from typing import Final

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.dashboard.dressing import HEADING_UNITS, TEXT_UNITS
from labctl.dashboard.fonts import SMALL_UNITS, sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.page import Commander
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.thin_panel import ThinPanel

CONFIRM_S: Final = 15.0  # then a question that nobody answered is taken back
BUTTON_UNITS: Final = 42


class LoopButtons(ThinPanel):
    """Three buttons for one loop.

    A release that takes others with it is asked about first, here and in no window of its own, which would stand
    before the STOP button.
    """

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__()
        self._commander = commander
        self._loop = ""
        self._taken_along: list[str] = []
        self._allowed = False
        self._note, self._question = PlainLabel(wraps=True), PlainLabel(wraps=True)
        self.lock = QtWidgets.QPushButton("Lock  F5")
        self.hold = QtWidgets.QPushButton("Hold")
        self.release = QtWidgets.QPushButton("Release")
        self.confirm = QtWidgets.QPushButton("Release all")
        self.cancel = QtWidgets.QPushButton("Cancel")
        self._patience = QtCore.QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(round(1e3 * CONFIRM_S))
        self._build()
        self.use_look(look)
        self._ask(False)

    def _build(self) -> None:
        self.lock.setToolTip("Lock it and all that it needs, and keep it locked")
        self.hold.setToolTip("Keep its output, and that of what needs it, where it is")
        self.release.setToolTip("Open it and what needs it, and let the output go to rest")
        self._column = QtWidgets.QVBoxLayout(self)
        for part in (self.lock, self.hold, self.release, self._question, self.confirm, self.cancel, self._note):
            self._column.addWidget(part)
        self._column.addStretch(1)
        self.lock.clicked.connect(self.send_lock)
        self.hold.clicked.connect(lambda: self._send("hold_loop"))
        self.release.clicked.connect(self._begin_release)
        self.confirm.clicked.connect(lambda: self._send("release_loop"))
        self.cancel.clicked.connect(lambda: self._ask(False))
        self._patience.timeout.connect(self._give_up)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self.dress(look)
        theme = look.theme
        self._column.setContentsMargins(look.px(12), look.px(10), look.px(12), look.px(10))
        self._column.setSpacing(look.px(8))
        self._note.dress(look, SMALL_UNITS, theme.dim)
        self._question.dress(look, TEXT_UNITS, theme.minor)
        for button in self._buttons:
            button.setMinimumHeight(look.px(BUTTON_UNITS))
            button.setFont(sized_font(look, HEADING_UNITS))

    @property
    def _buttons(self) -> tuple[QtWidgets.QPushButton, ...]:
        return self.lock, self.hold, self.release, self.confirm, self.cancel

    def show_loop(self, loop: str, taken_along: list[str], *, is_heard: bool) -> None:
        """Send for `loop` from now on, "" for none; `taken_along` are the loops in use that need it."""
        if loop != self._loop:
            self._loop = loop
            self._ask(False)
        self._taken_along = taken_along
        has_control = self._commander.has_control
        self._allowed = bool(loop) and has_control and is_heard
        for button in self._buttons:
            if button.isEnabled() != self._allowed and button is not self.cancel:
                button.setEnabled(self._allowed)
        if not is_heard:
            self._note.say("The core is not heard.")
        else:
            self._note.say("" if has_control else "View only: take control to lock, hold or release.")

    def send_lock(self) -> None:
        """Ask for the lock, if that may be asked for."""
        self._send("lock_loop")

    def _begin_release(self) -> None:
        if not self._taken_along:
            self._send("release_loop")
            return
        names = ", ".join(self._taken_along)
        goes = "goes" if len(self._taken_along) == 1 else "go"
        self._question.say(f"{names} {goes} with {self._loop}.")
        self.confirm.setText(f"Release all {len(self._taken_along) + 1}")
        self._ask(True)
        self.cancel.setFocus()

    def _send(self, command: str) -> None:
        self._ask(False)
        if self._allowed:
            self._commander.send(command, loop=self._loop)

    def _give_up(self) -> None:
        self._ask(False)

    def _ask(self, asked: bool) -> None:
        for part in (self._question, self.confirm, self.cancel):
            part.setVisible(asked)
        for part in (self.lock, self.hold, self.release):
            part.setVisible(not asked)
        if asked:
            self._patience.start()
        else:
            self._patience.stop()
