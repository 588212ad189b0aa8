"""Traces as lines of few points: which part of a trace is in view, in which bins, at which level. No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labctl.dashboard.decimation import Bins, bins_in_view, decibels, largest, mean_power, mean_with_lines, smallest
from labctl.dashboard.markers import MILLIWATT_50_OHM_V2
from labctl.dashboard.trace_modes import TraceMode
from labctl.dashboard.trace_store import Reference, Trace

STEPS_DB = (0.5, 1.0, 2.0, 5.0, 10.0)
MOST_STEPS = 20
WASTE = 1.8  # times the height that the traces need, beyond which the range shrinks by itself
FALLBACK_RANGE = (-10.0, 10.0)

FloatArray = NDArray[np.float64]


def trace_line(trace: Trace, relative: bool, low_hz: float, high_hz: float, most: int) -> tuple[FloatArray, FloatArray]:
    """Return frequency in Hz and level (dB relative to shot noise, or dBm/Hz) of at most `most` + 2 points.

    Max hold shows the largest of each bin, min hold the smallest, the others the mean power with lines kept. The mean
    power of the shot noise in the bin is the reference: its own scatter then hardly shifts the ratio.
    """
    bins = bins_in_view(trace.frequency_hz, low_hz, high_hz, most)
    match trace.made_by:
        case TraceMode.MAX_HOLD:
            power = largest(trace.power, bins)
        case TraceMode.MIN_HOLD:
            power = smallest(trace.power, bins)
        case _:
            power = mean_with_lines(trace.power, bins, trace.effective_k)
    return bins.centre_hz, _level(power, bins, trace.shot if relative else None)


def reference_line(
    reference: Reference, shot: Reference | None, low_hz: float, high_hz: float, most: int
) -> tuple[FloatArray, FloatArray]:
    """Return the line of a shot or dark noise, relative to `shot` or in dBm/Hz where that is None."""
    bins = bins_in_view(reference.axis_hz, low_hz, high_hz, most)
    return bins.centre_hz, _level(mean_power(reference.power, bins), bins, shot)


def fitting_range(lines: Sequence[FloatArray], now: tuple[float, float] | None = None) -> tuple[float, float]:
    """Return the range of levels that shows all lines with some air, on round numbers.

    The range `now` stays as long as everything is inside and it is not far too high, so that the picture is at rest.
    """
    finite = [line[np.isfinite(line)] for line in lines]
    finite = [line for line in finite if len(line)]
    if not finite:
        return now or FALLBACK_RANGE
    low, high = min(float(line.min()) for line in finite), max(float(line.max()) for line in finite)
    if (
        now is not None
        and now[0] <= low
        and high <= now[1]
        and now[1] - now[0] <= WASTE * (high - low) + 4 * STEPS_DB[1]
    ):
        return now
    air = max(0.06 * (high - low), 0.4)
    step = next((step for step in STEPS_DB if (high - low + 2 * air) / step <= MOST_STEPS), 20.0)
    return step * math.floor((low - air) / step), step * math.ceil((high + air) / step)


def end_level(level_db: FloatArray) -> float:
    """Return the level at the right end of a line, over its last twentieth; nan where there is none."""
    tail = level_db[-max(1, len(level_db) // 20) :]
    tail = tail[np.isfinite(tail)]
    return float(np.median(tail)) if len(tail) else math.nan


def _level(power: FloatArray, bins: Bins, shot: Reference | None) -> FloatArray:
    if shot is None:
        return decibels(power / MILLIWATT_50_OHM_V2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return decibels(power / mean_power(shot.power, bins))
