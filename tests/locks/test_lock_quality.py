"""Verdicts on a window of readings: what is locked, and the one sentence why not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.locks import homodyne, opa_length
from labctl.locks.loop import ActuatorState, Reading, Tolerance, Verdict
from labctl.locks.quality import QUIET_SHARE, RAIL_MARGIN, is_bad, judge

LIMIT_V = 4.5
READINGS = 25
FRINGE, LEVEL = homodyne.TOLERANCE, opa_length.TOLERANCE


def servo(output_v: float = 0.3, *, closed: bool = True, at_limit: bool = False) -> ActuatorState:
    return ActuatorState(0.0, closed, output_v, -LIMIT_V, LIMIT_V, at_limit)


def on_fringe(errors: Iterable[float], actuator: ActuatorState | None = None, residual: float = 0.0) -> Verdict:
    readings = [Reading(0.1 * i, float(error), math.nan) for i, error in enumerate(errors)]
    return judge("lo1", "rad", FRINGE, readings, actuator, residual)


def at_level(share: float, actuator: ActuatorState | None = None) -> Verdict:
    return judge("opa_length", "linewidths", LEVEL, [Reading(0.0, math.nan, share)] * READINGS, actuator)


def seen(phase: np.ndarray, quadrature: int = 1) -> np.ndarray:
    """Return the error that the fringe shows: the arcsine folds what is beyond a quarter turn."""
    return -quadrature * np.arcsin(np.cos(phase))


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
    verdict = on_fringe(seen(phase), servo())
    assert not verdict.locked
    assert verdict.residual > FRINGE.rms


@given(st.integers(0, 10_000))
@settings(max_examples=300, derandomize=True)
def test_a_fringe_of_random_phase_is_never_locked(seed: int) -> None:
    phase = np.random.default_rng(seed).uniform(0, 2 * math.pi, READINGS)
    assert not on_fringe(seen(phase), servo()).locked


@given(st.floats(0.01, 0.1), st.floats(-0.05, 0.05), st.sampled_from([1, -1]), st.integers(0, 1000))
@settings(max_examples=200, derandomize=True)
def test_a_locked_fringe_is_locked_and_its_residual_is_in_rad(
    shake: float, offset: float, quadrature: int, seed: int
) -> None:
    error = offset + shake * np.random.default_rng(seed).standard_normal(READINGS)
    verdict = on_fringe(seen(quadrature * math.pi / 2 + error, quadrature), servo(), shake)
    assert verdict.locked
    assert verdict.reason == ""
    assert verdict.residual == pytest.approx(math.sqrt(float(np.mean(error**2))), rel=1e-6)


@given(st.floats(FRINGE.mean + 0.01, 1.0), st.sampled_from([1, -1]))
def test_a_fringe_that_stands_beside_the_set_point_is_not_locked(distance: float, side: int) -> None:
    verdict = on_fringe([side * distance] * READINGS, servo())
    assert not verdict.locked
    assert f"{side * distance:+.2f} rad" in verdict.reason


def test_a_fringe_more_quiet_than_any_lock_has_no_light() -> None:
    residual = 0.012
    quiet = 0.5 * QUIET_SHARE * residual * np.random.default_rng(1).standard_normal(READINGS)
    assert on_fringe(quiet, servo()).locked  # nobody knows how loud it was
    verdict = on_fringe(quiet, servo(), residual)
    assert not verdict.locked
    assert "no light" in verdict.reason


@given(st.floats(-LIMIT_V, LIMIT_V), st.booleans(), st.booleans())
def test_rails_and_an_open_servo(output_v: float, closed: bool, at_limit: bool) -> None:
    state = servo(output_v, closed=closed, at_limit=at_limit)
    if abs(abs(output_v) - (1 - RAIL_MARGIN) * LIMIT_V) < 1e-9:
        return
    free = closed and not at_limit and abs(output_v) < (1 - RAIL_MARGIN) * LIMIT_V
    for name, verdict in (("lo1", on_fringe([0.0] * READINGS, state)), ("opa_length", at_level(1.0, state))):
        assert verdict.locked == free
        if not closed:
            assert verdict.reason == f"{name}: the servo is open."
        elif not free:
            assert verdict.reason == f"{name}: the servo output is at its limit ({output_v:+.2f} V)."


def test_a_loop_at_whose_servo_nobody_looked_is_judged_by_its_signal() -> None:
    assert on_fringe([0.01] * READINGS).locked
    assert not on_fringe([0.5] * READINGS).locked


@given(st.floats(0.0, 1.3))
def test_a_level_is_locked_near_what_it_was_at_lock(share: float) -> None:
    verdict = at_level(share, servo())
    if abs(share - LEVEL.least_witness) > 1e-6:
        assert verdict.locked == (share > LEVEL.least_witness)
    if not verdict.locked:
        told = re.fullmatch(r"opa_length: its light is at (\d+) % of that at lock\.", verdict.reason)
        assert told is not None
        assert int(told[1]) == pytest.approx(100 * share, abs=0.51)


def test_what_is_no_number_is_not_locked() -> None:
    assert not at_level(math.nan, servo()).locked
    assert not on_fringe([0.0] * 24 + [math.nan], servo()).locked
    assert not judge("lo1", "rad", FRINGE, [], None).locked


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([FRINGE, LEVEL, Tolerance(0.2, 0.1, 0.1, 0.9)]),
)
def test_a_reading_is_good_only_where_a_number_says_so(error: float, witness: float, tolerance: Tolerance) -> None:
    bad = is_bad(Reading(0.0, error, witness), tolerance)
    if not bad:
        assert abs(error) <= tolerance.largest_error or witness >= tolerance.least_witness
    if math.isnan(error) and math.isnan(witness):
        assert bad
    if witness < tolerance.least_witness:
        assert bad
