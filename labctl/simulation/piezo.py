"""A piezo on one channel of a high-voltage amplifier whose external input a servo drives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LOWEST_V = 0.0
HIGHEST_V = 150.0


class PiezoChannel:
    """Implements `PiezoPort`: amplifier setting plus `servo_gain` times the servo's output, within what the amplifier
    can give."""

    def __init__(self, servo_gain: float) -> None:
        self._servo_gain = servo_gain
        self._setting_v = 0.0
        self._servo_output: Callable[[], float] = lambda: 0.0

    def wire_servo(self, output: Callable[[], float]) -> None:
        """Connect the external input to a servo's output."""
        self._servo_output = output

    def drive(self, volts: float) -> None:
        """Set what the amplifier adds to its external input, in V."""
        self._setting_v = volts

    def external_volts(self) -> float:
        """Return what the external input adds, in V at the piezo."""
        return self._servo_gain * self._servo_output()

    def volts(self, servo_v: float) -> float:
        """Return the voltage at the piezo with `servo_v` at the external input."""
        return min(max(self._setting_v + self._servo_gain * servo_v, LOWEST_V), HIGHEST_V)

    def volts_of(self, servo_v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the voltages at the piezo for an array of external inputs."""
        return np.clip(self._setting_v + self._servo_gain * servo_v, LOWEST_V, HIGHEST_V)

    def volts_now(self) -> float:
        """Return the voltage at the piezo now."""
        return self.volts(self._servo_output())
