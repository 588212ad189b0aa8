"""`labctl instruments` against the last run, and `--log-traffic`, on one table that stays switched on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from in_process import Done, run_labctl

from labctl.commands import listings, talking
from labctl.commands.traffic_options import instruments_meant
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.errors import ConfigurationError
from labctl.station import bring_up
from labctl.station.bring_up import Link
from procedures import night


@pytest.fixture(scope="module")
def link() -> Link:
    """A table that is on."""
    return bring_up.link_to(load_station(template_directory() / "simulated.toml"))


def share_table(link: Link, patch: pytest.MonkeyPatch) -> None:
    """Let every command find that table."""
    for module in (bring_up, night, listings, talking):
        patch.setattr(module, "link_to", lambda file, pace=0.0: link, raising=False)


@pytest.fixture(autouse=True)
def same_table(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    share_table(link, monkeypatch)


@pytest.fixture(scope="module")
def runs(link: Link, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs with one of `noise_floor` and its traffic."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        share_table(link, patch)
        chosen = ["--log-traffic", "analyzer", "--log-traffic", "shutters.pump"]
        done = run_labctl("run", "noise_floor", "averages=100", "--as-it-is", "--runs", folder, *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder


def instruments(runs: Path, *options: str) -> Done:
    done = run_labctl("instruments", "--runs", runs, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def as_json(runs: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(instruments(runs, "--json").stdout)
    return found


def count(table: str, instrument: str) -> str:
    (row,) = [line for line in table.splitlines() if line.startswith(f"│ {instrument} ")]
    return row.split("│")[-2].strip()


def test_without_an_earlier_run_that_is_said(tmp_path: Path) -> None:
    shown = instruments(tmp_path).stdout
    assert "there is nothing to compare" in shown
    assert count(shown, "analyzer") == ""
    found = as_json(tmp_path)
    assert found["last_run"] is None and found["settings"] == [] and found["remark"]
    assert [one["identity"]["model"] for one in found["instruments"]][:2] == ["N9020A", "8742"]


def test_after_a_run_nothing_differs_and_a_turned_knob_is_found(runs: Path) -> None:
    shown = instruments(runs).stdout
    assert ": 0 of " in shown and "differ from what it asked for" in shown
    assert (count(shown, "analyzer"), count(shown, "picomotors")) == ("0", "")

    assert run_labctl("talk", "analyzer", "BAND 30", "--write").returncode == 0
    shown = instruments(runs).stdout
    assert ": 1 of " in shown and count(shown, "analyzer") == "1"
    (row,) = [line for line in shown.splitlines() if "analyzer.resolution_bandwidth_hz" in line]
    assert [cell.strip() for cell in row.split("│")[2:-1]] == ["1000", "30", "Hz", "noise_floor"]

    found = as_json(runs)
    assert found["last_run"]["state"] == "complete"
    assert [one for one in found["settings"] if one["verdict"] == "differs"] == [
        {
            "instrument": "analyzer",
            "setting": "resolution_bandwidth_hz",
            "wanted": 1000.0,
            "found": 30.0,
            "unit": "Hz",
            "asked_in": "noise_floor",
            "verdict": "differs",
            "problem": "",
        }
    ]
    assert len([one for one in found["settings"] if one["verdict"] == "same"]) > 15
    assert run_labctl("talk", "analyzer", "BAND 1000", "--write").returncode == 0


def test_a_long_list_is_cut_and_what_nobody_can_read_is_said(
    runs: Path, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labctl.commands.settings_now.MOST_LISTED", 1)
    for command in ("BAND 30", "SWE:POIN 11"):
        assert run_labctl("talk", "analyzer", command, "--write").returncode == 0
    shown = instruments(runs).stdout
    assert "... and 1 more; --json lists all." in shown


def test_the_wire_is_in_the_folder_of_the_run(runs: Path) -> None:
    (run,) = [path for path in runs.iterdir() if path.is_dir()]
    assert {path.name for path in run.glob("traffic-*")} == {"traffic-analyzer.log", "traffic-scan.log"}
    lines = (run / "traffic-analyzer.log").read_text(encoding="ascii").splitlines()
    assert lines[1].endswith("- > *IDN?")
    assert any("bytes: " in line for line in lines)  # traces


def test_a_name_that_is_neither_instrument_nor_role_is_refused_before_anything_happens(tmp_path: Path) -> None:
    done = run_labctl("overnight", "--runs", tmp_path, "--log-traffic", "kettle")
    assert done.returncode == 2
    assert "no instrument or role 'kettle'" in done.stderr and "rf_switch" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_roles_mean_all_instruments_that_they_need() -> None:
    file = load_station(template_directory() / "simulated.toml")
    assert instruments_meant(file, ["piezo_c", "oven", "oven"]) == ("piezo_c", "oven")
    assert instruments_meant(file, ["lo2"]) == ("scan", "servos", "monitors", "piezo_b")  # loop and monitor
    assert instruments_meant(file, ["loops.lo2"]) == ("servos", "monitors", "piezo_b")
    assert instruments_meant(file, ["loops.lo2.piezo", "rf_switch"]) == ("piezo_b", "scan")
    assert instruments_meant(file, ["mirrors"]) == ("picomotors",)
    assert instruments_meant(file, []) == ()
    with pytest.raises(ConfigurationError, match="'lo9', 'x'"):
        instruments_meant(file, ["lo9", "oven", "x"])


def test_talk_logs_in_the_same_form(tmp_path: Path) -> None:
    log = tmp_path / "wire.log"
    for _ in range(2):  # appended
        assert run_labctl("talk", "oven", "?IF", "--log", log).returncode == 0
    lines = log.read_text(encoding="ascii").splitlines()
    assert sum(line.startswith("# Traffic of oven: ") for line in lines) == 2
    assert sum("?IF" in line and " > #" in line for line in lines) == 4
