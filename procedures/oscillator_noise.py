"""What the detectors show of the local oscillators alone: noise of records, and DC levels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.configuration.station_file import HomodyneLoop
from labctl.errors import ConfigurationError
from labctl.estimation.cross_spectrum import BandMatrix, CrossSpectrum, CrossSpectrumAccumulator
from labctl.spectra.estimate import Estimate
from labctl.spectra.trace import Band
from labctl.station.bindings.environment import read_ahead
from procedures.base import LabProcedure

RECORD_S: Final = 0.06  # arming, filling and transfer, for estimates
LEVEL_BAND_HZ: Final = 50e3  # in which the noise is level: a bin is compared with those of its own
LINE_SIGMAS: Final = 6.0  # a bin that is so far above them is a line


def noise_records(procedure: LabProcedure, count: int) -> Iterator[NDArray[np.float64]]:
    """Take records (M, n) in V of all detectors."""
    digitizer = procedure.on_bench.station.digitizer
    for _ in range(count):
        procedure.check_stop()
        yield digitizer.record()
        procedure.on_bench.clock.sleep(0.0)


def spectrum_of(procedure: LabProcedure, records: Iterator[NDArray[np.float64]], band: Band) -> CrossSpectrum:
    """Return the averaged cross-spectral matrix of records in a band (Hz)."""
    rate_hz = procedure.on_bench.station.digitizer.sample_rate_hz
    accumulator: CrossSpectrumAccumulator | None = None
    for record in records:
        if accumulator is None:
            accumulator = CrossSpectrumAccumulator(rate_hz, band, record.shape[1])
        accumulator.add(record)
    if accumulator is None:
        raise ConfigurationError("No records were asked for.", remedy="Ask for one or more.")
    return accumulator.result()


def lines_in(spectrum: CrossSpectrum) -> list[Band]:
    """Return a band about every bin in which a detector shows a line: far above the middle of its neighbourhood."""
    frequency = spectrum.frequency_hz
    power = np.diagonal(spectrum.csd, axis1=1, axis2=2).real
    limit = 1.0 + LINE_SIGMAS / math.sqrt(spectrum.averages)
    pieces = max(1, round(float(np.ptp(frequency)) / LEVEL_BAND_HZ))
    high = [some > limit * np.median(some, axis=0) for some in np.array_split(power, pieces)]
    width_hz = 2.0 * spectrum.enbw_hz
    return [(f - width_hz, f + width_hz) for f in frequency[np.concatenate(high).any(axis=1)]]


def noise_of(matrix: BandMatrix) -> NDArray[np.float64]:
    """Return the noise of each detector, (M,), V^2/Hz."""
    return np.asarray(np.diagonal(matrix.matrix).real)


def levels(procedure: LabProcedure, readings: int, period_s: float) -> list[Estimate]:
    """Return the DC level of every detector in V, from readings of their monitors that are taken in turn."""
    bench = procedure.on_bench
    monitors = [bench.station.monitors[name] for name in witnesses(procedure)]
    seen = np.empty((readings, len(monitors)))
    for row in seen:
        read_ahead(monitors)
        row[:] = [monitor.volts() for monitor in monitors]
        procedure.wait(period_s)
    sigma = seen.std(axis=0, ddof=1) / math.sqrt(readings)
    return [Estimate(float(mean), float(one), "V") for mean, one in zip(seen.mean(axis=0), sigma, strict=True)]


def witnesses(procedure: LabProcedure) -> Sequence[str]:
    """Return the name of the monitor of each detector's DC level. Raises `ConfigurationError` where one has none."""
    file, loops = procedure.on_bench.station.file, procedure.on_bench.loops.homodyne
    names = []
    for loop in loops:
        entry = file.loops[loop.name]
        witness = entry.witness if isinstance(entry, HomodyneLoop) else None
        if witness is None:
            raise ConfigurationError(
                f"The loop {loop.name} has no witness.", remedy="Name the monitor of its detector."
            )
        names.append(witness)
    return names
