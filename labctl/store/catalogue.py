"""The catalogue of runs: an index that is always checked against the folders and can be rebuilt from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.checks import parse_created
from labctl.store.documents import MANIFEST_FILE, read_manifest
from labctl.store.failures import reported
from labctl.store.reader import CRASH_REASON, state_of
from labctl.store.records import RunState, RunSummary
from labctl.store.rows import storable

CATALOGUE_FILE = "catalogue.db"
LATEST = "last"

_WAIT_FOR_OTHERS_S = 5.0
_MOST_LISTED = 10
_FOR_GOOD = RunState.COMPLETE  # every other state may have changed since it was indexed: such a run can be gone on with
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    folder TEXT PRIMARY KEY, run_id TEXT NOT NULL, created TEXT NOT NULL, title TEXT NOT NULL,
    station_name TEXT NOT NULL, backend TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, coverage TEXT NOT NULL
)
"""
_COLUMNS = "folder, run_id, created, title, station_name, backend, state, reason, coverage"

# `list` is a method of the catalogue, so its annotations cannot use that name.
Summaries = list[RunSummary]


class Catalogue:
    """The runs in one folder. A lost, damaged or unwritable index costs time, never truth."""

    def __init__(self, runs: Path) -> None:
        self.runs = Path(runs)
        self._file = self.runs / CATALOGUE_FILE

    def list(self) -> Summaries:
        """All runs, newest first, as they stand now; raises StoreError when the folder cannot be read."""
        indexed = self._indexed()
        summaries = {}
        for folder in self._folders():
            known = indexed.get(folder.name)
            summaries[folder.name] = known if known and known.state is _FOR_GOOD else summarise(folder)
        if summaries != indexed:
            self._mend(summaries)
        return sorted(summaries.values(), key=_newest_first)

    def rebuild(self) -> None:
        """Make the index anew from the folders alone; raises StoreError."""
        with reported("rebuild the catalogue", self.runs):
            for suffix in ("", "-wal", "-shm"):
                self._file.with_name(CATALOGUE_FILE + suffix).unlink(missing_ok=True)
        self._store({folder.name: summarise(folder) for folder in self._folders()})

    def note(self, folder: Path) -> None:
        """Enter one run, or bring its entry up to date; raises StoreError."""
        with self._database() as connection:
            _enter(connection, summarise(folder))

    def find(self, ident: str | Path) -> Path:
        """The folder of a run, given its id, the unique beginning of its id, "last", or its path.

        Raises StoreError that lists what there is.
        """
        summaries = self.list()
        text = str(ident)
        if text == LATEST and summaries:
            return summaries[0].path
        exact = [run for run in summaries if run.run_id == text]
        found = exact or [run for run in summaries if text and run.run_id.startswith(text)]
        if len(found) > 1:
            raise StoreError(f"{text!r} fits several runs: {_listed(found)}.", remedy="Give the whole id or the path.")
        if found:
            return found[0].path
        if (Path(ident) / MANIFEST_FILE).is_file():
            return Path(ident)
        raise StoreError(f"There is no run {text!r} in {self.runs}; there is: {_listed(summaries)}.")

    def _folders(self) -> Iterator[Path]:
        with reported("list the runs", self.runs):
            if self.runs.exists():
                yield from (entry for entry in self.runs.iterdir() if (entry / MANIFEST_FILE).is_file())

    def _indexed(self) -> dict[str, RunSummary]:
        if not self._file.exists():
            return {}
        try:
            with self._database() as connection:
                rows = connection.execute(f"SELECT {_COLUMNS} FROM runs").fetchall()
                return {row[0]: self._summary(row) for row in rows}
        except (StoreError, ValueError):
            return {}

    def _summary(self, row: tuple[str, ...]) -> RunSummary:
        folder, run_id, created, title, station_name, backend, state, reason, coverage = row
        path = self.runs / folder
        return RunSummary(run_id, path, created, title, station_name, backend, RunState(state), reason, coverage)

    def _mend(self, summaries: dict[str, RunSummary]) -> None:
        try:
            self._store(summaries)
        except StoreError:
            with suppress(StoreError):  # a read-only folder of runs can be listed all the same
                self.rebuild()

    def _store(self, summaries: dict[str, RunSummary]) -> None:
        with self._database() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM runs")
            for summary in summaries.values():
                _enter(connection, summary)
            connection.execute("COMMIT")

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with (
            reported("use the catalogue", self.runs),
            closing(sqlite3.connect(self._file, timeout=_WAIT_FOR_OTHERS_S, isolation_level=None)) as connection,
        ):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_SCHEMA)
            yield connection


def summarise(folder: Path) -> RunSummary:
    """One run as it stands now; a folder that cannot be read is listed too, with the reason."""
    try:
        manifest = read_manifest(folder)
    except StoreError as error:
        return RunSummary(folder.name, folder, "", "", "", "", RunState.CRASHED, str(error), "")
    try:
        state, end = state_of(folder)
        reason = end.reason if end else CRASH_REASON if state is RunState.CRASHED else ""
        coverage = end.coverage if end else ""
    except StoreError as error:
        state, reason, coverage = RunState.CRASHED, str(error), ""
    return RunSummary(
        run_id=manifest.run_id,
        path=folder,
        created=manifest.created,
        title=manifest.title,
        station_name=manifest.station_name,
        backend=manifest.backend,
        state=state,
        reason=reason,
        coverage=coverage,
    )


def _enter(connection: sqlite3.Connection, run: RunSummary) -> None:
    connection.execute(
        f"INSERT OR REPLACE INTO runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        tuple(
            map(
                storable,
                (
                    *(run.path.name, run.run_id, run.created, run.title, run.station_name),
                    *(run.backend, run.state.value, run.reason, run.coverage),
                ),
            )
        ),
    )


def _newest_first(run: RunSummary) -> tuple[float, str]:
    return (-_moment(run.created).timestamp(), run.run_id)


def _moment(created: str) -> datetime:
    try:
        return parse_created(created)
    except StoreError:
        return datetime.fromtimestamp(0, UTC)


def _listed(runs: Summaries) -> str:
    more = f" and {len(runs) - _MOST_LISTED} more" if len(runs) > _MOST_LISTED else ""
    return (", ".join(run.run_id for run in runs[:_MOST_LISTED]) or "nothing") + more
