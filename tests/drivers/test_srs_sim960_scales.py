"""The numbers that a SIM960 can hold: arithmetic of the driver against the manual's rule, enumerated."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.srs.sim960_scales import (
    DERIVATIVE_GAIN,
    INTEGRAL_GAIN,
    PROPORTIONAL_GAIN,
    RAMP_RATE,
    GainScale,
    finite_number,
    nearest_gain,
    register_bits,
    rounded_down,
    rounded_up,
    zero_or_one,
)

SCALES = [PROPORTIONAL_GAIN, INTEGRAL_GAIN, DERIVATIVE_GAIN, RAMP_RATE]


def magnitudes(scale: GainScale) -> list[float]:
    """Every magnitude of a scale: 1 to 9 in its lowest decade, 1.0 to 9.9 in those above."""
    lowest, single = Decimal(repr(scale.lowest)).adjusted(), Decimal(repr(scale.two_digits_from)).adjusted()
    one_digit = [float(Decimal(digit).scaleb(e)) for e in range(lowest, single) for digit in range(1, 10)]
    two_digits = [float(Decimal(digits).scaleb(e - 1)) for e in range(single, 7) for digits in range(10, 100)]
    return [value for value in one_digit + two_digits if value <= scale.highest]


@pytest.mark.parametrize("scale", SCALES)
@given(data=st.data())
def test_no_value_of_the_scale_is_nearer(scale: GainScale, data: st.DataObject) -> None:
    value = data.draw(st.floats(scale.lowest, scale.highest))
    nearest = scale.nearest(value)
    assert nearest in magnitudes(scale)
    exact = Decimal(repr(value))
    distances = [abs(Decimal(repr(held)) - exact) for held in magnitudes(scale)]
    assert abs(Decimal(repr(nearest)) - exact) == min(distances)


@pytest.mark.parametrize("scale", SCALES)
def test_every_value_of_the_scale_is_its_own_nearest(scale: GainScale) -> None:
    assert [scale.nearest(value) for value in magnitudes(scale)] == magnitudes(scale)


@given(st.floats(0.1, 1000.0))
def test_nearest_gain_is_odd(value: float) -> None:
    assert nearest_gain(-value) == -nearest_gain(value)


@pytest.mark.parametrize(
    ("value", "held"), [(0.25, 0.2), (0.96, 1.0), (1.26, 1.3), (-2.54, -2.5), (147.0, 150.0), (999.0, 1000.0)]
)
def test_examples(value: float, held: float) -> None:
    assert nearest_gain(value) == held


@pytest.mark.parametrize("value", [0.0, 0.09, -0.09, 1001.0, float("nan"), float("inf")])
def test_proportional_gain_out_of_range(value: float) -> None:
    with pytest.raises(ValueError, match="not in the range"):
        nearest_gain(value)


@pytest.mark.parametrize("scale", [INTEGRAL_GAIN, DERIVATIVE_GAIN, RAMP_RATE])
def test_only_the_proportional_gain_has_a_sign(scale: GainScale) -> None:
    with pytest.raises(ValueError, match="not in the range"):
        scale.nearest(-1.0)


@given(st.floats(-10.0, 10.0))
def test_limits_are_rounded_inwards_by_less_than_one_step(volts: float) -> None:
    exact = Fraction(repr(volts))
    assert 0 <= exact - Fraction(rounded_down(volts)) < Fraction(1, 100)
    assert 0 <= Fraction(rounded_up(volts)) - exact < Fraction(1, 100)


@pytest.mark.parametrize("text", ["", "nan", "inf", "one"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError):
        finite_number(text)


@pytest.mark.parametrize("text", ["", "2", "-1", "ON", "0.0"])
def test_what_is_no_switch(text: str) -> None:
    with pytest.raises(ValueError):
        zero_or_one(text)


@pytest.mark.parametrize("text", ["", "256", "-1", "1.5"])
def test_what_is_no_register(text: str) -> None:
    with pytest.raises(ValueError):
        register_bits(text)
