"""A dialog that puts a procedure with its parameters into the queue. It never starts anything."""

from __future__ import annotations

import json
from functools import partial

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import ParameterRow, ProcedureRow
from labctl.bus.names import RECIPE
from labctl.bus.replies import Reply
from labctl.dashboard.dressing import HEADING_UNITS, TEXT_UNITS, dress
from labctl.dashboard.filter_field import FilterField
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.page import Commander
from labctl.dashboard.parameter_form import ParameterForm
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.text_rows import Cell, TextRow
from labctl.dashboard.text_table import TextTable

SIZE_UNITS = (1500, 860)
MANY_FAULTS = 2  # fields at fault that are named


class ProcedureLauncher(QtWidgets.QDialog):  # type: ignore[misc]
    """Choose a procedure, fill in its form, add it to the end of the queue; the dialog stays for the next one.

    The signal `added` tells the name of a procedure that the core took.
    """

    added = QtCore.Signal(str)

    def __init__(self, look: Look, commander: Commander, latest: Latest) -> None:
        super().__init__()
        self._look = look
        self._commander = commander
        self._latest = latest
        self._procedure = ""
        self._procedures: tuple[ProcedureRow, ...] = ()
        self._parameters: tuple[ParameterRow, ...] = ()
        self.setWindowTitle("Add a procedure to the queue")
        self.search = FilterField("Search (Ctrl+F): words of title, purpose …", self)
        self.table = TextTable(look, ("Procedure", "Purpose"), wrapped={1: 1.0})
        self._title = PlainLabel("Choose a procedure")
        self._purpose = PlainLabel("", wraps=True)
        self.form = ParameterForm(look)
        self._verdict = PlainLabel("", wraps=True)
        self.reset_button = QtWidgets.QPushButton("Defaults")
        self.add_button = QtWidgets.QPushButton("Add to queue")
        self.close_button = QtWidgets.QPushButton("Close")
        self._lay_out()
        self._connect()
        self.use_look(look)
        self.resize(look.px(SIZE_UNITS[0]), look.px(SIZE_UNITS[1]))
        self.show_latest(latest, 0.0)

    def _lay_out(self) -> None:
        left, right = QtWidgets.QVBoxLayout(), QtWidgets.QVBoxLayout()
        left.addWidget(self.search)
        left.addWidget(self.table, 1)
        for part in (self._title, self._purpose):
            right.addWidget(part)
        right.addWidget(self.form, 1)
        right.addStretch(0)
        right.addWidget(self._verdict)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addWidget(self.reset_button)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.add_button)
        right.addLayout(buttons)
        columns = QtWidgets.QHBoxLayout(self)
        columns.addLayout(left, 9)
        columns.addLayout(right, 11)
        self._layouts = (columns, left, right, buttons)

    def _connect(self) -> None:
        self.search.textChanged.connect(self.table.filter)
        self.table.chosen.connect(self._choose)
        self.form.changed.connect(self._judge)
        self.reset_button.clicked.connect(self.form.reset)
        self.add_button.clicked.connect(self._add)
        self.close_button.clicked.connect(self.close)
        # Return in a field ends the typing; only the button adds.
        for button in (self.reset_button, self.add_button, self.close_button):
            button.setAutoDefault(False)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        dress(self, look)
        self._title.dress(look, HEADING_UNITS, look.theme.text, bold=True)
        self._purpose.dress(look, TEXT_UNITS, look.theme.text)
        self._verdict.dress(look, TEXT_UNITS, look.theme.dim)
        for button in (self.reset_button, self.add_button, self.close_button):
            button.setFont(sized_font(look, TEXT_UNITS))
        for part in (self.search, self.table, self.form):
            part.use_look(look)
        for layout in self._layouts:
            layout.setSpacing(look.px(8))
        self._layouts[0].setSpacing(look.px(16))
        edge = look.px(14)
        self._layouts[0].setContentsMargins(edge, edge, edge, edge)
        self._judge()

    def show_latest(self, latest: Latest, now: float) -> None:
        """Take the procedures that the core knows now; what is typed stays unless its parameters are others."""
        self._latest = latest
        procedures = latest.rows(ProcedureRow)
        if procedures != self._procedures:
            self._procedures = procedures
            self.table.show_rows(
                [TextRow(row.name, (Cell(row.title or row.name, bold=True), Cell(row.purpose))) for row in procedures]
            )
        parameters = tuple(row for row in latest.rows(ParameterRow) if row.procedure == self._procedure)
        if self._procedure and not _alike(parameters, self._parameters):
            self._choose(self._procedure)

    def showEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Take what the core told while the dialog was hidden."""
        self.show_latest(self._latest, 0.0)
        super().showEvent(event)

    # ---- one procedure ----------------------------------------------------------------------------------------------

    def _choose(self, name: str) -> None:
        row = next((row for row in self._procedures if row.name == name), None)
        self._procedure = name if row else ""
        self._title.say(row.title or row.name if row else "Choose a procedure")
        self._purpose.say(row.purpose if row else "")
        self._parameters = tuple(row for row in self._latest.rows(ParameterRow) if row.procedure == self._procedure)
        self.form.show_parameters(self._parameters)
        self._judge()

    def _judge(self) -> None:
        """Tell whether what is typed can be added."""
        self.form.setVisible(bool(self._procedure))
        self.reset_button.setEnabled(bool(self.form.changes or self.form.faults))
        faults = self.form.faults
        self.add_button.setEnabled(bool(self._procedure) and not faults)
        if faults:
            named = ", ".join(faults[:MANY_FAULTS]) + (" …" if len(faults) > MANY_FAULTS else "")
            self._say(f"✗ Not yet: {named}", self._look.theme.major)
        elif self._procedure:
            count = len(self.form.changes)
            what = f"{count} changed" if count else "all at their defaults"
            needs = "" if self._commander.has_control else " This screen has no control, which the core asks for."
            self._say(f"Parameters: {what}. Adding starts nothing.{needs}", self._look.theme.dim)
        else:
            self._say("", self._look.theme.dim)

    def _add(self) -> None:
        name = self._procedure
        self._say("Asking the core …", self._look.theme.dim)
        if name.startswith(RECIPE):
            then = partial(self._taken, name)
            recipe = name.removeprefix(RECIPE)
            self._commander.send("add_recipe", then=then, refused=self._refused, recipe=recipe)
            return
        self._commander.send(
            "add_step",
            then=partial(self._taken, name),
            refused=self._refused,
            procedure=name,
            parameters=json.dumps(self.form.changes),
        )

    def _taken(self, name: str, reply: Reply) -> None:
        said = reply.text.strip()
        step = f" as step {said}" if said.isdecimal() else f": {said}" if said else ""
        self._say(f"✓ {name} is in the queue{step}. Nothing was started.", self._look.theme.text)
        self.added.emit(name)

    def _refused(self, why: str) -> None:
        self._say(f"✗ Refused: {why}", self._look.theme.major)

    def _say(self, text: str, colour: str) -> None:
        self._verdict.dress(self._look, TEXT_UNITS, colour)
        self._verdict.say(text)


def _alike(one: tuple[ParameterRow, ...], other: tuple[ParameterRow, ...]) -> bool:
    # A limit that is not there is nan, which is unlike itself.
    return [repr(row) for row in one] == [repr(row) for row in other]
