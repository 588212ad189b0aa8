"""Runs that were cut off and are gone on with: what was done stays done, and the record is that of one night."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ideal_table import station_at
from scripted_night import Action, Hearing, Script, Scripted, measure, step

from labctl.configuration.recipe_file import Recipe, Step
from labctl.errors import LabError, StoreError
from labctl.spectra.estimate import Estimate
from labctl.store.reader import RunReader
from labctl.store.records import Manifest, NamedResult, RunState, StepState
from labctl.store.writer import RunWriter
from procedures.night import NightResult, Plan, run_night
from procedures.resuming import CUT_OFF, recipe_of, station_of

STATION = station_at(9)
RECIPE_TEXT = """
title = "scripted"
[defaults]
time_limit = "1000 s"
[[step]]
name = "a"
procedure = "scripted"
"""


class Killed(BaseException):
    """The process goes away."""


def kill(procedure: Scripted) -> None:
    raise Killed


def fail(procedure: Scripted) -> None:
    raise LabError("it does not lock.")


@dataclass
class Nights:
    """Nights in one folder."""

    runs: Path
    script: Script
    monkeypatch: pytest.MonkeyPatch
    listener: Hearing = field(default_factory=Hearing)

    def plan(self, *steps: Step) -> Plan:
        return Plan(STATION, "{}", steps, RECIPE_TEXT, "scripted", self.runs)

    def run(self, plan: Plan) -> NightResult:
        self.script.ran.clear()
        return run_night(plan, self.listener, lambda stop: None)

    def cut_off(self, plan: Plan) -> Path:
        """Run a plan whose process goes away: nobody ends the run."""
        with self.monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(RunWriter, "finish", lambda writer, *ending: writer.close())
            self.run(plan)
        (run,) = [path for path in self.runs.iterdir() if path.is_dir()]
        assert RunReader(run).state is RunState.CRASHED
        return run


@pytest.fixture
def nights(tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch) -> Nights:
    return Nights(tmp_path / "runs", script, monkeypatch)


def steps_of(run: Path) -> list[tuple[str, int, StepState]]:
    return [(record.name, record.attempt, record.state) for record in RunReader(run).steps()]


def keep(value: float) -> Action:
    return lambda procedure: procedure.keep("a.x", Estimate(value, 0.1, "V", "as read"))


def test_a_run_that_was_cut_off_is_gone_on_with_as_one_night(nights: Nights) -> None:
    plan = nights.plan(step("lock", procedure="preparing"), step("a", "lock"), step("b", "a"), step("c", "b"))
    nights.script.actions |= {"a": [measure(40.0)], "b": [measure(20.0)]}
    nights.script.actions["c"] = [kill]
    run = nights.cut_off(plan)
    ended_at = max(trace.ended_at for trace in RunReader(run).traces())

    nights.script.actions["c"] = [measure(20.0)]
    done = nights.run(replace(plan, resume=run))
    assert done.run == run and done.outcome.state is RunState.COMPLETE
    assert done.outcome.coverage == "5 of 5 steps"
    assert nights.script.ran == ["again.lock", "c"]  # no finished measurement is repeated
    assert [entry for entry in steps_of(run) if entry[0] == "c"] == [
        ("c", 1, StepState.STOPPED),
        ("c", 2, StepState.DONE),
    ]
    reader = RunReader(run)
    assert next(record.reason for record in reader.steps() if record.state is StepState.STOPPED) == CUT_OFF
    assert [trace.name for trace in reader.traces()] == ["a.one", "b.one", "c.one"]
    assert reader.traces()[-1].started_at >= ended_at  # lab time goes on after the data
    assert [event.text for event in reader.events() if event.source == "resume"] == [
        "Gone on with: 3 steps were done, 1 are left.",
        "Brought back first: lock.",
    ]
    assert reader.state is RunState.COMPLETE and (run / "data.nc").exists()


def test_nothing_is_measured_on_a_table_that_could_not_be_brought_back(nights: Nights) -> None:
    plan = nights.plan(step("lock", procedure="preparing"), step("a", "lock"), step("b", "a"), step("dark"))
    nights.script.actions["b"] = [kill]
    run = nights.cut_off(plan)
    nights.script.actions["again.lock"] = [fail] * 3
    done = nights.run(replace(plan, resume=run))
    assert done.outcome.state is RunState.FAILED and done.outcome.reason.startswith("again.lock: it does not lock")
    assert nights.script.ran == ["again.lock"] * 3 + ["dark"]  # b rests on the lock through a, which is done
    (skipped,) = [record for record in RunReader(run).steps() if record.state is StepState.SKIPPED]
    assert (skipped.name, skipped.reason) == ("b", "needs again.lock")
    assert nights.run(replace(plan, resume=run)).outcome.state is RunState.COMPLETE
    assert nights.script.ran == ["again.lock#2", "b"]


def test_a_run_may_be_cut_off_again_and_again(nights: Nights) -> None:
    plan = nights.plan(step("lock", procedure="preparing"), step("a", "lock"))
    nights.script.actions["a"] = [kill]
    run = nights.cut_off(plan)
    nights.script.actions["again.lock"] = [kill]
    nights.cut_off(replace(plan, resume=run))
    nights.script.actions["a"] = [kill]
    nights.cut_off(replace(plan, resume=run))
    assert nights.script.ran == ["again.lock#2", "a"]
    assert nights.run(replace(plan, resume=run)).outcome.state is RunState.COMPLETE
    assert {entry for entry in steps_of(run) if entry[0] != "a"} == {
        ("lock", 1, StepState.DONE),
        ("again.lock", 1, StepState.STOPPED),
        ("again.lock#2", 1, StepState.DONE),
        ("again.lock#3", 1, StepState.DONE),
    }
    assert [entry for entry in steps_of(run) if entry[0] == "a"] == [
        ("a", 1, StepState.STOPPED),
        ("a", 2, StepState.STOPPED),  # it waited through the second run
        ("a", 3, StepState.DONE),
    ]


def test_a_stopped_run_is_gone_on_with_and_results_stay(nights: Nights) -> None:
    def fail(procedure: Scripted) -> None:
        raise LabError("no light")

    seen: list[float] = []
    plan = nights.plan(step("a"), step("b"), step("c", "b"))
    nights.script.actions |= {"a": [keep(4.5)], "b": [fail]}
    failed = nights.run(plan)
    assert failed.outcome.state is RunState.FAILED
    nights.script.actions["b"] = [lambda procedure: seen.append(procedure.on_bench.result("a.x").value)]
    done = nights.run(replace(plan, resume=failed.run))
    assert nights.script.ran == ["b", "c"] and seen == [4.5]
    assert done.outcome.coverage == "3 of 3 steps"
    assert RunReader(done.run).reason == ""


def test_complete_running_and_damaged_runs_are_refused(nights: Nights) -> None:
    plan = nights.plan(step("a"))
    done = nights.run(plan)
    before = {path.name: path.read_bytes() for path in done.run.glob("*.json")}
    with pytest.raises(StoreError, match="is complete: nothing is left to do"):
        nights.run(replace(plan, resume=done.run))
    assert {path.name: path.read_bytes() for path in done.run.glob("*.json")} == before
    (done.run / "end.json").unlink()
    database = done.run / "run.db"
    database.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError):
        nights.run(replace(plan, resume=done.run))
    assert database.read_bytes().startswith(b"not a database")
    assert nights.script.ran == []


# ---- steps that are kept, and those that there is no time for -------------------------------------------------------


def test_steps_that_are_kept_are_entered_and_stay_kept_when_gone_on_with(nights: Nights) -> None:
    steps = (step("a", fresh_s=100.0), step("b", "a"), step("late"), step("c"))
    known = {
        "a.x": NamedResult("a.x", 4.5, 0.1, "V", "", "a"),
        "a.y": NamedResult("a.y", 5.5, 0.1, "V", "", "a of an earlier run"),  # taken over by that run as well
        "b.z": NamedResult("b.z", 6.5, 0.1, "V", "", "elsewhere"),
    }
    plan = replace(nights.plan(*steps), fresh={"a": "done in x"}, left_out={"late": "no time"}, known=known)
    nights.script.actions["c"] = [kill]
    run = nights.cut_off(plan)
    assert nights.script.ran == ["b", "c"]
    assert steps_of(run)[:2] == [("a", 1, StepState.SKIPPED), ("late", 1, StepState.SKIPPED)]
    kept = RunReader(run).results()
    assert {name: result.source for name, result in kept.items()} == {
        "a.x": "a of an earlier run",
        "a.y": "a of an earlier run",
    }
    done = nights.run(replace(nights.plan(*steps), resume=run))
    assert nights.script.ran == ["late", "c"]
    assert done.outcome.coverage == "4 of 4 steps"


# ---- what a run was begun with ---------------------------------------------------------------------------------------


def test_station_and_recipe_are_read_from_the_run(script: Script) -> None:
    manifest = Manifest("night", "2026-01-02T03:04:05+00:00", "t", "{}", "bench", RECIPE_TEXT, "simulated")
    assert recipe_of(manifest) == Recipe.model_validate(tomllib.loads(RECIPE_TEXT))


@pytest.mark.parametrize(
    ("read", "changes"),
    [
        (station_of, {"station_file": "{}"}),
        (station_of, {"station_file": "no JSON"}),
        (recipe_of, {"recipe": "no TOML"}),
        (recipe_of, {"recipe": RECIPE_TEXT.replace("scripted", "long_gone")}),
    ],
)
def test_what_this_version_cannot_read_is_refused(
    read: Callable[[Manifest], object], changes: dict[str, str], script: Script
) -> None:
    manifest = Manifest("night", "2026-01-02T03:04:05+00:00", "t", "{}", "bench", RECIPE_TEXT, "simulated")
    with pytest.raises(StoreError, match="of run night cannot be read"):
        read(replace(manifest, **changes))  # type: ignore[arg-type]
