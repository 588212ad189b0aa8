"""The units in which spectrum analyzers show power across 50 ohm."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.scpi_syntax import NOT_A_NUMBER, ScpiError, read_number

IMPEDANCE_OHM = 50.0
LARGEST_LEVEL = 500.0
"""Beyond plus and minus this many dB, volts, watts or amperes nobody sets a level."""
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

_WATTS_AT_ZERO_DB = {
    "DBM": 1e-3,
    "DBMV": 1e-6 / IMPEDANCE_OHM,
    "DBUV": 1e-12 / IMPEDANCE_OHM,
    "DBMA": 1e-6 * IMPEDANCE_OHM,
    "DBUA": 1e-12 * IMPEDANCE_OHM,
}
_LINEAR_WATTS: Mapping[str, Callable[[float], float]] = {
    "W": lambda level: level,
    "V": lambda level: level**2 / IMPEDANCE_OHM,
    "A": lambda level: level**2 * IMPEDANCE_OHM,
}
_AMPLITUDE_SUFFIXES = dict.fromkeys(LEVEL_UNITS, 1.0)


def displayed(power_w: FloatArray | None, points: int, unit: str) -> FloatArray:
    """Return powers in `unit`, shape (points,); a trace that holds no sweep (None) is not-a-number throughout."""
    return np.full(points, NOT_A_NUMBER) if power_w is None else LEVEL_UNITS[unit](power_w)


def level(power_w: float, unit: str) -> float:
    """Return one power in `unit`; not-a-number, as instruments say it, for a power that is none."""
    return float(LEVEL_UNITS[unit](np.array(power_w))) if power_w > 0 else NOT_A_NUMBER


def level_difference(power_w: float, reference_w: float, unit: str) -> float:
    """Return a power relative to another: dB where `unit` is in decibels, else the ratio of the levels."""
    if not (power_w > 0 and reference_w > 0):
        return NOT_A_NUMBER
    level_of, power, reference = LEVEL_UNITS[unit], np.array(power_w), np.array(reference_w)
    if unit in _WATTS_AT_ZERO_DB:
        return float(level_of(power) - level_of(reference))
    return float(level_of(power) / level_of(reference))


def read_level(text: str, unit: str) -> float:
    """Return the power in W that a level spells, in `unit` where it names none.

    Raises ScpiError -131 for a suffix that is no amplitude, -222 for what is no level.
    """
    value = read_number(text, _AMPLITUDE_SUFFIXES)
    suffix = re.sub(r".*[^A-Z]", "", text.strip().upper())
    unit = suffix or unit
    if abs(value) > LARGEST_LEVEL or (unit in _LINEAR_WATTS and value <= 0):
        raise ScpiError(-222)
    if unit in _LINEAR_WATTS:
        return _LINEAR_WATTS[unit](value)
    return float(_WATTS_AT_ZERO_DB[unit] * 10 ** (value / 10))
