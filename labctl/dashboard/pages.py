"""The pages of the window, in the order of their keys, and the ways from one to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pyqtgraph.Qt import QtWidgets

from labctl.bus.latest import Latest
from labctl.dashboard.instruments_page import InstrumentsPage
from labctl.dashboard.look import Look
from labctl.dashboard.loop_page import LoopPage
from labctl.dashboard.network_page import NetworkPage
from labctl.dashboard.overview_page import OverviewPage
from labctl.dashboard.page import Commander, Page
from labctl.dashboard.procedure_launcher import ProcedureLauncher
from labctl.dashboard.run_browser import RunBrowser
from labctl.dashboard.sensor_page import SensorPage
from labctl.dashboard.settings_dialog import SettingsDialog

LOOP_PAGE: Final = 1


def all_pages(commander: Commander, turn_to: Callable[[int], None]) -> list[Page]:
    """Return the five pages for one table; the window gives them their look. `turn_to` shows another page, by its
    place."""
    look = Look()
    overview = _Overview(look, commander)
    loop, sensor = LoopPage(look, commander), SensorPage(look, commander)

    def show_loop(name: str) -> None:
        loop.select(name)
        turn_to(LOOP_PAGE)

    overview.loop_opened.connect(show_loop)
    sensor.loop_chosen.connect(show_loop)
    return [overview, loop, sensor, NetworkPage(look, commander), InstrumentsPage(look, commander)]


class _Overview(OverviewPage):
    """The overview, and the windows that it opens beside it; none of them keeps the stop from being pressed."""

    def __init__(self, look: Look, commander: Commander) -> None:
        self._look = look
        self._commander = commander
        self._latest: Latest | None = None
        self.launcher: ProcedureLauncher | None = None
        self.browser: RunBrowser | None = None
        self.settings: SettingsDialog | None = None
        super().__init__(look, commander)
        self.add_requested.connect(self.open_launcher)
        self.runs_requested.connect(self.open_runs)
        self.settings_requested.connect(self.open_settings)

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw what the core told last."""
        self._latest = latest
        super().show_latest(latest, now)
        for beside in (self.launcher, self.settings):
            if beside is not None and beside.isVisible():
                beside.show_latest(latest, now)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        super().use_look(look)
        for beside in (self.launcher, self.browser, self.settings):
            if beside is not None:
                beside.use_look(look)

    def open_launcher(self) -> None:
        """Show the procedures that can be queued."""
        if self._latest is None:
            return
        if self.launcher is None:
            self.launcher = ProcedureLauncher(self._look, self._commander, self._latest)
            self._put_beside(self.launcher)
        self.launcher.use_look(self._look)
        _bring_up(self.launcher)

    def open_settings(self) -> None:
        """Show what may be changed of the core at any time."""
        if self.settings is None:
            self.settings = SettingsDialog(self._look, self._commander)
            self._put_beside(self.settings)
        self.settings.use_look(self._look)
        if self._latest is not None:
            self.settings.show_latest(self._latest, 0.0)
        _bring_up(self.settings)

    def open_runs(self) -> None:
        """Show the runs on disk."""
        if self.browser is None:
            self.browser = RunBrowser(self._look, self._commander)
            self._put_beside(self.browser)
        self.browser.use_look(self._look)
        _bring_up(self.browser)

    def _put_beside(self, dialog: QtWidgets.QDialog) -> None:
        """Let a dialog go with the window: without a parent it would keep the program from ending."""
        dialog.setParent(self, dialog.windowFlags())


def _bring_up(dialog: QtWidgets.QDialog) -> None:
    dialog.show()
    dialog.raise_()
    dialog.activateWindow()
