"""Collects Python's garbage in the thread of the screen alone.

Python collects in whichever thread happens to allocate, one of the bus too: widgets that go in a cycle would then be
destroyed outside their own thread, or in the middle of a painting, and Qt ends the program.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pyqtgraph.Qt import QtCore

LOOK_EVERY_MS: Final = 1000
EVERYTHING_EVERY: Final = 30  # looks: the oldest generation takes some ten milliseconds


@contextmanager
def collected_by_the_screen() -> Iterator[None]:
    """Let nobody but a timer of the screen collect for the block."""
    was_on, looks = gc.isenabled(), 0

    def collect() -> None:
        nonlocal looks
        looks += 1
        gc.collect(2 if looks % EVERYTHING_EVERY == 0 else 1)

    timer = QtCore.QTimer()
    timer.timeout.connect(collect)
    gc.disable()
    timer.start(LOOK_EVERY_MS)
    try:
        yield
    finally:
        timer.stop()
        if was_on:
            gc.enable()
