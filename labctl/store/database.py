"""run.db: its schema, its transactions, and the ways to open it.

A commit returns only after the disk has the data: write-ahead log with synchronous=FULL. Opened to read, the
database is never written, whatever state a crash has left it in.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.failures import reported
from labctl.store.hold import reading
from labctl.store.losses import LOSSES_SCHEMA

RUN_DATABASE = "run.db"
SCHEMA_VERSION = 1  # one more table does not raise it: older readers pass it over, newer ones do without
APPLICATION_ID = 0x6C616263  # "labc": tells `file` and us whose database this is

_WAIT_FOR_OTHERS_S = 5.0
_LOG_SUFFIXES = ("-wal", "-journal")  # what SQLite still has to fold into the file

# An axis is stored once, however many traces share it. Blobs stand last so that the rest is read without them.
_SCHEMA = """
CREATE TABLE axes (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL
);
CREATE TABLE traces (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, step TEXT NOT NULL,
    axis_name TEXT NOT NULL, axis_unit TEXT NOT NULL, values_unit TEXT NOT NULL, conventions TEXT NOT NULL,
    valid INTEGER NOT NULL, invalid_reason TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL NOT NULL,
    axis_id INTEGER NOT NULL REFERENCES axes (id), dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL
);
CREATE INDEX traces_by_name ON traces (name, id);
CREATE TABLE results (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL NOT NULL, sigma REAL NOT NULL,
    unit TEXT NOT NULL, convention TEXT NOT NULL, source TEXT NOT NULL
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, level TEXT NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL
);
CREATE TABLE steps (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, attempt INTEGER NOT NULL, procedure TEXT NOT NULL, state TEXT NOT NULL,
    started_at REAL, ended_at REAL, reason TEXT NOT NULL, parameters TEXT NOT NULL, UNIQUE (name, attempt)
);
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, driver TEXT NOT NULL, address TEXT NOT NULL,
    identity TEXT NOT NULL, settings TEXT NOT NULL
);
CREATE TABLE asked_settings (
    id INTEGER PRIMARY KEY, instrument TEXT NOT NULL, setting TEXT NOT NULL, value TEXT NOT NULL, unit TEXT NOT NULL,
    source TEXT NOT NULL, UNIQUE (instrument, setting)
);
"""


def create_database(file: Path | None) -> sqlite3.Connection:
    """A new, empty run database, in memory when `file` is None; raises sqlite3.Error."""
    connection = _connect(str(file or ":memory:"))
    try:
        _make_durable(connection)
        with transaction(connection):
            for statement in (_SCHEMA + LOSSES_SCHEMA).split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_writing(file: Path) -> sqlite3.Connection:
    """An existing run database, with what a crash left in its log; raises sqlite3.Error or StoreError."""
    connection = _connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)
    try:
        _refuse_foreign(connection, file)
        _make_durable(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block is on the disk when it ends, or nothing of it is in the database."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def seal(connection: sqlite3.Connection) -> None:
    """Fold the log into the file and leave write-ahead mode: one file, readable on a read-only disk.

    Raises sqlite3.Error when somebody reads or the disk is full; nothing is lost then, the log stays beside the file.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute("PRAGMA journal_mode = DELETE").fetchall()


def is_sealed(folder: Path) -> bool:
    """Whether run.db is complete by itself."""
    logs = [folder / (RUN_DATABASE + suffix) for suffix in _LOG_SUFFIXES]
    return not any(log.exists() and log.stat().st_size > 0 for log in logs)


class ReadOnlyDatabase:
    """Opens the run.db of one folder to read: living, ended or crashed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._copy: Path | None = None

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for one short question; raises StoreError.

        Nothing stays open in between, so that a reader never keeps a run from being sealed.
        """
        try:
            with reported(f"read {RUN_DATABASE}", self._folder), reading(self._folder) as nobody_writes:
                file, options = self._source(nobody_writes)
                with closing(_connect(f"{file.absolute().as_uri()}?{options}", uri=True)) as connection:
                    _refuse_foreign(connection, self._folder / RUN_DATABASE)
                    yield connection
        except (TypeError, ValueError) as error:  # a row of the wrong type
            damaged = f"{self._folder / RUN_DATABASE} is damaged ({error})."
            raise StoreError(damaged, remedy="Restore it from a copy.") from error

    def _source(self, nobody_writes: bool) -> tuple[Path, str]:
        file = self._folder / RUN_DATABASE
        if not file.is_file():
            raise StoreError(f"{self._folder} holds no {RUN_DATABASE}.", remedy="Restore it from a copy.")
        if not nobody_writes:
            return file, "mode=ro"
        if is_sealed(self._folder):
            return file, "mode=ro&immutable=1"
        # SQLite would fold the log of a crashed run into the file: let it do so in a copy.
        return self._private_copy(), "mode=rw"

    def _private_copy(self) -> Path:
        if self._copy is None:
            folder = Path(tempfile.mkdtemp(prefix="labctl-crashed-run-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            for suffix in ("", *_LOG_SUFFIXES):
                source = self._folder / (RUN_DATABASE + suffix)
                if source.exists():
                    shutil.copyfile(source, folder / source.name)
            self._copy = folder / RUN_DATABASE
        return self._copy


def _connect(database: str, *, uri: bool = False) -> sqlite3.Connection:
    # The writer is used from several threads, one at a time.
    return sqlite3.connect(database, timeout=_WAIT_FOR_OTHERS_S, isolation_level=None, check_same_thread=False, uri=uri)


def _make_durable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _refuse_foreign(connection: sqlite3.Connection, file: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(f"{file} is no run database.", remedy="Restore it from a copy.")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{file} has schema {version}; this labctl reads up to {SCHEMA_VERSION}.", remedy="Update labctl."
        )
