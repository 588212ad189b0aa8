"""The shipped recipe from beginning to end, every step of it: all results with their true values, all figures.

No other test runs it whole; its averages are few here, and where only the quick tests run it has two sensors instead of
the four of the paper.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from in_process import run_labctl

from labctl.configuration.templates import template_directory
from labctl.report.origins import procedure_of
from labctl.simulation.reveal import reveal
from labctl.simulation.true_number import TrueNumber
from labctl.store.reader import RunReader
from labctl.store.records import NamedResult, RunState, StepState

pytestmark = pytest.mark.timeout(600)
FEW = {
    r"averages = 5000": "averages = 400",
    r"soak = [0-9.]+": "soak = 0.0",
    r"duration = [0-9.]+, interval = [0-9.]+": "duration = 60.0, interval = 20.0",
    r'(procedure = "parametric_gain")': r"\1\nparameters = { powers = 4 }",
    r'(procedure = "shot_noise_linearity")': r"\1\nparameters = { powers = 4, records = 15 }",
    r'(procedure = "squeezing_against_pump")': r"\1\nparameters = { powers = 3, records = 15 }",
    r'(procedure = "joint_spectrum_digitizer")': r"\1\nparameters = { records = 40 }",
    r'(procedure = "network_scaling")': r"\1\nparameters = { records = 20 }",
}
WITHOUT_A_TRUTH = re.compile(  # what a night decides or finds about itself, and what follows from several results
    r"oven\.temperature_c|force\.detuning_hz|joint\.night_\w+|audit\.sensor\d_(delay_s|tone_rad)"
    r"|advantage\.m\d_(percent|rmse_\w+)|network\.stage\d_(largest_tap|play_deg)"
    r"|sensor\d\.(fringe_share|light_scale|gamma_difference_sigmas|inconsistency\w*)"
)
OF_OTHER_RECIPES = {"oven.best_temperature_c"}  # tune_oven
SENSORS_OF_THE_PAPER = 4
FARTHEST_SIGMAS = 4.5  # of some 200 numbers; 0.1 % of all seeds would fail
FIGURES = (
    *("fig1-budget", "fig3-noise", "fig4-advantage", "fig5-force", "reductions", "hardware-sum", "records", "night"),
    *("source", "calibrations", "timeline"),
)


def sensors_of(results: Mapping[str, NamedResult]) -> int:
    """Return of how many sensors there are results."""
    return sum(name.endswith(".individual_db") for name in results)


@pytest.fixture(scope="module", params=[2, pytest.param(SENSORS_OF_THE_PAPER, marks=pytest.mark.slow)])
def whole_night(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a night with every step of the shipped recipe, for so many sensors."""
    recipe = (template_directory() / "overnight.toml").read_text(encoding="utf-8")
    for long, short in FEW.items():
        recipe, replaced = re.subn(long, short, recipe)
        assert replaced == 1, long
    folder = tmp_path_factory.mktemp("whole")
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    command = ("overnight", "--no-bus", "--no-report", "--sensors", request.param)
    done = run_labctl(*command, "--recipe", folder / "recipe.toml", "--runs", folder / "runs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Run complete, (\d+) of \1 steps\.", done.stdout), done.stdout
    (run,) = (path for path in (folder / "runs").iterdir() if path.is_dir())
    return run


@pytest.fixture(scope="module")
def results(whole_night: Path) -> dict[str, NamedResult]:
    return RunReader(whole_night).results()


@pytest.fixture(scope="module")
def numbers(whole_night: Path) -> dict[str, TrueNumber]:
    return {number.name: number for number in reveal(whole_night).numbers}


def test_every_step_is_done_at_once(whole_night: Path) -> None:
    reader = RunReader(whole_night)
    assert reader.state is RunState.COMPLETE
    assert [(step.name, step.state, step.attempt) for step in reader.steps()] == [
        (step.name, StepState.DONE, 1) for step in reader.steps()
    ]


def test_every_result_has_a_true_value_but_what_only_obeys(
    results: dict[str, NamedResult], numbers: dict[str, TrueNumber]
) -> None:
    untold = set(results) - set(numbers)
    assert [name for name in untold if not WITHOUT_A_TRUTH.fullmatch(name)] == []
    assert [name for name in numbers if WITHOUT_A_TRUTH.fullmatch(name)] == []
    assert set(numbers) - set(results) == OF_OTHER_RECIPES
    for name in set(numbers) & set(results):
        assert results[name].unit == numbers[name].unit, name


def test_the_report_knows_where_every_result_comes_from(whole_night: Path, results: dict[str, NamedResult]) -> None:
    done = {step.procedure for step in RunReader(whole_night).steps()}
    assert [name for name in results if procedure_of(name) not in done] == []


def test_the_estimates_are_true(results: dict[str, NamedResult], numbers: dict[str, TrueNumber]) -> None:
    counted = [number for number in numbers.values() if number.counted and number.name in results]
    assert len(counted) > (60 if sensors_of(results) == SENSORS_OF_THE_PAPER else 50)
    far = []
    for number in counted:
        found = results[number.name]
        if abs(found.value - number.value) > FARTHEST_SIGMAS * math.hypot(found.sigma, number.wander):
            far.append(f"{number.name}: {found.value:g} +- {found.sigma:g}, true {number.value:g}")
    assert far == []


@pytest.mark.usefixtures("undrawn")
def test_the_report_has_every_figure(whole_night: Path, tmp_path: Path) -> None:
    done = run_labctl("report", whole_night, "--reveal", "--output", tmp_path / "whole.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "whole.html").read_text(encoding="utf-8")
    for key in FIGURES:
        assert re.search(rf'<figure id="{key}">\s*<h3>[^<]*</h3>\s*<img', page), key
    assert "no step of the run is a" not in page
    # Of the paper's table of shares fewer sensors than its four have fewer rows.
    is_whole = sensors_of(RunReader(whole_night).results()) == SENSORS_OF_THE_PAPER
    assert ("without giving it" in page) != is_whole
