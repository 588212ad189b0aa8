from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.dashboard.label_spread import settled_order, spread


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 300), st.floats(5, 25)), min_size=1, max_size=10))
def test_labels_never_cover_each_other_and_stay_inside(labels: list[tuple[float, float]]) -> None:
    wanted, heights = [at for at, _ in labels], [height for _, height in labels]
    centres = spread(wanted, heights, 0, 300)
    order = sorted(range(len(labels)), key=lambda index: centres[index])
    edges = [(centres[index] - heights[index] / 2, centres[index] + heights[index] / 2) for index in order]
    assert edges[0][0] >= -1e-6
    assert edges[-1][1] <= 300 + 1e-6
    assert all(above[1] <= below[0] + 1e-6 for above, below in pairwise(edges))


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([10, 50, 200], [20, 20, 20], 0, 300) == [10, 50, 200]


def test_labels_at_one_place_share_the_way() -> None:
    assert spread([100, 100], [20, 20], 0, 300) == [90, 110]


def test_the_order_holds_against_noise_but_not_against_facts() -> None:
    names = ["a", "b", "c"]
    assert settled_order(["a", "b", "c"], names, [10, 8, 12], 5) == [0, 1, 2]
    assert settled_order(["a", "b", "c"], names, [30, 8, 12], 5) == [1, 2, 0]
