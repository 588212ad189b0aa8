"""The rule of loss replayed on recorded readings, and the time that loops were locked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.locks.homodyne import TOLERANCE
from labctl.locks.locked_time import LockedTime, LoopTime
from labctl.locks.replay import Recording, alarms, operating_points, with_largest_error

LOOKS = 36_000  # one hour
LOST = slice(18_000, 18_100)


def hour(rms: float = 0.01, seed: int = 1) -> Recording:
    """An hour of a quiet loop that is lost once, for 10 s, and then swings over its whole fringe."""
    rng = np.random.default_rng(seed)
    error = rms * rng.standard_normal(LOOKS)
    phase = rng.uniform(0.0, 2.0 * np.pi, 100)
    error[LOST] = np.arcsin(np.sin(phase))
    locked = np.ones(LOOKS, dtype=bool)
    locked[LOST] = False
    return Recording(0.1 * np.arange(LOOKS), error, np.full(LOOKS, np.nan), locked)


def test_more_bad_readings_in_a_row_are_slower_and_wrong_less_often() -> None:
    loud = hour(rms=0.15)  # beyond 0.36 rad in 1.6 % of the readings
    once, twice, thrice = operating_points([loud], [TOLERANCE], (1, 2, 3))
    assert once.false_alarms_per_hour == pytest.approx(LOOKS * 0.0164, rel=0.1)
    assert once.false_alarms_per_hour > 20 * twice.false_alarms_per_hour > 0
    assert thrice.false_alarms_per_hour < twice.false_alarms_per_hour
    assert once.median_delay_s <= twice.median_delay_s <= thrice.median_delay_s
    assert [point.missed for point in (once, twice, thrice)] == [0, 0, 0]


def test_a_threshold_that_no_fringe_reaches_misses_all() -> None:
    (point,) = operating_points([hour()], with_largest_error(TOLERANCE, [1.6]), (1,))
    assert (point.losses, point.missed, point.false_alarms_per_hour) == (1, 1, 0.0)
    assert math.isnan(point.median_delay_s)


def test_the_delay_is_counted_from_the_true_loss() -> None:
    recording = hour()
    recording.error[LOST] = 1.0
    (point,) = operating_points([recording], [TOLERANCE], (3,))
    assert point.median_delay_s == pytest.approx(0.2)
    assert recording.true_losses() == [(pytest.approx(1800.0), pytest.approx(1810.0))]


def test_a_loop_that_is_lost_from_the_start_to_the_end_is_seen() -> None:
    whole = Recording(np.arange(30) * 0.1, np.full(30, 1.0), np.full(30, np.nan), np.zeros(30, dtype=bool))
    (point,) = operating_points([whole], [TOLERANCE], (2,))
    assert (point.losses, point.missed) == (1, 0)
    assert math.isnan(point.false_alarms_per_hour)  # never locked: no hour to count by


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_an_alarm_is_on_where_the_last_ones_were_all_bad(bad: list[bool], count: int) -> None:
    on = alarms(np.array(bad, dtype=bool), count)
    expected = [index + 1 >= count and all(bad[index + 1 - count : index + 1]) for index in range(len(bad))]
    assert on.tolist() == expected


def test_time_counts_from_the_first_lock_on() -> None:
    time = LockedTime()
    for now, locked in ((0.0, False), (1.0, False), (2.0, True), (3.0, True), (4.0, False), (6.0, True)):
        time.note(now, {"lo1": locked})
    assert time.times() == [LoopTime("lo1", 4.0, 3.0)]
    assert time.times()[0].share == 0.75
    assert LockedTime().times() == []
    assert LoopTime("lo2", 0.0, 0.0).share == 1.0
