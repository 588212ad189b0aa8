"""The one place where a command is held against the limits of the station file."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labctl.errors import LimitError


@dataclass(frozen=True)
class Limit:
    """A closed interval that commands to `what` must lie in; `key` is where the station file sets it."""

    what: str
    low: float
    high: float
    unit: str
    key: str

    def allows(self, value: float) -> bool:
        """Return whether a value is a number within."""
        return math.isfinite(value) and self.low <= value <= self.high

    def check(self, value: float) -> float:
        """Return `value`.

        Raises `LimitError` when it is not a number or lies outside; nothing is clipped silently.
        """
        if not self.allows(value):
            raise LimitError(
                f"{self.what}: {value:.12g} {self.unit} is outside {self.low:g} to {self.high:g} "
                f"{self.unit}; nothing was sent.",
                remedy=f"The limit is {self.key} of the station file.",
            )
        return value
