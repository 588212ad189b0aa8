"""The joint noise again and again through the night: does the squeezing hold while nobody touches anything?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import CrossSpectrum
from labctl.estimation.network import relative_to_shot, weighted_sum
from labctl.locks.loop import Loop
from labctl.spectra.estimate import Estimate, in_decibels
from labctl.spectra.trace import Band
from labctl.store.records import TraceRecord
from procedures.band_matrices import FEWEST_RECORDS, take_matrix
from procedures.base import LabProcedure
from procedures.frequencies import exclusions, resonances_hz
from procedures.traces import LOCKING_S, Share, block_beams, open_beams

BAND_MARGIN_HZ = 200e3  # noise is white there
RECORD_S = 0.06  # arming, filling and transfer
FEWEST_POINTS = 3
HOUR_S = 3600.0


@dataclass(frozen=True)
class _Point:
    """The joint noise at one moment: lab time in s, dB over shot noise."""

    at: float
    value: Estimate


class JointStability(LabProcedure):
    """Noise of the sum of all detectors at even intervals, over shot noise that is taken before the first and after
    the last; the table stays locked in between."""

    title = "Joint noise through the night"
    roles = ("digitizer", "homodyne")
    duration = FloatParameter("Duration", units="s", default=4 * HOUR_S, minimum=60.0, maximum=100 * HOUR_S)
    interval = FloatParameter("Interval", units="s", default=600.0, minimum=10.0, maximum=HOUR_S)
    records = IntegerParameter("Records of each point", default=15, minimum=FEWEST_RECORDS, maximum=100000)
    reference_records = IntegerParameter("Records of shot noise", default=60, minimum=FEWEST_RECORDS, maximum=100000)
    DATA_COLUMNS = ["Lab time (s)", "Joint noise (dB)"]

    def expected_s(self) -> float:
        """Return the duration, and the time of shot and dark noise, in s."""
        return float(self.duration + 2.5 * self.reference_records * RECORD_S + LOCKING_S)

    def measure(self) -> None:
        """Raises `LockError` when the loops do not lock in the beginning, `AnalysisRefused` when too few points were
        locked."""
        bench = self.on_bench
        needs = [*bench.loops.source, *bench.loops.homodyne]
        found = resonances_hz(bench)
        band = (min(found) - BAND_MARGIN_HZ, max(found) + BAND_MARGIN_HZ)
        dark, before = self._reference(band)
        matrices = self._through_the_night(needs, band)
        _, after = self._reference(band)
        open_beams(self)
        self.ensure_locked(needs)
        skip = exclusions(bench)
        points = [_Point(at, _joint_db(one, before, after, dark, skip)) for at, one in matrices]
        if len(points) < FEWEST_POINTS:
            raise AnalysisRefused(
                f"Only {len(points)} of {self._count()} points were taken while all loops were locked.",
                remedy="See what made the locks go in the events of the run.",
            )
        self._keep_all(points)

    def _count(self) -> int:
        return max(FEWEST_POINTS, round(float(self.duration) / float(self.interval)))

    def _reference(self, band: Band) -> tuple[CrossSpectrum, CrossSpectrum]:
        """Return dark and shot noise; beams are blocked afterwards."""
        open_beams(self)
        block_beams(self, signal=True, local_oscillator=False)
        shot = take_matrix(self, self.reference_records, band, Share(0.0, 0.0))
        self.on_bench.station.shutters["local_oscillator"].close()
        dark = take_matrix(self, FEWEST_RECORDS, band, Share(0.0, 0.0))
        self.on_bench.station.shutters["local_oscillator"].open()
        return dark, shot

    def _through_the_night(self, needs: Sequence[Loop], band: Band) -> list[tuple[float, CrossSpectrum]]:
        """Return the matrix and the lab time of each point at which every loop was locked."""
        bench = self.on_bench
        open_beams(self)
        self.ensure_locked(needs)
        began_at, taken = bench.clock.now(), []
        for number in range(self._count()):
            self.wait(max(0.0, began_at + number * self.interval - bench.clock.now()))
            self.ensure_locked(needs)
            with bench.supervisor.watch([loop.name for loop in needs]) as watch:
                matrix = take_matrix(self, self.records, band, Share(0.0, 0.0), watch)
                verdict = watch.verdict()
            if verdict.locked:
                taken.append((bench.clock.now(), matrix))
            else:
                self.event("warning", f"Point {number + 1} is left out: {verdict.reason}")
            self.progress((number + 1) / self._count())
        return taken

    def _keep_all(self, points: Sequence[_Point]) -> None:
        at = np.array([point.at for point in points])
        value = np.array([point.value.value for point in points])
        sigma = np.array([point.value.sigma for point in points])
        self._keep_trace(at, value, sigma)
        weight = sigma**-2.0
        mean = float(np.sum(weight * value) / np.sum(weight))
        self.keep("joint.night_mean_db", Estimate(mean, float(np.sum(weight) ** -0.5), "dB", "mean over the night"))
        freedom = len(points) - 1
        scatter = float(np.sqrt(np.sum((value - mean) ** 2) / freedom))
        self.keep(
            "joint.night_scatter_db",
            Estimate(scatter, scatter / math.sqrt(2.0 * freedom), "dB", "rms of the points about their mean"),
        )
        hours = (at - at.mean()) / HOUR_S
        information = float(np.sum(weight * hours**2))
        drift = float(np.sum(weight * hours * value) / information)
        convention = "dB an hour, of a straight line through the night"
        self.keep("joint.night_drift_db_per_h", Estimate(drift, information**-0.5, "dB/h", convention))
        for point in points:
            self.row(lab_time=point.at, joint_noise=point.value.value)

    def _keep_trace(
        self, at: np.ndarray[tuple[int], np.dtype[np.float64]], value: np.ndarray, sigma: np.ndarray
    ) -> None:
        self.on_bench.record.add_trace(
            TraceRecord(
                name="joint.night",
                step=self.step_name,
                axis_name="lab time",
                axis_unit="s",
                values_unit="dB",
                axis=at,
                values=np.array([value, sigma]),
                conventions={"rows": "sum of all records over shot noise in dB, its sigma", "averaging": "power"},
                valid=True,
                invalid_reason="",
                started_at=float(at[0]),
                ended_at=float(at[-1]),
            )
        )


def _joint_db(
    signal: CrossSpectrum, before: CrossSpectrum, after: CrossSpectrum, dark: CrossSpectrum, skip: Sequence[Band]
) -> Estimate:
    """Return the noise of the equal-weight sum over the mean of both shot noises, in dB."""
    band = (float(signal.frequency_hz[0]), float(signal.frequency_hz[-1]))
    free = [edges for edges in skip if edges[1] > band[0] and edges[0] < band[1]]
    levels = [
        in_decibels(
            weighted_sum(relative_to_shot(*(part.mean_over(band, free) for part in (signal, shot, dark)))).variance
        )
        for shot in (before, after)
    ]
    first, second = levels
    return Estimate(0.5 * (first.value + second.value), first.sigma, "dB", first.convention)
