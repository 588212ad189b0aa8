"""The first page: what must be seen at once, from the locks to the alarms."""

from __future__ import annotations

import math

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.latest import Latest
from labctl.dashboard.alarm_panel import AlarmPanel
from labctl.dashboard.calibration_table import CalibrationTable
from labctl.dashboard.day_strip import DayStrip
from labctl.dashboard.lock_tiles import LockTiles
from labctl.dashboard.look import Look
from labctl.dashboard.page import Commander
from labctl.dashboard.queue_panel import QueuePanel
from labctl.dashboard.spectrum_panel import SpectrumPanel

_RIGHT_UNITS, _BOTTOM_UNITS, _GAP_UNITS = 520, 232, 6
_CALIBRATION_SHARE, _QUEUE_SHARE = 15, 7


class OverviewPage(QtWidgets.QWidget):  # type: ignore[misc]
    """Locks, spectrum, calibration and queue, and below them the last day and the alarms.

    `loop_opened` names the loop whose page is asked for, `add_requested` asks for the launcher of procedures,
    `runs_requested` for the runs on disk, `settings_requested` for the settings of the core.
    """

    title = "Overview"
    loop_opened = QtCore.Signal(str)
    add_requested = QtCore.Signal()
    runs_requested = QtCore.Signal()
    settings_requested = QtCore.Signal()

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__()
        self._commander = commander
        self.tiles = LockTiles(look)
        self.spectrum = SpectrumPanel(look)
        self.calibration = CalibrationTable(look)
        self.queue = QueuePanel(look, commander)
        self.strip = DayStrip(look)
        self.alarms = AlarmPanel(look, commander)
        self.tiles.loop_opened.connect(self.loop_opened)
        self.queue.add_requested.connect(self.add_requested)
        self.queue.runs_requested.connect(self.runs_requested)
        self.spectrum.settings_requested.connect(self.settings_requested)
        self._lay_out()
        self.use_look(look)

    def _lay_out(self) -> None:
        self._right = QtWidgets.QVBoxLayout()
        self._right.addWidget(self.calibration, _CALIBRATION_SHARE)
        self._right.addWidget(self.queue, _QUEUE_SHARE)
        self._upper = QtWidgets.QHBoxLayout()
        self._upper.addWidget(self.tiles)
        self._upper.addWidget(self.spectrum, 1)
        self._upper.addLayout(self._right)
        self._lower = QtWidgets.QHBoxLayout()
        self._lower.addWidget(self.strip, 2)
        self._lower.addWidget(self.alarms, 1)
        self._all = QtWidgets.QVBoxLayout(self)
        self._all.addLayout(self._upper, 1)
        self._all.addLayout(self._lower)
        self.setAutoFillBackground(True)

    # ---- what the window asks ---------------------------------------------------------------------------------------

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw what the core told last."""
        for panel in (self.tiles, self.spectrum, self.calibration, self.queue, self.strip, self.alarms):
            panel.show_latest(latest, now)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        palette = self.palette()
        palette.setColor(QtGui.QPalette.ColorRole.Window, QtGui.QColor(look.theme.background))
        self.setPalette(palette)
        gap = look.px(_GAP_UNITS)
        self._all.setContentsMargins(gap, gap, gap, gap)
        for layout in (self._all, self._upper, self._lower, self._right):
            layout.setSpacing(gap)
        for panel in (self.tiles, self.spectrum, self.calibration, self.queue, self.strip, self.alarms):
            panel.use_look(look)
        for panel in (self.calibration, self.queue):
            panel.setFixedWidth(look.px(_RIGHT_UNITS))
        for panel in (self.strip, self.alarms):
            panel.setFixedHeight(look.px(_BOTTOM_UNITS))

    def spectrum_key(self, letter: str) -> None:
        """Hand a key to the spectrum panel: M, D, P, N, H, A or R."""
        self.spectrum.spectrum_key(letter)

    @property
    def data_age_s(self) -> float:
        """How old the newest spectrum was when it was painted; nan before the first."""
        return float(getattr(self.spectrum, "data_age_s", math.nan))

    def relock_selected(self) -> bool:
        """Ask the core to lock the loops of the selected tile that are not locked; return whether any was asked for.

        A single loop is asked for whatever its state: a loop that is locked stays so.
        """
        tile = self.tiles.selected
        for loop in tile.to_lock if tile is not None else ():
            self._commander.send("lock_loop", loop=loop)
        return tile is not None and bool(tile.to_lock)
