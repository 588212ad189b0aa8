"""The units in which spectrum analyzers show power across 50 ohm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.scpi_syntax import NOT_A_NUMBER

IMPEDANCE_OHM = 50.0
LEVEL_UNITS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "DBM": lambda w: 10 * np.log10(w / 1e-3),
    "DBMV": lambda w: 10 * np.log10(w * IMPEDANCE_OHM / 1e-6),
    "DBUV": lambda w: 10 * np.log10(w * IMPEDANCE_OHM / 1e-12),
    "DBMA": lambda w: 10 * np.log10(w / IMPEDANCE_OHM / 1e-6),
    "DBUA": lambda w: 10 * np.log10(w / IMPEDANCE_OHM / 1e-12),
    "W": lambda w: w,
    "V": lambda w: np.sqrt(w * IMPEDANCE_OHM),
    "A": lambda w: np.sqrt(w / IMPEDANCE_OHM),
}
"""What turns watts into each unit."""


def displayed(power_w: FloatArray | None, points: int, unit: str) -> FloatArray:
    """Return powers in `unit`, shape (points,); a trace that holds no sweep (None) is not-a-number throughout."""
    return np.full(points, NOT_A_NUMBER) if power_w is None else LEVEL_UNITS[unit](power_w)
