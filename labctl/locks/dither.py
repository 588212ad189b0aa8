"""A transmission held at its top by a slow dither: the arithmetic, without any instrument.

Near a resonance 1 / T = (1 + (2 d / w)^2) / T0, d the distance in m and w the full width at half maximum in m of
length. The dither goes to d + a and d - a in turn; (T+ - T-) / (T+ + T-) tells d whatever T0 is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labctl.errors import AnalysisRefused

LARGEST_ERROR: Final = 0.5  # linewidths: beyond it the two sides say no more how far it is
CORRECTED: Final = 0.5  # of the error, a step
STEADY_SHARE: Final = 0.04  # of the light, from one pair of sides to the next
MOST_SKIPPED: Final = 4  # pairs in a row
LARGEST_CORRECTION: Final = 0.15  # linewidths a step: a reading that is wrong must not throw the loop off


@dataclass(frozen=True)
class Peak:
    """A resonance as a few points about its top show it: where, how high, and how the light falls to either side.

    `falloff_per_v2` is (2 / w)^2 with w in V of these steps.
    """

    centre_v: float
    top_v: float
    falloff_per_v2: float

    @classmethod
    def through(cls, drive_v: Sequence[float], transmission_v: Sequence[float]) -> Peak:
        """Return the peak through three points or more; refuses what has no top within reach of the points."""
        drive = np.asarray(drive_v, dtype=float)
        light = np.asarray(transmission_v, dtype=float)
        if not (light > 0.0).all():
            raise AnalysisRefused("There is no light.", remedy="Look at the beam and its shutter.")
        middle = float(drive.mean())
        # Noise of 1 / T goes with 1 / T^2, so points near the top count more.
        curvature, slope, level = (float(c) for c in np.polyfit(drive - middle, 1.0 / light, 2, w=light**2))
        if curvature <= 0.0 or abs(0.5 * slope / curvature) > 2.0 * float(np.ptp(drive)):
            raise AnalysisRefused("The light has no top here.", remedy="Scan for the resonance.")
        away_v = -0.5 * slope / curvature
        inverse_top = level - curvature * away_v**2
        if inverse_top <= 0.0:
            raise AnalysisRefused("The light has no top here.", remedy="Scan for the resonance.")
        return cls(middle + away_v, 1.0 / inverse_top, curvature / inverse_top)

    def metres_per_volt(self, linewidth_m: float) -> float:
        """Return how far such a step moves the mirror, in m/V, by the linewidth (m)."""
        return 0.5 * linewidth_m * math.sqrt(self.falloff_per_v2)


class SteadyLight:
    """Whether the light stood still long enough for two sides in a row to be compared: a laser that loses a tenth of
    its power between them looks like a cavity half a linewidth off."""

    def __init__(self) -> None:
        self._total: float | None = None
        self._skipped = 0

    def forget(self) -> None:
        """Begin anew."""
        self._total, self._skipped = None, 0

    def believes(self, total: float) -> bool:
        """Return whether the light of a pair of sides may be used, from its sum and that of the pair before; light that
        never stands still is used now and then."""
        before, self._total = self._total, total
        steady = before is None or abs(total - before) <= STEADY_SHARE * before
        self._skipped = 0 if steady or self._skipped >= MOST_SKIPPED else self._skipped + 1
        return self._skipped == 0


@dataclass(frozen=True)
class DitherLaw:
    """From two levels to the distance from resonance, and from there to the next centre of the dither.

    `linewidth_m`: full width at half maximum in length. `metres_per_volt`: of steps as small as the dither's, positive
    where more volts make more length. `low_v` and `high_v`: what the piezo may be told.
    """

    linewidth_m: float
    metres_per_volt: float
    amplitude_m: float
    low_v: float
    high_v: float

    @property
    def amplitude_v(self) -> float:
        """Return the dither in V, peak."""
        return abs(self.amplitude_m / self.metres_per_volt)

    def at_side(self, centre_v: float, side: int) -> float:
        """Return the voltage on one side of the centre: +1 is the longer cavity."""
        return centre_v + math.copysign(side * self.amplitude_v, side * self.metres_per_volt)

    def within(self, centre_v: float) -> float:
        """Return the centre nearest to `centre_v` whose dither stays within what the piezo may be told."""
        return min(max(centre_v, self.low_v + self.amplitude_v), self.high_v - self.amplitude_v)

    def error_m(self, longer_v: float, shorter_v: float) -> float:
        """Return the distance of the centre from resonance in m, positive where the cavity is too long, from the light
        on the longer and on the shorter side; `LARGEST_ERROR` of the linewidth at most, nan without light."""
        total = longer_v + shorter_v
        if not (total > 0.0 and longer_v >= 0.0 and shorter_v >= 0.0):
            return math.nan
        balance = (longer_v - shorter_v) / total
        steepness = 4.0 / self.linewidth_m**2
        # balance = -2 a s d / (1 + s (d^2 + a^2)), the smaller root; no root is a distance beyond the steepest point.
        spread = 1.0 + steepness * self.amplitude_m**2
        full = self.amplitude_m * math.sqrt(steepness / spread)
        ratio = min(1.0, abs(balance) / full)
        distance = math.sqrt(spread / steepness) * ratio / (1.0 + math.sqrt(1.0 - ratio**2))
        return -math.copysign(min(distance, LARGEST_ERROR * self.linewidth_m), balance)

    def top_v(self, longer_v: float, shorter_v: float, error_m: float) -> float:
        """Return the light at resonance in V, from that on both sides of a centre so far away from it."""
        away = 2.0 * math.hypot(error_m, self.amplitude_m) / self.linewidth_m
        return 0.5 * (longer_v + shorter_v) * (1.0 + away**2)

    def corrected(self, centre_v: float, error_m: float) -> float:
        """Return the next centre: a share of the error back, no further than one step may, and within the range.

        The centre is the state of the integrator, so a loop at its limit winds nothing up; without a number it stays.
        """
        if math.isnan(error_m):
            return centre_v
        most_m = LARGEST_CORRECTION * self.linewidth_m
        back_m = min(max(CORRECTED * error_m, -most_m), most_m)
        return self.within(centre_v - back_m / self.metres_per_volt)
