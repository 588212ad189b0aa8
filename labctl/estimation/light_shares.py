"""Shares of the probe among the sensors of a network, and how far its half-wave plates are to be turned for others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.physics.network import half_wave_plate_angles_deg, tap_reflectivities
from labctl.spectra.acquisition import FloatArray

FEWEST_READINGS = 10


@dataclass(frozen=True)
class PlateTurn:
    """One stage of the network from 1: degrees from the angle where it takes nothing, now and as wanted, and the shares
    that it takes there of the light that reaches it."""

    stage: int
    from_deg: float
    to_deg: float
    takes: float
    is_to_take: float


def light_shares(volts: FloatArray, top_over_seen: FloatArray) -> list[Estimate]:
    """Shares of the light behind M cavities, sum 1, from readings together (n, M) in V; `top_over_seen` (M,) is what
    each would show on resonance over what it shows.

    A change of the light that all have in common drops out. Refuses too few readings and light that is not there.
    """
    seen = np.asarray(volts, dtype=np.float64) * np.asarray(top_over_seen, dtype=np.float64)
    if seen.ndim != 2 or len(seen) < FEWEST_READINGS:
        raise AnalysisRefused(f"{FEWEST_READINGS} readings of all cavities are needed, not {seen.shape}.")
    if not (seen.mean(axis=0) > 0).all():
        raise AnalysisRefused("There is no light behind one of the cavities.", remedy="Lock it, and look at the beam.")
    shares = seen / seen.sum(axis=1, keepdims=True)
    mean, sigma = shares.mean(axis=0), shares.std(axis=0, ddof=1) / math.sqrt(len(shares))
    return [Estimate(float(m), float(s)) for m, s in zip(mean, sigma, strict=True)]


def equalising_shares(coupling: Sequence[float]) -> FloatArray:
    """Shares that make g0 / kappa x sqrt(power) the same for sensors of these g0 / kappa, (M,), sum 1."""
    ratio = np.asarray(coupling, dtype=np.float64)
    if not (ratio > 0).all():
        raise AnalysisRefused(f"A coupling of {ratio} cannot be made up for by light.")
    shares = ratio**-2
    return np.asarray(shares / shares.sum())


def plate_turns(shares: Sequence[float] | FloatArray, wanted: Sequence[float] | FloatArray) -> list[PlateTurn]:
    """How to turn the plates of a chain whose stage k sends its share to sensor k, the last one the rest to sensor M:
    it takes sin^2(2 angle) of what reaches it."""
    now, then = tap_reflectivities(shares), tap_reflectivities(wanted)
    angles = zip(half_wave_plate_angles_deg(shares), half_wave_plate_angles_deg(wanted), strict=True)
    taken = zip(now[:-1], then[:-1], strict=True)
    return [
        PlateTurn(stage, float(a), float(b), float(takes), float(is_to))
        for stage, ((a, b), (takes, is_to)) in enumerate(zip(angles, taken, strict=True), start=1)
    ]
