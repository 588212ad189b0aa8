"""One writer at a time, and a dead one is known to be dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from store_samples import manifest, trace

from labctl.errors import StoreError
from labctl.station.oslock import LockAnswer
from labctl.store import hold as hold_module
from labctl.store.hold import LOCK_FILE, Hold, reading, run_is_alive
from labctl.store.owner import Owner, Purpose
from labctl.store.reader import RunReader
from labctl.store.records import RunState
from labctl.store.writer import RunWriter

TAKE = """
import sys
from pathlib import Path
from labctl.errors import StoreError
from labctl.store.hold import Hold
from labctl.store.owner import Purpose
try:
    held = Hold.take(Path(sys.argv[1]), Purpose.RUN)
except StoreError as error:
    sys.exit(str(error))
sys.stdout.write("taken\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def take_in_another_process(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TAKE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )


def test_two_processes_on_one_folder_are_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    with take_in_another_process(tmp_path) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "taken\n"
        assert run_is_alive(tmp_path)
        with pytest.raises(StoreError, match=rf"in use by process {first.pid} "):
            Hold.take(tmp_path, Purpose.RUN)
        first.kill()
    assert not run_is_alive(tmp_path)
    Hold.take(tmp_path, Purpose.RUN).release()


def test_another_process_is_refused_while_this_one_runs(writer: RunWriter) -> None:
    with take_in_another_process(writer.path) as second:
        _, error = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"in use by process {os.getpid()} " in error


def test_a_recovery_is_no_living_run(tmp_path: Path) -> None:
    held = Hold.take(tmp_path, Purpose.RECOVERY)
    with reading(tmp_path) as nobody_writes:
        assert not nobody_writes
    assert not run_is_alive(tmp_path)
    held.release()
    held.release()
    with reading(tmp_path) as nobody_writes:
        assert nobody_writes


def test_a_folder_without_lock_file_is_free(tmp_path: Path) -> None:
    assert not run_is_alive(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "alive"),
    [
        ({}, True),
        ({"started": "1"}, False),
        ({"boot_id": "another boot"}, False),
        ({"pid": 2**22 + 1}, False),
        ({"pid": 2**80}, False),
        ({"pid": -1}, False),
        ({"host": "elsewhere"}, None),
    ],
)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
def test_a_recycled_pid_is_not_mistaken(change: dict[str, object], alive: bool | None) -> None:
    owner = Owner.this_process(Purpose.RUN)
    assert replace(owner, **change).is_alive() is alive


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff"])
def test_a_torn_owner_is_unknown(text: bytes) -> None:
    assert Owner.parse(text) is None


def test_an_owner_is_read_back() -> None:
    owner = Owner.this_process(Purpose.RECOVERY)
    assert Owner.parse(owner.text()) == owner


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_keep_a_dead_run_alive(writer: RunWriter) -> None:
    end_of_child, end_of_parent = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end_of_parent)
        os.read(end_of_child, 1)
        os._exit(0)
    try:
        assert RunReader(writer.path).state is RunState.RUNNING
        writer.close()
        assert RunReader(writer.path).state is RunState.CRASHED
    finally:
        os.close(end_of_parent)
        os.close(end_of_child)
        os.waitpid(child, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_cannot_write_the_run(writer: RunWriter) -> None:
    child = os.fork()
    if child == 0:
        try:
            writer.add_trace(trace())
        except StoreError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    writer.add_trace(trace())


def test_without_locks_of_the_system_the_owner_decides(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold_module, "lock", lambda *_, **__: LockAnswer.UNSUPPORTED)
    writer = RunWriter.create(runs, manifest())
    assert RunReader(writer.path).state is RunState.RUNNING
    with pytest.raises(StoreError, match="in use"):
        Hold.take(writer.path, Purpose.RECOVERY)
    lock_file = writer.path / LOCK_FILE
    lock_file.write_text(json.dumps(json.loads(lock_file.read_text()) | {"pid": 2**22 + 1}))
    assert RunReader(writer.path).state is RunState.CRASHED
    Hold.take(writer.path, Purpose.RECOVERY).release()
    writer.close()
