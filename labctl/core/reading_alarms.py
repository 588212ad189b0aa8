"""From readings and answers of instruments to alarms."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Final

from labctl.bus.messages import InstrumentRow, ReadingRow, Severity
from labctl.core.alarms import AlarmBook
from labctl.core.reading_watch import Watch

DELAY_S: Final = 5.0  # longer than a lost reply and the next one that is asked for
DEADBAND_SHARE: Final = 0.05  # of the window, or of its only limit
RAMPING: Final = "ramping"
READING: Final = "reading"
ANSWER: Final = "answer"

_Window = tuple[float, float]


class ReadingAlarms:
    """Raises an alarm for each reading outside its window, or missing, for longer than `delay_s`.

    It is MINOR, or what the row itself says where that is worse; a missing one INVALID. One that ramps to its set point
    is out by intention. May be used by several threads.
    """

    def __init__(self, book: AlarmBook, *, delay_s: float = DELAY_S) -> None:
        self._book = book
        self._delay_s = delay_s
        self._watches: dict[str, tuple[_Window, Watch]] = {}
        self._guard = threading.Lock()

    def update(self, rows: Sequence[ReadingRow], now: float) -> None:
        """Take a look at all readings."""
        with self._guard:
            for name in self._watches.keys() - {row.name for row in rows}:
                del self._watches[name]
                self._book.clear(name, now, condition=READING)
            for row in rows:
                is_silent = row.severity == Severity.INVALID  # its value is the last one before
                value = math.nan if is_silent else row.value
                severity = self._watch(row).judge(value, now) or Severity.NONE
                if severity is Severity.MINOR and row.severity >= Severity.MAJOR:
                    severity = Severity.MAJOR
                self._book.raise_alarm(row.name, _text(row), severity, now, condition=READING, again=False)

    def _watch(self, row: ReadingRow) -> Watch:
        """Return the watch on a reading; another window is another watch."""
        low, high = (math.nan, math.nan) if row.state == RAMPING else (row.low, row.high)
        window = (_or(low, -math.inf), _or(high, math.inf))
        known = self._watches.get(row.name)
        if known is None or known[0] != window:
            watch = Watch(low, high, _deadband(low, high), self._delay_s)
            known = self._watches[row.name] = (window, watch)
        return known[1]


class InstrumentAlarms:
    """Raises a MAJOR alarm for each instrument that was asked and does not answer. May be used by several threads."""

    def __init__(self, book: AlarmBook) -> None:
        self._book = book
        self._names: set[str] = set()
        self._guard = threading.Lock()

    def update(self, rows: Sequence[InstrumentRow], now: float) -> None:
        """Take a look at all instruments."""
        with self._guard:
            names = {row.name for row in rows}
            for name in self._names - names:
                self._book.clear(name, now, condition=ANSWER)
            self._names = names
            for row in rows:
                is_gone = not row.answers and not math.isnan(row.checked_at)
                text = f"{row.name} does not answer" + (f": {row.last_error}" if row.last_error else "")
                severity = Severity.MAJOR if is_gone else Severity.NONE
                self._book.raise_alarm(row.name, text, severity, now, condition=ANSWER, again=False)


def _or(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


def _deadband(low: float, high: float) -> float:
    if math.isfinite(low) and math.isfinite(high):
        return DEADBAND_SHARE * max(0.0, high - low)
    limits = [abs(limit) for limit in (low, high) if math.isfinite(limit)]
    return DEADBAND_SHARE * limits[0] if limits else 0.0


def _text(row: ReadingRow) -> str:
    name = row.label or row.name
    if math.isnan(row.value) or row.severity == Severity.INVALID:
        return f"{name}: no reading" + (f" ({row.state})" if row.state else "")
    unit = f" {row.unit}" if row.unit else ""
    if row.value < row.low:
        return f"{name} {row.value:.5g}{unit}, below {row.low:.5g}{unit}"
    if row.value > row.high:
        return f"{name} {row.value:.5g}{unit}, above {row.high:.5g}{unit}"
    return f"{name} {row.value:.5g}{unit}, only just back in its window"
