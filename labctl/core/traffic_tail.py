"""The last messages to and from each instrument, from when somebody asked for them first."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final

from labctl.errors import LabError
from labctl.station.traffic import listen_to, readable

MOST_LINES: Final = 300
_DIRECTIONS: Final = {"WRITE:%s": ">", "READ:%s": "<"}  # as pymeasure's adapters log
NOT_YET: Final = "Nothing yet: messages are kept from now on."


class TrafficTail:
    """Keeps the last lines of an instrument once it was asked for: time (UTC), > written, < read."""

    def __init__(self, instruments: Collection[str]) -> None:
        self._instruments = tuple(instruments)
        self._guard = threading.Lock()
        self._tails: dict[str, _Tail] = {}
        self._ends: list[Callable[[], None]] = []

    def read(self, instrument: str) -> str:
        """Return the last lines. Raises `LabError` where there is no such instrument."""
        if instrument not in self._instruments:
            raise LabError(f"There is no instrument {instrument}.", remedy=f"There are {', '.join(self._instruments)}.")
        with self._guard:
            if instrument not in self._tails:
                self._tails[instrument] = _Tail()
                self._ends.append(listen_to(instrument, self._tails[instrument]))
        return "\n".join(self._tails[instrument].lines) or NOT_YET

    def close(self) -> None:
        """Keep nothing more."""
        with self._guard:
            for end in self._ends:
                end()
            self._ends.clear()
            self._tails.clear()


class _Tail(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self._kept: deque[str] = deque(maxlen=MOST_LINES)

    @property
    def lines(self) -> list[str]:
        return list(self._kept)

    def emit(self, record: logging.LogRecord) -> None:
        direction = _DIRECTIONS.get(str(record.msg), "#")
        content = record.args[0] if isinstance(record.args, tuple) and record.args else record.getMessage()
        stamp = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        self._kept.append(f"{stamp} {direction} {readable(content)}")
