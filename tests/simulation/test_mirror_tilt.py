"""Mirrors on picomotors: steps of uneven size, and play at every reversal."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ideal_table import build, truth_of

from labctl.simulation.sensor_plant import MirrorTilt

STEP_RAD, RATIO, BACKLASH = 0.4e-6, 0.7, 12.0
moves = st.lists(st.integers(-400, 400), max_size=30)


class Exact(np.random.Generator):
    """A generator whose steps are all alike."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(1))

    def standard_normal(self, *args: object, **kwargs: object) -> float:  # type: ignore[override]
        return 0.0


def exact(backlash_steps: float) -> MirrorTilt:
    return MirrorTilt(0.0, STEP_RAD, RATIO, Exact(), backlash_steps)


@given(moves, st.integers(0, 100))
def test_without_play_every_bit_is_that_of_the_plain_formula(steps: list[int], seed: int) -> None:
    mirror = MirrorTilt(3e-5, STEP_RAD, RATIO, np.random.default_rng(seed))
    rng, tilt_rad = np.random.default_rng(seed), 3e-5
    for count in steps:
        mirror.step(count)
        jitter = 0.05 * math.sqrt(abs(count)) * float(rng.standard_normal())
        tilt_rad += STEP_RAD * (1.0 if count > 0 else RATIO) * (count + jitter)
        assert mirror.tilt_rad == tilt_rad


def test_the_first_steps_after_a_reversal_move_nothing() -> None:
    mirror = exact(BACKLASH)
    mirror.step(100)  # forwards it is taken up at the start
    assert mirror.tilt_rad == pytest.approx(100 * STEP_RAD)
    mirror.step(-5)
    mirror.step(-7)
    assert mirror.tilt_rad == pytest.approx(100 * STEP_RAD)
    mirror.step(-10)
    assert mirror.tilt_rad == pytest.approx((100 - 10 * RATIO) * STEP_RAD)
    mirror.step(20)
    assert mirror.tilt_rad == pytest.approx((100 - 10 * RATIO + 8) * STEP_RAD)


def test_turning_round_within_the_play_takes_back_only_what_was_taken() -> None:
    mirror = exact(BACKLASH)
    mirror.step(-4)
    mirror.step(4)
    mirror.step(10)
    assert mirror.tilt_rad == pytest.approx(10 * STEP_RAD)


@given(moves)
def test_the_tilt_lags_by_the_play_at_most(steps: list[int]) -> None:
    mirror = MirrorTilt(0.0, 1.0, 1.0, Exact(), BACKLASH)
    screw = 0
    for count in steps:
        mirror.step(count)
        screw += count
        assert -1e-9 <= mirror.tilt_rad - screw <= BACKLASH + 1e-9


@given(moves)
def test_a_move_in_parts_is_the_same_move(steps: list[int]) -> None:
    whole, parts = exact(BACKLASH), exact(BACKLASH)
    for count in steps:
        whole.step(count)
        for part in (count // 2, count - count // 2):
            parts.step(part)
    assert parts.tilt_rad == pytest.approx(whole.tilt_rad, abs=1e-12)


def test_the_table_gives_its_mirrors_the_play_of_the_truth() -> None:
    truth = truth_of("ideal", seed=2)
    sensor = replace(truth.sensors[0], backlash_steps=50.0)
    table = build(replace(truth, sensors=(sensor, *truth.sensors[1:]))).table
    for axis, start_rad in zip((table.sensors[0].pitch, table.sensors[0].yaw), sensor.misalignment_rad, strict=True):
        axis.step(-50)
        assert axis.tilt_rad == start_rad
        axis.step(-50)
        assert axis.tilt_rad < start_rad
    without = table.sensors[1].pitch
    before = without.tilt_rad
    without.step(-1)
    assert without.tilt_rad < before
