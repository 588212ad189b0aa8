"""Two mirrors that walk one beam: four axes, of which each makes good most of what another does."""

from __future__ import annotations

import numpy as np
import pytest
from counting_peers import simplex
from mirror_models import MirrorModel, two_mirrors

from labctl.alignment.knob import AxisKnob
from labctl.alignment.mirror import Alignment, align_axes
from labctl.alignment.search import Search
from labctl.alignment.walk import walk_pairs

FIRST_STEP = 300


def walk(model: MirrorModel) -> Alignment:
    search = Search(model.power)
    first_pitch, second_pitch, first_yaw, second_yaw = (AxisKnob(search, axis) for axis in model.axes)
    return walk_pairs(search, [(first_pitch, second_pitch), (first_yaw, second_yaw)], FIRST_STEP)


def check_starts(starts: int) -> None:
    models = [two_mirrors(seed) for seed in range(starts)]
    found = [walk(model) for model in models]
    reached = [model.true_power() for model in models]
    assert np.median(reached) >= 0.995
    assert np.quantile(reached, 0.1) >= 0.99
    assert min(reached) >= 0.96
    assert np.median([one.moves for one in found]) <= 750
    assert all(axis.moves[-1] > 0 for model in models for axis in model.axes)


def test_walks_end_at_the_top() -> None:
    check_starts(12)


@pytest.mark.slow
def test_sixty_walks_end_at_the_top() -> None:
    check_starts(60)


def test_axis_by_axis_creeps_along_the_ridge() -> None:
    """What the nested walk is for: twenty tops of single axes later these are still on their way."""
    one_by_one, walked = [], []
    for seed in range(3):
        model = two_mirrors(seed, angle_rad=0.3)
        search = Search(model.power)
        align_axes(search, [AxisKnob(search, axis) for axis in model.axes], FIRST_STEP)
        one_by_one.append(model.true_power())
        model = two_mirrors(seed, angle_rad=0.3)
        walk(model)
        walked.append(model.true_power())
    assert np.median(walked) > 0.99
    assert np.median(one_by_one) < 0.9


def test_a_simplex_on_counts_does_worse_with_as_many_readings() -> None:
    models = [two_mirrors(seed) for seed in range(15)]
    for model in models:
        simplex(model, 800)
    reached = [model.true_power() for model in models]
    assert np.median(reached) < 0.7
    assert np.quantile(reached, 0.1) < 0.2
