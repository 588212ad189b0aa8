"""The analog-to-digital converter behind the monitors of a SIM960: two readings a second of each of four signals.

A query gets the latest conversion at once. The first query in a half-second slot samples the signal, later ones in that
slot get the same number: the simulated converter cannot look back to when the slot began.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CONVERSION_S = 0.5
NOISE_V = 20e-6  # rms of one reading; an assumption, the manual gives none
ALL_CONVERTED = 15


@dataclass
class Stream:
    """Readings still to come: `left` of them, or None for ever, the next at the start of half-second slot `slot`."""

    signal: str
    left: int | None
    slot: int

    @property
    def starts_at(self) -> float:
        """Return when the next reading leaves, in s of lab time."""
        return self.slot * CONVERSION_S

    def step(self, present_slot: int) -> None:
        """Count one reading; a host that did not listen for long gets only the latest."""
        if self.left is not None:
            self.left -= 1
        self.slot = max(self.slot + 1, present_slot)


class Converter:
    """Readings of the signals that `sample` returns in V, spelled as the monitors answer them.

    `events` are the bits of ADSR.
    """

    def __init__(
        self, now: Callable[[], float], sample: Callable[[str], float], rng: np.random.Generator | None
    ) -> None:
        self._now = now
        self._sample = sample
        self._rng = rng
        self._readings: dict[str, tuple[int, float]] = {}
        self._seen = self.slot()
        self.events = 0

    def slot(self) -> int:
        """Return the number of the present half-second slot."""
        return math.floor(self._now() / CONVERSION_S)

    def advance(self) -> None:
        """Note the conversions that are complete by now."""
        if self.slot() > self._seen:
            self._seen = self.slot()
            self.events = ALL_CONVERTED

    def reading(self, signal: str) -> str:
        """Return the latest conversion of `signal`, as in `+01.106139`."""
        slot, volts = self._readings.get(signal, (-1, 0.0))
        if slot != self.slot():
            noise = 0.0 if self._rng is None else NOISE_V * self._rng.standard_normal()
            volts = self._sample(signal) + noise
            self._readings[signal] = (self.slot(), volts)
        return f"{volts:+010.6f}"
