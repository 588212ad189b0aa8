"""Pseudo terminals, which stand for serial lines."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def open_pair() -> tuple[int, int]:
    """Return our end and the other's, both raw; ours never blocks.

    Raises `ImportError` where the system has none, `OSError` where it has no more.
    """
    pty: Any = import_module("pty")
    tty: Any = import_module("tty")
    ours, theirs = pty.openpty()
    for descriptor in (ours, theirs):
        tty.setraw(descriptor)
    os.set_blocking(ours, False)
    return ours, theirs
