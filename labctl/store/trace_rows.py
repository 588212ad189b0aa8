"""Traces to rows of run.db and back. Writing happens inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.configuration.declared_types import as_declared
from labctl.errors import MissingResult, StoreError
from labctl.store import json_codec
from labctl.store.blobs import from_blob, parse_shape, to_blob
from labctl.store.checks import check_name
from labctl.store.digests import Field, digest_of, digest_of_axis, has_digests, require_intact
from labctl.store.records import DoubtfulTrace, TraceInfo, TraceRecord
from labctl.store.rows import LOCKS, row_number, storable

_DESCRIPTION = "name, step, axis_name, axis_unit, values_unit, conventions, valid, invalid_reason, started_at, ended_at"
_COLUMNS = f"{_DESCRIPTION}, dtype, shape"
_WHAT_IT_IS = f"{_DESCRIPTION}, traces.dtype, traces.shape"  # where axes are joined


def insert_trace(connection: sqlite3.Connection, trace: TraceRecord) -> int:
    """Insert a checked trace and return its row."""
    where = f"trace {trace.name}"
    dtype, shape, data = to_blob(np.asarray(trace.values), where)
    axis_id, axis_digest = _axis_row(connection, np.asarray(trace.axis, dtype=np.float64), where)
    row: tuple[Field, ...] = (
        trace.name,
        storable(trace.step),
        storable(trace.axis_name),
        storable(trace.axis_unit),
        storable(trace.values_unit),
        storable(json_codec.encode(trace.conventions, f"conventions of {where}")),
        int(trace.valid),
        storable(trace.invalid_reason),
        float(trace.started_at),
        float(trace.ended_at),
        dtype,
        shape,
        data,
    )
    cursor = connection.execute(
        f"INSERT INTO traces ({_COLUMNS}, data, axis_id, digest) VALUES ({', '.join('?' * 15)})",
        (*row, axis_id, digest_of(*row, axis_digest)),
    )
    return row_number(cursor)


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
    for identity, doubted in doubtful:
        digest, fields, *_ = _fetch(
            connection, identity
        )  # what has changed must not get a checksum that says it is well
        require_intact(f"Trace {doubted.name} (number {identity})", digest, digest_of(*fields))
        connection.execute("UPDATE traces SET valid = 0, invalid_reason = ? WHERE id = ?", (storable(reason), identity))
        _enter_digest(connection, identity)
    return [trace for _, trace in doubtful]


def trace_infos(connection: sqlite3.Connection) -> list[TraceInfo]:
    """All traces in the order of their arrival, without their numbers."""
    return [_info(row) for row in connection.execute(f"SELECT id, {_WHAT_IT_IS} FROM traces ORDER BY id")]


def trace_by_row(connection: sqlite3.Connection, identity: int) -> TraceRecord:
    """One trace; raises StoreError when there is none, or it is not what was written."""
    digest, fields, axis_dtype, axis_shape, axis_data = _fetch(connection, identity)
    *described, data, axis_digest = fields
    info = _info((identity, *described))
    where = f"Trace {info.name} (number {identity})"
    if has_digests(connection):
        require_intact(where, digest, digest_of(*fields))
    axis = from_blob(axis_dtype, axis_shape, axis_data, f"{where}, axis,")
    require_intact(f"The axis of trace {info.name} (number {identity})", axis_digest, digest_of_axis(axis_data))
    if info.shape[-1] != axis.size:
        raise StoreError(f"{where} has {info.shape[-1]} values on {axis.size} axis points; the record is damaged.")
    return TraceRecord(
        name=info.name,
        step=info.step,
        axis_name=info.axis_name,
        axis_unit=info.axis_unit,
        values_unit=info.values_unit,
        axis=axis,
        values=from_blob(info.dtype, described[-1], data, where),
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


def enter_digests(connection: sqlite3.Connection) -> None:
    """Give every trace the checksum of what it is now, inside the caller's transaction."""
    for (identity,) in connection.execute("SELECT id FROM traces").fetchall():
        _enter_digest(connection, identity)


def _axis_row(connection: sqlite3.Connection, axis: NDArray[np.float64], where: str) -> tuple[int, bytes]:
    """The row of an axis, found or new, and its checksum."""
    dtype, shape, data = to_blob(axis, f"the axis of {where}")
    digest = digest_of_axis(data)
    found = connection.execute("SELECT id FROM axes WHERE digest = ?", (digest,)).fetchone()
    if found is not None:
        return int(found[0]), digest
    insert = "INSERT INTO axes (digest, dtype, shape, data) VALUES (?, ?, ?, ?)"
    return row_number(connection.execute(insert, (digest, dtype, shape, data))), digest


def _fetch(connection: sqlite3.Connection, identity: int) -> tuple[object, list[Any], object, object, Any]:
    """The checksum kept with a trace; all that it is of: what it is, its data, the checksum of its axis; and the dtype,
    shape and data of the axis. Raises StoreError when there is no such trace."""
    kept = "traces.digest" if has_digests(connection) else "NULL"
    row = connection.execute(
        f"SELECT {kept}, axes.dtype, axes.shape, axes.data, {_WHAT_IT_IS}, traces.data, axes.digest "
        "FROM traces LEFT JOIN axes ON axes.id = axis_id WHERE traces.id = ?",
        (identity,),
    ).fetchone()
    if row is None:
        raise StoreError(f"The run has no trace number {identity}.")
    digest, axis_dtype, axis_shape, axis_data, *fields = row
    return digest, fields, axis_dtype, axis_shape, axis_data


def _enter_digest(connection: sqlite3.Connection, identity: int) -> None:
    _, fields, *_ = _fetch(connection, identity)
    connection.execute("UPDATE traces SET digest = ? WHERE id = ?", (digest_of(*fields), identity))


def _info(row: Sequence[Any]) -> TraceInfo:
    identity, name, step, axis_name, axis_unit, values_unit, conventions, valid, *rest = row
    invalid_reason, started_at, ended_at, dtype, shape = rest
    check_name("trace", name)
    where = f"Trace {name} (number {identity})"
    return as_declared(
        TraceInfo(
            *(identity, name, step, axis_name, axis_unit, values_unit),
            shape=parse_shape(shape, where),
            dtype=str(dtype),
            conventions=json_codec.decode_mapping(conventions, f"Conventions of {where}"),
            valid=bool(valid),
            invalid_reason=invalid_reason,
            started_at=started_at,
            ended_at=ended_at,
        )
    )
