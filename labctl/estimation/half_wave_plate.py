"""The power behind a half-wave plate and a polarizing beam splitter against the angle of the plate's mount.

P(theta) = mean + swing cos 4 (theta - brightest): a plate at theta turns the polarization by 2 theta, and the splitter
passes the square of its cosine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused

PERIOD_DEG = 90.0
FEWEST_ANGLES = 4
LEAST_SWING = 0.1  # of the mean: less is no plate before a polarizer
WORST_MISFIT = 0.05  # rms of the residuals over the swing


@dataclass(frozen=True)
class PlateCurve:
    """A fitted plate: `mean_w` and `swing_w` in W, `brightest_deg` the angle of most light, from 0 to 90 degrees."""

    mean_w: float
    swing_w: float
    brightest_deg: float

    @property
    def least_w(self) -> float:
        """Least power that the plate lets through, in W."""
        return self.mean_w - self.swing_w

    @property
    def most_w(self) -> float:
        """Most power that the plate lets through, in W."""
        return self.mean_w + self.swing_w

    def power_w(self, angle_deg: float) -> float:
        """Return the power at an angle, in W."""
        return self.mean_w + self.swing_w * math.cos(4.0 * math.radians(angle_deg - self.brightest_deg))

    def angle_deg(self, power_w: float, near_deg: float) -> float:
        """Return the angle of a power that is nearest to `near_deg`, from 0 to 360 degrees.

        Raises `AnalysisRefused` for a power that the plate does not reach.
        """
        if not self.least_w <= power_w <= self.most_w:
            raise AnalysisRefused(
                f"The plate lets {self.least_w:.3g} to {self.most_w:.3g} W through, not {power_w:.3g} W.",
                remedy="Ask for a power within these.",
            )
        away_deg = math.degrees(math.acos(min(max((power_w - self.mean_w) / self.swing_w, -1.0), 1.0))) / 4.0
        turns = [self.brightest_deg + sign * away_deg + PERIOD_DEG * k for sign in (-1.0, 1.0) for k in range(-1, 5)]
        return min((angle for angle in turns if 0.0 <= angle <= 360.0), key=lambda angle: abs(angle - near_deg))


def fit_plate(angles_deg: npt.ArrayLike, powers_w: npt.ArrayLike) -> PlateCurve:
    """Fit powers (n,) in W at angles (n,) in degrees, which should cover a period of 90 degrees.

    Raises `AnalysisRefused` for fewer than 4 angles, for powers that hardly change, and for those of no such plate.
    """
    theta, power = (np.asarray(a, dtype=np.float64) for a in (angles_deg, powers_w))
    if theta.ndim != 1 or theta.shape != power.shape or len(theta) < FEWEST_ANGLES:
        raise AnalysisRefused(f"A plate needs powers at {FEWEST_ANGLES} angles, not {theta.shape} and {power.shape}.")
    turn = 4.0 * np.radians(theta)
    design = np.column_stack([np.ones_like(turn), np.cos(turn), np.sin(turn)])
    solution, *_ = np.linalg.lstsq(design, power, rcond=None)
    mean, swing = float(solution[0]), math.hypot(solution[1], solution[2])
    misfit = float(np.sqrt(np.mean((design @ solution - power) ** 2)))
    if swing < LEAST_SWING * abs(mean) or misfit > WORST_MISFIT * swing:
        raise AnalysisRefused(
            f"The power does not follow the plate: mean {mean:.3g} W, swing {swing:.3g} W, misfit {misfit:.3g} W.",
            remedy="Check that the meter sees the light behind this plate, and nothing else.",
        )
    brightest = math.degrees(math.atan2(solution[2], solution[1])) / 4.0
    return PlateCurve(mean, swing, brightest % PERIOD_DEG)
