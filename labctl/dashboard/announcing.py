"""A commander that lets the window show what became of every command, whichever page sent it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from labctl.bus.latest import Latest
from labctl.bus.messages import SettingRow
from labctl.bus.replies import Reply
from labctl.dashboard.page import Commander

NOT_ANNOUNCED: Final = ("take_control", "keep_control", "list_runs", "list_figures", "read_figure", "read_traffic")


class AnnouncingCommander:
    """Sends through another commander; replies go to `say`, refusals to `warn`, changes of settings to `changed`."""

    def __init__(
        self,
        inner: Commander,
        latest: Latest,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        changed: Callable[[str, float], None],
    ) -> None:
        self._inner = inner
        self._latest = latest
        self._say = say
        self._warn = warn
        self._changed = changed

    @property
    def has_control(self) -> bool:
        """Return whether this window holds the control lease."""
        return self._inner.has_control

    def send(
        self,
        command: str,
        then: Callable[[Reply], None] | None = None,
        refused: Callable[[str], None] | None = None,
        **arguments: object,
    ) -> None:
        """Send a command, as `Commander` says."""
        is_change = command == "change_setting"
        setting = str(arguments.get("setting", "")) if is_change else ""
        value_now = self._value_of(setting)

        def replied(reply: Reply) -> None:
            if is_change:
                self._note_change(setting, _value_before(reply, setting, value_now), arguments.get("value"))
            elif command == "take_control":
                self._say("This screen has control.")
            elif reply.text and command not in NOT_ANNOUNCED:
                self._say(reply.text)
            if then is not None:
                then(reply)

        def said_no(why: str) -> None:
            self._warn(why)
            if refused is not None:
                refused(why)

        self._inner.send(command, then=replied, refused=said_no, **arguments)

    def _note_change(self, setting: str, before: float, after: object) -> None:
        if math.isfinite(before):
            self._changed(setting, before)
            self._say(f"{setting}: {before:g} → {after}. Ctrl+Z undoes it.")
        else:
            self._say(f"{setting} is {after} now; what it was before is not known.")

    def _value_of(self, setting: str) -> float:
        rows = self._latest.rows(SettingRow) if setting else ()
        return next((row.value for row in rows if row.name == setting), float("nan"))


def _value_before(reply: Reply, setting: str, value_shown: float) -> float:
    """Return the value that the core says it had, as a row or as a number; else that which was shown."""
    for row in reply.rows:
        if isinstance(row, SettingRow) and row.name == setting:
            return row.value
    try:
        return float(reply.text)
    except ValueError:
        return value_shown
