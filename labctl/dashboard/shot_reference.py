"""The shot and the dark noise of a channel beside its spectrum: brought onto one axis, and where they lie too close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.bus.spectra import LiveSpectrum

CLEARANCE_DB = 10.0  # of shot over dark noise, below which no squeezing is shown
CLEARANCE_CELLS = 100  # into which an axis is divided to judge it: wide enough that scatter does not decide
LOG_AVERAGE_LOSS_DB = 2.507  # by which a mean of logarithms of noise power lies low
VIDEO_AVERAGES = 0.479  # independent averages that a narrow one-pole video filter makes, over RBW / VBW
LOG_AVERAGE_EFFICIENCY = 0.61  # of its effective number of averages

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """A stretch of an axis, in Hz, and the least clearance in it, in dB."""

    low_hz: float
    high_hz: float
    clearance_db: float


def onto_axis(frequency_hz: FloatArray, power: FloatArray, axis_hz: FloatArray) -> FloatArray:
    """Return `power` (n,) on another ascending axis (m,), nan where `frequency_hz` does not reach.

    Onto a coarser axis each point takes the mean power of the points nearest to it; else it is interpolated linearly.
    """
    result = np.interp(axis_hz, frequency_hz, power, left=np.nan, right=np.nan)
    if len(axis_hz) < 2 or len(frequency_hz) < 2:
        return np.asarray(result)
    edges = np.concatenate(([-np.inf], (axis_hz[1:] + axis_hz[:-1]) / 2, [np.inf]))
    half = (axis_hz[1] - axis_hz[0]) / 2
    edges[0], edges[-1] = axis_hz[0] - half, axis_hz[-1] + half
    where = np.searchsorted(frequency_hz, edges)
    counts = np.diff(where)
    sums = np.diff(np.concatenate(([0.0], np.cumsum(power)))[where])
    return np.where(np.isfinite(result) & (counts >= 2), sums / np.maximum(counts, 1), result)


def clearance_db(shot: FloatArray, dark: FloatArray) -> FloatArray:
    """Return how far shot noise lies over dark noise, in dB."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 * np.log10(shot / dark))


def low_clearance(axis_hz: FloatArray, shot: FloatArray, dark: FloatArray) -> tuple[Span, ...]:
    """Return where the clearance is below 10 dB or unknown, in cells of one hundredth of the axis."""
    if not len(axis_hz):
        return ()
    starts = np.unique(np.linspace(0, len(axis_hz), min(CLEARANCE_CELLS, len(axis_hz)), False).astype(np.intp))
    cell_db = clearance_db(np.add.reduceat(shot, starts), np.add.reduceat(dark, starts))
    low = ~(cell_db >= CLEARANCE_DB)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], low, [False])).astype(np.int8)))
    bounds_hz = np.append(axis_hz[starts], axis_hz[-1])
    return tuple(
        Span(float(bounds_hz[begin]), float(bounds_hz[end]), float(np.min(cell_db[begin:end])))
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
    )


def effective_k(spectrum: LiveSpectrum) -> float:
    """Return how many independent averages are behind each point of a spectrum, at least; video filter included."""
    k = float(max(spectrum.averages, 1))
    if spectrum.vbw_hz > 0 and spectrum.rbw_hz > 0:
        k *= max(1.0, VIDEO_AVERAGES * spectrum.rbw_hz / spectrum.vbw_hz)
    return k * LOG_AVERAGE_EFFICIENCY if spectrum.averaging == "log" else k


def noise_gain(spectrum: LiveSpectrum) -> float:
    """Return the factor from what a spectrum says of noise to its mean power: above 1 for averages of logarithms."""
    return 10 ** (LOG_AVERAGE_LOSS_DB / 10) if spectrum.averaging == "log" else 1.0
