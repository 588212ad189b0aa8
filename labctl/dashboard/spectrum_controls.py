"""The rows of buttons over the spectrum plot: which trace, what it shows, markers, scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.look import Look, Theme
from labctl.dashboard.trace_modes import TraceMode
from labctl.dashboard.trace_style import TraceStyle

TEXT_UNITS = 15
FEW_TRACES = 5  # up to which a button has room for "BHD 1 W", not only "1"
LEVEL_LIMIT_DB = 400.0


@dataclass(frozen=True)
class TraceButton:
    """What the button of one trace shows."""

    channel: str
    style: TraceStyle
    mode: TraceMode
    selected: bool


def sheet(look: Look) -> str:
    """Return the style of the controls: flat, a frame where pressed."""
    theme = look.theme
    return (
        f"QToolButton {{ color: {theme.text}; background: {theme.panel}; border: 1px solid {theme.line};"
        f" border-radius: {look.px(3)}px; padding: {look.px(2)}px {look.px(3.5)}px; }}"
        f"QToolButton:checked {{ background: {theme.line}; border-color: {theme.dim}; }}"
        f"QToolButton:hover, QToolButton:focus {{ border-color: {theme.text}; }}"
        f"QToolButton:disabled {{ color: {theme.line}; }}"
        f"QLabel {{ color: {theme.dim}; }}"
        f"QDoubleSpinBox {{ color: {theme.text}; background: {theme.background}; border: 1px solid {theme.line};"
        f" padding: {look.px(1)}px; selection-background-color: {theme.dim}; }}"
    )


class ButtonRow(QtWidgets.QWidget):  # type: ignore[misc]
    """A row of flat buttons of one look."""

    def __init__(self) -> None:
        super().__init__()
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)

    def _button(
        self, text: str, tip: str, pressed: Callable[[], None], checkable: bool = False
    ) -> QtWidgets.QToolButton:
        button = QtWidgets.QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setCheckable(checkable)
        button.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda _=False: pressed())
        return button

    def _label(self, text: str) -> QtWidgets.QLabel:
        label = QtWidgets.QLabel(text)
        self._row.addWidget(label)
        return label

    def use_look(self, look: Look) -> None:
        """Take colours and sizes."""
        font = QtGui.QFont("DejaVu Sans")
        font.setPixelSize(look.px(TEXT_UNITS))
        self.setStyleSheet(sheet(look))
        for widget in self.findChildren(QtWidgets.QWidget):
            widget.setFont(font)
        self._row.setSpacing(look.px(4))


class TraceRow(ButtonRow):
    """One button for each trace, with its line and the letter of its mode; shot and dark noise; the chooser."""

    def __init__(
        self,
        select: Callable[[str], None],
        references: Callable[[], None],
        choose: Callable[[], None],
        settings: Callable[[], None],
    ) -> None:
        super().__init__()
        self._select = select
        self._look = Look()
        self._shown: tuple[TraceButton, ...] = ()
        self.buttons: dict[str, QtWidgets.QToolButton] = {}
        self.shot = self._button("shot", "Shot noise of the selected trace", references, checkable=True)
        self.dark = self._button("dark", "Dark noise of the selected trace", references, checkable=True)
        self.chooser = self._button("choose …", "Choose up to eight detectors", choose)
        for button in (self.shot, self.dark):
            button.setChecked(True)
        self.settings = self._button("⚙", "Settings of the live spectra: averages, age of the shot noise", settings)
        for button in (self.chooser, self.shot, self.dark):
            self._row.addWidget(button)
        self._row.addStretch(1)
        self._row.addWidget(self.settings)
        self.chooser.hide()

    def show_buttons(self, wanted: tuple[TraceButton, ...], may_choose: bool) -> None:
        """Show these traces, in order."""
        if self.chooser.isHidden() == may_choose:
            self.chooser.setVisible(may_choose)
        if wanted == self._shown:
            return
        if [item.channel for item in wanted] != list(self.buttons):
            self._rebuild(wanted)
        known = {item.channel: item for item in self._shown}
        short = sum(item.channel.startswith("bhd") for item in wanted) > FEW_TRACES
        self._shown = wanted
        for item in wanted:
            button = self.buttons[item.channel]
            name = item.style.name.removeprefix("BHD ") if short else item.style.name
            is_plain = short and item.mode is TraceMode.WRITE
            button.setText(name if is_plain else f"{name} {item.mode.value}")
            button.setToolTip(f"{item.style.name}: {item.mode.word}")
            button.setChecked(item.selected)
            old = known.get(item.channel)
            if old is None or old.style != item.style or button.icon().isNull():
                button.setIcon(line_icon(item.style, self._look))

    def _rebuild(self, wanted: tuple[TraceButton, ...]) -> None:
        for button in self.buttons.values():
            self._row.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons = {}
        for place, item in enumerate(wanted):
            button = self._button("", item.style.name, partial(self._select, item.channel), checkable=True)
            button.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            self._row.insertWidget(place, button)
            self.buttons[item.channel] = button
        self._shown = ()
        ButtonRow.use_look(self, self._look)
        self._size_icons()

    def use_look(self, look: Look) -> None:
        """Take colours and sizes."""
        self._look = look
        super().use_look(look)
        self._size_icons()
        for item in self._shown:
            self.buttons[item.channel].setIcon(line_icon(item.style, look))

    def _size_icons(self) -> None:
        for button in self.buttons.values():
            button.setIconSize(QtCore.QSize(self._look.px(20), self._look.px(14)))


class ModeRow(ButtonRow):
    """Mode of the selected trace, markers, and the scale."""

    def __init__(
        self,
        use_mode: Callable[[TraceMode], None],
        actions: Mapping[str, Callable[[], None]],
        levels: Callable[[], None],
    ) -> None:
        super().__init__()
        self.modes: dict[TraceMode, QtWidgets.QToolButton] = {}
        self.labels = [self._label("trace")]
        for mode in TraceMode:
            tip = f"{mode.word[0].upper()}{mode.word[1:]}{' (H)' if mode is TraceMode.MAX_HOLD else ''}"
            self.modes[mode] = self._add(mode.value, tip, partial(use_mode, mode), checkable=True)
        self.restart = self._add("↺", "Restart averages and holds (A)", actions["restart"])
        self._row.addStretch(1)
        self.labels.append(self._label("marker"))
        self.markers = {
            "marker": self._add("M", "New marker (M)", actions["marker"]),
            "delta": self._add("Δ", "New delta marker from the selected one (D)", actions["delta"]),
            "noise": self._add("noise", "Noise marker or normal marker", actions["noise"], checkable=True),
            "peak": self._add("peak", "To the highest peak in view (P)", actions["peak"]),
            "next": self._add("next", "To the next lower peak (N)", actions["next"]),
            "remove": self._add("×", "Remove the selected marker (Del)", actions["remove"]),
        }
        self._row.addStretch(1)
        self.relative = self._add("rel.", "Relative to shot noise or absolute (R)", actions["relative"], checkable=True)
        self.auto = self._add(
            "auto", "Show all: full span, levels follow (double click)", actions["auto"], checkable=True
        )
        self.low, self.high = (
            self._level("Level at the lower edge", levels),
            self._level("Level at the upper edge", levels),
        )
        self.labels.append(self._label("dB"))

    def _add(self, text: str, tip: str, pressed: Callable[[], None], checkable: bool = False) -> QtWidgets.QToolButton:
        button = self._button(text, tip, pressed, checkable)
        self._row.addWidget(button)
        return button

    def _level(self, tip: str, changed: Callable[[], None]) -> QtWidgets.QDoubleSpinBox:
        box = QtWidgets.QDoubleSpinBox()
        box.setRange(-LEVEL_LIMIT_DB, LEVEL_LIMIT_DB)
        box.setDecimals(1)
        box.setButtonSymbols(QtWidgets.QAbstractSpinBox.ButtonSymbols.NoButtons)
        box.setKeyboardTracking(False)
        box.setToolTip(tip)
        box.setAccessibleName(tip)
        box.setFocusPolicy(QtCore.Qt.FocusPolicy.ClickFocus)
        box.valueChanged.connect(lambda _: changed())
        self._row.addWidget(box)
        return box

    def use_look(self, look: Look) -> None:
        """Take colours and sizes."""
        super().use_look(look)
        for box in (self.low, self.high):
            box.setFixedWidth(look.px(62))

    def show_levels(self, low_db: float, high_db: float) -> None:
        """Show the levels at the edges, unless they are being typed."""
        for box, value in ((self.low, low_db), (self.high, high_db)):
            if not box.hasFocus() and abs(box.value() - value) > 0.05:
                box.blockSignals(True)
                box.setValue(value)
                box.blockSignals(False)


def line_icon(style: TraceStyle, look: Look) -> QtGui.QIcon:
    """Return a picture of a trace's line: colour, dashes, thickness."""
    width, height = look.px(20), look.px(14)
    pixmap = QtGui.QPixmap(width, height)
    pixmap.fill(QtCore.Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    pen = QtGui.QPen(QtGui.QColor(style.colour))
    thick = look.px(style.thickness + 1)
    pen.setWidth(thick)
    pen.setCapStyle(QtCore.Qt.PenCapStyle.FlatCap)
    if style.dashes:
        pen.setDashPattern([max(1.0, 0.7 * look.px(length)) / thick for length in style.dashes])
    painter.setPen(pen)
    painter.drawLine(0, height // 2, width, height // 2)
    painter.end()
    return QtGui.QIcon(pixmap)


def plain_style(name: str, theme: Theme, dashes: tuple[int, ...]) -> TraceStyle:
    """Return the style of a reference: thin, in the grey of the traces."""
    return TraceStyle(name, theme.traces[7], 1.0, dashes)
