"""Theme and sizes for pages and dialogs that are made of Qt's own widgets."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look, Theme
from labctl.dashboard.style_sheet import style_sheet

TEXT_UNITS = 17  # of `Look.px`, for what is dense
HEADING_UNITS = 19

Role = QtGui.QPalette.ColorRole


def dress(widget: QtWidgets.QWidget, look: Look) -> None:
    """Give a page or a dialog, and all in it, the colours and the letters of `look`; what is a dialog has no window
    around it whose style sheet it would take."""
    widget.setPalette(palette_of(look.theme))
    widget.setAutoFillBackground(True)
    widget.setFont(sized_font(look, TEXT_UNITS))
    if isinstance(widget, QtWidgets.QDialog):
        widget.setStyleSheet(style_sheet(look))


def dress_tick(box: QtWidgets.QAbstractButton, look: Look) -> None:
    """Give a box to tick a ground that is seen in every theme."""
    palette = palette_of(look.theme)
    palette.setColor(Role.Base, QtGui.QColor(look.theme.line))
    box.setPalette(palette)


def hatching(look: Look) -> QtGui.QBrush:
    """Return the brush for the ground of what does not hold now."""
    colour = QtGui.QColor(look.theme.dim)
    colour.setAlphaF(0.45)
    brush = QtGui.QBrush(colour, QtCore.Qt.BrushStyle.BDiagPattern)
    coarse = max(1, round(look.scale))
    brush.setTransform(QtGui.QTransform.fromScale(coarse, coarse))
    return brush


def palette_of(theme: Theme) -> QtGui.QPalette:
    """Return Qt's palette in the colours of a theme."""
    palette = QtGui.QPalette()
    colours = {
        Role.Window: theme.background,
        Role.WindowText: theme.text,
        Role.Base: theme.panel,
        Role.AlternateBase: theme.background,
        Role.Text: theme.text,
        Role.Button: theme.panel,
        Role.ButtonText: theme.text,
        Role.ToolTipBase: theme.panel,
        Role.ToolTipText: theme.text,
        Role.PlaceholderText: theme.dim,
        Role.Highlight: theme.line,
        Role.HighlightedText: theme.text,
        Role.Light: theme.line,
        Role.Midlight: theme.line,
        Role.Mid: theme.line,
        Role.Dark: theme.line,
        Role.Shadow: theme.background,
        Role.BrightText: theme.major,
    }
    for role, colour in colours.items():
        palette.setColor(role, QtGui.QColor(colour))
    for role in (Role.WindowText, Role.Text, Role.ButtonText):
        palette.setColor(QtGui.QPalette.ColorGroup.Disabled, role, QtGui.QColor(theme.dim))
    return palette
