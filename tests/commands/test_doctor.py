"""`labctl doctor`: what it finds on a machine and a station that are well, and on ones that are not."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from in_process import run_labctl
from rich.console import Console

from labctl.commands import doctor as command
from labctl.commands.crash_report import FOLDER_VARIABLE, report_crash
from labctl.configuration.fault_arguments import with_faults
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.doctor import clocks, earlier, environment, instruments, places, ports
from labctl.doctor.findings import Check, Finding, Patient, Verdict, examine, worst
from labctl.errors import LabError
from labctl.host import processes
from labctl.host.file_systems import FileSystem
from labctl.host.listeners import Listener
from labctl.host.resources import KeptClock
from labctl.store.records import RunState

SIMULATED = template_directory() / "simulated.toml"


@pytest.fixture(autouse=True)
def crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "crashes"))
    return tmp_path / "crashes"


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path / "runs")


def found(checks: list[Check], patient: Patient) -> dict[str, Finding]:
    return {one.check: one for one in examine(patient, checks)}


def real_station(tmp_path: Path, device: str) -> Patient:
    """A station of one serial instrument, addressed at what is no instrument."""
    file = load_station(SIMULATED)
    (name, one), *_ = file.instruments.items()
    visa = SimpleNamespace(kind="visa", library="@py", speed=1.0)
    changed = {name: one.model_copy(update={"address": f"ASRL{device}::INSTR"})}
    return Patient(tmp_path / "runs", file.model_copy(update={"instruments": changed, "backend": visa}))


# ---- the command ----------------------------------------------------------------------------------------------------


def test_a_machine_without_a_station_and_the_simulated_one(tmp_path: Path) -> None:
    alone = run_labctl("doctor", "--runs", tmp_path / "runs", "--json")
    said = json.loads(alone.stdout)
    assert alone.returncode == said["status"] == worst_of(said)
    groups = {one["group"] for one in said["findings"]}
    assert groups == {"environment", "permissions", "disk", "clock", "ports", "earlier"}
    assert not any("check itself failed" in one["text"] for one in said["findings"])
    table = run_labctl("doctor", SIMULATED, "--runs", tmp_path / "runs", "--json")
    with_station = {one["check"]: one for one in json.loads(table.stdout)["findings"]}
    assert with_station["answers"]["text"].startswith("18 of 18 answer as the models")
    assert with_station["errors"]["verdict"] == "ok"
    assert not (tmp_path / "runs").exists()


def worst_of(said: dict[str, Any]) -> int:
    return max(["ok", "warning", "fault"].index(one["verdict"]) for one in said["findings"])


def test_an_instrument_that_does_not_answer_is_a_fault(tmp_path: Path) -> None:
    file = with_faults(load_station(SIMULATED), ["oven:silent", "analyzer:wrong_model"])
    told = found(instruments.checks(), Patient(tmp_path, file))
    assert told["answers"].text.startswith("16 of 18 answer")
    for name in ("oven", "analyzer"):
        assert told[name].verdict is Verdict.FAULT
        assert told[name].remedy
        assert told[name].remedy not in told[name].text
        assert not told[name].text.startswith(f"{name}: ")
    assert "expected a " in told["analyzer"].text
    assert told["analyzer"].remedy == "Check the address, or correct model in the station file."


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    findings = [
        Finding("disk", "free space", Verdict.OK, "enough [of it]. " * 12),
        Finding("disk", "file system", Verdict.FAULT, "x" * 150, "Do something about it."),
    ]
    command._print(Console(width=width), findings)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= width
    assert "enough [of it]." in printed
    assert "> Do something about it." in printed
    assert "1 fault, no warnings in 2 findings." in printed


def test_a_check_that_fails_says_so_and_the_others_go_on(patient: Patient) -> None:
    def broken(patient: Patient) -> Iterator[Finding]:
        raise ZeroDivisionError("by nothing")

    def refused(patient: Patient) -> Iterator[Finding]:
        raise LabError("It is closed.", remedy="Open it.")

    last = Check("x", "last", lambda patient: [Finding("x", "last", Verdict.OK, "here")])
    told = list(examine(patient, [Check("x", "a", broken), Check("x", "b", refused), last]))
    assert [one.verdict for one in told] == [Verdict.WARNING, Verdict.WARNING, Verdict.OK]
    assert told[0].text == "The check itself failed (ZeroDivisionError: by nothing)."
    assert told[1].remedy == "Open it."
    assert [worst(told), worst(told[2:]), worst([]), worst([Finding("x", "y", Verdict.FAULT, "")])] == [1, 0, 0, 2]


# ---- each check finds what it is there for --------------------------------------------------------------------------


def test_packages_that_are_missing_or_other(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(environment.checks(), patient)["packages"].verdict is Verdict.OK
    pins = {**environment.known_good(), "numpy": "0.1"}
    monkeypatch.setattr(environment, "known_good", lambda: pins)
    other = found(environment.checks(), patient)["packages"]
    assert other.verdict is Verdict.WARNING
    assert "(tested: 0.1)" in other.text
    real = environment.metadata.version

    def version(name: str) -> str:
        if name in ("scipy", "PyQt5"):
            raise environment.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(environment.metadata, "version", version)
    told = found(environment.checks()[1:2], patient)
    assert next(iter(examine(patient, environment.checks()[1:2]))).text == "Not installed: scipy."
    assert told["packages"].verdict is Verdict.WARNING
    assert "Without PyQt5" in found(environment.checks(), patient)["optional packages"].text


def test_letters_that_are_not_unicode(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.locale, "getpreferredencoding", lambda *arguments: "ANSI_X3.4-1968")
    assert found(environment.checks(), patient)["text"].verdict is Verdict.WARNING


def test_folders_that_cannot_be_written_or_are_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **keywords: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(places.tempfile, "TemporaryFile", refuse)
        denied = found(places.checks(), Patient(tmp_path))["runs folder"]
    assert denied.verdict is Verdict.FAULT
    assert "Permission denied" in denied.text
    for seconds, verdict in ((0.001, Verdict.OK), (0.2, Verdict.WARNING), (3.0, Verdict.FAULT)):
        monkeypatch.setattr(places, "_sync_time_s", lambda place, seconds=seconds: seconds)
        assert found(places.checks(), Patient(tmp_path))["runs folder"].verdict is verdict


def test_disks_that_are_elsewhere_or_full(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "file_system_of", lambda path: FileSystem("nfs4", True))
    assert "another machine (nfs4)" in found(places.checks(), patient)["file system"].text
    for free, verdict in ((5e8, Verdict.FAULT), (2e9, Verdict.WARNING), (1e12, Verdict.OK)):
        monkeypatch.setattr(places.shutil, "disk_usage", lambda place, free=free: SimpleNamespace(free=free))
        assert found(places.checks(), patient)["free space"].verdict is verdict


def test_serial_ports_that_are_not_there_or_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = found(places.checks(), real_station(tmp_path, str(tmp_path / "ttyUSB0")))["serial ports"]
    assert (gone.verdict, "ttyUSB0" in gone.text) == (Verdict.FAULT, True)
    (tmp_path / "ttyUSB1").touch()
    there = real_station(tmp_path, str(tmp_path / "ttyUSB1"))
    assert found(places.checks(), there)["serial ports"].verdict is Verdict.OK
    monkeypatch.setattr(places.os, "access", lambda *arguments: False)
    monkeypatch.setattr(places, "groups_that_may_open", lambda path: "dialout")
    refused = found(places.checks(), there)["serial ports"]
    assert (refused.verdict, refused.remedy) == (Verdict.FAULT, "sudo usermod -aG dialout $USER, then log in again.")


def test_clocks_that_nobody_keeps_or_that_jump(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    for kept, verdict in (
        (KeptClock(False, 16.0), Verdict.WARNING),
        (KeptClock(True, 3.0), Verdict.WARNING),
        (KeptClock(True, 0.01), Verdict.OK),
        (None, Verdict.OK),
    ):
        monkeypatch.setattr(clocks, "kept_clock", lambda kept=kept: kept)
        assert found(clocks.checks(), patient)["kept"].verdict is verdict
    walls = iter(1e9 + 0.5 * number for number in range(100))
    monkeypatch.setattr(clocks, "time", SimpleNamespace(time=lambda: next(walls), monotonic=lambda: 0.0))
    assert found(clocks.checks(), patient)["steady"].verdict is Verdict.WARNING


def test_a_bus_port_that_is_taken_and_a_listener_for_all(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = [Listener("tcp", "0.0.0.0", 5075, 7), Listener("udp", "0.0.0.0", 5076, 8, "lo")]
    monkeypatch.setattr(ports, "listeners", lambda: outside)
    monkeypatch.setattr(ports, "holders", lambda: {7: 4711, 8: 4711})
    monkeypatch.setattr(ports.processes, "command_of", lambda pid: "/bin/python3 /x/bin/labctl serve")
    told = found(ports.checks(), patient)
    assert "in use by process 4711 (/bin/python3 /x/bin/labctl serve)" in told["bus"].text
    assert told["listeners"].verdict is Verdict.FAULT
    assert "tcp 0.0.0.0:5075" in told["listeners"].text
    monkeypatch.setattr(ports, "listeners", lambda: outside[1:])
    told = found(ports.checks(), patient)
    assert (told["bus"].verdict, told["listeners"].verdict) == (Verdict.OK, Verdict.OK)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not tell")
def test_a_port_that_is_taken_is_seen(patient: Patient) -> None:
    file = load_station(SIMULATED)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bus = file.bus.model_copy(update={"port": taken.getsockname()[1]})
        told = found(ports.checks(), Patient(patient.runs, file.model_copy(update={"bus": bus})))
    assert told["bus"].verdict is Verdict.WARNING
    assert f"process {os.getpid()} " in told["bus"].text


def test_what_earlier_runs_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    patient = Patient(runs, real_station(tmp_path, "/dev/null").file)
    checks = [check for check in earlier.checks() if check.name != "table"]
    told = found(checks, patient)
    assert [told[name].verdict for name in ("crashed runs", "crash reports", "watchdogs")] == [Verdict.OK] * 3
    assert told["calibrations"].verdict is Verdict.WARNING
    assert "was never done" in told["calibrations"].text
    crashed = SimpleNamespace(run_id="run-1", path=runs / "run-1", state=RunState.CRASHED)
    monkeypatch.setattr(earlier, "Catalogue", lambda runs: SimpleNamespace(list=lambda: [crashed]))
    path = report_crash(RuntimeError("x"), [])
    assert path is not None
    monkeypatch.setattr(processes, "running", lambda word: [4711] if word == earlier.WATCHDOG else [])
    monkeypatch.setattr(processes, "parent_of", lambda pid: 1)
    told = found(checks, patient)
    assert told["crashed runs"].remedy == f"labctl recover run-1 --runs {runs}"
    assert path.name in told["crash reports"].text
    assert "process 4711" in told["watchdogs"].text


def test_a_run_from_the_future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    run = SimpleNamespace(created=later, run_id="run-of-tomorrow")
    monkeypatch.setattr(clocks, "Catalogue", lambda runs: SimpleNamespace(list=lambda: [run]))
    told = found(clocks.checks(), Patient(tmp_path))["date"]
    assert told.verdict is Verdict.WARNING
    assert "run-of-tomorrow is from later" in told.text


def test_every_fault_and_warning_has_a_remedy() -> None:
    assert {check.group for check in command.all_checks()} >= {"environment", "clock", "disk", "ports", "instruments"}
    names = [(check.group, check.name) for check in command.all_checks()]
    assert len(set(names)) == len(names)
