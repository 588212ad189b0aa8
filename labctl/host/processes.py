"""Processes of this machine: whether they live, and how to end one that does not answer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_START_TIME_FIELD = 22  # of /proc/<pid>/stat, counted from 1; the name in field 2 may hold blanks


def lives(pid: int) -> bool | None:
    """Return whether there is a process of that number; None on Windows, where asking would touch it."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's process
        return True
    return True


def started(pid: int) -> str:
    """Return when a process began, in clock ticks since boot; "" where the system does not tell."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return ""
    return stat[stat.rfind(")") + 2 :].split()[_START_TIME_FIELD - 3]


def boot() -> str:
    """Return what tells this boot of the machine from another; "" where the system does not tell."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def command_of(pid: int) -> str:
    """Return the command line of a process; "" where the system does not tell."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def end_at_once(pid: int) -> None:
    """End a process without asking it: SIGKILL, or what Windows has in its place. Raises `OSError`."""
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def after_fork_in_child(act: Callable[[], None]) -> None:
    """Have `act` done in every child that is forked from now on; nothing where there is no fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=act)


def running(word: str) -> list[int]:
    """Return the processes whose command line has `word` as one of its words; empty where the system does not tell."""
    with suppress(OSError):
        pids = sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
        return [pid for pid in pids if word in command_of(pid).split()]
    return []


def parent_of(pid: int) -> int | None:
    """Return the process that started another, 1 where that has ended; None where the system does not tell."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return int(stat[stat.rfind(")") + 2 :].split()[1])
