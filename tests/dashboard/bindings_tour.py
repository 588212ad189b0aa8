"""A tour through the window with whatever binding of Qt pyqtgraph is told to take: `python bindings_tour.py`.

Shows every page, dialog, banner and theme of a table that is not there, and ends with the name of the binding.
"""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType

from full_scene import full_table
from pyqtgraph.Qt import QT_LIB, QtCore, QtGui, QtTest, QtWidgets
from stub_table import NOW, StubTable, core_row

from labctl.bus.messages import CoreRow, ParameterRow, ProcedureRow, RunSummaryRow, SettingRow
from labctl.bus.replies import Reply
from labctl.dashboard.application import _make_application
from labctl.dashboard.core_chooser import CoreChooser
from labctl.dashboard.fonts import load_fonts
from labctl.dashboard.look import THEMES, Look
from labctl.dashboard.pages import all_pages
from labctl.dashboard.window import MainWindow

LEFT, PLAIN = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.KeyboardModifier.NoModifier
KEYS = "23451MDPNHARTTT"
NOT_THIS_ONE = 77  # exit status: the binding itself is broken on this Python
CALLS = 2000
FAULTS: list[str] = []


def note_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Keep what went wrong in an event, where some bindings would only print it and others abort."""
    FAULTS.append("".join(traceback.format_exception(kind, error, trace)))


def takes_none_away() -> bool:
    """Return whether every call that returns nothing takes a reference from None: a few thousand of them would end the
    program. PySide6 6.12.0 does on Python 3.11, where None is not immortal yet."""
    thing, before = QtCore.QObject(), sys.getrefcount(None)
    for _ in range(CALLS):
        thing.setObjectName("x")
    return sys.getrefcount(None) < before - CALLS // 2


def settle() -> None:
    """Let everything be painted."""
    for _ in range(4):
        QtWidgets.QApplication.processEvents()


def scene() -> StubTable:
    """Return a table with procedures, settings and runs."""
    table = full_table()
    table.latest.put_rows(ProcedureRow, [ProcedureRow("warm_oven", "Warm the oven", "Ramps and waits.")])
    parameters = [("float", "35.0", ""), ("integer", "3", ""), ("boolean", "True", ""), ("choice", "a", "a|b")]
    table.latest.put_rows(
        ParameterRow,
        [
            ParameterRow("warm_oven", kind, kind, kind, "K", default, 0.0, 100.0, choices, "What it is.")
            for kind, default, choices in parameters
        ],
    )
    table.latest.put_rows(SettingRow, [SettingRow("live.averages", "Averages", 50.0, "", 1.0, 1e4, True)])
    run = RunSummaryRow("20251124-x", "2025-11-24T21:04:00+00:00", "a night", "complete", "31 of 31", "")
    table.commander.answers["list_runs"] = Reply(rows=(run,))
    return table


def press(window: MainWindow, letters: str) -> None:
    """Press keys on the window."""
    for letter in letters:
        key = QtCore.Qt.Key.Key_Space if letter == " " else QtCore.Qt.Key(ord(letter))
        QtTest.QTest.keyClick(window, key)
        settle()


def tour(window: MainWindow, table: StubTable) -> None:
    """Go everywhere."""
    for theme in THEMES.values():
        window.use_look(Look(theme).for_height(720))
        for place, page in enumerate(window.table.pages):
            window.choose_page(place)
            settle()
            window.grab()
            for part in page.findChildren(QtWidgets.QWidget):
                where = QtCore.QPoint(5, 5)
                asks = QtGui.QHelpEvent(QtCore.QEvent.Type.ToolTip, where, part.mapToGlobal(where))
                QtWidgets.QApplication.sendEvent(part, asks)
    press(window, KEYS)
    for key in (QtCore.Qt.Key.Key_F1, QtCore.Qt.Key.Key_F1, QtCore.Qt.Key.Key_F11, QtCore.Qt.Key.Key_F11):
        QtTest.QTest.keyClick(window, key)
        settle()
    window.choose_page(0)
    overview = window.table.pages[0]
    for opens in (overview.open_launcher, overview.open_runs, overview.open_settings):
        opens()
        settle()
    overview.launcher.table.choose("warm_oven")
    overview.browser.table.choose("20251124-x")
    settle()
    for dialog in (overview.launcher, overview.browser, overview.settings):
        dialog.grab()
        dialog.close()
    overview.queue._ask_start()
    settle()
    overview.queue._dialog.close()
    canvas = overview.tiles.widget()
    QtTest.QTest.mouseDClick(canvas, LEFT, PLAIN, overview.tiles.tile_centre("lo2"))
    if window.table.currentIndex() != 1:
        FAULTS.append("A double click on a tile did not open its loop.")
    window.activateWindow()
    settle()
    press(window, " ")
    table.latest.put_rows(CoreRow, [core_row(stopped=True, stop_reason="a tour", stopped_by="me", stopped_at=NOW)])
    QtTest.QTest.mousePress(window.header.stop, LEFT)
    window._draw_header()
    settle()
    if not (window.stop_banner.isVisible() and window.frozen_banner.isVisible() and table.stops):
        FAULTS.append("STOP or Space did nothing.")
    window.send_picture()
    settle()
    if "note" not in table.commander.names():
        FAULTS.append("No picture was sent.")
    window.grab()


def main() -> int:
    """Return the number of faults."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if takes_none_away():
        return NOT_THIS_ONE
    sys.excepthook = note_fault
    application = _make_application()
    load_fonts(application)
    table = scene()
    window = MainWindow([table, full_table()], all_pages, clock=lambda: NOW)
    window.resize(1280, 720)
    window.show()
    window.activateWindow()
    settle()
    tour(window, table)
    chooser = CoreChooser(Look(), None, None, "No core runs on this machine.")
    chooser.show()
    settle()
    chooser.close()
    window.close()
    settle()
    for fault in FAULTS:
        print(fault)  # noqa: T201
    print(QT_LIB)  # noqa: T201
    return min(len(FAULTS), 50)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # what is left of Qt is taken away in an order that not every binding survives
