"""What a disk or database error means to the operator, in one place."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labctl.errors import StoreError, StoreFull
from labctl.store.room import free_bytes

_FREE_SPACE = "Free space on that disk and try again; all data acknowledged before this are safe."
_CHECK_RIGHTS = "Check the owner and permissions of the folder, or choose another folder for runs."

_BY_ERRNO = {
    errno.ENOSPC: ("the disk is full", _FREE_SPACE),
    getattr(errno, "EDQUOT", errno.ENOSPC): ("the disk quota is used up", _FREE_SPACE),
    errno.EFBIG: ("the file would exceed the size limit of this system", "Raise the limit (ulimit -f) and try again."),
    errno.EACCES: ("access is denied", _CHECK_RIGHTS),
    errno.EPERM: ("access is denied", _CHECK_RIGHTS),
    errno.EROFS: ("the disk is read-only", _CHECK_RIGHTS),
    errno.ENOENT: ("the file or folder is missing", "Check that the folder was not moved or deleted."),
    errno.ENOTDIR: ("part of the path is a file", "Choose another folder for runs."),
    errno.EIO: ("the disk reported a hardware error", "Check the disk and its cable before going on."),
}

# Keys are primary SQLite result codes; the extended code keeps the primary one in its low byte.
_BY_SQLITE_CODE = {
    sqlite3.SQLITE_READONLY: ("the database is read-only", _CHECK_RIGHTS),
    sqlite3.SQLITE_CANTOPEN: ("the database cannot be opened", _CHECK_RIGHTS),
    sqlite3.SQLITE_BUSY: ("another program has locked the database", "Close the other program and try again."),
    sqlite3.SQLITE_TOOBIG: ("the data are larger than one record may be (1 GB)", "Store them in several traces."),
    sqlite3.SQLITE_CORRUPT: ("the database is damaged", "Restore the folder from a copy; do not write to it."),
    sqlite3.SQLITE_NOTADB: ("the file is not a database", "Restore the folder from a copy; do not write to it."),
    sqlite3.SQLITE_IOERR: ("the disk refused to read or write", "Check the free space and the health of the disk."),
}
_PRIMARY_CODE = 0xFF
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_MAY_BE_FULL = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)  # what SQLite also says where it finds no room
_NOTHING_LEFT_BYTES = 64 * 1024


def store_error(doing: str, folder: Path, error: Exception) -> StoreError:
    """The `StoreError` for an error of the disk or of SQLite, a `StoreFull` where there is no room; `doing` completes
    "Cannot ...": "write a trace"."""
    if _is_full(error, folder):
        over_quota = isinstance(error, OSError) and error.errno != errno.ENOSPC
        meaning, remedy = _BY_ERRNO[_NO_ROOM[1] if over_quota else errno.ENOSPC]
        return StoreFull(f"Cannot {doing} in {folder}: {meaning} ({error}).", remedy=remedy)
    meaning, remedy = _meaning(error)
    return StoreError(f"Cannot {doing} in {folder}: {meaning} ({error}).", remedy=remedy)


@contextmanager
def reported(doing: str, folder: Path) -> Iterator[None]:
    """Turn errors of the disk and of SQLite inside the block into a `StoreError` that names `folder`."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise store_error(doing, folder, error) from error


def _is_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    code = (getattr(error, "sqlite_errorcode", None) or 0) & _PRIMARY_CODE
    return code == sqlite3.SQLITE_FULL or (code in _MAY_BE_FULL and free_bytes(folder) < _NOTHING_LEFT_BYTES)


def _meaning(error: Exception) -> tuple[str, str]:
    unknown = ("the system refused", "Check the disk and try again.")
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0, unknown)
    code = getattr(error, "sqlite_errorcode", None)
    return unknown if code is None else _BY_SQLITE_CODE.get(code & _PRIMARY_CODE, unknown)
