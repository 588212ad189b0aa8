"""Lab time for tests of single instruments: it moves only when something waits."""

from __future__ import annotations


class SteppedTime:
    """A timebase that starts at zero and moves by what is asked."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """Return lab time in s."""
        return self.time

    def elapse(self, seconds: float) -> None:
        """Move lab time on by `seconds`."""
        self.time += seconds
