"""Numbers, times and hostile text as the report writes them."""

from __future__ import annotations

import math
import re
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labctl.report.wording import (
    RUN_MARKS,
    STEP_MARKS,
    displayable,
    duration,
    lab_time,
    percent_of_shot,
    plain_number,
    printed_number,
    shown_result,
    value_with_sigma,
)
from labctl.store.records import NamedResult, RunState, StepState

PM = "\u00a0±\u00a0"


@pytest.mark.parametrize(
    ("value", "sigma", "text"),
    [
        (-3.72427, 0.01709, f"−3.724{PM}0.017"),  # 17: two digits
        (-3.72427, 0.0482, f"−3.72{PM}0.05"),  # 48: one digit
        (40.516, 0.9512, f"40.5{PM}1.0"),  # 95: rounds to 10, two digits
        (4275662.251343, 0.2084, f"4\u202f275\u202f662.25{PM}0.21"),
        (12.0, 345678.0, f"0{PM}350\u202f000"),
        (-0.003, 0.5, f"0.0{PM}0.5"),
        (0.0, 6.25e-5, "(0±6)×10⁻⁵"),
        (0.71, 0.0, "0.71"),
        (123456.0, 0.0, "123\u202f456"),
    ],
)
def test_digits_by_the_rule_of_the_particle_data_group(value: float, sigma: float, text: str) -> None:
    assert value_with_sigma(value, sigma) == text


@given(value=st.floats(-1e8, 1e8), relative=st.floats(1e-6, 10.0))
def test_rounding_moves_a_value_by_a_small_part_of_its_sigma(value: float, relative: float) -> None:
    sigma = max(abs(value), 1e-3) * relative
    assume(max(abs(value), sigma) > 1e-4)  # smaller ones are written with a power of ten
    shown = value_with_sigma(value, sigma).replace("\u202f", "").replace("−", "-")
    shown_value, shown_sigma = (float(part) for part in shown.split(PM))
    assert abs(shown_value - value) <= 0.15 * sigma + 1e-6 * abs(value)
    assert 0.85 * sigma <= shown_sigma <= 1.15 * sigma


@given(value=st.floats(allow_nan=False, allow_infinity=False), sigma=st.floats(0.0, 1e300))
def test_any_stored_result_can_be_written_in_a_line(value: float, sigma: float) -> None:
    text = value_with_sigma(value, sigma)
    assert re.search("[0-9]", text) and len(text) < 80 and "\n" not in text


@pytest.mark.parametrize(
    ("value", "step", "text"), [(-3.7, 0.1, "−3.7"), (0.5, 0.01, "0.50"), (50.0, 1.0, "50"), (4.338, 1e-3, "4.338")]
)
def test_published_numbers_keep_their_digits(value: float, step: float, text: str) -> None:
    assert printed_number(value, step) == text


def test_units_are_shown_as_people_write_them() -> None:
    assert shown_result(NamedResult("a.b", 0.0211, 0.0021, "rad", "", "")) == (f"21.1{PM}2.1", "mrad")
    assert shown_result(NamedResult("a.b", 35.0, 0.01, "degC", "", ""))[1] == "°C"
    assert shown_result(NamedResult("a.b", 0.5, 0.01, "", "", ""))[1] == "1"


def test_times() -> None:
    assert lab_time(6204.6) == "1:43:25" and lab_time(-5.0) == "−0:00:05"
    written = [duration(seconds).replace("\u00a0", " ") for seconds in (0.0, 4.83, 37.0, 1290.7, 6202.0, 90000.0)]
    assert written == ["under 0.1 s", "4.8 s", "37 s", "21 min 31 s", "1 h 43 min", "25 h 00 min"]


def test_power_relative_to_shot_noise() -> None:
    assert percent_of_shot(-3.0103) == "50.0\u00a0%"
    assert plain_number(1e12) == "1.000000e+12"


@given(st.text(st.characters()))
def test_nothing_hidden_is_left_in_a_text(text: str) -> None:
    shown = displayable(text)
    assert all(letter in "\n\t" or not unicodedata.category(letter).startswith("C") for letter in shown)
    assert shown.encode("utf-8").decode("utf-8") == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_visible_letters_are_left_alone(text: str) -> None:
    assert displayable(text) == text


def test_every_state_has_a_glyph_and_a_word_of_its_own() -> None:
    for marks, states in ((RUN_MARKS, RunState), (STEP_MARKS, StepState)):
        assert set(marks) == set(states)
        assert len({mark.word for mark in marks.values()}) == len(marks)
        assert all(mark.glyph for mark in marks.values())


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_no_number_is_said_to_be_unknown(seconds: float) -> None:
    assert duration(seconds) == lab_time(seconds) == "an unknown time"
