"""The day of the strip, and the event log."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labctl.core.day_history import HELD, LOCKED, LOST, OFF, ON_ITS_WAY, SLOT_S, SLOTS, UNKNOWN, DayHistory, code_of
from labctl.core.event_log import EventLog
from labctl.locks.states import LockState

DAY_S = SLOTS * SLOT_S
START = 1.7e9 - 1.7e9 % SLOT_S


def test_every_state_has_a_code() -> None:
    assert [code_of(word) for word in ("locked", "suspect", "scan", "unwind", "hold", "relock", "off", "dreaming")] == [
        LOCKED, LOCKED, ON_ITS_WAY, ON_ITS_WAY, HELD, LOST, OFF, UNKNOWN,
    ]  # fmt: skip
    assert UNKNOWN not in {code_of(state) for state in LockState}


def test_within_a_slot_the_worst_code_wins_and_readings_are_averaged() -> None:
    day = DayHistory(["lo1", "lo2", "lo3"], ["oven", "vacuum"])
    day.note(START, {"lo1": LOCKED, "lo2": OFF, "lo3": LOST, "other": LOST}, {"oven": 35.0, "vacuum": math.nan})
    day.note(START + 29.9, {"lo1": LOST, "lo2": LOCKED, "lo3": HELD}, {"oven": 36.0})
    day.note(START + 30.0, {"lo1": LOCKED, "lo2": 17}, {"oven": 37.0, "vacuum": 1e-4})
    curve = day.curve()
    assert (curve.system, curve.name) == ("strip", "day")
    assert curve.x.shape == (SLOTS,) and list(curve.x[-2:]) == [START, START + SLOT_S]
    last = {name: list(column[-3:]) for name, column in curve.columns.items()}
    np.testing.assert_equal(
        last,
        {
            "lo1": [UNKNOWN, LOST, LOCKED],
            "lo2": [UNKNOWN, OFF, UNKNOWN],
            "lo3": [UNKNOWN, LOST, UNKNOWN],
            "oven": [math.nan, 35.5, 37.0],
            "vacuum": [math.nan, math.nan, 1e-4],
        },
    )


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0.0, 2.5 * DAY_S), min_size=1, max_size=20))
@example([0.0, DAY_S])
def test_it_shows_what_was_noted_within_the_last_day_and_nothing_else(at: list[float]) -> None:
    day = DayHistory(["lo1"], ["oven"])
    for after_s in sorted(at):
        day.note(START + after_s, {"lo1": LOCKED}, {"oven": 35.0})
    curve = day.curve()
    noted = {math.floor((START + after_s) / SLOT_S) for after_s in at}
    last = max(noted)
    shown = {round(x / SLOT_S) for x in curve.x[curve.columns["lo1"] == LOCKED]}
    assert shown == {slot for slot in noted if slot > last - SLOTS}
    np.testing.assert_array_equal(curve.columns["oven"], np.where(curve.columns["lo1"] == LOCKED, 35.0, math.nan))
    assert np.all(np.diff(curve.x) == SLOT_S)


def test_before_the_first_note_there_is_nothing_and_names_are_unique() -> None:
    curve = DayHistory(["lo1"], ["oven"]).curve()
    assert curve.x.size == 0 and {column.size for column in curve.columns.values()} == {0}
    with pytest.raises(ValueError, match="names of their own"):
        DayHistory(["oven"], ["oven"])


def test_events_are_numbered_and_the_last_are_kept() -> None:
    log = EventLog(most=3)
    for number in range(5):
        log.add(float(number), 0.0, "info", "core", f"event {number}")
    assert [(row.number, row.text) for row in log.rows()] == [(3, "event 2"), (4, "event 3"), (5, "event 4")]
    assert [row.number for row in log.since(4)] == [5]
    assert log.since(5) == ()


def test_events_of_many_threads_have_numbers_of_their_own_in_order() -> None:
    log = EventLog(most=1000)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda k: log.add(float(k), 0.0, "info", "core", ""), range(400)))
    assert [row.number for row in log.rows()] == list(range(1, 401))
