"""Page 2: one loop, and everything that says whether it is locked."""

from __future__ import annotations

from typing import Final

from pyqtgraph.Qt import QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import EventRow, LoopRow
from labctl.dashboard.curve_plot import CurvePlot
from labctl.dashboard.dressing import TEXT_UNITS, dress
from labctl.dashboard.look import Look
from labctl.dashboard.loop_buttons import LoopButtons
from labctl.dashboard.loop_history import Limits, LoopHistory
from labctl.dashboard.loop_summary import LoopSummary
from labctl.dashboard.loop_words import in_use_above, noise_by, scanned_by, shown_mark, worst_first
from labctl.dashboard.page import Commander
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.relock_log import RelockLog, last_cause
from labctl.dashboard.state_chooser import StateChooser
from labctl.dashboard.state_glyphs import STALE
from labctl.dashboard.thin_panel import boxed

CHOOSER_WIDTH_UNITS: Final = 310
BUTTONS_WIDTH_UNITS: Final = 210
LOG_HEIGHT_UNITS: Final = 190  # a title and five lines
HISTORY_STALE_S: Final = 5.0  # a history comes about once a second


class LoopPage(QtWidgets.QWidget):  # type: ignore[misc]
    """All loops in a list, the worst first, and the chosen one in full; at first that is the worst."""

    title = "Loop"

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__()
        self._loop = ""
        self.chooser = StateChooser(look, "Loops")
        self.summary = LoopSummary(look)
        self.buttons = LoopButtons(look, commander)
        self.history = LoopHistory(look)
        self.noise = CurvePlot(look, title="In-loop noise", log_x=True, log_y=True)
        self.scan = CurvePlot(look, title="Last scan")
        self.log = RelockLog(look)
        self._nothing = PlainLabel("The core has told of no loops yet.")
        self._boxes = [boxed(plot) for plot in (self.history, self.noise, self.scan)]
        self._build()
        self.chooser.chosen.connect(self._took)
        self.use_look(look)

    def _build(self) -> None:
        self._top = QtWidgets.QHBoxLayout()
        self._top.addWidget(self.summary, 1)
        self._top.addWidget(self.buttons)
        self._middle = QtWidgets.QGridLayout()
        self._middle.addWidget(self._boxes[0], 0, 0, 2, 1)
        self._middle.addWidget(self._boxes[1], 0, 1)
        self._middle.addWidget(self._boxes[2], 1, 1)
        for column in (0, 1):
            self._middle.setColumnStretch(column, 1)
            self._middle.setRowStretch(column, 1)
        self._detail = QtWidgets.QWidget()
        self._column = QtWidgets.QVBoxLayout(self._detail)
        self._column.addLayout(self._top)
        self._column.addLayout(self._middle, 1)
        self._column.addWidget(self.log)
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.addWidget(self.chooser)
        self._row.addWidget(self._nothing)
        self._row.addWidget(self._detail, 1)
        self._detail.hide()

    # ---- what the window calls --------------------------------------------------------------------------------------

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        dress(self, look)
        gap = look.px(8)
        self._row.setContentsMargins(gap, gap, gap, gap)
        self._column.setContentsMargins(0, 0, 0, 0)
        for layout in (self._row, self._column, self._top, self._middle):
            layout.setSpacing(gap)
        self.chooser.setFixedWidth(look.px(CHOOSER_WIDTH_UNITS))
        self.buttons.setFixedWidth(look.px(BUTTONS_WIDTH_UNITS))
        self.log.setFixedHeight(look.px(LOG_HEIGHT_UNITS))
        self._nothing.dress(look, TEXT_UNITS, look.theme.dim)
        for part in (self.chooser, self.summary, self.buttons, self.history, self.noise, self.scan, self.log):
            part.use_look(look)
        for box in self._boxes:
            box.dress(look)

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw what the core told last."""
        rows = latest.rows(LoopRow)
        ranked = worst_first(rows)
        self._nothing.setVisible(not rows)
        self._detail.setVisible(bool(rows))
        self.chooser.show_entries([(row.name, row.name, shown_mark(row, latest, now)) for row in ranked])
        row = next((row for row in rows if row.name == self._loop), ranked[0] if ranked else None)
        if row is None:
            self.buttons.show_loop("", [], is_heard=False)
            return
        self._loop = row.name
        if self.chooser.key != row.name:
            self.chooser.choose(row.name)
        events = latest.rows(EventRow)
        self.summary.show_loop(row, rows, latest, now, last_cause(row.name, events))
        self.buttons.show_loop(row.name, in_use_above(row.name, rows), is_heard=not latest.is_gone(now))
        self.log.show_events(row.name, events)
        self._show_curves(row, latest, now)

    # ---- what an operator does --------------------------------------------------------------------------------------

    @property
    def loop(self) -> str:
        """Return the name of the loop that is shown; "" before there are any."""
        return self._loop

    def select(self, loop: str) -> None:
        """Show the loop of that name from now on, or as soon as the core tells of it."""
        if not self.chooser.keys or loop in self.chooser.keys:
            self._loop = loop
            self.chooser.choose(loop)

    def relock_selected(self) -> None:
        """Ask for the lock of the loop that is shown; nothing without control."""
        self.buttons.send_lock()

    # ---- the rest ---------------------------------------------------------------------------------------------------

    def _took(self, loop: str) -> None:
        self._loop = loop

    def _show_curves(self, row: LoopRow, latest: Latest, now: float) -> None:
        history = latest.curve(row.name, "history")
        self.history.show_limits(Limits.of(row))
        age_s = float("nan") if history is None else latest.age_s(history.taken_at, now)
        is_old = latest.is_gone(now) or age_s > HISTORY_STALE_S
        self.history.show_curve(history, age_s, STALE.word if is_old else "")
        for plot, name, source in ((self.noise, "psd", noise_by(row)), (self.scan, "scan", scanned_by(row))):
            plot.name_source(source)
            curve = latest.curve(row.name, name)
            plot.show_curve(curve, float("nan") if curve is None else latest.age_s(curve.taken_at, now))
