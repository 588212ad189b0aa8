"""What a system allows a process: open files, and whether its clock is kept by others."""

from __future__ import annotations

import ctypes
import struct
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

_TIMEX_BYTES = 512  # more than any system's `struct timex`
_TIME_ERROR = 5  # adjtimex: nobody keeps the clock


def most_open_files() -> int | None:
    """Return how many files this process may have open; None where the system does not tell."""
    try:
        resource: Any = import_module("resource")
    except ImportError:
        return None
    soft = int(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return None if soft == resource.RLIM_INFINITY else soft


@dataclass(frozen=True)
class KeptClock:
    """Whether the wall clock is kept by NTP or the like, and how far it may be off, in s."""

    is_kept: bool
    most_error_s: float


def kept_clock() -> KeptClock | None:
    """Return what the kernel knows of the wall clock; None where it does not tell. Nothing is changed."""
    if not sys.platform.startswith("linux"):
        return None
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only asks
    try:
        answer = int(ctypes.CDLL(None).adjtimex(buffer))
    except (OSError, AttributeError):
        return None
    if answer < 0:
        return None
    _, _, _, most_error_us = struct.unpack_from("@Illl", buffer)  # modes, offset, frequency, largest error
    return KeptClock(answer != _TIME_ERROR, most_error_us * 1e-6)


def groups_that_may_open(path: Path) -> str:
    """Return the group of a device, such as "dialout"; "" where the system has none."""
    try:
        grp: Any = import_module("grp")
        return str(grp.getgrgid(path.stat().st_gid).gr_name)
    except (ImportError, OSError, KeyError):
        return ""
