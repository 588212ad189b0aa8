"""Where a spectrum is free of resonances."""

from __future__ import annotations

import itertools

from labctl.errors import AnalysisRefused
from labctl.spectra.trace import Band
from procedures.bench import Bench

KEEP_AWAY_HZ = 4000.0  # about a hundred linewidths: the line is 100 dB/4e4 of its peak there


def resonances_hz(bench: Bench) -> list[float]:
    """Return each sensor's resonance in Hz: as measured in this run, else as the station file says."""
    results = bench.results()
    return [
        results[f"sensor{n}.f0_hz"].value if f"sensor{n}.f0_hz" in results else sensor.resonance
        for n, sensor in enumerate(bench.station.file.sensors, start=1)
    ]


def quiet_band(bench: Bench, span_hz: float) -> Band:
    """Return a band of `span_hz` in the middle of the widest gap between resonances, in Hz; beside the only one if
    there is one.

    Raises `AnalysisRefused` when no gap is wide enough.
    """
    found = sorted(resonances_hz(bench))
    if not found:
        raise AnalysisRefused("The station file names no sensors.", remedy="Add [[sensors]].")
    gaps = [(b - a, 0.5 * (a + b)) for a, b in itertools.pairwise(found)]
    width, centre = max(gaps, default=(float("inf"), found[0] + span_hz))
    if width < span_hz + 2 * KEEP_AWAY_HZ:
        raise AnalysisRefused(
            f"No gap between the resonances holds {span_hz:g} Hz and {KEEP_AWAY_HZ:g} Hz to either side.",
            remedy="Take a smaller span.",
        )
    return centre - span_hz / 2, centre + span_hz / 2


def exclusions(bench: Bench) -> list[Band]:
    """Return a band around each resonance that holds its light."""
    return [(f - KEEP_AWAY_HZ, f + KEEP_AWAY_HZ) for f in resonances_hz(bench)]
