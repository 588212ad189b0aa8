"""Phase noise of an optical path above the tick of the table, free and under a loop."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

PATH_NOISE_RAD2_HZ = 0.02  # S_phi = this / f^2, one-sided, rad^2/Hz
TICK_CORNER_HZ = 5.0  # slower than this the path moves as a state of the table
LINES_HZ_RAD = ((50.0, 0.010), (100.0, 0.010), (180.0, 0.020), (320.0, 0.035), (640.0, 0.045))  # rms each

_CONTINUUM_HZ = np.geomspace(TICK_CORNER_HZ, 2.0e5, 600)
FREQUENCY_HZ = np.concatenate([_CONTINUUM_HZ, [line_hz for line_hz, _ in LINES_HZ_RAD]])
"""Where the open loop has to be known, in Hz: the continuum first, then the lines."""
_CONTINUUM_WEIGHT = PATH_NOISE_RAD2_HZ / _CONTINUUM_HZ**2 * np.gradient(_CONTINUUM_HZ)
_VARIANCE = np.concatenate([_CONTINUUM_WEIGHT, [rms_rad**2 for _, rms_rad in LINES_HZ_RAD]])


def residual_phase_rad(open_loop: NDArray[np.complex128]) -> float:
    """Return the rms phase in rad that a loop of gain `open_loop` at `FREQUENCY_HZ` leaves; zeros are the free path.

    The integral of S_phi |1 / (1 + G)|^2, and the lines.
    """
    return math.sqrt(float(_VARIANCE @ np.abs(1.0 / (1.0 + open_loop)) ** 2))


FREE_PATH_RAD = residual_phase_rad(np.zeros(FREQUENCY_HZ.size, dtype=complex))
"""What a path without a loop shakes, rms in rad."""
