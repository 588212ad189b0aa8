"""A dialog with the runs on the core's disk and the figures that are stored with them."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.messages import FigureRow, RunSummaryRow
from labctl.bus.replies import Reply
from labctl.dashboard.dressing import HEADING_UNITS, TEXT_UNITS, dress
from labctl.dashboard.figure_view import FigureView, Thumbnails
from labctl.dashboard.filter_field import FilterField
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.number_text import UNKNOWN_TEXT
from labctl.dashboard.page import Commander
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.state_glyphs import run_mark
from labctl.dashboard.text_rows import Cell, TextRow
from labctl.dashboard.text_table import TextTable

SIZE_UNITS = (1700, 980)
MOST_RUNS = 500
NO_FIGURES = "No stored figures"
HEADINGS = ("Run", "Created", "Title", "State", "Coverage", "Reason")


class RunBrowser(QtWidgets.QDialog):  # type: ignore[misc]
    """Runs, newest first; the figures of the chosen one, each as large as the window. Left and right go through the
    figures, up and down through the runs. Only asks, so it needs no control."""

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__()
        self._look = look
        self._commander = commander
        self._runs: tuple[RunSummaryRow, ...] = ()
        self._run = ""
        self._figures: tuple[FigureRow, ...] = ()
        self._pictures: dict[str, QtGui.QPixmap] = {}
        self._asked: set[str] = set()
        self._failed: dict[str, str] = {}
        self._place = 0
        self.setWindowTitle("Runs on disk")
        self._heading = PlainLabel("Runs")
        self._note = PlainLabel("")
        self.search = FilterField("Filter (Ctrl+F): words of title, state …", self)
        self.refresh_button = QtWidgets.QPushButton("Refresh")
        self.table = TextTable(look, HEADINGS, wrapped={2: 2.0, 4: 3.0, 5: 3.0})
        self._name = PlainLabel("")
        self._caption = PlainLabel("", wraps=True)
        self.view = FigureView(look)
        self.thumbnails = Thumbnails(look)
        self._lay_out()
        self._connect()
        self.use_look(look)
        self.resize(look.px(SIZE_UNITS[0]), look.px(SIZE_UNITS[1]))
        self.view.show_sentence("Choose a run to see its figures.")

    def _lay_out(self) -> None:
        bar = QtWidgets.QHBoxLayout()
        for part in (self._heading, self._note):
            bar.addWidget(part)
        bar.addStretch(1)
        for part in (self.search, self.refresh_button):
            bar.addWidget(part)
        page = QtWidgets.QVBoxLayout(self)
        page.addLayout(bar)
        page.addWidget(self.table, 3)
        page.addWidget(self._name)
        figures = QtWidgets.QHBoxLayout()
        figures.addWidget(self.view, 1)
        figures.addWidget(self.thumbnails)
        page.addLayout(figures, 7)
        page.addWidget(self._caption)
        self._layouts = (page, bar, figures)

    def _connect(self) -> None:
        self.search.textChanged.connect(self.table.filter)
        self.refresh_button.clicked.connect(self.refresh)
        self.refresh_button.setAutoDefault(False)
        self.table.chosen.connect(self._choose)
        self.thumbnails.chosen.connect(self._go_to)
        for widget in (self.table, self.thumbnails):
            widget.installEventFilter(self)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        dress(self, look)
        for heading in (self._heading, self._name):
            heading.dress(look, HEADING_UNITS, look.theme.text, bold=True)
        self._note.dress(look, TEXT_UNITS, look.theme.dim)
        self._caption.dress(look, TEXT_UNITS, look.theme.text)
        self.refresh_button.setFont(sized_font(look, TEXT_UNITS))
        for part in (self.search, self.table, self.view, self.thumbnails):
            part.use_look(look)
        for layout in self._layouts:
            layout.setSpacing(look.px(8))
        edge = look.px(14)
        self._layouts[0].setContentsMargins(edge, edge, edge, edge)
        self._show_runs()

    # ---- runs -------------------------------------------------------------------------------------------------------

    def showEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Ask for the runs whenever the dialog comes up."""
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Ask the core for its runs."""
        self._note.dress(self._look, TEXT_UNITS, self._look.theme.dim)
        self._note.say("asking …")
        self._commander.send("list_runs", then=self._take_runs, refused=self._no_runs, most=MOST_RUNS)

    def _take_runs(self, reply: Reply) -> None:
        self._runs = tuple(row for row in reply.rows if isinstance(row, RunSummaryRow))
        self._note.say(f"{len(self._runs)} on disk" if self._runs else "none on disk")
        self._show_runs()

    def _no_runs(self, why: str) -> None:
        self._note.dress(self._look, TEXT_UNITS, self._look.theme.major)
        self._note.say(f"not listed: {why}")

    def _show_runs(self) -> None:
        self.table.show_rows([self._row(run) for run in self._runs])

    def _row(self, run: RunSummaryRow) -> TextRow:
        mark = run_mark(run.state)
        state = Cell(mark.text, self._look.theme.of(mark.severity))
        texts = (run.run_id, local_text(run.created), run.title)
        cells = (*map(Cell, texts), state, Cell(run.coverage or UNKNOWN_TEXT), Cell(run.reason))
        return TextRow(run.run_id, cells)

    # ---- figures of one run -----------------------------------------------------------------------------------------

    def _choose(self, run: str) -> None:
        self._run, self._figures, self._place = run, (), 0
        self._pictures, self._asked, self._failed = {}, set(), {}
        self._show_frames()
        self.view.show_sentence("Asking for its figures …")
        refused = partial(self._no_figures, run)
        self._commander.send("list_figures", then=partial(self._take_figures, run), refused=refused, run=run)

    def _take_figures(self, run: str, reply: Reply) -> None:
        if run != self._run:
            return  # of a run that is no longer shown
        self._figures = tuple(row for row in reply.rows if isinstance(row, FigureRow))
        self._show_frames()
        if self._figures:
            self._go_to(0)
        else:
            self.view.show_sentence(f"{NO_FIGURES} with the run {run}.")

    def _no_figures(self, run: str, why: str) -> None:
        if run == self._run:
            self.view.show_sentence(f"The figures were not listed: {why}")

    def _show_frames(self) -> None:
        self.thumbnails.show_names([figure.name for figure in self._figures])
        self.thumbnails.setVisible(bool(self._figures))
        self._name.say(self._run)
        self._caption.say("")
        self._name.setVisible(bool(self._run))
        self._caption.setVisible(bool(self._figures))

    def _go_to(self, place: int) -> None:
        """Show the figure at that place."""
        if not 0 <= place < len(self._figures):
            return
        self._place = place
        self.thumbnails.go_to(place)
        figure = self._figures[place]
        self._name.say(f"{self._run}: figure {place + 1} of {len(self._figures)}, {figure.name}")
        self._caption.say(figure.caption)
        if (picture := self._pictures.get(figure.name)) is not None:
            self.view.show_figure(picture)
        elif (why := self._failed.get(figure.name)) is not None:
            self.view.show_sentence(f"{figure.name} was not read: {why}")
        else:
            self.view.show_sentence(f"Reading {figure.name} …")
            self._read(figure.name)

    def _read(self, figure: str) -> None:
        if figure in self._asked:
            return
        self._asked.add(figure)
        then = partial(self._take_figure, self._run, figure)
        refused = partial(self._no_figure, self._run, figure)
        self._commander.send("read_figure", then=then, refused=refused, run=self._run, figure=figure)

    def _take_figure(self, run: str, figure: str, reply: Reply) -> None:
        if run != self._run:
            return
        picture = QtGui.QPixmap()
        if not picture.loadFromData(reply.data, "PNG"):
            self._no_figure(run, figure, "it is no picture that can be shown")
            return
        self._pictures[figure] = picture
        place = self._place_of(figure)
        self.thumbnails.show_picture(place, picture)
        if place == self._place:
            self.view.show_figure(picture)
        self._read_next()

    def _no_figure(self, run: str, figure: str, why: str) -> None:
        if run != self._run:
            return
        self._failed[figure] = why
        if self._place_of(figure) == self._place:
            self.view.show_sentence(f"{figure} was not read: {why}")
        self._read_next()

    def _read_next(self) -> None:
        """Read the next figure that was not asked for, one at a time: the small ones fill while the large is seen."""
        # Later, so that a core that answers at once does not nest the answers.
        QtCore.QTimer.singleShot(0, self._read_one)

    def _read_one(self) -> None:
        if any(name not in self._pictures and name not in self._failed for name in self._asked):
            return
        missing = next((figure.name for figure in self._figures if figure.name not in self._asked), None)
        if missing is not None and self.isVisible():
            self._read(missing)

    def _place_of(self, figure: str) -> int:
        return next(place for place, row in enumerate(self._figures) if row.name == figure)

    # ---- keys -------------------------------------------------------------------------------------------------------

    def eventFilter(self, _watched: object, event: Any) -> bool:  # noqa: N802 - Qt's name
        """Take left and right before the views do."""
        return event.type() == QtCore.QEvent.Type.KeyPress and self._is_step(event.key())

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Go to the next figure or the one before."""
        if not self._is_step(event.key()):
            super().keyPressEvent(event)

    def _is_step(self, key: int) -> bool:
        steps = {QtCore.Qt.Key.Key_Right: 1, QtCore.Qt.Key.Key_Left: -1}
        if key not in steps or not self._figures:
            return False
        self._go_to(self._place + steps[key])
        return True


def local_text(created: str) -> str:
    """Return a time of ISO 8601 in the zone of this machine: "2025-11-24 21:04"; what is no such time as it is."""
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return created
