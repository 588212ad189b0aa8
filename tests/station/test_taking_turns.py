"""Sequences of commands in turns: whose turn it is, and that nothing comes between a question and its reply."""

from __future__ import annotations

from stepped_time import SteppedTime

from labctl.station.clock import SimulatedClock
from labctl.station.taking_turns import Reply, Turns, take_turns


def test_while_a_reply_is_under_way_no_periodic_task_runs() -> None:
    clock = SimulatedClock(SteppedTime())
    said: list[str] = []
    clock.every(1e-3, lambda: said.append("task"), "task")

    def asks() -> Turns:
        said.append("asked")
        yield Reply(7e-3)
        said.append("told")

    def waits() -> Turns:
        yield 2e-3
        said.append("waited")

    take_turns(clock, [[asks()], [waits()]])
    assert said.index("told") == said.index("asked") + 1
    assert said[-1] == "waited" and "task" in said


def test_of_those_who_may_go_the_first_lane_goes_first_and_in_it_who_waited_longest() -> None:
    clock, said = SimulatedClock(SteppedTime()), []

    def three(name: str) -> Turns:
        for number in range(3):
            said.append(f"{name}{number}")
            yield 0.0

    take_turns(clock, [[three("a"), three("b")], [three("c")]])
    assert said == ["a0", "b0", "a1", "b1", "a2", "b2", "c0", "c1", "c2"]
