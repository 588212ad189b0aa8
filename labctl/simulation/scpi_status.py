"""Status reporting of IEEE 488.2: the error queue, the event status register and the status byte."""

from __future__ import annotations

from collections import deque

OPERATION_COMPLETE, QUERY_ERROR, DEVICE_ERROR, EXECUTION_ERROR, COMMAND_ERROR, POWER_ON = 1, 4, 8, 16, 32, 128
"""Bits of the event status register."""
ERROR_AVAILABLE, MESSAGE_AVAILABLE, EVENT_SUMMARY, SERVICE_REQUEST, OPERATION_SUMMARY = 4, 16, 32, 64, 128
"""Bits of the status byte."""

_BIT_OF_CLASS = {1: COMMAND_ERROR, 2: EXECUTION_ERROR, 4: QUERY_ERROR}
_QUEUE_OVERFLOW = (-350, "Queue overflow")


class Status:
    """Error queue (first in, first out; a full one ends in -350), events and their enable masks."""

    def __init__(self, queue_length: int) -> None:
        self.event_enable = 0
        self.service_enable = 0
        self._events = POWER_ON
        self._errors: deque[tuple[int, str]] = deque()
        self._queue_length = queue_length

    @property
    def error_count(self) -> int:
        """How many errors wait to be read."""
        return len(self._errors)

    def push_error(self, code: int, text: str) -> None:
        """Queue an error and set the event of its class (-1xx command, -2xx execution, -4xx query, others device)."""
        self.raise_event(_BIT_OF_CLASS.get(-code // 100, DEVICE_ERROR))
        if len(self._errors) < self._queue_length:
            self._errors.append((code, text))
        else:
            self._errors[-1] = _QUEUE_OVERFLOW

    def pop_error(self) -> tuple[int, str] | None:
        """Return the oldest error and forget it."""
        return self._errors.popleft() if self._errors else None

    def forget_errors(self) -> None:
        """Empty the queue."""
        self._errors.clear()

    def raise_event(self, bit: int) -> None:
        """Set a bit of the event status register."""
        self._events |= bit

    def take_events(self) -> int:
        """Return the event status register and clear it, as `*ESR?` does."""
        events, self._events = self._events, 0
        return events

    def byte(self, *, message: bool, operation: bool) -> int:
        """Return the status byte, given whether a reply waits and whether the operation register has bits set."""
        value = ERROR_AVAILABLE if self._errors else 0
        value |= MESSAGE_AVAILABLE if message else 0
        value |= EVENT_SUMMARY if self._events & self.event_enable else 0
        value |= OPERATION_SUMMARY if operation else 0
        return value | (SERVICE_REQUEST if value & self.service_enable else 0)
