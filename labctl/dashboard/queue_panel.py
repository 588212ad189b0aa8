"""The queue: its steps with their progress and times, and what an operator may do with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import CoreRow, QueueRow, RunRow
from labctl.dashboard.ask_dialog import AskDialog, Question
from labctl.dashboard.look import Look
from labctl.dashboard.number_text import NO_BREAK, UNKNOWN_TEXT, duration_text, short_duration_text
from labctl.dashboard.pace import pace
from labctl.dashboard.page import Commander
from labctl.dashboard.panel_box import PanelBox, allow, refusal, row_look
from labctl.dashboard.progress_cell import ProgressCell
from labctl.dashboard.state_glyphs import STALE, run_mark, step_mark
from labctl.dashboard.text_rows import MAY_BREAK, Cell, TextRow
from labctl.dashboard.text_table import TextTable

BUTTONS = ("Start", "Pause", "Skip", "▲", "▼", "Remove", "Add…")
_PAUSED = ("paused", "pausing")
_BUSY = ("running", *_PAUSED)


class QueuePanel(PanelBox):
    """Rows of `QueueRow`; `add_requested` asks for the procedure launcher, `runs_requested` for
    the runs on disk. Nothing starts without a second question."""

    add_requested = QtCore.Signal()
    runs_requested = QtCore.Signal()

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__("QUEUE", look)
        self._commander = commander
        self._rows: tuple[QueueRow, ...] = ()
        self._run: RunRow | None = None
        self._core: CoreRow | None = None
        self._gone = False
        self._followed: tuple[int | None, int, int] = (None, 0, 0)
        self._dialog: AskDialog | None = None
        self.clear_button = self.add_button("Clear…", self.title_row)
        self.clear_button.clicked.connect(lambda _=False: self._ask_clear())
        self.runs_button = self.add_button("Runs…", self.title_row)
        self.runs_button.clicked.connect(lambda _=False: self.runs_requested.emit())
        self._button_row = QtWidgets.QHBoxLayout()
        self.buttons = {
            name: self.add_button(name, self._button_row, *(("Resume",) if name == "Pause" else ())) for name in BUTTONS
        }
        self._button_row.addStretch(1)
        self.body.addLayout(self._button_row)
        self.table = TextTable(look, ("step", "state", "time"), right=(2,), wrapped={0: 1.0})
        self.table.horizontalHeader().hide()
        self._progress = ProgressCell(look, self.table)
        self.table.setItemDelegateForColumn(1, self._progress)
        self.table.chosen.connect(lambda _: self._allow_buttons())
        self.body.addWidget(self.table, 1)
        self._connect()
        self.use_look(look)
        self._allow_buttons()

    def _connect(self) -> None:
        actions = (self._ask_start, self._pause_or_resume, self._skip, lambda: self._move(-1), lambda: self._move(1),
                   self._remove, self.add_requested.emit)  # fmt: skip
        for button, action in zip(self.buttons.values(), actions, strict=True):
            button.clicked.connect(lambda _=False, act=action: act())

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw the queue as it is now."""
        self._core, self._run, self._rows = latest.core, latest.run, latest.rows(QueueRow)
        self._gone = latest.is_gone(now)
        core_now = now - latest.clock_offset_s
        is_running = [row.state == "running" and not self._gone for row in self._rows]
        self._progress.fractions = [
            row.fraction if runs else 0.0 for row, runs in zip(self._rows, is_running, strict=True)
        ]
        self.table.show_rows([self._text_row(row, core_now) for row in self._rows])
        self._say_run()
        self._allow_buttons()
        self._follow_running()

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        super().use_look(look)
        self.table.use_look(row_look(look))
        self._progress.look = look
        self._button_row.setSpacing(look.px(4))

    def _text_row(self, row: QueueRow, core_now: float) -> TextRow:
        mark = STALE if self._gone and row.state == "running" else step_mark(row.state)
        severity_colour = self.look.theme.of(mark.severity) if mark.severity else ""
        name_colour = severity_colour or ("" if row.state == "running" else self.look.theme.dim)
        word = f"{mark.word} {_percent(row.fraction)}" if mark.word == "running" else mark.word
        name = f"{mark.glyph}{NO_BREAK}{row.name}".replace("_", f"_{MAY_BREAK}")
        cells = (
            Cell(name, name_colour, _tip(row)),
            Cell(word, severity_colour or name_colour or self.look.theme.text, _tip(row)),
            Cell(
                _time_text(row, core_now, self._pace) if mark is not STALE else UNKNOWN_TEXT,
                self.look.theme.dim,
                _tip(row),
            ),
        )
        return TextRow(str(row.identity), cells)

    @property
    def _pace(self) -> float:
        """Lab seconds per second, by which what is expected is told; 1 where nobody paces the table."""
        return pace(self._core) or 1.0

    def _say_run(self) -> None:
        if self._gone:
            self.set_gone()
            return
        if self._run is None or not self._rows:
            self.set_note("empty")
            return
        run, mark = self._run, run_mark(self._run.state)
        waiting = sum(row.state == "waiting" for row in self._rows)
        text = f"{mark.text} · {run.step_number}/{run.steps} · {short_duration_text(run.eta_s / self._pace)} left"
        self.set_note(text if run.state in _BUSY else f"{mark.text} · {waiting} waiting", mark.severity)

    def _follow_running(self) -> None:
        """Bring the step that runs into sight when another one begins or the room changes, and at no other time."""
        place = next((n for n, row in enumerate(self._rows) if row.state == "running"), None)
        identity = self._rows[place].identity if place is not None else None
        follows = (identity, self.table.viewport().height(), self.table.verticalScrollBar().maximum())
        if follows != self._followed and place is not None:
            self.table.scrollTo(
                self.table.model().index(place, 0), QtWidgets.QAbstractItemView.ScrollHint.PositionAtCenter
            )
        self._followed = follows

    # ---- what may be done -------------------------------------------------------------------------------------------

    @property
    def selected(self) -> QueueRow | None:
        """The chosen step, if it is still in the queue."""
        return next((row for row in self._rows if str(row.identity) == self.table.key), None)

    @property
    def _waiting(self) -> list[int]:
        return [row.identity for row in self._rows if row.state == "waiting"]

    def _allow_buttons(self) -> None:
        control = self._commander.has_control
        state = self._run.state if self._run is not None else "idle"
        stopped = self._core is not None and self._core.stopped
        chosen, waiting = self.selected, self._waiting
        place = waiting.index(chosen.identity) if chosen is not None and chosen.identity in waiting else -1
        heard = (not self._gone, "The core is not heard")
        picked = (chosen is not None, "Choose a step first")
        waits = (place >= 0, "Only a step that waits can be moved or removed")
        may_skip = chosen is not None and chosen.state in ("waiting", "running")
        reasons = {
            "Start": (heard, (not stopped, "The software stop is latched: reset it first"),
                      (state not in _BUSY, "A run goes on already"), (bool(waiting), "No step waits")),
            "Pause": (heard, (state in _BUSY, "No run goes on")),
            "Skip": (heard, picked, (may_skip, "This step is over")),
            "▲": (heard, picked, waits, (place > 0, "It is the next step already")),
            "▼": (heard, picked, waits, (place < len(waiting) - 1, "It is the last step already")),
            "Remove": (heard, picked, waits),
            "Add…": (heard,),
        }  # fmt: skip
        tips = {
            "Start": "Run the waiting steps; asks for a title first",
            "Pause": "Go on with the next step" if state in _PAUSED else "Begin no further step",
            "Skip": "Skip the chosen step",
            "▲": "Run the chosen step earlier",
            "▼": "Run the chosen step later",
            "Remove": "Take the chosen step out of the queue",
            "Add…": "Choose a procedure and put it into the queue",
        }
        for name, button in self.buttons.items():
            allow(button, refusal(control, *reasons[name]), tips[name])
        others = (any(row.state != "running" for row in self._rows), "There is nothing to take out")
        allow(self.clear_button, refusal(control, heard, others), "Take out all steps that wait or are over")
        pause = "Resume" if state in _PAUSED else "Pause"
        if self.buttons["Pause"].text() != pause:
            self.buttons["Pause"].setText(pause)

    def _ask_start(self) -> None:
        steps = len(self._waiting)
        expected = sum(row.expected_s for row in self._rows if row.state == "waiting" and row.expected_s > 0)
        takes = duration_text(expected / self._pace)
        sentence = f"Run the {steps} waiting steps as one run? They are expected to take {takes}."
        question = Question("Start the queue", sentence, "Start the run", label="Title of the run (may be empty)")
        self._ask(question, lambda title, _: self._commander.send("start_queue", title=title))

    def _ask_clear(self) -> None:
        waiting, over = len(self._waiting), sum(row.state not in ("waiting", "running") for row in self._rows)
        sentence = f"Take out the {waiting} steps that wait and the {over} that are over? What runs goes on."
        self._ask(
            Question("Clear the queue", sentence, "Take them out"), lambda *_: self._commander.send("clear_queue")
        )

    def _pause_or_resume(self) -> None:
        paused = self._run is not None and self._run.state in _PAUSED
        self._commander.send("resume_queue" if paused else "pause_queue")

    def _skip(self) -> None:
        chosen = self.selected
        if chosen is None:
            return
        identity = chosen.identity
        if chosen.state == "running":
            question = Question("Skip the running step", f"End {chosen.name} now and go on with the next?", "Skip it")
            self._ask(question, lambda *_: self._commander.send("skip_step", identity=identity))
        else:
            self._commander.send("skip_step", identity=identity)

    def _move(self, by: int) -> None:
        chosen = self.selected
        if chosen is not None and chosen.identity in self._waiting:
            place = self._waiting.index(chosen.identity) + by
            self._commander.send("move_step", identity=chosen.identity, place=place)

    def _remove(self) -> None:
        if (chosen := self.selected) is not None:
            self._commander.send("remove_step", identity=chosen.identity)

    def _ask(self, question: Question, agreed: Callable[[str, int], None]) -> None:
        self._dialog = AskDialog(self, self.look, question, agreed)
        self._dialog.ask()


def _percent(fraction: float) -> str:
    return UNKNOWN_TEXT if math.isnan(fraction) else f"{fraction:.0%}".replace("%", f"{NO_BREAK}%")


def _time_text(row: QueueRow, core_now: float, speed: float) -> str:
    """Return what a step took, has left or is expected to take, by the clock on the wall."""
    if row.state == "running":
        left = row.expected_s * (1.0 - row.fraction) / speed
        return f"{short_duration_text(left)} left" if left > 0.0 else UNKNOWN_TEXT
    if row.state == "waiting":
        return f"≈{NO_BREAK}{short_duration_text(row.expected_s / speed)}" if row.expected_s > 0.0 else UNKNOWN_TEXT
    end = row.ended_at if math.isfinite(row.ended_at) else core_now
    return short_duration_text(end - row.started_at)


def _tip(row: QueueRow) -> str:
    lines: Sequence[str] = (
        f"{row.name} ({row.procedure}): {row.state}" + (f", attempt {row.attempt}" if row.attempt > 1 else ""),
        row.reason,
        row.parameters,
        f"needs {row.needs}" if row.needs else "",
        f"expected to take {duration_text(row.expected_s)} of lab time" if row.expected_s > 0.0 else "",
    )
    return "\n".join(line for line in lines if line)
