"""What was written to an instrument and read from it, as the core kept it."""

from __future__ import annotations

import time
from functools import partial

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.replies import Reply
from labctl.dashboard.dressing import HEADING_UNITS, TEXT_UNITS, dress_tick
from labctl.dashboard.fonts import SMALL_UNITS, mono_font, sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.number_text import clock_text
from labctl.dashboard.page import Commander
from labctl.dashboard.plain_label import PlainLabel

EVERY_MS = 2000
PATIENCE_S = 10.0
"""After which a question without an answer is asked again."""


class TrafficView(QtWidgets.QWidget):  # type: ignore[misc]
    """The traffic of one instrument, asked for anew every 2 s while it is shown, "Auto" is ticked and nothing pauses
    it. The view stays at the last line unless the operator scrolled away from it."""

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__()
        self._look = look
        self._commander = commander
        self._instrument = ""
        self._asked_at = float("-inf")
        self._waiting = False
        self._heading = PlainLabel("Traffic")
        self._note = PlainLabel("")
        self.refresh_button = QtWidgets.QPushButton("Refresh")
        self.auto = QtWidgets.QCheckBox("Auto, every 2 s")
        self.pause_button = QtWidgets.QPushButton("Pause")
        self.text = QtWidgets.QPlainTextEdit()
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._ask_by_itself)
        self._set_up()
        self.use_look(look)

    def _set_up(self) -> None:
        self.auto.setChecked(True)
        self.pause_button.setCheckable(True)
        self.pause_button.toggled.connect(self._paused)
        self.refresh_button.clicked.connect(self.ask)
        for part in (self.refresh_button, self.auto, self.pause_button):
            part.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QtWidgets.QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setPlaceholderText("Choose an instrument above to read its messages.")
        self._bar = QtWidgets.QHBoxLayout()
        self._bar.addWidget(self._heading)
        self._bar.addWidget(self._note)
        self._bar.addStretch(1)
        for part in (self.auto, self.pause_button, self.refresh_button):
            self._bar.addWidget(part)
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addLayout(self._bar)
        self._column.addWidget(self.text, 1)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self._heading.dress(look, HEADING_UNITS, look.theme.text, bold=True)
        self._note.dress(look, SMALL_UNITS, look.theme.dim)
        self.text.setFont(mono_font(look))
        for part in (self.refresh_button, self.auto, self.pause_button):
            part.setFont(sized_font(look, TEXT_UNITS))
        dress_tick(self.auto, look)
        self._bar.setSpacing(look.px(12))
        self._column.setSpacing(look.px(6))

    # ---- asking -----------------------------------------------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        """Return whether the operator holds the text still."""
        return bool(self.pause_button.isChecked())

    def show_instrument(self, name: str) -> None:
        """Show the traffic of another instrument."""
        if name == self._instrument:
            return
        self._instrument, self._waiting = name, False
        self._heading.say(f"Traffic of {name}" if name else "Traffic")
        self.text.setPlainText("")
        self.pause_button.setChecked(False)
        self.ask()

    def ask(self) -> None:
        """Ask the core for the traffic now, even while paused."""
        if not self._instrument:
            return
        self._waiting, self._asked_at = True, time.monotonic()
        name = self._instrument
        then, refused = partial(self._take, name), partial(self._refuse, name)
        self._commander.send("read_traffic", then=then, refused=refused, instrument=name)

    def _ask_by_itself(self) -> None:
        if not self.auto.isChecked() or self.is_paused:
            return
        if not self._waiting or time.monotonic() - self._asked_at > PATIENCE_S:
            self.ask()

    def _paused(self, is_paused: bool) -> None:
        self.pause_button.setText("Paused" if is_paused else "Pause")
        if is_paused:
            self._say("paused: the text stands still", self._look.theme.minor)
        else:
            self.ask()

    def _take(self, name: str, reply: Reply) -> None:
        if name != self._instrument:
            return  # of the one before
        self._waiting = False
        lines = reply.text.splitlines()
        self._show("\n".join(lines) or "No message was kept.")
        count = f"{len(lines)} lines, " if lines else ""
        paused = ", paused" if self.is_paused else ""
        colour = self._look.theme.minor if paused else self._look.theme.dim
        self._say(f"{count}read at {clock_text(time.time())}{paused}", colour)

    def _refuse(self, name: str, why: str) -> None:
        if name == self._instrument:
            self._waiting = False
            self._say(f"not read: {why}", self._look.theme.major)

    def _say(self, text: str, colour: str) -> None:
        self._note.dress(self._look, SMALL_UNITS, colour)
        self._note.say(text)

    def _show(self, text: str) -> None:
        if text == self.text.toPlainText():
            return
        bar, across = self.text.verticalScrollBar(), self.text.horizontalScrollBar()
        at_end, place, aside = bar.value() >= bar.maximum() - 1, bar.value(), across.value()
        self.text.setPlainText(text)
        if at_end:
            self.text.moveCursor(QtGui.QTextCursor.MoveOperation.End)
            self.text.moveCursor(QtGui.QTextCursor.MoveOperation.StartOfLine)
        bar.setValue(bar.maximum() if at_end else place)
        across.setValue(aside)

    # ---- only while it is shown -------------------------------------------------------------------------------------

    def showEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Begin to ask."""
        super().showEvent(event)
        self._timer.start()
        self._ask_by_itself()

    def hideEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Ask no more."""
        self._timer.stop()
        super().hideEvent(event)
