"""The first mover of a loss: order, ties, resolution."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loss_scenes import LOOPS, LOST_AT, NEEDS, SceneOfLoss

from labctl.locks.first_movers import ancestors, first_movers, in_ms, roots


def test_loops_come_in_the_order_in_which_they_moved() -> None:
    scene = SceneOfLoss("lo3")
    for loop, seconds in (("lo3", 0.0), ("lo1", -0.4), ("lo2", 0.4)):
        scene.signal(loop)[scene.at(seconds)] = 1.0
    order = first_movers(scene.evidence(), NEEDS)
    assert [mover.loop for mover in order] == ["lo1", "lo3", "lo2"]
    assert order[1].at - order[0].at == pytest.approx(0.4, abs=0.01)
    assert in_ms(order).startswith("lo1, lo3 +400 ms")


@pytest.mark.parametrize("lead_s", [0.0, 0.1])
def test_within_two_looks_the_loop_that_others_need_comes_first(lead_s: float) -> None:
    scene = SceneOfLoss("lo1")
    scene.signal("lo1")[scene.at(-lead_s)] = 1.0
    scene.signal("opa_length")[scene.at(0.0)] = 0.1
    scene.signal("pump_phase")[scene.at(0.0)] = 0.2
    assert [mover.loop for mover in first_movers(scene.evidence(), NEEDS)] == ["opa_length", "pump_phase", "lo1"]


def test_further_apart_the_one_that_moved_first_comes_first_whoever_it_is() -> None:
    scene = SceneOfLoss("opa_length")
    scene.signal("lo1")[scene.at(-0.5)] = 1.0
    scene.signal("opa_length")[scene.at(0.0)] = 0.1
    assert first_movers(scene.evidence(), NEEDS)[0].loop == "lo1"


def test_a_slow_one_is_dated_between_the_looks_and_says_how_well() -> None:
    scene = SceneOfLoss("lo2")
    ramp = np.clip(scene.time_s - (LOST_AT - 1.0), 0.0, None) * 0.5  # rad: 0.06 after 0.12 s
    scene.signal("lo2")[:] = ramp
    mover = first_movers(scene.evidence(), NEEDS)[0]
    assert mover.at == pytest.approx(LOST_AT - 1.0 + 0.12, abs=0.01)
    assert mover.resolution_s == pytest.approx(0.1, abs=0.01)


def test_what_moves_because_it_was_opened_is_no_mover() -> None:
    scene = SceneOfLoss("opa_length")
    scene.signal("opa_length")[scene.at(0.0)] = 0.0
    scene.state("lo1", "hold", 0.1)
    scene.signal("lo1")[scene.at(0.3)] = 1.2
    assert [mover.loop for mover in first_movers(scene.evidence(), NEEDS)] == ["opa_length"]


def test_a_gap_between_looks_is_said() -> None:
    scene = SceneOfLoss("lo1")
    scene.signal("lo1")[scene.at(-0.9) & ~scene.at(0.0)] = np.nan
    scene.signal("lo1")[scene.at(0.0)] = 1.0
    mover = first_movers(scene.evidence(), NEEDS)[0]
    assert mover.at == pytest.approx(LOST_AT, abs=0.02)
    assert mover.resolution_s == pytest.approx(1.0, abs=0.02)


@given(seed=st.integers(0, 2**31), lost=st.sampled_from(LOOPS))
def test_noise_alone_moves_nobody(seed: int, lost: str) -> None:
    assert first_movers(SceneOfLoss(lost, seed=seed).evidence(), NEEDS) == ()


@given(st.permutations(LOOPS), st.lists(st.floats(-1.0, 1.5), min_size=5, max_size=5))
def test_whoever_moves_when_each_is_named_once_and_none_long_before_its_time(names: list[str], at: list[float]) -> None:
    scene = SceneOfLoss(names[0])
    for name, seconds in zip(names, at, strict=True):
        scene.signal(name)[scene.at(seconds)] = 3.0
    order = first_movers(scene.evidence(), NEEDS)
    assert sorted(mover.loop for mover in order) == sorted(LOOPS)
    times = [mover.at for mover in order]
    assert all(later > earlier - 0.16 for earlier, later in pairwise(times))


def test_the_graph_is_followed_to_its_root() -> None:
    assert ancestors("lo1", NEEDS) == {"pump_phase", "opa_length"}
    assert roots(NEEDS) == ("opa_length",)
    assert in_ms(()) == "nobody"
