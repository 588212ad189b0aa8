"""A kill placed inside a write loses nothing that was acknowledged, and never passes for a good ending.

About 30 of the about 900 kill points are tried by default; LABCTL_TEST_KILL_POINTS=1000 tries them all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from killed_writer import GROUPS, TRACES_IN_A_GROUP
from store_samples import POINTS, manifest

from labctl.errors import StoreError
from labctl.store.catalogue import Catalogue
from labctl.store.reader import CRASH_REASON, RunReader
from labctl.store.records import RunState
from labctl.store.recover import recover
from labctl.store.verify import verify
from labctl.store.writer import RunWriter

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

MOST_POINTS = int(os.environ.get("LABCTL_TEST_KILL_POINTS", "16"))
SCRIPT = Path(__file__).parent / "killed_writer.py"


@dataclass(frozen=True)
class Killed:
    """What a killed process left behind."""

    runs: Path
    acknowledged: list[int]

    @property
    def is_a_run(self) -> bool:
        return (self.runs / "night" / "manifest.json").exists()

    @property
    def was_closed(self) -> bool:
        return (self.runs / "night" / "end.json").exists()

    @property
    def state(self) -> RunState:
        """How it was closed last; crashed where it was not."""
        file = self.runs / "night" / "end.json"
        return RunState(json.loads(file.read_text())["state"]) if self.was_closed else RunState.CRASHED


@pytest.fixture(scope="module")
def killed(in_memory: Path) -> list[Killed]:
    folder = in_memory / "killed"
    folder.mkdir()
    root = str(SCRIPT.parents[2])
    subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), str(MOST_POINTS)],
        check=True,
        env=os.environ | {"PYTHONPATH": root},
        timeout=600,
    )
    report = json.loads((folder / "report.json").read_text())
    if not report["hooked"]:
        pytest.skip("the SQLite of this Python has no hook for its system calls")
    assert report["survived"] == []
    return [_left_behind(folder, point) for point in report["points"]]


def _left_behind(folder: Path, point: int) -> Killed:
    notes = folder / f"acknowledged-{point}"
    text = notes.read_text() if notes.exists() else ""
    return Killed(folder / f"runs-{point}", [int(line) for line in text.split()])


def test_kills_fall_into_every_part_of_a_run(killed: list[Killed]) -> None:
    assert len(killed) >= min(MOST_POINTS, 14)
    assert any(not case.acknowledged for case in killed)
    assert any(case.acknowledged and not case.was_closed for case in killed)
    assert any((case.runs / "night" / "data.nc").exists() and not case.was_closed for case in killed)
    assert {case.state for case in killed} == {RunState.STOPPED, RunState.CRASHED, RunState.COMPLETE}
    assert any(case.was_closed and case.state is RunState.CRASHED for case in killed)
    assert any(len(case.acknowledged) == (GROUPS + 1) * TRACES_IN_A_GROUP for case in killed)


def test_every_acknowledged_trace_survives_and_recovery_works(killed: list[Killed]) -> None:
    for number, case in enumerate(killed):
        if not case.is_a_run:
            assert not case.acknowledged
            assert Catalogue(case.runs).list() == []
            continue
        path = case.runs / "night"
        before = _contents(path)
        reader = RunReader(path)
        expected = case.state
        assert reader.state is expected
        assert Catalogue(case.runs).list()[0].state is expected
        _check_traces(reader, case)
        assert _contents(path) == before, "reading changed the folder"

        recovered = recover(path)
        assert recovered.state is expected
        assert recovered.reason == (CRASH_REASON if expected is RunState.CRASHED else "done")
        assert verify(path).faults == []
        assert Catalogue(case.runs).find("last") == path
        _check_traces(recovered, case)
        _check_data_file(path / "data.nc", len(recovered.traces()), with_xarray=number % 4 == 0)
        again = _contents(path)
        assert recover(path).state is expected
        assert _contents(path) == again, "a second recovery changed the folder"


def test_the_id_of_a_killed_run_is_not_used_twice(killed: list[Killed]) -> None:
    case = next(case for case in killed if case.acknowledged)
    with pytest.raises(StoreError, match="exists already"):
        RunWriter.create(case.runs, manifest())


def _check_traces(reader: RunReader, case: Killed) -> None:
    stored = [info.identity for info in reader.traces()]
    assert set(case.acknowledged) <= set(stored)
    assert len(stored) % TRACES_IN_A_GROUP == 0, "part of a transaction is there"
    for place, identity in enumerate(stored):
        group, index = divmod(place, TRACES_IN_A_GROUP)
        np.testing.assert_array_equal(reader.trace_number(identity).values, np.full(POINTS, group + index / 10))


def _check_data_file(path: Path, traces: int, *, with_xarray: bool) -> None:
    with h5py.File(path) as file:
        assert "manifest" in file.attrs
        assert sum(variable.attrs.get("kind") == "trace" for variable in file.values()) == traces
    if with_xarray:  # slow to open
        with xr.open_dataset(path) as dataset:
            assert sum(variable.attrs.get("kind") == "trace" for variable in dataset.values()) == traces
            assert dataset.attrs["run_id"] == "night"


def _contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
