"""Interlocks as alarms of a core, and as its software stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest

from labctl.bus.messages import Severity
from labctl.configuration.interlocks import Action
from labctl.core.board import Board, Latch
from labctl.core.interlock_alarms import InterlockAlarms
from labctl.station.interlocks import Told


class Still:
    """A clock that stands."""

    concurrent = False

    def now(self) -> float:
        return 5.0


@dataclass
class Tripping:
    """Interlocks that trip as the tests want it; each is called after its action."""

    on_trip: list[Told] = field(default_factory=list)
    on_clear: list[Told] = field(default_factory=list)

    def action_of(self, name: str) -> Action:
        return Action(name)


@dataclass
class Stage:
    running: bool = False
    stops: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.board = Board(Still())  # type: ignore[arg-type]
        self.interlocks = Tripping()
        stop = lambda reason, by: self.stops.append((reason, by))  # noqa: E731
        self.alarms = InterlockAlarms(self.interlocks, self.board, stop, lambda: self.running)  # type: ignore[arg-type]

    def trip(self, name: str) -> None:
        for tell in self.interlocks.on_trip:
            tell(name, f"{name} tripped.")

    def clear(self, name: str) -> None:
        for tell in self.interlocks.on_clear:
            tell(name, f"{name} is over.")


@pytest.mark.parametrize("action", list(Action))
def test_a_trip_is_an_alarm_until_it_is_over(action: Action) -> None:
    stage = Stage()
    stage.trip(action)
    (row,) = stage.board.alarms.rows(0.0)
    assert (row.source, row.text, row.active) == (action, f"{action} tripped.", True)
    assert row.severity == (Severity.MINOR if action is Action.ALARM else Severity.MAJOR)
    assert stage.stops == ([("safe tripped.", "interlock safe")] if action is Action.SAFE else [])
    stage.clear(action)
    (row,) = stage.board.alarms.rows(0.0)
    assert not row.active and not math.isnan(row.cleared_at)


def test_a_stop_that_is_latched_is_not_pressed_again() -> None:
    stage = Stage()
    stage.board.latch = Latch(True, "smoke", "Ann", 0.0)
    stage.trip("safe")
    assert stage.stops == []


def test_what_a_run_tells_is_not_told_twice() -> None:
    told = []
    for running in (False, True):
        stage = Stage(running)
        stage.trip("dark")
        stage.clear("dark")
        told.append(len(stage.board.events.rows()))
    assert told == [2, 0]


def test_a_core_that_is_closed_listens_no_more() -> None:
    stage = Stage()
    stage.alarms.close()
    assert stage.interlocks.on_trip == stage.interlocks.on_clear == []
