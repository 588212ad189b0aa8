"""What a servo adds to a piezo, through the external input of its amplifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class PutsOut(Protocol):
    """A servo, as far as its output goes."""

    def output_v(self) -> float:
        """Return the output in V, as it was told last where it does not move by itself."""
        ...

    def asked_output_v(self) -> tuple[float, float]:
        """Return the output in V, asked of whatever puts it out, and how old that may be, in s."""
        ...


@dataclass(frozen=True)
class ServoAtPiezo:
    """The servo that `find` returns, seen from the piezo: `gain` V there for each V of its output."""

    gain: float
    find: Callable[[], PutsOut]

    def told_v(self) -> float:
        """Return what it adds in V, as it was told last where it does not move by itself."""
        return self.gain * self.find().output_v()

    def asked_v(self) -> tuple[float, float]:
        """Return what it adds in V, asked of whatever puts it out, and how old that may be, in s: 0 of a servo that
        does not move by itself."""
        output_v, lag_s = self.find().asked_output_v()
        return self.gain * output_v, lag_s
