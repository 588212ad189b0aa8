"""Closing a run folder: data.nc, then results.json, then end.json, each whole or absent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from labctl.errors import LabError, StoreError
from labctl.store import losses, rows, trace_rows
from labctl.store.checksums import CHECKSUM_FILE, write_checksums
from labctl.store.database import is_sealed, seal
from labctl.store.documents import RESULTS_FILE, write_end, write_results
from labctl.store.durable import sync_folder
from labctl.store.netcdf import DATA_FILE, write_netcdf
from labctl.store.records import EndRecord, Manifest, NamedResult

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class RunFolder:
    """A run folder and its open database."""

    path: Path
    manifest: Manifest
    connection: sqlite3.Connection


def now_utc() -> str:
    """Wall time for the records that say when a folder was closed."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def close_run(run: RunFolder, end: EndRecord) -> EndRecord:
    """Write the three files and return `end` with the problems met; only end.json must succeed.

    Raises StoreError when end.json cannot be written.
    """
    problems = list(end.problems)
    none: dict[str, NamedResult] = {}
    results = _readable(problems, lambda: rows.readable_results(run.connection, problems), none)
    _attempt(problems, lambda: _write_data(run, end, results, problems))
    _attempt(problems, lambda: write_results(run.path, results))
    closed = replace(end, problems=tuple(problems))
    write_end(run.path, closed)
    return closed


def missing_files(folder: Path) -> list[str]:
    """Files that a closed run should have and has not."""
    return [name for name in (DATA_FILE, RESULTS_FILE) if not (folder / name).is_file()]


def is_finished(folder: Path) -> bool:
    """Whether the folder of a run that has ended needs nothing more."""
    return not missing_files(folder) and is_sealed(folder) and (folder / CHECKSUM_FILE).is_file()


def seal_folder(run: RunFolder, *, damaged: bool = False) -> None:
    """Fold the log into run.db and write the checksums of the closed folder, as far as the disk and who reads allow.

    A `damaged` database is left alone and out. What could not be done is told by `is_finished`, and done by the next
    recovery; nothing is lost.
    """
    if not damaged:
        with suppress(sqlite3.Error):  # somebody reads or the disk is full: the log stays, and readers know
            seal(run.connection)
    with suppress(OSError, StoreError):
        sync_folder(run.path)  # a log that is gone must not come back beside a checksum that knows nothing of it
        write_checksums(run.path, database=not damaged)


def refuse_missing(folder: Path, end: EndRecord) -> None:
    """Raise StoreError when a closed run lacks a file, saying why and that the data are safe."""
    if missing := missing_files(folder):
        raise StoreError(
            f"{folder} is closed as {end.state} but {' and '.join(missing)} could not be written: "
            f"{' '.join(end.problems)}",
            remedy="The data are safe in run.db; free space, then recover the run to write the missing files.",
        )


def _write_data(run: RunFolder, end: EndRecord, results: dict[str, NamedResult], problems: list[str]) -> None:
    connection = run.connection
    write_netcdf(
        run.path / DATA_FILE,
        run.manifest,
        trace_rows.readable_traces(connection, problems),
        results,
        _readable(problems, lambda: rows.events(connection), []),
        steps=_readable(problems, lambda: rows.steps(connection), []),
        snapshots=_readable(problems, lambda: rows.snapshots(connection), []),
        asked_settings=_readable(problems, lambda: rows.asked_settings(connection) or [], []),
        losses=_readable(problems, lambda: losses.losses(connection), []),
        end=end,
    )


def _readable(problems: list[str], read: Callable[[], Answer], otherwise: Answer) -> Answer:
    try:
        return read()
    except (sqlite3.Error, LabError, TypeError, ValueError) as error:
        problems.append(f"Part of run.db cannot be read ({error}).")
        return otherwise


def _attempt(problems: list[str], write: Callable[[], None]) -> None:
    try:
        write()
    except Exception as error:  # whatever it is, it must not keep end.json from being written
        problems.append(str(error) or repr(error))
