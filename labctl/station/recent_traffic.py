"""The last messages to and from each instrument, kept at all times: cheap enough for every one of them.

An adapter logs into it; what is kept is the message as it is, and only a crash report makes lines of it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final

from labctl.station.traffic import LONGEST_TEXT, readable, traffic_logger

MOST_MESSAGES: Final = 200  # of one instrument
_DIRECTIONS: Final = {"WRITE:%s": ">", "READ:%s": "<"}  # as pymeasure's adapters log

_recent: Final[dict[str, RecentTraffic]] = {}


class RecentTraffic:
    """Takes the place of the logger of an adapter: keeps the last messages, and hands them on to the logger."""

    def __init__(self, instrument: str) -> None:
        self._logger = traffic_logger(instrument)
        self._kept: deque[tuple[float, str, object, int]] = deque(maxlen=MOST_MESSAGES)

    def getChild(self, suffix: str) -> RecentTraffic:  # noqa: N802 - the name of the library
        """Return this: the adapter's own logger is no other."""
        return self

    def addHandler(self, handler: logging.Handler) -> None:  # noqa: N802 - the name of the library
        """Take no handler: they belong to the logger of the instrument."""

    def debug(self, message: str, content: object = "", *more: Any) -> None:
        """Keep one message of the adapter, the beginning of a long one."""
        if isinstance(content, str | bytes):
            self._kept.append((time.time(), message, content[:LONGEST_TEXT], len(content)))
        else:
            self._kept.append((time.time(), message, type(content).__name__, 0))
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug(message, content, *more)

    def lines(self) -> list[str]:
        """Return what is kept, the oldest first: host time (UTC), > written, < read."""
        return [_line(*kept) for kept in list(self._kept)]


def recent_traffic(instrument: str) -> RecentTraffic:
    """Return where the link of an instrument logs to; one for each name, as long as the process lives."""
    return _recent.setdefault(instrument, RecentTraffic(instrument))


def all_recent_traffic() -> dict[str, list[str]]:
    """Return the last messages of every instrument that was opened."""
    return {name: recent.lines() for name, recent in sorted(_recent.items())}


def _line(at: float, message: str, content: object, length: int) -> str:
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    cut = f" ... ({length} in all)" if length > LONGEST_TEXT else ""
    return f"{stamp} {_DIRECTIONS.get(message, '#')} {readable(content)}{cut}"
