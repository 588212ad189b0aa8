"""run.db: its schema, its transactions, and the ways to open it.

A commit returns only after the disk has the data: write-ahead log with synchronous=FULL. Opened to read, the
database is never written, whatever state a crash has left it in.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.digests import SCHEMA_VERSION
from labctl.store.failures import reported
from labctl.store.hold import reading
from labctl.store.schema import create_tables, migrate, version_of

RUN_DATABASE = "run.db"
_WAIT_FOR_OTHERS_S = 5.0
_LOG_SUFFIXES = ("-wal", "-journal")  # what SQLite still has to fold into the file


def create_database(file: Path | None) -> sqlite3.Connection:
    """A new, empty run database, in memory when `file` is None; raises sqlite3.Error."""
    connection = _connect(str(file or ":memory:"))
    try:
        _make_durable(connection)
        with transaction(connection):
            create_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_writing(file: Path, before_change: Callable[[], None] = lambda: None) -> sqlite3.Connection:
    """An existing run database, with what a crash left in its log; `before_change` is called once it has been looked
    at and before it is changed. Raises sqlite3.Error or StoreError.
    """
    connection = _connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)
    try:
        version_of(connection, file)
        before_change()
        _make_durable(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def bring_up_to_date(connection: sqlite3.Connection, file: Path) -> None:
    """Migrate a database of an older schema in one transaction; it is as it was when that fails.

    Raises sqlite3.Error or StoreError.
    """
    if version_of(connection, file) < SCHEMA_VERSION:
        with transaction(connection):
            migrate(connection)


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
                    version_of(connection, self._folder / RUN_DATABASE)
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
    connection.execute("PRAGMA fullfsync = ON")  # on macOS a plain fsync ends at the cache of the disk
    connection.execute("PRAGMA foreign_keys = ON")
