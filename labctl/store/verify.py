"""Is a run what it was when it was written? Every file and every record is held against its checksum and against the
others. Nothing is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labctl.errors import LabError, StoreError
from labctl.store import losses, rows, trace_rows
from labctl.store.checksums import CHECKSUM_FILE, COVERED, checksum_of, read_checksums
from labctl.store.database import RUN_DATABASE, ReadOnlyDatabase, is_sealed
from labctl.store.digests import FIRST_SCHEMA_WITH_DIGESTS, has_digests
from labctl.store.documents import RESULTS_FILE, read_manifest, read_results, schema_at_begin
from labctl.store.netcdf import DATA_FILE
from labctl.store.netcdf_check import differences
from labctl.store.reader import state_of
from labctl.store.records import RunState

RESTORE = "Restore it from a copy."
RECOVER = "Run labctl recover on it."


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a run, and what to do."""

    what: str
    remedy: str


@dataclass
class Verdict:
    """What was found: `faults` are wrong, `notes` are worth knowing, `checked` says what was looked at and is well."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    @contextmanager
    def looking_at(self, what: str, remedy: str = RESTORE) -> Iterator[None]:
        """Enter what goes wrong inside the block as a fault of `what`, and `what` as checked where nothing does."""
        before = len(self.faults)
        try:
            yield
        except StoreError as error:
            self.fault(str(error), "" if error.remedy else remedy)
        except (LabError, OSError, sqlite3.Error, KeyError, TypeError, ValueError, RuntimeError) as error:
            self.fault(f"{what} cannot be read: {error!r}.", remedy)
        if len(self.faults) == before:
            self.checked.append(what)

    def fault(self, what: str, remedy: str) -> None:
        """Enter a fault."""
        self.faults.append(Fault(what, remedy))


def verify(folder: Path) -> Verdict:
    """Check a run folder; raises StoreError where it is no run, or is being written now."""
    verdict = Verdict()
    read_manifest(folder)
    state, end = state_of_run(folder, verdict)
    if state is RunState.RUNNING:
        raise StoreError(f"{folder} is being written by a living process.", remedy="Verify it once it has ended.")
    if end:
        _check_files(folder, verdict)
    else:
        verdict.fault(f"{folder.name} has crashed and was not closed.", RECOVER)
    _check_database(folder, verdict, closed=end)
    return verdict


def state_of_run(folder: Path, verdict: Verdict) -> tuple[RunState, bool]:
    """How the run stands, and whether it was closed; an end.json that cannot be read is a fault of a closed run."""
    try:
        state, end = state_of(folder)
    except StoreError as error:
        verdict.fault(str(error), "" if error.remedy else RESTORE)
        return RunState.CRASHED, True
    return state, end is not None


def _check_files(folder: Path, verdict: Verdict) -> None:
    kept: dict[str, str] | None = {}
    with verdict.looking_at(CHECKSUM_FILE):
        kept = read_checksums(folder)
    if kept is None:
        verdict.checked.remove(CHECKSUM_FILE)
        if schema_at_begin(folder) < FIRST_SCHEMA_WITH_DIGESTS:
            verdict.notes.append("It was made before files had checksums; labctl recover gives it some from now on.")
        else:
            verdict.fault(f"{CHECKSUM_FILE} is missing: the run was cut off while it was closed.", RECOVER)
        kept = {}
    for name, checksum in kept.items():
        with verdict.looking_at(f"{name} against its checksum"):
            if not (folder / name).is_file():
                verdict.fault(f"{name} is missing, and {CHECKSUM_FILE} has it.", RESTORE)
            elif checksum_of(folder / name) != checksum:
                verdict.fault(f"{name} is not what it was when the run was closed: its checksum differs.", RESTORE)
    for name in COVERED:
        if name not in kept and not (folder / name).is_file():
            verdict.fault(f"{name} is missing.", RESTORE if name == RUN_DATABASE else RECOVER)
    if not is_sealed(folder):
        verdict.fault(f"{RUN_DATABASE} still has its log beside it.", RECOVER)


def _check_database(folder: Path, verdict: Verdict, *, closed: bool) -> None:
    if not (folder / RUN_DATABASE).is_file():
        return
    with verdict.looking_at(RUN_DATABASE), ReadOnlyDatabase(folder).connection() as connection:
        _check_structure(connection, verdict)
        if not has_digests(connection):
            verdict.notes.append("Its records have no checksums: it was made before they were kept.")
        unreadable: list[str] = []
        traces = [trace.name for trace in trace_rows.readable_traces(connection, unreadable)]
        results = rows.readable_results(connection, unreadable)
        for what in unreadable:
            verdict.fault(what, RESTORE)
        others: dict[str, Callable[[], object]] = {
            "events": lambda: rows.events(connection),
            "steps": lambda: rows.steps(connection),
            "snapshots": lambda: rows.snapshots(connection),
            "settings": lambda: rows.asked_settings(connection),
            "lost locks": lambda: losses.losses(connection),
        }
        for what, read in others.items():
            with verdict.looking_at(f"{what} in {RUN_DATABASE}"):
                read()
        verdict.checked.append(f"{len(traces)} traces and {len(results)} results in {RUN_DATABASE}")
        if closed and (folder / RESULTS_FILE).is_file():
            with verdict.looking_at(f"{RESULTS_FILE} against {RUN_DATABASE}", RECOVER):
                if read_results(folder) != results:
                    verdict.fault(f"{RESULTS_FILE} has other results than {RUN_DATABASE}.", RESTORE)
        if closed and (folder / DATA_FILE).is_file():
            with verdict.looking_at(f"{DATA_FILE} against {RUN_DATABASE}"):
                readable = trace_rows.readable_traces(connection, [])
                for what in differences(folder / DATA_FILE, readable, results):
                    verdict.fault(f"{DATA_FILE}: {what}", RESTORE)


def _check_structure(connection: sqlite3.Connection, verdict: Verdict) -> None:
    with verdict.looking_at(f"structure of {RUN_DATABASE}"):
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)").fetchall()]
        if found != ["ok"]:
            verdict.fault(f"{RUN_DATABASE} is damaged: {'; '.join(found)}.", RESTORE)
        if connection.execute("PRAGMA foreign_key_check").fetchall():
            verdict.fault(f"{RUN_DATABASE} has traces whose axis is missing.", RESTORE)
