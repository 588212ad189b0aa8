"""The queue of steps: what an operator may do to it at any moment, and what a run makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_table import open_table, station_at
from pymeasure.experiment import FloatParameter

from labctl.configuration.recipe_file import Step
from labctl.errors import LabError
from labctl.store.records import RunState, StepState
from procedures import catalogue
from procedures.base import LabProcedure
from procedures.bench import Bench, MemoryRecord
from procedures.execution import StopRequest
from procedures.outcome import Outcome
from procedures.overnight import RecipeRun
from procedures.step_queue import QueueRefused, StepQueue


def step(name: str, *needs: str, retries: int = 0, procedure: str = "warm_oven", **parameters: float) -> Step:
    return Step(name, procedure, None, needs, retries, 3600.0, parameters)


def names(queue: StepQueue) -> list[str]:
    return [queued.step.name for queued in queue.waiting]


# ---- the queue alone ------------------------------------------------------------------------------------------------


def test_steps_of_one_name_get_numbers_and_those_of_a_recipe_still_need_each_other() -> None:
    queue = StepQueue([step("a"), step("a")])
    queue.add_all([step("a"), step("b", "a"), step("c", "a", "b")])
    assert names(queue) == ["a", "a#2", "a#3", "b", "c"]
    assert [queued.step.needs for queued in queue.waiting[3:]] == [("a#3",), ("a#3", "b")]
    assert [queued.identity for queued in queue.waiting] == [1, 2, 3, 4, 5]


def test_a_step_is_never_moved_before_one_that_it_needs() -> None:
    queue = StepQueue([step("a"), step("b", "a"), step("c")])
    a, b, c = (queued.identity for queued in queue.waiting)
    with pytest.raises(QueueRefused, match="b needs a, which would come after it"):
        queue.move(b, 0)
    with pytest.raises(QueueRefused, match="b needs a"):
        queue.move(a, 2)
    queue.move(c, 0)
    assert names(queue) == ["c", "a", "b"]
    queue.move(c, 9_999)
    assert names(queue) == ["a", "b", "c"]
    queue.take_next()
    queue.move(b, 1)  # what it needs runs already
    assert names(queue) == ["c", "b"]


def test_only_what_waits_can_be_taken_out_or_moved() -> None:
    queue = StepQueue([step("a"), step("b")])
    running = queue.take_next()
    assert running is not None
    for act in (queue.remove, lambda identity: queue.move(identity, 0)):
        with pytest.raises(QueueRefused, match="a is running, it does not wait any more"):
            act(running.identity)
    with pytest.raises(QueueRefused, match="There is no step 7"):
        queue.remove(7)
    running.state = StepState.DONE
    with pytest.raises(QueueRefused, match="a is done"):
        queue.skip(running.identity)
    assert not queue.must_skip(running)
    queue.remove(2)
    assert [queued.step.name for queued in queue.steps] == ["a"]
    queue.clear()
    assert queue.steps == []


def test_a_skip_is_for_one_step_and_not_for_the_next() -> None:
    queue = StepQueue([step("a"), step("b"), step("c")])
    first = queue.take_next()
    assert first is not None
    queue.skip(first.identity)
    assert queue.must_skip(first)
    queue.skip(2)
    first.state = StepState.SKIPPED
    second = queue.take_next()
    assert second is not None
    assert second.step.name == "c"
    assert not queue.must_skip(second)
    assert [(queued.state, queued.reason) for queued in queue.steps][1] == ("skipped", "skipped by the operator")


def test_a_step_between_two_tries_can_be_skipped_and_after_its_last_one_it_is_over() -> None:
    queue = StepQueue([step("a", retries=1)])
    taken = queue.take_next()
    assert taken is not None
    taken.state, taken.attempt = StepState.FAILED, 1
    queue.skip(taken.identity)
    assert queue.must_skip(taken)
    taken.attempt = 2
    with pytest.raises(QueueRefused, match="a is failed"):
        queue.skip(taken.identity)


def test_a_paused_queue_gives_out_nothing() -> None:
    queue = StepQueue([step("a")])
    queue.pause()
    assert queue.paused
    assert queue.take_next() is None
    queue.resume()
    assert queue.take_next() is not None
    assert queue.take_next() is None


def test_what_others_see_is_a_copy() -> None:
    queue = StepQueue([step("a")])
    queue.steps[0].state = StepState.DONE
    assert names(queue) == ["a"]


ACTS = st.lists(
    st.tuples(st.sampled_from(("add", "remove", "move", "skip", "take", "end")), st.integers(0, 8), st.integers(0, 8)),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(ACTS)
def test_whatever_is_done_names_are_unique_and_needs_come_first(acts: list[tuple[str, int, int]]) -> None:
    queue = StepQueue([step("s0"), step("s1", "s0"), step("s2", "s1")])
    over: list[int] = []
    for act, one, other in acts:
        try:
            match act:
                case "add":
                    queue.add_all([step(f"s{one}"), step(f"s{other}", f"s{one}")])
                case "remove":
                    queue.remove(one)
                case "move":
                    queue.move(one, other)
                case "skip":
                    queue.skip(one)
                case "take":
                    queue.take_next()
                case _:
                    for queued in queue._steps:
                        if queued.state is StepState.RUNNING:
                            queued.state = StepState.DONE
        except QueueRefused:
            pass
        steps = queue.steps
        assert len({queued.step.name for queued in steps}) == len({queued.identity for queued in steps}) == len(steps)
        waiting = [queued.state is StepState.WAITING for queued in steps if queued.state is not StepState.SKIPPED]
        assert waiting == sorted(waiting)  # those that ran, then those that wait
        ended = [queued.identity for queued in steps if queued.is_over]
        assert set(over) <= set(ended)  # nothing that is over comes back
        over = ended
        order = {queued.step.name: place for place, queued in enumerate(queue.waiting)}
        for queued in queue.waiting:
            assert all(order[need] < order[queued.step.name] for need in queued.step.needs if need in order)


def test_many_threads_lose_no_step_and_run_none_twice() -> None:
    queue, taken = StepQueue(), []
    done = threading.Event()

    def run() -> None:
        while not (done.is_set() and not queue.waiting):
            if (queued := queue.take_next()) is not None:
                taken.append(queued.identity)
                queued.state = StepState.DONE

    def fill() -> None:
        for number in range(60):
            queued = queue.add(step("same"))
            if number % 3 == 0:
                try:
                    queue.move(queued.identity, 0)
                except QueueRefused:
                    continue

    runner = threading.Thread(target=run)
    fillers = [threading.Thread(target=fill) for _ in range(3)]
    for thread in (runner, *fillers):
        thread.start()
    for thread in fillers:
        thread.join()
    done.set()
    runner.join(10.0)
    assert sorted(taken) == list(range(1, 181))
    assert len({queued.step.name for queued in queue.steps}) == 180


# ---- a run of it ----------------------------------------------------------------------------------------------------


class Act(LabProcedure):
    """Does what the test says, then waits."""

    title = "Act"
    roles = ()
    seconds = FloatParameter("Seconds", units="s", default=1.0)
    acts: dict[str, Callable[[], None]] = {}

    def expected_s(self) -> float:
        return float(self.seconds)

    def measure(self) -> None:
        self.acts.get(self.step_name, lambda: None)()
        self.wait(self.seconds)


class Journal(MemoryRecord):
    """A record that keeps nothing more."""

    def keep_loop_times(self, times: Sequence[object]) -> None: ...

    def keep_settings(self, asked: Sequence[object]) -> None: ...

    def step(self, record: object) -> None: ...


@dataclass
class Quiet:
    began: list[str] = field(default_factory=list)

    def step_began(self, step: Step, attempt: int) -> None:
        self.began.append(step.name)

    def step_progressed(self, step: Step, fraction: float) -> None: ...

    def step_ended(self, step: Step, state: StepState, reason: str) -> None: ...


@dataclass
class Scene:
    """An open table whose steps do what a test wants."""

    bench: Bench
    queue: StepQueue = field(default_factory=StepQueue)
    listener: Quiet = field(default_factory=Quiet)

    def run(self, **options: bool) -> Outcome:
        self.stop = StopRequest(self.bench.clock)
        return RecipeRun(self.queue, self.bench, Journal(), self.listener, self.stop, **options).run()  # type: ignore[arg-type]

    @property
    def states(self) -> dict[str, str]:
        return {queued.step.name: str(queued.state) for queued in self.queue.steps}


@pytest.fixture(scope="module")
def bench() -> Any:
    opened = open_table(station_at(3))
    yield Bench.of(opened.station, MemoryRecord())
    opened.station.close()


@pytest.fixture
def scene(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setitem(catalogue.PROCEDURES, "act", Act)
    monkeypatch.setattr(Act, "acts", {})
    return Scene(bench)


def act(name: str, *needs: str, retries: int = 0, seconds: float = 1.0) -> Step:
    return step(name, *needs, retries=retries, procedure="act", seconds=seconds)


def test_a_step_that_runs_is_ended_by_a_skip_and_the_next_one_runs(scene: Scene) -> None:
    scene.queue = StepQueue([act("long", seconds=3000.0), act("next"), act("needs it", "long")])
    Act.acts["long"] = lambda: scene.queue.skip(1)
    began = scene.bench.clock.now()
    outcome = scene.run()
    assert scene.bench.clock.now() - began < 100.0
    assert scene.states == {"long": "skipped", "next": "done", "needs it": "skipped"}
    assert (outcome.state, outcome.coverage) == (RunState.COMPLETE, "1 of 3 steps")


def test_a_step_that_fails_is_not_tried_again_once_it_is_skipped(scene: Scene) -> None:
    def fail() -> None:
        scene.queue.skip(1)
        raise LabError("broken")

    scene.queue = StepQueue([act("bad", retries=3)])
    Act.acts["bad"] = fail
    outcome = scene.run()
    assert scene.listener.began == ["bad"]
    assert (outcome.state, outcome.reason) == (RunState.FAILED, "bad: broken")


def test_steps_that_are_added_or_taken_out_while_it_runs_count(scene: Scene) -> None:
    def change() -> None:
        scene.queue.add(act("late"))
        scene.queue.remove(2)
        scene.queue.move(3, 1)

    scene.queue = StepQueue([act("first"), act("gone"), act("third")])
    Act.acts["first"] = change
    outcome = scene.run()
    assert scene.listener.began == ["first", "late", "third"]
    assert (outcome.state, outcome.coverage) == (RunState.COMPLETE, "3 of 3 steps")


def test_a_paused_run_waits_between_steps_and_goes_on(scene: Scene) -> None:
    clock = scene.bench.clock
    scene.queue = StepQueue([act("first"), act("second")])
    Act.acts["first"] = scene.queue.pause
    began = clock.now()
    resumed = clock.every(60.0, scene.queue.resume, "test")
    outcome = scene.run()
    resumed.cancel()
    assert outcome.state is RunState.COMPLETE
    second = scene.queue.steps[1]
    assert second.started_at is not None
    assert 60.0 <= second.started_at - began < 62.0


def test_a_stop_while_it_is_paused_ends_it_and_what_waits_stays(scene: Scene) -> None:
    scene.queue = StepQueue([act("first"), act("second")])
    Act.acts["first"] = scene.queue.pause

    def stop() -> None:
        scene.stop.ask()

    asked = scene.bench.clock.every(30.0, stop, "test")
    outcome = scene.run()
    asked.cancel()
    assert (outcome.state, outcome.coverage) == (RunState.STOPPED, "1 of 2 steps")
    assert scene.states == {"first": "done", "second": "waiting"}


def test_a_step_that_failed_in_an_earlier_run_does_not_make_the_table_safe_after_this_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_safe: list[str] = []
    monkeypatch.setattr(type(scene.bench.station), "make_safe", lambda station: made_safe.append("safe") or [])

    def fail() -> None:
        raise LabError("broken")

    scene.queue = StepQueue([act("bad")])
    Act.acts["bad"] = fail
    assert scene.run(leave_as_is=True).state is RunState.FAILED
    assert made_safe == ["safe"]
    scene.queue.add(act("good"))
    assert scene.run(leave_as_is=True).state is RunState.COMPLETE
    assert made_safe == ["safe"]


def test_only_its_own_steps_are_counted(scene: Scene) -> None:
    scene.queue = StepQueue([act("one")])
    scene.run()
    scene.queue.add(act("two"))
    assert scene.run().coverage == "1 of 1 steps"
