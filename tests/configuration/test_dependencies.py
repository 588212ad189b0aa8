"""Order and cycles of things that need each other."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from labctl.configuration.dependencies import cycle_in, in_order_of_needs

_NAMES = [f"n{index}" for index in range(8)]
_graphs = st.dictionaries(st.sampled_from(_NAMES), st.lists(st.sampled_from(_NAMES), max_size=3), max_size=8)


def test_order_is_that_of_the_file_as_far_as_needs_allow() -> None:
    needs = {"spectrum": ["lock"], "dark": [], "lock": ["oven"], "oven": [], "light": []}
    assert in_order_of_needs(needs) == ("dark", "oven", "lock", "spectrum", "light")
    assert in_order_of_needs({"b": [], "a": [], "c": []}) == ("b", "a", "c")


def test_a_cycle_is_named_from_one_member_round_to_itself() -> None:
    assert cycle_in({"a": ["b"], "b": ["c"], "c": ["b"], "d": []}) == ("b", "c", "b")
    assert cycle_in({"a": ["a"]}) == ("a", "a")
    assert cycle_in({"a": ["b"], "b": []}) == ()


def test_long_chains_are_no_trouble() -> None:
    chain = {f"s{index}": [f"s{index + 1}"] for index in range(20_000)}
    assert in_order_of_needs({**chain, "s20000": []})[0] == "s20000"


@given(_graphs)
def test_either_everything_has_an_order_or_there_is_a_cycle(needs: dict[str, list[str]]) -> None:
    ordered = in_order_of_needs(needs)
    for position, name in enumerate(ordered):
        assert {need for need in needs[name] if need in needs} <= set(ordered[:position])
    cycle = cycle_in(needs)
    assert (len(ordered) == len(needs)) == (cycle == ())
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(after in needs[before] for before, after in itertools.pairwise(cycle))
