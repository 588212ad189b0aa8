"""Readings averaged as long as they must be, moves that can be stopped, and the climb by signal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mirror_models import one_mirror

from labctl.alignment.axes import MirrorAxis, StepHint
from labctl.alignment.climb import climb
from labctl.alignment.knob import AxisKnob, Path
from labctl.alignment.mirror import align_axes
from labctl.alignment.search import DARK_READINGS, FINE, MOST_READINGS, Search, is_lit, mean_of
from labctl.errors import LockError, Stopped
from labctl.spectra.estimate import Estimate


@dataclass
class Motor:
    """An axis that only counts."""

    name: str = "pitch"
    moves: list[int] = field(default_factory=list)

    def move(self, steps: int) -> None:
        self.moves.append(steps)


def steady(value: float, relative_sigma: float) -> Callable[[], Estimate]:
    rng = np.random.default_rng(1)
    return lambda: Estimate(value * (1.0 + relative_sigma * float(rng.standard_normal())), value * relative_sigma)


# ---- looks -----------------------------------------------------------------------------------------------------------


def test_a_look_averages_until_it_is_sure_enough() -> None:
    search = Search(steady(0.5, 0.01))
    assert search.look(0.02).relative_sigma == pytest.approx(0.01, rel=0.1)
    assert search.readings == 1
    power = search.look(FINE)
    assert power.relative_sigma < FINE
    assert 4 <= search.readings <= MOST_READINGS
    before = search.readings
    search.look(FINE)  # the same place is known already
    assert search.readings == before
    search.move(Motor(), 5)
    search.look(0.02)
    assert search.readings == before + 1


def test_a_look_never_averages_for_ever_and_not_at_nothing() -> None:
    noisy = Search(steady(0.5, 0.15))
    noisy.look(FINE)
    assert noisy.readings == MOST_READINGS
    dark = Search(lambda: Estimate(1e-5, 1e-4))
    assert not is_lit(dark.look(FINE))
    assert dark.readings == DARK_READINGS


@given(st.lists(st.floats(0.1, 1.0), min_size=1, max_size=12), st.floats(1e-4, 0.1))
def test_a_mean_is_at_least_as_sure_as_its_scatter(values: list[float], sigma: float) -> None:
    mean = mean_of([Estimate(value, sigma) for value in values])
    assert mean.value == pytest.approx(float(np.mean(values)))
    assert mean.sigma >= sigma / math.sqrt(len(values)) * (1.0 - 1e-9)
    if len(values) > 3:
        assert mean.sigma >= float(np.std(values, ddof=1)) / math.sqrt(len(values)) * (1.0 - 1e-9)


# ---- stops, locks, budgets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checks", [1, 2, 17, 60])
def test_a_stop_comes_through_between_two_moves_or_readings(checks: int) -> None:
    model, asked = one_mirror(4), 0
    at_stop: list[tuple[int, int]] = []

    def check_stop() -> None:
        nonlocal asked
        asked += 1
        if asked >= checks:
            at_stop.append((sum(len(axis.moves) for axis in model.axes), model.readings))
            raise Stopped("stopped")

    search = Search(model.power, check_stop=check_stop)
    with pytest.raises(Stopped):
        align_axes(search, [AxisKnob(search, axis) for axis in model.axes], 300)
    assert at_stop == [(sum(len(axis.moves) for axis in model.axes), model.readings)]


def test_every_motor_runs_inside_the_callers_context_and_no_reading_does() -> None:
    held: list[str] = []

    @contextmanager
    def moving() -> Iterator[None]:
        held.append("moving")
        yield
        held.pop()

    class Watched(Motor):
        def move(self, steps: int) -> None:
            assert held == ["moving"]

    def reading() -> Estimate:
        assert held == []
        return Estimate(1.0, 0.01)

    search = Search(reading, moving=moving)
    search.move(Watched(), 3)
    search.look()
    assert search.moves == 1


def test_moves_and_steps_are_counted_and_bounded() -> None:
    motor, told = Motor(), []
    search = Search(steady(0.5, 0.01), on_look=lambda moves, power: told.append(moves), most_moves=3, most_steps=100)
    search.move(motor, -60)
    search.look()
    with pytest.raises(LockError, match="not done after 1 moves and 60 steps"):
        search.move(motor, 50)
    search.move(motor, 30)
    search.move(motor, 10)
    search.look()
    with pytest.raises(LockError, match="not done after 3 moves"):
        search.move(motor, 0)
    assert (motor.moves, told, search.steps) == ([-60, 30, 10], [1, 3], 100)


def test_long_moves_are_done_in_parts_that_the_mirror_may_do() -> None:
    @dataclass
    class Mount:
        moves: list[tuple[str, int]] = field(default_factory=list)

        def move(self, axis: str, steps: int) -> None:
            self.moves.append((axis, steps))

    mount = Mount()
    MirrorAxis(mount, "yaw", 2000).move(-4500)
    MirrorAxis(mount, "pitch", 2000).move(7)
    assert mount.moves == [("yaw", -2000), ("yaw", -2000), ("yaw", -500), ("pitch", 7)]


# ---- hints, path, climb ----------------------------------------------------------------------------------------------


@given(st.floats(0.3, 2.0), st.floats(0.0, 50.0), st.floats(1.0, 5000.0))
def test_a_forecast_there_and_back_cancels(ratio: float, backlash: float, distance: float) -> None:
    hint = StepHint(Estimate(ratio, 0.01), Estimate(backlash, 1.0))
    back = -hint.backward(distance)
    assert (back - backlash) * ratio == pytest.approx(distance, abs=max(1.0, ratio))
    assert hint.forward(distance) - backlash == pytest.approx(distance, abs=1.0)
    assert hint.forward(distance, reversed_=False) == pytest.approx(distance, abs=1.0)


def test_a_path_keeps_one_look_a_place_and_knows_where_it_turned() -> None:
    path = Path()
    path.saw(Estimate(1.0, 0.1))
    path.saw(Estimate(1.1, 0.01))
    path.moves.append(-5)
    path.saw(Estimate(0.9, 0.1))
    assert [at for at, _ in path.looks] == [0, 1]
    assert path.looks[0][1].value == 1.1
    assert path.turned == -1
    path.forget()
    assert (path.moves, path.looks, path.turned) == ([], [], -1)


def test_a_climb_alone_ends_within_its_last_steps_of_the_top() -> None:
    reached = []
    for seed in range(40):
        model = one_mirror(seed)
        search = Search(model.power)
        for _ in range(2):
            for axis in model.axes:
                climb(AxisKnob(search, axis), 300, 75)
        reached.append(model.true_power())
        assert search.moves < 160
    assert np.median(reached) > 0.97
    assert np.quantile(reached, 0.1) > 0.93


def test_a_climb_takes_the_backlash_up_at_every_reversal() -> None:
    model = one_mirror(2)
    axis = model.axes[0]
    search = Search(lambda: Estimate(0.5 + 1e-3 * search.moves, 1e-6))  # it rises whatever is done
    search.most_moves = 6
    knob = AxisKnob(search, axis, StepHint(backlash=Estimate(40.0, 1.0)))
    with pytest.raises(LockError):
        climb(knob, 100, 10)
    assert axis.moves == [100, 140, 196, 274, 300, 300]
    falling = Search(lambda: Estimate(0.5 - 1e-3 * falling.moves, 1e-6))
    axis.moves.clear()
    climb(AxisKnob(falling, axis, StepHint(backlash=Estimate(40.0, 1.0))), 100, 20)
    assert axis.moves == [100, -140, 90, -65]  # the first fall tells nothing of the top, the others halve
