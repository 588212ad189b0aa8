"""The axes of curves: decades with their numbers, prefixes only for units that take one."""

from __future__ import annotations

import pytest

from labctl.dashboard.curve_axes import CurveAxis, DecadeAxis
from labctl.dashboard.look import Look


def numbers_of(axis: DecadeAxis, low: float, high: float) -> list[str]:
    axis.setRange(low, high)
    shown = []
    for spacing, places in axis.tickValues(low, high, 500.0):
        shown += [text for text in axis.tickStrings(places, 1.0, spacing) if text]
    return shown


@pytest.fixture
def axis(look: Look) -> DecadeAxis:
    axis = DecadeAxis("bottom")
    axis.dress(look)
    return axis


def test_frequencies_have_their_prefix_at_the_number(axis: DecadeAxis) -> None:
    axis.name("Frequency", "Hz")
    assert numbers_of(axis, -0.1, 4.5) == ["1", "10", "100", "1 k", "10 k"]
    assert numbers_of(axis, 6.1, 6.9) == ["2 M", "5 M"]  # within a decade


def test_other_units_have_powers_of_ten(axis: DecadeAxis) -> None:
    axis.name("Phase noise", "rad²/Hz")
    assert numbers_of(axis, -9.5, -6.5) == ["10⁻⁹", "10⁻⁸", "10⁻⁷"]
    assert len(numbers_of(axis, -40.0, 0.0)) <= 8


def test_minor_ticks_stand_at_two_to_nine(axis: DecadeAxis) -> None:
    ticks = axis.tickValues(0.0, 1.0, 500.0)
    assert [round(10**place) for place in ticks[1][1]] == [2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(("unit", "shown"), [("V", "Light (mV)"), ("linewidths", "Light (linewidths)")])
def test_only_units_that_take_a_prefix_get_one(look: Look, unit: str, shown: str) -> None:
    axis = CurveAxis("bottom")
    axis.dress(look)
    axis.name("Light", unit)
    axis.setRange(0.0, 0.005)
    assert axis.label.toPlainText().strip() == shown


def test_names_are_no_markup(look: Look) -> None:
    axis = CurveAxis("left")
    axis.dress(look)
    axis.name("<b>x</b> & y", "")
    assert axis.label.toPlainText().strip() == "<b>x</b> & y"
