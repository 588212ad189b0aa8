"""`labctl compare`, `calibrations` and `export` on runs that are there."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import Done, run_labctl

from labctl.store.records import Manifest, NamedResult, RunState
from labctl.store.writer import RunWriter

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored") / "runs"
    for day, (gamma_hz, raw_db) in enumerate(((41.2, -3.70), (41.3, -3.71), (44.0, -3.72)), start=1):
        created = f"2026-01-0{day}T20:00:00+00:00"
        writer = RunWriter.create(folder, Manifest(f"night{day}", created, "a night", "", "bench", "r", "simulated"))
        for name, value, sigma, unit in (
            ("sensor2.gamma_hz", gamma_hz, 0.2, "Hz"),
            ("joint.raw_db", raw_db, 0.02, "dB"),
        ):
            writer.add_result(NamedResult(name, value, sigma, unit, "", "a_step"))
        writer.finish(RunState.COMPLETE, "", "")
    return folder


def done(*arguments: object) -> Done:
    found = run_labctl(*arguments)
    assert found.returncode == 0, found.stderr
    return found


def test_compare_says_what_moved(runs: Path) -> None:
    said = done("compare", "night1", "night3", "--runs", runs).stdout
    assert "1 of 2 results differ by more than 3 sigma" in said
    lines = [line for line in said.splitlines() if "sensor2.gamma_hz" in line or "joint.raw_db" in line]
    assert "sensor2.gamma_hz" in lines[0] and "+9.9" in lines[0] and "≠ differs" in lines[0]
    assert "-0.7" in lines[1] and "= same" in lines[1]
    assert "0 of 2 results differ" in done("compare", "night1", "night2", "--runs", runs).stdout


def test_compare_needs_runs_that_are_there(runs: Path) -> None:
    found = run_labctl("compare", "night1", "other", "--runs", runs)
    assert found.returncode == 1 and "There is no run 'other'" in found.stderr


def test_calibrations_by_date(runs: Path, tmp_path: Path) -> None:
    plot = tmp_path / "history.png"
    said = done("calibrations", "2", "--runs", runs, "--plot", plot).stdout
    lines = [line for line in said.splitlines() if "2026-01-" in line]
    assert len(lines) == 3 and "gamma_hz" in lines[0] and "2026-01-01 20:00" in lines[0] and "41.20(20)" in lines[0]
    assert "night3" in lines[2] and "joint" not in said
    assert plot.read_bytes().startswith(PNG)


def test_calibrations_that_cannot_be_listed_or_drawn(runs: Path, tmp_path: Path) -> None:
    found = run_labctl("calibrations", "7", "--runs", runs)
    assert found.returncode == 1 and "there are results of sensors: 2." in found.stderr
    found = run_labctl("calibrations", "2", "--runs", runs, "--plot", tmp_path / "history.txt")
    assert found.returncode == 2 and "End it in .png." in found.stderr
    found = run_labctl("calibrations", "2", "--runs", runs, "--plot", tmp_path / "nowhere" / "history.png")
    assert found.returncode == 1 and "Cannot write the plot" in found.stderr


def test_export_and_its_errors(runs: Path, tmp_path: Path) -> None:
    place = tmp_path / "night.mat"
    assert done("export", "last", "--to", "mat", "--output", place, "--runs", runs).stdout.strip() == str(place)
    found = run_labctl("export", "last", "--to", "mat", "--output", place, "--runs", runs)
    assert found.returncode == 1 and "nothing is overwritten" in found.stderr
    found = run_labctl("export", "last", "--to", "xlsx", "--runs", runs)
    assert found.returncode == 2 and "There are csv, netcdf, mat." in found.stderr
