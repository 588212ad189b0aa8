"""Which loops went down first."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.core.first_causes import NOT_DOWN, first_causes
from labctl.locks.states import LockState

NEEDS = {
    "pump": ["length"],
    "cavity1": ["pump"],
    "cavity2": ["pump"],
    "lo1": ["pump", "cavity1"],
    "lo2": ["pump", "cavity2"],
}
ALL_LOCKED = dict.fromkeys(("length", *NEEDS), "locked")


def test_the_cause_is_the_loop_whose_needs_are_all_up() -> None:
    assert first_causes(ALL_LOCKED, NEEDS) == {}
    assert first_causes(ALL_LOCKED | {"lo2": "relock", "cavity2": "hold"}, NEEDS) == {"cavity2": ("lo2",)}
    # Two at once; what stands between a cause and what it brought down may look locked for a moment.
    states = ALL_LOCKED | {"length": "scan", "lo1": "hold", "lo2": "hold", "cavity2": "stalled"}
    assert first_causes(states, NEEDS) == {"length": ("cavity2", "lo1", "lo2")}
    states = ALL_LOCKED | {"cavity1": "fault", "lo2": "relock", "lo1": "hold"}
    assert first_causes(states, NEEDS) == {"cavity1": ("lo1",), "lo2": ()}


def test_one_that_needs_two_causes_is_listed_with_both() -> None:
    needs = {"sum": ["lo1", "lo2"]}
    states = {"sum": "hold", "lo1": "relock", "lo2": "scan"}
    assert first_causes(states, needs) == {"lo1": ("sum",), "lo2": ("sum",)}


NAMES = [f"l{k}" for k in range(6)]


@settings(deadline=None, max_examples=40)
@given(
    states=st.fixed_dictionaries({name: st.sampled_from([str(state) for state in LockState]) for name in NAMES}),
    needs=st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from([*NAMES, "gone"]), max_size=3)),
)
def test_whatever_needs_what_each_that_is_down_is_told(states: dict[str, str], needs: dict[str, list[str]]) -> None:
    """Also where needs run in a circle, or name a loop that there is not."""
    causes = first_causes(states, needs)
    down = {name for name, state in states.items() if state not in NOT_DOWN}
    assert {*causes, *(name for others in causes.values() for name in others)} == down
    assert not any(cause in others for cause in causes for others in causes.values())
