from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spectrum_scene import spectrum

from labctl.dashboard.shot_reference import clearance_db, effective_k, low_clearance, noise_gain, onto_axis
from labctl.spectra.acquisition import effective_averages


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 400), st.integers(3, 400))
def test_a_straight_line_stays_one_on_any_axis(points: int, others: int) -> None:
    x, y = np.linspace(0, 10, points), np.linspace(1, 9, others)
    shown = onto_axis(x, 2 + 3 * x, y)
    cell = 8 / (others - 1) + 10 / (points - 1)
    np.testing.assert_allclose(shown, 2 + 3 * y, atol=3 * cell)


def test_a_coarser_axis_takes_the_mean_power() -> None:
    x = np.arange(1000.0)
    power = np.where(np.arange(1000) % 2 == 0, 3.0, 1.0)
    np.testing.assert_allclose(onto_axis(x, power, np.arange(49.5, 1000, 100.0)), 2.0)


def test_nothing_is_known_where_the_reference_does_not_reach() -> None:
    shown = onto_axis(np.arange(10.0), np.ones(10), np.array([-1.0, 0.0, 4.5, 9.0, 10.0]))
    assert list(np.isnan(shown)) == [True, False, False, False, True]


def test_low_clearance_is_found_where_it_is() -> None:
    x = np.linspace(4e6, 5e6, 10_001)
    dark = np.where((x > 4.2e6) & (x < 4.3e6), 0.16, 0.01)
    random = np.random.default_rng(1)
    (span,) = low_clearance(x, random.gamma(50, 1 / 50, len(x)), dark * random.gamma(50, 1 / 50, len(x)))
    assert span.low_hz == pytest.approx(4.2e6, abs=1.1e4)
    assert span.high_hz == pytest.approx(4.3e6, abs=1.1e4)
    assert span.clearance_db == pytest.approx(10 * np.log10(1 / 0.16), abs=0.4)


def test_unknown_clearance_is_low() -> None:
    x = np.arange(100.0)
    (span,) = low_clearance(x, np.ones(100), np.full(100, np.nan))
    assert (span.low_hz, span.high_hz) == (0.0, 99.0)
    assert low_clearance(x, np.ones(100), np.full(100, 0.01)) == ()
    assert clearance_db(np.array([1.0]), np.array([0.1]))[0] == pytest.approx(10.0)


def test_logarithms_count_less_and_lie_low() -> None:
    power, log = spectrum("joint", np.ones(3)), spectrum("joint", np.ones(3), averaging="log")
    assert effective_k(power) == 50
    assert effective_k(log) == pytest.approx(30.5)
    mean_log = np.exp(np.mean(np.log(np.random.default_rng(1).exponential(size=200_000))))
    assert noise_gain(power) == 1
    assert mean_log * noise_gain(log) == pytest.approx(1.0, abs=0.01)


def test_a_video_filter_averages_no_more_than_the_exact_formula_says() -> None:
    one = spectrum("joint", np.ones(3), averages=1)
    for vbw_hz in (0.1, 1.0, 10.0, 100.0):
        k, exact = effective_k(replace(one, vbw_hz=vbw_hz)), effective_averages(one.rbw_hz, vbw_hz)
        assert 0.7 * exact < k <= exact * 1.001
    assert effective_k(one) == 1
