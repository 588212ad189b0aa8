"""Axes that programs wrote backward, twice, with too few digits, or there and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labctl.spectra.acquisition import FloatArray

SMOOTHED_SHARE = 0.02
"""Length of the running mean that tells a turning point from noise on a ramp, of all points."""
LARGEST_RAMP_NOISE = 0.02
"""Of the span: noise on a measured ramp up to which a smooth ramp may stand for it."""
RAMP_DEGREE = 3
FEWEST_SMOOTHED_POINTS = 30


def turned_places(x: FloatArray) -> npt.NDArray[np.int64]:
    """Points (k,) at which an axis goes against the way that most of it goes; repeats do not count."""
    steps = np.diff(x)
    against = steps < 0 if (steps > 0).sum() >= (steps < 0).sum() else steps > 0
    return np.flatnonzero(against) + 1


def put_in_order(x: FloatArray, y: FloatArray, notes: list[str], *, merge: bool) -> tuple[FloatArray, FloatArray]:
    """The points with the axis ascending; what was done is added to `notes`.

    An axis that repeats because it was rounded when written is spread evenly again; other points of one place become
    their mean. Without `merge` points of one place stay.
    """
    steps = np.diff(x)
    if (steps > 0).all():
        return x, y
    if (steps <= 0).all() and (steps < 0).any():
        notes.append("the axis runs backward and was turned round.")
        x, y = x[::-1], y[::-1]
    elif (steps < 0).any():
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
        if merge:
            notes.append("the axis was not in order and was sorted.")
    if not merge or (np.diff(x) > 0).all():
        return np.ascontiguousarray(x), np.ascontiguousarray(y)
    return _without_repeats(x, y, notes)


def one_way_stretch(x: FloatArray, y: FloatArray, notes: list[str]) -> tuple[FloatArray, FloatArray]:
    """The longest part of a scan in which its axis goes one way; a noisy ramp is replaced by a smooth one."""
    if not len(turned_places(x)):
        return x, y
    way = _way(x)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(way) != 0) + 1, [len(way)]])
    longest = int(np.argmax(np.diff(edges)))
    start, stop = int(edges[longest]), int(edges[longest + 1]) + 1
    if stop - start < len(x):
        notes.append(f"the scan turns round; its longest way, points {start + 1} to {stop} of {len(x)}, was used.")
    x, y = x[start:stop], y[start:stop]
    if len(turned_places(x)) and len(x) > 2 * RAMP_DEGREE:
        count = np.linspace(-1, 1, len(x))
        ramp: FloatArray = np.asarray(np.polyval(np.polyfit(count, x, RAMP_DEGREE), count), dtype=np.float64)
        noise = float((x - ramp).std())
        if noise <= LARGEST_RAMP_NOISE * float(np.ptp(x)) and not len(turned_places(ramp)):
            notes.append(f"the axis scatters by {noise:.2g}; a smooth ramp through it was used.")
            x = ramp
    return x, y


def turns_of(x: FloatArray) -> int:
    """How often a column turns round, noise smoothed away."""
    finite = x[np.isfinite(x)]
    return int((np.diff(_way(finite)) != 0).sum()) if len(finite) > 2 else 0


def _way(x: FloatArray) -> FloatArray:
    """Sign of each step (n - 1,) of the smoothed axis; where it rests it goes on as before."""
    smooth = _running_mean(x, max(1, round(SMOOTHED_SHARE * len(x)) if len(x) >= FEWEST_SMOOTHED_POINTS else 1))
    way = np.sign(np.diff(smooth))
    moving = np.flatnonzero(way != 0)
    if not len(moving):
        return np.asarray(way)
    latest = np.searchsorted(moving, np.arange(len(way)), side="right") - 1
    return np.asarray(way[moving[np.maximum(latest, 0)]])


def _without_repeats(x: FloatArray, y: FloatArray, notes: list[str]) -> tuple[FloatArray, FloatArray]:
    places, inverse = np.unique(x, return_inverse=True)
    repeats = len(x) - len(places)
    quantum = float(np.diff(places).min()) if len(places) > 1 else 0.0
    even = np.linspace(x[0], x[-1], len(x))
    if len(places) > 2 and float(np.abs(x - even).max()) <= quantum:
        notes.append(f"the axis repeats {repeats} values because it was rounded; the points were spread evenly.")
        return even, np.ascontiguousarray(y)
    notes.append(f"the axis repeats {repeats} values; points of one place became their mean.")
    counts = np.bincount(inverse)
    return places, np.asarray(np.bincount(inverse, weights=y) / counts)


def _running_mean(x: FloatArray, length: int) -> FloatArray:
    if length < 2:
        return x
    padded = np.concatenate([np.full(length // 2, x[0]), x, np.full(length - 1 - length // 2, x[-1])])
    return np.convolve(padded, np.ones(length) / length, mode="valid")
