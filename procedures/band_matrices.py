"""Cross-spectral matrices from the digitizer in a band: taken record by record, kept as traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from labctl.estimation.cross_spectrum import CrossSpectrum, CrossSpectrumAccumulator
from labctl.locks.loop import Verdict
from labctl.locks.watch import LockWatch
from labctl.spectra.trace import Band
from labctl.store.records import TraceRecord
from labctl.store.rows import LOCKS
from procedures.base import LabProcedure
from procedures.gates import require_unclipped
from procedures.traces import Share

FEWEST_RECORDS: Final = 10


def take_matrix(
    procedure: LabProcedure, records: int, band: Band, share: Share, watch: LockWatch | None = None
) -> CrossSpectrum:
    """Return the mean matrix of `records` records of all detectors, or of those before a lock was lost."""
    digitizer = procedure.on_bench.station.digitizer
    record = digitizer.record()
    require_unclipped(record, procedure.on_bench.station.file)
    accumulator = CrossSpectrumAccumulator(digitizer.sample_rate_hz, band, record.shape[1])
    accumulator.add(record)
    for done in range(1, records):
        procedure.check_stop()
        if watch is not None and not watch.still_good():
            break
        accumulator.add(digitizer.record())
        procedure.on_bench.clock.sleep(0.0)
        procedure.progress(share.start + (share.end - share.start) * (done + 1) / records)
    return accumulator.result()


def keep_matrix(
    procedure: LabProcedure,
    name: str,
    matrix: CrossSpectrum,
    started_at: float,
    verdict: Verdict,
    needed: Sequence[str] = (),
) -> None:
    """Keep a matrix of all detectors as the trace `name`, for which the loops in `needed` had to be locked."""
    channels = matrix.csd.shape[1]
    left_out = " ".join(map(str, sorted(procedure.on_bench.left_out)))  # sensors, counted from 1
    procedure.on_bench.record.add_trace(
        TraceRecord(
            name=name,
            step=procedure.step_name,
            axis_name="frequency",
            axis_unit="Hz",
            values_unit="V^2/Hz",
            axis=matrix.frequency_hz,
            values=np.ascontiguousarray(matrix.csd.reshape(-1, channels * channels).T),
            conventions={
                "rows": "cross-spectral matrix C_jk, row j * M + k",
                "channels": channels,
                "effective_averages": matrix.averages,
                "enbw_hz": matrix.enbw_hz,
                "window": "hann",
                "averaging": "power",
                "sidedness": "one-sided",
                **({"left_out": left_out} if left_out else {}),
                **({LOCKS: " ".join(needed)} if needed else {}),
            },
            valid=verdict.locked,
            invalid_reason=verdict.reason,
            started_at=started_at,
            ended_at=procedure.on_bench.clock.now(),
        )
    )
