"""Alignment health: the trend of a visibility over hours, and the sentence that it is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from labctl.spectra.estimate import Estimate

FEWEST_READINGS = 5
CONFIDENCE = 0.999  # that there is a trend at all, before anything is said
LEAST_LOSS_PER_HOUR = 0.005  # of the power; slower trends wait for the next day
HOUR_S = 3600.0


@dataclass(frozen=True)
class Sighting:
    """A visibility at a lab time in s."""

    at: float
    visibility: Estimate


def power_trend_per_hour(history: Sequence[Sighting]) -> tuple[Estimate, float] | None:
    """Return the relative change of the interference power, visibility squared, per hour, and the chance of one as
    large without a trend; None for fewer than 5 readings, or all at one time.

    A weighted straight line through 2 ln V; where it fits poorly its uncertainty grows with the scatter.
    """
    seen = [s for s in history if s.visibility.value > 0]
    hours = np.array([s.at for s in seen]) / HOUR_S
    if len(seen) < FEWEST_READINGS or np.ptp(hours) == 0:
        return None
    y = np.array([2.0 * math.log(s.visibility.value) for s in seen])
    sigma = np.array([max(2.0 * s.visibility.relative_sigma, 1e-9) for s in seen])
    weight = sigma**-2
    x = hours - np.average(hours, weights=weight)
    information = float((weight * x**2).sum())
    slope = float((weight * x * y).sum()) / information
    residual = y - np.average(y, weights=weight) - slope * x
    freedom = len(seen) - 2
    scatter = max(1.0, float((weight * residual**2).sum()) / freedom)
    error = math.sqrt(scatter / information)
    chance = 2.0 * float(student.sf(abs(slope) / error, freedom))
    return Estimate(slope, error, "1/h", "of visibility squared, relative"), chance


def advice(name: str, history: Sequence[Sighting]) -> str:
    """Return "Realign LO 3 yaw: -2.0 +- 0.3 %/h." for a significant loss, else nothing; `name` is what would be
    realigned, the percentage that of the interference power."""
    found = power_trend_per_hour(history)
    if found is None:
        return ""
    trend, chance = found
    if chance > 1.0 - CONFIDENCE or trend.value > -LEAST_LOSS_PER_HOUR:
        return ""
    return f"Realign {name}: {100 * trend.value:.1f} +- {100 * trend.sigma:.1f} %/h."
