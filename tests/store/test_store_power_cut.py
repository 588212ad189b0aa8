"""A simulated power cut anywhere in the life of a run loses nothing acknowledged and shows nothing by halves."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from power_cut_writer import TRACES_IN_A_GROUP, sample
from recorded_disk import Change, cut_the_power, read_changes
from store_samples import same_trace

from labctl.store.catalogue import Catalogue
from labctl.store.reader import RunReader
from labctl.store.recover import recover
from labctl.store.verify import verify

HERE = Path(__file__).parent
MOST_LOOKED_AT = int(os.environ.get("LABCTL_TEST_POWER_CUTS", "100"))
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("gcc") is None, reason="needs gcc and Linux"
)


@dataclass(frozen=True)
class Life:
    """All that was done to the disk in the life of a run, and where."""

    root: Path
    changes: list[Change]


@pytest.fixture(scope="module")
def life(in_memory: Path) -> Life:
    scratch = in_memory / "recorded"
    scratch.mkdir()
    library, root, log = scratch / "recorded_disk.so", scratch / "disk", scratch / "log"
    root.mkdir()
    build = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "recorded_disk.c"), "-ldl", "-lpthread"]
    subprocess.run(build, check=True, capture_output=True)
    recording = {"LD_PRELOAD": str(library), "LABCTL_RECORD_LOG": str(log), "LABCTL_RECORD_ROOT": str(root)}
    command = [sys.executable, str(HERE / "power_cut_writer.py"), str(root)]
    subprocess.run(command, check=True, env=os.environ | recording | {"PYTHONPATH": str(HERE.parents[1])}, timeout=120)
    return Life(root, read_changes(log))


def test_every_kind_of_change_was_recorded(life: Life) -> None:
    """Else the cuts would prove nothing: what was recorded, replayed without a cut, is what is there."""
    kinds = {(change.kind, change.path.name) for change in life.changes}
    assert {("W", "run.db"), ("W", "run.db-wal"), ("S", "run.db"), ("S", "run.db-wal"), ("D", "night")} <= kinds
    assert {("R", ".data.nc.part"), ("R", ".end.json.reserved"), ("U", "end.json"), ("C", "run.db-wal")} <= kinds
    assert {("D", "disk"), ("D", "runs"), ("M", "runs"), ("M", "night"), ("U", "checksums.sha256")} <= kinds
    written = {change.inode: change for change in life.changes if change.kind in "CW"}
    everything = [*life.changes, *(replace(change, kind="S") for change in written.values())]
    everything += [Change("D", 0, 0, folder, b"") for folder in (life.root, *life.root.rglob("*/"))]
    again = life.root.parent / "again"
    again.mkdir()
    cut_the_power(everything, life.root, random.Random(0), again)
    for file in life.root.rglob("*"):
        if file.is_file() and not file.name.endswith("-shm"):
            assert (again / file.relative_to(life.root)).read_bytes() == file.read_bytes(), file


@pytest.mark.parametrize(
    "cuts", [10, pytest.param(MOST_LOOKED_AT, marks=pytest.mark.slow)], ids=["some cuts", "many cuts"]
)
def test_a_power_cut_loses_nothing_that_was_promised(life: Life, cuts: int, in_memory: Path) -> None:
    chance = random.Random(20260101)
    for number in range(cuts):
        done = life.changes[: chance.randint(1, len(life.changes))]
        place = in_memory / f"cut-{number}"
        place.mkdir()
        cut_the_power(done, life.root, chance, place)
        _check(place / "runs", _promises(done), f"cut {number} after {len(done)} changes")
        shutil.rmtree(place)


def _promises(done: list[Change]) -> list[list[object]]:
    text = b"".join(change.data for change in done if change.path.name == "promises" and change.kind == "W")
    return [json.loads(line) for line in text.splitlines()]


def _check(runs: Path, promises: list[list[object]], where: str) -> None:
    folder = runs / "night"
    if not (folder / "manifest.json").exists():
        assert not promises, where
        assert not runs.exists() or Catalogue(runs).list() == []
        return
    allowed = next((said[1:] for said in reversed(promises) if said[0] == "may be"), ["crashed"])
    reader = RunReader(folder)
    state = reader.state
    assert state in allowed, where
    _check_records(reader, promises, where)
    assert Catalogue(runs).list()[0].state is state
    recovered = recover(folder)
    assert recovered.state is state, where
    assert recovered.end is not None and recovered.end.problems == (), where
    _check_records(recovered, promises, where)
    assert verify(folder).faults == [], where


def _check_records(reader: RunReader, promises: list[list[object]], where: str) -> None:
    infos = reader.traces()
    assert len(infos) % TRACES_IN_A_GROUP == 0, f"{where}: part of a transaction is there"
    promised = [tuple(said[1:]) for said in promises if said[0] == "trace"]
    assert [info.identity for info in infos][: len(promised)] == [number for number, _, _ in promised], where
    for place, info in enumerate(infos):
        group, index = divmod(place, TRACES_IN_A_GROUP)
        assert same_trace(reader.trace_number(info.identity), sample(group, index)), where
    texts = [event.text for event in reader.events()]
    assert texts == [f"group {group}" for group in range(len(texts))], where
    assert len(texts) >= sum(said[0] == "event" for said in promises), where
    values = [int(str(said[1])) for said in promises if said[0] == "result"]
    if values:
        assert reader.results()["joint.raw_db"].value >= values[-1], where
