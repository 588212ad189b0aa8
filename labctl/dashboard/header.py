"""The header: what must be in sight on every page, and the way to the other pages and tables."""

from __future__ import annotations

from collections.abc import Sequence

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.latest import Latest
from labctl.dashboard.elided_label import ElidedLabel
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.header_blocks import AlarmBlock, ControlBlock, LiveBlock, RunBlock
from labctl.dashboard.header_texts import (
    LiveSaid,
    Said,
    alarms_said,
    control_said,
    live_said,
    run_said,
)
from labctl.dashboard.look import Look
from labctl.dashboard.state_glyphs import Mark
from labctl.dashboard.stop_button import StopButton

TAB_UNITS = 18


class Header(QtWidgets.QFrame):  # type: ignore[misc]
    """Shows the table that was chosen, and on the tabs what must not be missed of the others."""

    table_chosen = QtCore.Signal(int)
    page_chosen = QtCore.Signal(int)
    control_asked = QtCore.Signal(str)  # as `ControlBlock.asked`

    def __init__(self, tables: Sequence[str], pages: Sequence[str], parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self._look = Look()
        self.run, self.live, self.alarms, self.control = RunBlock(), LiveBlock(), AlarmBlock(), ControlBlock()
        self.stop = StopButton()
        self.station = ElidedLabel()
        self.page_tabs = _tab_bar([f"{number} {title}" for number, title in enumerate(pages, 1)])
        self.table_tabs = _tab_bar(tables)
        self.table_tabs.setVisible(len(tables) > 1)
        self.page_tabs.currentChanged.connect(self.page_chosen)
        self.table_tabs.currentChanged.connect(self.table_chosen)
        self.control.asked.connect(self.control_asked)
        self._lay_out()

    def _lay_out(self) -> None:
        self._upper, self._lower = QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        self._upper.addWidget(self.run, 5)
        self._upper.addWidget(self.live)
        self._upper.addWidget(self.alarms, 4)
        self._lower.addWidget(self.page_tabs)
        self._lower.addWidget(self.station, 1)
        self._lower.addWidget(self.control)
        self._left = QtWidgets.QVBoxLayout()
        self._left.addLayout(self._upper, 1)
        self._left.addWidget(self.table_tabs)
        self._left.addLayout(self._lower)
        self._all = QtWidgets.QHBoxLayout(self)
        self._all.addLayout(self._left, 1)
        self._all.addWidget(self.stop)
        self.stop.setSizePolicy(QtWidgets.QSizePolicy.Policy.Fixed, QtWidgets.QSizePolicy.Policy.Expanding)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        for part in (self.run, self.live, self.alarms, self.control, self.stop):
            part.use_look(look)
        for bar in (self.page_tabs, self.table_tabs):
            bar.setFont(sized_font(look, TAB_UNITS))
            for place in range(bar.count()):
                bar.setTabTextColor(place, QtGui.QColor(look.theme.text))
        self.station.setFont(sized_font(look, TAB_UNITS))
        self._all.setContentsMargins(look.px(12), look.px(8), look.px(10), look.px(6))
        for row in (self._all, self._upper, self._lower):
            row.setSpacing(look.px(20))
        self._left.setSpacing(look.px(6))

    def show_latest(self, latest: Latest, now: float, *, has_control: bool, frozen_at: float | None) -> None:
        """Draw what the core of the chosen table told last; `frozen_at` since when the display stands still."""
        core, is_gone = latest.core, latest.is_gone(now)
        live = live_said(latest, now)
        if frozen_at is not None and not is_gone:
            live = LiveSaid(Mark("‖", "FROZEN"), f"for {now - frozen_at:.0f} s")
        self.run.say(run_said(latest, now))
        self.live.say(live)
        self.alarms.say(alarms_said(latest, now), has_control)
        holder = Said("? Control unknown") if is_gone else control_said(core, has_control)
        is_held = core is not None and bool(core.control_holder)
        self.control.say(holder, has_control=has_control and not is_gone, is_held=is_held, is_gone=is_gone)
        station = ""
        if core is not None and not is_gone:
            speed = "as fast as it goes" if core.speed == 0 else f"×{core.speed:g}"
            station = core.station if core.speed == 1 else f"{core.station} {speed}"
        self.station.set_text(station, self._look.theme.dim)

    def mark_tables(self, tabs: Sequence[Said]) -> None:
        """Write on the tab of each table what its operator must not miss."""
        theme = self._look.theme
        for place, said in enumerate(tabs):
            if self.table_tabs.tabText(place) != said.text:
                self.table_tabs.setTabText(place, said.text)
            color = QtGui.QColor(theme.of(said.severity) if said.severity else theme.text)
            if self.table_tabs.tabTextColor(place) != color:
                self.table_tabs.setTabTextColor(place, color)


def _tab_bar(titles: Sequence[str]) -> QtWidgets.QTabBar:
    bar = QtWidgets.QTabBar()
    bar.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
    bar.setExpanding(False)
    bar.setDrawBase(False)
    bar.setUsesScrollButtons(False)
    bar.setElideMode(QtCore.Qt.TextElideMode.ElideNone)
    for title in titles:
        bar.addTab(title.replace("&", "&&"))
    return bar
