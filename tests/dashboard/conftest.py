"""The bundled font and the style that make a screen look the same everywhere, for every test of the dashboard."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from pyqtgraph.Qt import QtGui, QtWidgets

from labctl.dashboard.look import THEMES, Look


def _fonts() -> list[Path]:
    found = importlib.util.find_spec("matplotlib")
    assert found is not None and found.origin is not None
    return sorted(Path(found.origin).parent.glob("mpl-data/fonts/ttf/DejaVuSans*.ttf"))


@pytest.fixture(autouse=True)
def _dressed(qapp: QtWidgets.QApplication) -> None:
    if qapp.font().family() != "DejaVu Sans":
        for path in _fonts():
            QtGui.QFontDatabase.addApplicationFont(str(path))
        font = QtGui.QFont("DejaVu Sans")
        font.setHintingPreference(QtGui.QFont.HintingPreference.PreferNoHinting)
        qapp.setFont(font)
        qapp.setStyle("Fusion")


@pytest.fixture
def look() -> Look:
    """Return the dark theme at 1080 lines."""
    return Look(THEMES["dark"])
