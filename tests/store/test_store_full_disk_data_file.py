"""data.nc on a disk that fills up at any byte of it: an error, never the death of the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import pytest
from store_samples import manifest, result, trace

from labctl.errors import StoreError
from labctl.store.netcdf import write_netcdf
from labctl.store.records import EventRecord

WRITTEN, REFUSED, SOMETHING_ELSE = 0, 3, 4
STEP_BYTES = 9001  # not a multiple of anything that HDF5 writes


def write(path: Path) -> None:
    events = [EventRecord(float(at), "info", "step", "words " * (1 + at % 7)) for at in range(40)]
    long = manifest(station_file="key = 1\n" * 2000)
    write_netcdf(path, long, [trace(f"joint.t{n}") for n in range(20)], {"joint.raw_db": result()}, events)


def in_a_child(prepare: Callable[[], None], path: Path) -> int:
    """Write in a child process after `prepare`; return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        status = SOMETHING_ELSE
        try:
            prepare()
            write(path)
            status = WRITTEN
        except (OSError, StoreError):
            status = REFUSED
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def write_on_a_disk_of(size: int, path: Path) -> int:
    """Write in a child whose files end at `size` bytes."""

    def limit() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return in_a_child(limit, path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_disk_that_is_full_before_the_first_byte_gives_an_error(tmp_path: Path) -> None:
    """A hole can be made where nothing can be written: what HDF5 wrote must still be there when it looks."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        (disk / "ballast").write_bytes(bytes(60 * 1024))
        for free in (0, 4096):
            if free:
                os.truncate(disk / "ballast", 60 * 1024 - free)
            else:
                with suppress(OSError):
                    (disk / "rest").write_bytes(bytes(8192))
            assert in_a_child(lambda: None, disk / "data.nc") == REFUSED, free
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and a limit on the size of files")
def test_a_disk_that_fills_up_at_any_byte_gives_an_error_and_no_file(tmp_path: Path) -> None:
    whole = tmp_path / "whole.nc"
    write(whole)
    length = whole.stat().st_size
    for size in (0, *range(1, length, STEP_BYTES)):
        path = tmp_path / f"{size}.nc"
        assert write_on_a_disk_of(size, path) == REFUSED, size
        assert not path.exists()
    last = tmp_path / "enough.nc"
    assert write_on_a_disk_of(2 * length, last) == WRITTEN
    with h5py.File(last) as file:
        assert "joint_t19" in file
