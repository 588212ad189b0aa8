"""The watch on a measurement's loops: three bad readings lose a loop, and the verdict names the first one lost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from stepped_time import SteppedTime

from labctl.errors import NoReply
from labctl.locks.quality import Verdict
from labctl.locks.watch import BAD_READINGS_TO_LOSE, PERIOD_S, LockWatch, while_locked
from labctl.station.clock import SimulatedClock

GOOD_LEVEL, BAD_LEVEL = 1.0, 0.5
GOOD_FRINGE, BAD_FRINGE = 0.05, -0.9


@dataclass
class ScriptedLoop:
    """A loop whose witness reads what it is given, then `good` for ever."""

    name: str
    script: list[float] = field(default_factory=list)
    good: float = GOOD_LEVEL
    final: Verdict = field(default_factory=lambda: Verdict(True))
    fails_after: int | None = None
    reads: int = 0

    def __post_init__(self) -> None:
        self._readings: Iterator[float] = iter(self.script)

    def acquire(self) -> Verdict:
        return self.final

    def verify(self) -> Verdict:
        return self.final

    def witness(self) -> float:
        self.reads += 1
        if self.fails_after is not None and self.reads > self.fails_after:
            raise NoReply(self.name, "nothing came back")
        return next(self._readings, self.good)


def watched(*loops: ScriptedLoop, fringes: tuple[str, ...] = ("lo1", "lo2"), seconds: float = 10.5) -> LockWatch:
    clock = SimulatedClock(SteppedTime())
    with while_locked(loops, frozenset(fringes), clock) as watch:
        clock.sleep(seconds)
    return watch


def test_it_reads_once_a_second_and_stops_at_the_end() -> None:
    clock = SimulatedClock(SteppedTime())
    loop = ScriptedLoop("opa_length")
    with while_locked([loop], frozenset(), clock) as watch:
        clock.sleep(10.0 * PERIOD_S + 0.5)
    assert watch.readings == loop.reads == 10
    clock.sleep(20.0)
    assert watch.readings == 10
    assert watch.verdict() == Verdict(True)


@pytest.mark.parametrize("bad", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("name", "good_value", "bad_value"),
    [("lo1", GOOD_FRINGE, BAD_FRINGE), ("lo1", GOOD_FRINGE, math.nan), ("opa_length", GOOD_LEVEL, BAD_LEVEL)],
)
def test_three_bad_readings_in_a_row_lose_a_loop(name: str, good_value: float, bad_value: float, bad: int) -> None:
    watch = watched(ScriptedLoop(name, [good_value] * 2 + [bad_value] * bad, good=good_value))
    lost = bad >= BAD_READINGS_TO_LOSE
    assert watch.verdict().locked != lost
    assert watch.still_good() != lost
    if lost:
        assert watch.lost == {name: pytest.approx(2 + BAD_READINGS_TO_LOSE)}


def test_bad_readings_that_are_not_in_a_row_do_not_count_together() -> None:
    watch = watched(ScriptedLoop("lo1", [BAD_FRINGE, BAD_FRINGE, GOOD_FRINGE] * 3, good=GOOD_FRINGE))
    assert watch.verdict().locked


def test_a_fringe_witness_is_good_near_zero_and_a_level_near_one() -> None:
    assert watched(ScriptedLoop("lo1", good=0.0)).verdict().locked
    assert not watched(ScriptedLoop("lo1", good=1.0)).verdict().locked
    assert watched(ScriptedLoop("opa_length", good=1.0)).verdict().locked
    assert not watched(ScriptedLoop("opa_length", good=0.0)).verdict().locked


def test_the_verdict_names_the_first_loop_lost() -> None:
    later = ScriptedLoop("lo1", [GOOD_FRINGE] * 3, good=BAD_FRINGE)
    first = ScriptedLoop("lo2", [GOOD_FRINGE] * 1, good=BAD_FRINGE)
    watch = watched(later, first)
    assert set(watch.lost) == {"lo1", "lo2"}
    assert watch.verdict().reason == "lo2 was lost first, at lab time 4.0 s."


def test_a_loop_that_came_back_was_lost_all_the_same() -> None:
    watch = watched(ScriptedLoop("lo1", [BAD_FRINGE] * 3, good=GOOD_FRINGE))
    assert not watch.verdict().locked
    assert watch.lost == {"lo1": pytest.approx(3.0)}


def test_a_loop_that_is_not_locked_at_the_end_spoils_the_verdict() -> None:
    loop = ScriptedLoop("lo1", good=GOOD_FRINGE, final=Verdict(False, "lo1: the servo is open."))
    assert watched(loop).verdict() == loop.final


def test_a_watch_that_cannot_read_ends_what_it_watches() -> None:
    clock = SimulatedClock(SteppedTime())
    loop = ScriptedLoop("lo1", good=GOOD_FRINGE, fails_after=4)
    with pytest.raises(NoReply, match="lo1"), while_locked([loop], frozenset({"lo1"}), clock) as watch:
        clock.sleep(10.0)
        assert watch.readings == 5
        with pytest.raises(NoReply):
            watch.still_good()
    assert loop.reads == 5  # a dead watch reads no more


def test_an_error_in_the_block_ends_the_watch() -> None:
    clock = SimulatedClock(SteppedTime())
    loop = ScriptedLoop("opa_length")
    with pytest.raises(ZeroDivisionError), while_locked([loop], frozenset(), clock):
        clock.sleep(3.5)
        raise ZeroDivisionError
    clock.sleep(10.0)
    assert loop.reads == 3
