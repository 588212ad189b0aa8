"""A full disk is an error with a remedy, and costs nothing that was acknowledged."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from store_samples import manifest, result, trace

from labctl.errors import StoreError, StoreFull
from labctl.store.catalogue import Catalogue
from labctl.store.failures import store_error
from labctl.store.reader import RunReader
from labctl.store.records import RunState, StepRecord, StepState
from labctl.store.recover import recover
from labctl.store.writer import RunWriter

DISK_SIZE = "1m"


def _sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("something")
    error.sqlite_errorcode = code
    return error


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a tmpfs cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take every free byte of the disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for block in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(block))
            except OSError:
                continue
    return ballast


def add_until_refused(writer: RunWriter) -> int:
    """Number of acknowledged traces, which hold 0, 1, 2 ..."""
    for number in range(10_000):
        try:
            writer.add_trace(trace(values=np.full((8, 101), float(number))))
        except StoreFull as error:
            assert str(writer.path) in str(error)
            assert "disk is full" in str(error)
            assert "Free space" in str(error)
            return number
    pytest.fail("the disk was never full")


def test_a_disk_that_fills_during_a_run(small_disk: Path) -> None:
    writer = RunWriter.create(small_disk / "runs", manifest())
    writer.step(StepRecord("joint", "measure_joint", StepState.RUNNING))
    count = add_until_refused(writer)
    assert count > 10
    fill(small_disk)
    assert add_until_refused(writer) == 0
    reader = RunReader(writer.path)
    assert reader.state is RunState.RUNNING
    assert len(reader.traces()) == count

    with pytest.raises(StoreError, match=r"data\.nc and results\.json could not be written.*disk is full.*recover"):
        writer.finish(RunState.FAILED, "the disk is full", "3 of 50 averages")
    assert (reader.state, reader.reason, reader.coverage) == (RunState.FAILED, "the disk is full", "3 of 50 averages")
    assert [run.state for run in Catalogue(writer.path.parent).list()] == [RunState.FAILED]
    numbers = [reader.trace_number(info.identity).values[0, 0] for info in reader.traces()]
    assert numbers == list(range(count))

    with pytest.raises(StoreError, match="disk is full"):
        recover(writer.path)
    assert reader.state is RunState.FAILED
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert recover(writer.path).state is RunState.FAILED
    with h5py.File(writer.path / "data.nc") as file:
        assert sum(variable.attrs.get("kind") == "trace" for variable in file.values()) == count


def test_a_run_goes_on_when_space_is_freed(small_disk: Path) -> None:
    writer = RunWriter.create(small_disk / "runs", manifest())
    ballast = fill(small_disk)
    count = add_until_refused(writer)
    ballast.unlink()
    writer.add_trace(trace())
    writer.add_result(result())
    writer.finish(RunState.COMPLETE, "done", "all")
    reader = RunReader(writer.path)
    assert len(reader.traces()) == count + 1
    assert reader.state is RunState.COMPLETE


def test_a_full_disk_refuses_a_new_run_and_keeps_its_id_free(small_disk: Path) -> None:
    ballast = fill(small_disk)
    runs = small_disk / "runs"
    with pytest.raises(StoreFull, match=r"runs.*disk is full.*Free space"):
        RunWriter.create(runs, manifest())
    ballast.unlink()
    RunWriter.create(runs, manifest()).close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_limit_on_the_size_of_files(runs: Path) -> None:
    import resource

    writer = RunWriter.create(runs, manifest())
    writer.add_trace(trace())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StoreError, match=r"night: the (disk refused|file would exceed)"):
            for number in range(1000):
                writer.add_trace(trace(values=np.full((8, 101), float(number))))
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
        with pytest.raises(StoreError, match=r"data\.nc could not be written: .*file would exceed"):
            writer.finish(RunState.FAILED, "no space", "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    reader = RunReader(writer.path)
    assert reader.state is RunState.FAILED
    assert reader.traces()
    assert reader.results() == {}
    assert recover(writer.path).end is not None


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "no space"), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (OSError(errno.EACCES, "denied"), False),
        (_sqlite_error(sqlite3.SQLITE_FULL), True),
        (_sqlite_error(sqlite3.SQLITE_IOERR | 3 << 8), False),
        (_sqlite_error(sqlite3.SQLITE_CORRUPT), False),
    ],
)
def test_no_room_is_an_error_of_its_own(tmp_path: Path, error: Exception, is_full: bool) -> None:
    assert isinstance(store_error("write", tmp_path, error), StoreFull) is is_full


def test_a_disk_that_refuses_to_write_and_has_nothing_left_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labctl.store.failures.free_bytes", lambda folder: 100.0)
    assert isinstance(store_error("write", tmp_path, _sqlite_error(sqlite3.SQLITE_IOERR | 3 << 8)), StoreFull)
