"""From the queue to alarms: a step that failed asks to be seen."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from labctl.bus.messages import QueueRow, Severity
from labctl.core.alarms import AlarmBook
from labctl.store.records import StepState

SOURCE: Final = "queue"


class StepAlarms:
    """Raises a MINOR alarm for each attempt at a step that failed. It is an event: over at once, and latched until it
    is acknowledged. May be used by several threads."""

    def __init__(self, book: AlarmBook) -> None:
        self._book = book
        self._told: dict[int, int] = {}  # identity of the step: the last attempt that was told
        self._guard = threading.Lock()

    def update(self, rows: Sequence[QueueRow], now: float) -> None:
        """Take a look at the queue."""
        with self._guard:
            identities = {row.identity for row in rows}
            self._told = {identity: attempt for identity, attempt in self._told.items() if identity in identities}
            for row in rows:
                if row.state == StepState.FAILED and self._told.get(row.identity) != row.attempt:
                    self._told[row.identity] = row.attempt
                    self._raise(row, now)

    def _raise(self, row: QueueRow, now: float) -> None:
        condition = f"step {row.identity}"
        text = f"{row.name} failed" + (f": {row.reason}" if row.reason else "")
        self._book.raise_alarm(SOURCE, text, Severity.MINOR, now, condition=condition)
        self._book.clear(SOURCE, now, condition=condition)
