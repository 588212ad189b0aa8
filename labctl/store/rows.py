"""Records to rows of run.db and back. Writing happens inside the caller's transaction."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.errors import MissingResult, StoreError
from labctl.store import json_codec
from labctl.store.blobs import from_blob, parse_shape, to_blob
from labctl.store.documents import settings_from
from labctl.store.records import (
    AskedSetting,
    DoubtfulTrace,
    EventRecord,
    InstrumentSnapshot,
    NamedResult,
    StepRecord,
    StepState,
    TraceInfo,
    TraceRecord,
)

LOCKS = "locks"  # the convention of a trace that names the loops it needed, with spaces between
_DIGEST_BYTES = 16
_INFO_COLUMNS = (
    "traces.id, name, step, axis_name, axis_unit, values_unit, traces.shape, traces.dtype, conventions, "
    "valid, invalid_reason, started_at, ended_at"
)


def insert_trace(connection: sqlite3.Connection, trace: TraceRecord) -> int:
    """Insert a checked trace and return its row."""
    where = f"trace {trace.name}"
    dtype, shape, data = to_blob(np.asarray(trace.values), where)
    axis_id = _axis_row(connection, np.asarray(trace.axis, dtype=np.float64), where)
    cursor = connection.execute(
        "INSERT INTO traces (name, step, axis_name, axis_unit, values_unit, conventions, valid, invalid_reason, "
        "started_at, ended_at, axis_id, dtype, shape, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            trace.name,
            storable(trace.step),
            storable(trace.axis_name),
            storable(trace.axis_unit),
            storable(trace.values_unit),
            storable(json_codec.encode(trace.conventions, f"conventions of {where}")),
            bool(trace.valid),
            storable(trace.invalid_reason),
            float(trace.started_at),
            float(trace.ended_at),
            axis_id,
            dtype,
            shape,
            data,
        ),
    )
    return _row(cursor)


def quarantine(
    connection: sqlite3.Connection, loop: str, since: float, until: float, reason: str
) -> list[DoubtfulTrace]:
    """Mark valid traces invalid that needed `loop` within lab times `since` to `until`, in s, and return them."""
    found = connection.execute(
        "SELECT id, name, step, started_at, conventions FROM traces "
        "WHERE valid = 1 AND ended_at >= ? AND started_at <= ? ORDER BY id",
        (since, until),
    ).fetchall()
    doubtful = [
        (identity, DoubtfulTrace(step, name, started_at))
        for identity, name, step, started_at, conventions in found
        if loop in str(json_codec.decode(conventions, f"conventions of trace {name}").get(LOCKS, "")).split()
    ]
    for identity, _ in doubtful:
        connection.execute("UPDATE traces SET valid = 0, invalid_reason = ? WHERE id = ?", (storable(reason), identity))
    return [trace for _, trace in doubtful]


def insert_event(connection: sqlite3.Connection, event: EventRecord) -> None:
    """Insert a checked event."""
    connection.execute(
        "INSERT INTO events (at, level, source, text) VALUES (?, ?, ?, ?)",
        (float(event.at), event.level, storable(event.source), storable(event.text)),
    )


def insert_result(connection: sqlite3.Connection, result: NamedResult) -> None:
    """Insert a checked result; an earlier one of the same name stays in the table and no longer counts."""
    connection.execute(
        "INSERT INTO results (name, value, sigma, unit, convention, source) VALUES (?, ?, ?, ?, ?, ?)",
        (
            result.name,
            result.value,
            result.sigma,
            storable(result.unit),
            storable(result.convention),
            storable(result.source),
        ),
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


def trace_infos(connection: sqlite3.Connection) -> list[TraceInfo]:
    """All traces in the order of their arrival, without their numbers."""
    rows = connection.execute(f"SELECT {_INFO_COLUMNS} FROM traces ORDER BY traces.id")
    return [_info(row) for row in rows]


def trace_by_row(connection: sqlite3.Connection, identity: int) -> TraceRecord:
    """One trace; raises StoreError when there is none or its record is damaged."""
    row = connection.execute(
        f"SELECT axes.dtype, axes.shape, axes.data, traces.data, {_INFO_COLUMNS} "
        "FROM traces LEFT JOIN axes ON axes.id = traces.axis_id WHERE traces.id = ?",
        (identity,),
    ).fetchone()
    if row is None:
        raise StoreError(f"The run has no trace number {identity}.")
    axis_dtype, axis_shape, axis_data, data, *rest = row
    info = _info(tuple(rest))
    where = f"Trace {info.name} (number {identity})"
    axis = from_blob(axis_dtype, axis_shape, axis_data, f"{where}, axis,")
    if info.shape[-1] != axis.size:
        raise StoreError(f"{where} has {info.shape[-1]} values on {axis.size} axis points; the record is damaged.")
    return TraceRecord(
        name=info.name,
        step=info.step,
        axis_name=info.axis_name,
        axis_unit=info.axis_unit,
        values_unit=info.values_unit,
        axis=axis,
        values=from_blob(info.dtype, rest[6], data, where),
        conventions=info.conventions,
        valid=info.valid,
        invalid_reason=info.invalid_reason,
        started_at=info.started_at,
        ended_at=info.ended_at,
    )


def latest_valid_trace(connection: sqlite3.Connection, name: str, folder: Path) -> TraceRecord:
    """The last valid trace of that name; raises MissingResult that says what there is instead."""
    found = connection.execute("SELECT id, valid, invalid_reason FROM traces WHERE name = ? ORDER BY id", (name,))
    rows = found.fetchall()
    valid = [identity for identity, is_valid, _ in rows if is_valid]
    if valid:
        return trace_by_row(connection, valid[-1])
    if rows:
        raise MissingResult(f"{folder}: none of the {len(rows)} traces {name} is valid; the last one: {rows[-1][2]}.")
    names = [row[0] for row in connection.execute("SELECT DISTINCT name FROM traces ORDER BY name")]
    raise MissingResult(f"{folder} has no trace {name}; it has: {', '.join(names) or 'none at all'}.")


def readable_traces(connection: sqlite3.Connection, unreadable: list[str]) -> Iterator[TraceRecord]:
    """Every trace that can be read, in order; what cannot is described in `unreadable`."""
    try:
        identities = [row[0] for row in connection.execute("SELECT id FROM traces ORDER BY id")]
    except sqlite3.Error as error:
        unreadable.append(f"The list of traces cannot be read ({error}).")
        return
    for identity in identities:
        try:
            trace = trace_by_row(connection, identity)
        except (StoreError, sqlite3.Error) as error:
            unreadable.append(f"Trace number {identity} cannot be read: {error}")
        else:
            yield trace


def results(connection: sqlite3.Connection) -> dict[str, NamedResult]:
    """The latest result of every name."""
    rows = connection.execute("SELECT name, value, sigma, unit, convention, source FROM results ORDER BY id")
    return {row[0]: NamedResult(*row) for row in rows}


def events(connection: sqlite3.Connection) -> list[EventRecord]:
    """All events in the order of their arrival."""
    return [EventRecord(*row) for row in connection.execute("SELECT at, level, source, text FROM events ORDER BY id")]


def steps(connection: sqlite3.Connection) -> list[StepRecord]:
    """All attempts at all steps in the order of their first entry."""
    rows = connection.execute(
        "SELECT name, procedure, state, attempt, started_at, ended_at, reason, parameters FROM steps ORDER BY id"
    )
    return [
        StepRecord(
            *(name, procedure, StepState(state), attempt, started_at, ended_at, reason),
            parameters=json_codec.decode_mapping(parameters, f"Parameters of step {name}"),
        )
        for name, procedure, state, attempt, started_at, ended_at, reason, parameters in rows
    ]


def snapshots(connection: sqlite3.Connection) -> list[InstrumentSnapshot]:
    """Instruments identified after the run began, in the order of their arrival."""
    rows = connection.execute("SELECT name, driver, address, identity, settings FROM snapshots ORDER BY id")
    return [
        InstrumentSnapshot(name, driver, address, identity, settings_from(settings, f"Snapshot of {name}"))
        for name, driver, address, identity, settings in rows
    ]


def asked_settings(connection: sqlite3.Connection) -> list[AskedSetting] | None:
    """What every setting was last asked to be, in the order in which they were first asked; None before it was kept."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'asked_settings'").fetchone() is None:
        return None
    rows = connection.execute("SELECT instrument, setting, value, unit, source FROM asked_settings ORDER BY id")
    return [
        AskedSetting(instrument, setting, json_codec.decode(value, f"{instrument}.{setting}"), unit, source)
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


def _axis_row(connection: sqlite3.Connection, axis: NDArray[np.float64], where: str) -> int:
    dtype, shape, data = to_blob(axis, f"the axis of {where}")
    digest = hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
    found = connection.execute("SELECT id FROM axes WHERE digest = ?", (digest,)).fetchone()
    if found is not None:
        return int(found[0])
    insert = "INSERT INTO axes (digest, dtype, shape, data) VALUES (?, ?, ?, ?)"
    return _row(connection.execute(insert, (digest, dtype, shape, data)))


def _row(cursor: sqlite3.Cursor) -> int:
    if cursor.lastrowid is None:
        raise StoreError("The database did not number a new row.")
    return cursor.lastrowid


def _info(row: tuple[Any, ...]) -> TraceInfo:
    identity, name, step, axis_name, axis_unit, values_unit, shape, dtype, conventions, valid, *rest = row
    where = f"Trace {name} (number {identity})"
    return TraceInfo(
        *(identity, name, step, axis_name, axis_unit, values_unit),
        shape=parse_shape(shape, where),
        dtype=str(dtype),
        conventions=json_codec.decode_mapping(conventions, f"Conventions of {where}"),
        valid=bool(valid),
        invalid_reason=rest[0],
        started_at=rest[1],
        ended_at=rest[2],
    )


def storable(text: str) -> str:
    # Lone surrogates, from bytes that an instrument should not have sent, are no UTF-8 and SQLite refuses them.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
