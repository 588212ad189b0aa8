"""The screens as a program: up in time, ended by Ctrl-C, and honest about faults."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from pyqtgraph.Qt import QtCore, QtWidgets
from pytestqt.exceptions import capture_exceptions
from stub_table import StubTable

from labctl.bus.latest import Latest
from labctl.dashboard import fonts
from labctl.dashboard.application import run_dashboard
from labctl.dashboard.core_chooser import CoreChooser
from labctl.dashboard.look import Look
from labctl.dashboard.page import Commander
from labctl.dashboard.window import MainWindow
from labctl.errors import LabError


class Blank(QtWidgets.QWidget):  # type: ignore[misc]
    """A page with nothing on it."""

    title = "Overview"

    def show_latest(self, latest: Latest, now: float) -> None:
        pass

    def use_look(self, look: Look) -> None:
        pass


def pages(commander: Commander, turn_to: object) -> list[QtWidgets.QWidget]:
    return [Blank()]


def windows() -> list[QtWidgets.QWidget]:
    return [one for one in QtWidgets.QApplication.topLevelWidgets() if one.isVisible()]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)


def soon(does: Callable[[], object], ms: int = 50) -> None:
    QtCore.QTimer.singleShot(ms, does)


def test_the_window_is_up_within_two_seconds_and_ctrl_c_closes_it(qapp: QtWidgets.QApplication) -> None:
    table, began, up = StubTable(), time.monotonic(), []
    table.tell(time.time())

    def look() -> None:
        (window,) = windows()
        up.append((time.monotonic() - began, window.width(), window.height(), table.starts))
        os.kill(os.getpid(), signal.SIGINT)

    soon(look)
    before = signal.getsignal(signal.SIGINT)
    assert run_dashboard([table], pages) == 0
    ((took_s, width, height, starts),) = up
    assert took_s < 2.0
    assert width >= 1280
    assert height >= 720
    assert starts == 1
    assert table.closes == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_without_a_link_a_core_is_started_and_its_window_shown(qapp: QtWidgets.QApplication) -> None:
    table, asked, shown = StubTable(), [], []

    def start(path: str) -> StubTable:
        asked.append(path)
        if len(asked) == 1:
            raise LabError("table.toml does not exist.")
        return table

    def choose() -> None:
        (chooser,) = windows()
        assert isinstance(chooser, CoreChooser)
        assert "tried" in chooser.message.text()
        assert not chooser.connect_button.isEnabled()
        chooser.station.setText("table.toml")
        chooser.start_button.click()
        shown.append(chooser.message.text())
        chooser.start_button.click()
        soon(look)

    def look() -> None:
        (window,) = windows()
        assert isinstance(window, MainWindow)
        shown.append(window.mask.text.text())
        window.close()

    soon(choose)
    assert run_dashboard([], pages, start_core=start, why_none="here:5075 was tried.") == 0
    assert asked == ["table.toml", "table.toml"]
    assert shown[0] == "✗ table.toml does not exist."
    assert shown[1].startswith("Attaching to stub:5075/labctl")


def test_quit_ends_it(qapp: QtWidgets.QApplication) -> None:
    def leave() -> None:
        (chooser,) = windows()
        chooser.quit_button.click()

    soon(leave)
    assert run_dashboard([], pages) == 0


def test_a_fault_of_the_screen_is_shown_and_does_not_end_it(
    qapp: QtWidgets.QApplication, capsys: pytest.CaptureFixture[str]
) -> None:
    table, shown = StubTable(), []

    def fail() -> None:
        soon(look)
        raise KeyError("no such loop")

    def look() -> None:
        (window,) = windows()
        shown.append(window.message_bar.error.text())
        window.close()

    soon(fail)
    with capture_exceptions():
        assert run_dashboard([table], pages) == 0
    assert "A fault of the screen, not of the table: KeyError('no such loop')" in shown[0]
    assert "KeyError" in capsys.readouterr().err


def test_missing_fonts_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LabError, match="fonts of the screens are missing"):
        fonts.font_files()


def test_the_bundled_fonts_are_loaded(qapp: QtWidgets.QApplication) -> None:
    fonts.load_fonts(qapp)
    assert qapp.font().family() == fonts.FAMILY
    assert fonts.mono_font(Look()).exactMatch()
