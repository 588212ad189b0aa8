"""The spectra of all detectors, of their sum and of their re-phased sum, for as long as somebody wants to see them."""

from __future__ import annotations

from collections.abc import Sequence

from pymeasure.experiment import BooleanParameter, FloatParameter, IntegerParameter

from labctl.bus.spectra import Kind
from labctl.estimation.cross_spectrum import CrossSpectrumAccumulator
from labctl.locks.loop import Loop
from labctl.spectra.trace import Band
from procedures.base import LabProcedure
from procedures.frequencies import resonances_hz
from procedures.shown_spectra import MatrixDisplay
from procedures.traces import block_beams, open_beams


class LiveSpectra(LabProcedure):
    """Shows the noise of every detector and of their sums, relative to shot noise taken just before; keeps nothing.

    Each spectrum shown is the mean of `averages` records; one during which a lock was lost is shown as not valid.
    """

    title = "Live spectra"
    roles = ("digitizer", "homodyne")
    duration = FloatParameter("Duration", units="s", default=60.0, minimum=0.1, maximum=1e6)
    averages = IntegerParameter("Averages", default=50, minimum=1, maximum=100000)
    margin = FloatParameter("Band beyond the outermost resonances", units="Hz", default=200e3, minimum=0.0, maximum=1e6)
    reference = BooleanParameter("Take shot and dark noise first", default=True)
    reference_records = IntegerParameter("Records of shot noise", default=200, minimum=50, maximum=100000)
    DATA_COLUMNS = ["Lab time (s)", "Averages"]

    def expected_s(self) -> float:
        """Return the duration, in s."""
        return float(self.duration)

    def measure(self) -> None:
        """Raises `LockError` where the loops cannot be locked."""
        bench = self.on_bench
        needs = [*bench.loops.source, *bench.loops.homodyne]
        found = resonances_hz(bench)
        self._band: Band = (min(found) - self.margin, max(found) + self.margin)
        self._display = MatrixDisplay(bench, self.step_name, self.averages)
        open_beams(self)
        if self.reference:
            self._take_reference()
        elif bench.shot_and_dark is not None:
            self._display.recall(*bench.shot_and_dark)
        self.ensure_locked(needs)
        began_at = bench.clock.now()
        while (elapsed := bench.clock.now() - began_at) < self.duration:
            self.progress(elapsed / self.duration)
            self._one_average(needs)

    def _take_reference(self) -> None:
        bench = self.on_bench
        bench.shot_and_dark = None
        block_beams(self, signal=True, local_oscillator=False)
        shot = self._accumulate("shot", self.reference_records)
        bench.station.shutters["local_oscillator"].close()
        dark = self._accumulate("dark", self.reference_records)
        bench.shot_and_dark = shot.result(), dark.result()
        open_beams(self)

    def _one_average(self, needs: Sequence[Loop]) -> None:
        bench = self.on_bench
        with bench.supervisor.watch([loop.name for loop in needs], quiet=False) as watch:
            matrix = self._accumulate("psd", self.averages)
            verdict = watch.verdict()
        if not verdict.locked:
            self._display.show(matrix.result(), "psd", valid=False, reason=verdict.reason)
            self.wait(1.0)  # the loops come back by themselves
        self.row(lab_time=bench.clock.now(), averages=matrix.result().averages)

    def _accumulate(self, kind: Kind, records: int) -> CrossSpectrumAccumulator:
        bench = self.on_bench
        digitizer = bench.station.digitizer
        record = digitizer.record()
        accumulator = CrossSpectrumAccumulator(digitizer.sample_rate_hz, self._band, record.shape[1])
        for done in range(records):
            self.check_stop()
            accumulator.add(record)
            if self._display.is_due or done + 1 == records:
                self._display.show(accumulator.result(), kind)
            bench.clock.sleep(0.0)
            if done + 1 < records:
                record = digitizer.record()
        return accumulator
