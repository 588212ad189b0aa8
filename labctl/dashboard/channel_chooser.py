"""Which detectors to show where there are more than eight: a sheet of buttons that opens below its own button."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.look import Look
from labctl.dashboard.spectrum_controls import TEXT_UNITS, sheet
from labctl.dashboard.trace_store import MOST_DETECTORS

COLUMNS = 8


class ChannelChooser(QtWidgets.QFrame):  # type: ignore[misc]
    """One button for each detector; `chosen` is called with the channels at every change. Eight is the most."""

    def __init__(
        self, channels: Sequence[str], now: Sequence[str], look: Look, chosen: Callable[[list[str]], None]
    ) -> None:
        super().__init__(None, QtCore.Qt.WindowType.Popup)
        self._chosen = chosen
        self.setFrameShape(QtWidgets.QFrame.Shape.Box)
        font = QtGui.QFont("DejaVu Sans")
        font.setPixelSize(look.px(TEXT_UNITS))
        self.setStyleSheet(f"ChannelChooser {{ background: {look.theme.panel}; }}" + sheet(look))
        grid = QtWidgets.QGridLayout(self)
        grid.setSpacing(look.px(3))
        self.count = QtWidgets.QLabel()
        self.count.setFont(font)
        grid.addWidget(self.count, 0, 0, 1, COLUMNS)
        self.buttons: dict[str, QtWidgets.QToolButton] = {}
        for place, channel in enumerate(channels):
            button = QtWidgets.QToolButton()
            button.setText(channel.removeprefix("bhd"))
            button.setAccessibleName(f"Show {channel}")
            button.setFont(font)
            button.setCheckable(True)
            button.setChecked(channel in now)
            button.setMinimumWidth(look.px(44))
            button.clicked.connect(lambda _=False: self._changed())
            grid.addWidget(button, 1 + place // COLUMNS, place % COLUMNS)
            self.buttons[channel] = button
        self._limit()

    def _changed(self) -> None:
        self._limit()
        self._chosen([channel for channel, button in self.buttons.items() if button.isChecked()])

    def _limit(self) -> None:
        shown = sum(button.isChecked() for button in self.buttons.values())
        full = shown >= MOST_DETECTORS
        self.count.setText(f"{shown} of {MOST_DETECTORS} chosen" + ("; take one away first" if full else ""))
        for button in self.buttons.values():
            button.setEnabled(button.isChecked() or not full)
