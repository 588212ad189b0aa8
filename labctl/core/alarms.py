"""The alarms of a core: raised, acknowledged, cleared, put aside, and grouped by their first cause."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from labctl.bus.commands import MOST_SHELVED_S
from labctl.bus.messages import AlarmRow, Severity
from labctl.errors import LabError

# Loops that were held come back one after another, some seconds each; what is not back by then has a fault of its own.
OUTLIVE_S: Final = 60.0
MOST_ALARMS: Final = 500  # beyond, the oldest that are cleared go, acknowledged or not

Key = tuple[str, str]
"""Source and condition: what there is one alarm of."""


@dataclass
class _Alarm:
    identity: int
    text: str
    severity: Severity
    raised_at: float
    active: bool = True
    acknowledged_by: str | None = None
    cleared_at: float = math.nan
    count: int = 1
    brought_down: dict[Key, str] = field(default_factory=dict)  # kept until it is raised anew


@dataclass
class _Consequence:
    """Something that went down with its causes, and is no alarm of its own while one of them lasts."""

    text: str
    severity: Severity
    brief: str
    causes: set[str] = field(default_factory=set)  # sources
    alone_since: float = math.nan  # without an active cause


@dataclass(frozen=True)
class _Shelving:
    until: float
    why: str


class AlarmBook:
    """All alarms, one for each source and condition of it.

    An alarm is latched: it leaves when it is cleared and acknowledged, in whichever order. A condition that is raised
    with the source that caused it is listed with the alarm of that source; it becomes an alarm of its own when it
    outlives all its causes by `outlive_s`. Times are wall time in s. May be used by several threads.
    """

    def __init__(self, *, outlive_s: float = OUTLIVE_S) -> None:
        self._outlive_s = outlive_s
        self._guard = threading.Lock()
        self._alarms: dict[Key, _Alarm] = {}
        self._consequences: dict[Key, _Consequence] = {}
        self._shelved: dict[Key, _Shelving] = {}
        self._last_identity = 0

    # ---- raising and clearing ---------------------------------------------------------------------------------------

    def raise_alarm(
        self,
        source: str,
        text: str,
        severity: Severity,
        now: float,
        *,
        condition: str = "",
        cause_source: str = "",
        brief: str = "",
        brings: Sequence[str] = (),
        again: bool = True,
    ) -> None:
        """Raise an alarm, or tell what is new about one that is active; a severity that rises asks for another
        acknowledgement, and severity NONE clears.

        `cause_source` is the source whose loss caused it, `brief` what it is called among the consequences of that
        ("cavity2 held"), `brings` what else it brought down ("joint invalid"). With `again` it counts as raised once
        more although it is active; who watches a level says False, and may call as often as it looks.
        """
        key = (source, condition)
        with self._guard:
            if severity is Severity.NONE:
                self._clear(key, now)
            elif cause_source not in ("", source) and not self._is_active(key):
                consequence = self._consequences.setdefault(key, _Consequence(text, severity, brief or text))
                consequence.text, consequence.severity, consequence.brief = text, severity, brief or text
                consequence.causes.add(cause_source)
            else:
                alarm = self._raise(key, text, severity, now, again)
                alarm.brought_down.update({("", phrase): phrase for phrase in brings})
            self._settle(now)

    def clear(self, source: str, now: float, *, condition: str = "") -> None:
        """Note that a condition holds no longer; nothing where it did not hold."""
        with self._guard:
            self._clear((source, condition), now)
            self._settle(now)

    # ---- what operators do ------------------------------------------------------------------------------------------

    def acknowledge(self, identity: int, by: str, now: float) -> int:
        """Acknowledge an alarm, or with 0 all that are not put aside, and return how many that was.

        Raises `LabError` where there is no such alarm, or no longer.
        """
        with self._guard:
            self._settle(now)
            keys = [self._find(identity)] if identity else [key for key in self._alarms if key not in self._shelved]
            new = [key for key in keys if self._alarms[key].acknowledged_by is None]
            for key in new:
                alarm = self._alarms[key]
                alarm.acknowledged_by, alarm.count = by, 0
                if not alarm.active:
                    del self._alarms[key]
            return len(new)

    def shelve(self, identity: int, seconds: float, by: str, why: str, now: float) -> None:
        """Put an alarm aside for some seconds; 0 brings it back.

        Until then its condition may come and go without a word. Raises `LabError` where there is no such alarm, or for
        more than 12 h.
        """
        if not 0.0 <= seconds <= MOST_SHELVED_S:
            raise LabError(f"An alarm may be put aside for 0 to {MOST_SHELVED_S / 3600.0:g} h.")
        with self._guard:
            self._settle(now)
            key = self._find(identity)
            if not seconds:
                self._shelved.pop(key, None)
                return
            self._shelved[key] = _Shelving(now + seconds, f"{by}: {why}" if why else by)
            if not self._alarms[key].active:
                del self._alarms[key]

    # ---- looking ----------------------------------------------------------------------------------------------------

    def is_active(self, source: str, *, condition: str = "") -> bool:
        """Return whether there is an alarm of its own whose condition holds."""
        with self._guard:
            return self._is_active((source, condition))

    def rows(self, now: float) -> list[AlarmRow]:
        """Return all alarms, the worst first and among these the newest; those that are put aside come last."""
        with self._guard:
            self._settle(now)
            rows = [self._row(key, alarm) for key, alarm in self._alarms.items()]
        return sorted(
            rows, key=lambda row: (not math.isnan(row.shelved_until), -row.severity, -row.raised_at, -row.identity)
        )

    # ---- inside, under the guard ------------------------------------------------------------------------------------

    def _is_active(self, key: Key) -> bool:
        return key in self._alarms and self._alarms[key].active

    def _find(self, identity: int) -> Key:
        for key, alarm in self._alarms.items():
            if alarm.identity == identity:
                return key
        raise LabError(f"There is no alarm {identity}, or it has left the list meanwhile.")

    def _raise(self, key: Key, text: str, severity: Severity, now: float, again: bool) -> _Alarm:
        self._consequences.pop(key, None)
        alarm = self._alarms.get(key)
        if alarm is None:
            self._last_identity += 1
            alarm = self._alarms[key] = _Alarm(self._last_identity, text, severity, now)
            self._drop_surplus()
            return alarm
        if not alarm.active:
            alarm.active, alarm.raised_at, alarm.cleared_at = True, now, math.nan
            alarm.brought_down.clear()
            alarm.count += 1
        elif severity > alarm.severity:
            alarm.acknowledged_by, alarm.raised_at = None, now
            alarm.count += 1
        elif again:
            alarm.count += 1
        alarm.text, alarm.severity = text, severity
        return alarm

    def _clear(self, key: Key, now: float) -> None:
        self._consequences.pop(key, None)
        alarm = self._alarms.get(key)
        if alarm is None or not alarm.active:
            return
        alarm.active, alarm.cleared_at = False, now
        if alarm.acknowledged_by is not None or key in self._shelved:
            del self._alarms[key]

    def _settle(self, now: float) -> None:
        """Do what is due: end shelvings, and list consequences with their causes or raise them."""
        for key in [key for key, shelving in self._shelved.items() if now >= shelving.until]:
            del self._shelved[key]
        for key, consequence in list(self._consequences.items()):
            causes = [
                alarm for (source, _), alarm in self._alarms.items() if alarm.active and source in consequence.causes
            ]
            for alarm in causes:
                alarm.brought_down[key] = consequence.brief
            if causes:
                consequence.alone_since = math.nan
            elif math.isnan(consequence.alone_since):
                consequence.alone_since = now
            if now - consequence.alone_since >= self._outlive_s:
                self._raise(key, consequence.text, consequence.severity, now, again=True)

    def _drop_surplus(self) -> None:
        surplus = len(self._alarms) - MOST_ALARMS
        if surplus > 0:
            over = sorted(
                (key for key, alarm in self._alarms.items() if not alarm.active),
                key=lambda key: self._alarms[key].cleared_at,
            )
            for key in over[:surplus]:
                del self._alarms[key]

    def _row(self, key: Key, alarm: _Alarm) -> AlarmRow:
        shelving = self._shelved.get(key)
        return AlarmRow(
            identity=alarm.identity,
            source=key[0],
            text=alarm.text,
            severity=int(alarm.severity),
            active=alarm.active,
            acknowledged=alarm.acknowledged_by is not None,
            acknowledged_by=alarm.acknowledged_by or "",
            raised_at=alarm.raised_at,
            cleared_at=alarm.cleared_at,
            shelved_until=shelving.until if shelving else math.nan,
            shelved_why=shelving.why if shelving else "",
            count=alarm.count,
            consequences=", ".join(in_runs(alarm.brought_down.values())),
        )


_NUMBERED = re.compile(r"(\D+)(\d+)( .*)?")
SHORTEST_RUN: Final = 3


def in_runs(phrases: Iterable[str]) -> list[str]:
    """Return phrases with those that differ by consecutive numbers as one: "lo1 held" ... "lo4 held" as "lo1–4 held".

    Fewer than three stay as they are; order is that of the first of each.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for phrase in phrases:
        found = _NUMBERED.fullmatch(phrase)
        if found:
            groups.setdefault((found[1], found[3] or ""), []).append(int(found[2]))
        else:
            groups.setdefault((phrase, ""), [])
    spelled: list[str] = []
    for (name, rest), numbers in groups.items():
        spelled += [f"{name}{run}{rest}" for run in _runs(sorted(set(numbers)))] if numbers else [name]
    return spelled


def _runs(numbers: Sequence[int]) -> list[str]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [
        text
        for run in runs
        for text in ([f"{run[0]}–{run[-1]}"] if len(run) >= SHORTEST_RUN else [str(number) for number in run])
    ]
