"""Runs of the first schema, made by hand: read as they are, brought to this one when written, kept on failure."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from store_samples import AXIS, manifest, same_trace, trace

from labctl.errors import StoreError
from labctl.store import digests, rows
from labctl.store.documents import encode_manifest
from labctl.store.reader import RunReader
from labctl.store.records import RunState
from labctl.store.recover import recover
from labctl.store.verify import verify
from labctl.store.writer import RunWriter

FIRST_SCHEMA = """
CREATE TABLE axes (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE traces (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, step TEXT NOT NULL,
    axis_name TEXT NOT NULL, axis_unit TEXT NOT NULL, values_unit TEXT NOT NULL, conventions TEXT NOT NULL,
    valid INTEGER NOT NULL, invalid_reason TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL NOT NULL,
    axis_id INTEGER NOT NULL REFERENCES axes (id), dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL);
CREATE INDEX traces_by_name ON traces (name, id);
CREATE TABLE results (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL NOT NULL, sigma REAL NOT NULL,
    unit TEXT NOT NULL, convention TEXT NOT NULL, source TEXT NOT NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, level TEXT NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE steps (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, attempt INTEGER NOT NULL, procedure TEXT NOT NULL, state TEXT NOT NULL,
    started_at REAL, ended_at REAL, reason TEXT NOT NULL, parameters TEXT NOT NULL, UNIQUE (name, attempt));
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, driver TEXT NOT NULL, address TEXT NOT NULL,
    identity TEXT NOT NULL, settings TEXT NOT NULL);
PRAGMA application_id = 1818321507;
PRAGMA user_version = 1;
"""


@pytest.fixture
def old(runs: Path) -> Path:
    """A crashed run of the first schema with two traces, a result, an event and a step."""
    folder = runs / "night"
    folder.mkdir(parents=True)
    first = json.loads(encode_manifest(manifest()))
    (folder / "manifest.json").write_text(
        json.dumps({**first, "format": 1} | {"schema": None}).replace(', "schema": null', "")
    )
    with closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        connection.executescript(FIRST_SCHEMA)
        connection.execute("PRAGMA journal_mode = WAL")
        axis = (digests.digest_of_axis(AXIS.tobytes()), "<f8", "[101]", AXIS.tobytes())
        connection.execute("INSERT INTO axes (digest, dtype, shape, data) VALUES (?, ?, ?, ?)", axis)
        conventions = json.dumps(dict(trace().conventions))
        for number in (1, 2):
            data = np.full(101, float(number)).tobytes()
            row = ("joint.signal", "measure_joint", "frequency", "Hz", "V^2/Hz", conventions, 1, "", 1.0, 2.5, 1)
            marks = ", ".join("?" * 15)
            connection.execute(f"INSERT INTO traces VALUES ({marks})", (number, *row, "<f8", "[101]", data))
        connection.execute("INSERT INTO results VALUES (1, 'joint.raw_db', -3.7, 0.1, 'dB', 'c', 'measure_joint')")
        connection.execute("INSERT INTO events VALUES (1, 0.5, 'info', 'x', 'hello')")
        connection.execute("INSERT INTO steps VALUES (1, 'a', 1, 'p', 'done', 0.0, 1.0, '', '{}')")
    return folder


def version(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "run.db")) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check(folder: Path) -> None:
    """Everything is there, bit for bit."""
    reader = RunReader(folder)
    assert [info.identity for info in reader.traces()] == [1, 2]
    for number in (1, 2):
        assert same_trace(reader.trace_number(number), trace(values=np.full(101, float(number))))
    assert reader.results()["joint.raw_db"].value == -3.7
    assert [event.text for event in reader.events()] == ["hello"]
    assert [step.name for step in reader.steps()] == ["a"]


def test_an_old_run_is_read_as_it_is(old: Path) -> None:
    before = {file.name: file.read_bytes() for file in old.iterdir()}
    check(old)
    assert RunReader(old).asked_settings() is None and RunReader(old).losses() == []
    assert {file.name: file.read_bytes() for file in old.iterdir()} == before


def test_recovering_an_old_run_brings_it_to_this_schema(old: Path) -> None:
    recover(old)
    assert version(old) == digests.SCHEMA_VERSION
    check(old)
    assert verify(old).is_well


def test_an_old_run_is_gone_on_with_in_this_schema(old: Path) -> None:
    writer = RunWriter.reopen(old)
    writer.keep_settings([])
    check(old)
    writer.add_trace(trace("joint.third"))
    writer.finish(RunState.COMPLETE, "", "")
    assert version(old) == digests.SCHEMA_VERSION and verify(old).is_well
    assert same_trace(RunReader(old).trace("joint.third"), trace("joint.third"))


def fail_half_way(connection: sqlite3.Connection) -> None:
    raise sqlite3.OperationalError("no luck")


def test_a_migration_that_fails_leaves_the_old_one(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "enter_digests", fail_half_way)  # after the tables were altered
    with pytest.raises(StoreError, match="no luck"):
        RunWriter.reopen(old)
    assert version(old) == 1
    check(old)
    assert recover(old).end is not None  # as the old run that it is
    assert version(old) == 1
    check(old)
    verdict = verify(old)
    assert verdict.is_well and any("made before" in note for note in verdict.notes)


def test_a_closed_old_run_without_checksums_is_checked_all_the_same(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(rows, "enter_digests", fail_half_way)
        recover(old)
    (old / "checksums.sha256").unlink()
    verdict = verify(old)
    assert verdict.is_well and len(verdict.notes) == 2
    with closing(sqlite3.connect(old / "run.db")) as connection, connection:
        connection.execute("UPDATE traces SET data = zeroblob(808) WHERE id = 1")
    assert any("data.nc: the numbers of trace joint.signal" in fault.what for fault in verify(old).faults)


def test_a_manifest_of_a_newer_schema_is_refused(old: Path) -> None:
    entries = json.loads((old / "manifest.json").read_text())
    (old / "manifest.json").write_text(json.dumps(entries | {"schema": 3}))
    with pytest.raises(StoreError, match=r"The run night has schema 3; this labctl reads up to 2\. Update labctl\."):
        RunReader(old)
    assert digests.SCHEMA_VERSION == 2
