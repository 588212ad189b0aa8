"""The fonts of the screens, DejaVu Sans and DejaVu Sans Mono, from the files that matplotlib brings.

Without any font Qt draws no text and says nothing, and with whatever the machine has every screen looks different.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.look import Look
from labctl.errors import LabError

FAMILY: Final = "DejaVu Sans"
MONO_FAMILY: Final = "DejaVu Sans Mono"
BODY_UNITS: Final = 19  # of `Look.px`: 13 px in a window of 720 lines
SMALL_UNITS: Final = 16


def font_files() -> list[Path]:
    """Return the files of both families; raise `LabError` where there are none."""
    found = importlib.util.find_spec("matplotlib")  # finds its folder without importing it
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" if found and found.origin else None
    files = sorted(folder.glob("DejaVuSans*.ttf")) if folder else []
    if not files:
        where = folder or "matplotlib, which is not there"
        raise LabError(
            f"The fonts of the screens are missing: no DejaVuSans*.ttf in {where}.",
            remedy="Install matplotlib again (pip install --force-reinstall matplotlib).",
        )
    return files


def load_fonts(application: QtWidgets.QApplication) -> None:
    """Load both families, and make DejaVu Sans without hinting and the Fusion style those of the whole program.

    Raise `LabError` where a file is missing or cannot be read.
    """
    for path in font_files():
        if QtGui.QFontDatabase.addApplicationFont(str(path)) < 0:
            raise LabError(f"{path} is no font that Qt can read.", remedy="Install matplotlib again.")
    application.setStyle("Fusion")
    application.setFont(_font(FAMILY, 13))


def let_parts_inherit() -> None:
    """Let widgets take font and palette of what they are in although that has a style sheet; Qt by itself does not."""
    attribute = QtCore.Qt.ApplicationAttribute.AA_UseStyleSheetPropagationInWidgetStyles
    QtCore.QCoreApplication.setAttribute(attribute)


def body_font(look: Look) -> QtGui.QFont:
    """Return the font of ordinary text."""
    return _font(FAMILY, look.px(BODY_UNITS))


def sized_font(look: Look, units: float, *, bold: bool = False) -> QtGui.QFont:
    """Return the font whose letters are so many units of `Look.px` high."""
    font = _font(FAMILY, look.px(units))
    font.setBold(bold)
    return font


def mono_font(look: Look) -> QtGui.QFont:
    """Return the font of what is written and read on a wire."""
    return _font(MONO_FAMILY, look.px(SMALL_UNITS))


def _font(family: str, pixels: int) -> QtGui.QFont:
    font = QtGui.QFont(family)
    font.setPixelSize(pixels)
    font.setHintingPreference(QtGui.QFont.HintingPreference.PreferNoHinting)
    return font
