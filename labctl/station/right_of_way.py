"""Who may move the table: everybody, until it is made safe; then what is under way ends, and nothing else begins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from labctl.errors import InterlockOpen, Stopped


class RightOfWay:
    """Shared by the roles of one station, in whatever threads they are used.

    What moves light or voltage asks `begin` first and shows what it was given to `check` before each step, in the same
    transaction with the instrument as the step itself: whoever takes the table and then talks to that instrument is
    followed by no step of another.
    """

    def __init__(self) -> None:
        self._generation = 0
        self._takers = 0
        self._refusals: dict[str, str] = {}
        self._guard = threading.Lock()
        self._one_at_a_time = threading.RLock()

    @property
    def is_taken(self) -> bool:
        """Return whether the table is being made safe now."""
        return self._takers > 0

    def begin(self) -> int:
        """Return the pass of a motion that begins now. Raises `Stopped` while the table is made safe, `InterlockOpen`
        while somebody refuses."""
        with self._guard:
            if self._takers:
                raise Stopped("The table is being made safe: nothing else moves it meanwhile.")
            self._require_no_refusal()
            return self._generation

    def check(self, begun: int) -> None:
        """Raise `Stopped` where the table was taken since `begin` returned `begun`, `InterlockOpen` where somebody
        refused since."""
        if begun != self._generation:
            self._require_no_refusal()
            raise Stopped("The table was stopped or made safe meanwhile: what moved it before has ended.")

    def end_motions(self) -> None:
        """End what is under way; what begins later goes. For who cannot take the table in its own thread."""
        with self._guard:
            self._generation += 1

    # ---- who refuses ------------------------------------------------------------------------------------------------

    @property
    def refusal(self) -> str:
        """Return why nothing may be moved now, as a whole sentence; "" where it may."""
        return next(iter(self._refusals.copy().values()), "")

    def refuse(self, name: str, why: str) -> None:
        """End what is under way, and let nothing begin until `allow`; `why` is a whole sentence. Making the table safe
        goes on as ever."""
        with self._guard:
            self._refusals[name] = why
            self._generation += 1

    def allow(self, name: str) -> None:
        """Take back what was refused under this name."""
        with self._guard:
            self._refusals.pop(name, None)

    def _require_no_refusal(self) -> None:
        if self._refusals:
            raise InterlockOpen(
                f"{self.refusal} Nothing moves until it is reset.", remedy="Remove the cause, then reset the interlock."
            )

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
