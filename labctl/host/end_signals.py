"""The signals by which a system asks a program to end."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_CLOSED = "SIGHUP"  # a terminal that closes; on Windows BREAK
_NAMES = ("SIGINT", "SIGTERM", _CLOSED, "SIGBREAK")


def end_signals() -> tuple[signal.Signals, ...]:
    """Return those that this system has, but HUP where `nohup` said that it is to be ignored."""
    there = {name: one for name in _NAMES if (one := getattr(signal, name, None)) is not None}
    return tuple(one for name, one in there.items() if name != _CLOSED or signal.getsignal(one) is not signal.SIG_IGN)


def leave_terminal(number: int) -> None:
    """Where a signal says that the terminal closed, let what would be printed there go nowhere: printing would fail.

    What goes into a file or a pipe goes on.
    """
    if number != getattr(signal, "SIGHUP", None):
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        for descriptor in (0, 1, 2):
            with suppress(OSError):
                if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                    os.dup2(nowhere, descriptor)
    finally:
        os.close(nowhere)


@contextmanager
def handled(act: Callable[[], None]) -> Iterator[None]:
    """Let every signal to end do `act` inside the block, and what it did before afterwards.

    Only the main thread may set them; in another the block runs as it is.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        leave_terminal(number)
        act()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, on_signal) for number in end_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
