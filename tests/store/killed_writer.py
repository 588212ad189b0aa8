"""Runs that kill themselves with SIGKILL inside the k-th write, for every k: see test_store_kill.py.

Counted are SQLite's own system calls (through the hook that SQLite has for such tests), and the fsync, rename and write
calls with which the files of the run are made. A fatal write puts half of its bytes on the disk first.

Usage: killed_writer.py <folder>. In it, every k gets a folder `runs-<k>` and a file `acknowledged-<k>`, to which the
traces are noted after `add_traces` has returned. What was done is reported in `report.json`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from store_samples import POINTS, manifest, result, trace

from labctl.store import netcdf
from labctl.store.records import EventRecord, RunState, StepRecord, StepState
from labctl.store.recover import recover
from labctl.store.writer import RunWriter

GROUPS = 2
TRACES_IN_A_GROUP = 5


class Fuse:
    """Counts the writes and ends the process in the one that was chosen."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fatal: int | None = None

    def burns(self, name: str) -> bool:
        self.calls.append(name)
        return len(self.calls) == self.fatal


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


FUSE = Fuse()


def run(runs: Path, acknowledged: Path) -> None:
    """A run that is stopped, gone on with, cut off, recovered, gone on with again and complete."""
    writer = RunWriter.create(runs, manifest())
    with acknowledged.open("ab", buffering=0) as notes:
        for group in range(GROUPS):
            traces = [trace(values=np.full(POINTS, group + index / 10)) for index in range(TRACES_IN_A_GROUP)]
            for identity in writer.add_traces(traces):
                notes.write(f"{identity}\n".encode())
            writer.add_event(EventRecord(float(group), "info", "test", f"group {group}"))
            writer.step(StepRecord(f"group{group}", "test", StepState.DONE))
        writer.add_result(result())
        writer.finish(RunState.STOPPED, "done", "all")
        writer = RunWriter.reopen(writer.path)
        writer._connection.execute("PRAGMA wal_autocheckpoint = 4")  # folds the log into run.db at every commit
        traces = [trace(values=np.full(POINTS, GROUPS + index / 10)) for index in range(TRACES_IN_A_GROUP)]
        for identity in writer.add_traces(traces):
            notes.write(f"{identity}\n".encode())
        writer.close()  # as when it is killed; what closes it may be killed too
        recover(writer.path)
        writer = RunWriter.reopen(writer.path)
        writer.finish(RunState.COMPLETE, "done", "all")


def hook_sqlite(scratch: Path) -> bool:
    """Put the fuse into SQLite's writing system calls; False when this Python's SQLite does not let us."""

    class Vfs(ctypes.Structure):
        _fields_ = [
            ("version", ctypes.c_int),
            ("file_size", ctypes.c_int),
            ("longest_path", ctypes.c_int),
            ("next", ctypes.c_void_p),
            ("name", ctypes.c_char_p),
            ("data", ctypes.c_void_p),
            *((f"call{index}", ctypes.c_void_p) for index in range(13)),
            ("set_system_call", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)),
        ]

    try:
        library = ctypes.CDLL("libsqlite3.so.0")
    except OSError:
        return False
    library.sqlite3_vfs_find.restype = ctypes.c_void_p
    address = library.sqlite3_vfs_find(None)
    vfs = ctypes.cast(address, ctypes.POINTER(Vfs)).contents
    system = ctypes.CDLL(None, use_errno=True)

    def wrap(name: str, kind: Any, fatal: Callable[..., object]) -> None:
        real = getattr(system, name)
        real.restype, real.argtypes = kind._restype_, kind._argtypes_

        def call(*arguments: Any) -> Any:
            if FUSE.burns(name):
                fatal(real, *arguments)
                kill()
            return real(*arguments)

        kept = kind(call)
        KEPT.append(kept)
        vfs.set_system_call(address, name.encode(), ctypes.cast(kept, ctypes.c_void_p))

    size, offset, pointer, number = ctypes.c_size_t, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int
    at = ctypes.CFUNCTYPE(ctypes.c_ssize_t, number, pointer, size, offset)
    for name in ("pwrite", "pwrite64"):
        wrap(name, at, lambda real, file, data, count, where: real(file, data, count // 2, where))
    wrap("ftruncate", ctypes.CFUNCTYPE(number, number, offset), lambda real, *arguments: None)
    wrap("unlink", ctypes.CFUNCTYPE(number, ctypes.c_char_p), lambda real, *arguments: None)
    FUSE.calls.clear()
    connection = sqlite3.connect(scratch)
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    return len(FUSE.calls) > 0


KEPT: list[object] = []  # callbacks that C still points to


def hook_python() -> None:
    """Put the fuse into fsync, rename and the writes of data.nc."""

    def wrap(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if FUSE.burns(name):
                kill()
            return real(*arguments, **options)

        setattr(owner, name, call)

    wrap(os, "fsync")
    wrap(Path, "replace")
    wrap(netcdf._Sink, "write")


def run_in_child(folder: Path, fatal: int | None) -> bool:
    """Do the run in a forked process; True when it was killed."""
    child = os.fork()
    if child == 0:
        FUSE.calls, FUSE.fatal = [], fatal
        run(folder / f"runs-{fatal}", folder / f"acknowledged-{fatal}")
        (folder / "calls.json").write_text(json.dumps(FUSE.calls))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def chosen(calls: list[str], most: int) -> list[int]:
    """Just before or just after every rename, where a file of the run appears, and the rest spread over the run."""
    renames = [number for number, name in enumerate(calls, start=1) if name == "replace"]
    both = most >= 3 * len(renames)
    turning_points = {
        number + side for place, number in enumerate(renames) for side in (0, 1) if both or side == place % 2
    }
    spread = np.linspace(1, len(calls), max(0, min(most, len(calls)) - len(turning_points)))
    return sorted(turning_points | {round(point) for point in spread})


def main(folder: Path, most_points: int) -> None:
    hooked = hook_sqlite(folder / "scratch.db")
    hook_python()
    run_in_child(folder, None)
    points = chosen(json.loads((folder / "calls.json").read_text()), most_points)
    survived = [point for point in points if not run_in_child(folder, point)]
    report = {"hooked": hooked, "points": points, "survived": survived}
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
