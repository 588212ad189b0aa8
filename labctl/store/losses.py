"""Lost locks in run.db: the signals around each, what made it go, and how long every loop was locked."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labctl.configuration.declared_types import as_declared
from labctl.errors import StoreError
from labctl.locks.causes import Cause, CauseKind
from labctl.locks.first_movers import Mover
from labctl.locks.locked_time import LoopTime
from labctl.locks.losses import Evidence, Loss
from labctl.store import json_codec
from labctl.store.blobs import from_blob, to_blob
from labctl.store.digests import Field, digest_of, has_digests, require_intact
from labctl.store.rows import storable

SIGNALS = ("error", "witness", "output")

LOSSES_SCHEMA = """
CREATE TABLE IF NOT EXISTS losses (
    id INTEGER PRIMARY KEY, loop TEXT NOT NULL, at REAL NOT NULL, detected_at REAL NOT NULL, reason TEXT NOT NULL,
    kind TEXT NOT NULL, sentence TEXT NOT NULL, confidence REAL NOT NULL, first_mover TEXT NOT NULL,
    movers TEXT NOT NULL, loops TEXT NOT NULL, states TEXT NOT NULL,
    dtype TEXT NOT NULL, shape TEXT NOT NULL, digest BLOB, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS loop_times (loop TEXT PRIMARY KEY, wanted_s REAL NOT NULL, locked_s REAL NOT NULL);
"""
_COLUMNS = (
    "loop, at, detected_at, reason, kind, sentence, confidence, first_mover, movers, loops, states, dtype, shape, data"
)


@dataclass(frozen=True, eq=False)
class LossRecord:
    """A lost lock: its seconds, and what is thought to have made it go."""

    evidence: Evidence
    cause: Cause

    @property
    def loss(self) -> Loss:
        """The loop, when it was lost and by what it was noticed."""
        return self.evidence.loss


def check_loss(record: LossRecord) -> None:
    """Times and shapes of a loss. Raises `StoreError` that names the loop."""
    evidence, where = record.evidence, f"the loss of {record.loss.loop}"
    if not (math.isfinite(record.loss.at) and math.isfinite(record.loss.detected_at)):
        raise StoreError(f"A time of {where} is no number.", remedy="Lab time is a finite number of seconds.")
    expected = (len(evidence.loops), evidence.time_s.size)
    shapes = {array.shape for array in (evidence.error, evidence.witness, evidence.output_v)}
    ticks = {len(states) for states in evidence.states}
    if (
        not evidence.time_s.size
        or shapes != {expected}
        or ticks != {expected[1]}
        or len(evidence.states) != expected[0]
    ):
        raise StoreError(f"The signals of {where} are not {expected[0]} loops by {expected[1]} looks.")


def insert_loss(connection: sqlite3.Connection, record: LossRecord) -> None:
    """Insert a checked loss."""
    evidence, cause, loss = record.evidence, record.cause, record.loss
    where = f"the loss of {loss.loop}"
    rows = np.vstack([evidence.time_s[None, :], evidence.error, evidence.witness, evidence.output_v])
    movers = [asdict(mover) for mover in cause.order]
    row: tuple[Field, ...] = (
        *(storable(loss.loop), float(loss.at), float(loss.detected_at), storable(loss.reason)),
        *(str(cause.kind), storable(cause.sentence), float(cause.confidence), storable(cause.first_mover)),
        storable(json_codec.encode(movers, f"movers of {where}")),
        storable(json_codec.encode(list(evidence.loops), f"loops of {where}")),
        storable(json_codec.encode([list(states) for states in evidence.states], f"states of {where}")),
        *to_blob(rows, where),
    )
    connection.execute(
        f"INSERT INTO losses ({_COLUMNS}, digest) VALUES ({', '.join('?' * 15)})", (*row, digest_of(*row))
    )


def losses(connection: sqlite3.Connection) -> list[LossRecord]:
    """All losses in the order of their arrival; none in a run made before they were kept.

    Raises StoreError where one is not what was written.
    """
    if not _has(connection, "losses"):
        return []
    if not has_digests(connection):
        return [_loss(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM losses ORDER BY id")]
    found = connection.execute(f"SELECT digest, {_COLUMNS} FROM losses ORDER BY id").fetchall()
    for number, (digest, *row) in enumerate(found, start=1):
        require_intact(f"Lost lock number {number} ({row[0]})", digest, digest_of(*row))
    return [_loss(tuple(row)) for _, *row in found]


def enter_digests(connection: sqlite3.Connection) -> None:
    """Give every loss the checksum of what it is now, inside the caller's transaction."""
    for identity, *row in connection.execute(f"SELECT id, {_COLUMNS} FROM losses").fetchall():
        connection.execute("UPDATE losses SET digest = ? WHERE id = ?", (digest_of(*row), identity))


def upsert_loop_time(connection: sqlite3.Connection, time: LoopTime) -> None:
    """Insert how long a loop was locked, or replace what was known before."""
    connection.execute(
        "INSERT INTO loop_times (loop, wanted_s, locked_s) VALUES (?, ?, ?) ON CONFLICT (loop) DO UPDATE SET "
        "wanted_s = excluded.wanted_s, locked_s = excluded.locked_s",
        (storable(time.loop), float(time.wanted_s), float(time.locked_s)),
    )


def loop_times(connection: sqlite3.Connection) -> list[LoopTime]:
    """How long each loop was locked; none in a run made before it was kept."""
    if not _has(connection, "loop_times"):
        return []
    rows = connection.execute("SELECT loop, wanted_s, locked_s FROM loop_times ORDER BY rowid")
    return [as_declared(LoopTime(*row)) for row in rows]


def _loss(row: tuple[Any, ...]) -> LossRecord:
    loop, at, detected_at, reason, kind, sentence, confidence, first_mover, movers, loops, states = row[:11]
    where = f"The loss of {loop}"
    names = tuple(map(str, _list(loops, where)))
    dtype, shape, data = row[11:]
    signals = from_blob(dtype, shape, data, where)
    if signals.ndim != 2 or signals.shape[0] != 1 + len(SIGNALS) * len(names):
        raise StoreError(f"{where} has signals of the wrong shape; the record is damaged.")
    error, witness, output_v = np.split(signals[1:], len(SIGNALS))
    evidence = Evidence(
        loss=as_declared(Loss(loop, at, detected_at, reason)),
        loops=names,
        time_s=signals[0],
        error=error,
        witness=witness,
        output_v=output_v,
        states=tuple(tuple(map(str, one)) for one in _list(states, where)),
    )
    known = kind if kind in list(CauseKind) else CauseKind.UNKNOWN  # a later labctl may know more
    order = tuple(as_declared(Mover(**mover)) for mover in _list(movers, where))
    cause = as_declared(Cause(CauseKind(known), sentence, confidence, first_mover, order))
    record = LossRecord(evidence, cause)
    check_loss(record)
    return record


def _list(text: str, where: str) -> list[Any]:
    found = json_codec.decode(text, where)
    if not isinstance(found, list):
        raise StoreError(f"{where} has no list where one belongs; the record is damaged.")
    return found


def _has(connection: sqlite3.Connection, table: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    return found.fetchone() is not None
