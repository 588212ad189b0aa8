"""Quantities in forms: prefixes, other spellings, and what is refused."""

from __future__ import annotations

import pytest

from labctl.dashboard.quantity_text import QuantityRefused, quantity_text, read_quantity, read_whole


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (10e3, "Hz", "10 kHz"),
        (4.32e6, "Hz", "4.32 MHz"),
        (999.5, "Hz", "999.5 Hz"),
        (0.02, "K/s", "20 mK/s"),
        (-6.0, "dB", "−6 dB"),
        (35.0, "degC", "35 °C"),
        (300, "steps", "300 steps"),
        (5400.0, "s", "5.4 ks"),
        (0.0, "V", "0 V"),
        (1e-30, "V", "1e-30 V"),
    ],
)
def test_a_quantity_is_shown_with_its_prefix_and_reads_back_the_same(value: float, unit: str, text: str) -> None:
    assert quantity_text(value, unit) == text.replace("1e-30", "1e−30")
    assert read_quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("10 kHz", "Hz", 10e3),
        ("10kHz", "Hz", 10e3),
        (" 1e4 ", "Hz", 10e3),
        ("5 us", "s", 5e-6),
        ("5 µs", "s", 5e-6),
        ("20 min", "s", 1200.0),
        ("−3 dB", "dB", -3.0),
        ("35 degC", "degC", 35.0),
        (".5 mK/s", "K/s", 0.0005),
    ],
)
def test_what_an_operator_types_is_understood(text: str, unit: str, value: float) -> None:
    assert read_quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit", "why"),
    [
        ("", "Hz", "a number is needed"),
        ("ten", "Hz", "not a number"),
        ("nan", "Hz", "not a number"),
        ("10 ks", "Hz", "the unit is Hz"),
        ("10 mdB", "dB", "the unit is dB"),
        ("10 K", "degC", "the unit is °C"),
        ("10 Hz", "", "it has no unit"),
        ("1e999", "", "too large"),
    ],
)
def test_what_is_no_quantity_of_the_unit_is_refused_with_a_reason(text: str, unit: str, why: str) -> None:
    with pytest.raises(QuantityRefused, match=why):
        read_quantity(text, unit)


def test_whole_numbers_are_whole() -> None:
    assert read_whole("1e3", "") == 1000
    with pytest.raises(QuantityRefused, match="whole"):
        read_whole("2.5", "")
