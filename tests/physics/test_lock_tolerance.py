"""Decibels of squeezing for radians of phase, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.physics.lock_tolerance import (
    decibels_lost,
    joint_decibels_lost,
    quadrature_error_rad,
    rms_for_decibels_lost,
    variance_off_quadrature,
)
from labctl.physics.squeezing import with_phase_noise

squeezings_db = st.floats(-15.0, -1.0)
excesses_db = st.floats(0.0, 12.0)  # of the antisqueezing over that of a pure state


def ratio(level_db: float) -> float:
    return 10.0 ** (level_db / 10.0)


@pytest.mark.parametrize(
    ("squeezed_db", "antisqueezed_db", "rms_mrad"), [(-6.0, 9.0, 28.0), (-10.0, 14.0, 9.6), (-10.0, 20.0, 4.8)]
)
def test_what_costs_a_tenth_of_a_decibel(squeezed_db: float, antisqueezed_db: float, rms_mrad: float) -> None:
    found = rms_for_decibels_lost(ratio(squeezed_db), ratio(antisqueezed_db), 0.1)
    assert 1e3 * float(found) == pytest.approx(rms_mrad, rel=0.02)


@given(squeezings_db, excesses_db, st.floats(0.0, 0.3), st.floats(-0.1, 0.1))
def test_radians_from_decibels_from_radians(squeezed_db: float, excess_db: float, rms: float, offset: float) -> None:
    squeezed, antisqueezed = ratio(squeezed_db), ratio(-squeezed_db + excess_db)
    lost_db = float(decibels_lost(squeezed, antisqueezed, rms, offset))
    assert float(rms_for_decibels_lost(squeezed, antisqueezed, lost_db, offset)) == pytest.approx(rms, abs=1e-5)


@given(squeezings_db, excesses_db, st.floats(0.0, 0.5))
def test_without_offset_it_is_the_variance_with_phase_noise(squeezed_db: float, excess_db: float, rms: float) -> None:
    squeezed, antisqueezed = ratio(squeezed_db), ratio(-squeezed_db + excess_db)
    assert variance_off_quadrature(squeezed, antisqueezed, rms) == pytest.approx(
        float(with_phase_noise(squeezed, antisqueezed, rms))
    )


@given(st.floats(0.0, 0.03), st.floats(0.0, 0.03))
def test_offset_and_noise_add_in_squares_near_zero(rms: float, offset: float) -> None:
    both = variance_off_quadrature(0.1, 10.0, rms, offset)
    assert float(both) == pytest.approx(0.1 + 9.9 * (rms**2 + offset**2), rel=2e-3)


def test_an_average_over_drawn_phases_gives_it() -> None:
    rng = np.random.default_rng(1)
    rms, offset = 0.15, 0.1
    phase = offset + rms * rng.standard_normal(400_000)
    drawn = 0.25 * np.cos(phase) ** 2 + 8.0 * np.sin(phase) ** 2
    sigma = float(drawn.std()) / math.sqrt(drawn.size)
    assert float(variance_off_quadrature(0.25, 8.0, rms, offset)) == pytest.approx(drawn.mean(), abs=4.5 * sigma)


def test_limits_of_what_a_phase_can_cost() -> None:
    assert rms_for_decibels_lost(0.25, 8.0, 30.0) == math.inf
    assert rms_for_decibels_lost(0.25, 8.0, 0.01, offset_rad=0.2) == 0.0


def test_the_phase_of_the_pump_counts_half() -> None:
    assert float(quadrature_error_rad(3e-3, 8e-3)) == pytest.approx(5e-3)


def test_one_detector_alone_loses_what_its_phase_costs() -> None:
    # All of the light on one detector: private and common noise are the same thing.
    alone = joint_decibels_lost(0.25, 8.0, [1.0], 0.05)
    assert alone == pytest.approx(float(decibels_lost(0.25, 8.0, 0.05)), rel=1e-9)
    assert joint_decibels_lost(0.25, 8.0, [1.0], 0.0, common_rad=0.05) == pytest.approx(alone, rel=1e-9)


def test_private_noise_of_four_detectors_costs_a_quarter_of_what_common_noise_does() -> None:
    shares = [0.25] * 4
    common = joint_decibels_lost(0.1, 10.0, shares, 0.0, common_rad=0.01)
    private = joint_decibels_lost(0.1, 10.0, shares, 0.01)
    assert common == pytest.approx(float(decibels_lost(0.1, 10.0, 0.01)), rel=1e-6)
    # Of a private phase the sum sees a quarter in the antisqueezed quadrature; the rest only loses coherence.
    assert 0.15 * common < private < 0.35 * common
    one_off = joint_decibels_lost(0.1, 10.0, shares, 0.0, offset_rad=[0.04, 0.0, 0.0, 0.0])
    all_off = joint_decibels_lost(0.1, 10.0, shares, 0.0, offset_rad=0.04)
    assert 0.0 < one_off < all_off
