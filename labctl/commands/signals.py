"""What Ctrl-C and a request to terminate do while a command runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labctl.host.end_signals import handled


@contextmanager
def on_signals(act: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT, SIGTERM and a terminal that closes do `act` in the block, and what they did before afterwards."""

    with handled(act):
        yield
