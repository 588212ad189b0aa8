"""The catalogue tells the truth, whatever happened to its index."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from store_samples import manifest, trace

from labctl.errors import StoreError
from labctl.store.catalogue import CATALOGUE_FILE, Catalogue
from labctl.store.records import RunState
from labctl.store.recover import recover
from labctl.store.writer import RunWriter

DAYS = {"2026-01-03-joint": "2026-01-03T00:00:00Z", "2026-01-01-dark": "2026-01-01T00:00:00Z"}


@pytest.fixture
def catalogue(runs: Path) -> Catalogue:
    """Two ended runs and, between them in time, a crashed one."""
    for run_id, created in DAYS.items():
        writer = RunWriter.create(runs, manifest(run_id, created))
        writer.finish(RunState.COMPLETE, "done", "1 of 1")
    RunWriter.create(runs, manifest("2026-01-02-crash", "2026-01-02T12:00:00.5+00:00")).close()
    return Catalogue(runs)


def test_newest_first_with_the_state_as_it_is_now(catalogue: Catalogue) -> None:
    found = [(run.run_id, run.state, run.coverage) for run in catalogue.list()]
    assert found == [
        ("2026-01-03-joint", RunState.COMPLETE, "1 of 1"),
        ("2026-01-02-crash", RunState.CRASHED, ""),
        ("2026-01-01-dark", RunState.COMPLETE, "1 of 1"),
    ]
    writer = RunWriter.create(catalogue.runs, manifest("now", "2026-01-04T00:00:00Z"))
    assert catalogue.list()[0].state is RunState.RUNNING
    writer.close()
    assert catalogue.list()[0].state is RunState.CRASHED
    recover(writer.path)
    assert catalogue.list()[0].coverage == ""


def test_a_rebuilt_catalogue_equals_the_original(catalogue: Catalogue) -> None:
    original = catalogue.list()
    index = catalogue._indexed()
    assert sorted(index) == sorted(run.run_id for run in original)
    (catalogue.runs / CATALOGUE_FILE).unlink()
    catalogue.rebuild()
    assert catalogue._indexed() == index
    assert catalogue.list() == original


@pytest.mark.parametrize("damage", ["missing", "garbage", "empty", "another schema", "a folder"])
def test_a_bad_index_is_mended_by_listing(catalogue: Catalogue, damage: str) -> None:
    original = catalogue.list()
    index = catalogue.runs / CATALOGUE_FILE
    index.unlink()
    if damage == "garbage":
        index.write_bytes(b"x" * 5000)
    elif damage == "empty":
        index.touch()
    elif damage == "another schema":
        import sqlite3

        connection = sqlite3.connect(index)
        connection.execute("CREATE TABLE runs (x)")
        connection.close()
    elif damage == "a folder":
        index.mkdir()
    assert catalogue.list() == original
    assert catalogue.list() == original
    if damage != "a folder":
        assert len(catalogue._indexed()) == len(original)


def test_folders_that_come_and_go_are_noticed(catalogue: Catalogue) -> None:
    catalogue.list()
    shutil.copytree(catalogue.runs / "2026-01-01-dark", catalogue.runs / "copy")
    shutil.rmtree(catalogue.runs / "2026-01-03-joint")
    (catalogue.runs / "no run").mkdir()
    (catalogue.runs / "file").touch()
    assert [run.path.name for run in catalogue.list()] == ["2026-01-02-crash", "2026-01-01-dark", "copy"]
    with pytest.raises(StoreError, match="fits several runs"):
        catalogue.find("2026-01-01-dark")
    assert catalogue.find(catalogue.runs / "copy") == catalogue.runs / "copy"


def test_runs_are_found_by_id_beginning_last_and_path(catalogue: Catalogue, tmp_path: Path) -> None:
    runs = catalogue.runs
    assert catalogue.find("2026-01-01-dark") == runs / "2026-01-01-dark"
    assert catalogue.find("2026-01-02") == runs / "2026-01-02-crash"
    assert catalogue.find("last") == runs / "2026-01-03-joint"
    assert Catalogue(tmp_path / "elsewhere").find(str(runs / "2026-01-01-dark")) == runs / "2026-01-01-dark"
    with pytest.raises(StoreError, match=r"fits several runs: 2026-01-03-joint, 2026-01-02-crash, 2026-01-01-dark"):
        catalogue.find("2026-01")
    with pytest.raises(StoreError, match=r"no run 'x'.*there is: 2026-01-03-joint"):
        catalogue.find("x")
    for ident in ("last", "", "x"):
        with pytest.raises(StoreError, match="there is: nothing"):
            Catalogue(tmp_path / "elsewhere").find(ident)


def test_a_whole_id_wins_over_being_a_beginning(runs: Path) -> None:
    for run_id in ("night", "night2"):
        RunWriter.create(runs, manifest(run_id)).close()
    assert Catalogue(runs).find("night") == runs / "night"


def test_a_long_list_is_shortened(runs: Path) -> None:
    for number in range(12):
        folder = runs / f"run{number}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    with pytest.raises(StoreError, match="and 2 more"):
        Catalogue(runs).find("x")


def test_a_catalogue_that_cannot_be_used_does_not_harm_a_run(runs: Path) -> None:
    (runs / CATALOGUE_FILE).mkdir(parents=True)
    writer = RunWriter.create(runs, manifest())
    writer.add_trace(trace())
    writer.finish(RunState.COMPLETE, "done", "all")
    assert [run.state for run in Catalogue(runs).list()] == [RunState.COMPLETE]
    with pytest.raises(StoreError, match="catalogue"):
        Catalogue(runs).rebuild()
