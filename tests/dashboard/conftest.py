"""The bundled font and the style that make a screen look the same everywhere, for every test of the dashboard."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.dashboard.look import THEMES, Look


def _fonts() -> list[Path]:
    found = importlib.util.find_spec("matplotlib")
    assert found is not None and found.origin is not None
    return sorted(Path(found.origin).parent.glob("mpl-data/fonts/ttf/DejaVuSans*.ttf"))


HERE = Path(__file__).parent
COLLECT_EVERY = 25  # tests: a whole collection takes some ten milliseconds
_tests_since = 0


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Collect garbage between tests alone: widgets in a cycle that go in the middle of a painting end the process.

    Pytest asks this for the tests of all rooms; those of the others are none of its business.
    """
    global _tests_since  # noqa: PLW0603 - a hook keeps nothing else
    if not item.path.is_relative_to(HERE):
        yield
        return
    gc.disable()
    yield
    _tests_since += 1
    if _tests_since >= COLLECT_EVERY or nextitem is None or nextitem.path != item.path:
        _tests_since = 0
        if QtWidgets.QApplication.instance() is not None:
            QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
        gc.collect()
    gc.enable()


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
