"""Colours, borders and margins of the standard widgets, from a look: one style sheet for a window.

Letters take their size from the fonts of the widgets, never from here, so that a page can set its own.
"""

from __future__ import annotations

from labctl.dashboard.look import Look


def style_sheet(look: Look) -> str:
    """Return the style sheet of a window and all in it."""
    theme = look.theme
    colors = {
        "BACKGROUND": theme.background,
        "PANEL": theme.panel,
        "LINE": theme.line,
        "TEXT": theme.text,
        "DIM": theme.dim,
    }
    sizes = {f"{units}PX": f"{look.px(units)}px" for units in (24, 14, 12, 10, 8, 6, 4, 3, 2, 1)}
    text = _SHEET
    for word, value in {**colors, **sizes}.items():
        text = text.replace(f"@{word}", value)
    return text


# Spin boxes and combo boxes have no rules: with one, Qt draws their arrows no more; they take the palette.
# A QTabBar::tab has no colour here: each tab has its own, by setTabTextColor, which a rule would overrule.
_SHEET = """
QGroupBox {
    background: @PANEL; border: @1PX solid @LINE; border-radius: @4PX;
    margin-top: @12PX; padding-top: @8PX;
}
QGroupBox::title {
    subcontrol-origin: margin; subcontrol-position: top left; left: @10PX; padding: 0 @4PX; color: @DIM;
}
QPushButton, QToolButton {
    background: @PANEL; color: @TEXT; border: @1PX solid @LINE; border-radius: @4PX; padding: @3PX @10PX;
}
QPushButton:hover, QToolButton:hover { border-color: @DIM; }
QPushButton:pressed, QPushButton:checked, QToolButton:pressed, QToolButton:checked { background: @LINE; }
QPushButton:disabled, QToolButton:disabled { color: @DIM; background: @BACKGROUND; border-color: @LINE; }
QPushButton:focus, QToolButton:focus, QTableView:focus { border-color: @DIM; }
QCheckBox, QRadioButton { color: @TEXT; background: transparent; spacing: @6PX; }
QCheckBox:disabled, QRadioButton:disabled { color: @DIM; }
QLineEdit, QPlainTextEdit, QTextEdit {
    background: @BACKGROUND; color: @TEXT; border: @1PX solid @LINE; border-radius: @3PX; padding: @2PX @6PX;
    selection-background-color: @LINE; selection-color: @TEXT;
}
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus { border-color: @TEXT; }
QLineEdit:disabled { color: @DIM; }
QTableView, QTreeView, QListView {
    background: @PANEL; alternate-background-color: @BACKGROUND; color: @TEXT; border: @1PX solid @LINE;
    gridline-color: @LINE; selection-background-color: @LINE; selection-color: @TEXT;
}
QHeaderView { background: @BACKGROUND; }
QHeaderView::section {
    background: @BACKGROUND; color: @DIM; border: none; border-bottom: @1PX solid @LINE; padding: @3PX @6PX;
}
QTableCornerButton::section { background: @BACKGROUND; border: none; }
QTabBar { background: transparent; }
QTabBar::tab {
    background: @BACKGROUND; border: @1PX solid @LINE; border-radius: @4PX;
    padding: @3PX @12PX; margin-right: @4PX;
}
QFrame#header { border: none; border-bottom: @1PX solid @LINE; }
QTabBar::tab:selected { background: @LINE; }
QTabWidget::pane { border: @1PX solid @LINE; }
QProgressBar { background: @LINE; color: @TEXT; border: none; border-radius: @2PX; text-align: center; }
QProgressBar::chunk { background: @DIM; border-radius: @2PX; }
QScrollBar:vertical { background: @BACKGROUND; width: @12PX; margin: 0; }
QScrollBar:horizontal { background: @BACKGROUND; height: @12PX; margin: 0; }
QScrollBar::handle { background: @LINE; border-radius: @4PX; min-height: @24PX; min-width: @24PX; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollArea { border: none; }
QToolTip { background: @PANEL; color: @TEXT; border: @1PX solid @LINE; padding: @4PX; }
QSplitter::handle { background: @LINE; }
"""
