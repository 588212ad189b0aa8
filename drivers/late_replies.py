"""The way back into step where replies do not say what they answer.

Replies come in the order of their questions. So once the answer to a question has come that nothing else is answered
like, a mark, every reply that was late is through. Marks may be late themselves: each attempt asks for its mark another
number of times in a row, and only a row as long, or one of all that were ever asked for, is its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pyvisa

SHORT_SILENCE_MS = 50
LONGEST_ROW = 5
MOST_LATE_REPLIES = 30
_LONGEST_TALK_S = 10.0  # real time


class Marks:
    """The marks of one driver that have been asked for and may still come."""

    def __init__(self) -> None:
        self._row = 0
        self._owed = 0

    def seek(self, ask: Callable[[], None], read: Callable[[bool], str | None], is_mark: Callable[[str], bool]) -> bool:
        """Ask, and drop replies up to the mark; return whether it came.

        `ask` sends the question once. `read` returns the next reply, or None where a time-out ends without one: that of
        the link, or with True a short one.
        """
        self._row = self._row % LONGEST_ROW + 1
        self._owed += self._row
        for _ in range(self._row):
            ask()
        found = 0
        for _ in range(MOST_LATE_REPLIES):
            is_whole = found in (self._row, self._owed)
            reply = read(is_whole)
            if reply is None:
                if is_whole:
                    self.forget()
                return is_whole
            found = found + 1 if is_mark(reply) else 0
        return False

    def forget(self) -> None:
        """Expect nothing any more."""
        self._row = self._owed = 0


def falls_silent(connection: Any) -> bool:
    """Drop what arrives until the time-out of a pyvisa resource, then a short one, passes without a byte; return False
    where it never does. The time-out is left short."""
    deadline = time.monotonic() + _LONGEST_TALK_S
    try:
        while time.monotonic() < deadline:
            connection.read_bytes(1)
            connection.timeout = SHORT_SILENCE_MS
    except pyvisa.errors.VisaIOError:
        return True
    return False
