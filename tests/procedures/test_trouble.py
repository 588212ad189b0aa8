"""What is done about a step that fails: in which order, how often in a night, and that it is counted."""

from __future__ import annotations

import math

import pytest
from scripted_night import Night, Scripted, fail, step

from labctl.configuration.recipe_file import Budgets
from labctl.errors import LabError, LockError, StoreError
from labctl.spectra.estimate import Estimate
from labctl.station.revival import Revival
from labctl.store.records import NamedResult, RunState, StepState
from procedures.catalogue import PROCEDURES
from procedures.outcome import Outcome
from procedures.trouble import Ladder, Rung

ALWAYS = 20


@pytest.fixture
def released(night: Night, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The loops that were released, call by call; aligning is scripted."""
    calls: list[list[str]] = []
    monkeypatch.setattr(night.bench.supervisor, "release", lambda names: calls.append(list(names)))
    monkeypatch.setitem(PROCEDURES, "align_sensor", Scripted)  # type: ignore[arg-type]
    return calls


def counts(night: Night) -> dict[str, float]:
    return {name: result.value for name, result in night.journal.named.items() if name.startswith("night.")}


def test_a_lock_that_does_not_come_is_tried_then_locked_anew_then_aligned_then_left(
    night: Night, released: list[list[str]]
) -> None:
    night.script.actions["lock.2"] = [fail("no fringe", LockError) for _ in range(ALWAYS)]
    outcome = night.run(step("lock.2", sensor=2, retries=2), step("needs it", "lock.2"), step("other"))
    assert night.script.ran == [*["lock.2"] * 4, "realign.2", "lock.2", "other"]
    assert [set(names) for names in released] == [{"cavity2", "lo2"}]
    ends = [text.partition(":")[0] for text in night.told("warning")]
    assert ends == [
        "Try 1 failed and will be repeated",
        "Try 2 failed and will be repeated",
        "Try 3 failed and will be repeated after a relock",
        "Try 4 failed and will be repeated after a realign",
    ]
    assert counts(night) == {"night.retry": 2, "night.relock": 1, "night.realign": 1, "night.skip_sensor": 1}
    assert night.journal.named["night.retry"].source == "overnight"
    assert outcome.coverage == "1 of 3 steps"


def test_what_is_no_lock_is_only_tried_again(night: Night, released: list[list[str]]) -> None:
    night.script.actions["a"] = [fail("no data") for _ in range(ALWAYS)]
    night.run(step("a", retries=1, sensor=1))
    assert night.script.ran == ["a", "a"] and released == []


def test_a_step_without_a_sensor_releases_every_loop_and_aligns_nothing(
    night: Night, released: list[list[str]]
) -> None:
    night.script.actions["a"] = [fail("no fringe", LockError) for _ in range(ALWAYS)]
    night.run(step("a", retries=1))
    assert night.script.ran == ["a"] * 3
    assert [set(names) for names in released] == [set(night.station.file.loops)]


def test_the_budget_of_a_night_ends_what_the_steps_would_go_on_with(night: Night, released: list[list[str]]) -> None:
    names = ("a", "b", "c")
    night.script.actions |= {name: [fail("no fringe", LockError) for _ in range(ALWAYS)] for name in names}
    budgets = Budgets(retry=3, relock=1, realign=0)
    night.run(*(step(name, retries=2, sensor=1) for name in names), budgets=budgets)
    assert night.script.ran == [*["a"] * 4, *["b"] * 2, "c"]
    assert counts(night) == {"night.retry": 3, "night.relock": 1, "night.skip_sensor": 3}


def test_who_was_away_is_brought_back_as_often_as_the_budget_says(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def revive(station: object) -> Revival:
        looked.append(1)
        return Revival(changed=True)

    monkeypatch.setattr("procedures.ways_out.revive", revive)
    monkeypatch.setattr(night.bench, "renew_loops", lambda: None)
    night.script.actions["a"] = [fail("silent") for _ in range(4)]
    assert night.run(step("a", retries=4), budgets=Budgets(reconnect=2)).state is RunState.COMPLETE
    assert len(looked) == 2
    assert counts(night) == {"night.retry": 4, "night.reconnect": 2}


@pytest.mark.parametrize("error", [LabError, ZeroDivisionError])
def test_aligning_that_fails_costs_no_night(night: Night, released: list[list[str]], error: type[Exception]) -> None:
    night.script.actions |= {
        "a": [fail("no fringe", LockError) for _ in range(3)],
        "realign.1": [fail("no peak", error)],
    }
    outcome = night.run(step("a", retries=1, sensor=1), step("b"))
    assert outcome == Outcome(RunState.COMPLETE, "", "2 of 2 steps")
    assert "no peak" in night.told("warning")


def test_a_record_that_fails_while_aligning_ends_the_night(night: Night, released: list[list[str]]) -> None:
    night.script.actions |= {
        "a": [fail("no fringe", LockError) for _ in range(3)],
        "realign.1": [fail("disk full", StoreError)],
    }
    with pytest.raises(StoreError, match="disk full"):
        night.run(step("a", retries=1, sensor=1))
    assert night.safe()


def test_a_result_that_is_missing_or_no_number_fails_its_step_and_no_night(night: Night) -> None:
    night.script.actions |= {
        "a": [lambda procedure: procedure.on_bench.result("a.x") and None] * 2,  # which no second try would bring
        "b": [lambda procedure: procedure.keep("b.x", Estimate(math.nan, 0.1))],
    }
    outcome = night.run(step("a", retries=1), step("b", retries=1), step("c"))
    assert night.script.ran == ["a", "b", "b", "c"]
    assert outcome == Outcome(
        RunState.FAILED, "a: There is no result a.x yet. Run the step that measures it first.", "2 of 3 steps"
    )


def test_counts_go_on_where_a_run_is_gone_on_with(night: Night) -> None:
    night.journal.add_result(NamedResult("night.retry", 5.0, 0.0, "", "", "overnight"))
    night.script.actions["a"] = [fail("once")]
    night.run(step("a", retries=1))
    assert counts(night) == {"night.retry": 6}
    assert night.last_states()["a"] is StepState.DONE


def test_a_night_without_trouble_counts_nothing(night: Night) -> None:
    night.run(step("a"))
    assert counts(night) == {}
    ladder = Ladder(Budgets(retry=0), night.station.file)
    assert ladder.next(step("a", retries=3), LabError("broken"), {}) is None
    assert not ladder.has(Rung.RETRY) and ladder.has(Rung.RELOCK)
