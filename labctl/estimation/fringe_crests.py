"""Highest and lowest level of a fringe from its crests and troughs, one by one: what the phase does between them, as on
a path that drifts, does not matter."""

from __future__ import annotations

import math

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.fringe import FringeFit
from labctl.spectra.acquisition import FloatArray

NEAR_RAD = 1.0  # of a crest to either side: what is fitted
FEWEST_SAMPLES = 5


def fringe_crests(fit: FringeFit, volts: FloatArray, signal: FloatArray) -> tuple[Estimate, Estimate]:
    """Return the mean level of the crests and that of the troughs of a scan, `volts` (n,) and `signal` (n,) in V, that
    `fit` describes well enough to say where they are.

    About each a + b cos + c sin of the fitted phase is adjusted, whose extreme is a +- hypot(b, c). Their scatter is in
    the uncertainties. Refuses a scan with no whole crest or no whole trough.
    """
    phase = np.array([fit.phase_at(float(v)).value for v in volts])
    first, last = math.ceil(float(phase.min()) / math.pi), math.floor(float(phase.max()) / math.pi)
    crests: list[Estimate] = []
    troughs: list[Estimate] = []
    for turn in range(first, last + 1):
        near = np.abs(phase - turn * math.pi) < NEAR_RAD
        whole = phase.min() < turn * math.pi - NEAR_RAD and turn * math.pi + NEAR_RAD < phase.max()
        if whole and int(near.sum()) >= FEWEST_SAMPLES:
            sign = 1.0 if turn % 2 == 0 else -1.0
            (crests if sign > 0.0 else troughs).append(_extreme(phase[near] - turn * math.pi, signal[near], sign))
    if not crests or not troughs:
        raise AnalysisRefused("The scan has no whole crest and trough of the fringe.", remedy="Scan further.")
    return _mean(crests), _mean(troughs)


def _extreme(phase: FloatArray, signal: FloatArray, sign: float) -> Estimate:
    """Return the level at which the fringe turns, `sign` +1 for a crest."""
    design = np.column_stack([np.ones_like(phase), np.cos(phase), np.sin(phase)])
    inverse = np.linalg.inv(design.T @ design)
    a, b, c = inverse @ design.T @ signal
    variance = float(((design @ np.array([a, b, c]) - signal) ** 2).sum()) / (len(phase) - 3)
    swing = math.hypot(b, c)
    gradient = np.array([1.0, sign * b / swing, sign * c / swing]) if swing else np.array([1.0, 0.0, 0.0])
    return Estimate(float(a + sign * swing), math.sqrt(float(gradient @ inverse @ gradient) * variance), "V")


def _mean(levels: list[Estimate]) -> Estimate:
    """Return the mean, with what the levels scatter more than each says for itself."""
    values = np.array([level.value for level in levels])
    own = math.sqrt(sum(level.sigma**2 for level in levels)) / len(levels)
    scatter = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Estimate(float(values.mean()), max(own, scatter), "V")
