"""Lab time, simulated and real: order, lateness, errors and interrupts of periodic tasks."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_time import SteppedTime

from labctl.station.clock import Registration, SimulatedClock, WallClock

SOON_S = 10.0  # real time that is never needed
BOTH = [lambda: SimulatedClock(SteppedTime()), WallClock]


def note(clock: SimulatedClock, record: list[tuple[str, float]], name: str) -> Callable[[], None]:
    return lambda: record.append((name, round(clock.now(), 9)))


# ---- what both clocks keep ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", BOTH)
def test_sleep_takes_its_time_and_no_more(make: Callable[[], SimulatedClock | WallClock]) -> None:
    clock = make()
    before = clock.now()
    clock.sleep(0.02)
    assert 0.02 - 1e-3 <= clock.now() - before < 1.0
    before = clock.now()
    clock.sleep(-5.0)
    clock.sleep(0.0)
    assert 0.0 <= clock.now() - before < 1.0


@pytest.mark.parametrize("make", BOTH)
def test_an_interrupt_before_a_sleep_ends_that_one_and_no_other(make: Callable[[], SimulatedClock | WallClock]) -> None:
    clock = make()
    clock.interrupt()
    before = clock.now()
    clock.sleep(30.0)
    assert clock.now() - before < SOON_S
    before = clock.now()
    clock.sleep(0.02)
    assert clock.now() - before >= 0.02 - 1e-3


@pytest.mark.parametrize("make", BOTH)
def test_a_task_that_raises_ends_and_keeps_its_error(make: Callable[[], SimulatedClock | WallClock]) -> None:
    clock = make()
    calls = []
    failed = threading.Event()

    def fail() -> None:
        calls.append(1)
        failed.set()
        raise RuntimeError("the gauge is on fire")

    good = threading.Event()
    broken = clock.every(0.01, fail, "gauge")
    clock.every(0.03, good.set, "other")
    clock.sleep(0.05)
    assert failed.wait(SOON_S)
    assert good.wait(SOON_S)  # the others go on
    clock.sleep(0.05)
    assert len(calls) == 1
    assert broken.cancelled
    assert str(broken.error) == "the gauge is on fire"


# ---- simulated time -------------------------------------------------------------------------------------------------


def test_tasks_run_in_the_order_in_which_they_fall_due() -> None:
    clock = SimulatedClock(SteppedTime())
    record: list[tuple[str, float]] = []
    clock.every(3.0, note(clock, record, "slow"), "slow")
    clock.every(2.0, note(clock, record, "fast"), "fast")
    clock.every(2.0, note(clock, record, "twin"), "twin")
    clock.sleep(6.5)
    assert record == [
        *[("fast", 2.0), ("twin", 2.0), ("slow", 3.0)],
        *[("fast", 4.0), ("twin", 4.0), ("slow", 6.0)],  # at 6 the one that has waited longer comes first
        *[("fast", 6.0), ("twin", 6.0)],
    ]
    assert clock.now() == 6.5


def test_a_task_runs_at_the_end_of_a_sleep_that_reaches_it_and_once() -> None:
    clock = SimulatedClock(SteppedTime())
    record: list[tuple[str, float]] = []
    clock.every(1.0, note(clock, record, "task"), "task")
    clock.sleep(1.0)
    assert record == [("task", 1.0)]
    clock.sleep(0.0)
    clock.sleep(0.5)
    assert record == [("task", 1.0)]


@pytest.mark.parametrize("busy_s", [1.5, 5.0, 5.5, 100.25])
def test_a_late_task_runs_once_and_not_for_every_period_that_it_missed(busy_s: float) -> None:
    table = SteppedTime()
    clock = SimulatedClock(table)
    record: list[tuple[str, float]] = []
    clock.every(1.0, note(clock, record, "task"), "task")
    table.elapse(busy_s)  # a wire was busy
    clock.sleep(0.0)
    assert record == [("task", busy_s)]
    clock.sleep(3.0)
    assert len(record) in (3, 4)
    assert all(later - earlier > 1e-6 for (_, earlier), (_, later) in itertools.pairwise(record))


def test_a_task_that_takes_longer_than_its_period_lets_others_and_the_sleeper_go_on() -> None:
    table = SteppedTime()
    clock = SimulatedClock(table)
    record: list[tuple[str, float]] = []

    def slow() -> None:
        record.append(("slow", clock.now()))
        table.elapse(2.5)

    clock.every(1.0, slow, "slow")
    clock.every(1.0, note(clock, record, "other"), "other")
    clock.sleep(10.0)
    names = [name for name, _ in record]
    assert names.count("slow") >= 3
    assert names.count("other") >= 3
    assert clock.now() < 13.0


def test_a_cancelled_task_runs_no_more_even_when_it_is_due() -> None:
    clock = SimulatedClock(SteppedTime())
    record: list[tuple[str, float]] = []
    task = clock.every(1.0, note(clock, record, "task"), "task")
    clock.sleep(2.0)
    task.cancel()
    task.cancel()
    clock.sleep(5.0)
    assert record == [("task", 1.0), ("task", 2.0)]
    assert task.cancelled
    assert task.error is None


def test_a_task_may_cancel_itself_and_start_others() -> None:
    clock = SimulatedClock(SteppedTime())
    record: list[tuple[str, float]] = []
    tasks: list[Registration] = []

    def once() -> None:
        note(clock, record, "once")()
        tasks[0].cancel()
        clock.every(1.0, note(clock, record, "next"), "next")

    tasks.append(clock.every(1.0, once, "once"))
    clock.sleep(3.0)
    assert record == [("once", 1.0), ("next", 2.0), ("next", 3.0)]


def test_an_interrupt_from_a_task_ends_the_sleep_there() -> None:
    clock = SimulatedClock(SteppedTime())
    clock.every(1.0, clock.interrupt, "stop")
    clock.sleep(100.0)
    assert clock.now() == 1.0
    clock.sleep(0.5)
    assert clock.now() == 1.5


def test_a_task_may_sleep_and_the_sleeper_waits_for_it() -> None:
    clock = SimulatedClock(SteppedTime())
    record: list[tuple[str, float]] = []

    def relock() -> None:
        clock.sleep(2.5)
        note(clock, record, "relocked")()

    clock.every(10.0, relock, "relock")
    clock.every(1.0, note(clock, record, "tick"), "tick")
    clock.sleep(11.0)
    assert ("relocked", 12.5) in record
    ticks = [at for name, at in record if name == "tick"]
    assert ticks == [float(n) for n in range(1, 13)]
    assert clock.now() == 12.5


@given(
    periods=st.lists(st.sampled_from([0.1, 0.25, 1.0, 1.7, 3.0]), min_size=1, max_size=5),
    sleeps=st.lists(st.floats(0.0, 4.0), max_size=8),
    busy=st.lists(st.floats(0.0, 3.0), min_size=8, max_size=8),
)
@settings(max_examples=100, deadline=None)
def test_whatever_happens_time_is_one_line(periods: list[float], sleeps: list[float], busy: list[float]) -> None:
    def night() -> list[tuple[int, float]]:
        table = SteppedTime()
        clock = SimulatedClock(table)
        record: list[tuple[int, float]] = []
        for number, period in enumerate(periods):
            clock.every(period, lambda number=number: record.append((number, clock.now())), str(number))  # type: ignore[misc]
        for seconds, wire in zip(sleeps, busy, strict=False):
            end = clock.now() + seconds
            clock.sleep(seconds)
            assert clock.now() == pytest.approx(end, abs=1e-9)
            table.elapse(wire)
        return record

    record = night()
    assert record == night()  # the same again
    times = [at for _, at in record]
    assert times == sorted(times)
    for number, period in enumerate(periods):
        own = [at for task, at in record if task == number]
        assert all(at >= period - 1e-9 for at in own)
        assert len(set(own)) == len(own)  # never twice at one time
        assert len(own) <= (own[-1] / period + 1e-6 if own else 0)  # never more often than the period


# ---- real time ------------------------------------------------------------------------------------------------------


def test_a_periodic_task_runs_in_a_thread_of_its_own_until_it_is_cancelled() -> None:
    clock = WallClock()
    times: list[float] = []
    threads = set()
    enough = threading.Event()

    def task() -> None:
        times.append(time.monotonic())
        threads.add(threading.current_thread().name)
        if len(times) >= 5:
            enough.set()

    started = time.monotonic()
    registration = clock.every(0.02, task, "task")
    assert enough.wait(SOON_S)
    registration.cancel()
    clock.sleep(0.05)
    count = len(times)
    clock.sleep(0.06)
    assert len(times) == count
    assert times[0] - started >= 0.02 - 1e-3
    assert times[4] - started >= 0.1 - 1e-3
    assert threads == {"labctl periodic tasks"}


def test_a_slow_task_is_late_but_never_makes_up_for_it() -> None:
    clock = WallClock()
    times: list[float] = []
    release = threading.Event()
    enough = threading.Event()

    def task() -> None:
        if not times:
            assert release.wait(SOON_S)
        times.append(time.monotonic())
        if len(times) >= 3:
            enough.set()

    registration = clock.every(0.03, task, "task")
    clock.sleep(0.15)  # five periods
    release.set()
    assert enough.wait(SOON_S)
    registration.cancel()
    assert times[2] - times[1] >= 0.03 - 5e-3


def test_the_thread_ends_with_its_last_task_and_comes_back_with_the_next() -> None:
    clock = WallClock()
    first, second = threading.Event(), threading.Event()
    registration = clock.every(0.01, first.set, "first")
    assert first.wait(SOON_S)
    registration.cancel()
    thread = clock._thread
    if thread is not None:
        thread.join(SOON_S)
        assert not thread.is_alive()
    again = clock.every(0.01, second.set, "second")
    assert second.wait(SOON_S)
    again.cancel()


def test_an_interrupt_wakes_a_sleeper_in_another_thread() -> None:
    clock = WallClock()
    asleep, awake = threading.Event(), threading.Event()

    def sleep() -> None:
        asleep.set()
        clock.sleep(60.0)
        awake.set()

    thread = threading.Thread(target=sleep)
    thread.start()
    assert asleep.wait(SOON_S)
    clock.interrupt()
    assert awake.wait(SOON_S)
    thread.join(SOON_S)


def test_only_one_clock_has_one_line_of_time() -> None:
    assert WallClock().concurrent
    assert not SimulatedClock(SteppedTime()).concurrent
    assert abs(WallClock().now() - time.time()) < 1.0
