"""`--fault` and `labctl faults`: a bad night from the command line, written down, and refused where it cannot be."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import run_labctl as labctl
from test_simulate_command import simulate

from labctl.configuration.fault_kinds import FAULTS
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.templates import template_directory
from labctl.store.reader import RunReader
from labctl.store.records import StepState

REAL = template_directory() / "table.toml"

StationMaker = Callable[[str], Path]


def only_run(runs: Path) -> RunReader:
    (folder,) = [path for path in runs.iterdir() if path.is_dir()]
    return RunReader(folder)


def test_the_list_has_every_kind_who_can_have_it_and_what_comes_of_it() -> None:
    done = labctl("faults")
    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    for kind, description in FAULTS.items():
        assert f"{kind}: {description.on_the_wire}" in said
        assert f"{description.recovery} {description.response} afterwards {description.afterwards}" in said
        assert all(error.__name__ in said for error in description.errors)
    assert "servos (channel 1, 2, 3, 4, 5 or 6) on this table; drivers srs-sim900 ends in LockError" in said
    assert "NoReply Nothing, or only part of a reply, arrived within the time-out" in said
    assert max(map(len, done.stdout.splitlines())) <= 140


def test_the_list_is_that_of_the_station(station_with: StationMaker) -> None:
    address = "TCPIP::192.168.10.24::5025::SOCKET"
    station = station_with(
        f'[instruments.oven]\ndriver = "thorlabs-ted4015"\naddress = "{address}"\nmodel = "TED4015"\n'
    )
    said = " ".join(labctl("faults", station).stdout.split())
    assert "bad_crc: the checksum of every reply is wrong who none on this table" in said


def test_faults_of_the_command_line_happen_and_are_kept_with_those_of_the_file(
    station_with: StationMaker, tmp_path: Path
) -> None:
    station = station_with('[backend]\nfaults = [{ instrument = "scan", kind = "late", after = "2 h" }]\n')
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'title = "warm"\n[[step]]\nname = "warm"\nprocedure = "warm_oven"\nretries = 1\n'
        "parameters = { target = 26.0 }\n"
    )
    done = labctl(
        *("overnight", station, "--recipe", recipe, "--runs", tmp_path / "runs", "--no-report"),
        *("--fault", "oven:dropped@30s+20s", "--fault", "picomotors.1.2:stuck_motor@5min+30s"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = only_run(tmp_path / "runs")
    assert [step.state for step in run.steps()][-1] is StepState.DONE
    events = [event.text for event in run.events()]
    assert any("the link broke" in text for text in events) and "oven answers again." in events
    kept = json.loads(run.manifest.station_file)
    assert kept["backend"]["faults"] == [
        {"instrument": "scan", "kind": "late", "after": "2 h"},
        {"instrument": "oven", "kind": "dropped", "after": "30s", "lasting": "20s"},
        {"instrument": "picomotors", "channel": "1.2", "kind": "stuck_motor", "after": "5min", "lasting": "30s"},
    ]
    backend = StationFile.model_validate(kept).backend
    assert isinstance(backend, SimulatedBackend)
    assert [str(fault) for fault in backend.faults] == [
        "scan:late@7200s",
        "oven:dropped@30s+20s",
        "picomotors.1.2:stuck_motor@300s+30s",
    ]


def test_one_procedure_meets_and_keeps_them_too(tmp_path: Path) -> None:
    done = labctl("run", "warm_oven", "--runs", tmp_path / "runs", "--fault", "oven:open_sensor@20s")
    assert done.returncode == 1
    assert "The oven stopped regulating." in done.stdout
    assert json.loads(only_run(tmp_path / "runs").manifest.station_file)["backend"]["faults"] == [
        {"instrument": "oven", "kind": "open_sensor", "after": "20s"}
    ]


def test_instruments_and_talk_meet_the_fault() -> None:
    listed = labctl("instruments", "--fault", "oven:silent", "--fault", "analyzer:wrong_model")
    assert listed.returncode == 1
    assert listed.stdout.count("NO ANSWER") == 2
    assert "oven: did not answer in time" in listed.stdout and "found ACME" in listed.stdout
    asked = labctl("talk", "oven", "?VR03E801", "--fault", "oven:busy")
    assert asked.returncode == 1 and "it is busy" in asked.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("overnight", REAL),
        ("run", "warm_oven", "--station", REAL),
        ("instruments", REAL),
        ("talk", "oven", "?IF", "--station", REAL),
    ],
    ids=lambda command: str(command[0]),
)
def test_real_instruments_are_not_made_to_fail(
    command: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = labctl(*command, "--fault", "oven:silent")
    assert done.returncode == 2
    assert done.stderr == (
        "labctl: --fault needs the simulated table, and this station file names real instruments. Leave --fault out.\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["overnight", "instruments", "simulate"])
def test_a_fault_that_cannot_be_is_one_sentence(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = labctl(command, "--fault", "servos:slow_sweep@20min")
    assert done.returncode == 2
    refused = "--fault servos:slow_sweep@20min: servos (srs-sim900) cannot have the fault slow_sweep"
    assert done.stderr.startswith(f"labctl: {refused}; allowed: missing, silent")
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="no pseudo terminals there")
def test_a_served_instrument_fails_for_other_programs() -> None:
    faults = ("--fault", "analyzer:silent", "--fault", "scan:error_flood@1s")
    with simulate(REAL, "--speed", 60, *faults) as served:
        assert served.said["faults"] == ["analyzer:silent", "scan:error_flood@1s"]
        with served.connect("analyzer") as link:
            link.sendall(b"*IDN?\n")
            link.settimeout(0.5)
            with pytest.raises(TimeoutError):
                link.recv(1000)
        with served.connect("scan") as link:
            link.sendall(b"SYST:ERR?\r\n")
            assert link.recv(1000) == b'-200,"Execution error"\r\n'
