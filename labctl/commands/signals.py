"""What Ctrl-C and a request to terminate do while a command runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_signals(act: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM in the block do `act`, and what they did before afterwards."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        act()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
