"""Page 5: the instruments, who they are, whether they answer, what went wrong last and what was said."""

from __future__ import annotations

import math

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import InstrumentRow, Severity
from labctl.dashboard.dressing import HEADING_UNITS, TEXT_UNITS, dress
from labctl.dashboard.filter_field import FilterField
from labctl.dashboard.look import Look
from labctl.dashboard.number_text import UNKNOWN_TEXT, moment_text, short_duration_text
from labctl.dashboard.page import Commander
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.state_glyphs import STALE, Mark
from labctl.dashboard.text_rows import MAY_BREAK, Cell, TextRow
from labctl.dashboard.text_table import TextTable
from labctl.dashboard.traffic_view import TrafficView

ANSWERS = Mark("✓", "answers")
SILENT = Mark("✗", "SILENT", Severity.MAJOR)
HEADINGS = ("State", "Name", "Model", "Identity", "Address", "Latency", "Messages", "Last error", "When")
RIGHT = (5, 6)
WRAPPED = {3: 3.0, 7: 4.0}


class InstrumentsPage(QtWidgets.QWidget):  # type: ignore[misc]
    """All instruments, the worst first; beneath, everything about the chosen one and its traffic."""

    title = "Instruments"

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__()
        self._look = look
        self._shown: object = None
        self._latest: Latest | None = None
        self._now = math.nan
        self._heading = PlainLabel("Instruments")
        self._filter = FilterField("Filter (Ctrl+F): words of name, error …", self)
        self._table = TextTable(look, HEADINGS, right=RIGHT, wrapped=WRAPPED)
        self._name = PlainLabel("")
        self._facts = PlainLabel("", wraps=True)
        self._error = PlainLabel("", wraps=True)
        self.traffic = TrafficView(look, commander)
        self._filter.textChanged.connect(self._table.filter)
        self._table.chosen.connect(self._choose)
        for label in (self._facts, self._error):
            label.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()
        self.use_look(look)

    def _lay_out(self) -> None:
        bar = QtWidgets.QHBoxLayout()
        bar.addWidget(self._heading)
        bar.addStretch(1)
        bar.addWidget(self._filter)
        page = QtWidgets.QVBoxLayout(self)
        page.addLayout(bar)
        page.addWidget(self._table, 3)
        for part in (self._name, self._facts, self._error):
            page.addWidget(part)
        page.addWidget(self.traffic, 2)
        self._layouts = (page, bar)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look, self._shown = look, None
        dress(self, look)
        for heading in (self._heading, self._name):
            heading.dress(look, HEADING_UNITS, look.theme.text, bold=True)
        self._facts.dress(look, TEXT_UNITS, look.theme.text)
        self._error.dress(look, TEXT_UNITS, look.theme.major)
        self._filter.use_look(look)
        self._table.use_look(look)
        self.traffic.use_look(look)
        for layout in self._layouts:
            layout.setSpacing(look.px(6))
        edge = look.px(10)
        self._layouts[0].setContentsMargins(edge, edge, edge, edge)
        if self._latest is not None:
            self.show_latest(self._latest, self._now)

    # ---- what the core told -----------------------------------------------------------------------------------------

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw the instruments: ages, counts and latencies once a second, the rest as soon as it is told."""
        self._latest, self._now = latest, now
        rows, gone = latest.rows(InstrumentRow), latest.is_gone(now)
        states = [(row.name, row.identity, row.answers, row.last_error, repr(row.last_error_at)) for row in rows]
        shown = (states, gone, int(now))
        if shown == self._shown:
            return
        self._shown = shown
        ordered = sorted(rows, key=_rank)
        self._table.show_rows([self._row(row, gone) for row in ordered])
        silent = sum(not row.answers for row in rows)
        self._heading.say(_counted(len(rows), silent, gone))
        colour = self._look.theme.major if silent and not gone else self._look.theme.text
        self._heading.dress(self._look, HEADING_UNITS, colour, bold=True)
        self._describe()

    def _row(self, row: InstrumentRow, gone: bool) -> TextRow:
        theme = self._look.theme
        mark = _mark(row, gone)
        latency = UNKNOWN_TEXT if gone or not row.answers else latency_text(row.latency_s)
        return TextRow(
            row.name,
            (
                Cell(mark.text, theme.of(mark.severity), f"checked {self._checked(row)}"),
                Cell(row.name, bold=True),
                Cell(row.model or row.driver),
                Cell(row.identity.replace(",", f",{MAY_BREAK}") or UNKNOWN_TEXT),
                Cell(row.address),
                Cell(latency),
                Cell(str(row.messages)),
                Cell(_first_line(row.last_error) or UNKNOWN_TEXT, "" if row.answers else theme.major, row.last_error),
                Cell(self._when(row.last_error_at) if row.last_error else ""),
            ),
        )

    def _age_s(self, at: float) -> float:
        return self._latest.age_s(at, self._now) if self._latest and math.isfinite(at) else math.nan

    def _checked(self, row: InstrumentRow) -> str:
        return f"{short_duration_text(self._age_s(row.checked_at))} ago"

    def _when(self, at: float) -> str:
        offset = self._latest.clock_offset_s if self._latest else 0.0
        return moment_text(at + offset, self._now)

    # ---- the chosen one ---------------------------------------------------------------------------------------------

    def _choose(self, name: str) -> None:
        self._describe()
        self.traffic.show_instrument(name)

    def _describe(self) -> None:
        rows = self._latest.rows(InstrumentRow) if self._latest else ()
        row = next((row for row in rows if row.name == self._table.key), None)
        for label in (self._name, self._facts, self._error):
            label.setVisible(row is not None)
        self._error.setVisible(row is not None and bool(row.last_error))
        if row is None or self._latest is None:
            return
        mark = _mark(row, self._latest.is_gone(self._now))
        self._name.say(f"{row.name}   {mark.text}")
        facts = [
            f"Identity: {row.identity or UNKNOWN_TEXT}",
            f"Model {row.model or UNKNOWN_TEXT}, driver {row.driver or UNKNOWN_TEXT}, at {row.address or UNKNOWN_TEXT}",
            f"Checked {self._checked(row)}, {row.messages} messages since the core began",
        ]
        self._facts.say("\n".join(facts))
        self._error.say(f"Last error, {self._when(row.last_error_at)}: {row.last_error}" if row.last_error else "")


def latency_text(seconds: float) -> str:
    """Return a latency in ms, to two digits or the millisecond."""
    if not math.isfinite(seconds):
        return UNKNOWN_TEXT
    milliseconds = 1e3 * seconds
    digits = 1 if milliseconds < 9.95 else 0
    return f"{milliseconds:.{digits}f} ms"


def _rank(row: InstrumentRow) -> tuple[int, float, str]:
    """Order the silent first, then those with errors, the latest first."""
    at = row.last_error_at if row.last_error and math.isfinite(row.last_error_at) else -math.inf
    return (0 if not row.answers else 1 if row.last_error else 2, -at, row.name)


def _mark(row: InstrumentRow, gone: bool) -> Mark:
    if gone:
        return STALE
    return ANSWERS if row.answers else SILENT


def _counted(count: int, silent: int, gone: bool) -> str:
    if not count:
        return "Instruments: none told yet"
    if gone:
        return f"Instruments ({count}), {STALE.text}: the core is silent"
    return f"Instruments ({count}), {SILENT.glyph} {silent} silent" if silent else f"Instruments ({count}), all answer"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
