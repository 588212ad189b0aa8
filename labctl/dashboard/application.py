"""Runs the screens as a program of their own.

Qt is loaded only inside, after this machine was found to have what it needs: else it ends the program without a word.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from labctl.dashboard.look import THEMES, Look, ThemeName
from labctl.dashboard.system_libraries import check_system_libraries
from labctl.dashboard.table_link import TableLink

if TYPE_CHECKING:
    from labctl.dashboard.table_view import Pages
    from labctl.dashboard.window import MainWindow

HEAR_SIGNALS_EVERY_MS = 200  # Python hears Ctrl-C only between two of its own instructions


def run_dashboard(
    links: Sequence[TableLink],
    pages: Pages,
    *,
    wall: bool = False,
    theme: ThemeName = "dark",
    start_core: Callable[[str], TableLink] | None = None,
    connect: Callable[[str], TableLink] | None = None,
    why_none: str = "",
) -> int:
    """Show the window until it is closed, and return the exit code of the program.

    Without links a page offers to start a core for a station file (`start_core`, with its path) or to attach to one
    (`connect`, with what was typed); `why_none` says there what was tried. Both are called in the thread of the screen
    and return at once, with a link that need not be attached yet. Raise `LabError` if no window can be shown.
    """
    check_system_libraries()
    from pyqtgraph.Qt import QtCore, QtWidgets

    from labctl.dashboard.fonts import load_fonts
    from labctl.dashboard.garbage import collected_by_the_screen

    application = QtWidgets.QApplication.instance() or _make_application()
    load_fonts(application)
    look = Look(THEMES[theme], wall=wall)
    windows: list[Any] = []  # strong references, or Python takes the window away

    def show(shown: Sequence[TableLink]) -> None:
        windows.append(_show_window(shown, pages, look))

    if links:
        show(links)
    else:
        from labctl.dashboard.core_chooser import CoreChooser

        chooser = CoreChooser(look, start_core, connect, why_none)
        chooser.chosen.connect(lambda link: show([link]))
        windows.append(chooser)
        chooser.show()
    heartbeat = QtCore.QTimer()
    heartbeat.timeout.connect(lambda: None)
    heartbeat.start(HEAR_SIGNALS_EVERY_MS)
    with _ctrl_c_closes(application), _faults_are_shown(windows), collected_by_the_screen():
        code = int(application.exec())
    for window in windows:
        window.close()
    return code


def _make_application() -> Any:
    from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

    for name in ("AA_EnableHighDpiScaling", "AA_UseHighDpiPixmaps"):  # Qt 6 does so without being asked
        attribute = getattr(QtCore.Qt.ApplicationAttribute, name, None)
        if attribute is not None:
            QtWidgets.QApplication.setAttribute(attribute)
    exact = QtCore.Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
    QtGui.QGuiApplication.setHighDpiScaleFactorRoundingPolicy(exact)
    application = QtWidgets.QApplication(["labctl"])
    application.setApplicationName("labctl")
    return application


def _show_window(links: Sequence[TableLink], pages: Pages, look: Look) -> MainWindow:
    from labctl.dashboard.window import SMALLEST, MainWindow

    window = MainWindow(links, pages, look=look)
    if look.wall:
        window.showFullScreen()
        return window
    screen = window.screen().availableGeometry() if window.screen() is not None else None
    if screen is not None and screen.width() * screen.height() > SMALLEST[0] * SMALLEST[1]:
        window.resize(screen.width() * 9 // 10, screen.height() * 9 // 10)
    window.show()
    window.activateWindow()
    return window


@contextmanager
def _ctrl_c_closes(application: Any) -> Iterator[None]:
    """Let Ctrl-C in the terminal, and an end asked for by the system, close the window as its own button does."""

    def close(number: int, frame: object) -> None:
        application.closeAllWindows()
        application.quit()

    before = {number: signal.signal(number, close) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _faults_are_shown(windows: list[Any]) -> Iterator[None]:
    """Say a fault of the program in the window and in the terminal, where Qt would end the program."""
    before = sys.excepthook

    def shown(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        for window in windows:
            if hasattr(window, "warn"):
                window.warn(f"A fault of the screen, not of the table: {error!r}")

    sys.excepthook = shown
    try:
        yield
    finally:
        sys.excepthook = before
