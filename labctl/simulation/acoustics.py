"""Phase noise of an optical path above the tick of the table, free and under a loop."""

from __future__ import annotations

import math

PATH_NOISE_RAD2_HZ = 0.02  # S_phi = this / f^2, one-sided, rad^2/Hz
TICK_CORNER_HZ = 5.0  # slower than this the path moves as a state of the table
LINES_HZ_RAD = ((50.0, 0.010), (100.0, 0.010), (180.0, 0.020), (320.0, 0.035), (640.0, 0.045))  # rms each


def residual_phase_rad(unity_gain_hz: float) -> float:
    """Return the rms phase in rad that a loop of unity gain `unity_gain_hz` leaves; 0 Hz is the free path.

    The loop is an integrator: its sensitivity is f / sqrt(f^2 + f_u^2) at frequency f.
    """
    corner = math.hypot(unity_gain_hz, TICK_CORNER_HZ)
    variance = PATH_NOISE_RAD2_HZ * (math.pi / 2.0) / corner
    for line_hz, rms_rad in LINES_HZ_RAD:
        variance += (rms_rad * line_hz / math.hypot(line_hz, unity_gain_hz)) ** 2
    return math.sqrt(variance)
