"""What fits into a night: the most value, never without what it needs, never beyond the time."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_night import step

from labctl.errors import ConfigurationError
from procedures.night_plan import RESERVE, fit_into, seconds_until

HOUR_S = 3600.0


def test_the_most_value_for_the_time_with_what_it_needs() -> None:
    steps = [step("lock"), step("long", "lock", value=5.0), step("short", "lock", value=3.0), step("last", "long")]
    expected_s = {"lock": 600.0, "long": 3000.0, "short": 600.0, "last": 60.0}
    everything = fit_into(steps, expected_s, 2 * HOUR_S)
    assert everything.left_out == {} and everything.chosen_s == sum(expected_s.values())
    some = fit_into(steps, expected_s, HOUR_S)
    assert set(some.left_out) == {"long", "last"} and some.chosen_s == 1200.0
    assert some.left_out["long"] == "no time in 54 min"
    assert set(fit_into(steps, expected_s, 1000.0).left_out) == {"long", "short", "last"}
    assert set(fit_into(steps, expected_s, 100.0).left_out) == {"lock", "long", "short", "last"}


def test_what_is_fresh_costs_nothing() -> None:
    fit = fit_into([step("a", "fresh and not among them")], {"a": 60.0}, 100.0)
    assert fit.left_out == {}


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.floats(0.0, 5000.0), st.floats(0.1, 9.0)), min_size=1, max_size=8),
    st.floats(0.0, 20000.0),
)
def test_no_plan_is_too_long_or_lacks_a_need(drawn: list[tuple[int, float, float]], available_s: float) -> None:
    steps = [
        step(f"s{number}", *([f"s{need}"] if need < number else []), value=value)
        for number, (need, _, value) in enumerate(drawn)
    ]
    expected_s = {f"s{number}": cost_s for number, (_, cost_s, _) in enumerate(drawn)}
    fit = fit_into(steps, expected_s, available_s)
    chosen = [one for one in steps if one.name not in fit.left_out]
    assert all(need not in fit.left_out for one in chosen for need in one.needs)
    assert fit.chosen_s == pytest.approx(sum(expected_s[one.name] for one in chosen))
    assert fit.chosen_s <= (1.0 - RESERVE) * available_s + 1e-6
    left_s = (1.0 - RESERVE) * available_s - fit.chosen_s
    for one in steps:  # and nothing that could begin would still fit
        if one.name in fit.left_out and not set(one.needs) & set(fit.left_out):
            assert expected_s[one.name] > left_s - 1e-6


@pytest.mark.parametrize(
    ("text", "hours"), [("07:00", 9.5), ("21:31", 1.0 / 60.0), ("21:30", 24.0), ("21:29", 24.0 - 1.0 / 60.0)]
)
def test_the_time_until_is_that_of_the_next_one(text: str, hours: float) -> None:
    assert seconds_until(text, datetime(2026, 3, 1, 21, 30)) == pytest.approx(hours * HOUR_S)


@pytest.mark.parametrize("text", ["7", "25:00", "noon", ""])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no time of day"):
        seconds_until(text, datetime(2026, 3, 1, 21, 30))
