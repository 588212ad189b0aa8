"""The whole life of a run, for a process whose disk is recorded; every promise is noted once it was given.

Usage: power_cut_writer.py <folder>. The file `promises` in it has one JSON list a line: ["may be", state ...] what
the run may be from now on; ["trace", number, group, index]; ["event", text]; ["result", group].
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from store_samples import POINTS, manifest, result, trace

from labctl.store.records import EventRecord, RunState, TraceRecord
from labctl.store.recover import recover
from labctl.store.writer import RunWriter

TRACES_IN_A_GROUP = 3
CHECKPOINT_PAGES = 8  # so small that the log is folded into run.db again and again


def sample(group: int, index: int) -> TraceRecord:
    """The trace that is promised under these numbers."""
    return trace(f"joint.t{index}", values=np.full(POINTS * (1 + 9 * index), group + index / 10), axis=axis(index))


def axis(index: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.linspace(4.0e6, 4.4e6, POINTS * (1 + 9 * index))


def main(folder: Path) -> None:
    notes = os.open(folder / "promises", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def promise(*said: object) -> None:
        os.write(notes, (json.dumps(said) + "\n").encode())

    def add_group(writer: RunWriter, group: int) -> None:
        writer._connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        for index, number in enumerate(writer.add_traces([sample(group, i) for i in range(TRACES_IN_A_GROUP)])):
            promise("trace", number, group, index)
        writer.add_event(EventRecord(float(group), "info", "test", f"group {group}"))
        promise("event", f"group {group}")
        writer.add_result(result(value=float(group)))
        promise("result", group)

    writer = RunWriter.create(folder / "runs", manifest())
    promise("may be", RunState.CRASHED)
    for group in range(3):
        add_group(writer, group)
    promise("may be", RunState.CRASHED, RunState.STOPPED)
    writer.finish(RunState.STOPPED, "why", "some")
    promise("may be", RunState.STOPPED)
    promise("may be", RunState.STOPPED, RunState.CRASHED)
    writer = RunWriter.reopen(folder / "runs" / "night")
    promise("may be", RunState.CRASHED)
    add_group(writer, 3)
    writer.close()
    recover(writer.path)
    writer = RunWriter.reopen(folder / "runs" / "night")
    add_group(writer, 4)
    promise("may be", RunState.CRASHED, RunState.COMPLETE)
    writer.finish(RunState.COMPLETE, "", "all")
    promise("may be", RunState.COMPLETE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
