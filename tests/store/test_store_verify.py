"""Rot is found wherever it is: in a file, in a number of run.db, between the files; and never used silently."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import h5py
import numpy as np
import pytest
from store_samples import manifest, result, trace
from test_store_losses import loss

from labctl.errors import StoreError
from labctl.store.checksums import CHECKSUM_FILE, write_checksums
from labctl.store.reader import RunReader
from labctl.store.records import RunState
from labctl.store.recover import recover
from labctl.store.rows import LOCKS
from labctl.store.verify import verify
from labctl.store.writer import RunWriter


@pytest.fixture(scope="module")
def closed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    writer = RunWriter.create(tmp_path_factory.mktemp("verify") / "runs", manifest())
    writer.add_traces(
        [trace(), trace("joint.complex", np.full((2, 101), 1 + 2j)), trace("joint.valid", np.ones(101) > 0)]
    )
    writer.add_traces(
        [trace("joint.signal_2"), trace(conventions={LOCKS: "lo1"}), trace("joint.half", np.float16(np.ones(101)))]
    )
    writer.quarantine("lo1", 0.0, 10.0, "it was lost")
    writer.add_result(result())
    writer.add_loss(loss())
    writer.finish(RunState.STOPPED, "why", "some")
    return writer.path


@pytest.fixture
def folder(closed_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(closed_run, tmp_path / "night"))


def alter(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        connection.execute(statement)


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 0x10
    file.write_bytes(data)


def test_a_run_that_is_whole_is_well_for_labctl_and_for_sha256sum(folder: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    verdict = verify(folder)
    assert (verdict.faults, verdict.notes) == ([], [])
    assert "6 traces and 1 results in run.db" in verdict.checked and "data.nc against run.db" in verdict.checked
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--strict", "--quiet", "-c", CHECKSUM_FILE], cwd=folder, check=True)


@pytest.mark.parametrize("name", ["manifest.json", "run.db", "data.nc", "results.json", "end.json"])
def test_one_bit_in_any_file_is_found(folder: Path, name: str) -> None:
    flip(folder / name, (folder / name).stat().st_size - 20)
    try:
        found = [fault.what for fault in verify(folder).faults]
    except StoreError as error:  # without a manifest it is no run
        found = [f"{name}: {error}"]
    assert any(name in what for what in found)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE traces SET data = zeroblob(length(data)) WHERE id = 1", "Trace joint.signal (number 1)"),
        ("UPDATE traces SET valid = 1, invalid_reason = '' WHERE id = 5", "Trace joint.signal (number 5)"),
        ("UPDATE traces SET ended_at = 3.0 WHERE id = 2", "Trace joint.complex (number 2)"),
        ("UPDATE axes SET data = zeroblob(length(data))", "The axis of trace joint.signal (number 1)"),
        ("UPDATE results SET value = -3.8", "Result joint.raw_db (number 1)"),
        ("UPDATE losses SET at = at + 1", "Lost lock number 1"),
    ],
)
def test_a_record_that_rots_is_told_and_not_used(folder: Path, statement: str, what: str) -> None:
    alter(folder, statement)
    write_checksums(folder)  # so that only the checksum of the record can tell
    faults = [fault.what for fault in verify(folder).faults]
    assert any(what in fault and "is not what was written" in fault for fault in faults)
    reader = RunReader(folder)
    with pytest.raises(StoreError, match="is not what was written"):
        [reader.trace_number(info.identity) for info in reader.traces()]
        reader.results()
        reader.losses()


def test_rot_costs_a_recovered_run_only_what_has_rotted(folder: Path) -> None:
    alter(folder, "UPDATE results SET value = -3.8")
    alter(folder, "UPDATE traces SET data = zeroblob(length(data)) WHERE id = 1")
    for name in ("end.json", "data.nc", "results.json", CHECKSUM_FILE):
        (folder / name).unlink()
    end = recover(folder).end
    assert end is not None and len(end.problems) == 2
    assert (folder / "results.json").read_text() == "{}\n"
    with h5py.File(folder / "data.nc") as file:
        assert sum(variable.attrs.get("kind") == "trace" for variable in file.values()) == 5
    assert "run.db" not in (folder / CHECKSUM_FILE).read_text()  # it is known to be damaged
    assert not verify(folder).is_well


def spoil_data(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        with h5py.File(folder / "data.nc", "a") as file:
            change(file)

    return spoil


def set_one(file: h5py.File) -> None:
    file["joint_complex"][1, 7, 1] = 2.5


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (spoil_data(set_one), "data.nc: the numbers of trace joint.complex"),
        (spoil_data(lambda file: file["frequency"].write_direct(np.arange(101.0))), "data.nc: the axis of trace"),
        (spoil_data(lambda file: file.__delitem__("joint_signal_2")), "data.nc: trace joint.signal_2 of step"),
        (
            spoil_data(lambda file: file["joint_raw_db"].write_direct(np.array(1.0))),
            "data.nc: result joint.raw_db is 1.0",
        ),
        (spoil_data(lambda file: file["joint_signal"].attrs.modify("valid", 0)), "data.nc: valid of trace"),
        (lambda folder: (folder / "results.json").write_text("{}"), "results.json has other results"),
        (lambda folder: (folder / "data.nc").unlink(), "data.nc is missing"),
        (lambda folder: (folder / "end.json").write_text("{"), "end.json is not valid JSON"),
    ],
)
def test_files_that_do_not_agree_are_found(folder: Path, spoil: Callable[[Path], object], what: str) -> None:
    spoil(folder)
    write_checksums(folder)
    assert any(what in fault.what for fault in verify(folder).faults)


def test_a_crashed_run_is_to_be_recovered_and_a_living_one_to_be_left(runs: Path) -> None:
    writer = RunWriter.create(runs, manifest())
    writer.add_trace(trace())
    with pytest.raises(StoreError, match="Verify it once it has ended"):
        verify(writer.path)
    writer.close()
    (fault,) = verify(writer.path).faults
    assert "has crashed" in fault.what and "recover" in fault.remedy
    recover(writer.path)
    assert verify(writer.path).is_well
    (writer.path / CHECKSUM_FILE).unlink()
    (fault,) = verify(writer.path).faults
    assert CHECKSUM_FILE in fault.what and "recover" in fault.remedy
    before = (writer.path / "data.nc").read_bytes()
    recover(writer.path)
    assert verify(writer.path).is_well and (writer.path / "data.nc").read_bytes() == before


@pytest.mark.parametrize("text", ["no checksum", "0" * 64 + "  ../data.nc", "\0"])
def test_damaged_checksums_are_a_fault(folder: Path, text: str) -> None:
    (folder / CHECKSUM_FILE).write_text(text)
    assert any(f"{CHECKSUM_FILE} is damaged" in fault.what for fault in verify(folder).faults)
