"""`labctl stale` and `labctl overnight --dry-run`, --until and --reuse: what a night would do, before it begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from in_process import run_labctl

from labctl.commands.nights import NightOptions, planned_night
from labctl.commands.stations import default_station
from labctl.configuration.toml_reading import load_station
from labctl.store.records import Manifest, NamedResult, RunState, StepRecord, StepState
from labctl.store.writer import RunWriter

RECIPE = """
title = "tiny"
[[step]]
name = "warm"
procedure = "warm_oven"
parameters = { target = 25.1, window = 5.0, tolerance = 1.0 }
[[step]]
name = "floor"
procedure = "noise_floor"
needs = ["warm"]
fresh = "6 h"
parameters = { averages = 20 }
[[step]]
name = "later"
procedure = "noise_floor"
needs = ["floor"]
fresh = "24 h"
value = 0.1
parameters = { averages = 5000 }
"""


LONG = RECIPE.replace(
    'procedure = "noise_floor"\nneeds = ["floor"]', 'procedure = "individual_spectrum"\nneeds = ["floor"]'
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs of yesterday evening and of an hour ago."""
    folder = tmp_path / "runs"
    station = load_station(default_station())
    for hours_ago, name, averages in ((20, "later", 5000), (8, "floor", 20)):
        created = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat(timespec="seconds")
        manifest = Manifest(f"done-{name}", created, "t", "", station.station.name, "", station.backend.kind)
        writer = RunWriter.create(folder, manifest)
        writer.step(StepRecord(name, "noise_floor", StepState.DONE, 1, 0.0, 9.0, parameters={"averages": averages}))
        writer.add_result(NamedResult(f"{name}.x", 1.0, 0.1, "", "", name))
        writer.finish(RunState.COMPLETE, "", "")
    return folder


def test_stale_says_what_and_why(recipe: Path, runs: Path) -> None:
    done = run_labctl("stale", "--recipe", recipe, "--runs", runs)
    assert done.returncode == 0
    assert "is 8.0 h old, and good for 6 h" in done.stdout
    assert "rests on floor, which is 8.0 h old" in done.stdout
    assert "warm" not in done.stdout
    assert "2 of 2 calibrations and measurements are stale." in done.stdout
    recipe.write_text(RECIPE.replace('"6 h"', '"9 h"').replace("averages = 5000", "averages = 6000"), encoding="utf-8")
    done = run_labctl("stale", "--recipe", recipe, "--runs", runs)
    assert "was done with other parameters" in done.stdout
    assert "1 of 2 calibrations and measurements are stale." in done.stdout


def test_stale_without_a_run(recipe: Path, tmp_path: Path) -> None:
    done = run_labctl("stale", "--recipe", recipe, "--runs", tmp_path / "nowhere")
    assert "was never done" in done.stdout and "2 of 2" in done.stdout
    assert not (tmp_path / "nowhere").exists()


def test_a_dry_run_shows_the_plan_and_what_it_would_write_and_leaves_nothing(recipe: Path, tmp_path: Path) -> None:
    runs = tmp_path / "nowhere"
    done = run_labctl("overnight", "--recipe", recipe, "--runs", runs, "--dry-run")
    assert done.returncode == 0
    assert "tiny: nothing is sent to the instruments" in done.stdout
    assert "oven.ch_1.target_temperature_c 25.1" in done.stdout
    assert "Together about" in done.stdout
    assert not runs.exists()


def test_a_dry_run_does_what_rests_on_steps_that_are_fresh(recipe: Path, runs: Path) -> None:
    recipe.write_text(RECIPE.replace('"6 h"', '"9 h"').replace('"24 h"', '"1 h"'), encoding="utf-8")
    done = run_labctl("overnight", "--recipe", recipe, "--runs", runs, "--dry-run", "--reuse")
    _, _, after = done.stdout.partition("done in done-floor")
    assert "later" in after and "analyzer." in after  # and not: needs floor


def test_what_is_fresh_or_does_not_fit_is_left_out(recipe: Path, runs: Path) -> None:
    recipe.write_text(LONG.replace('"6 h"', '"9 h"').replace('"24 h"', '"1 h"'), encoding="utf-8")
    options = NightOptions(recipe=recipe, runs=runs)
    assert planned_night(options).fresh == {}  # a simulated table is switched on anew
    plan = planned_night(NightOptions(recipe=recipe, runs=runs, reuse=True))
    assert plan.fresh == {"floor": "done in done-floor"}
    assert plan.known["floor.x"].source == "floor"
    soon = (datetime.now() + timedelta(minutes=2)).strftime("%H:%M")
    plan = planned_night(NightOptions(recipe=recipe, runs=runs, reuse=True, until=soon))
    assert set(plan.left_out) == {"later"}
    assert {queued.step.name for queued in plan.queue().waiting} == {"warm"}
    done = run_labctl("overnight", "--recipe", recipe, "--runs", runs, "--reuse", "--until", "noon")
    assert done.returncode == 2 and "is no time of day" in done.stderr


def test_what_cannot_be_done_in_its_time_is_refused(recipe: Path, runs: Path) -> None:
    recipe.write_text(LONG.replace("value = 0.1", 'time_limit = "1 min"'), encoding="utf-8")
    done = run_labctl("overnight", "--recipe", recipe, "--runs", runs)
    assert done.returncode == 2 and "step later: would take" in done.stderr and "time_limit" in done.stderr
