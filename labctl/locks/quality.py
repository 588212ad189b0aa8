"""Locked is a measurement: the verdict on a loop from a window of its witness and the state of its servo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labctl.station.roles import ServoState

FRINGE_MEAN_TOLERANCE = (
    0.15  # mean of the normalised fringe signal; a free fringe has mean 0 too, so the rms counts as well
)
FRINGE_RMS_TOLERANCE = 0.35  # a free fringe has 0.71
WITNESS_TOLERANCE = 0.85  # of the level at lock
RAIL_MARGIN = 0.05  # of the servo's output limit


@dataclass(frozen=True)
class Verdict:
    """Whether a loop is locked, and one sentence why not."""

    locked: bool
    reason: str = ""
    residual: float = float("nan")  # rms of the witness, in rad for a homodyne loop, relative for a level


def judge_fringe(name: str, normalised: Sequence[float], servo: ServoState | None, limit_v: float) -> Verdict:
    """Judge a homodyne loop by u = (y - offset) / amplitude over a window: mean, rms, and distance from the rails."""
    u = np.asarray(normalised, dtype=float)
    rms = float(np.sqrt(np.mean(u**2)))
    if not abs(u.mean()) <= FRINGE_MEAN_TOLERANCE:  # a reading that is no number is not locked either
        return Verdict(False, f"{name}: the fringe sits {u.mean():+.2f} of its amplitude from the set point.", rms)
    if not rms <= FRINGE_RMS_TOLERANCE:
        return Verdict(False, f"{name}: the fringe moves by {rms:.2f} of its amplitude rms, as a free one does.", rms)
    return _judge_rails(name, servo, limit_v, rms)


def judge_level(
    name: str, volts: Sequence[float], at_lock_v: float, servo: ServoState | None, limit_v: float
) -> Verdict:
    """Judge a loop that holds a witness at its top by the mean of a window against the level at lock."""
    v = np.asarray(volts, dtype=float)
    ratio = float(v.mean()) / at_lock_v
    residual = float(v.std()) / at_lock_v
    if not ratio >= WITNESS_TOLERANCE:
        return Verdict(False, f"{name}: the witness is at {100 * ratio:.0f} % of its level at lock.", residual)
    return _judge_rails(name, servo, limit_v, residual)


def _judge_rails(name: str, servo: ServoState | None, limit_v: float, residual: float) -> Verdict:
    if servo is None:
        return Verdict(True, residual=residual)
    if not servo.closed:
        return Verdict(False, f"{name}: the servo is open.", residual)
    if servo.at_limit or abs(servo.output_v) > (1.0 - RAIL_MARGIN) * limit_v:
        return Verdict(False, f"{name}: the servo output is at its limit ({servo.output_v:+.2f} V).", residual)
    return Verdict(True, residual=residual)
