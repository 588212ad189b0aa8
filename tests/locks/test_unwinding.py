"""The arithmetic of fringes along a piezo: whole turns of phase, and the one nearest to the middle."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.locks.unwinding import RangeOfFringes

TURN_RAD = 2.0 * math.pi


@given(
    st.floats(2.0, 5.0) | st.floats(-5.0, -2.0),
    st.floats(-0.05, 0.05),
    st.floats(-4.5, 4.5),
    st.integers(-3, 3),
)
def test_fringes_away_is_whole_turns_of_phase(rad_per_v: float, bow: float, output_v: float, fringes: int) -> None:
    fringe = RangeOfFringes(rad_per_v, bow)
    away_v = fringe.away(output_v, fringes)
    if not math.isnan(away_v):
        turned = fringe.phase_rad(away_v) - fringe.phase_rad(output_v)
        assert turned == pytest.approx(2.0 * math.pi * fringes, abs=1e-6)
    middle_v = fringe.nearest_to_middle(output_v)
    assert abs(middle_v) <= abs(output_v) + 1e-12
    whole = (fringe.phase_rad(middle_v) - fringe.phase_rad(output_v)) / (2.0 * math.pi)
    assert whole == pytest.approx(round(whole), abs=1e-6)
    assert fringe.centred(output_v, abs(output_v)) == output_v


def test_phase_and_slope_of_a_piezo_that_bends() -> None:
    bent = RangeOfFringes(2.0, 0.1)
    assert bent.phase_rad(3.0) == pytest.approx(2.0 * 3.0 + 0.1 * 9.0)
    assert bent.rad_per_v(3.0) == pytest.approx(2.0 + 2.0 * 0.1 * 3.0)
    straight = RangeOfFringes(2.0)
    assert (straight.phase_rad(3.0), straight.rad_per_v(3.0)) == (6.0, 2.0)


@pytest.mark.parametrize("rad_per_v", [2.0, -2.0])
@pytest.mark.parametrize("bow", [0.0, 0.05, -0.05, 1.0])
@pytest.mark.parametrize("fringes", [-1, 0, 1, 2])
def test_an_output_so_many_fringes_away_is_on_the_same_branch(rad_per_v: float, bow: float, fringes: int) -> None:
    fringe = RangeOfFringes(rad_per_v, bow)
    away_v = fringe.away(0.5, fringes)
    if bow * (fringe.phase_rad(0.5) + TURN_RAD * fringes) < -1.0:  # below the vertex, at which 4 b phi = -a^2
        assert math.isnan(away_v)
        return
    assert fringe.phase_rad(away_v) == pytest.approx(fringe.phase_rad(0.5) + TURN_RAD * fringes)
    assert fringe.rad_per_v(away_v) * rad_per_v > 0.0


def test_the_vertex_itself_is_reached() -> None:
    assert RangeOfFringes(2.0, -0.1).away(10.0, 0) == 10.0
    assert math.isnan(RangeOfFringes(2.0, -0.1).away(10.0, 1))


@pytest.mark.parametrize(
    ("output_v", "nearest_v"),
    [(4.0, 4.0 - TURN_RAD / 2.0), (5.5, 5.5 - TURN_RAD), (-4.0, TURN_RAD / 2.0 - 4.0), (-5.5, TURN_RAD - 5.5)],
)
def test_the_nearest_to_the_middle_may_be_on_either_side(output_v: float, nearest_v: float) -> None:
    assert RangeOfFringes(2.0).nearest_to_middle(output_v) == pytest.approx(nearest_v)


def test_what_the_piezo_does_not_reach_is_no_candidate() -> None:
    bent = RangeOfFringes(2.0, 0.2)  # no phase below -5 rad
    assert math.isnan(bent.away(0.5, -1))
    assert bent.nearest_to_middle(0.5) == pytest.approx(0.5)


def test_within_the_guard_an_output_stays() -> None:
    fringe = RangeOfFringes(2.0)
    assert [fringe.centred(volts, 4.0) for volts in (4.0, -4.0)] == [4.0, -4.0]
    assert [fringe.centred(volts, 3.9) for volts in (4.0, -4.0)] == pytest.approx([0.858407, -0.858407], abs=1e-6)
