"""Markers on traces, as on an analyzer: normal, delta and noise markers, and what they read. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from labctl.dashboard.peak_search import peaks
from labctl.dashboard.shot_reference import effective_k, noise_gain
from labctl.dashboard.trace_store import Reference, Trace

MOST_MARKERS = 6
NOISE_REACH = 20  # bins on each side of a noise marker that it averages
ENBW_PER_RBW = 1.0645  # of a Gaussian filter; a Hann window has 1.041
MILLIWATT_50_OHM_V2 = 0.05  # 1 mW into 50 ohm
DB_PER_NEPER = 10 / math.log(10)

FloatArray = NDArray[np.float64]


class MarkerKind(Enum):
    """What a marker reads: a point, a point relative to another marker, or the mean noise around a point."""

    NORMAL = "normal"
    DELTA = "delta"
    NOISE = "noise"


@dataclass(frozen=True)
class Marker:
    """Marker `number` (1 to 6) at a frequency on the trace of a channel; a delta marker names its reference."""

    number: int
    channel: str
    frequency_hz: float
    kind: MarkerKind = MarkerKind.NORMAL
    reference: int = 0


@dataclass(frozen=True)
class Reading:
    """What a marker reads: dB relative to shot noise, or dBm/Hz into 50 ohm; `sigma_db` of a noise marker only."""

    frequency_hz: float
    level_db: float
    bin_hz: float
    sigma_db: float = math.nan


def level_db(trace: Trace, relative: bool) -> FloatArray:
    """Return all points of a trace in dB relative to shot noise, or in dBm/Hz."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 * np.log10(_level(trace, relative)))


def read(trace: Trace, frequency_hz: float, relative: bool, noise: bool = False) -> Reading | None:
    """Return what a marker reads at the bin of a trace nearest to `frequency_hz`; None beyond the ends of the trace.

    A noise marker takes the mean power of the bins around, so that it reads noise per hertz whatever the RBW; averages
    of logarithms are corrected by their 2.51 dB.
    """
    axis = trace.frequency_hz
    if not len(axis) or not axis[0] <= frequency_hz <= axis[-1] or (relative and trace.shot is None):
        return None
    index = nearest(axis, frequency_hz)
    bin_hz = float(axis[-1] - axis[0]) / max(1, len(axis) - 1)
    if not noise:
        with np.errstate(divide="ignore", invalid="ignore"):
            level = float(10 * np.log10(_level(trace, relative, slice(index, index + 1))[0]))
        return Reading(float(axis[index]), level, bin_hz)
    reach = slice(max(0, index - NOISE_REACH), index + NOISE_REACH + 1)
    level, sigma = _noise(trace, trace.shot if relative else None, reach, bin_hz)
    return Reading(float(axis[index]), level, bin_hz, sigma)


def _level(trace: Trace, relative: bool, part: slice = slice(None)) -> FloatArray:
    if relative and trace.shot is not None:
        return trace.power[part] / trace.shot.power[part]
    return trace.power[part] / MILLIWATT_50_OHM_V2


def _noise(trace: Trace, shot: Reference | None, part: slice, bin_hz: float) -> tuple[float, float]:
    power = trace.power[part]
    enbw_hz = ENBW_PER_RBW * trace.spectrum.rbw_hz
    independent = max(1.0, len(power) * (min(1.0, bin_hz / enbw_hz) if enbw_hz > 0 else 1.0))
    mean = float(np.mean(power)) * noise_gain(trace.spectrum)
    variance = 1 / (trace.effective_k * independent)
    if shot is None:
        mean /= MILLIWATT_50_OHM_V2
    else:
        mean /= float(np.mean(shot.power[part])) * noise_gain(shot.spectrum)
        variance += 1 / (effective_k(shot.spectrum) * independent)
    level = 10 * math.log10(mean) if mean > 0 and math.isfinite(mean) else math.nan
    return level, DB_PER_NEPER * math.sqrt(variance)


def nearest(axis_hz: FloatArray, frequency_hz: float) -> int:
    """Return the index of the point of an ascending axis nearest to a frequency."""
    after = int(np.clip(np.searchsorted(axis_hz, frequency_hz), 1, max(1, len(axis_hz) - 1)))
    if after >= len(axis_hz):
        return 0
    return after if axis_hz[after] - frequency_hz < frequency_hz - axis_hz[after - 1] else after - 1


class MarkerSet:
    """Up to six markers, one of which is selected (0: none) and takes what the keys and buttons do."""

    def __init__(self) -> None:
        self.markers: dict[int, Marker] = {}
        self.selected = 0

    @property
    def current(self) -> Marker | None:
        """Return the selected marker."""
        return self.markers.get(self.selected)

    def add(
        self, channel: str, frequency_hz: float, kind: MarkerKind = MarkerKind.NORMAL, reference: int = 0
    ) -> Marker | None:
        """Add a marker with the lowest free number and select it; None when six are set."""
        free = [number for number in range(1, MOST_MARKERS + 1) if number not in self.markers]
        if not free:
            return None
        marker = Marker(free[0], channel, frequency_hz, kind, reference)
        self.markers[marker.number] = marker
        self.selected = marker.number
        return marker

    def add_delta(self) -> Marker | None:
        """Add a delta marker at the selected marker, which becomes its reference (or shares its own)."""
        current = self.current
        if current is None:
            return None
        reference = current.reference if current.kind is MarkerKind.DELTA else current.number
        return self.add(current.channel, current.frequency_hz, MarkerKind.DELTA, reference)

    def toggle_noise(self) -> None:
        """Make the selected marker a noise marker, or a normal one again; a delta marker stays what it is."""
        current = self.current
        if current is not None and current.kind is not MarkerKind.DELTA:
            kind = MarkerKind.NORMAL if current.kind is MarkerKind.NOISE else MarkerKind.NOISE
            self.markers[current.number] = replace(current, kind=kind)

    def move(self, number: int, frequency_hz: float) -> None:
        """Put a marker at another frequency, and select it."""
        self.markers[number] = replace(self.markers[number], frequency_hz=frequency_hz)
        self.selected = number

    def step(self, trace: Trace, bins: int) -> None:
        """Move the selected marker by whole bins of its trace, not beyond its ends."""
        current, axis = self.current, trace.frequency_hz
        if current is not None and len(axis):
            index = int(np.clip(nearest(axis, current.frequency_hz) + bins, 0, len(axis) - 1))
            self.move(current.number, float(axis[index]))

    def to_peak(self, trace: Trace, low_hz: float, high_hz: float, relative: bool, lower: bool = False) -> bool:
        """Move the selected marker to the highest peak in view, or to the next lower one; return if there is one."""
        current = self.current
        if current is None:
            return False
        inside = np.flatnonzero((trace.frequency_hz >= low_hz) & (trace.frequency_hz <= high_hz))
        if not len(inside):
            return False
        part = slice(int(inside[0]), int(inside[-1]) + 1)
        level = _level(trace, relative, part)
        found = peaks(level, trace.effective_k)
        if lower and len(found):
            here = level[nearest(trace.frequency_hz[part], current.frequency_hz)]
            found = found[level[found] < here]
        if not len(found):
            return False
        self.move(current.number, float(trace.frequency_hz[part][found[0]]))
        return True

    def remove(self) -> None:
        """Remove the selected marker, and the delta markers that refer to it; the highest number left is selected."""
        gone = self.selected
        self.markers = {n: m for n, m in self.markers.items() if n != gone and m.reference != gone}
        self.selected = max(self.markers, default=0)
