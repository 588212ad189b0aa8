"""The objective for a homodyne detector: the power share of the interference, from scans of the local oscillator's
phase."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.estimation.fringe import levels_of_turning_fringe
from labctl.spectra.estimate import Estimate
from labctl.station.roles import Monitor, Servo

SCAN_SHARE = 0.3  # of the servo's range: 1.4 fringes, so that there is a maximum and a minimum at any phase
SCAN_POINTS = 40
SCATTER = 0.005  # relative, of the amplitude: points do not fall on the very extremes, and the path moves meanwhile
SEEN = 0.9963  # of the amplitude, in the mean over all phases, by so many points over 1 to 2.5 fringes
NOISE_V = 1e-3  # of one reading of a slow monitor; weaker fringes are none
CONVENTION = "visibility squared, (a / 2 R sqrt(P_LO P_s))^2"


@dataclass
class FringePower:
    """Visibility squared from one scan of a servo, up and down in turn, at `full_v`: the amplitude in V of a perfect
    fringe. `light` gives the power of the probe now over that at which `full_v` holds.

    The servo's loop is open and stays so. Raises what servo and monitor raise.
    """

    servo: Servo
    monitor: Monitor
    full_v: float
    light: Callable[[], float] = lambda: 1.0
    _rising: bool = True

    def __call__(self) -> Estimate:
        """Scan once."""
        light_before = self.light()
        _, seen_v = levels_of_turning_fringe(self._scan())
        amplitude_v = seen_v / SEEN
        full2 = self.full_v**2 * 0.5 * (light_before + self.light())
        sigma_v = math.hypot(SCATTER * amplitude_v, NOISE_V)
        value = max(0.0, amplitude_v**2 - (2.0 * NOISE_V) ** 2) / full2
        return Estimate(value, 2.0 * amplitude_v * sigma_v / full2, "", CONVENTION)

    def _scan(self) -> NDArray[np.float64]:
        reach_v = SCAN_SHARE * self.servo.output_limit_v * (1.0 if self._rising else -1.0)
        self._rising = not self._rising
        return self.servo.sweep(np.linspace(-reach_v, reach_v, SCAN_POINTS), self.monitor.volts)


def visibility_of(power: Estimate) -> Estimate:
    """Return the visibility of a power share."""
    visibility = math.sqrt(max(power.value, 0.0))
    sigma = 0.5 * power.sigma / visibility if visibility > 0 else math.sqrt(power.sigma)
    return Estimate(visibility, sigma, "", "fringe amplitude over 2 R sqrt(P_LO P_s)")
