"""The box that the panels of the first page share: a title, a note beside it, and buttons at its right."""

from __future__ import annotations

from dataclasses import replace

from pyqtgraph.Qt import QtGui, QtWidgets

from labctl.bus.messages import Severity
from labctl.dashboard.dressing import TEXT_UNITS as TABLE_UNITS
from labctl.dashboard.dressing import dress
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.state_glyphs import STALE

TEXT_UNITS = 16  # of `Look.px`: this page is dense
SMALL_UNITS = 15
GAP_UNITS = 8
_BUTTON_PAD_UNITS = 9  # padding and border
VIEW_ONLY = "This screen is view-only: take control first"


class PanelBox(QtWidgets.QFrame):  # type: ignore[misc]
    """A framed panel with a title row above `body`."""

    def __init__(self, title: str, look: Look) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("panel")
        self._title = QtWidgets.QLabel(title)
        self._note = QtWidgets.QLabel("")
        self._severity = Severity.NONE
        self._buttons: dict[QtWidgets.QPushButton, tuple[str, ...]] = {}
        self.title_row = QtWidgets.QHBoxLayout()
        self.title_row.addWidget(self._title)
        self.title_row.addWidget(self._note)
        self.title_row.addStretch(1)
        self.body = QtWidgets.QVBoxLayout()
        outer = QtWidgets.QVBoxLayout(self)
        outer.addLayout(self.title_row)
        outer.addLayout(self.body, 1)
        self._dress_box()

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self.look = look
        self._dress_box()

    def set_title(self, title: str) -> None:
        """Show another title."""
        if title != self._title.text():
            self._title.setText(title)

    def set_note(self, text: str, severity: Severity = Severity.NONE) -> None:
        """Show a short text beside the title, in the colour of its severity."""
        if (text, severity) == (self._note.text(), self._severity):
            return
        self._note.setText(text)
        self._severity = severity
        _colour(self._note, self.look.theme.of(severity))

    def set_gone(self) -> None:
        """Say that what is shown is no longer so: the core is not heard."""
        self.set_note(f"{STALE.text}: core not heard", STALE.severity)

    @property
    def note(self) -> str:
        """The text beside the title."""
        return str(self._note.text())

    def add_button(self, name: str, row: QtWidgets.QHBoxLayout, *other_names: str) -> QtWidgets.QPushButton:
        """Return a new button in `row`, wide enough for the other names that it may take."""
        button = QtWidgets.QPushButton(name)
        row.addWidget(button)
        self._buttons[button] = (name, *other_names)
        return button

    def _dress_box(self) -> None:
        look, theme = self.look, self.look.theme
        dress(self, look)
        self.setFont(sized_font(look, TEXT_UNITS))
        self.setStyleSheet(
            f"QFrame#panel {{ background: {theme.panel}; border: {look.px(1)}px solid {theme.line}; }}"
            f"QFrame#panel QPushButton {{ padding: {look.px(2)}px {look.px(7)}px; }}"
            "QFrame#panel QTableView { border: none; }"
            "QFrame#panel QHeaderView, QFrame#panel QHeaderView::section, QFrame#panel QTableCornerButton::section"
            f"{{ background: {theme.panel}; }}"
            f"QFrame#panel QHeaderView::section {{ padding: {look.px(2)}px; }}"
        )
        margin, gap = look.px(GAP_UNITS), look.px(GAP_UNITS / 2)
        outer = self.layout()
        outer.setContentsMargins(margin, gap, margin, gap)
        outer.setSpacing(gap)
        self.body.setSpacing(gap)
        self.title_row.setSpacing(look.px(GAP_UNITS))
        self._title.setFont(sized_font(look, SMALL_UNITS, bold=True))
        _colour(self._title, theme.dim)
        self._note.setFont(sized_font(look, SMALL_UNITS))
        _colour(self._note, theme.of(self._severity))
        for button, names in self._buttons.items():
            button.setFont(sized_font(look, TEXT_UNITS))
            widest = max(map(button.fontMetrics().horizontalAdvance, names))
            button.setFixedWidth(widest + 2 * look.px(_BUTTON_PAD_UNITS) + look.px(4))


def _colour(label: QtWidgets.QLabel, colour: str) -> None:
    palette = label.palette()
    palette.setColor(QtGui.QPalette.ColorRole.WindowText, QtGui.QColor(colour))
    label.setPalette(palette)


def row_look(look: Look) -> Look:
    """Return the look with which a table of texts has the letters of this page."""
    return replace(look, scale=look.scale * TEXT_UNITS / TABLE_UNITS)


def refusal(has_control: bool, *conditions: tuple[bool, str]) -> str:
    """Return why a button can't be used: no control, else the first condition that does not hold; "" it can."""
    if not has_control:
        return VIEW_ONLY
    return next((why for holds, why in conditions if not holds), "")


def allow(button: QtWidgets.QPushButton, why_not: str, tip: str) -> None:
    """Enable a button, or disable it and say why in its tool tip."""
    if button.isEnabled() != (not why_not):
        button.setEnabled(not why_not)
    shown = why_not or tip
    if button.toolTip() != shown:
        button.setToolTip(shown)
