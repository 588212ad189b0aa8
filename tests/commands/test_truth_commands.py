"""What a night leaves of the truth of its simulated table, `labctl report --reveal`, and `labctl table`."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import run_labctl

from labctl.report.drawing import house_style
from labctl.simulation.simulation import Simulation
from labctl.simulation.truth_file import TRUTH_FILE, read_truth
from labctl.store.reader import RunReader
from labctl.store.records import RunState

HEADING = "Truth of the simulated table"


def only_run(runs: Path) -> Path:
    (folder,) = [path for path in runs.iterdir() if path.is_dir()]
    return folder


def revealed(run: Path, tmp_path: Path) -> str:
    done = run_labctl("report", run, "--reveal", "--output", tmp_path / "revealed.html")
    assert done.returncode == 0, done.stderr
    return (tmp_path / "revealed.html").read_text(encoding="utf-8")


# ---- a short night ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
def test_reveal_adds_the_section(finished_night: Path, tmp_path: Path) -> None:
    page = revealed(finished_night, tmp_path)
    assert HEADING in page and "χ² = " in page and "sensor4.conditional_db" in page
    assert "It drifts by 15 Hz rms" in page and "A design value" in page


def test_a_night_that_ended_says_what_happened(finished_night: Path) -> None:
    kept = read_truth(finished_night)
    assert kept.happened == () and kept.disturbances == ()
    assert kept.truth.seed == 1 and kept.truth.scenario == "delays"


# ---- short runs ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
def test_disturbances_are_kept_and_told(station_with: Callable[[str], Path], tmp_path: Path) -> None:
    slams = '[backend]\nkind = "simulated"\ndisturbances = [{ kind = "door_slam", after = "1 min" }]\n'
    done = run_labctl("run", "warm_oven", "--station", station_with(slams), "--runs", tmp_path / "runs", "--seed", "6")
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path / "runs")
    kept = read_truth(run)
    assert [entry["kind"] for entry in kept.disturbances] == ["door_slam"]
    assert kept.happened is not None and [round(slam.at, 3) for slam in kept.happened] == [60.0]
    assert kept.truth.seed == 6
    page = revealed(run, tmp_path)
    assert "door_slam (after 60)" in page and "What happened: door_slam at 60.0 s of lab time." in page


def test_a_truth_that_cannot_be_kept_costs_nobody_a_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Simulation, "write_truth", full)
    done = run_labctl("run", "warm_oven", "--runs", tmp_path)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert RunReader(run).state is RunState.COMPLETE
    warnings = [event.text for event in RunReader(run).events() if event.level == "warning"]
    assert any("Cannot keep the truth of the simulated table" in text and "disk is full" in text for text in warnings)
    assert not (run / TRUTH_FILE).exists()
    told = run_labctl("report", run, "--reveal")
    assert told.returncode == 1 and "has no truth to reveal" in told.stderr and "Leave --reveal out" in told.stderr


# ---- the portrait ----------------------------------------------------------------------------------------------------


def test_table_draws_a_picture_of_1600_by_1000(tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    done = run_labctl("table", "--seed", "5", "--scenario", "loss", "--out", picture)
    assert (done.returncode, done.stdout.strip()) == (0, str(picture)), done.stderr
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (1600, 1000)
    assert b"matplotlib" not in data.lower()
    again = run_labctl("table", "--seed", "5", "--scenario", "loss", "--out", tmp_path / "again.png")
    assert again.returncode == 0 and (tmp_path / "again.png").read_bytes() == data


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--out", "table.svg"], 2, "End it in .png"),
        (["--scenario", "rain"], 2, "There is no scenario 'rain'"),
        (["--out", "no/such/folder/table.png"], 1, "Cannot write the picture"),
        (["nowhere.toml"], 2, "nowhere.toml"),
    ],
)
def test_table_says_what_is_wrong(
    arguments: list[str], status: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_labctl("table", *arguments)
    assert done.returncode == status and text in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_real_station_is_drawn_as_a_simulated_one(tmp_path: Path) -> None:
    assert run_labctl("init", tmp_path / "mine").returncode == 0
    done = run_labctl("table", tmp_path / "mine" / "table.toml", "--out", tmp_path / "table.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "table.png").stat().st_size > 50_000


def test_colours_are_those_of_the_report() -> None:
    from matplotlib.colors import to_hex

    from labctl.report import drawing
    from labctl.simulation.portrait import style

    with house_style():
        drawn = [to_hex(getattr(style, name)) for name in ("BLUE", "VERMILLION", "GREEN", "PURPLE", "ORANGE", "BLACK")]
    wanted = [drawing.BLUE, drawing.VERMILLION, drawing.GREEN, drawing.PURPLE, drawing.ORANGE, drawing.BLACK]
    assert drawn == [colour.lower() for colour in wanted]
