"""Follows every software stop that was sent until its core says that it is latched, and says what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from labctl.dashboard.table_link import TableLink

CONFIRMED_WITHIN_S: Final = 1.5


class StopWatch:
    """Sends stops at once, and asks nothing."""

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._say = say
        self._warn = warn
        self._waiting: list[tuple[TableLink, float]] = []

    def stop(self, links: Sequence[TableLink], now: float) -> None:
        """Stop those tables; each even where another one fails, or where there seems to be no link."""
        for link in links:
            there = link.is_connected and not link.latest.is_gone(now)
            try:
                link.stop()
            except Exception as error:  # whatever it is, the others must be stopped too
                self._warn(f"STOP was not sent to {link.name}: {error}. {_BY_HAND}")
                continue
            if there:
                self._waiting = [(other, at) for other, at in self._waiting if other is not link] + [(link, now)]
                self._say(f"STOP sent to {link.name}.")
            else:
                self._warn(f"NO LINK to {link.name}: STOP was not delivered. {_BY_HAND}")

    def look(self, now: float) -> None:
        """Say which stops were confirmed, and which were not in time."""
        still = []
        for link, at in self._waiting:
            core = link.latest.core
            if core is not None and core.stopped:
                self._say(f"{link.name} is stopped.")
            elif now - at > CONFIRMED_WITHIN_S:
                self._warn(f"STOP was sent to {link.name}, but it does not say that it is stopped. {_BY_HAND}")
            else:
                still.append((link, at))
        self._waiting = still


_BY_HAND: Final = "Stop the table by hand or by its hard-wired button."
