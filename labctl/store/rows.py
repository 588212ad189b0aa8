"""Records to rows of run.db and back. Writing happens inside the caller's transaction."""

from __future__ import annotations

import sqlite3

from labctl.configuration.declared_types import as_declared
from labctl.errors import StoreError
from labctl.store import json_codec
from labctl.store.checks import check_result
from labctl.store.digests import Field, digest_of, has_digests
from labctl.store.documents import settings_from
from labctl.store.records import (
    AskedSetting,
    EventRecord,
    InstrumentSnapshot,
    NamedResult,
    StepRecord,
    StepState,
)

LOCKS = "locks"  # the convention of a trace that names the loops it needed, with spaces between
_RESULT_COLUMNS = "name, value, sigma, unit, convention, source"


def insert_event(connection: sqlite3.Connection, event: EventRecord) -> None:
    """Insert a checked event."""
    connection.execute(
        "INSERT INTO events (at, level, source, text) VALUES (?, ?, ?, ?)",
        (float(event.at), event.level, storable(event.source), storable(event.text)),
    )


def insert_result(connection: sqlite3.Connection, result: NamedResult) -> None:
    """Insert a checked result; an earlier one of the same name stays in the table and no longer counts."""
    row: tuple[Field, ...] = (
        result.name,
        result.value,
        result.sigma,
        storable(result.unit),
        storable(result.convention),
        storable(result.source),
    )
    connection.execute(
        f"INSERT INTO results ({_RESULT_COLUMNS}, digest) VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, digest_of(*row))
    )


def upsert_step(connection: sqlite3.Connection, step: StepRecord) -> None:
    """Insert a step, or replace the row of the same name and attempt in its place."""
    connection.execute(
        "INSERT INTO steps (name, attempt, procedure, state, started_at, ended_at, reason, parameters) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name, attempt) DO UPDATE SET procedure = excluded.procedure, "
        "state = excluded.state, started_at = excluded.started_at, ended_at = excluded.ended_at, "
        "reason = excluded.reason, parameters = excluded.parameters",
        (
            storable(step.name),
            int(step.attempt),
            storable(step.procedure),
            StepState(step.state).value,
            step.started_at if step.started_at is None else float(step.started_at),
            step.ended_at if step.ended_at is None else float(step.ended_at),
            storable(step.reason),
            storable(json_codec.encode(step.parameters, f"parameters of step {step.name}")),
        ),
    )


def insert_snapshot(connection: sqlite3.Connection, snapshot: InstrumentSnapshot) -> None:
    """Insert an instrument as it was found."""
    connection.execute(
        "INSERT INTO snapshots (name, driver, address, identity, settings) VALUES (?, ?, ?, ?, ?)",
        (
            storable(snapshot.name),
            storable(snapshot.driver),
            storable(snapshot.address),
            storable(snapshot.identity),
            storable(json_codec.encode(snapshot.settings, f"snapshot of {snapshot.name}")),
        ),
    )


def upsert_asked_setting(connection: sqlite3.Connection, asked: AskedSetting) -> None:
    """Insert what a setting was asked to be, or replace what it was asked to be before."""
    connection.execute(
        "INSERT INTO asked_settings (instrument, setting, value, unit, source) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (instrument, setting) DO UPDATE SET value = excluded.value, unit = excluded.unit, "
        "source = excluded.source",
        (
            storable(asked.instrument),
            storable(asked.setting),
            storable(json_codec.encode(asked.value, f"{asked.instrument}.{asked.setting}")),
            storable(asked.unit),
            storable(asked.source),
        ),
    )


def results(connection: sqlite3.Connection) -> dict[str, NamedResult]:
    """The latest result of every name; raises StoreError where one is not what was written."""
    damaged: list[str] = []
    found = readable_results(connection, damaged)
    if damaged:
        raise StoreError(damaged[0], remedy="Run labctl verify, and restore the run from a copy.")
    return found


def readable_results(connection: sqlite3.Connection, unreadable: list[str]) -> dict[str, NamedResult]:
    """The latest result of every name that is what was written; the others are described in `unreadable`.

    An earlier result does not stand in for a later one that is damaged.
    """
    checked = has_digests(connection)
    digest = "digest" if checked else "NULL"
    found: dict[str, NamedResult] = {}
    for identity, kept, *row in connection.execute(
        f"SELECT id, {digest}, {_RESULT_COLUMNS} FROM results ORDER BY id"
    ).fetchall():
        if checked and kept != digest_of(*row):
            unreadable.append(
                f"Result {row[0]} (number {identity}) is not what was written: its checksum does not fit."
            )
            found.pop(row[0], None)
            continue
        try:
            found[row[0]] = check_result(as_declared(NamedResult(*row)))
        except (TypeError, StoreError) as error:
            unreadable.append(f"Result number {identity} is damaged ({error}).")
    return found


def enter_digests(connection: sqlite3.Connection) -> None:
    """Give every result the checksum of what it is now, inside the caller's transaction."""
    for identity, *row in connection.execute(f"SELECT id, {_RESULT_COLUMNS} FROM results").fetchall():
        connection.execute("UPDATE results SET digest = ? WHERE id = ?", (digest_of(*row), identity))


def events(connection: sqlite3.Connection) -> list[EventRecord]:
    """All events in the order of their arrival."""
    rows = connection.execute("SELECT at, level, source, text FROM events ORDER BY id")
    return [as_declared(EventRecord(*row)) for row in rows]


def steps(connection: sqlite3.Connection) -> list[StepRecord]:
    """All attempts at all steps in the order of their first entry."""
    rows = connection.execute(
        "SELECT name, procedure, state, attempt, started_at, ended_at, reason, parameters FROM steps ORDER BY id"
    )
    return [
        as_declared(
            StepRecord(
                *(name, procedure, StepState(state), attempt, started_at, ended_at, reason),
                parameters=json_codec.decode_mapping(parameters, f"Parameters of step {name}"),
            )
        )
        for name, procedure, state, attempt, started_at, ended_at, reason, parameters in rows
    ]


def snapshots(connection: sqlite3.Connection) -> list[InstrumentSnapshot]:
    """Instruments identified after the run began, in the order of their arrival."""
    rows = connection.execute("SELECT name, driver, address, identity, settings FROM snapshots ORDER BY id")
    return [
        as_declared(InstrumentSnapshot(name, driver, address, identity, settings_from(settings, f"Snapshot of {name}")))
        for name, driver, address, identity, settings in rows
    ]


def asked_settings(connection: sqlite3.Connection) -> list[AskedSetting] | None:
    """What every setting was last asked to be, in the order in which they were first asked; None before it was kept."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'asked_settings'").fetchone() is None:
        return None
    rows = connection.execute("SELECT instrument, setting, value, unit, source FROM asked_settings ORDER BY id")
    return [
        as_declared(
            AskedSetting(instrument, setting, json_codec.decode(value, f"{instrument}.{setting}"), unit, source)
        )
        for instrument, setting, value, unit, source in rows
    ]


def steps_done(connection: sqlite3.Connection) -> str:
    """Coverage by the step journal: "7 of 12 steps"; empty when no step is in it."""
    (total,) = connection.execute("SELECT COUNT(DISTINCT name) FROM steps").fetchone()
    (done,) = connection.execute("SELECT COUNT(DISTINCT name) FROM steps WHERE state = ?", (StepState.DONE,)).fetchone()
    return f"{done} of {total} steps" if total else ""


def end_of_data(connection: sqlite3.Connection) -> float | None:
    """Lab time in s of the last trace or event, None when there is neither."""
    (last,) = connection.execute(
        "SELECT MAX(at) FROM (SELECT MAX(ended_at) AS at FROM traces UNION ALL SELECT MAX(at) FROM events)"
    ).fetchone()
    return None if last is None else float(last)


def row_number(cursor: sqlite3.Cursor) -> int:
    """The number of the row that was inserted."""
    if cursor.lastrowid is None:
        raise StoreError("The database did not number a new row.")
    return cursor.lastrowid


def storable(text: str) -> str:
    # Lone surrogates, from bytes that an instrument should not have sent, are no UTF-8 and SQLite refuses them.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
