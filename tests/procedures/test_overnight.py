"""The run of a recipe: order, needs, retries, stops, and a safe table on every way out. The station is the simulated
one; its procedures are small scripted ones."""

from __future__ import annotations

import pytest
from ideal_table import RECIPE
from scripted_night import Action, Night, Scripted, fail, step

from labctl.configuration.toml_reading import load_recipe
from labctl.errors import ConfigurationError, LabError, LockError, StoreError
from labctl.spectra.estimate import Estimate
from labctl.store.records import AskedSetting, RunState, StepState
from procedures.catalogue import known_procedures
from procedures.execution import check_parameters, make_procedure
from procedures.outcome import Outcome


def test_steps_run_in_order_and_the_table_is_safe_afterwards(night: Night) -> None:
    outcome = night.run(step("a"), step("b", "a"), step("c", "a", "b"))
    assert night.script.ran == ["a", "b", "c"]
    assert outcome == Outcome(RunState.COMPLETE, "", "3 of 3 steps")
    assert night.safe()
    assert night.journal.states("b") == [(1, StepState.WAITING), (1, StepState.RUNNING), (1, StepState.DONE)]
    assert [record.state for record in night.journal.steps[:3]] == [StepState.WAITING] * 3  # the plan comes first
    assert night.listener.told[:3] == [("began", "a", 1), ("progressed", "a", 0.5), ("ended", "a", StepState.DONE)]


def test_a_complete_table_may_be_left_as_it_is_but_a_failed_one_never(night: Night) -> None:
    assert night.run(step("a"), leave_as_is=True).state is RunState.COMPLETE
    assert not night.safe()
    night.script.actions["b"] = [fail()]
    assert night.run(step("b"), leave_as_is=True).state is RunState.FAILED
    assert night.safe()


def test_what_needs_a_failed_step_is_skipped_and_the_rest_goes_on(night: Night) -> None:
    night.script.actions["a"] = [fail("no light")]
    outcome = night.run(step("a"), step("b", "a"), step("c", "b"), step("d"))
    assert night.script.ran == ["a", "d"]
    assert night.last_states() == {
        "a": StepState.FAILED,
        "b": StepState.SKIPPED,
        "c": StepState.SKIPPED,
        "d": StepState.DONE,
    }
    assert outcome == Outcome(RunState.FAILED, "a: no light", "1 of 4 steps")
    assert [record.reason for record in night.journal.steps if record.state is StepState.SKIPPED] == [
        "needs a",
        "needs b",
    ]
    assert ("ended", "b", StepState.SKIPPED) in night.listener.told
    assert night.safe()


def test_a_night_is_complete_without_an_optional_step_and_those_after_it_go_on(night: Night) -> None:
    night.script.actions["a"] = [fail("no light")]
    outcome = night.run(step("a", is_optional=True), step("b", "a"), step("c", "b"))
    assert night.script.ran == ["a", "b", "c"]
    assert outcome == Outcome(RunState.COMPLETE, "", "2 of 3 steps")
    assert night.last_states()["a"] is StepState.FAILED
    night.script.actions["d"] = [fail("no light")]
    outcome = night.run(step("d"), step("e", "d", is_optional=True), step("f", "e"))
    assert night.script.ran[3:] == ["d", "f"]
    assert outcome == Outcome(RunState.FAILED, "d: no light", "1 of 3 steps")


def test_a_step_that_spares_sensors_goes_on_with_those_that_work(night: Night) -> None:
    left_out: list[frozenset[int]] = []
    look: list[Action] = [lambda procedure: left_out.append(procedure.on_bench.left_out)]
    night.script.actions |= {"lock.2": [fail("dark")], "joint": [*look], "next": [*look]}
    locks = [step(f"lock.{n}", sensor=n) for n in (1, 2, 3, 4)]
    names = [lock.name for lock in locks]
    night.run(*locks, step("joint", *names, spares_sensors=True), step("next", "lock.1"), step("all", *names))
    assert left_out == [frozenset({2}), frozenset()]
    assert night.last_states()["all"] is StepState.SKIPPED
    assert "Goes on without sensors 2." in night.told("warning")
    night.run(step("a"), step("joint", "a", "no such step", spares_sensors=True))
    assert night.last_states()["joint"] is StepState.SKIPPED


def test_a_step_is_tried_again_until_it_succeeds(night: Night) -> None:
    night.script.actions["a"] = [fail("once"), fail("twice")]
    outcome = night.run(step("a", retries=3), step("b", "a"))
    assert night.script.ran == ["a", "a", "a", "b"]
    assert outcome.state is RunState.COMPLETE
    assert [attempt for attempt, state in night.journal.states("a") if state is StepState.FAILED] == [1, 2]
    assert night.journal.states("a")[-1] == (3, StepState.DONE)
    repeats = [event.text for event in night.journal.events if event.level == "warning"]
    assert repeats == ["Try 1 failed and will be repeated: once", "Try 2 failed and will be repeated: twice"]
    assert [event.text for event in night.journal.events if event.level == "error"] == ["once", "twice"]


def test_a_step_fails_when_its_tries_are_used_up(night: Night) -> None:
    night.script.actions["a"] = [fail(f"try {n}") for n in range(1, 6)]
    outcome = night.run(step("a", retries=2))
    assert night.script.ran == ["a"] * 3
    assert outcome == Outcome(RunState.FAILED, "a: try 3", "0 of 1 steps")


def test_several_failures_are_counted_and_the_first_is_told(night: Night) -> None:
    night.script.actions |= {name: [fail(f"{name} broke")] for name in ("a", "c")}
    outcome = night.run(step("a"), step("b"), step("c"))
    assert outcome.reason == "a: a broke (c failed too)"
    assert outcome.coverage == "1 of 3 steps"


def test_an_unexpected_error_fails_its_step_alone(night: Night) -> None:
    night.script.actions["a"] = [fail("division", ZeroDivisionError)]
    outcome = night.run(step("a"), step("b"))
    assert outcome.reason == "a: unexpected ZeroDivisionError: division"
    assert night.last_states()["b"] is StepState.DONE
    assert night.safe()


def test_a_stop_ends_the_step_and_those_after_it_wait(night: Night) -> None:
    def ask_and_wait(procedure: Scripted) -> None:
        night.stop.ask()
        procedure.wait(1000.0)

    night.script.actions["b"] = [ask_and_wait]
    began_at = night.station.clock.now()
    outcome = night.run(step("a"), step("b", retries=3), step("c"))
    assert outcome == Outcome(RunState.STOPPED, "stopped by the operator", "1 of 3 steps")
    assert night.script.ran == ["a", "b"]
    assert night.last_states() == {"a": StepState.DONE, "b": StepState.STOPPED, "c": StepState.WAITING}
    assert night.safe()
    assert night.station.clock.now() - began_at < 20.0  # most of it to make the table safe


def test_a_stop_between_steps(night: Night) -> None:
    night.script.actions["a"] = [lambda procedure: night.stop.ask()]
    outcome = night.run(step("a"), step("b"))
    assert outcome.state is RunState.STOPPED
    assert night.script.ran == ["a"]
    assert night.last_states()["a"] is StepState.DONE
    assert night.safe()


def test_a_failure_during_a_stop_is_not_repeated(night: Night) -> None:
    def ask_and_fail(procedure: Scripted) -> None:
        night.stop.ask()
        raise LockError("lost")

    night.script.actions["a"] = [ask_and_fail]
    outcome = night.run(step("a", retries=5))
    assert night.script.ran == ["a"]
    assert outcome.state is RunState.STOPPED
    assert outcome.reason.startswith("stopped by the operator")


def test_a_step_beyond_its_time_limit_is_a_failure_that_is_repeated(night: Night) -> None:
    night.script.actions["a"] = [lambda procedure: procedure.wait(1000.0)]
    outcome = night.run(step("a", retries=1, time_limit=30.0))
    assert outcome.state is RunState.COMPLETE
    failed = next(record for record in night.journal.steps if record.state is StepState.FAILED)
    assert failed.reason.startswith("a took longer than its 30 s")
    assert failed.started_at is not None
    assert failed.ended_at is not None
    assert 30.0 < failed.ended_at - failed.started_at < 32.0


def test_a_record_that_fails_makes_the_table_safe_and_is_told(night: Night) -> None:
    def fill(procedure: Scripted) -> None:
        night.journal.full = True
        procedure.keep("x", Estimate(1.0, 0.1))

    night.script.actions["b"] = [fill]
    with pytest.raises(StoreError, match=r"The disk is full\. Make room\."):
        night.run(step("a"), step("b", retries=3), step("c"))
    assert night.script.ran == ["a", "b"]
    assert night.safe()
    assert night.station.leases.holders() == {}


def test_a_journal_that_fails_at_the_start_moves_nothing(night: Night) -> None:
    night.journal.full = True
    with pytest.raises(StoreError):
        night.run(step("a"))
    assert night.script.ran == []
    assert night.safe()


def test_an_interrupt_from_the_keyboard_makes_the_table_safe(night: Night) -> None:
    night.script.actions["a"] = [fail("", KeyboardInterrupt)]  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        night.run(step("a"))
    assert night.safe()
    assert night.station.leases.holders() == {}


PUMP = ("scan", "pin_DIO2_P.level")


def test_what_was_asked_is_kept_at_every_step_and_once_more_when_the_table_is_safe(night: Night) -> None:
    seen: list[AskedSetting] = []
    night.script.actions["b"] = [lambda procedure: seen.append(night.journal.settings[PUMP])]
    night.run(step("a"), step("b"))
    assert seen == [AskedSetting(*PUMP, 1, "", "a")]  # a crash of the second step would leave this
    assert night.journal.settings[PUMP] == AskedSetting(*PUMP, 0, "", "make safe")


def test_what_was_asked_is_kept_while_a_long_step_runs(night: Night) -> None:
    seen: list[AskedSetting | None] = []

    def wait(procedure: Scripted) -> None:
        seen.append(night.journal.settings.get(PUMP))
        procedure.wait(310.0)
        seen.append(night.journal.settings.get(PUMP))

    night.script.actions["a"] = [wait]
    night.run(step("a", time_limit=1000.0))
    assert seen == [None, AskedSetting(*PUMP, 1, "", "a")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_every_way_out_keeps_what_was_asked(night: Night, error: type[Exception]) -> None:
    night.script.actions["a"] = [fail("", error)]
    with pytest.raises(error):
        night.run(step("a"))
    assert night.journal.settings[PUMP] == AskedSetting(*PUMP, 0, "", "make safe")


def test_settings_that_cannot_be_kept_at_the_very_end_are_told_but_hide_no_other_error(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_safe = night.station.make_safe

    def make_safe_and_fill() -> list[str]:
        night.journal.full = True
        return make_safe()

    monkeypatch.setattr(night.station, "make_safe", make_safe_and_fill)
    with pytest.raises(StoreError, match="The disk is full"):
        night.run(step("a"))
    night.journal.full = False
    night.script.actions["b"] = [fail("", KeyboardInterrupt)]  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        night.run(step("b"))


def test_a_device_that_cannot_be_made_safe_is_told_and_fails_the_run(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = "shutter pump could not be made safe: stuck."
    made_safe = night.station.make_safe
    monkeypatch.setattr(night.station, "make_safe", lambda: [*made_safe(), problem])
    outcome = night.run(step("a"))
    assert outcome == Outcome(RunState.FAILED, problem, "1 of 1 steps", (problem,))
    assert night.journal.events[-1].text == problem
    night.script.actions["b"] = [lambda procedure: night.stop.ask()]
    stopped = night.run(step("b"))
    assert stopped.state is RunState.STOPPED
    assert stopped.reason == f"stopped by the operator; {problem}"


def test_a_role_in_use_fails_the_step_that_wants_it(night: Night) -> None:
    with night.station.leases.hold(["analyzer"], "somebody at the bench"):
        outcome = night.run(step("a"))
    assert "somebody at the bench" in outcome.reason
    assert night.script.ran == []


def test_results_of_earlier_steps_are_there_for_later_ones(night: Night) -> None:
    seen: list[float] = []
    night.script.actions["a"] = [lambda procedure: procedure.keep("x", Estimate(4.5, 0.1, "V", "as read"))]
    night.script.actions["b"] = [lambda procedure: seen.append(procedure.on_bench.result("x").value)]
    assert night.run(step("a"), step("b")).state is RunState.COMPLETE
    assert seen == [4.5]
    kept = night.journal.named["x"]
    assert (kept.sigma, kept.unit, kept.convention, kept.source) == (0.1, "V", "as read", "a")


def test_instruments_that_stop_answering_are_noticed_while_a_step_runs(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = night.station.health

    def with_a_silent_oven() -> list[object]:
        found = health()
        return [*found, type(found[0])("oven", False, 0.1, "oven: nothing came back.")]

    monkeypatch.setattr(night.station, "health", with_a_silent_oven)
    night.script.actions["a"] = [lambda procedure: procedure.wait(700.0)]
    outcome = night.run(step("a", time_limit=1000.0))
    assert outcome.state is RunState.COMPLETE
    assert [event.text for event in night.journal.events] == ["oven: nothing came back."] * 2


# ---- parameters ------------------------------------------------------------------------------------------------------


def test_parameters_reach_the_procedure(night: Night) -> None:
    procedure = make_procedure("scripted", {"sensor": 3, "dose": 0.25}, night.bench)
    assert (procedure.sensor, procedure.dose) == (3, 0.25)
    assert make_procedure("scripted", {}, night.bench).dose == 1.0


def test_a_value_outside_its_range_is_refused_by_name(night: Night) -> None:
    with pytest.raises(LabError, match=r"scripted: dose = 3\.0 is not allowed"):
        make_procedure("scripted", {"dose": 3.0}, night.bench)


def test_all_wrong_values_of_a_recipe_are_told_at_once(night: Night) -> None:
    steps = [step("a", dose=-1.0), step("b", dose=1.0), step("c", dose=9.0)]
    with pytest.raises(ConfigurationError) as caught:
        check_parameters(steps)
    assert str(caught.value).splitlines() == [
        "step a: dose = -1.0 is not allowed; allowed: 0 to 2 V",
        "step c: dose = 9.0 is not allowed; allowed: 0 to 2 V",
    ]


def test_the_shipped_recipe_fits_the_procedures() -> None:
    recipe = load_recipe(RECIPE, known_procedures())
    steps = recipe.expand(4)
    check_parameters(steps)
    names = [step.name for step in steps]
    assert names[0] == "warm_oven"
    assert names.index("lock_homodyne.4") < names.index("joint_digitizer") < names.index("source_squeezing")
    for each in steps:
        assert {need for need in each.needs if names.index(need) > names.index(each.name)} == set()
