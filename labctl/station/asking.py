"""Who asks for what is done now: a step of a recipe, a loop, a client of the bus, a person at the command line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_asking: ContextVar[str] = ContextVar("who asks", default="")


@contextmanager
def asking(who: str) -> Iterator[None]:
    """Have what is done in the block done in the name of `who`, such as "step lock_lo1" or "loop lo1"."""
    token = _asking.set(who)
    try:
        yield
    finally:
        _asking.reset(token)


def who_asks() -> str:
    """Return who asks in this thread; its name where nobody said so."""
    return _asking.get() or f"thread {threading.current_thread().name}"
