"""Who may move the table: everybody, until it is made safe; then what is under way ends, and nothing else begins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from labctl.errors import Stopped


class RightOfWay:
    """Shared by the roles of one station, in whatever threads they are used.

    What moves light or voltage asks `begin` first and shows what it was given to `check` before each step, in the same
    transaction with the instrument as the step itself: whoever takes the table and then talks to that instrument is
    followed by no step of another.
    """

    def __init__(self) -> None:
        self._generation = 0
        self._takers = 0
        self._guard = threading.Lock()
        self._one_at_a_time = threading.RLock()

    def begin(self) -> int:
        """Return the pass of a motion that begins now. Raises `Stopped` while the table is made safe."""
        with self._guard:
            if self._takers:
                raise Stopped("The table is being made safe: nothing else moves it meanwhile.")
            return self._generation

    def check(self, begun: int) -> None:
        """Raise `Stopped` where the table was taken since `begin` returned `begun`."""
        if begun != self._generation:
            raise Stopped("The table was stopped or made safe meanwhile: what moved it before has ended.")

    def end_motions(self) -> None:
        """End what is under way; what begins later goes. For who cannot take the table in its own thread."""
        with self._guard:
            self._generation += 1

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have the table alone for the block, after whoever has it now; motions under way end at once."""
        with self._guard:
            self._takers += 1
            self._generation += 1
        try:
            with self._one_at_a_time:
                yield
        finally:
            with self._guard:
                self._takers -= 1
