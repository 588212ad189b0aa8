"""An archived run is not written by anybody, until it is taken out of the archive."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from store_samples import manifest, trace

from labctl.errors import StoreError
from labctl.store.archive import archive, unarchive
from labctl.store.archive_flag import ARCHIVE_FILE
from labctl.store.durable import write_durably
from labctl.store.export import ExportFormat, export_run
from labctl.store.reader import RunReader
from labctl.store.records import RunState
from labctl.store.recover import recover
from labctl.store.verify import verify
from labctl.store.writer import RunWriter


@pytest.fixture
def stopped(runs: Path) -> Path:
    writer = RunWriter.create(runs, manifest())
    writer.add_trace(trace())
    writer.finish(RunState.STOPPED, "why", "some")
    (writer.path / "figures").mkdir()
    (writer.path / "figures" / "one.png").write_bytes(b"png")
    return writer.path


def modes(folder: Path) -> dict[str, int]:
    return {str(place): stat.S_IMODE(place.stat().st_mode) for place in (folder, *folder.rglob("*"))}


WRITERS: dict[str, Callable[[Path], object]] = {
    "reopen": RunWriter.reopen,
    "recover": recover,
    "export": lambda run: export_run(RunReader(run), ExportFormat.CSV, run / "csv"),
    "report": lambda run: write_durably(run / "report.html", b"page"),
    "figures": lambda run: write_durably(run / "figures" / "one.png", b"png"),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_nobody_writes_an_archived_run(stopped: Path, write: Callable[[Path], object]) -> None:
    before = modes(stopped)
    archive(stopped)
    archive(stopped)
    contents = {place: place.read_bytes() for place in stopped.rglob("*") if place.is_file()}
    with pytest.raises(StoreError, match=r"night is archived: nothing is written into it\. .*labctl archive --undo"):
        write(stopped)
    assert {place: place.read_bytes() for place in stopped.rglob("*") if place.is_file()} == contents
    assert not any(mode & 0o222 for mode in modes(stopped).values())
    assert verify(stopped).is_well and RunReader(stopped).trace("joint.signal").name == "joint.signal"
    unarchive(stopped)
    unarchive(stopped)
    assert modes(stopped) == before and not (stopped / ARCHIVE_FILE).exists()
    RunWriter.reopen(stopped).close()


def test_an_archived_run_can_be_exported_elsewhere(stopped: Path, tmp_path: Path) -> None:
    archive(stopped)
    assert export_run(RunReader(stopped), ExportFormat.CSV, tmp_path / "out").is_dir()
    unarchive(stopped)


def test_what_is_not_whole_is_not_archived(stopped: Path) -> None:
    (stopped / "results.json").write_text("{ }")
    with pytest.raises(StoreError, match=r"not archived, for it is not whole: results\.json is not what it was"):
        archive(stopped)
    assert not (stopped / ARCHIVE_FILE).exists()


def test_a_run_that_is_written_is_not_archived(writer: RunWriter) -> None:
    with pytest.raises(StoreError, match="in use by process"):
        archive(writer.path)


def test_a_damaged_flag_still_keeps_writers_out_and_can_be_undone(stopped: Path) -> None:
    archive(stopped)
    (stopped / ARCHIVE_FILE).chmod(0o600)
    (stopped / ARCHIVE_FILE).write_text("{")
    with pytest.raises(StoreError, match="is archived"):
        recover(stopped)
    unarchive(stopped)
    recover(stopped)
