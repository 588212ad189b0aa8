"""Trains of steps: exact counts, no step back, the times of a trapezoid."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.simulation.instruments.step_train import StepTrain

STEPS = st.integers(-(10**6), 10**6)
RATES = st.integers(1, 2000)
ACCELERATIONS = st.integers(1, 200_000)


@given(STEPS, RATES, ACCELERATIONS, st.floats(0.0, 1e5))
def test_a_train_ends_with_exactly_its_steps(steps: int, rate: int, acceleration: int, start: float) -> None:
    train = StepTrain.of(steps, start, rate, acceleration)
    assert train.steps_at(start) == 0
    assert train.steps_at(train.ends_at) == steps
    assert train.steps_at(train.ends_at + 1e6) == steps


@given(STEPS, RATES, ACCELERATIONS, st.lists(st.floats(0.0, 1.1), min_size=2, max_size=20))
def test_steps_only_go_forwards(steps: int, rate: int, acceleration: int, fractions: list[float]) -> None:
    train = StepTrain.of(steps, 0.0, rate, acceleration)
    counts = [abs(train.steps_at(fraction * train.ends_at)) for fraction in sorted(fractions)]
    assert counts == sorted(counts)
    assert counts[-1] <= abs(steps)


def test_a_long_train_is_a_trapezoid() -> None:
    train = StepTrain.of(1000, 10.0, rate=100, acceleration=50)
    # 2 s up (100 steps), 8 s at 100 steps/s, 2 s down (100 steps)
    assert [train.steps_at(10.0 + t) for t in (1.0, 2.0, 3.0, 10.0, 11.0)] == [25, 100, 200, 900, 975]
    assert train.ends_at == pytest.approx(22.0)


def test_a_short_train_is_a_triangle() -> None:
    train = StepTrain.of(-100, 0.0, rate=1000, acceleration=100)
    assert train.steps_at(1.0) == -50
    assert train.ends_at == pytest.approx(2.0)


@given(RATES, ACCELERATIONS, st.floats(0.0, 50.0))
def test_a_stop_brakes_with_the_acceleration(rate: int, acceleration: int, stop_at: float) -> None:
    endless = StepTrain(1, 0.0, rate, acceleration)
    braked = endless.braked(stop_at)
    speed = min(rate, acceleration * stop_at)
    assert endless.ends_at == math.inf
    assert braked.steps_at(stop_at) == endless.steps_at(stop_at)
    assert braked.ends_at == pytest.approx(stop_at + speed / acceleration)
    assert braked.steps_at(math.inf) - braked.steps_at(stop_at) == pytest.approx(speed**2 / 2 / acceleration, abs=1.01)
