"""Numbers and times as the screens write them."""

from __future__ import annotations

import math
import time

import pytest

from labctl.dashboard.number_text import (
    age_text,
    clock_text,
    common_power,
    countdown_text,
    duration_text,
    moment_text,
    number_parts,
    number_text,
    short_duration_text,
    tidied,
    unit_text,
    value_text,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "sigma", "unit", "text"),
    [
        (4.30102e6, 42.0, "Hz", "4.30102 ± 0.00004 MHz"),
        (4.301e6, 2.0, "Hz", "4.3010000 MHz ± 2.0 Hz"),
        (999_999.7, 600.0, "Hz", "1.0000 ± 0.0006 MHz"),  # rounding reaches the next prefix
        (412.0, 360.0, "Hz", "0.4 ± 0.4 kHz"),  # no zeros that sigma does not bear
        (2.5, 0.0999, "Hz", "2.50 ± 0.10 Hz"),
        (-3.7241, 0.0168, "dB", "−3.724 ± 0.017 dB"),
        (-1e-9, 0.1, "dB", "0.00 ± 0.10 dB"),  # no minus before a zero
        (0.953, 0.0021, "1", "0.9530 ± 0.0021"),
        (35.0121, 0.0021, "degC", "35.0121 ± 0.0021 °C"),
        (3.2e-6, 1e-7, "mbar", "(3.20 ± 0.10) × 10⁻⁶ mbar"),
        (15.2e9, 3e6, "Hz/V", "15.2000 ± 0.0030 GHz/V"),
        (0.0123, NAN, "V", "12.3 mV"),
        (0.0123, 0.0, "V", "12.3 mV"),
        (0.0, NAN, "V", "0 V"),
        (NAN, 0.1, "V", "–"),
        (-math.inf, 0.1, "V", "−∞ V"),
    ],
)
def test_a_value_has_the_digits_that_its_sigma_leaves_and_a_prefix(
    value: float, sigma: float, unit: str, text: str
) -> None:
    assert value_text(value, sigma, unit).replace("\u00a0", " ") == text


def test_a_number_never_breaks_from_its_unit_and_its_parts_can_be_set_apart() -> None:
    assert " " not in value_text(3.2e-6, 1e-7, "mbar")
    parts = number_parts(4.30102e6, 42.0, "Hz")
    assert (parts.value, parts.sigma, parts.unit, parts.own_sigma) == ("4.30102", "0.00004", "MHz", "")
    short = number_parts(4.30102e6, 0.19, "Hz", short=True)
    assert (short.value, short.own_sigma.replace("\u00a0", " ")) == ("4.3010200", "200 mHz")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("V_pi = 0.948028 +- 0.007 V", "V_pi = 948 ± 7 mV"),
        ("finesse = 5.36475 +- 0.41", "finesse = 5.4 ± 0.4"),
        ("centre = 4.27566e+06 +- 0.19 Hz", "centre = 4.27566 MHz ± 190 mHz"),  # it has not the digits of its sigma
        ("slope = 102 V/V, width = 30 mV", "slope = 102 V/V, width = 30 mV"),
        ("force 3e-20 +- 3e-21 N", "force 30.0 ± 3.0 zN"),
    ],
)
def test_estimates_in_a_line_of_text_are_written_as_all_others(line: str, text: str) -> None:
    assert tidied(line).replace("\u00a0", " ") == text


def test_a_row_of_a_table_shares_one_prefix() -> None:
    power = common_power([4.3e6, 912e3, NAN], "Hz")
    assert unit_text("Hz", power) == "MHz"
    assert number_parts(912e3, 500.0, "Hz", power).value == "0.9120"
    assert number_parts(912e3, NAN, "Hz", power).value == "0.912"
    assert (unit_text("1"), unit_text("degC")) == ("", "°C")


def test_a_reading_keeps_its_digits_so_that_it_does_not_jump() -> None:
    assert number_text(35.01, "degC") == "35.010\u00a0°C"
    assert number_text(3.2e-6, "mbar", 2) == "3.2\u00a0×\u00a010⁻⁶\u00a0mbar"
    assert number_text(NAN, "V") == "–"


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [
        (4.83, "4.8 s", "5 s"),
        (9.96, "10 s", "10 s"),
        (59.7, "1 min", "1 min"),
        (1291.0, "21 min 31 s", "22 min"),
        (3599.7, "1 h", "1 h"),
        (6180.0, "1 h 43 min", "2 h"),
        (43_200.0, "12 h", "12 h"),
        (183_600.0, "2 d 3 h", "2 d"),
        (-5.0, "−5.0 s", "−5 s"),
        (NAN, "–", "–"),
    ],
)
def test_durations_round_into_the_next_unit(seconds: float, long: str, short: str) -> None:
    assert duration_text(seconds).replace("\u00a0", " ") == long
    assert short_duration_text(seconds).replace("\u00a0", " ") == short


def test_ages_and_countdowns() -> None:
    assert age_text(43_200.0) == "12\u00a0h\u00a0old"
    assert (age_text(0.4), age_text(-3.0), age_text(NAN)) == ("now", "now", "–")
    assert (countdown_text(15_120.0), countdown_text(1291.0)) == ("04:12\u00a0h", "21:31\u00a0min")
    assert (countdown_text(-4.0), countdown_text(NAN)) == ("0:00\u00a0min", "–")


def test_a_moment_of_another_day_says_which() -> None:
    noon = time.mktime((2025, 11, 5, 12, 30, 15, 0, 0, -1))  # a Wednesday
    assert clock_text(noon) == "12:30:15"
    assert clock_text(noon, seconds=False) == "12:30"
    assert moment_text(noon, noon + 3600) == "12:30:15"
    assert moment_text(noon, noon + 86_400) == "Wed\u00a012:30"
    assert moment_text(noon, noon + 30 * 86_400) == "2025-11-05"
    assert (clock_text(NAN), moment_text(NAN, noon)) == ("–", "–")
