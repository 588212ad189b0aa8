"""Checksums of rows of run.db, so that a bit that changed on the disk is told and never used.

SQLite notices a damaged structure, not a damaged number. The checksum stands beside the row and is compared whenever
the row is read.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct

from labctl.errors import StoreError

SCHEMA_VERSION = 2  # of run.db; a table more does not raise it: older readers pass it over, newer ones do without
FIRST_SCHEMA_WITH_DIGESTS = 2
DIGEST_BYTES = 16

Field = str | bytes | int | float | None
"""What a column of SQLite holds."""


def digest_of(*fields: Field) -> bytes:
    """BLAKE2b of the columns of a row in their order, each with its type and length."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for field in fields:
        kind, data = _bytes_of(field)
        digest.update(b"%c%d:" % (kind, len(data)))
        digest.update(data)
    return digest.digest()


def digest_of_axis(data: bytes) -> bytes:
    """BLAKE2b of the numbers of an axis, by which equal axes find each other."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def require_intact(where: str, kept: object, found: bytes) -> None:
    """Raise StoreError where the checksum that was `kept` with a record is not that of what was `found`."""
    if kept != found:
        raise StoreError(
            f"{where} is not what was written: its checksum does not fit.",
            remedy="The disk or a program has changed it. Run labctl verify, and restore the run from a copy.",
        )


def has_digests(connection: sqlite3.Connection) -> bool:
    """Whether rows of this run.db carry checksums; those of the first schema do not."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version) >= FIRST_SCHEMA_WITH_DIGESTS


def _bytes_of(field: Field) -> tuple[int, bytes]:
    if isinstance(field, bytes):
        return ord("b"), field
    if isinstance(field, str):
        return ord("s"), field.encode("utf-8", "surrogatepass")
    if isinstance(field, int):
        return ord("i"), b"%d" % field
    if isinstance(field, float):
        return ord("f"), struct.pack("<d", field + 0.0)  # SQLite keeps -0.0 as 0.0
    return ord("n"), b""
