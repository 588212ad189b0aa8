"""The alarms of the core, the worst and newest first, to be acknowledged or put aside for a while."""

from __future__ import annotations

from labctl.bus.latest import Latest
from labctl.bus.messages import AlarmRow
from labctl.dashboard.ask_dialog import AskDialog, Question
from labctl.dashboard.look import Look
from labctl.dashboard.number_text import clock_text, moment_text
from labctl.dashboard.page import Commander
from labctl.dashboard.panel_box import PanelBox, allow, refusal, row_look
from labctl.dashboard.state_glyphs import alarm_mark, alarm_text, is_shelved, severity_mark
from labctl.dashboard.text_rows import Cell, TextRow
from labctl.dashboard.text_table import TextTable

SHELVE_CHOICES = (("10 min", 600.0), ("1 h", 3600.0), ("8 h", 8 * 3600.0))
BUTTONS = ("Acknowledge", "Shelve…", "Unshelve")


class AlarmPanel(PanelBox):
    """Rows of `AlarmRow` with their severity, since when, what, and whether somebody acknowledged or shelved them."""

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__("ALARMS", look)
        self._commander = commander
        self._alarms: tuple[AlarmRow, ...] = ()
        self._core_now = 0.0
        self._gone = False
        self._dialog: AskDialog | None = None
        self.buttons = {name: self.add_button(name, self.title_row) for name in BUTTONS}
        for button, action in zip(
            self.buttons.values(), (self._acknowledge, self._ask_shelving, self._unshelve), strict=True
        ):
            button.clicked.connect(lambda _=False, act=action: act())
        self.table = TextTable(look, ("severity", "since", "what", "state"), wrapped={2: 1.0})
        self.table.horizontalHeader().hide()
        self.table.chosen.connect(lambda _: self._allow_buttons())
        self.body.addWidget(self.table, 1)
        self.use_look(look)
        self._allow_buttons()

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw the alarms as they are now; the chosen one stays chosen."""
        self._core_now, self._gone = now - latest.clock_offset_s, latest.is_gone(now)
        self._alarms = tuple(sorted(latest.rows(AlarmRow), key=self._worst_first))
        self.table.show_rows([self._text_row(row) for row in self._alarms])
        self._say_unacknowledged()
        self._allow_buttons()

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        super().use_look(look)
        self.table.use_look(row_look(look))

    def _worst_first(self, row: AlarmRow) -> tuple[bool, bool, bool, int, float]:
        return is_shelved(row, self._core_now), row.acknowledged, not row.active, -row.severity, -row.raised_at

    def _text_row(self, row: AlarmRow) -> TextRow:
        theme, severity, state = self.look.theme, severity_mark(row.severity), alarm_mark(row, self._core_now)
        calm = is_shelved(row, self._core_now) or row.acknowledged or not row.active
        tip = _tip(row, self._core_now)
        cells = (
            Cell(severity.text, theme.dim if calm else theme.of(severity.severity), tip),
            Cell(moment_text(row.raised_at, self._core_now), theme.dim, tip),
            Cell(self._what(row), theme.dim if calm else "", tip),
            Cell(state.text, theme.dim if calm else theme.of(state.severity), tip),
        )
        return TextRow(str(row.identity), cells)

    def _what(self, row: AlarmRow) -> str:
        text = alarm_text(row)
        text += f" ({row.count}×)" if row.count > 1 else ""
        text += f" → {row.consequences}" if row.consequences else ""
        if is_shelved(row, self._core_now):
            text += f"; shelved until {clock_text(row.shelved_until, seconds=False)}"
            text += f": {row.shelved_why}" if row.shelved_why else ""
        return text

    def _say_unacknowledged(self) -> None:
        if self._gone:
            self.set_gone()
            return
        waiting = [row for row in self._alarms if not row.acknowledged and not is_shelved(row, self._core_now)]
        if not self._alarms:
            self.set_note("✓ none")
        elif not waiting:
            self.set_note(f"{len(self._alarms)}, all acknowledged or shelved")
        else:
            self.set_note(f"● {len(waiting)} UNACK", severity_mark(waiting[0].severity).severity)

    # ---- what may be done -------------------------------------------------------------------------------------------

    @property
    def selected(self) -> AlarmRow | None:
        """The chosen alarm, if it is still in the list."""
        return next((row for row in self._alarms if str(row.identity) == self.table.key), None)

    def _allow_buttons(self) -> None:
        control, chosen = self._commander.has_control, self.selected
        shelved = chosen is not None and is_shelved(chosen, self._core_now)
        acknowledged = chosen is not None and chosen.acknowledged
        common = ((not self._gone, "The core is not heard"), (chosen is not None, "Choose an alarm first"))
        for name, condition, tip in (
            (
                "Acknowledge",
                (not acknowledged, "It is acknowledged already"),
                "Say that you have seen the chosen alarm",
            ),
            ("Shelve…", (not shelved, "It is shelved already"), "Put the chosen alarm aside for a while"),
            ("Unshelve", (shelved, "It is not shelved"), "Bring the chosen alarm back"),
        ):
            allow(self.buttons[name], refusal(control, *common, condition), tip)

    def _acknowledge(self) -> None:
        if (chosen := self.selected) is not None:
            self._commander.send("acknowledge", identity=chosen.identity)

    def _ask_shelving(self) -> None:
        if (chosen := self.selected) is None:
            return
        question = Question(
            "Shelve an alarm",
            f"Put “{chosen.text}” aside for",
            "Shelve it",
            label="Reason",
            needs_text=True,
            choices=tuple(name for name, _ in SHELVE_CHOICES),
        )
        identity = chosen.identity

        def shelve(reason: str, choice: int) -> None:
            seconds = SHELVE_CHOICES[choice][1]
            self._commander.send("shelve", identity=identity, seconds=seconds, reason=reason)

        self._dialog = AskDialog(self, self.look, question, shelve)
        self._dialog.ask()

    def _unshelve(self) -> None:
        if (chosen := self.selected) is not None:
            self._commander.send("shelve", identity=chosen.identity, seconds=0.0)


def _tip(row: AlarmRow, now: float) -> str:
    lines = [f"{severity_mark(row.severity).text} from {row.source}: {row.text}"]
    lines.append(f"raised {moment_text(row.raised_at, now)}" + (f", {row.count} times" if row.count > 1 else ""))
    if not row.active:
        lines.append(f"cleared {moment_text(row.cleared_at, now)}")
    if row.acknowledged:
        lines.append(f"acknowledged by {row.acknowledged_by or 'somebody'}")
    if row.consequences:
        lines.append(f"brought down: {row.consequences}")
    if is_shelved(row, now):
        lines.append(f"shelved until {moment_text(row.shelved_until, now)}: {row.shelved_why or 'no reason given'}")
    return "\n".join(lines)
