"""From interlocks to alarms, and to the software stop where one makes the table safe."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from labctl.bus.messages import Severity
from labctl.configuration.interlocks import Action
from labctl.core.board import Board
from labctl.station.interlocks import Interlocks

CONDITION: Final = "interlock"


class InterlockAlarms:
    """Raises an alarm for each interlock that trips, and each output that is not what was asked for: MINOR where it is
    only told, MAJOR where the table was acted upon. One that makes the table safe latches the software stop, by
    `stop(reason, by)`. Between runs it is an event too; `is_running` says whether a run tells that."""

    def __init__(
        self,
        interlocks: Interlocks,
        board: Board,
        stop: Callable[[str, str], object],
        is_running: Callable[[], bool],
    ) -> None:
        self._is_running = is_running
        self._interlocks = interlocks
        self._board = board
        self._stop = stop
        interlocks.on_trip.append(self._tripped)
        interlocks.on_clear.append(self._cleared)

    def close(self) -> None:
        """Listen no more."""
        self._interlocks.on_trip.remove(self._tripped)
        self._interlocks.on_clear.remove(self._cleared)

    def _tripped(self, name: str, sentence: str) -> None:
        action = self._interlocks.action_of(name)
        severity = Severity.MINOR if action is Action.ALARM else Severity.MAJOR
        if not self._is_running():
            self._board.say("error", f"interlock {name}", sentence)
        self._board.alarms.raise_alarm(name, sentence, severity, time.time(), condition=CONDITION, again=False)
        if action is Action.SAFE and not self._board.latch.stopped:
            self._stop(sentence, f"interlock {name}")

    def _cleared(self, name: str, sentence: str) -> None:
        if not self._is_running():
            self._board.say("info", f"interlock {name}", sentence)
        self._board.alarms.clear(name, time.time(), condition=CONDITION)
