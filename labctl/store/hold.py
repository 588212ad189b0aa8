"""One process at a time writes a run folder, and anybody can see whether one does.

`run.lock` is locked by the kernel for as long as its holder lives and names the holder. It is never deleted: a
lock file that is removed while another process waits on it lets two in.
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from labctl.errors import StoreError
from labctl.host.durability import sync_file
from labctl.host.processes import after_fork_in_child
from labctl.station.oslock import LockAnswer, lock, unlock
from labctl.store.owner import Owner, Purpose

LOCK_FILE = "run.lock"
_LONGEST_OWNER = 65536  # bytes

_held: weakref.WeakSet[Hold] = weakref.WeakSet()


class Hold:
    """The right to write a run folder; ends with `release` or with the process."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        _held.add(self)

    @classmethod
    def take(cls, folder: Path, purpose: Purpose) -> Hold:
        """Take the folder, waiting only for readers and recoveries; raises StoreError while a run writes it.

        Raises OSError when the lock file cannot be made.
        """
        file = _opened(folder, "a+")
        try:
            answer = lock(file.fileno())
            if answer is not LockAnswer.TAKEN:
                owner = _read_owner(file)
                if _may_write(owner) and (answer is LockAnswer.BUSY or owner is not None):
                    raise StoreError(f"{folder} is in use by {_named(owner)}.", remedy="Let it end or stop it first.")
                lock(file.fileno(), wait=True)
            _write_owner(file, Owner.this_process(purpose))
        except BaseException:
            file.close()
            raise
        return cls(file)

    @property
    def released(self) -> bool:
        """True once released, and in a process forked from the holder."""
        return self._file.closed

    def release(self) -> None:
        """Let go; harmless when done twice."""
        if not self._file.closed:
            unlock(self._file.fileno())  # a child forked a moment ago may still have the file open
        self.forget()

    def forget(self) -> None:
        """Close the file without unlocking it: what a forked child does, whose lock is the parent's."""
        self._file.close()


@contextmanager
def reading(folder: Path) -> Iterator[bool]:
    """Yield whether nobody writes the folder; when so, nobody can begin to until the block ends.

    False also during a recovery. Needs no right to write. Raises OSError when the lock file cannot be read.
    """
    try:
        file = _opened(folder, "r")
    except FileNotFoundError:
        yield True
        return
    with file:
        answer = lock(file.fileno(), shared=True)
        if answer is LockAnswer.UNSUPPORTED:
            yield not _may_write(_read_owner(file))
        else:
            yield answer is LockAnswer.TAKEN


def run_is_alive(folder: Path) -> bool:
    """Whether a living process is running this run (recovering it does not count)."""
    with reading(folder) as nobody_writes:
        if nobody_writes:
            return False
        with _opened(folder, "r") as file:
            return _may_write(_read_owner(file))


def _opened(folder: Path, mode: str) -> FileIO:
    """The lock file; one that is a pipe would keep who opens it waiting, one behind a link is not of this folder."""
    path = folder / LOCK_FILE
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(errno.EINVAL, f"{LOCK_FILE} is no plain file")
    return FileIO(path, mode)


def _may_write(owner: Owner | None) -> bool:
    # A holder whose name is not written yet is just starting a run.
    return owner is None or (owner.purpose is Purpose.RUN and owner.is_alive() is not False)


def _named(owner: Owner | None) -> str:
    return "another process" if owner is None else f"process {owner.pid} on {owner.host}"


def _read_owner(file: FileIO) -> Owner | None:
    file.seek(0)
    return Owner.parse(file.read(_LONGEST_OWNER))


def _write_owner(file: FileIO, owner: Owner) -> None:
    file.truncate(0)  # the file is open for appending, so the text lands at its beginning
    file.write(owner.text())
    sync_file(file.fileno())


def _let_go_in_child() -> None:
    # A forked child shares the lock: it would keep a dead run looking alive.
    for hold in list(_held):
        hold.forget()


after_fork_in_child(_let_go_in_child)
