"""Who holds a run folder: a process that cannot be mistaken for another one with the same number."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from labctl.errors import StoreError
from labctl.store import json_codec

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"
_START_TIME_FIELD = 22  # of /proc/<pid>/stat, counted from 1; the name in field 2 may hold blanks


class Purpose(StrEnum):
    """Why a process holds a run folder."""

    RUN = "run"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class Owner:
    """A process, told apart from a later one with the same pid by its start time and the boot of the machine.

    `started` is in clock ticks since boot; it and `boot_id` are empty where the system does not tell them.
    """

    pid: int
    started: str
    boot_id: str
    host: str
    purpose: Purpose

    @classmethod
    def this_process(cls, purpose: Purpose) -> Owner:
        """The calling process."""
        pid = os.getpid()
        return cls(pid, _start_time(pid), _boot_id(), platform.node(), purpose)

    @classmethod
    def parse(cls, text: bytes) -> Owner | None:
        """The owner written in a lock file; None when it is empty or torn."""
        try:
            fields = json_codec.decode(text, "run.lock")
            return cls(
                int(fields["pid"]),
                str(fields["started"]),
                str(fields["boot_id"]),
                str(fields["host"]),
                Purpose(fields["purpose"]),
            )
        except (StoreError, KeyError, TypeError, ValueError):
            return None

    def text(self) -> bytes:
        """What `parse` reads."""
        return json_codec.as_bytes(json_codec.encode(asdict(self), "run.lock") + "\n")

    def is_alive(self) -> bool | None:
        """Whether the process still exists; None when this machine cannot know."""
        if self.host != platform.node() or sys.platform == "win32":
            return None
        if self.boot_id != _boot_id() or not _exists(self.pid):
            return False
        return self.started == _start_time(self.pid)


def _exists(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's process
        return True
    return True


def _start_time(pid: int) -> str:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return ""
    after_name = stat[stat.rfind(")") + 2 :].split()
    return after_name[_START_TIME_FIELD - 3]


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
