"""Spoilt inputs are accepted or refused with one clear error, under watch; the long form is
tests/benchmarks/fuzz_inputs.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_harness import Tally, fault_of_message

CASES = {"config": 40, "data": 40, "bus": 200, "recipe": 15, "run": 6}
OFFENDERS = {
    "open(outside, 'w')": "wrote to",
    "os.mkdir(outside)": "os.mkdir of",
    "os.symlink('/etc/passwd', outside)": "os.symlink of",
    "subprocess.run(['true'], check=False)": "subprocess.Popen",
    "socket.socket()": "socket.__new__",
    "eval('1 + 1')": "compiled",
    "exec(compile('x = 1', 'data', 'exec'))": "compiled 'data'",
    "sqlite3.connect(outside)": "opened the database",
    "bytearray(1 << 31)": "more memory than",
    "[None for _ in iter(int, 1)]": "longer than",
    "int('x')": "ValueError",
    "refuse('')": "says nothing",
    "refuse('x' * 99_999)": "has 99999 characters",
}


def _in_a_process(program: str, folder: Path) -> str:
    """Run a program in a process of its own, for a watch cannot be taken off again, and return what it printed."""
    paths = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", paths + program], cwd=folder, capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("kinds", [("config", "bus", "data"), ("recipe", "run")], ids="-".join)
def test_what_is_spoilt_is_accepted_or_refused(kinds: tuple[str, ...], tmp_path: Path) -> None:
    program = f"""
from fuzz_harness import *
import json
tally, corpus = Tally(), corpus_in(Path('corpus').absolute())
for number, (kind, count) in enumerate({[(kind, CASES[kind]) for kind in kinds]}):
    tally.add(run_cases([kind], range(count), 1, Path(str(number)), corpus))
print(json.dumps(tally.to_json()))
"""
    tally = Tally.from_json(json.loads(_in_a_process(program, tmp_path)))
    assert not tally.findings, "\n".join(map(str, tally.findings[:10]))
    for kind in kinds:
        assert tally.accepted[kind] + tally.refused[kind] == CASES[kind]
        assert tally.accepted[kind] and tally.refused[kind]  # both ends of each reader are reached


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    program = f"""
import os, socket, sqlite3, subprocess, json
import fuzz_harness
from fuzz_harness import *
from fuzz_harness import _one_case
fuzz_harness.LONGEST_CASE_S = 0.2
outside = os.path.abspath('outside')
def refuse(text): raise LabError(text)
class Offender:
    def prepared(self, kind, chance, folder): return lambda: eval_(kind)
codes = {{text: compile(text, fuzz_harness._HOUSE + 'x.py', 'eval') for text in {list(OFFENDERS)}}}
def eval_(text): eval(codes[text])
watch, tally = Watch(), Tally()
signal.signal(signal.SIGALRM, fuzz_harness._too_slow)
Path('root/here').mkdir(parents=True)
for text in codes: _one_case(text, 1, 1, Offender(), watch, Path('root').absolute(), tally)
print(json.dumps({{one.kind: one.what for one in tally.findings}}))
"""
    seen = json.loads(_in_a_process(program, tmp_path))
    assert {text: what in seen.get(text, "") for text, what in OFFENDERS.items()} == dict.fromkeys(OFFENDERS, True), (
        seen
    )


@pytest.mark.parametrize("text", ["", "  \n", "Traceback (most recent call last)", "x" * 10_000, "a\x1b[2Jb"])
def test_a_message_that_nobody_can_use_is_a_finding(text: str) -> None:
    assert fault_of_message(text)
    assert not fault_of_message("run.db is damaged: restore it from a copy.")
