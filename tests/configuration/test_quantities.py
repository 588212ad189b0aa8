"""Quantities: what is read, what is refused and in which words, and the unit table against pint."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from labctl.configuration import quantities
from labctl.configuration.quantities import (
    DURATION,
    FREQUENCY,
    KINDS,
    LENGTH,
    POWER,
    RESPONSIVITY,
    SLEW_RATE,
    TEMPERATURE,
    TEMPERATURE_DIFFERENCE,
    TEMPERATURE_RATE,
    VOLTAGE,
    Frequency,
    PositiveFrequency,
    QuantityKind,
    parse_quantity,
)
from labctl.errors import ConfigurationError

UNITS = sorted(quantities._UNITS)
QUOTIENTS = [
    "V/s",
    "mV/ms",
    "kV/min",
    "K/s",
    "mK/s",
    "K/min",
    "K/h",
    "A/W",
    "mA/mW",
    "uA/nW",
    "V/A",
    "W/V",
    "m/s",
    "1/s",
]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("10 Hz", FREQUENCY, 10.0),
        ("4.276 MHz", FREQUENCY, 4_276_000.0),
        (10, FREQUENCY, 10.0),
        (10.5, FREQUENCY, 10.5),
        (0, FREQUENCY, 0.0),
        ("75 V", VOLTAGE, 75.0),
        ("-1.5e-3 V", VOLTAGE, -0.0015),
        ("5 mW", POWER, 0.005),
        ("5 uW", POWER, 5e-6),
        ("5 \N{MICRO SIGN}W", POWER, 5e-6),
        ("5 \N{GREEK SMALL LETTER MU}W", POWER, 5e-6),
        ("1 h", DURATION, 3600.0),
        ("20 min", DURATION, 1200.0),
        ("100ms", DURATION, 0.1),
        ("35 degC", TEMPERATURE, 35.0),
        ("35 \N{DEGREE SIGN}C", TEMPERATURE, 35.0),
        ("308.15 K", TEMPERATURE, 35.0),
        (35, TEMPERATURE, 35.0),
        (-10.0, TEMPERATURE, -10.0),
        ("5 mK", TEMPERATURE_DIFFERENCE, 0.005),
        ("0.02 K/s", TEMPERATURE_RATE, 0.02),
        ("1.2 K/min", TEMPERATURE_RATE, 0.02),
        ("1550 nm", LENGTH, 1.55e-6),
        ("50 V/s", SLEW_RATE, 50.0),
        ("1.24 A/W", RESPONSIVITY, 1.24),
        ("  .5  kHz ", FREQUENCY, 500.0),
    ],
)
def test_reads_numbers_and_texts(text: object, kind: QuantityKind, expected: float) -> None:
    assert parse_quantity(text, kind) == expected  # the nearest float, so "1550 nm" is 1.55e-6 and not a neighbour


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ("10 V", FREQUENCY, ['"10 V" is a voltage, not a frequency', 'such as "10 Hz"']),
        ("5 A", POWER, ['"5 A" is a current, not a power', 'such as "5 mW"']),
        ("5 degC", TEMPERATURE_DIFFERENCE, ["is a temperature, not a temperature difference", '"5 mK"']),
        ("5 mK", TEMPERATURE, ["is a temperature difference, not a temperature", '"35 degC"']),
        ("0.1 degC/s", TEMPERATURE_RATE, ['unknown unit "degC" (did you mean "K"?)']),
        ("1 m/V", LENGTH, ['"1 m/V" is not a length']),
        ("10 mhz", FREQUENCY, ['unknown unit "mhz" (did you mean "mHz" or "MHz"?)']),
        ("10 furlong", LENGTH, ['unknown unit "furlong"; allowed: a length']),
        ("10", FREQUENCY, ['"10" has no unit']),
        ("Hz", FREQUENCY, ["is not a number and a unit"]),
        ("", FREQUENCY, ["is not a number and a unit"]),
        ("1e5000 Hz", FREQUENCY, ["is not a number and a unit"]),
        ("1_000 Hz", FREQUENCY, ["is not a number and a unit"]),
        ("1 Hz; import os", FREQUENCY, ["is not a number and a unit"]),
        ("9" * 100 + " Hz", FREQUENCY, ["is not a number and a unit", "..."]),
        ("1e999 V", VOLTAGE, ["is not a finite number"]),
        (10**400, VOLTAGE, ["an enormous number is not a finite number"]),
        (math.nan, VOLTAGE, ["nan is not a finite number"]),
        (math.inf, FREQUENCY, ["inf is not a finite number"]),
        (True, FREQUENCY, ["true is not a frequency"]),
        (None, FREQUENCY, ["is not a frequency"]),
        ([1.0], FREQUENCY, ["a list is not a frequency"]),
        (-1, FREQUENCY, ["-1 is too low", "a frequency of 0 Hz or more"]),
        ("-1 mW", POWER, ['"-1 mW" is too low']),
        ("-300 degC", TEMPERATURE, ["is too low", "-273.15 degC"]),
    ],
)
def test_refuses_in_plain_words(value: object, kind: QuantityKind, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_quantity(value, kind)
    assert all(word in str(raised.value) for word in [*words, "allowed: a " + kind.name])


def test_types_of_fields_read_and_refuse_like_the_function() -> None:
    class Band(BaseModel):
        center: PositiveFrequency
        width: Frequency = 0.0

    assert Band.model_validate({"center": "4.3 MHz"}).model_dump(mode="json") == {"center": 4.3e6, "width": 0.0}
    with pytest.raises(ValidationError) as raised:
        Band.model_validate({"center": 0, "width": "1 V"})
    assert [error["msg"] for error in raised.value.errors()] == ["0 is too low", '"1 V" is a voltage, not a frequency']


@given(st.sampled_from(KINDS), st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_written_with_its_unit_comes_back_exactly(kind: QuantityKind, value: float) -> None:
    if kind.lowest is not None and value < kind.lowest:
        value = kind.lowest
    assert parse_quantity(f"{value!r} {kind.unit}", kind) == value
    assert parse_quantity(value, kind) == value


@functools.cache
def _pint() -> Any:
    import pint

    return pint.UnitRegistry()


def _kind_and_factor_by_pint(unit: str) -> tuple[str | None, float]:
    """The kind whose dimension pint gives to a unit, and the unit's size in SI."""
    quantity = _pint().Quantity(1.0, unit)
    for kind in KINDS:
        # A temperature scale and a temperature difference have one dimension; texts in kelvin are differences here.
        if kind is not TEMPERATURE and quantity.is_compatible_with(kind.unit):
            return kind.name, float(quantity.to(kind.unit).magnitude)
    return None, math.nan


@pytest.mark.parametrize("unit", [*UNITS, *QUOTIENTS])
def test_unit_agrees_with_pint_in_kind_and_size(unit: str) -> None:
    name, factor = _kind_and_factor_by_pint(unit)
    for kind in KINDS:
        if kind.name == name:
            if unit == "1/s":  # a frequency to pint; here a unit has to begin with a unit
                continue
            assert parse_quantity(f"1 {unit}", kind) == pytest.approx(factor, rel=1e-12)
        elif kind is TEMPERATURE and unit == "K":
            assert parse_quantity("1 K", kind) == pytest.approx(1 - 273.15)
        else:
            with pytest.raises(ConfigurationError, match=f"not a {kind.name}|unknown unit"):
                parse_quantity(f"1 {unit}", kind)


@given(st.sampled_from(KINDS), st.floats(0, 1e9), st.sampled_from(UNITS), st.sampled_from(["", *UNITS]))
def test_a_wrong_dimension_is_never_accepted(kind: QuantityKind, number: float, above: str, below: str) -> None:
    unit = f"{above}/{below}" if below else above
    try:
        parse_quantity(f"{number!r} {unit}", kind)
    except ConfigurationError:
        return
    if kind is TEMPERATURE:
        assert unit == "K"
    else:
        assert _kind_and_factor_by_pint(unit)[0] == kind.name


_numberlike = st.text(alphabet="0123456789.eE+- HzVWKmMkµ/degC°CsAinh\n\x00", max_size=80)


@given(st.sampled_from(KINDS), st.one_of(st.text(max_size=200), _numberlike))
def test_any_text_is_read_or_refused(kind: QuantityKind, text: str) -> None:
    try:
        value = parse_quantity(text, kind)
    except ConfigurationError as error:
        assert "allowed: a " in str(error)
        assert "\n" not in str(error)
    else:
        assert math.isfinite(value)
        assert kind.lowest is None or value >= kind.lowest


@given(st.sampled_from(KINDS), st.recursive(st.none() | st.booleans() | st.binary(max_size=5), st.lists, max_leaves=5))
def test_other_things_are_refused(kind: QuantityKind, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"is not a {kind.name}"):
        parse_quantity(value, kind)


def test_pint_is_not_imported_to_open_a_station_file() -> None:
    code = "import sys, labctl.configuration.toml_reading; sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
