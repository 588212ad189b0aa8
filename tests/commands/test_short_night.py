"""A whole night through the command line: results, their repeatability, and the files it leaves."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
import xarray
from in_process import run_labctl

from labctl.store.reader import RunReader
from labctl.store.records import RunState, StepState

LABCTL = [sys.executable, "-m", "labctl"]
NIGHT_TIMEOUT_S = 100


def night(recipe: Path, runs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*LABCTL, "overnight", "--recipe", str(recipe), "--runs", str(runs), "--no-report", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=NIGHT_TIMEOUT_S, check=False)


def only_run(runs: Path) -> Path:
    (folder,) = [path for path in runs.iterdir() if path.is_dir()]
    return folder


@pytest.fixture
def finished(finished_night: Path) -> Path:
    return finished_night


def test_every_promised_result_is_there_with_an_uncertainty(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    promised = ["joint.raw_db", "joint.digital_db", "individual.mean_db", "source.squeezing_db"]
    promised += [f"sensor{n}.{what}" for n in range(1, 5) for what in ("f0_hz", "gamma_hz")]
    for name in promised:
        assert math.isfinite(results[name]["value"]), name
        assert results[name]["sigma"] > 0, name
        assert results[name]["source"] and results[name]["convention"], name


def test_the_numbers_are_those_of_the_table(finished: Path) -> None:
    """What scenario `delays` must show, within four standard uncertainties of these few averages."""
    results = RunReader(finished).results()
    expected = {
        "joint.raw_db": -3.74,
        "joint.digital_db": -3.74,
        "joint.rephased_db": -4.68,
        "individual.mean_db": -0.78,
    }
    for name, value in expected.items():
        assert abs(results[name].value - value) < 4 * results[name].sigma + 0.02, name
    assert abs(results["source.squeezing_db"].value + 7.05) < 3 * results["source.squeezing_db"].sigma


def test_what_was_asked_of_the_instruments_is_kept(finished: Path) -> None:
    asked = RunReader(finished).asked_settings()
    assert asked is not None and len(asked) > 100
    by_name = {(one.instrument, one.setting): one for one in asked}
    target = by_name["oven", "ch_1.target_temperature_c"]
    assert (target.value, target.unit, target.source) == (35.0, "degC", "warm_oven")
    assert by_name["piezo_a", "ch_x.voltage"].value == 0.0
    assert by_name["piezo_a", "ch_x.voltage"].source == "make safe"


def test_the_run_opens_in_one_line(finished: Path) -> None:
    with xarray.open_dataset(finished / "data.nc") as data:
        assert "joint_signal" in data
    with h5py.File(finished / "data.nc") as file:
        assert "joint_signal" in file


def test_every_trace_says_how_it_was_taken(finished: Path) -> None:
    traces = RunReader(finished).traces()
    assert len(traces) > 30
    for trace in traces:
        assert trace.valid, trace.name
        assert {"sidedness", "effective_averages", "enbw_hz"} <= trace.conventions.keys(), trace.name


@pytest.mark.slow  # short nights of one seed are compared always, by the bytes on their wires
def test_one_seed_gives_one_file(finished: Path, short_recipe: Path, tmp_path: Path) -> None:
    again = night(short_recipe, tmp_path / "again", "--seed", "1", "--log-traffic", "lo1", "--log-traffic", "analyzer")
    assert again.returncode == 0, again.stderr
    first = (finished / "results.json").read_bytes()
    assert (only_run(tmp_path / "again") / "results.json").read_bytes() == first  # logging takes no lab time
    assert (only_run(tmp_path / "again") / "traffic-servos.log").stat().st_size > 100_000


def begin(recipe: Path, runs: Path, done: str) -> subprocess.Popen[str]:
    """Start a night and return when a step of it is done."""
    command = [*LABCTL, "overnight", "--recipe", str(recipe), "--runs", str(runs), "--no-report"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if f" {done} " in line:
            return process
    raise AssertionError(f"the night ended early: {process.communicate()[1]}")


def test_kill_leaves_a_run_that_says_so_and_can_be_recovered(short_recipe: Path, tmp_path: Path) -> None:
    process = begin(short_recipe, tmp_path, "lock_source")
    time.sleep(0.3)
    process.kill()
    process.communicate()
    run = only_run(tmp_path)
    reader = RunReader(run)
    assert reader.state is RunState.CRASHED
    assert "of 15 steps" in reader.coverage
    kept = [trace.name for trace in reader.traces()]
    assert {"sensor1.dark_floor", "joint.shot_floor"} <= set(kept)
    asked = {(one.instrument, one.setting): one.value for one in reader.asked_settings() or ()}
    assert asked["servos", "module_1.closed"] is True  # as far as it was written
    assert not (run / "end.json").exists() or (run / "end.json").stat().st_size == 0

    shown = run_labctl("show", run)
    assert "crashed" in shown.stdout and "cut off" in shown.stdout
    recovered = run_labctl("recover", run)
    assert "crashed" in recovered.stdout
    with xarray.open_dataset(run / "data.nc") as data:
        assert "sensor1_dark_floor" in data


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a child there")
def test_ctrl_c_once_stops_in_a_safe_state_and_keeps_the_data(short_recipe: Path, tmp_path: Path) -> None:
    process = begin(short_recipe, tmp_path, "lock_homodyne.1")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "left safe" in output
    reader = RunReader(only_run(tmp_path))
    assert reader.state is RunState.STOPPED
    assert (reader.path / "data.nc").exists()
    states = {step.name: step.state for step in reader.steps()}
    assert states["lock_homodyne.1"] is StepState.DONE
    assert StepState.DONE not in {states["joint_analyzer"], states["source_squeezing"]}
