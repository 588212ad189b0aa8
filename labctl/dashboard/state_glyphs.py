"""States as glyph and word, with the severity that gives the colour: one place for all pages.

A state is never shown by its colour alone. The states come as the words of the bus, so that a screen also shows those
of a core of another version: a word that is not known here is shown as it is, as not normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from labctl.bus.messages import AlarmRow, LoopRow, ReadingRow, Severity


@dataclass(frozen=True)
class Mark:
    """A state as it is shown; `severity` is what `Theme.of` takes."""

    glyph: str
    word: str
    severity: Severity = Severity.NONE

    @property
    def text(self) -> str:
        """Glyph and word."""
        return f"{self.glyph} {self.word}"


STALE: Final = Mark("◌", "STALE", Severity.INVALID)
UNKNOWN: Final = Mark("?", "UNKNOWN", Severity.INVALID)

_WAY: Final = "↻"
_LOCK_MARKS: Final = {
    "locked": Mark("✓", "LOCKED"),
    "off": Mark("○", "OFF"),
    "precheck": Mark(_WAY, "PRECHECK", Severity.MINOR),
    "scan": Mark(_WAY, "SCAN", Severity.MINOR),
    "fit": Mark(_WAY, "FIT", Severity.MINOR),
    "approach": Mark(_WAY, "APPROACH", Severity.MINOR),
    "engage": Mark(_WAY, "ENGAGE", Severity.MINOR),
    "verify": Mark(_WAY, "VERIFY", Severity.MINOR),
    "tighten": Mark(_WAY, "TIGHTEN", Severity.MINOR),
    "suspect": Mark("~", "SUSPECT", Severity.MINOR),
    "hold": Mark("‖", "HELD", Severity.MINOR),
    "unwind": Mark("↺", "UNWIND", Severity.MINOR),
    "relock": Mark("↻", "RELOCK", Severity.MAJOR),
    "stalled": Mark("✗", "STALLED", Severity.MAJOR),
    "fault": Mark("✗", "FAULT", Severity.MAJOR),
}
_STEP_MARKS: Final = {
    "waiting": Mark("○", "waiting"),
    "running": Mark("▶", "running"),
    "done": Mark("✓", "done"),
    "failed": Mark("✗", "failed", Severity.MAJOR),
    "skipped": Mark("»", "skipped", Severity.MINOR),
    "stopped": Mark("■", "stopped", Severity.MINOR),
}
_RUN_MARKS: Final = {
    "idle": Mark("○", "idle"),
    "running": Mark("▶", "running"),
    "paused": Mark("‖", "paused", Severity.MINOR),
    "pausing": Mark("‖", "pausing", Severity.MINOR),
    "complete": Mark("✓", "complete"),
    "stopped": Mark("■", "stopped", Severity.MINOR),
    "failed": Mark("✗", "failed", Severity.MAJOR),
    "crashed": Mark("✗", "crashed", Severity.MAJOR),
}
_SEVERITY_MARKS: Final = {
    Severity.NONE: Mark("✓", "OK"),
    Severity.MINOR: Mark("△", "MINOR", Severity.MINOR),
    Severity.MAJOR: Mark("▲", "MAJOR", Severity.MAJOR),
    Severity.INVALID: Mark("?", "INVALID", Severity.INVALID),
}
_LOOP_LABELS: Final = {"opa_length": "OPA", "pump_phase": "PUMP", "cavity": "CAV"}
# In this order a screen tells what is worst first; a severity alone does not part a held loop from one on its way.
_WORST_FIRST: Final = ("fault", "stalled", "relock", "suspect", "unwind", "hold")


def loop_label(name: str) -> str:
    """Return the name of a loop, or of a family of loops, as it is painted: "OPA", "PUMP", "CAV3", "LO1"."""
    family = name.rstrip("0123456789")
    return _LOOP_LABELS.get(family, family.replace("_", " ").upper()) + name[len(family) :]


def lock_mark(state: str, *, wanted: bool = True) -> Mark:
    """Return the mark of a `LockState`. A loop that is off is not normal where it is wanted; neither is one without a
    state."""
    mark = _LOCK_MARKS.get(state) or _unknown(state)
    return Mark(mark.glyph, mark.word, Severity.MINOR) if state == "off" and wanted else mark


def loop_rank(row: LoopRow) -> int:
    """Return how far up a list of loops this one belongs: 0 worst, growing to what is normal."""
    if row.state in _WORST_FIRST:
        return _WORST_FIRST.index(row.state)
    mark = lock_mark(row.state, wanted=row.wanted)
    return len(_WORST_FIRST) + (0 if mark.severity else 2 if row.state == "off" else 1)


def step_mark(state: str) -> Mark:
    """Return the mark of a `StepState`."""
    return _STEP_MARKS.get(state) or _unknown(state)


def run_mark(state: str) -> Mark:
    """Return the mark of `RunRow.state`."""
    return _RUN_MARKS.get(state) or _unknown(state)


def severity_mark(severity: int) -> Mark:
    """Return the mark of a severity; a number that is none is invalid."""
    return _SEVERITY_MARKS.get(Severity(severity) if severity in list(Severity) else Severity.INVALID, UNKNOWN)


def reading_mark(row: ReadingRow) -> Mark:
    """Return the mark of a reading: its own word, with the glyph of its severity."""
    mark = severity_mark(row.severity)
    return Mark(mark.glyph, row.state.upper() or mark.word, mark.severity)


def alarm_mark(row: AlarmRow, now: float) -> Mark:
    """Return where an alarm stands at `now`, of the core's clock: UNACK, ACK, CLEARED (not acknowledged yet) or
    SHELVED."""
    if is_shelved(row, now):
        return Mark("▽", "SHELVED")
    severity = severity_mark(row.severity).severity
    if row.acknowledged:
        return Mark("▪", "ACK", severity if row.active else Severity.NONE)
    return Mark("●", "UNACK", severity) if row.active else Mark("○", "CLEARED", Severity.MINOR)


def alarm_text(row: AlarmRow) -> str:
    """Return what an alarm says, after the name of where it comes from unless it begins with that: "VACUUM: No reading
    for 30 s"."""
    label = loop_label(row.source)
    names = (label, row.source.replace("_", " ").upper())
    return row.text if row.text.upper().startswith(names) else f"{label}: {row.text}"


def is_shelved(row: AlarmRow, now: float) -> bool:
    """Return whether an alarm is put aside at `now`, of the core's clock."""
    return row.shelved_until > now


def window_mark(value: float, low: float, high: float) -> Mark:
    """Return whether a value is in the window in which it may be used; a limit that is nan is none."""
    if math.isnan(low) and math.isnan(high):
        return Mark("–", "no window")
    if math.isnan(value):
        return UNKNOWN
    if value < low or value > high:
        return Mark("▲", "outside", Severity.MAJOR)
    return Mark("✓", "in window")


def _unknown(state: str) -> Mark:
    return Mark(UNKNOWN.glyph, state.upper() or UNKNOWN.word, Severity.INVALID)
