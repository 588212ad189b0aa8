"""Nights that wait: bad vacuum on the simulated table, an oven that drifts off, a lock that has spent its relocks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from scripted_night import Night, Scripted, fail, measure, step

from labctl.configuration.recipe_file import Pause
from labctl.errors import LabError
from labctl.locks.states import LockState
from labctl.simulation.surroundings import Chamber
from labctl.store.records import NamedResult, RunState, StepState
from procedures.outcome import Outcome
from procedures.pausing import BEST_TEMPERATURE, LOOK_S, MISSED_READINGS, Conditions

GOOD_PA, BAD_PA, LIMIT_PA = 3e-5, 3e-3, 1e-4
SETTLE_S, LONGEST_S = 60.0, 600.0
VACUUM = Pause(vacuum_above=LIMIT_PA, settle=SETTLE_S, longest=LONGEST_S)


@dataclass
class Pressure:
    """The pressure in the chamber, as the tests want it."""

    value_pa: float = GOOD_PA


@pytest.fixture
def pressure(monkeypatch: pytest.MonkeyPatch) -> Pressure:
    now = Pressure()
    monkeypatch.setattr(Chamber, "pressure_pa", lambda chamber: now.value_pa)
    return now


def spoil(night: Night, pressure: Pressure, after_s: float, lasting_s: float) -> None:
    def set_to(value_pa: float) -> Callable[[], None]:
        return lambda: setattr(pressure, "value_pa", value_pa)

    night.after(after_s, set_to(BAD_PA))
    night.after(after_s + lasting_s, set_to(GOOD_PA))


def test_bad_vacuum_interrupts_a_step_that_is_done_again_once_it_is_over(night: Night, pressure: Pressure) -> None:
    spoil(night, pressure, after_s=20.0, lasting_s=100.0)
    night.script.actions["a"] = [measure(50.0), measure(50.0)]
    began_at = night.station.clock.now()
    outcome = night.run(step("a"), step("b", "a"), pause=VACUUM)
    assert outcome == Outcome(RunState.COMPLETE, "", "2 of 2 steps")
    assert night.journal.states("a")[1:] == [
        (1, StepState.RUNNING),
        (1, StepState.STOPPED),
        (2, StepState.RUNNING),
        (2, StepState.DONE),
    ]
    (taken,) = night.journal.traces
    well_again_s = 120.0 + SETTLE_S
    assert well_again_s <= taken.started_at - began_at < well_again_s + 3 * LOOK_S
    (stall,) = night.stalls
    assert re.match(r"a waits: the pressure at chamber is 0\.00\d+ Pa, above 0\.0001 Pa$", stall)
    assert any(text.startswith("Goes on after") for text in night.told("info"))


def test_nothing_begins_in_bad_vacuum(night: Night, pressure: Pressure) -> None:
    pressure.value_pa = BAD_PA
    night.after(100.0, lambda: setattr(pressure, "value_pa", GOOD_PA))
    began_at = night.station.clock.now()
    ran_at: list[float] = []
    night.script.actions["a"] = [lambda procedure: ran_at.append(night.station.clock.now())]  # never waits by itself
    assert night.run(step("a"), pause=VACUUM).state is RunState.COMPLETE
    assert len(ran_at) == 1 and ran_at[0] - began_at >= 100.0 + SETTLE_S


def test_a_night_that_waits_too_long_is_given_up_and_left_safe(night: Night, pressure: Pressure) -> None:
    pressure.value_pa = BAD_PA
    began_at = night.station.clock.now()
    outcome = night.run(step("a"), step("b"), pause=VACUUM, leave_as_is=True)
    assert outcome.state is RunState.FAILED
    assert outcome.reason.startswith("stalled: paused for more than 0.2 h: the pressure at chamber")
    assert night.script.ran == [] and night.safe()
    assert night.last_states() == {"a": StepState.STOPPED, "b": StepState.WAITING}
    assert LONGEST_S < night.station.clock.now() - began_at < LONGEST_S + 60.0
    assert len(night.stalls) == 2 and night.stalls[1] in outcome.reason
    assert night.journal.named["night.safe_state"].value == 1.0


def test_the_operator_may_stop_or_skip_what_waits(night: Night, pressure: Pressure) -> None:
    pressure.value_pa = BAD_PA
    night.after(30.0, lambda: night.queue.skip(1))
    night.after(60.0, night.stop.ask)
    outcome = night.run(step("a"), step("b"), step("c"), pause=VACUUM)
    assert outcome == Outcome(RunState.STOPPED, "stopped by the operator", "0 of 3 steps")
    assert night.last_states() == {"a": StepState.SKIPPED, "b": StepState.STOPPED, "c": StepState.WAITING}
    assert night.script.ran == [] and night.safe()


def test_what_brings_the_table_back_is_not_paused(night: Night, pressure: Pressure) -> None:
    pressure.value_pa = BAD_PA
    night.after(400.0, lambda: setattr(pressure, "value_pa", GOOD_PA))
    night.script.actions["warm"] = [measure(300.0)]
    assert night.run(step("warm", procedure="unpaused", time_limit=400.0), step("a"), pause=VACUUM).state == "complete"
    assert night.journal.states("warm")[-1] == (1, StepState.DONE)
    assert night.journal.states("a")[-1] == (2, StepState.DONE)


def test_a_pause_is_told_as_such_although_it_is_over_when_the_step_has_ended(night: Night, pressure: Pressure) -> None:
    spoil(night, pressure, after_s=10.0, lasting_s=10.0)

    def stop_slowly(procedure: Scripted) -> None:
        try:
            measure(50.0)(procedure)
        finally:
            night.station.clock.sleep(3 * SETTLE_S)  # as loops that are locked anew take it
            assert procedure.should_stop()

    night.script.actions["a"] = [stop_slowly]
    assert night.run(step("a"), pause=VACUUM).state is RunState.COMPLETE  # and not: took longer than its time limit
    assert night.journal.states("a")[2] == (1, StepState.STOPPED)


def test_a_gauge_that_is_silent_for_a_moment_is_not_bad_vacuum(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    gauge, conditions, found = night.station.gauges["chamber"], Conditions(night.bench, VACUUM), list[str]()
    monkeypatch.setattr(type(gauge), "read", fail("nothing came back"))  # type: ignore[arg-type]
    for _ in range(MISSED_READINGS):
        conditions._look()
        found.append(conditions.why())
    assert found[:-1] == [""] * (MISSED_READINGS - 1)
    assert found[-1] == "the pressure at chamber is not known: nothing came back"


@pytest.fixture
def conditions(night: Night, monkeypatch: pytest.MonkeyPatch) -> Conditions:
    """Conditions on the oven and the locks, none of which is bad."""
    return Conditions(night.bench, Pause(oven_off="0.1 K", locks=True))


def test_an_oven_counts_once_it_was_where_it_should_be(
    night: Night, conditions: Conditions, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = night.station.file.oven
    assert entry is not None
    reasons = []
    for off_k in (-10.0, -0.2, 0.0, -0.05, -0.2):
        monkeypatch.setattr(type(night.station.oven), "temperature_c", lambda oven, at=entry.target + off_k: at)
        conditions._look()
        reasons.append(conditions.why())
    assert reasons == ["", "", "", "", "the oven is -200 mK off its target (allowed 100 mK)"]


def test_an_oven_that_was_tuned_is_held_against_its_best_temperature(
    night: Night, conditions: Conditions, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = night.station.file.oven
    assert entry is not None
    at_c = [entry.target]
    monkeypatch.setattr(type(night.station.oven), "temperature_c", lambda oven: at_c[-1])
    conditions._look()
    night.journal.add_result(NamedResult(BEST_TEMPERATURE, entry.target + 0.5, 0.01, "degC", "", "tune_oven"))
    for off_k, is_bad in ((0.5, False), (0.45, False), (0.0, True)):
        at_c.append(entry.target + off_k)
        conditions._look()
        assert bool(conditions.why()) is is_bad


def test_a_loop_that_has_spent_its_relocks_stops_the_measuring(night: Night, conditions: Conditions) -> None:
    machine = night.bench.supervisor.machines["lo1"]
    machine.state = LockState.STALLED
    conditions._look()
    assert conditions.why() == ""  # nobody wants it
    machine.wanted = True
    for _ in range(machine.budget.per_hour):
        assert conditions.why() == ""
        machine.budget.spend(night.station.clock.now())
        conditions._look()
    assert conditions.why() == f"lo1 has spent its {machine.budget.per_hour} relocks of the hour"


def test_a_recipe_without_conditions_looks_at_nothing(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(gauge: object) -> None:
        raise LabError("was read")

    monkeypatch.setattr(type(night.station.gauges["chamber"]), "read", read)
    night.script.actions["a"] = [measure(50.0)]
    assert night.run(step("a")).state is RunState.COMPLETE
