"""Files that are whole or absent: written aside, fsynced, renamed."""

from __future__ import annotations

from pathlib import Path

from labctl.host.durability import sync_file, sync_folder
from labctl.store.archive_flag import refuse_archived

__all__ = ["aside", "commit", "make_folder", "reserve", "sync_folder", "write_durably", "write_into_reserve"]

# Enough for the longest end.json that `documents` lets through: 5 texts of 2000 characters, 6 bytes each at most.
RESERVED_BYTES = 64 * 1024


def aside(path: Path) -> Path:
    """Where `path` is prepared: the same folder, so that the rename is atomic."""
    return path.with_name(f".{path.name}.part")


def write_durably(path: Path, data: bytes) -> None:
    """Replace `path` by `data` such that a crash leaves the old file or the new one.

    Raises OSError, and StoreError where `path` belongs to an archived run.
    """
    refuse_archived(path)
    part = aside(path)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            sync_file(file.fileno())
        commit(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def commit(part: Path, path: Path) -> None:
    """Rename a finished, fsynced `part` to `path` and make the rename durable."""
    part.replace(path)
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are not there, durably; raises OSError."""
    missing = [one for one in (folder.absolute(), *folder.absolute().parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def reserve(path: Path) -> None:
    """Occupy the disk blocks that `path` will need, so that a full disk cannot keep it from being written."""
    with _reserved(path).open("wb") as file:
        file.write(b" " * RESERVED_BYTES)
        file.flush()
        sync_file(file.fileno())


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
        sync_file(file.fileno())
    commit(spare, path)


def _reserved(path: Path) -> Path:
    return path.with_name(f".{path.name}.reserved")
