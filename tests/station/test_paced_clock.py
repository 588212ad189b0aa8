"""Lab time that keeps pace with the wall clock: a wall clock of the test's own says how fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from labctl.station.clock import SimulatedClock
from labctl.station.paced_clock import LONGEST_LAG_S, STRIDE_S, PacedClock


@dataclass
class Lab:
    """A table that costs `cost_s` of wall time for each s of its own."""

    wall: Wall
    at: float = 100.0
    cost_s: float = 0.0

    def now(self) -> float:
        return self.at

    def elapse(self, seconds: float) -> None:
        self.at += seconds
        self.wall.at += self.cost_s * seconds


@dataclass
class Wall:
    """A wall clock that moves when somebody waits for it."""

    at: float = 7.0
    waits: list[float] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.at


class Waker(threading.Event):
    """An event whose waits move the wall clock instead."""

    def __init__(self, wall: Wall) -> None:
        super().__init__()
        self._wall = wall

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._wall.on_wait()
        if not self.is_set():
            self._wall.waits.append(timeout)
            self._wall.at += timeout
        return self.is_set()


def make(speed: float, cost_s: float = 0.0) -> tuple[PacedClock, Lab, Wall]:
    wall = Wall()
    lab = Lab(wall, cost_s=cost_s)
    clock = PacedClock(SimulatedClock(lab), speed, wall)
    clock._wake = Waker(wall)
    return clock, lab, wall


@pytest.mark.parametrize("speed", [0.1, 1.0, 60.0])
def test_lab_time_goes_so_many_times_as_fast(speed: float) -> None:
    clock, lab, wall = make(speed)
    for seconds in (3.0, 0.0, 0.013, 2.0):
        clock.sleep(seconds)
    assert lab.at == pytest.approx(105.013)
    assert wall.at - 7.0 == pytest.approx(5.013 / speed)
    assert max(wall.waits) <= STRIDE_S + 1e-9  # a screen sees it move


def test_what_the_table_costs_is_no_wait() -> None:
    clock, lab, wall = make(10.0, cost_s=0.05)  # half of what there is
    clock.sleep(20.0)
    assert wall.at - 7.0 == pytest.approx(2.0)
    assert sum(wall.waits) == pytest.approx(1.0)
    assert lab.at == pytest.approx(120.0)


def test_a_table_that_was_late_catches_up_while_it_is_not_late_by_much() -> None:
    clock, _, wall = make(1.0)
    wall.at += 0.5 * LONGEST_LAG_S
    clock.sleep(2.0)
    assert sum(wall.waits) == pytest.approx(2.0 - 0.5 * LONGEST_LAG_S)


def test_a_table_that_is_too_slow_gives_up_what_it_lost() -> None:
    clock, lab, wall = make(1.0, cost_s=3.0)
    clock.sleep(10.0)
    assert (wall.at - 7.0, wall.waits) == (pytest.approx(30.0), [])
    lab.cost_s = 0.0  # from now on it is quick: it goes on at its pace, not in one leap
    clock.sleep(10.0)
    assert wall.at - 37.0 >= 10.0 - LONGEST_LAG_S - STRIDE_S


def test_an_interrupt_ends_the_sleep_that_goes_on_and_only_that() -> None:
    clock, lab, wall = make(1.0)
    wall.on_wait = lambda: clock.interrupt() if lab.at > 101.0 else None
    clock.sleep(1000.0)
    assert 101.0 < lab.at < 101.0 + 2 * STRIDE_S
    wall.on_wait = lambda: None
    before = lab.at
    clock.sleep(5.0)
    assert lab.at == pytest.approx(before + 5.0)


def test_an_interrupt_before_a_sleep_is_for_the_next_one() -> None:
    clock, lab, _ = make(1.0)
    clock.interrupt()
    clock.sleep(1000.0)
    assert lab.at == 100.0
    clock.sleep(1.0)
    assert lab.at == pytest.approx(101.0)


def test_an_interrupt_of_another_thread_comes_through_at_once() -> None:
    wall = Wall()
    clock = PacedClock(SimulatedClock(Lab(wall)), 0.01)  # the real wall clock
    thread = threading.Thread(target=clock.sleep, args=(1000.0,))
    thread.start()
    asked_at = time.monotonic()
    clock.interrupt()
    thread.join(5.0)
    assert not thread.is_alive()
    assert time.monotonic() - asked_at < 1.0


def test_periodic_tasks_run_at_their_lab_time_and_may_sleep() -> None:
    clock, lab, wall = make(5.0)
    ran: list[tuple[float, float]] = []

    def task() -> None:
        ran.append((lab.at, wall.at))
        clock.sleep(0.01)

    registration = clock.every(0.25, task, "test")
    clock.sleep(1.1)
    registration.cancel()
    clock.sleep(1.0)
    assert [at for at, _ in ran] == pytest.approx([100.25, 100.5, 100.75, 101.0])
    for at, seen_at in ran:  # a task runs within the stride before its time has come on the wall
        assert -STRIDE_S <= seen_at - 7.0 - (at - 100.0) / 5.0 <= 2 * STRIDE_S


def test_it_has_one_line_of_time_and_a_speed_above_0() -> None:
    clock, _, wall = make(2.0)
    assert not clock.concurrent
    for speed in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            PacedClock(SimulatedClock(Lab(wall)), speed)
