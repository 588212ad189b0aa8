"""Highest and lowest level of a fringe from its crests and troughs, one by one: what the phase does between them, as on
a path that drifts, does not matter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.fringe import FringeFit
from labctl.spectra.acquisition import FloatArray

NEAR_RAD = 0.7  # of a crest to either side: what is fitted; further away drift of the phase is most of the scatter
FEWEST_SAMPLES = 5


def fringe_crests(fit: FringeFit, volts: FloatArray, signal: FloatArray) -> tuple[Estimate, Estimate]:
    """Return the mean level of the crests and that of the troughs of a scan, `volts` (n,) and `signal` (n,) in V, that
    `fit` describes well enough to say where they are.

    About each a + b cos + c sin of the fitted phase is adjusted, whose extreme is a +- hypot(b, c). The noise is that
    of the residuals about all of them: one alone has too few samples to tell. Refuses a scan with no whole crest or no
    whole trough.
    """
    phase = np.array([fit.phase_at(float(v)).value for v in volts])
    first, last = math.ceil(float(phase.min()) / math.pi), math.floor(float(phase.max()) / math.pi)
    crests: list[_Extreme] = []
    troughs: list[_Extreme] = []
    for turn in range(first, last + 1):
        near = np.abs(phase - turn * math.pi) < NEAR_RAD
        whole = phase.min() < turn * math.pi - NEAR_RAD and turn * math.pi + NEAR_RAD < phase.max()
        if whole and int(near.sum()) >= FEWEST_SAMPLES:
            sign = 1.0 if turn % 2 == 0 else -1.0
            (crests if sign > 0.0 else troughs).append(_extreme(phase[near] - turn * math.pi, signal[near], sign))
    if not crests or not troughs:
        raise AnalysisRefused("The scan has no whole crest and trough of the fringe.", remedy="Scan further.")
    every = crests + troughs
    # Few degrees of freedom still: as wide as Student's distribution, whose variance is freedom / (freedom - 2).
    freedom = sum(one.freedom for one in every)
    noise_v = math.sqrt(sum(one.squares for one in every) / max(freedom - 2, 1))
    return _mean(crests, noise_v), _mean(troughs, noise_v)


@dataclass(frozen=True)
class _Extreme:
    """One crest or trough: its level in V, the variance of that over the variance of a sample, the sum of squared
    residuals in V^2 and their degrees of freedom."""

    level_v: float
    share: float
    squares: float
    freedom: int


def _extreme(phase: FloatArray, signal: FloatArray, sign: float) -> _Extreme:
    """Return the level at which the fringe turns, `sign` +1 for a crest."""
    design = np.column_stack([np.ones_like(phase), np.cos(phase), np.sin(phase)])
    inverse = np.linalg.inv(design.T @ design)
    a, b, c = inverse @ design.T @ signal
    squares = float(((design @ np.array([a, b, c]) - signal) ** 2).sum())
    swing = math.hypot(b, c)
    gradient = np.array([1.0, sign * b / swing, sign * c / swing]) if swing else np.array([1.0, 0.0, 0.0])
    return _Extreme(float(a + sign * swing), float(gradient @ inverse @ gradient), squares, len(phase) - 3)


def _mean(extremes: list[_Extreme], noise_v: float) -> Estimate:
    """Return the mean level, each weighted by its information."""
    weights = [1.0 / one.share for one in extremes]
    level_v = sum(weight * one.level_v for weight, one in zip(weights, extremes, strict=True)) / sum(weights)
    return Estimate(level_v, noise_v / math.sqrt(sum(weights)), "V")
