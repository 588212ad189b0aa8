"""The last events of a core, numbered."""

from __future__ import annotations

import itertools
import threading
from collections import deque

from labctl.bus.messages import EventRow
from labctl.store.records import EventLevel


class EventLog:
    """The last `most` events, the newest last; numbers count all events from 1. May be used by several threads."""

    def __init__(self, most: int = 500) -> None:
        self._rows: deque[EventRow] = deque(maxlen=most)
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()

    def add(self, at: float, lab_time_s: float, level: EventLevel, source: str, text: str) -> EventRow:
        """Add an event of wall time `at` and return it."""
        with self._guard:
            row = EventRow(next(self._numbers), at, lab_time_s, level, source, text)
            self._rows.append(row)
            return row

    def rows(self) -> tuple[EventRow, ...]:
        """Return all events that are kept."""
        with self._guard:
            return tuple(self._rows)

    def since(self, number: int) -> tuple[EventRow, ...]:
        """Return the events after the one of that number, as far as they are kept."""
        return tuple(row for row in self.rows() if row.number > number)
