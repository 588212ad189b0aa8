"""Data that a lock made doubtful after the fact: marked back to when it was last proven good, and taken again."""

from __future__ import annotations

from dataclasses import replace

from procedure_bench import LockedTable
from scripted_night import Action, Night, Scripted, measure, step

from labctl.configuration.recipe_file import Budgets
from labctl.errors import LockError
from labctl.locks.losses import Loss
from labctl.store.records import RunState, StepState
from procedures.outcome import Outcome

MOST_BETWEEN_PROOFS_S = 30.0


def lose(night: Night, loop: str, proven_s_ago: float) -> Action:
    return lambda procedure: night.lose(loop, proven_s_ago)


def valid(night: Night) -> list[tuple[str, bool]]:
    return [(trace.name, trace.valid) for trace in night.journal.traces]


def test_a_loss_takes_back_what_was_done_since_the_lock_was_proven_and_no_more(night: Night) -> None:
    night.script.actions |= {
        "a": [measure(50.0), measure(50.0)],
        "b": [measure(50.0), measure(50.0)],
        "c": [measure(50.0), measure(50.0)],
        "d": [lose(night, "lo1", 60.0)],  # back into b, whose last trace ended 50 s ago
    }
    outcome = night.run(step("a"), step("b", "a"), step("c", "b"), step("d"), step("e"))
    assert night.script.ran == ["a", "b", "c", "d", "b", "c", "e"]
    assert valid(night) == [("a.one", True), ("b.one", False), ("c.one", False), ("b.one", True), ("c.one", True)]
    assert "lo1 was lost at" in night.journal.traces[1].invalid_reason
    assert "last proven good at" in night.journal.traces[1].invalid_reason
    assert night.journal.states("b")[-1] == (2, StepState.DONE)
    assert outcome == Outcome(RunState.COMPLETE, "", "5 of 5 steps")


def test_a_loss_of_another_loop_takes_nothing_back(night: Night) -> None:
    night.script.actions |= {"a": [measure(50.0, "lo1 pump_phase")], "b": [lose(night, "lo2", 60.0)]}
    night.run(step("a"), step("b"))
    assert night.script.ran == ["a", "b"] and valid(night) == [("a.one", True)]


def test_what_rests_on_data_that_are_taken_again_is_measured_again(night: Night) -> None:
    night.script.actions |= {"a": [measure(50.0)], "d": [lose(night, "lo1", 20.0)]}
    steps = (step("a"), step("computed", "a", fresh_s=3600.0), step("prepared", "a"), step("d", time_limit=50.0))
    night.run(*steps)
    assert night.script.ran == ["a", "computed", "prepared", "d", "a", "computed"]


def test_a_step_whose_own_data_are_in_doubt_is_a_try_that_failed(night: Night) -> None:
    def lose_behind_its_back(procedure: Scripted) -> None:
        measure(50.0)(procedure)
        night.lose("lo1", 20.0)

    night.script.actions["a"] = [lose_behind_its_back, measure(50.0)]
    assert night.run(step("a", retries=1), step("b")).state is RunState.COMPLETE
    assert night.script.ran == ["a", "a", "b"]
    assert valid(night) == [("a.one", False), ("a.one", True)]
    (failure,) = night.told("error")
    assert failure.startswith("a: a.one is in doubt, for lo1 was lost at")


def test_what_an_earlier_try_had_taken_does_not_count_against_the_next(night: Night) -> None:
    def lose_and_fail(procedure: Scripted) -> None:
        measure(50.0)(procedure)
        night.lose("lo1", 20.0)
        raise LockError("lost it")

    night.script.actions["a"] = [lose_and_fail, measure(50.0)]
    assert night.run(step("a", retries=1)).state is RunState.COMPLETE
    assert night.script.ran == ["a", "a"]
    assert valid(night) == [("a.one", False), ("a.one", True)]


def test_data_of_what_is_no_step_of_the_queue_end_no_night(night: Night) -> None:
    def align(procedure: Scripted) -> None:
        procedure.step = "realign.1"
        measure(50.0)(procedure)
        night.lose("lo1", 20.0)

    night.script.actions["a"] = [align]
    assert night.run(step("a"), step("b")).state is RunState.COMPLETE
    assert valid(night) == [("realign.1.one", False)]


def test_a_lock_that_never_holds_does_not_keep_a_night_going_for_ever(night: Night) -> None:
    forever = 50
    night.script.actions |= {
        "a": [measure(5.0) for _ in range(forever)],
        "b": [lambda procedure: (night.lose("lo1", 4.0), measure(5.0, "")(procedure))[0] for _ in range(forever)],
    }
    outcome = night.run(step("a"), step("b", "a", fresh_s=1.0), budgets=Budgets(retry=3))
    assert night.script.ran == ["a", "b"] * 4
    assert outcome.state is RunState.FAILED
    assert outcome.reason == "a: its data are in doubt, and the night has no tries left"
    assert outcome.coverage == "1 of 2 steps"


def test_losses_are_not_forgotten_when_the_loops_are_built_anew(night: Night) -> None:
    night.lose("lo1", 20.0)
    before = night.bench.supervisor
    night.bench.renew_loops()
    assert night.bench.supervisor is not before
    assert [loss.loop for loss in night.bench.supervisor.losses] == ["lo1"]


def test_a_loop_that_is_lost_says_when_it_was_last_proven_good(table: LockedTable) -> None:
    clock, machine = table.bench.clock, table.bench.supervisor.machines["lo1"]
    clock.sleep(100.0)
    assert machine.is_locked
    assert 0.0 <= clock.now() - machine.proven_at < MOST_BETWEEN_PROOFS_S
    servo, kicked_at = table.opened.table.sensors[0].servo, clock.now()
    servo.apply(replace(servo.settings, closed=False, manual_output_v=servo.output_volts() + 1.0))
    clock.sleep(10.0)
    loss = next(loss for loss in table.bench.supervisor.losses if loss.loop == "lo1")
    assert kicked_at - MOST_BETWEEN_PROOFS_S < loss.doubtful_since == loss.proven_at <= kicked_at
    assert kicked_at <= loss.at <= loss.detected_at


def test_without_a_proof_a_loss_is_doubtful_since_its_first_bad_reading() -> None:
    assert Loss("lo1", 10.0, 11.0, "").doubtful_since == 10.0
    assert Loss("lo1", 10.0, 11.0, "", 4.0).doubtful_since == 4.0
    assert Loss("lo1", 10.0, 11.0, "", 10.5).doubtful_since == 10.0  # proven by a window that held the bad one
