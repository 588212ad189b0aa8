"""Where in a recording a free decay begins and ends, and about how fast it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import FloatArray

FEWEST_SAMPLES = 16
SMOOTHED_PARTS = (300, 60, 20)
"""Parts of the recording over which the power is averaged to find the decay in it."""
FLOOR_PART = 8
UNEVEN_TIMES = 1e-2
"""Largest departure of a sample from even times, in steps."""
CLEAR_OF_TOP = 0.7
CLEAR_OF_FLOOR = 3.0
DEEPEST = math.exp(-4.0)
"""The first slope is read between 0.7 and e^-4 of the top, or three times the floor."""
SMALLEST_FALL = 0.3
"""In nepers of power: a smaller fall is no decay."""
SMALLEST_CLEARANCE = 4.0
CLEAR_SLOPE = 1.2
SMALLEST_POWER = 1e-300
CHANGE_POINTS = 400
RATES_TRIED = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4)
LEAST_RELATIVE_FLOOR = 1e-6
SIGNIFICANT_CHANGE = 12.0
"""Gain in chi2 at which a level before the decay is believed."""
MARGIN = 0.05
"""Power decay times left out after the drive goes off."""
FLOOR_TIMES = 20.0
"""Power decay times kept after the decay has reached the floor."""
NEXT_PART = 50
RISE = 10.0
FALLEN = 0.2
"""Another decay follows where the power has been below a fifth of the top and comes back tenfold above that."""


@dataclass(frozen=True)
class DecayInterval:
    """Samples `first` up to, but without, `last`; rate_hz: decay rate of power over 2 pi, roughly; floor: power the
    decay ends in, roughly; plateau: samples with the drive on come before."""

    first: int
    last: int
    rate_hz: float
    floor: float
    plateau: bool


def even_step_s(time_s: FloatArray, samples: int, name: str) -> float:
    """Step of evenly spaced times (n,); refuses other times and too few."""
    t = np.asarray(time_s, dtype=np.float64)
    if t.ndim != 1 or len(t) != samples:
        raise AnalysisRefused(f"{name}: times of shape {t.shape} do not go with {samples} samples.")
    if len(t) < FEWEST_SAMPLES:
        raise AnalysisRefused(f"{name} has {len(t)} samples, too few for a decay.", remedy="Record more of them.")
    step = float(t[-1] - t[0]) / (len(t) - 1)
    if not (np.isfinite(t).all() and step > 0):
        raise AnalysisRefused(f"{name}: the times are not finite and ascending.")
    if np.abs(t - t[0] - step * np.arange(len(t))).max() > max(UNEVEN_TIMES, 1e-3 * len(t)) * step:
        raise AnalysisRefused(f"{name}: the times are not evenly spaced.", remedy="Resample it, or export every point.")
    return step


def find_decay(time_s: FloatArray, power: FloatArray, name: str) -> DecayInterval:
    """The largest decay of a power (n,) at even times: from where it falls to where it has been lost in the floor.

    Raises AnalysisRefused where nothing falls, or not clear of its floor.
    """
    refused: AnalysisRefused | None = None
    for parts in SMOOTHED_PARTS:  # no smoother than it takes to see the decay
        try:
            return _decay(time_s, power, max(1, len(power) // parts), name)
        except AnalysisRefused as refusal:
            refused = refused or refusal
    assert refused is not None
    raise refused


def _decay(time_s: FloatArray, power: FloatArray, width: int, name: str) -> DecayInterval:
    n = len(power)
    p = _smoothed(power, width)
    step = float(time_s[-1] - time_s[0]) / (n - 1)
    top = int(np.argmax(p))
    last = _before_the_next(_smoothed(power, max(width, n // NEXT_PART)), top)
    floor = float(_smoothed(power[top:last], max(1, (last - top) // FLOOR_PART)).min()) if last > top else float(p[top])
    below = p[top:last] < CLEAR_OF_TOP * p[top]
    near = top + int(np.argmax(below)) if below.any() else last
    deep = p[near:last] < max(DEEPEST * p[top], CLEAR_OF_FLOOR * floor)
    far = near + int(np.argmax(deep)) if deep.any() else last
    if p[top] < SMALLEST_CLEARANCE * floor or far - near < 3:
        near, far = top, last
    levels = np.log(np.maximum(p[near:far], SMALLEST_POWER))
    if len(levels) < 3 or levels[:2].mean() - levels[-2:].mean() < SMALLEST_FALL:
        raise AnalysisRefused(
            f"{name} shows no decay: the power never falls clear of noise.",
            remedy="Record from the moment the drive goes off, for a few decay times.",
        )
    slope, _ = np.polyfit(time_s[near:far] - time_s[near], levels, 1)
    if slope >= 0 or math.sqrt(float(levels.var())) < CLEAR_SLOPE * _roughness(levels):
        raise AnalysisRefused(f"{name} shows no decay: its power does not fall.")
    rate = -float(slope)
    lower = p[: top + 1] < p[top] / 2
    begin = top + 1 - int(np.argmax(lower[::-1])) if lower.any() else 0
    off = _drive_off(power[begin:far], step, rate, floor)
    first = begin + off
    reaches_floor = math.log(max(float(p[top]) / max(floor, SMALLEST_POWER), 1.0)) + FLOOR_TIMES
    samples = min(reaches_floor / max(rate * step, SMALLEST_POWER), float(len(p)))
    last = min(last, first + max(FEWEST_SAMPLES, math.ceil(samples)))
    if last - first < FEWEST_SAMPLES:
        raise AnalysisRefused(
            f"{name}: the decay has {last - first} samples, too few.", remedy="Sample faster or record longer."
        )
    return DecayInterval(first, last, rate / (2 * math.pi), floor, first > 0)


def _drive_off(power: FloatArray, step: float, rate: float, floor: float) -> int:
    """Sample from which the power only decays: least squares of a level that turns into a decay, over when and rate.

    0 unless a level before the decay fits significantly better than none.
    """
    factor = max(1, len(power) // CHANGE_POINTS)
    n = len(power) // factor
    p = power[: n * factor].reshape(n, factor).mean(axis=1)
    t = step * factor * np.arange(n)
    smooth = np.maximum(_smoothed(p, max(1, n // 20)), floor)
    weight = 1 / (smooth * max(floor, LEAST_RELATIVE_FLOOR * float(smooth.max())))
    best = (math.inf, 0)
    none = math.inf
    for scale in RATES_TRIED:
        decays = np.exp(-rate * scale * np.maximum(t - t[:, None], 0.0))  # row k: the drive goes off at sample k
        fitted = (decays * weight) @ (p - floor) / np.maximum((decays**2) @ weight, SMALLEST_POWER)
        cost = (weight * (p - floor - fitted[:, None] * decays) ** 2).sum(axis=1)
        at = int(np.argmin(cost))
        best, none = min(best, (float(cost[at]), at)), min(none, float(cost[0]))
    cost_of_best, at = best
    if at == 0 or (none / cost_of_best - 1) * n < SIGNIFICANT_CHANGE:
        return 0
    return at * factor + factor + math.ceil(MARGIN / (rate * step))


def _roughness(levels: FloatArray) -> float:
    """Scatter of levels from neighbour to neighbour."""
    return float(np.diff(levels).std()) / math.sqrt(2)


def _smoothed(power: FloatArray, width: int) -> FloatArray:
    """Running mean over `width` points, over fewer at the ends."""
    total = np.concatenate([[0.0], np.cumsum(power)])
    at = np.arange(len(power))
    low, high = np.maximum(at - width // 2, 0), np.minimum(at + (width + 1) // 2, len(power))
    return np.asarray((total[high] - total[low]) / (high - low))


def _before_the_next(p: FloatArray, top: int) -> int:
    """Index before which the decay that begins at `top` is over, should another follow."""
    fallen = p[top:] < FALLEN * p[top]
    if not fallen.any():
        return len(p)
    start = top + int(np.argmax(fallen))
    lowest = np.minimum.accumulate(p[start:])
    rises = (p[start:] > RISE * lowest) & (p[start:] > FALLEN * p[top])
    return start + int(np.argmin(p[start : start + int(np.argmax(rises)) + 1])) if rises.any() else len(p)
