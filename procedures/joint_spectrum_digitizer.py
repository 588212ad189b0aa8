"""The joint spectrum from records taken together: the sum in software, and what only records can give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.bus.spectra import Kind
from labctl.errors import LockError
from labctl.estimation.cross_spectrum import CrossSpectrum, CrossSpectrumAccumulator
from labctl.estimation.network import (
    conditional_variances,
    marginal_variances,
    optimal_combination,
    relative_to_shot,
    weighted_sum,
)
from labctl.estimation.noise_fluctuations import PieceMatrices
from labctl.locks.loop import Loop, Verdict
from labctl.locks.watch import LockWatch
from labctl.spectra.estimate import in_decibels
from procedures.band_matrices import keep_matrix
from procedures.base import LabProcedure
from procedures.frequencies import exclusions, resonances_hz
from procedures.gates import require_unclipped
from procedures.kept_records import JointRecords
from procedures.shown_spectra import MatrixDisplay
from procedures.traces import LOCKING_S, TRIES, Share, block_beams, open_beams

BAND_MARGIN_HZ = 200e3  # noise is white there: more bins for the decibels
DARK_SHARE = 0.3
RECORD_S = 0.06  # arming, filling and transfer


class JointSpectrumDigitizer(LabProcedure):
    """Cross-spectral matrix of all detectors, with shot and dark noise; from it the raw sum, each detector alone,
    each given the others, and the re-phased optimum. Sensors that the bench leaves out are recorded with the others,
    and take no part in the numbers."""

    title = "Joint spectrum, digitizer"
    roles = ("digitizer", "homodyne")
    records = IntegerParameter("Records", default=200, minimum=10, maximum=1000000)
    margin = FloatParameter(
        "Band beyond the outermost resonances", units="Hz", default=BAND_MARGIN_HZ, minimum=0.0, maximum=1e6
    )
    DATA_COLUMNS = ["Frequency (Hz)", "Sum over shot noise"]

    def expected_s(self) -> float:
        """Return the time of all records, in s."""
        records_s = self.records * (2.0 + DARK_SHARE) * RECORD_S
        return float(records_s + self.on_bench.station.file.station.sensors * LOCKING_S)

    def measure(self) -> None:
        """Raises `LockError`, or `AnalysisRefused` when the matrices do not carry the numbers."""
        kept = self.take()
        self._analyse(kept.signal, kept.shot, kept.dark)

    def take(self) -> JointRecords:
        """Record signal, shot and dark noise of all detectors, and leave them on the bench if none is left out."""
        bench = self.on_bench
        needs = [*bench.loops.source, *bench.homodyne_in_use()]
        self._display = MatrixDisplay(bench, self.step_name, self.records)
        open_beams(self)
        signal = self._locked_matrix("signal", Share(0.0, 0.45), needs)
        block_beams(self, signal=True, local_oscillator=False)
        shot = self._matrix("shot", self.records, Share(0.45, 0.9))
        bench.station.shutters["local_oscillator"].close()
        dark = self._matrix("dark", max(10, round(DARK_SHARE * self.records)), Share(0.9, 1.0))
        open_beams(self)
        self._display.show(signal, "psd")  # again: only now is it known how to re-phase it
        taken = JointRecords(signal, shot, dark, self._pieces.result())
        bench.joint_records = None if bench.left_out else taken  # what others make of them takes all sensors for well
        return taken

    def _locked_matrix(self, kind: str, share: Share, needs: Sequence[Loop]) -> CrossSpectrum:
        bench = self.on_bench
        for attempt in range(1, TRIES + 1):
            self.ensure_locked(needs)
            started_at = bench.clock.now()
            with bench.supervisor.watch([loop.name for loop in needs]) as watch:
                matrix = self._accumulate("psd", self.records, share, watch)
                verdict = watch.verdict()
            keep_matrix(self, f"joint.matrix_{kind}", matrix, started_at, verdict, watch.names)
            if verdict.locked:
                return matrix
            self._display.show(matrix, "psd", valid=False, reason=verdict.reason)
            self.event("warning", f"Records of {kind} (try {attempt}) are invalid: {verdict.reason}")
        raise LockError(
            f"joint.matrix_{kind}: a lock was lost in each of {TRIES} tries.", remedy="See the events of the run."
        )

    def _matrix(self, kind: str, records: int, share: Share) -> CrossSpectrum:
        started_at = self.on_bench.clock.now()
        matrix = self._accumulate("shot" if kind == "shot" else "dark", records, share)
        keep_matrix(self, f"joint.matrix_{kind}", matrix, started_at, Verdict(True, ""))
        return matrix

    def _accumulate(self, kind: Kind, records: int, share: Share, watch: LockWatch | None = None) -> CrossSpectrum:
        """Return the matrix of all records, or of those before a lock was lost; it is shown as it grows."""
        digitizer = self.on_bench.station.digitizer
        found = resonances_hz(self.on_bench)
        band = (min(found) - self.margin, max(found) + self.margin)
        accumulator: CrossSpectrumAccumulator | None = None
        for done in range(records):
            self.check_stop()
            if watch is not None and done > 0 and not watch.still_good():
                break
            record = digitizer.record()
            if accumulator is None:
                require_unclipped(record, self.on_bench.station.file)
                accumulator = CrossSpectrumAccumulator(digitizer.sample_rate_hz, band, record.shape[1])
                if kind == "psd":
                    skip = exclusions(self.on_bench)
                    self._pieces = PieceMatrices(digitizer.sample_rate_hz, band, skip, record.shape[1])
            accumulator.add(record)
            if kind == "psd":
                self._pieces.add(record)
            if self._display.is_due or done + 1 == records:
                self._display.show(accumulator.result(), kind)
            self.on_bench.clock.sleep(0.0)
            self.progress(share.start + (share.end - share.start) * (done + 1) / records)
        assert accumulator is not None
        return accumulator.result()

    def _analyse(self, signal: CrossSpectrum, shot: CrossSpectrum, dark: CrossSpectrum) -> None:
        sensors, without = self.on_bench.sensors_in_use(), self._without()
        signal, shot, dark = (part.of_channels([n - 1 for n in sensors]) for part in (signal, shot, dark))
        band = (float(signal.frequency_hz[0]), float(signal.frequency_hz[-1]))
        skip = [edges for edges in exclusions(self.on_bench) if edges[1] > band[0] and edges[0] < band[1]]
        network = relative_to_shot(*(part.mean_over(band, skip) for part in (signal, shot, dark)))
        digital = weighted_sum(network)
        self.keep(
            "joint.digital_db",
            in_decibels(digital.variance),
            convention="equal-weight sum of records over its shot noise, dark subtracted, resonances left out"
            + without,
        )
        best = optimal_combination(network)
        self.keep(
            "joint.rephased_db",
            in_decibels(best.variance),
            convention="complex weights with the least noise over shot noise, dark subtracted, resonances left out"
            + without,
        )
        for number, alone, given in zip(
            sensors, marginal_variances(network), conditional_variances(network), strict=True
        ):
            self.keep(
                f"sensor{number}.marginal_db",
                in_decibels(alone),
                convention="one detector alone over shot noise, records",
            )
            self.keep(
                f"sensor{number}.conditional_db",
                in_decibels(given),
                convention="one detector given all others over shot noise" + without,
            )
        total = np.real(signal.csd.sum(axis=(1, 2)) - dark.csd.sum(axis=(1, 2)))
        reference = np.real(shot.csd.sum(axis=(1, 2)) - dark.csd.sum(axis=(1, 2)))
        for frequency, value in zip(signal.frequency_hz, total / reference, strict=True):
            self.row(frequency=frequency, sum_over_shot_noise=value)

    def _without(self) -> str:
        """Return which sensors are left out, as a convention says it; nothing where none is."""
        left_out = sorted(self.on_bench.left_out)
        return f", without sensors {', '.join(map(str, left_out))}" if left_out else ""
