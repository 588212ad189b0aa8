"""What was asked of the instruments outlives the process, and is found again for the same station."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import h5py
import pytest
from store_samples import manifest

from labctl.errors import StoreError
from labctl.store import AskedSetting, RunReader, RunState, RunWriter
from labctl.store.last_settings import last_settings
from labctl.store.recover import recover

RBW = AskedSetting("analyzer", "resolution_bandwidth_hz", 100.0, "Hz", "joint")
CLOSED = AskedSetting("servos", "module_1.closed", True, "", "lock_source")
SHAPE = AskedSetting("scan", "output_1.function", "TRIANGLE", "", "lock_source")
ODD = AskedSetting("x", "pair", [1, 2.5, None, "ü"], "", "")


def run(runs: Path, run_id: str, created: str, asked: list[AskedSetting], **changes: str) -> None:
    writer = RunWriter.create(runs, manifest(run_id, created, **changes))
    writer.keep_settings(asked)
    writer.finish(RunState.COMPLETE, "", "")


def test_settings_are_read_back_as_they_were_asked_in_the_order_of_the_first_asking(writer: RunWriter) -> None:
    writer.keep_settings([RBW, CLOSED, SHAPE, ODD])
    assert RunReader(writer.path).asked_settings() == [RBW, CLOSED, SHAPE, ODD]
    opened = AskedSetting("servos", "module_1.closed", False, "", "make safe")
    writer.keep_settings([opened])
    assert RunReader(writer.path).asked_settings() == [RBW, opened, SHAPE, ODD]


def test_all_or_none_are_kept(writer: RunWriter) -> None:
    writer.keep_settings([CLOSED])
    with pytest.raises(StoreError, match=r"analyzer\.trace is a object"):
        writer.keep_settings([RBW, AskedSetting("analyzer", "trace", object(), "", "")])
    assert RunReader(writer.path).asked_settings() == [CLOSED]


def test_nothing_new_writes_nothing(writer: RunWriter) -> None:
    log = writer.path / "run.db-wal"
    size = log.stat().st_size
    writer.keep_settings([])
    assert log.stat().st_size == size


def test_a_crashed_run_still_has_them_before_and_after_it_is_recovered(runs: Path) -> None:
    writer = RunWriter.create(runs, manifest())
    writer.keep_settings([RBW])
    writer.close()  # as when the process is gone: no end.json
    assert RunReader(writer.path).state is RunState.CRASHED
    assert RunReader(writer.path).asked_settings() == [RBW]
    assert recover(writer.path).asked_settings() == [RBW]
    with h5py.File(writer.path / "data.nc") as file:
        (kept,) = json.loads(file.attrs["asked_settings"])
    assert kept == {
        "instrument": "analyzer",
        "setting": "resolution_bandwidth_hz",
        "value": 100.0,
        "unit": "Hz",
        "source": "joint",
    }


def forget_table(path: Path) -> None:
    """Turn a run into one of before settings were kept."""
    with closing(sqlite3.connect(path / "run.db")) as connection:
        connection.execute("DROP TABLE asked_settings")
        connection.commit()


def test_a_run_of_before_has_none_and_can_still_be_recovered(runs: Path) -> None:
    writer = RunWriter.create(runs, manifest())
    writer.close()
    forget_table(writer.path)
    assert RunReader(writer.path).asked_settings() is None
    assert recover(writer.path).end is not None
    assert (writer.path / "data.nc").exists()


def test_the_newest_run_of_the_same_station_counts(runs: Path) -> None:
    run(runs, "a", "2026-01-01T00:00:00+00:00", [RBW])
    run(runs, "b", "2026-01-02T00:00:00+00:00", [CLOSED])
    run(runs, "other", "2026-01-03T00:00:00+00:00", [SHAPE], station_name="other bench")
    run(runs, "real", "2026-01-04T00:00:00+00:00", [SHAPE], backend="visa")
    last = last_settings(runs, "bench", "simulated")
    assert last is not None
    assert (last.run.run_id, last.settings) == ("b", [CLOSED])
    run(runs, "c", "2026-01-05T00:00:00+00:00", [])  # asked for nothing: the run before still counts
    last = last_settings(runs, "bench", "simulated")
    assert last is not None and last.run.run_id == "b"


def test_no_run_and_a_run_of_before_are_told_apart(runs: Path) -> None:
    assert last_settings(runs, "bench", "simulated") is None
    run(runs, "a", "2026-01-01T00:00:00+00:00", [RBW])
    run(runs, "b", "2026-01-02T00:00:00+00:00", [CLOSED])
    forget_table(runs / "b")
    last = last_settings(runs, "bench", "simulated")
    assert last is not None
    assert (last.run.run_id, last.settings) == ("b", None)
