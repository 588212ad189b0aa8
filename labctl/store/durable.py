"""Files that are whole or absent: written aside, fsynced, renamed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Enough for the longest end.json that `documents` lets through: 5 texts of 2000 characters, 6 bytes each at most.
RESERVED_BYTES = 64 * 1024


def aside(path: Path) -> Path:
    """Where `path` is prepared: the same folder, so that the rename is atomic."""
    return path.with_name(f".{path.name}.part")


def write_durably(path: Path, data: bytes) -> None:
    """Replace `path` by `data` such that a crash leaves the old file or the new one; raises OSError."""
    part = aside(path)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        commit(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def commit(part: Path, path: Path) -> None:
    """Rename a finished, fsynced `part` to `path` and make the rename durable."""
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make creations and renames in `folder` durable; Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reserve(path: Path) -> None:
    """Occupy the disk blocks that `path` will need, so that a full disk cannot keep it from being written."""
    with _reserved(path).open("wb") as file:
        file.write(b" " * RESERVED_BYTES)
        file.flush()
        os.fsync(file.fileno())


def write_into_reserve(path: Path, data: bytes) -> None:
    """`write_durably`, inside the blocks that `reserve` occupied when they are there; raises OSError."""
    spare = _reserved(path)
    if not spare.exists():
        write_durably(path, data)
        return
    with spare.open("r+b") as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    commit(spare, path)


def _reserved(path: Path) -> Path:
    return path.with_name(f".{path.name}.reserved")
