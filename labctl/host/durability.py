"""Bytes that are on the disk, not only on their way to it."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def sync_file(descriptor: int) -> None:
    """Return when the disk has what was written to an open file. Raises `OSError`.

    On macOS `fsync` ends at the cache of the disk, which a power cut empties: `F_FULLFSYNC` empties it first. File
    systems without it, network ones mostly, are left with `fsync`.
    """
    if sys.platform == "darwin" and _full_sync(descriptor):
        return
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make creations and renames in `folder` durable; Windows has no such call and needs none. Raises `OSError`."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync_file(descriptor)
    finally:
        os.close(descriptor)


def _full_sync(descriptor: int) -> bool:
    fcntl: Any = import_module("fcntl")
    command = getattr(fcntl, "F_FULLFSYNC", None)
    if command is None:
        return False
    try:
        fcntl.fcntl(descriptor, command)
    except OSError:
        return False
    return True
