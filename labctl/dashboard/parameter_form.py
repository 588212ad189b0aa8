"""A form for the parameters of a procedure: what cannot be sent is told beside its field as it is typed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.messages import ParameterRow
from labctl.dashboard.dressing import TEXT_UNITS, dress_tick, palette_of
from labctl.dashboard.fonts import sized_font
from labctl.dashboard.look import Look
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.quantity_text import QuantityRefused, quantity_text, read_quantity, read_whole, unit_text

Value = float | int | str | bool
FIELD_UNITS = 240
TRUE_WORDS = frozenset({"true", "yes", "1", "on"})


@dataclass(frozen=True)
class Answer:
    """What a field holds: a value, or why it holds none."""

    value: Value | None
    why: str = ""


def default_of(row: ParameterRow) -> Value:
    """Return the default as a value; a default that is no number of the kind stays a text."""
    if row.kind == "boolean":
        return row.default.strip().lower() in TRUE_WORDS
    if row.kind in ("float", "integer"):
        try:
            number = float(row.default)
            return int(number) if row.kind == "integer" else number
        except (ValueError, OverflowError):
            return row.default
    return row.default


def shown_value(row: ParameterRow, value: Value) -> str:
    """Return a value of a parameter as its field shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return quantity_text(value, row.unit)
    return value


def read_value(row: ParameterRow, text: str) -> Answer:
    """Return the value that a text gives a parameter, or why it gives none."""
    if row.kind not in ("float", "integer"):
        return Answer(text)
    try:
        number: float | int = read_whole(text, row.unit) if row.kind == "integer" else read_quantity(text, row.unit)
    except QuantityRefused as refusal:
        return Answer(None, str(refusal))
    if number < row.minimum:
        return Answer(None, f"at least {quantity_text(row.minimum, row.unit)}")
    if number > row.maximum:
        return Answer(None, f"at most {quantity_text(row.maximum, row.unit)}")
    return Answer(number)


def range_text(row: ParameterRow) -> str:
    """Return what is allowed: "1 Hz to 8 MHz", "" where there are no limits."""
    low = "" if math.isnan(row.minimum) else quantity_text(row.minimum, row.unit)
    high = "" if math.isnan(row.maximum) else quantity_text(row.maximum, row.unit)
    if low and high:
        return f"{low} to {high}"
    return f"at least {low}" if low else f"at most {high}" if high else ""


class ParameterField(QtCore.QObject):  # type: ignore[misc]
    """One line of the form: a label, a field of its kind, and a note that tells the default or what is wrong."""

    changed = QtCore.Signal()

    def __init__(self, row: ParameterRow, look: Look) -> None:
        super().__init__()
        self.row = row
        self._look = look
        self.label = PlainLabel(row.label or row.name)
        self.note = PlainLabel("", wraps=True)
        self.field = self._made()
        for part in (self.label, self.field):
            part.setToolTip(_tip(row))
        self.reset()
        self.use_look(look)

    def _made(self) -> QtWidgets.QWidget:
        if self.row.kind == "boolean":
            box = QtWidgets.QCheckBox("yes")
            box.toggled.connect(self._told)
            return box
        if self.row.kind == "choice":
            combo = QtWidgets.QComboBox()
            combo.addItems(self.row.choices.split("|"))
            combo.currentTextChanged.connect(self._told)
            return combo
        line = QtWidgets.QLineEdit()
        line.textChanged.connect(self._told)
        line.editingFinished.connect(self._tidy)
        return line

    @property
    def answer(self) -> Answer:
        """Return what the field holds."""
        if isinstance(self.field, QtWidgets.QCheckBox):
            return Answer(bool(self.field.isChecked()))
        if isinstance(self.field, QtWidgets.QComboBox):
            return Answer(str(self.field.currentText()))
        return read_value(self.row, self.field.text())

    @property
    def differs(self) -> bool:
        """Return whether it holds a value other than the default."""
        answer = self.answer
        return answer.value is not None and answer.value != default_of(self.row)

    def reset(self) -> None:
        """Go back to the default."""
        default = default_of(self.row)
        if isinstance(self.field, QtWidgets.QCheckBox):
            self.field.setChecked(bool(default))
        elif isinstance(self.field, QtWidgets.QComboBox):
            self.field.setCurrentIndex(max(0, self.field.findText(str(default))))
        else:
            self.field.setText(shown_value(self.row, default))

    def _tidy(self) -> None:
        """Write a good quantity as it would be shown, once the operator leaves the field."""
        answer = self.answer
        if answer.value is not None and self.row.kind in ("float", "integer"):
            self.field.setText(shown_value(self.row, answer.value))

    def _told(self) -> None:
        self._say()
        self.changed.emit()

    def _say(self) -> None:
        theme, answer = self._look.theme, self.answer
        if answer.why:
            text, colour = f"✗ {answer.why}", theme.major
        elif self.differs:
            default = shown_value(self.row, default_of(self.row)) or "empty"
            text, colour = f"● changed, default {default}", theme.text
        else:
            text, colour = range_text(self.row), theme.dim
        self.note.dress(self._look, TEXT_UNITS, colour)
        self.note.say(text)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.label.dress(look, TEXT_UNITS, look.theme.text)
        self.field.setFont(sized_font(look, TEXT_UNITS))
        if isinstance(self.field, QtWidgets.QCheckBox):
            dress_tick(self.field, look)
        else:
            self.field.setPalette(palette_of(look.theme))
        self.field.setFixedWidth(look.px(FIELD_UNITS))
        self._say()


class ParameterForm(QtWidgets.QScrollArea):  # type: ignore[misc]
    """The parameters of one procedure. The signal `changed` tells that a field holds something else now."""

    changed = QtCore.Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self.fields: tuple[ParameterField, ...] = ()
        self._empty: PlainLabel | None = None  # lives as long as what it stands in
        self.setWidgetResizable(True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.show_parameters(())

    def show_parameters(self, rows: Sequence[ParameterRow]) -> None:
        """Show other parameters, with their defaults."""
        inside = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(inside)
        self.fields = tuple(ParameterField(row, self._look) for row in rows)
        for place, field in enumerate(self.fields):
            for column, part in enumerate((field.label, field.field, field.note)):
                grid.addWidget(part, place, column)
            field.changed.connect(self.changed)
        self._empty = None if self.fields else PlainLabel("It has no parameters.")
        if self._empty is not None:
            grid.addWidget(self._empty, 0, 0)
        grid.setColumnStretch(2, 1)
        grid.setRowStretch(len(self.fields) + 1, 1)
        self.setWidget(inside)
        # The ground is that of the dialog, whatever its theme.
        for ground in (inside, self.viewport()):
            ground.setAutoFillBackground(False)
        self.use_look(self._look)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        if self._empty is not None:
            self._empty.dress(look, TEXT_UNITS, look.theme.dim)
        for field in self.fields:
            field.use_look(look)
        grid = self.widget().layout()
        grid.setContentsMargins(0, 0, look.px(8), 0)
        grid.setHorizontalSpacing(look.px(14))
        grid.setVerticalSpacing(look.px(8))

    @property
    def faults(self) -> list[str]:
        """Return the labels of the fields that hold no value that could be sent."""
        return [str(field.label.text()) for field in self.fields if field.answer.why]

    @property
    def changes(self) -> dict[str, Value]:
        """Return the values that differ from their defaults, by name."""
        return {
            field.row.name: value
            for field in self.fields
            if field.differs and (value := field.answer.value) is not None
        }

    def reset(self) -> None:
        """Go back to all defaults."""
        for field in self.fields:
            field.reset()


def _tip(row: ParameterRow) -> str:
    allowed = range_text(row)
    unit = f"in {unit_text(row.unit)}" if row.unit else ""
    facts = ", ".join(part for part in (unit, allowed and f"from {allowed}" if " to " in allowed else allowed) if part)
    return ". ".join(part for part in (row.description.rstrip("."), f"{row.name} {facts}".strip()) if part)
