"""Readings, instruments and steps that ask to be seen."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.bus.messages import InstrumentRow, QueueRow, ReadingRow, Severity
from labctl.core.alarms import AlarmBook
from labctl.core.reading_alarms import DELAY_S, InstrumentAlarms, ReadingAlarms
from labctl.core.reading_watch import Watch
from labctl.core.step_alarms import StepAlarms

NAN = math.nan
OVEN = ReadingRow("oven", "Oven", 35.0, "°C", 34.0, 36.0, 0, "settled", 0.0)


def told(book: AlarmBook, now: float) -> list[tuple[str, int, bool]]:
    return [(row.text, row.severity, row.active) for row in book.rows(now)]


# ---- one window -----------------------------------------------------------------------------------------------------


def test_a_reading_must_be_out_for_a_while_and_back_by_the_dead_band() -> None:
    watch = Watch(34.0, 36.0, deadband=0.5, delay_s=2.0)
    readings = [(36.1, None), (36.1, None), (36.1, Severity.MINOR), (35.8, Severity.MINOR), (35.5, None), (35.8, None)]
    assert [watch.judge(value, now) for now, (value, _) in enumerate(readings)] == [how for _, how in readings]


def test_a_missing_reading_is_invalid_after_a_while_and_forgets_nothing() -> None:
    watch = Watch(NAN, 36.0, deadband=0.5, delay_s=2.0)
    assert [watch.judge(NAN, now) for now in (0.0, 1.9, 2.0)] == [None, None, Severity.INVALID]
    assert watch.judge(35.8, 3.0) is None  # it never was out
    assert [watch.judge(37.0, now) for now in (4.0, 6.0)] == [None, Severity.MINOR]
    assert [watch.judge(NAN, now) for now in (7.0, 9.0)] == [Severity.MINOR, Severity.INVALID]
    assert [watch.judge(35.8, now) for now in (10.0, 12.0)] == [Severity.INVALID, Severity.MINOR]  # still out


@pytest.mark.parametrize(("low", "high", "deadband"), [(2.0, 1.0, 0.0), (0.0, 1.0, 0.6), (0.0, 1.0, -0.1)])
def test_a_window_that_is_none_is_refused(low: float, high: float, deadband: float) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Watch(low, high, deadband)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-3.0, 3.0) | st.just(NAN), min_size=1, max_size=30))
def test_nothing_is_told_before_it_lasted_and_nothing_good_is_told_bad(values: list[float]) -> None:
    watch = Watch(-1.0, 1.0, deadband=0.25, delay_s=3.0)
    for now, value in enumerate(values):
        how = watch.judge(value, now)
        if -0.75 <= value <= 0.75:
            assert how is None
        if how is not None:
            assert not any(-0.75 <= earlier <= 0.75 for earlier in values[max(0, now - 3) : now + 1])
            assert now >= 3
        if now >= 3 and all(abs(earlier) > 1.0 for earlier in values[now - 3 : now + 1]):
            assert how is Severity.MINOR


# ---- readings -------------------------------------------------------------------------------------------------------


def test_a_reading_outside_its_window_is_told_with_its_value() -> None:
    book = AlarmBook()
    alarms = ReadingAlarms(book)
    for now, value in ((0.0, 36.21), (DELAY_S, 36.3)):
        alarms.update([replace(OVEN, value=value)], now)
    assert told(book, DELAY_S) == [("Oven 36.3 °C, above 36 °C", Severity.MINOR, True)]
    alarms.update([replace(OVEN, value=36.4, severity=2)], DELAY_S + 1.0)
    assert told(book, DELAY_S) == [("Oven 36.4 °C, above 36 °C", Severity.MAJOR, True)]
    alarms.update([OVEN], DELAY_S + 2.0)
    assert [active for _, _, active in told(book, DELAY_S)] == [False]


def test_a_missing_reading_is_told_and_one_that_ramps_may_be_out() -> None:
    book = AlarmBook()
    alarms = ReadingAlarms(book)
    vacuum = ReadingRow("vacuum", "Vacuum", NAN, "Pa", NAN, 1e-3, 0, "no reply", 0.0)
    for now in (0.0, DELAY_S):
        alarms.update([replace(OVEN, value=25.0, state="ramping"), vacuum], now)
    assert told(book, DELAY_S) == [("Vacuum: no reading (no reply)", Severity.INVALID, True)]
    for now in (DELAY_S + 1.0, 2 * DELAY_S + 1.0):
        alarms.update([replace(OVEN, value=25.0)], now)
    assert told(book, now) == [
        ("Vacuum: no reading (no reply)", Severity.INVALID, False),  # there is no such reading any longer
        ("Oven 25 °C, below 34 °C", Severity.MINOR, True),
    ]


# ---- instruments and steps ------------------------------------------------------------------------------------------


def test_an_instrument_that_was_asked_and_does_not_answer_is_major() -> None:
    book = AlarmBook()
    alarms = InstrumentAlarms(book)
    servos = InstrumentRow("servos", "SIM900", "", "", "", False, NAN, "", NAN, NAN, 0)
    alarms.update([servos], 0.0)
    assert told(book, 0.0) == []
    alarms.update([replace(servos, checked_at=1.0, last_error="No reply.")], 1.0)
    assert told(book, 1.0) == [("servos does not answer: No reply.", Severity.MAJOR, True)]
    alarms.update([replace(servos, checked_at=2.0, answers=True)], 2.0)
    assert [active for _, _, active in told(book, 2.0)] == [False]


def test_each_failed_attempt_at_a_step_is_told_once_and_stays_until_it_is_seen() -> None:
    book = AlarmBook()
    alarms = StepAlarms(book)
    step = QueueRow(3, "lock_all", "lock_all", "", "running", 1, 0.0, NAN, 0.0, NAN, "", "")
    failed = replace(step, state="failed", reason="LO2 gave up.")
    for now, row in enumerate((step, failed, failed, replace(step, attempt=2), replace(failed, attempt=2))):
        alarms.update([row], now)
    assert told(book, 5.0) == [("lock_all failed: LO2 gave up.", Severity.MINOR, False)]
    assert [row.count for row in book.rows(5.0)] == [2]
    book.acknowledge(0, "desk", 6.0)
    alarms.update([replace(failed, attempt=2)], 7.0)
    assert told(book, 7.0) == []
