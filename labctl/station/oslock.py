"""The one seam to the lock of the operating system on an open file.

The kernel drops the lock when the process dies, however it dies; that is what makes "alive" testable.
"""

from __future__ import annotations

import errno
import sys
from contextlib import suppress
from enum import Enum


class LockAnswer(Enum):
    """What the system said to a request for a lock."""

    TAKEN = "taken"
    BUSY = "busy"
    UNSUPPORTED = "unsupported"  # some network file systems have no locks


if sys.platform == "win32":
    import msvcrt
    import os

    _LOCKED_BYTE = 1 << 30  # locks are mandatory on Windows: keep away from the text in the file

    def lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> LockAnswer:
        """Lock the file; Windows has no shared lock here, so a `shared` one is exclusive and short."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return LockAnswer.BUSY
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return LockAnswer.TAKEN

    def unlock(descriptor: int) -> None:
        """Let a locked file go at once."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        with suppress(OSError):  # it was not locked
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    _UNSUPPORTED = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}

    def lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> LockAnswer:
        """Lock the open file until it is closed; BUSY at once unless `wait`."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return LockAnswer.BUSY
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return LockAnswer.UNSUPPORTED
            raise
        return LockAnswer.TAKEN

    def unlock(descriptor: int) -> None:
        """Let a locked file go at once, for every process that has it open through this descriptor."""
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_UN)
