"""Light that is lost is found by rings that are read forwards, within a budget."""

from __future__ import annotations

from itertools import count, islice

import numpy as np
import pytest
from mirror_models import MirrorModel, one_mirror

from labctl.alignment.axes import StepHint
from labctl.alignment.knob import AxisKnob
from labctl.alignment.mirror import align_axes
from labctl.alignment.raster import _rings, find_light
from labctl.alignment.search import Search, is_lit
from labctl.errors import LockError
from labctl.spectra.estimate import Estimate

STRIDE = 3600.0


def knobs_of(model: MirrorModel, search: Search, seed: int) -> tuple[AxisKnob, AxisKnob]:
    """Return the axes with what an earlier alignment found of their steps."""
    rng = np.random.default_rng(seed)
    fast, slow = (
        AxisKnob(
            search, axis, StepHint(Estimate(axis.tilt._backward_ratio * (1.0 + 0.05 * rng.standard_normal()), 0.05))
        )
        for axis in model.axes
    )
    return fast, slow


def test_rings_visit_every_place_once_and_go_forwards_within_a_line() -> None:
    place, places, rings = (0, 0), [], 3
    for fast, slow in islice(_rings(), (2 * rings + 1) ** 2 - 1):
        assert fast > 0 or slow != 0  # backwards only on the way to another line
        place = place[0] + fast, place[1] + slow
        places.append(place)
    every = {(x, y) for x in range(-rings, rings + 1) for y in range(-rings, rings + 1)} - {(0, 0)}
    assert len(places) == len(every)
    assert set(places) == every


def test_lost_light_is_found_and_aligned_on() -> None:
    reached = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        model = one_mirror(seed, share=10.0 ** -rng.uniform(5.0, 8.0))
        search = Search(model.power)
        fast, slow = knobs_of(model, search, seed)
        assert not is_lit(search.look())
        try:
            power = find_light(search, fast, slow, STRIDE, most_steps=300_000, most_s=1.0, now=lambda: 0.0)
        except LockError:
            continue  # it says so
        assert is_lit(power)
        assert search.readings < 120
        for axis in model.axes:
            if axis.moves:
                assert axis.moves[-1] > 0
        align_axes(search, [fast, slow], 300)
        reached.append(model.true_power())
    assert len(reached) >= 16
    assert min(reached) > 0.98


@pytest.mark.parametrize(("most_steps", "most_s"), [(50_000, 1e9), (10**9, 60.0)])
def test_a_search_in_the_dark_ends_with_its_steps_or_its_time(most_steps: int, most_s: float) -> None:
    search = Search(lambda: Estimate(0.0, 1e-4), most_steps=10**9)
    fast, slow = knobs_of(one_mirror(1), search, 1)
    seconds = count()
    with pytest.raises(LockError, match="No light was found"):
        find_light(search, fast, slow, STRIDE, most_steps=most_steps, most_s=most_s, now=lambda: float(next(seconds)))
    assert search.steps < most_steps + 20 * STRIDE
    assert search.moves < 200


def test_where_there_is_light_nothing_moves() -> None:
    model = one_mirror(1)
    search = Search(model.power)
    fast, slow = knobs_of(model, search, 1)
    find_light(search, fast, slow, STRIDE, most_steps=1, most_s=1.0, now=lambda: 0.0)
    assert search.moves == 0
