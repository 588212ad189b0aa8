"""A small question: a sentence, a line to fill in, a choice, and two buttons.

It never blocks the window behind it: the stop must work while a question is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.dashboard.dressing import dress
from labctl.dashboard.look import Look

_WIDTH_UNITS, _GAP_UNITS = 520, 10


@dataclass(frozen=True)
class Question:
    """What is asked. `label` names the line to fill in, "" none; of `choices` one is taken, none where there are
    none."""

    title: str
    sentence: str
    button: str
    label: str = ""
    needs_text: bool = False
    choices: tuple[str, ...] = ()
    longest: int = 500


class AskDialog(QtWidgets.QDialog):  # type: ignore[misc]
    """Asks, and calls `agreed` with the text and the place of the choice; Escape or Cancel call nothing."""

    def __init__(
        self, parent: QtWidgets.QWidget, look: Look, question: Question, agreed: Callable[[str, int], None]
    ) -> None:
        super().__init__(parent)
        self._question, self._agreed = question, agreed
        self.setWindowTitle(question.title)
        self.setModal(False)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        self.sentence = QtWidgets.QLabel(question.sentence)
        self.sentence.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.choice = _chooser(question.choices)
        self.text = QtWidgets.QLineEdit()
        self.text.setMaxLength(question.longest)
        self.text.textChanged.connect(self._check)
        self.agree = QtWidgets.QPushButton(question.button)
        self.cancel = QtWidgets.QPushButton("Cancel")
        self.agree.clicked.connect(self._accept)
        self.cancel.clicked.connect(self.close)
        self._lay_out(look)
        dress(self, look)
        self.setMinimumWidth(look.px(_WIDTH_UNITS))
        self._check()

    def _lay_out(self, look: Look) -> None:
        lines = QtWidgets.QVBoxLayout(self)
        gap = look.px(_GAP_UNITS)
        lines.setContentsMargins(2 * gap, 2 * gap, 2 * gap, gap)
        lines.setSpacing(gap)
        lines.addWidget(self.sentence)
        self.choice.setVisible(bool(self._question.choices))
        lines.addWidget(self.choice)
        name = QtWidgets.QLabel(self._question.label)
        for part in (name, self.text):
            part.setVisible(bool(self._question.label))
            lines.addWidget(part)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.agree)
        lines.addLayout(buttons)

    def ask(self) -> None:
        """Show the question and return at once."""
        self.show()
        self.raise_()
        (self.text if self._question.label else self.cancel).setFocus()

    def _check(self, *_: object) -> None:
        self.agree.setEnabled(not self._question.needs_text or bool(self.text.text().strip()))

    def _accept(self) -> None:
        self._agreed(self.text.text().strip(), self.choice.currentIndex())
        self.close()


def _chooser(choices: Sequence[str]) -> QtWidgets.QComboBox:
    chooser = QtWidgets.QComboBox()
    chooser.addItems(list(choices))
    return chooser
