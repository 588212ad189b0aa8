"""Limits: what is outside never gets through, and is refused in words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import LabError, LimitError
from labctl.station.limits import Limit

PIEZO = Limit("piezo cavity1", 0.0, 150.0, "V", "[piezo_limits] minimum and maximum")
INTERVALS = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted)


@given(interval=INTERVALS, value=st.floats() | st.integers(-(2**70), 2**70))
def test_what_gets_through_lies_inside_and_is_unchanged(interval: list[float], value: float) -> None:
    limit = Limit("x", interval[0], interval[1], "V", "[x]")
    inside = interval[0] <= value <= interval[1]
    try:
        passed = limit.check(value)
    except LimitError:
        assert not inside
    else:
        assert inside
        assert passed == value


@given(interval=INTERVALS, share=st.floats(0.0, 1.0))
def test_both_ends_and_all_between_them_get_through(interval: list[float], share: float) -> None:
    low, high = interval
    limit = Limit("x", low, high, "V", "[x]")
    value = min(max(low + share * (high - low), low), high)
    assert [limit.check(low), limit.check(value), limit.check(high)] == [low, value, high]
    for beyond in (math.nextafter(low, -math.inf), math.nextafter(high, math.inf)):
        with pytest.raises(LimitError):
            limit.check(beyond)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_never_gets_through(value: float) -> None:
    everything = Limit("x", -math.inf, math.inf, "V", "[x]")
    for limit in (PIEZO, everything):
        with pytest.raises(LimitError):
            limit.check(value)


def test_the_refusal_says_what_was_asked_and_where_the_limit_is_set() -> None:
    with pytest.raises(LimitError) as refusal:
        PIEZO.check(151.0)
    assert isinstance(refusal.value, LabError)
    assert str(refusal.value) == (
        "piezo cavity1: 151 V is outside 0 to 150 V; nothing was sent. "
        "The limit is [piezo_limits] minimum and maximum of the station file."
    )


def test_the_refusal_of_a_value_just_outside_does_not_look_like_the_limit() -> None:
    with pytest.raises(LimitError) as refusal:
        PIEZO.check(150.0000001)
    assert "150 V is outside" not in str(refusal.value)
