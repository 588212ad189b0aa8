"""The arithmetic of the dither: polarity, range, limits, and light that cannot be trusted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.locks.dither import (
    CORRECTED,
    LARGEST_CORRECTION,
    LARGEST_ERROR,
    MOST_SKIPPED,
    DitherLaw,
    Peak,
    SteadyLight,
)

LINEWIDTH_M = 152e-9
distances = st.floats(-60e-9, 60e-9)
gains = st.floats(5e-9, 40e-9).flatmap(lambda size: st.sampled_from([size, -size]))
lights = st.floats(1e-3, 10.0)


def law(metres_per_volt: float = 20e-9, amplitude_m: float = 4e-9) -> DitherLaw:
    return DitherLaw(LINEWIDTH_M, metres_per_volt, amplitude_m, 0.0, 150.0)


def seen(distance_m: float, top_v: float = 1.0) -> float:
    return top_v / (1.0 + (2.0 * distance_m / LINEWIDTH_M) ** 2)


@given(distance_m=distances, amplitude_m=st.floats(1e-9, 10e-9), top_v=lights)
def test_the_error_is_the_distance_whatever_the_light(distance_m: float, amplitude_m: float, top_v: float) -> None:
    dither = law(amplitude_m=amplitude_m)
    sides = seen(distance_m + amplitude_m, top_v), seen(distance_m - amplitude_m, top_v)
    error = dither.error_m(*sides)
    assert error == pytest.approx(distance_m, rel=1e-4, abs=1e-13)
    assert dither.top_v(*sides, error) == pytest.approx(top_v, rel=0.02)


@given(distance_m=st.floats(-350e-9, 350e-9))
def test_far_off_it_is_large_and_of_the_right_sign(distance_m: float) -> None:
    assume(abs(distance_m) > 80e-9)
    dither = law()
    error = dither.error_m(seen(distance_m + 4e-9), seen(distance_m - 4e-9))
    assert math.copysign(1.0, error) == math.copysign(1.0, distance_m)
    assert abs(error) <= LARGEST_ERROR * LINEWIDTH_M


@given(longer_v=st.floats(-1.0, 1.0), shorter_v=st.floats(-1.0, 1.0))
def test_two_levels_give_a_bounded_error_or_none(longer_v: float, shorter_v: float) -> None:
    error = law().error_m(longer_v, shorter_v)
    assert math.isnan(error) == (longer_v < 0.0 or shorter_v < 0.0 or longer_v + shorter_v == 0.0)
    assert math.isnan(error) or abs(error) <= LARGEST_ERROR * LINEWIDTH_M


@given(distance_m=st.floats(-40e-9, 40e-9), metres_per_volt=gains, centre_v=st.floats(20.0, 130.0))
def test_it_comes_back_with_either_polarity_of_the_piezo(
    distance_m: float, metres_per_volt: float, centre_v: float
) -> None:
    dither = law(metres_per_volt)
    resonance_v = centre_v - distance_m / metres_per_volt
    longer, shorter = dither.at_side(centre_v, 1), dither.at_side(centre_v, -1)
    assert (longer - shorter) * metres_per_volt == pytest.approx(2.0 * dither.amplitude_m)
    here = [metres_per_volt * (volts - resonance_v) for volts in (longer, shorter)]
    after = dither.corrected(centre_v, dither.error_m(seen(here[0]), seen(here[1])))
    assert abs(after - resonance_v) <= abs(centre_v - resonance_v) * (1.0 - 0.9 * CORRECTED) + 1e-6


@given(error_m=st.floats(-1e-6, 1e-6), centre_v=st.floats(0.0, 150.0), metres_per_volt=gains)
def test_no_step_is_large_and_none_leaves_the_range(error_m: float, centre_v: float, metres_per_volt: float) -> None:
    dither = law(metres_per_volt)
    centre_v = dither.within(centre_v)
    after = dither.corrected(centre_v, error_m)
    assert abs(after - centre_v) <= LARGEST_CORRECTION * LINEWIDTH_M / abs(metres_per_volt) + 1e-9
    for side in (1, -1):
        assert -1e-9 <= dither.at_side(after, side) <= 150.0 + 1e-9


@given(pushes=st.integers(1, 200))
def test_a_loop_at_its_limit_winds_nothing_up(pushes: int) -> None:
    dither = law()
    centre_v = 149.0
    for _ in range(pushes):
        centre_v = dither.corrected(centre_v, -1e-6)  # on and on towards the rail
    assert centre_v <= 150.0 - dither.amplitude_v
    assert dither.corrected(centre_v, 20e-9) < centre_v  # the first step back is a step back


@pytest.mark.parametrize("centre_v", [20.0, 75.0, 130.0])
def test_at_resonance_and_without_a_number_nothing_moves(centre_v: float) -> None:
    dither = law()
    assert dither.corrected(centre_v, 0.0) == centre_v
    assert dither.corrected(centre_v, math.nan) == centre_v


@given(centre_v=st.floats(30.0, 120.0), top_v=lights, width_v=st.floats(4.0, 12.0), away_v=st.floats(-1.0, 1.0))
def test_a_peak_is_found_through_five_points(centre_v: float, top_v: float, width_v: float, away_v: float) -> None:
    drive = [centre_v + away_v + share for share in (-1.2, -0.6, 0.0, 0.6, 1.2)]
    levels = [top_v / (1.0 + (2.0 * (volts - centre_v) / width_v) ** 2) for volts in drive]
    peak = Peak.through(drive, levels)
    assert peak.centre_v == pytest.approx(centre_v, abs=1e-4)
    assert peak.top_v == pytest.approx(top_v, rel=1e-5)
    assert peak.metres_per_volt(LINEWIDTH_M) == pytest.approx(LINEWIDTH_M / width_v, rel=1e-4)


@pytest.mark.parametrize(
    "levels",
    [
        [0.5, 0.4, 0.3, 0.4, 0.5],  # a trough
        [1.0 / (2.0 + volts**0.5) for volts in (1.0, 2.0, 3.0, 4.0, 5.0)],  # a flank that no resonance has
        [0.1, 0.0, 0.1, 0.1, 0.1],
        [0.1, -0.01, 0.1, 0.1, 0.1],
    ],
)
def test_what_has_no_top_is_refused(levels: list[float]) -> None:
    with pytest.raises(AnalysisRefused):
        Peak.through([1.0, 2.0, 3.0, 4.0, 5.0], levels)


def test_light_that_jumped_is_not_compared_and_light_that_always_does_is_used_now_and_then() -> None:
    steady = SteadyLight()
    assert [steady.believes(total) for total in (1.0, 1.01, 0.6, 0.6)] == [True, True, False, True]
    jumping = [steady.believes(1.0 if k % 2 else 2.0) for k in range(3 * (MOST_SKIPPED + 1))]
    assert jumping == 3 * ([False] * MOST_SKIPPED + [True])
    steady.forget()
    assert steady.believes(7.0)


def test_the_numbers_of_the_law() -> None:
    dither = law()
    assert dither.error_m(1.0, 0.0) == pytest.approx(-0.5 * LINEWIDTH_M, rel=1e-12)
    assert dither.error_m(0.0, 1.0) == pytest.approx(0.5 * LINEWIDTH_M, rel=1e-12)
    assert dither.corrected(75.0, 8e-9) == pytest.approx(75.0 - 0.5 * 8.0 / 20.0, rel=1e-12)
    assert dither.corrected(75.0, -100e-9) == pytest.approx(75.0 + 0.15 * 152.0 / 20.0, rel=1e-12)


def test_light_is_steady_within_four_percent_and_four_pairs_at_most_are_skipped() -> None:
    steady = SteadyLight()
    assert [steady.believes(total) for total in (100.0, 104.0, 100.0, 104.1)] == [True, True, True, False]
    jumping = [steady.believes(total) for total in (1.0, 2.0, 1.0, 2.0, 1.0)]
    assert jumping == [False, False, False, True, False]


@pytest.mark.parametrize(("away", "has_top"), [(1.9, True), (-1.9, True), (2.1, False), (-2.1, False)])
def test_a_top_is_looked_for_no_farther_than_two_ranges_away(away: float, has_top: bool) -> None:
    drive = np.linspace(-0.5, 0.5, 5)  # the reciprocal is a parabola: nothing but its place decides
    levels = 1.0 / (1.0 + (drive - away) ** 2)
    if has_top:
        assert Peak.through(drive, levels).centre_v == pytest.approx(away)
    else:
        with pytest.raises(AnalysisRefused, match="no top"):
            Peak.through(drive, levels)


@pytest.mark.parametrize(
    ("coefficients", "has_top"),
    [((0.0, 0.0, 1.0), False), ((0.0, 1.0, 1.0), False), ((1.0, 4.0, 5.0), True), ((1.0, 0.0, 0.0), False)],
)
def test_the_edges_of_what_has_a_top(
    coefficients: tuple[float, ...], has_top: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flat, straight, at the very end of the reach, and infinitely high."""
    monkeypatch.setattr(np, "polyfit", lambda *_, **__: coefficients)
    if has_top:
        assert Peak.through([0.0, 0.5, 1.0], [1.0, 1.0, 1.0]) == Peak(-1.5, 1.0, 1.0)
    else:
        with pytest.raises(AnalysisRefused, match="no top"):
            Peak.through([0.0, 0.5, 1.0], [1.0, 1.0, 1.0])


def test_a_peak_higher_than_any_is_none() -> None:
    drive = np.array([-1.0, -0.5, 0.5, 1.0])
    with pytest.raises(AnalysisRefused, match="no top"):
        Peak.through(drive, 1.0 / (drive**2 - 0.1))


def test_points_count_by_the_square_of_their_light() -> None:
    drive, levels = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), np.array([0.2, 0.65, 1.0, 0.55, 0.35])
    rows = np.vander(drive, 3) * levels[:, None] ** 2
    curvature, slope, level = np.linalg.lstsq(rows, levels, rcond=None)[0]  # levels^2 times 1 / levels
    peak = Peak.through(drive, levels)
    assert peak.centre_v == pytest.approx(-0.5 * slope / curvature)
    assert 1.0 / peak.top_v == pytest.approx(level - slope**2 / (4.0 * curvature))
