"""The homodyne lock against a small fringe: the right quadrature whatever the fringe, and one clear no where there is
none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fringe_table import FringeTable, lock_on
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import LockError
from labctl.locks.servo_loop import GAIN_RAMP

SYSTEMATIC_RAD = 10e-3

tables = st.builds(
    FringeTable,
    volts_per_pi=st.floats(0.85, 1.15),
    amplitude_v=st.floats(0.15, 0.6),
    offset_v=st.floats(-0.03, 0.03),
    path_rad=st.floats(-math.pi, math.pi),
    bow_per_v=st.floats(0.0, 0.02),
    seed=st.integers(0, 10_000),
)
quadratures = st.sampled_from([1, -1])


def acquired(table: FringeTable, quadrature: int, tries: int = 3):
    """Return the lock after at most `tries`, as a step with retries has them, and its verdict."""
    lock = lock_on(table, quadrature)
    for attempt in range(tries):
        try:
            return lock, lock.acquire()
        except LockError:
            if attempt == tries - 1:
                raise
    raise AssertionError


@given(tables, quadratures)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_it_locks_at_the_quadrature_that_it_is_told(table: FringeTable, quadrature: int) -> None:
    lock, verdict = acquired(table, quadrature)
    assert verdict.locked
    assert abs(table.from_quadrature_rad(quadrature)) < SYSTEMATIC_RAD
    assert table.servo.unity_gain_hz() == pytest.approx(3e3, rel=0.4)
    assert 5e-3 < verdict.residual < 30e-3
    calibration = lock.calibration
    assert calibration is not None
    assert calibration.offset_v == pytest.approx(table.offset_v, abs=SYSTEMATIC_RAD * table.amplitude_v)
    assert calibration.amplitude_v == pytest.approx(table.amplitude_v, rel=0.03)
    assert calibration.volts_per_pi == pytest.approx(table.volts_per_pi, rel=0.15)
    assert calibration.amplitude_sigma_v < 0.03 * table.amplitude_v


def test_most_first_tries_succeed() -> None:
    failures = 0
    for seed in range(12):
        try:
            lock_on(FringeTable(seed=seed), 1 - 2 * (seed % 2)).acquire()
        except LockError:
            failures += 1
    assert failures <= 1


@pytest.mark.parametrize("quadrature", [1, -1])
def test_the_gain_is_raised_step_by_step_with_the_right_sign(quadrature: int) -> None:
    table = FringeTable()
    acquired(table, quadrature)
    gains = [gain for command, gain in table.commands if command == "close_loop"]
    first, *_, last = np.abs(gains[-len(GAIN_RAMP) :])
    assert first == pytest.approx(0.2 * last)
    assert np.all(np.diff(np.abs(gains[-len(GAIN_RAMP) :])) > 0.0)
    assert math.copysign(1.0, gains[-1]) == -quadrature
    assert abs(gains[-1]) == pytest.approx(2 * math.pi * 3e3 / (table.amplitude_v * math.pi), rel=0.2)


def test_a_reading_is_the_phase_from_the_lock_point() -> None:
    table = FringeTable(wander_rad=0.0, shake_rad=0.0, noise_v=0.0)
    lock = lock_on(table, 1)
    assert math.isnan(lock.read().error)
    lock.acquire()
    assert abs(lock.read().error) < 0.01
    table.hold()
    table.path_rad += 0.5
    assert lock.read().error == pytest.approx(0.5, abs=0.03)


def test_a_lock_that_was_never_calibrated_is_not_locked() -> None:
    verdict = lock_on(FringeTable(), 1).verify()
    assert not verdict.locked
    assert verdict.reason == "lo1: never calibrated."


@given(st.integers(0, 1000), quadratures)
@settings(max_examples=5, deadline=None, derandomize=True)
def test_without_light_it_refuses_in_one_sentence_and_leaves_the_servo_open_at_zero(seed: int, quadrature: int) -> None:
    table = FringeTable(seed=seed, lit=False)
    with pytest.raises(LockError) as caught:
        lock_on(table, quadrature, name="lo3").acquire()
    assert str(caught.value).startswith("lo3: ")
    assert "fringe" in str(caught.value)
    assert caught.value.remedy
    assert not table.servo.settings.closed
    assert table.servo.output_volts() == 0.0


def test_a_piezo_of_too_short_a_stroke_is_refused() -> None:
    table = FringeTable(volts_per_pi=6.0)
    with pytest.raises(LockError, match="lo1: The scan covers"):
        lock_on(table, 1).acquire()
    assert not table.servo.settings.closed


def test_a_path_that_moves_too_fast_is_refused_and_left_open() -> None:
    table = FringeTable(wander_rad=30.0, wander_s=4.0)
    with pytest.raises(LockError, match="lo1"):
        lock_on(table, 1).acquire()
    assert not table.servo.settings.closed
    assert table.servo.output_volts() == 0.0


def test_light_that_goes_between_calibration_and_check_is_noticed() -> None:
    table = FringeTable()
    lock, _ = acquired(table, 1)
    table.lit = False
    table.elapse(3.0)
    verdict = lock.verify()
    assert not verdict.locked
    assert "limit" in verdict.reason  # nothing holds the integrator


def test_a_servo_that_stood_at_its_limit_before_does_not_spoil_a_new_lock() -> None:
    table = FringeTable()
    lock, _ = acquired(table, 1)
    table.lit = False
    table.elapse(5.0)
    assert abs(table.servo.output_volts()) == table.limit_v
    table.lit = True
    lock.acquire()
    assert lock.verify().locked
