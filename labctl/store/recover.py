"""Closing a run that its process could not close."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from labctl.errors import StoreError
from labctl.store import rows
from labctl.store.archive_flag import refuse_archived
from labctl.store.catalogue import Catalogue
from labctl.store.checksums import forget_checksums
from labctl.store.database import RUN_DATABASE, bring_up_to_date, create_database, open_for_writing
from labctl.store.documents import read_end, read_manifest
from labctl.store.ending import RunFolder, close_run, is_finished, missing_files, now_utc, refuse_missing, seal_folder
from labctl.store.failures import reported
from labctl.store.hold import Hold
from labctl.store.owner import Purpose
from labctl.store.reader import CRASH_REASON, RunReader
from labctl.store.records import EndRecord, RunState


def recover(path: Path) -> RunReader:
    """Write data.nc, results.json and end.json of a crashed run from run.db; its state stays "crashed".

    Of a run that has ended it writes only what is missing; of a run that lacks nothing, nothing. A database of an older
    schema that it has to open is brought to this one. Raises StoreError when a process is still running it, when it is
    archived or cannot be written, and when a file is still missing in the end.
    """
    folder = Path(path)
    refuse_archived(folder)
    manifest = read_manifest(folder)
    with reported("recover the run", folder):
        hold = Hold.take(folder, Purpose.RECOVERY)
        try:
            end = read_end(folder)
            if end is None or not is_finished(folder):
                connection, problems = _open(folder)
                with closing(connection):
                    run = RunFolder(folder, manifest, connection)
                    if end is None or missing_files(folder):
                        end = close_run(run, _ending(end, connection, problems))
                    seal_folder(run, damaged=bool(problems or end.problems))
        finally:
            hold.release()
    with suppress(StoreError):  # an index: the folders are the truth, and listing them mends it
        Catalogue(folder.parent).note(folder)
    refuse_missing(folder, end)
    return RunReader(folder)


def _open(folder: Path) -> tuple[sqlite3.Connection, tuple[str, ...]]:
    """run.db; when it is lost or beyond reading, an empty one in memory with the reason why."""
    file = folder / RUN_DATABASE
    if not file.exists():
        return create_database(None), (f"{RUN_DATABASE} is missing, so nothing of it is here.",)
    try:
        connection = open_for_writing(file, lambda: forget_checksums(folder))
    except sqlite3.DatabaseError as error:
        # A full or read-only disk is no reason to declare the data lost: only damage is.
        if getattr(error, "sqlite_errorcode", None) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        return create_database(None), (f"{RUN_DATABASE} is damaged, so nothing of it is here ({error}).",)
    with suppress(sqlite3.Error, StoreError):  # it is as it was then, and is read as the older schema that it is
        bring_up_to_date(connection, file)
    return connection, ()


def _ending(end: EndRecord | None, connection: sqlite3.Connection, problems: tuple[str, ...]) -> EndRecord:
    now = now_utc()
    if end is not None:
        return replace(end, recovered_at=now, problems=problems)
    try:
        coverage = rows.steps_done(connection)
    except sqlite3.Error as error:
        coverage, problems = "", (*problems, f"The step journal cannot be read ({error}).")
    return EndRecord(RunState.CRASHED, CRASH_REASON, coverage, ended=now, recovered_at=now, problems=problems)
