"""The open loop of a servo around an actuator with a resonance: where it oscillates, and what noise it leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.acoustics import FREE_PATH_RAD, FREQUENCY_HZ, residual_phase_rad
from labctl.simulation.ports import ServoSettings

_SEARCH_HZ = np.geomspace(1.0, 5.0e5, 3000)
_SLOPES_PER_E = 50.0  # slopes closer than 2 % share one residual


@dataclass(frozen=True)
class Actuator:
    """A piezo with its mirror behind an amplifier: one mechanical resonance, and a delay that stands for the rest."""

    resonance_hz: float
    quality: float
    delay_s: float

    def response(self, frequency_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the complex response, 1 at low frequency."""
        ratio = frequency_hz / self.resonance_hz
        mechanics = 1.0 / (1.0 - ratio**2 + 1j * ratio / self.quality)
        return np.asarray(mechanics * np.exp(-2j * np.pi * frequency_hz * self.delay_s))


MIRROR_PIEZO = Actuator(resonance_hz=40e3, quality=5.0, delay_s=2e-6)


class LoopShape:
    """The open-loop gain of a servo with its settings and its actuator, for a plant of unit slope (V/V).

    C(f) = P (1 + I / (i w) + i w D), each term where it is switched on; the integrator's gain is P I in any case.
    """

    def __init__(self, settings: ServoSettings, actuator: Actuator) -> None:
        self._open_loop = _controller(settings, FREQUENCY_HZ) * actuator.response(FREQUENCY_HZ)
        self.critical_slope = _critical_slope(_controller(settings, _SEARCH_HZ) * actuator.response(_SEARCH_HZ))
        self._residuals: dict[int, float] = {}

    def residual_rad(self, slope: float) -> float:
        """Return the rms phase that the loop leaves of the noise of its path, for a plant of `slope` (signed as the
        gain is); a loop beyond its stability is taken at the edge."""
        if slope <= 0.0:
            return FREE_PATH_RAD
        slope = min(slope, 0.9 * self.critical_slope)
        key = round(_SLOPES_PER_E * math.log(slope))
        if key not in self._residuals:
            self._residuals[key] = residual_phase_rad(math.exp(key / _SLOPES_PER_E) * self._open_loop)
        return self._residuals[key]


def _controller(settings: ServoSettings, frequency_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the gain of the controller at the sign that feeds back negatively."""
    gain = abs(settings.proportional_gain)
    omega = 2.0 * np.pi * frequency_hz
    response = np.full(frequency_hz.shape, gain if settings.proportional_on else 0.0, dtype=complex)
    if settings.integral_on:
        response += gain * settings.integral_gain / (1j * omega)
    if settings.derivative_on:
        response += gain * settings.derivative_gain * 1j * omega
    return response


def _critical_slope(open_loop: NDArray[np.complex128]) -> float:
    """Return the slope of the plant at which a loop begins to oscillate: 1 over the largest gain where its phase is
    -180 degrees; infinite when there is none."""
    behind = np.imag(open_loop)
    crosses = np.flatnonzero((behind[:-1] < 0.0) & (behind[1:] >= 0.0) & (np.real(open_loop[1:]) < 0.0))
    if crosses.size == 0:
        return math.inf
    return float(1.0 / np.max(np.abs(open_loop[crosses])))
