"""How a command ends by a defect or in the middle of its work: one sentence, a status of its own, a report without
secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from in_process import Done, run_labctl

from labctl import last_words, logs
from labctl.commands import crash_report
from labctl.commands.crash_report import crash_reports, report_crash
from labctl.commands.ending import run_command
from labctl.commands.exit_codes import EXIT_CONFIGURATION, EXIT_DEFECT, EXIT_FAILED, EXIT_STOPPED
from labctl.commands.night_display import NightDisplay
from labctl.errors import LabError
from labctl.host import hard_crashes
from procedures.lock_source import LockSource

CANARY = "canary-93ab51"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(crash_report.FOLDER_VARIABLE, str(tmp_path / "crashes"))
    return tmp_path / "crashes"


def entries(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as zipped:
        return {name: zipped.read(name).decode() for name in zipped.namelist()}


def ends(app: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return exit status and what was said when `app` runs as the command line."""
    with patch.object(sys, "argv", ["labctl", "--token", CANARY]), pytest.raises(SystemExit) as ended:
        run_command(app)
    return int(ended.value.code or 0), capsys.readouterr().err


def defects_in_a_run(tmp_path: Path, station: Path, monkeypatch: pytest.MonkeyPatch) -> Done:
    """Run a procedure whose step ends by a defect, and then what shows the step by another."""

    def execute(self: LockSource) -> None:
        self.bench.station.health_of("oven")
        raise RuntimeError(f"the matrix has no inverse, password={CANARY}")

    def step_ended(self: NightDisplay, *arguments: object) -> None:
        raise ArithmeticError(f"no such colour, password={CANARY}")

    monkeypatch.setattr(LockSource, "execute", execute)
    monkeypatch.setattr(NightDisplay, "step_ended", step_ended)
    monkeypatch.setenv("RACK_TOKEN", f"{CANARY}-rack")
    monkeypatch.setenv("LABCTL_RACK_PASSWORD", CANARY)
    return run_labctl("run", "lock_source", "--station", station, "--runs", tmp_path / "runs", "--as-it-is")


def test_a_configured_error_is_no_defect(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise LabError("The oven is cold.")

    assert ends(app, capsys) == (EXIT_FAILED, "labctl: The oven is cold.\n")
    assert crash_reports(folder) == []


def test_a_defect_without_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise RuntimeError(f"password={CANARY}")

    status, said = ends(app, capsys)
    (report,) = crash_reports(folder)
    assert status == EXIT_DEFECT
    assert said == f"labctl: unexpected RuntimeError: password=***. A defect. No table was open. Report: {report}\n"
    if os.name == "posix":
        assert report.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
    told = entries(report)
    assert "in app" in told["traceback.txt"]
    assert "No table was open." in told["summary.txt"]
    assert "numpy==" in told["versions.txt"]
    assert threading.current_thread().name in told["threads.txt"]
    assert "GiB free" in told["disk.txt"]
    assert any("defect" in json.loads(line)["message"] for line in told["log.jsonl"].splitlines())
    assert CANARY not in "".join(told.values())


def test_ctrl_c_without_a_table_leaves_no_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise KeyboardInterrupt

    assert ends(app, capsys) == (EXIT_STOPPED, "labctl: aborted.\n")
    assert crash_reports(folder) == []


def test_ctrl_c_with_a_table_open_says_how_it_was_left(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        last_words.table_opened()
        last_words.table_made_safe(["The pump shutter does not answer."])
        raise KeyboardInterrupt

    status, said = ends(app, capsys)
    (report,) = crash_reports(folder)
    assert status == EXIT_STOPPED
    assert said == f"labctl: aborted. NOT SAFE: The pump shutter does not answer. Report: {report}\n"


def test_ctrl_c_is_seen_through_the_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*arguments: object) -> None:
        last_words.table_opened()
        raise KeyboardInterrupt

    monkeypatch.setattr("labctl.commands.listings.print_runs", interrupted)
    done = run_labctl("runs", "--runs", tmp_path)
    assert done.returncode == EXIT_STOPPED
    assert done.stderr.startswith("labctl: aborted. The table was left as it was: look after it. Report: ")
    assert "KeyboardInterrupt" in entries(crash_reports(folder)[0])["traceback.txt"]


def test_the_report_of_a_run_has_its_events_its_loops_and_the_wire_and_no_secret(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, station_with: Callable[[str], Path]
) -> None:
    station = station_with(f"# http://operator:{CANARY}@rack\n")
    done = defects_in_a_run(tmp_path, station, monkeypatch)
    of_step, report = crash_reports(folder)
    assert done.returncode == EXIT_DEFECT
    assert f"A defect; labctl goes on. Report: {of_step}\n" in done.stderr
    assert done.stderr.endswith(f"A defect. The table was made safe. Report: {report}\n")
    assert "the matrix has no inverse" in entries(of_step)["traceback.txt"]
    told = entries(report)
    (run,) = [path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    assert f"run           {run}" in told["summary.txt"]
    assert "step lock_source, try 1" in told["run.txt"]
    assert "lo1: " in told["loops.txt"]
    assert " > " in told["traffic/oven.txt"]
    assert " < " in told["traffic/oven.txt"]
    assert "extends" in told["station.txt"]
    lines = [json.loads(line) for line in told["log.jsonl"].splitlines()]
    assert any(line.get("exception", "").count("no inverse") for line in lines)
    for text in (*told.values(), done.stdout, done.stderr):
        assert CANARY not in text
    everything = b"".join(path.read_bytes() for path in logs.log_folder().glob("*.log*"))
    assert CANARY.encode() not in everything
    assert report.stat().st_size < 2**20


def test_a_thread_that_a_defect_ends_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)

    def app() -> None:
        def fail() -> None:
            raise RuntimeError("no more")

        thread = threading.Thread(target=fail, name="poller")
        thread.start()
        thread.join()
        raise SystemExit(0)

    status, said = ends(app, capsys)
    assert status == 0
    assert "unexpected RuntimeError: no more." in said
    assert "poller" in entries(crash_reports(folder)[0])["log.jsonl"]


def test_one_who_does_not_answer_or_fails_costs_its_own_part_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_words, "PATIENCE_S", 0.05)
    go_on = threading.Event()

    def wait() -> str:
        go_on.wait(10.0)
        return "too late"

    last_words.forget()
    with last_words.offered("a", wait), last_words.offered("b", lambda: str(1 // 0)), last_words.offered("c", str):
        told = last_words.all_told()
    go_on.set()
    assert told["a"] == "did not answer within 0.05 s"
    assert told["b"].startswith("could not be told (ZeroDivisionError")
    assert told["c"] == ""
    assert last_words.all_told() == {}


def test_reports_do_not_pile_up_and_go_where_there_is_room(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash_report, "MOST_REPORTS", 3)
    paths = [report_crash(RuntimeError("x"), []) for _ in range(5)]
    assert len(set(paths)) == 5
    assert len(crash_reports(folder)) == 3
    assert paths[-1] in crash_reports(folder)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    elsewhere = report_crash(RuntimeError("x"), [], tmp_path / "file")
    assert elsewhere is not None
    assert elsewhere.parent == tmp_path / "elsewhere"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    assert report_crash(RuntimeError("x"), [], tmp_path / "file") is None


def test_a_hard_crash_leaves_the_stacks_of_its_threads(tmp_path: Path) -> None:
    code = (
        "import os, signal\nfrom pathlib import Path\nfrom labctl.host.hard_crashes import recorded\n"
        f"with recorded(Path({str(tmp_path)!r})):\n    os.kill(os.getpid(), signal.SIGSEGV)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert ran.returncode != 0
    (left,) = hard_crashes.left_behind(tmp_path)
    assert "Segmentation fault" in left.read_text()
    quiet = code.replace("os.kill(os.getpid(), signal.SIGSEGV)", "raise SystemExit(0)")
    subprocess.run([sys.executable, "-c", quiet], check=True)
    assert list(tmp_path.iterdir()) == [left]


def test_levels_on_the_command_line_and_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(logs.FOLDER_VARIABLE, str(tmp_path / "logs"))
    assert run_labctl("--log", "commands=debug", "runs", "--runs", tmp_path).returncode == 0
    told = [json.loads(line) for line in (tmp_path / "logs" / logs.FILE_NAME).read_text().splitlines()]
    assert told[0]["message"].startswith("begins: --log commands=debug runs")
    assert told[-1]["message"].startswith("ended after ")
    refused = run_labctl("--log", "station=loud", "runs", "--runs", tmp_path)
    assert refused.returncode == EXIT_CONFIGURATION
    assert "'station=loud' is no level of a log." in " ".join(refused.stderr.split())
    monkeypatch.setenv(logs.LEVELS_VARIABLE, "loud")
    refused = run_labctl("runs", "--runs", tmp_path)
    assert refused.returncode == EXIT_CONFIGURATION
    assert refused.stderr.startswith("labctl: LABCTL_LOG: 'loud' is no level of a log.")
