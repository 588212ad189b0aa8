"""Sixty starts of a mirror with uneven steps and play: by signal it gets to the top, by counts it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from counting_peers import simplex, walk_by_counts
from mirror_models import MirrorModel, one_mirror
from numpy.typing import NDArray

from labctl.alignment.knob import AxisKnob
from labctl.alignment.mirror import Alignment, align_axes
from labctl.alignment.search import Search
from labctl.errors import LockError
from labctl.spectra.estimate import Estimate

STARTS = 60
WIDTHS = {3600.0: (300, 60), 400.0: (40, 20)}  # steps to 1/e of the visibility: first step of a search, and starts


@dataclass
class Aligned:
    """A model after its alignment."""

    model: MirrorModel
    found: Alignment


def align(model: MirrorModel, first_step: int) -> Aligned:
    search = Search(model.power)
    return Aligned(model, align_axes(search, [AxisKnob(search, axis) for axis in model.axes], first_step))


@pytest.fixture(scope="module", params=WIDTHS, ids=lambda width: f"{width:g} steps wide")
def aligned(request: pytest.FixtureRequest) -> list[Aligned]:
    first_step, starts = WIDTHS[request.param]
    return [align(one_mirror(seed, request.param), first_step) for seed in range(starts)]


def powers(models: list[MirrorModel]) -> NDArray[np.float64]:
    return np.array([model.true_power() for model in models])


def test_all_starts_end_at_the_top(aligned: list[Aligned]) -> None:
    reached = powers([one.model for one in aligned])
    assert np.median(reached) >= 0.995
    assert np.quantile(reached, 0.1) >= 0.99
    assert reached.min() >= 0.96


def test_it_takes_few_moves_and_readings(aligned: list[Aligned]) -> None:
    assert np.median([one.found.moves for one in aligned]) <= 70
    assert max(one.found.moves for one in aligned) <= 130
    assert np.median([one.found.readings for one in aligned]) <= 100
    assert all(one.found.readings == one.model.readings for one in aligned)
    assert all(one.found.moves == sum(len(axis.moves) for axis in one.model.axes) for one in aligned)


def test_every_axis_ends_forwards(aligned: list[Aligned]) -> None:
    assert all(axis.moves[-1] > 0 for one in aligned for axis in one.model.axes)


def test_it_says_what_it_reached(aligned: list[Aligned]) -> None:
    off = [(one.found.after.value - one.model.true_power()) / one.found.after.sigma for one in aligned]
    assert np.abs(off).max() < 4.5
    assert all(one.found.after.relative_sigma < 6e-3 for one in aligned)


def test_step_ratio_and_backlash_come_with_honest_uncertainties(aligned: list[Aligned]) -> None:
    ratio, backlash = [], []
    for one in aligned:
        for axis in one.model.axes:
            hint = one.found.steps[axis.name]
            ratio.append((hint.ratio.value - axis.tilt._backward_ratio) / hint.ratio.sigma)
            backlash.append((hint.backlash.value - axis.tilt._backlash_steps) / hint.backlash.sigma)
            assert hint.ratio.relative_sigma < 0.05
    for z in (np.array(ratio), np.array(backlash)):
        assert abs(z.mean()) < 0.5
        assert 0.5 < z.std() < 1.5
        assert np.abs(z).max() < 5.0


def test_a_narrow_top_shows_the_backlash() -> None:
    one = align(one_mirror(7, 400.0), 40)
    assert all(hint.backlash.sigma < 5.0 for hint in one.found.steps.values())


@pytest.mark.parametrize("peer", [lambda model: simplex(model, 200), walk_by_counts], ids=["simplex", "walk by counts"])
def test_who_trusts_counts_does_worse_on_the_same_mirrors(peer: Callable[[MirrorModel], None]) -> None:
    models = [one_mirror(seed) for seed in range(STARTS)]
    for model in models:
        peer(model)
    assert np.median([model.readings for model in models]) > 50  # it was not for want of looking
    reached = powers(models)
    assert np.median(reached) < 0.9
    assert np.quantile(reached, 0.1) < 0.5


def test_who_trusts_counts_does_well_where_steps_are_even() -> None:
    """The peers are not made of straw."""
    reached = []
    for seed in range(20):
        model = one_mirror(seed)
        for axis in model.axes:
            axis.tilt._backward_ratio, axis.tilt._backlash_steps = 1.0, 0.0
        simplex(model, 200)
        reached.append(model.true_power())
    assert np.median(reached) > 0.98


def test_an_aligned_mirror_stays_aligned() -> None:
    model = one_mirror(3, share=1.0)
    one = align(model, 300)
    assert model.true_power() > 0.99
    assert one.found.before.value == pytest.approx(1.0, abs=0.03)


def test_no_light_is_said() -> None:
    model = one_mirror(3, share=1e-9)
    with pytest.raises(LockError, match="no light to align on"):
        align(model, 300)
    assert all(axis.moves == [] for axis in model.axes)


def test_light_that_goes_out_ends_it() -> None:
    model = one_mirror(3)
    search = Search(lambda: model.power() if search.moves < 12 else Estimate(0.0, 3e-4))
    with pytest.raises(LockError, match="light went out"):
        align_axes(search, [AxisKnob(search, axis) for axis in model.axes], 300)
    assert search.moves < 30
