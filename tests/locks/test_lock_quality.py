"""Verdicts on a window of readings: what is locked, and the one sentence why not."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.locks.quality import (
    FRINGE_MEAN_TOLERANCE,
    FRINGE_RMS_TOLERANCE,
    RAIL_MARGIN,
    WITNESS_TOLERANCE,
    judge_fringe,
    judge_level,
)
from labctl.station.roles import ServoState

LIMIT_V = 4.5
READINGS = 25


def servo(output_v: float = 0.3, *, closed: bool = True, at_limit: bool = False) -> ServoState:
    return ServoState(closed=closed, output_v=output_v, error_v=0.0, overloaded=False, at_limit=at_limit)


@given(
    st.floats(0.0, 2 * math.pi),
    st.floats(1.0, 11.0) | st.floats(-11.0, -1.0),  # turns in the window, fewer than half of the readings
    st.floats(0.0, 0.3),
    st.integers(0, 1000),
)
@settings(max_examples=300, derandomize=True)
def test_a_free_running_fringe_is_never_locked(start: float, turns: float, shake: float, seed: int) -> None:
    phase = start + 2 * math.pi * turns * np.arange(READINGS) / READINGS
    phase = phase + shake * np.random.default_rng(seed).standard_normal(READINGS)
    verdict = judge_fringe("lo1", np.cos(phase).tolist(), servo(), LIMIT_V)
    assert not verdict.locked
    assert verdict.reason.startswith("lo1: the fringe")
    assert verdict.residual > FRINGE_RMS_TOLERANCE


@given(st.integers(0, 10_000))
@settings(max_examples=300, derandomize=True)
def test_a_fringe_of_random_phase_is_never_locked(seed: int) -> None:
    phase = np.random.default_rng(seed).uniform(0, 2 * math.pi, READINGS)
    assert not judge_fringe("lo1", np.cos(phase).tolist(), servo(), LIMIT_V).locked


@given(st.floats(0.0, 0.15), st.floats(-0.05, 0.05), st.sampled_from([1, -1]), st.integers(0, 1000))
@settings(max_examples=200, derandomize=True)
def test_a_locked_fringe_is_locked_and_its_residual_is_in_rad(
    shake: float, offset: float, quadrature: int, seed: int
) -> None:
    phase = quadrature * math.pi / 2 + offset + shake * np.random.default_rng(seed).standard_normal(READINGS)
    verdict = judge_fringe("lo1", np.cos(phase).tolist(), servo(), LIMIT_V)
    assert verdict.locked
    assert verdict.reason == ""
    rms = math.sqrt(float(np.mean((phase - quadrature * math.pi / 2) ** 2)))
    assert verdict.residual == pytest.approx(rms, rel=0.1, abs=1e-6)


@given(st.floats(FRINGE_MEAN_TOLERANCE + 0.01, 1.0), st.sampled_from([1, -1]))
def test_a_fringe_that_stands_beside_the_set_point_is_not_locked(distance: float, side: int) -> None:
    verdict = judge_fringe("lo2", [side * distance] * READINGS, servo(), LIMIT_V)
    assert not verdict.locked
    assert f"{side * distance:+.2f}" in verdict.reason


@given(st.floats(-LIMIT_V, LIMIT_V), st.booleans(), st.booleans())
def test_rails_and_an_open_servo(output_v: float, closed: bool, at_limit: bool) -> None:
    state = servo(output_v, closed=closed, at_limit=at_limit)
    free = closed and not at_limit and abs(output_v) <= (1 - RAIL_MARGIN) * LIMIT_V
    for verdict in (
        judge_fringe("lo1", [0.0] * READINGS, state, LIMIT_V),
        judge_level("lo1", [1.0] * READINGS, 1.0, state, LIMIT_V),
    ):
        assert verdict.locked == free
        if not closed:
            assert verdict.reason == "lo1: the servo is open."
        elif not free:
            assert verdict.reason == f"lo1: the servo output is at its limit ({output_v:+.2f} V)."


def test_a_loop_without_a_servo_is_judged_by_its_signal() -> None:
    assert judge_fringe("lo1", [0.01] * READINGS, None, LIMIT_V).locked
    assert not judge_fringe("lo1", [0.5] * READINGS, None, LIMIT_V).locked


@given(st.floats(0.0, 1.3), st.floats(0.05, 3.0))
def test_a_level_is_locked_near_what_it_was_at_lock(share: float, at_lock_v: float) -> None:
    verdict = judge_level("opa_length", [share * at_lock_v] * READINGS, at_lock_v, servo(), LIMIT_V)
    if abs(share - WITNESS_TOLERANCE) > 1e-6:
        assert verdict.locked == (share > WITNESS_TOLERANCE)
    if not verdict.locked:
        told = re.fullmatch(r"opa_length: the witness is at (\d+) % of its level at lock\.", verdict.reason)
        assert told is not None
        assert int(told[1]) == pytest.approx(100 * share, abs=0.51)


@pytest.mark.parametrize("at_lock_v", [math.nan])
def test_a_level_that_was_never_known_is_not_locked(at_lock_v: float) -> None:
    assert not judge_level("opa_length", [1.0] * READINGS, at_lock_v, servo(), LIMIT_V).locked


def test_a_reading_that_is_no_number_is_not_locked() -> None:
    assert not judge_fringe("lo1", [0.0] * 24 + [math.nan], servo(), LIMIT_V).locked
