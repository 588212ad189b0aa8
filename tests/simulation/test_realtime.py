"""Lab time that follows the wall clock: how far it goes, when it gives up, and how long until a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stepped_time import SteppedTime

from labctl.simulation.realtime import LONGEST_LAG_S, LONGEST_WORK_S, STRIDE_S, RealTime


class Wall:
    """A wall clock that a test moves."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


class SlowTable(SteppedTime):
    """A table that needs wall time for every stretch of lab time."""

    def __init__(self, wall: Wall, wall_s_per_stride: float) -> None:
        super().__init__()
        self.wall, self.cost = wall, wall_s_per_stride

    def elapse(self, seconds: float) -> None:
        super().elapse(seconds)
        self.wall.seconds += self.cost


@given(
    st.floats(0.01, 1000.0), st.lists(st.floats(0.0, 0.9 * LONGEST_LAG_S), min_size=1, max_size=20), st.floats(0.0, 1e6)
)
def test_lab_time_is_speed_times_wall_time_from_where_the_table_stood(
    speed: float, waits: list[float], start: float
) -> None:
    wall, table = Wall(), SteppedTime()
    table.time = start
    time = RealTime(table, speed, wall)
    for wait in waits:
        wall.seconds += wait
        time.follow()
        assert time.now() == table.now()
        assert time.now() - start == pytest.approx(speed * (wall.seconds - 1000.0), rel=1e-9, abs=1e-6)
    assert time.lost_s == 0.0


def test_time_never_runs_backwards_when_something_else_moved_the_table() -> None:
    wall, table = Wall(), SteppedTime()
    time = RealTime(table, 1.0, wall)
    table.elapse(5.0)
    wall.seconds += 1.0
    time.follow()
    assert table.now() == 5.0
    wall.seconds += 5.0
    time.follow()
    assert table.now() == pytest.approx(6.0)


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0])
def test_the_wait_for_a_lab_time_ends_when_it_has_come(speed: float) -> None:
    wall, table = Wall(), SteppedTime()
    time = RealTime(table, speed, wall)
    assert time.wall_s_until(table.now() + 0.9) == pytest.approx(0.9 / speed)
    wall.seconds += time.wall_s_until(table.now() + 0.9)
    time.follow()
    assert table.now() == pytest.approx(0.9)
    assert time.wall_s_until(0.5) == 0.0
    assert time.wall_s_until(float("-inf")) == 0.0
    assert time.wall_s_until(float("inf")) == float("inf")


def test_a_table_that_is_late_lets_others_work_in_between_and_catches_up() -> None:
    wall = Wall()
    table = SlowTable(wall, LONGEST_WORK_S)
    time = RealTime(table, 100.0, wall)
    wall.seconds += 0.1  # 10 s of lab time
    time.follow()
    assert 0 < table.now() <= 3 * STRIDE_S  # it stopped for the wires
    table.cost = 0.0
    time.follow()
    assert table.now() == pytest.approx(100.0 * (wall.seconds - 1000.0))
    assert time.lost_s == 0.0


def test_what_can_never_be_caught_up_with_is_given_up_and_counted() -> None:
    wall, table = Wall(), SteppedTime()
    time = RealTime(table, 10.0, wall)
    wall.seconds += 3600.0  # the machine slept
    time.follow()
    assert table.now() == pytest.approx(10.0 * LONGEST_LAG_S)
    assert time.lost_s == pytest.approx(10.0 * (3600.0 - LONGEST_LAG_S))
    wall.seconds += 1.0
    time.follow()
    assert table.now() == pytest.approx(10.0 * (LONGEST_LAG_S + 1.0))
