"""Slow random processes of the plant, exact on the tick of the table."""

from __future__ import annotations

import numpy as np

_STOCK = 256


class OrnsteinUhlenbeck:
    """A random walk that returns: stationary, Gaussian, exponential correlation. Exact for any tick."""

    def __init__(self, rng: np.random.Generator, rms: float, correlation_s: float, tick_s: float) -> None:
        self._rng = rng
        self._keep = float(np.exp(-tick_s / correlation_s))
        self._kick = rms * float(np.sqrt(1.0 - self._keep**2))
        self._drawn: list[float] = []  # kicks in stock, the next one last: one by one they cost ten times more
        self.value = rms * float(rng.standard_normal())

    def advance(self) -> float:
        """Move on by one tick and return the value."""
        if not self._drawn:
            self._drawn = (self._kick * self._rng.standard_normal(_STOCK)[::-1]).tolist()
        self.value = self._keep * self.value + self._drawn.pop()
        return self.value
