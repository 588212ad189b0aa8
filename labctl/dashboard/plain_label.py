"""A label that shows a text as it is, in the sizes and colours of a look."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.dashboard.look import Look

LONGEST_UNBROKEN: int = 36  # characters of an item that stays on one line
NO_BREAK_SPACE = "\u00a0"


class PlainLabel(QtWidgets.QLabel):  # type: ignore[misc]
    """Plain text, never markup; drawn anew only where it changed. With `wraps` it takes the lines that it needs."""

    def __init__(self, text: str = "", *, wraps: bool = False) -> None:
        super().__init__(text)
        self._style = ""
        self.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.setWordWrap(wraps)
        if not wraps:
            self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Fixed)

    def say(self, text: str) -> None:
        """Show `text`."""
        if text != self.text():
            self.setText(text)

    def dress(self, look: Look, size: float, colour: str, *, bold: bool = False) -> None:
        """Take letters of `size` units and a colour."""
        weight = "bold" if bold else "normal"
        style = f"color: {colour}; font-family: 'DejaVu Sans'; font-size: {look.px(size)}px; font-weight: {weight};"
        if style != self._style:
            self._style = style
            self.setStyleSheet(f"QLabel {{ {style} background: transparent; }}")


def unbroken(line: str) -> str:
    """Keep what stands behind "=" together, if it is short: "κ = 1.203 ± 0.014 MHz" breaks before the number only."""
    name, equals, value = line.partition("= ")
    return f"{name}{equals}{value.replace(' ', NO_BREAK_SPACE)}" if len(value) <= LONGEST_UNBROKEN else line


def flowing(lines: list[str]) -> str:
    """Join lines into one text that breaks between them and not inside them, as far as they are short."""
    kept = (line.replace(" ", NO_BREAK_SPACE) if len(line) <= LONGEST_UNBROKEN else line for line in lines)
    return f"{NO_BREAK_SPACE}{NO_BREAK_SPACE} ".join(kept)
