"""Crashed, damaged, living and foreign folders: each is called what it is."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr
from store_samples import manifest, result, same_trace, trace

from labctl.errors import StoreError
from labctl.store.catalogue import Catalogue
from labctl.store.reader import RunReader
from labctl.store.records import RunState, StepRecord, StepState
from labctl.store.recover import recover
from labctl.store.trace_rows import enter_digests
from labctl.store.writer import RunWriter


@pytest.fixture
def crashed(writer: RunWriter, tmp_path: Path) -> Path:
    """A folder as a killed process leaves it: data in the log, nobody holding it."""
    writer.add_trace(trace())
    writer.add_result(result())
    writer.step(StepRecord("joint", "measure_joint", StepState.DONE))
    writer.step(StepRecord("dark", "measure_dark", StepState.RUNNING))
    folder = tmp_path / "crashed" / "night"
    shutil.copytree(writer.path, folder)
    assert (folder / "run.db-wal").stat().st_size > 0
    return folder


def test_a_crashed_run_says_so_and_is_read_without_writing(crashed: Path) -> None:
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in crashed.iterdir()}
    reader = RunReader(crashed)
    assert reader.state is RunState.CRASHED
    assert "ended without closing" in reader.reason
    assert reader.coverage == "1 of 2 steps"
    assert same_trace(reader.trace("joint.signal"), trace())
    assert reader.results() == {"joint.raw_db": result()}
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in crashed.iterdir()} == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_crashed_run_in_a_read_only_folder_is_read(crashed: Path) -> None:
    crashed.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert same_trace(RunReader(crashed).trace("joint.signal"), trace())
        with pytest.raises(StoreError, match="access is denied"):
            recover(crashed)
    finally:
        crashed.chmod(stat.S_IRWXU)


def test_recovery_stays_truthful(crashed: Path) -> None:
    reader = recover(crashed)
    assert reader.state is RunState.CRASHED
    assert reader.coverage == "1 of 2 steps"
    assert reader.end is not None
    assert reader.end.recovered_at is not None
    assert reader.end.problems == ()
    assert json.loads((crashed / "results.json").read_text())["joint.raw_db"]["value"] == -3.7
    with xr.open_dataset(crashed / "data.nc") as dataset:
        assert dataset.attrs["state"] == "crashed"
        assert "joint_signal" in dataset
    assert not (crashed / "run.db-wal").exists()
    assert Catalogue(crashed.parent).list()[0].state is RunState.CRASHED


def test_a_living_run_is_not_recovered(writer: RunWriter) -> None:
    with pytest.raises(StoreError, match=rf"in use by process {os.getpid()} "):
        recover(writer.path)
    writer.add_trace(trace())
    assert RunReader(writer.path).state is RunState.RUNNING


def test_a_run_that_was_let_go_is_crashed(writer: RunWriter) -> None:
    writer.add_trace(trace())
    writer.close()
    assert RunReader(writer.path).state is RunState.CRASHED
    assert same_trace(recover(writer.path).trace("joint.signal"), trace())


def test_an_ended_run_gets_back_what_is_missing_and_keeps_its_state(writer: RunWriter) -> None:
    writer.add_trace(trace())
    writer.finish(RunState.STOPPED, "the operator asked", "1 of 2")
    (writer.path / "data.nc").unlink()
    reader = recover(writer.path)
    assert (reader.state, reader.reason, reader.coverage) == (RunState.STOPPED, "the operator asked", "1 of 2")
    assert (writer.path / "data.nc").exists()


def test_a_damaged_trace_costs_only_itself(crashed: Path) -> None:
    recover(crashed)
    for name in ("data.nc", "end.json", "results.json"):
        (crashed / name).unlink()
    with closing(sqlite3.connect(crashed / "run.db")) as connection, connection:
        connection.execute(
            "INSERT INTO traces SELECT 2, 'joint.shot', step, axis_name, axis_unit, values_unit, conventions, valid, "
            "invalid_reason, started_at, ended_at, axis_id, dtype, shape, digest, data FROM traces"
        )
        enter_digests(connection)
        connection.execute("UPDATE traces SET shape = '[1000000000000]' WHERE id = 1")
    with pytest.raises(StoreError, match=r"joint\.signal.*is not what was written"):
        RunReader(crashed).trace("joint.signal")
    reader = recover(crashed)
    assert reader.end is not None
    assert len(reader.end.problems) == 1
    assert "Trace number 1 cannot be read" in reader.end.problems[0]
    with xr.open_dataset(crashed / "data.nc") as dataset:
        assert "joint_shot" in dataset
        assert "joint_signal" not in dataset


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("conventions", "{"),
        ("conventions", 3),
        ("dtype", "|O"),
        ("axis_id", 99),
        ("data", b"short"),
        ("shape", "[101]x"),
    ],
)
def test_every_damaged_column_is_a_store_error(writer: RunWriter, column: str, value: object) -> None:
    writer.add_trace(trace())
    writer._connection.execute("PRAGMA foreign_keys = OFF")
    writer._connection.execute(f"UPDATE traces SET {column} = ?", (value,))
    with pytest.raises(StoreError, match=r"joint\.signal"):
        RunReader(writer.path).trace("joint.signal")


def test_a_step_state_that_does_not_exist_is_a_store_error(writer: RunWriter) -> None:
    writer.step(StepRecord("joint", "p", StepState.DONE))
    writer._connection.execute("UPDATE steps SET state = 'dancing'")
    with pytest.raises(StoreError, match=r"run\.db is damaged.*dancing"):
        RunReader(writer.path).steps()


@pytest.mark.parametrize("damage", ["missing", "garbage"])
def test_a_lost_database_is_said_and_the_folder_closed(crashed: Path, damage: str) -> None:
    for file in crashed.glob("run.db*"):
        file.unlink()
    if damage == "garbage":
        (crashed / "run.db").write_bytes(b"not a database " * 1000)
    with pytest.raises(StoreError, match=r"run\.db"):
        RunReader(crashed).traces()
    end = recover(crashed).end
    assert end is not None
    assert end.state is RunState.CRASHED
    assert "nothing of it is here" in end.problems[0]


def test_a_newer_schema_is_refused_in_one_sentence(writer: RunWriter) -> None:
    writer._connection.execute("PRAGMA user_version = 99")
    reader = RunReader(writer.path)
    with pytest.raises(StoreError, match=r"has schema 99; this labctl reads up to 2\. Update labctl\.$"):
        reader.traces()
    writer.close()
    with pytest.raises(StoreError, match="has schema 99"):
        recover(writer.path)
    assert not (writer.path / "end.json").exists()


def test_a_foreign_database_is_refused(crashed: Path) -> None:
    for file in crashed.glob("run.db*"):
        file.unlink()
    with closing(sqlite3.connect(crashed / "run.db")) as connection:
        connection.execute("CREATE TABLE x (y)")
    with pytest.raises(StoreError, match="is no run database"):
        RunReader(crashed).traces()


def test_folders_that_are_no_runs(tmp_path: Path) -> None:
    for call in (RunReader, recover):
        with pytest.raises(StoreError, match="is no run"):
            call(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 2}', '{"format": "x"}', '{"state": "dancing"}', '{"state": "complete"}', "null"],
)
def test_damaged_documents_are_store_errors_and_are_listed(writer: RunWriter, text: str) -> None:
    writer.close()
    (writer.path / "end.json").write_text(text)
    with pytest.raises(StoreError, match=r"end\.json"):
        _ = RunReader(writer.path).state
    (writer.path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=r"manifest\.json"):
        RunReader(writer.path)
    (summary,) = Catalogue(writer.path.parent).list()
    assert summary.run_id == "night"
    assert "manifest.json" in summary.reason


def test_a_very_long_reason_is_cut_not_lost(writer: RunWriter) -> None:
    writer.finish(RunState.FAILED, "x" * 100_000, "")
    reason = RunReader(writer.path).reason
    assert reason.startswith("x" * 1000)
    assert reason.endswith("(cut)")


def test_everything_after_a_crash_reads_as_before_it(writer: RunWriter, crashed: Path) -> None:
    living, dead = RunReader(writer.path), RunReader(crashed)
    assert living.traces() == dead.traces()
    assert living.steps() == dead.steps()
    assert replace(living.manifest) == dead.manifest == manifest()
