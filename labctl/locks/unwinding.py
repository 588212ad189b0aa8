"""Other lock points that are as good: whole fringes away along a piezo whose phase bends with its voltage."""

from __future__ import annotations

import math
from dataclasses import dataclass

TURN_RAD = 2.0 * math.pi


@dataclass(frozen=True)
class RangeOfFringes:
    """Phase over output, phi = `rad_per_v_at_0` v + `rad_per_v2` v^2, v in V."""

    rad_per_v_at_0: float
    rad_per_v2: float = 0.0

    def phase_rad(self, output_v: float) -> float:
        """Return the phase from that at 0 V, in rad."""
        return (self.rad_per_v_at_0 + self.rad_per_v2 * output_v) * output_v

    def rad_per_v(self, output_v: float) -> float:
        """Return the slope of the phase at one output."""
        return self.rad_per_v_at_0 + 2.0 * self.rad_per_v2 * output_v

    def away(self, output_v: float, fringes: int) -> float:
        """Return the output `fringes` turns of phase above `output_v`; nan where the piezo does not reach."""
        phase = self.phase_rad(output_v) + TURN_RAD * fringes
        if self.rad_per_v2 == 0.0:
            return phase / self.rad_per_v_at_0
        inside = self.rad_per_v_at_0**2 + 4.0 * self.rad_per_v2 * phase
        if inside < 0.0:
            return math.nan
        # The root that goes on from a straight piezo, in the form that keeps its digits when the bow is small.
        return 2.0 * phase / (self.rad_per_v_at_0 + math.copysign(math.sqrt(inside), self.rad_per_v_at_0))

    def nearest_to_middle(self, output_v: float) -> float:
        """Return the output with the same phase but for whole turns that is nearest to 0 V."""
        turns = self.phase_rad(output_v) / TURN_RAD
        candidates = [self.away(output_v, -whole) for whole in (math.floor(turns), math.ceil(turns))]
        reachable = [volts for volts in candidates if not math.isnan(volts)]
        return min([*reachable, output_v], key=abs)

    def centred(self, output_v: float, guard_v: float) -> float:
        """Return `output_v` where it lies within +-`guard_v`, else the equivalent nearest to the middle."""
        return output_v if abs(output_v) <= guard_v else self.nearest_to_middle(output_v)
