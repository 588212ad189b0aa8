"""Files that nobody but their owner can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

OWNER_ONLY = 0o600
FOLDER_OF_OWNER = 0o700


def private_folder(path: Path) -> Path:
    """Make a folder, if need be, that only its owner may enter; on Windows it has the rights of the one above."""
    path.mkdir(mode=FOLDER_OF_OWNER, parents=True, exist_ok=True)
    return path


def new_private_file(path: Path) -> IO[bytes]:
    """Open a new file for writing that only its owner may read. Raises `FileExistsError` where there is one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, OWNER_ONLY), "wb")
