from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.dashboard.decimation import (
    bins_in_view,
    decibels,
    largest,
    mean_power,
    mean_with_lines,
    noise_ceiling,
    smallest,
)

sizes = st.integers(2, 3000)


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(1, 600), st.floats(0, 1), st.floats(0, 1))
def test_bins_cover_the_view_and_are_few(points: int, most: int, one: float, other: float) -> None:
    x = np.linspace(4e6, 5e6, points)
    low, high = (4e6 + 1e6 * edge for edge in sorted((one, other)))
    bins = bins_in_view(x, low, high, most)
    seen = x[bins.first : bins.last]
    assert set(x[(x >= low) & (x <= high)]) <= set(seen)
    assert len(bins.starts) <= most + 2
    assert bins.counts.sum() == len(seen)


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_bins_keep_power_and_extremes(points: int, most: int, seed: int) -> None:
    power = np.random.default_rng(seed).exponential(size=points)
    bins = bins_in_view(np.arange(float(points)), 0, points, most)
    mean = mean_power(power, bins)
    assert np.sum(mean * bins.counts) == pytest.approx(power.sum())
    assert largest(power, bins).max() == power.max()
    assert smallest(power, bins).min() == power.min()
    assert (smallest(power, bins) <= mean * (1 + 1e-12)).all()


def test_a_narrow_view_shows_every_point() -> None:
    x = np.linspace(0, 1e4, 10_001)
    bins = bins_in_view(x, 2000, 2400, 600)
    assert bins.per_bin == 1
    assert np.array_equal(bins.centre_hz, x[1999:2402])


def test_bins_do_not_move_with_the_view() -> None:
    x = np.arange(10_001.0)
    one, other = bins_in_view(x, 100, 9000, 300), bins_in_view(x, 105, 9005, 300)
    assert np.isin(other.centre_hz[1:-1], one.centre_hz).all()


def test_a_line_keeps_its_height_and_noise_its_mean() -> None:
    power = np.random.default_rng(3).gamma(50, 1 / 50, 10_000)
    power[5005] = 6.0
    bins = bins_in_view(np.arange(10_000.0), 0, 10_000, 600)
    shown, mean = mean_with_lines(power, bins, 50), mean_power(power, bins)
    assert shown.max() == 6.0
    assert np.count_nonzero(shown != mean) == 1


@pytest.mark.parametrize("k", [1, 10, 50, 500])
def test_noise_ceiling_is_where_noise_hardly_reaches(k: int) -> None:
    noise = np.random.default_rng(k).gamma(k, 1 / k, 200_000)
    assert np.mean(noise > noise_ceiling(k, 3.0)) == pytest.approx(1.35e-3, rel=0.5)


def test_no_power_has_no_decibels() -> None:
    assert decibels(np.array([10.0, 1.0]))[0] == 10
    assert np.isnan(decibels(np.array([0.0, -1.0, np.nan]))).all()
