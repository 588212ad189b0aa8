"""The parts of the header, each a few texts that change at most as often as they are told."""

from __future__ import annotations

from typing import Final

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.dashboard.elided_label import ElidedLabel
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.header_texts import NO_DATA, NO_LINK, AlarmsSaid, LiveSaid, RunSaid, Said
from labctl.dashboard.look import Look
from labctl.dashboard.text_color import color_text

TITLE_UNITS: Final = 22
TEXT_UNITS: Final = 19
LIVE_WORDS: Final = (NO_LINK.text, NO_DATA.text)  # the longest that the live block says in large letters
LIVE_DETAIL: Final = "no spectrum"
SURE_FOR_MS: Final = 4000
FIRST_LINE_UNITS: Final = 30  # of run and alarms, so that they stand on one line


class StateLabel(QtWidgets.QLabel):  # type: ignore[misc]
    """A short text that is never shortened, in a colour of its own; cheap where nothing changed."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setTextFormat(QtCore.Qt.TextFormat.PlainText)

    def say(self, text: str, color: str) -> None:
        """Show `text` in `color`."""
        if text != self.text():
            self.setText(text)
        color_text(self, color)


class RunBlock(QtWidgets.QWidget):  # type: ignore[misc]
    """Title of the run above how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self.title, self.progress = ElidedLabel(), ElidedLabel()
        self.bar = QtWidgets.QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self._look = Look()
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        for part in (self.title, self.progress, self.bar):
            self._column.addWidget(part)
        self._column.addStretch(1)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.title.setFont(sized_font(look, TITLE_UNITS, bold=True))
        self.progress.setFont(sized_font(look, TEXT_UNITS))
        self.bar.setFixedHeight(look.px(6))
        self.title.setFixedHeight(look.px(FIRST_LINE_UNITS))
        self._column.setSpacing(look.px(2))

    def say(self, said: RunSaid) -> None:
        """Show the run."""
        theme = self._look.theme
        self.title.set_text(said.title.text, theme.of(said.title.severity) if said.title.severity else theme.text)
        self.progress.set_text(said.progress, theme.text)
        self.bar.setValue(round(1000 * said.fraction))


class LiveBlock(QtWidgets.QWidget):  # type: ignore[misc]
    """LIVE, STALE or NO LINK in letters of a key state, and since when."""

    def __init__(self) -> None:
        super().__init__()
        self.word, self.detail = StateLabel(), StateLabel()
        self._look = Look()
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        right, left = QtCore.Qt.AlignmentFlag.AlignRight, QtCore.Qt.AlignmentFlag.AlignLeft
        middle = QtCore.Qt.AlignmentFlag.AlignVCenter
        self.word.setAlignment(right | middle)
        self.detail.setAlignment(left | middle)
        self._row.addWidget(self.word)
        self._row.addWidget(self.detail)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes; the widths stay the same whatever is said."""
        self._look = look
        self.word.setFont(sized_font(look, 1, bold=True))
        font = self.word.font()
        font.setPixelSize(look.state_px)
        self.word.setFont(font)
        self.detail.setFont(sized_font(look, TEXT_UNITS))
        self._row.setSpacing(look.px(10))
        for label, texts in ((self.word, LIVE_WORDS), (self.detail, (LIVE_DETAIL,))):
            label.setFixedWidth(max(map(label.fontMetrics().horizontalAdvance, texts)) + look.px(4))

    def say(self, said: LiveSaid) -> None:
        """Show how present the values are."""
        theme = self._look.theme
        color = theme.of(said.mark.severity) if said.mark.severity else theme.text
        self.word.say(said.mark.text, color)
        self.detail.say(said.detail, color)


class AlarmBlock(QtWidgets.QWidget):  # type: ignore[misc]
    """How many alarms wait for somebody, above the worst of them; [F2] acknowledges all."""

    def __init__(self) -> None:
        super().__init__()
        self.heading, self.worst = StateLabel(), ElidedLabel()
        self.button = QtWidgets.QPushButton("Acknowledge [F2]")
        self.button.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self._look = Look()
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self.heading)
        row.addWidget(self.button)
        row.addStretch(1)
        self._column.addLayout(row)
        self._column.addWidget(self.worst)
        self._column.addStretch(1)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.heading.setFont(sized_font(look, TITLE_UNITS, bold=True))
        self.worst.setFont(sized_font(look, TEXT_UNITS))
        self.button.setFont(sized_font(look, 17))
        for part in (self.heading, self.button):
            part.setFixedHeight(look.px(FIRST_LINE_UNITS))
        self._column.setSpacing(look.px(2))

    def say(self, said: AlarmsSaid, has_control: bool) -> None:
        """Show the alarms; acknowledging needs control."""
        color = self._look.theme.of(said.heading.severity)
        self.heading.say(said.heading.text, color)
        self.worst.set_text(said.worst, color)
        if self.button.isHidden() == bool(said.count):
            self.button.setVisible(bool(said.count))
        if self.button.isEnabled() != has_control:
            self.button.setEnabled(has_control)
            self.button.setToolTip("" if has_control else "Take control first.")


class ControlBlock(QtWidgets.QWidget):  # type: ignore[misc]
    """Who has control, and the button that takes or gives it; taking it from somebody asks for a second click."""

    asked = QtCore.Signal(str)  # "take", "take_over" or "give"

    def __init__(self) -> None:
        super().__init__()
        self.holder = StateLabel()
        self.button = QtWidgets.QPushButton()
        self.button.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self.button.clicked.connect(self._clicked)
        self._does = "take"
        self._is_sure = False
        self._look = Look()
        self._sure_timer = QtCore.QTimer(self)
        self._sure_timer.setSingleShot(True)
        self._sure_timer.setInterval(SURE_FOR_MS)
        self._sure_timer.timeout.connect(self._forget)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.holder)
        row.addWidget(self.button)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.setFont(sized_font(look, 18))
        self.layout().setSpacing(look.px(10))

    def say(self, said: Said, *, has_control: bool, is_held: bool, is_gone: bool) -> None:
        """Show who has control; `is_held` by anybody."""
        theme = self._look.theme
        self.holder.say(said.text, theme.text if has_control else theme.dim)
        self._does = "give" if has_control else "take_over" if is_held else "take"
        if self._does != "take_over":
            self._forget()
        if self.button.isEnabled() == is_gone:
            self.button.setEnabled(not is_gone)
        self._name_button()

    def _name_button(self) -> None:
        name = {"give": "Give control", "take": "Take control", "take_over": "Take over..."}[self._does]
        if self._is_sure:
            name = "Take over now?"
        if self.button.text() != name:
            self.button.setText(name)

    def _clicked(self) -> None:
        if self._does == "take_over" and not self._is_sure:
            self._is_sure = True
            self._sure_timer.start()
            self._name_button()
            return
        does = self._does
        self._forget()
        self.asked.emit(does)

    def _forget(self) -> None:
        self._is_sure = False
        self._sure_timer.stop()
        self._name_button()
