"""The shapes of a generator's waveform over one turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Turns = NDArray[np.float64]


def sine(turn: Turns) -> Turns:
    """Return the sine of `turn`."""
    return np.asarray(np.sin(2.0 * np.pi * turn))


def _triangle(turn: Turns) -> Turns:
    return np.asarray(1.0 - 4.0 * np.abs((turn + 0.25) % 1.0 - 0.5))


SHAPES: Mapping[str, Callable[[Turns], Turns]] = {
    "SINE": sine,
    "SQUARE": lambda turn: np.where(turn % 1.0 < 0.5, 1.0, -1.0),
    "TRIANGLE": _triangle,
    "SAWU": lambda turn: 2.0 * (turn % 1.0) - 1.0,
    "SAWD": lambda turn: 1.0 - 2.0 * (turn % 1.0),
    "DC": np.ones_like,
}
"""From turns to -1..1; a triangle starts at zero and rises."""
