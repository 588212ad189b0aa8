"""What is left of a process that the system ends for a fault of native code: the stacks of its threads, in a file."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labctl.host.private_files import new_private_file, private_folder

BEGINNING = "hard-crash-"


@contextmanager
def recorded(folder: Path) -> Iterator[None]:
    """Have a hard crash inside the block (SIGSEGV and the like) write `hard-crash-PID.txt` into a folder.

    Nothing where somebody records them already, and where the folder cannot be written. An empty file goes.
    """
    if faulthandler.is_enabled():
        yield
        return
    path = folder / f"{BEGINNING}{os.getpid()}.txt"
    try:
        private_folder(folder)
        path.unlink(missing_ok=True)
        file = new_private_file(path)
    except OSError:
        yield
        return
    faulthandler.enable(file)
    try:
        yield
    finally:
        faulthandler.disable()
        file.close()
        with suppress(OSError):
            if path.stat().st_size == 0:
                path.unlink()


def left_behind(folder: Path) -> list[Path]:
    """Return the files of hard crashes in a folder, oldest first."""
    with suppress(OSError):
        return sorted(
            (path for path in folder.glob(f"{BEGINNING}*.txt") if path.stat().st_size > 0),
            key=lambda path: path.stat().st_mtime,
        )
    return []
