"""The operator's command that is told of the end and of a stall: whatever it does costs no data."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from in_process import run_labctl

from labctl.commands import notifying
from labctl.commands.notifying import Notice, notify

NOTICE = Notice("stall", "runs/night", "running", 'a waits: the pressure is "high"\nin the chamber')


def command(tmp_path: Path, text: str) -> str:
    script = tmp_path / "tell.py"
    script.write_text(text, encoding="utf-8")
    return f"'{sys.executable}' '{script}'"


WRITES = """
import json, os, sys, pathlib
told = {name: value for name, value in os.environ.items() if name.startswith("LABCTL_")}
pathlib.Path(__file__).with_name("told.json").write_text(json.dumps([json.load(sys.stdin), told]))
"""


def test_a_command_is_told_by_its_input_and_its_environment(tmp_path: Path) -> None:
    assert notify(command(tmp_path, WRITES), NOTICE) == ""
    at_input, in_environment = json.loads((tmp_path / "told.json").read_text())
    assert at_input == {"event": "stall", "run": "runs/night", "state": "running", "text": NOTICE.text}
    assert (
        in_environment.items()
        >= {
            "LABCTL_EVENT": "stall",
            "LABCTL_RUN": "runs/night",
            "LABCTL_TEXT": NOTICE.text,
        }.items()
    )


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    failing = command(tmp_path, 'import sys\nprint("first", file=sys.stderr)\nsys.exit("no network")')
    assert notify(failing, NOTICE) == f"{sys.executable} ended with 1: no network"


def test_a_command_that_hangs_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifying, "LONGEST_S", 0.3)
    began = time.monotonic()
    assert "timed out" in notify(command(tmp_path, "import time\ntime.sleep(30)"), NOTICE)
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "is empty"),
        ("/nowhere/tell", "could not be run"),
        ("tell 'the operator", "cannot be read: No closing quotation"),
    ],
)
def test_what_is_no_command_is_told_and_nothing_raised(written: str, problem: str) -> None:
    assert problem in notify(written, NOTICE)


def test_words_that_no_environment_can_hold_are_told(tmp_path: Path) -> None:
    assert "could not be run" in notify(command(tmp_path, WRITES), Notice("end", "run", "failed", "nul \0"))


def test_a_night_that_cannot_begin_is_told_of(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('title = "t"\n[[step]]\nname = "a"\nprocedure = "noise_floor"\n', encoding="utf-8")
    runs = tmp_path / "runs"
    runs.write_text("a file where the folder should be", encoding="utf-8")
    tell = command(tmp_path, WRITES)
    done = run_labctl("overnight", "--recipe", recipe, "--runs", runs, "--no-report", "--no-bus", "--notify", tell)
    assert done.returncode == 1
    told, _ = json.loads((tmp_path / "told.json").read_text())
    assert (told["event"], told["state"]) == ("end", "failed")
    assert told["text"] in done.stderr.replace("\n", " ") or str(runs) in told["text"]
