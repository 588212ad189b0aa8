"""A dialog for what an operator may change of a core at any time, and undo: the settings of the live spectra."""

from __future__ import annotations

from functools import partial

from pyqtgraph.Qt import QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import ParameterRow, SettingRow
from labctl.bus.replies import Reply
from labctl.dashboard.dressing import HEADING_UNITS, TEXT_UNITS, dress
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.page import Commander
from labctl.dashboard.parameter_form import ParameterForm
from labctl.dashboard.plain_label import PlainLabel

SIZE_UNITS = (900, 380)
NONE_TOLD = "The core has told of no settings."


class SettingsDialog(QtWidgets.QDialog):  # type: ignore[misc]
    """Shows the settings as they are, and sends those that were typed anew when Apply is pressed; each change can be
    undone."""

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__()
        self._look = look
        self._commander = commander
        self._rows: tuple[SettingRow, ...] | None = None
        self._is_sent = False
        self.setWindowTitle("Settings of the core")
        self._heading = PlainLabel("Settings of the core")
        self.form = ParameterForm(look)
        self._verdict = PlainLabel("", wraps=True)
        self.apply_button = QtWidgets.QPushButton("Apply")
        self.close_button = QtWidgets.QPushButton("Close")
        self._lay_out()
        self.form.changed.connect(self._judge)
        self.apply_button.clicked.connect(self._apply)
        self.close_button.clicked.connect(self.close)
        for button in (self.apply_button, self.close_button):
            button.setAutoDefault(False)  # Return in a field ends the typing
        self.use_look(look)
        self.resize(look.px(SIZE_UNITS[0]), look.px(SIZE_UNITS[1]))

    def _lay_out(self) -> None:
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.addWidget(self._heading)
        self._column.addWidget(self.form, 1)
        self._column.addWidget(self._verdict)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.apply_button)
        self._column.addLayout(buttons)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        dress(self, look)
        self._heading.dress(look, HEADING_UNITS, look.theme.text, bold=True)
        for button in (self.apply_button, self.close_button):
            button.setFont(sized_font(look, TEXT_UNITS))
        self.form.use_look(look)
        edge = look.px(14)
        self._column.setContentsMargins(edge, edge, edge, edge)
        self._column.setSpacing(look.px(8))
        self._judge()

    def show_latest(self, latest: Latest, now: float) -> None:
        """Take the settings as the core has them now; what is typed stays until it was sent."""
        rows = latest.rows(SettingRow)
        is_typed = bool(self.form.changes or self.form.faults)
        if rows == self._rows or (is_typed and not self._is_sent and self._rows is not None):
            return
        self._rows, self._is_sent = rows, False
        self.form.show_parameters([_as_parameter(row) for row in rows])
        self._judge()

    def _judge(self) -> None:
        changes, faults = self.form.changes, self.form.faults
        self.apply_button.setEnabled(bool(changes) and not faults and self._commander.has_control)
        if not self._rows:
            self._say(NONE_TOLD, self._look.theme.dim)
        elif faults:
            self._say(f"✗ Not yet: {', '.join(faults)}", self._look.theme.major)
        elif not self._commander.has_control:
            self._say("This screen is view-only: take control first.", self._look.theme.dim)
        else:
            self._say("A change holds at once; Ctrl+Z undoes it.", self._look.theme.dim)

    def _apply(self) -> None:
        changes = self.form.changes
        self._is_sent = bool(changes)
        self.apply_button.setEnabled(False)
        for name, value in changes.items():
            then, refused = partial(self._taken, name), self._refused
            self._commander.send("change_setting", then=then, refused=refused, setting=name, value=float(value))

    def _taken(self, name: str, reply: Reply) -> None:
        self._say(f"✓ {name} is changed. Ctrl+Z undoes it.", self._look.theme.text)

    def _refused(self, why: str) -> None:
        self._is_sent = False
        self._say(f"✗ Refused: {why}", self._look.theme.major)

    def _say(self, text: str, colour: str) -> None:
        self._verdict.dress(self._look, TEXT_UNITS, colour)
        self._verdict.say(text)


def _as_parameter(row: SettingRow) -> ParameterRow:
    is_switch = row.is_whole and (row.low, row.high) == (0.0, 1.0)
    kind = "boolean" if is_switch else "integer" if row.is_whole else "float"
    default = str(bool(row.value)) if is_switch else repr(row.value)
    return ParameterRow("", row.name, row.label, kind, row.unit, default, row.low, row.high, "", "")
