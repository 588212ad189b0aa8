"""The tables of run.db, by version, and the way from an older version to this one.

Version 1 had no checksums; 2 has one for every trace, result and lost lock.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from labctl.errors import StoreError
from labctl.store import losses, rows, trace_rows
from labctl.store.digests import SCHEMA_VERSION

APPLICATION_ID = 0x6C616263  # "labc": tells `file` and us whose database this is

# An axis is stored once, however many traces share it. Blobs stand last so that the rest is read without them.
_TABLES = """
CREATE TABLE IF NOT EXISTS axes (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS traces (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, step TEXT NOT NULL,
    axis_name TEXT NOT NULL, axis_unit TEXT NOT NULL, values_unit TEXT NOT NULL, conventions TEXT NOT NULL,
    valid INTEGER NOT NULL, invalid_reason TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL NOT NULL,
    axis_id INTEGER NOT NULL REFERENCES axes (id), dtype TEXT NOT NULL, shape TEXT NOT NULL,
    digest BLOB, data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS traces_by_name ON traces (name, id);
CREATE TABLE IF NOT EXISTS results (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL NOT NULL, sigma REAL NOT NULL,
    unit TEXT NOT NULL, convention TEXT NOT NULL, source TEXT NOT NULL, digest BLOB
);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, level TEXT NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS steps (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, attempt INTEGER NOT NULL, procedure TEXT NOT NULL, state TEXT NOT NULL,
    started_at REAL, ended_at REAL, reason TEXT NOT NULL, parameters TEXT NOT NULL, UNIQUE (name, attempt)
);
CREATE TABLE IF NOT EXISTS snapshots (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, driver TEXT NOT NULL, address TEXT NOT NULL,
    identity TEXT NOT NULL, settings TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS asked_settings (
    id INTEGER PRIMARY KEY, instrument TEXT NOT NULL, setting TEXT NOT NULL, value TEXT NOT NULL, unit TEXT NOT NULL,
    source TEXT NOT NULL, UNIQUE (instrument, setting)
);
"""
_WITH_DIGESTS = ("traces", "results", "losses")


def create_tables(connection: sqlite3.Connection) -> None:
    """Make what is not there and note the version, inside the caller's transaction."""
    for statement in (_TABLES + losses.LOSSES_SCHEMA).split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def version_of(connection: sqlite3.Connection, file: Path) -> int:
    """The schema of a run database; raises StoreError where it is none, or newer than this labctl knows."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(f"{file} is no run database.", remedy="Restore it from a copy.")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{file} has schema {version}; this labctl reads up to {SCHEMA_VERSION}.", remedy="Update labctl."
        )
    _refuse_programs(connection, file)
    return int(version)


def _refuse_programs(connection: sqlite3.Connection, file: Path) -> None:
    """Refuse what would be run when it is read or written: a run has tables of plain columns and nothing else."""
    connection.execute("PRAGMA trusted_schema = OFF")
    found = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' "
        "UNION ALL SELECT 'computed column', tables.name || '.' || columns.name FROM sqlite_master AS tables "
        "JOIN pragma_table_xinfo(tables.name) AS columns WHERE tables.type = 'table' AND columns.hidden"
    ).fetchone()
    if found is not None:
        raise StoreError(
            f"{file} has a {found[0]} {str(found[1])[:40]!r}, which no run has.",
            remedy="labctl did not write it: do not use it.",
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring tables of an older version to this one, inside the caller's transaction: all of it is done or nothing.

    What is there from now on has a checksum; whether it changed before, nobody can know. Raises sqlite3.Error.
    """
    for table in _WITH_DIGESTS:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        if columns and "digest" not in columns:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN digest BLOB")
    create_tables(connection)
    trace_rows.enter_digests(connection)
    rows.enter_digests(connection)
    losses.enter_digests(connection)
