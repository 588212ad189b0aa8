"""The state of one loop in large letters, why it is so, and its numbers beside their limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from pyqtgraph.Qt import QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import LoopRow, Severity
from labctl.dashboard.dressing import HEADING_UNITS, TEXT_UNITS
from labctl.dashboard.look import Look
from labctl.dashboard.loop_words import is_unseen, kind_text, needs_of, not_locked, shown_mark, steady_text
from labctl.dashboard.number_text import NO_BREAK, UNKNOWN_TEXT, duration_text, moment_text, number_text
from labctl.dashboard.output_bar import NEAR_SHARE, RAIL_SHARE, OutputBar, margin_of
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.state_glyphs import STALE, Mark, lock_mark
from labctl.dashboard.thin_panel import ThinPanel

LINES: Final = ("Error", "Residual", "Light", "Output", "Losses", "Locked")
BEYOND: Final = "▲"
NOT_USED: Final = "not used by this loop"
VALUE_UNITS: Final = 21
VALUE_WIDTH_UNITS: Final = 180


class LoopSummary(ThinPanel):
    """Shows one `LoopRow`; the sentences at the left, the numbers at the right."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._mark = Mark("", "")
        self._state, self._kind = PlainLabel(), PlainLabel(wraps=True)
        self._since, self._why, self._cause = (PlainLabel(wraps=True) for _ in range(3))
        self._needs, self._missing = PlainLabel(wraps=True), PlainLabel(wraps=True)
        self._bar = OutputBar(look)
        self._values = {name: PlainLabel() for name in LINES}
        self._limits = {name: PlainLabel() for name in LINES}
        self._names = [PlainLabel(name) for name in LINES]
        self._build()
        self.use_look(look)

    def _build(self) -> None:
        self._left = left = QtWidgets.QVBoxLayout()
        for label in (self._state, self._kind, self._since, self._why, self._needs, self._missing, self._cause):
            left.addWidget(label)
        left.addStretch(1)
        self._grid = QtWidgets.QGridLayout()
        for place, name in enumerate(LINES):
            row = place + (name in ("Losses", "Locked"))  # the bar is below the output
            self._grid.addWidget(self._names[place], row, 0)
            self._grid.addWidget(self._values[name], row, 1)
            self._grid.addWidget(self._limits[name], row, 2)
        self._grid.addWidget(self._bar, LINES.index("Output") + 1, 0, 1, 3)
        self._grid.setColumnStretch(2, 1)
        self._grid.setRowStretch(len(LINES) + 1, 1)
        self._columns = QtWidgets.QHBoxLayout(self)
        self._columns.addLayout(left, 5)
        self._columns.addLayout(self._grid, 5)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        self.dress(look)
        theme = look.theme
        self._columns.setContentsMargins(look.px(14), look.px(10), look.px(14), look.px(10))
        self._columns.setSpacing(look.px(24))
        self._left.setSpacing(look.px(5))
        self._grid.setHorizontalSpacing(look.px(14))
        self._grid.setVerticalSpacing(look.px(6))
        self._grid.setColumnMinimumWidth(1, look.px(VALUE_WIDTH_UNITS))
        self._kind.dress(look, HEADING_UNITS, theme.text, bold=True)
        self._since.dress(look, TEXT_UNITS, theme.dim)
        self._why.dress(look, TEXT_UNITS, theme.text)
        self._needs.dress(look, TEXT_UNITS, theme.dim)
        self._missing.dress(look, TEXT_UNITS, theme.major, bold=True)
        self._cause.dress(look, TEXT_UNITS, theme.text)
        for name in self._names:
            name.dress(look, TEXT_UNITS, theme.dim)
        for limit in self._limits.values():
            limit.dress(look, TEXT_UNITS, theme.dim)
        self._bar.use_look(look)
        self._dress_state()

    def _dress_state(self) -> None:
        self._state.setText(self._mark.text)
        size = self._look.state_px / self._look.scale
        self._state.dress(self._look, size, self._look.theme.of(self._mark.severity), bold=True)

    # ---- what it shows ----------------------------------------------------------------------------------------------

    def show_loop(self, row: LoopRow, rows: Sequence[LoopRow], latest: Latest, now: float, cause: str) -> None:
        """Show a loop among all `rows`; `cause` is the sentence of its last loss, "" none."""
        mark = shown_mark(row, latest, now)
        if mark != self._mark:
            self._mark = mark
            self._dress_state()
        self._kind.say(f"{row.name}: {kind_text(row)}")
        age_s = latest.age_s(row.since, now)
        since = "" if math.isnan(row.since) else f"since {moment_text(row.since, row.since + age_s)}"
        held = f"{since}, for {duration_text(age_s)}" if since else ""
        if mark == STALE:
            held = f"Last known: {lock_mark(row.state, wanted=row.wanted).word}, {since}".rstrip(", ")
        self._since.say(held)
        _say_or_hide(self._why, f"Held: {row.parked}" if row.parked else row.why)
        self._why.dress(self._look, TEXT_UNITS, self._look.theme.dim if mark == STALE else self._look.theme.text)
        self._show_needs(row, [] if latest.is_gone(now) else rows)
        _say_or_hide(self._cause, f"Last loss: {cause}" if cause else "")
        self._show_numbers(row, is_masked=is_unseen(row, latest, now), is_gone=latest.is_gone(now))

    def _show_needs(self, row: LoopRow, rows: Sequence[LoopRow]) -> None:
        needs = needs_of(row)
        self._needs.say(f"Needs {', '.join(needs)}." if needs else "Needs no other loop.")
        open_ones = (f"{other.name} ({lock_mark(other.state, wanted=True).text})" for other in not_locked(needs, rows))
        listed = ", ".join(open_ones)
        _say_or_hide(self._missing, f"Not locked: {listed}" if listed else "")

    def _show_numbers(self, row: LoopRow, *, is_masked: bool, is_gone: bool) -> None:
        theme = self._look.theme
        beyond = Severity.MAJOR if row.state == "locked" else Severity.MINOR  # expected of a loop on its way
        margin = margin_of(row.output_v, row.low_v, row.high_v)
        near = Severity.NONE if not margin < NEAR_SHARE else beyond if margin < RAIL_SHARE else Severity.MINOR
        readings = {
            "Error": (steady_text(row.error, row.unit, row.error_limit), abs(row.error) > row.error_limit),
            "Residual": (steady_text(row.residual, row.unit, row.residual_limit), row.residual > row.residual_limit),
            "Light": (steady_text(row.witness, "", 1.0), row.witness < row.witness_limit),
        }
        marked = {name: (text, beyond if is_bad else Severity.NONE) for name, (text, is_bad) in readings.items()}
        marked["Output"] = (steady_text(row.output_v, "V", 1.0), near)
        for name, (text, severity) in marked.items():
            if is_masked:
                # Off, it is not looked at: there is nothing that could be old.
                text, severity = (UNKNOWN_TEXT, Severity.NONE) if row.state == "off" else (STALE.text, STALE.severity)
            elif severity:
                text = f"{text} {BEYOND}"
            self._show_value(name, text, theme.of(severity) if severity else theme.text)
        known = math.nan if is_masked else row.output_v
        self._bar.show_output(known, row.low_v, row.high_v, theme.of(near) if near else theme.text)
        for name, what, which, value, limit, unit in (
            ("Error", "of one reading", "at most", row.error, row.error_limit, row.unit),
            ("Residual", "rms", "at most", row.residual, row.residual_limit, row.unit),
            ("Light", "of that at lock", "at least", row.witness, row.witness_limit, ""),
        ):
            is_used = not (math.isnan(value) and math.isnan(limit))
            self._limits[name].say(f"{what}, {_limit(which, limit, unit)}" if is_used else NOT_USED)
        self._limits["Output"].say(_rails_text(row, math.nan if is_masked else margin))
        self._show_counts(row, is_gone=is_gone)

    def _show_counts(self, row: LoopRow, *, is_gone: bool) -> None:
        theme = self._look.theme
        if is_gone:
            for name in ("Losses", "Locked"):
                self._show_value(name, STALE.text, theme.of(STALE.severity))
        else:
            spent = row.relocks_left <= 0
            losses = f"{row.losses}{NO_BREAK}{BEYOND}" if spent else f"{row.losses}"
            self._show_value("Losses", losses, theme.major if spent else theme.text)
            share = UNKNOWN_TEXT if math.isnan(row.locked_share) else f"{100.0 * row.locked_share:.2f}{NO_BREAK}%"
            self._show_value("Locked", share, theme.text)
        left = "" if is_gone else f"; relocks left: {row.relocks_left}"
        self._limits["Losses"].say(f"in the last hour{left}")
        self._limits["Locked"].say("of the time that it was wanted")

    def _show_value(self, name: str, text: str, colour: str) -> None:
        label = self._values[name]
        label.say(text)
        label.dress(self._look, VALUE_UNITS, colour, bold=True)


def _say_or_hide(label: PlainLabel, text: str) -> None:
    label.say(text)
    if label.isHidden() == bool(text):
        label.setVisible(bool(text))


def _limit(which: str, limit: float, unit: str) -> str:
    if math.isnan(limit):
        return "no limit"
    return f"{which} {limit:g}{NO_BREAK}{unit}" if unit else f"{which} {limit:g}"


def _rails_text(row: LoopRow, margin: float) -> str:
    if math.isnan(row.low_v) or math.isnan(row.high_v):
        return "rails unknown"
    low, high = (number_text(volts, "V", 3) for volts in (row.low_v, row.high_v))
    rails = f"rails {low} and {high}"
    if math.isnan(margin):
        return rails
    left_v = margin * 0.5 * (row.high_v - row.low_v)
    return f"{left_v:.2f}{NO_BREAK}V to the nearer of {rails[6:]}"
