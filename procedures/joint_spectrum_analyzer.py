"""The joint spectrum as the paper took it: the sum of all detectors, made in hardware, on the analyzer."""

from __future__ import annotations

from collections.abc import Sequence

from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.locks.loop import Loop
from labctl.spectra.noise_reduction import band_ratio_db
from labctl.spectra.trace import Spectrum
from procedures.base import LabProcedure
from procedures.frequencies import quiet_band
from procedures.traces import LOCKING_S, LOOK_S, Share, block_beams, open_beams, sweep, take_trace, trace_s

DARK_SHARE = 0.2


class JointSpectrumAnalyzer(LabProcedure):
    """Noise of the sum relative to shot noise: beside all resonances for the noise reduction, and across each
    resonance."""

    title = "Joint spectrum, analyzer"
    roles = ("analyzer", "homodyne")
    span = FloatParameter("Span", units="Hz", default=20e3, minimum=100.0, maximum=1e6)
    rbw = FloatParameter("Resolution bandwidth", units="Hz", default=100.0, minimum=1.0, maximum=8e6)
    averages = IntegerParameter("Averages", default=1000, minimum=1, maximum=10000)
    resonance_span = FloatParameter("Span at each resonance", units="Hz", default=2000.0, minimum=100.0, maximum=1e6)
    resonance_rbw = FloatParameter(
        "Resolution bandwidth at each resonance", units="Hz", default=10.0, minimum=1.0, maximum=8e6
    )
    resonance_averages = IntegerParameter("Averages at each resonance", default=100, minimum=1, maximum=10000)
    DATA_COLUMNS = ["Frequency (Hz)", "Signal", "Shot noise"]

    def expected_s(self) -> float:
        """Return the time of all traces, and of looking at every lock before and after each, in s."""
        sensors = self.on_bench.station.file.station.sensors
        resonances = sensors * trace_s(self.resonance_rbw, self.resonance_averages)
        looks = 2 * (sensors + 1) * len(self.on_bench.station.file.loops)
        traces = trace_s(self.rbw, self.averages) * (2.0 + DARK_SHARE) + resonances
        return traces + looks * LOOK_S + sensors * LOCKING_S

    def measure(self) -> None:
        """Raises `LockError`, or `AnalysisRefused` when shot noise does not stand above dark noise."""
        bench = self.on_bench
        needs = [*bench.loops.source, *bench.loops.homodyne]
        low, high = quiet_band(bench, self.span)
        settings = sweep(0.5 * (low + high), high - low, self.rbw, 10 * self.rbw, self.averages)
        open_beams(self)
        signal = take_trace(self, "joint.signal", "sum", settings, share=Share(0.0, 0.3), needs=needs)
        self._resonances("signal", needs)
        block_beams(self, signal=True, local_oscillator=False)
        shot = take_trace(self, "joint.shot", "sum", settings, share=Share(0.6, 0.85))
        bench.station.shutters["local_oscillator"].close()
        dark_settings = sweep(
            0.5 * (low + high), high - low, self.rbw, 10 * self.rbw, max(20, round(DARK_SHARE * self.averages))
        )
        dark = take_trace(self, "joint.dark", "sum", dark_settings, share=Share(0.85, 1.0))
        open_beams(self)
        ratio = band_ratio_db(signal, shot, dark, band=(settings.start_hz, settings.stop_hz))
        self.keep(
            "joint.raw_db",
            ratio,
            convention="hardware sum over its shot noise, dark subtracted, power average, beside the resonances",
        )
        self._rows(signal, shot)

    def _resonances(self, kind: str, needs: Sequence[Loop]) -> None:
        """Take the sum across the resonance of each sensor, as in the paper's joint figure."""
        sensors = self.on_bench.station.file.sensors
        results = self.on_bench.results()
        for number, sensor in enumerate(sensors, start=1):
            found = results.get(f"sensor{number}.f0_hz")
            centre = sensor.resonance if found is None else found.value
            settings = sweep(
                centre, self.resonance_span, self.resonance_rbw, 10 * self.resonance_rbw, self.resonance_averages
            )
            share = Share(0.3 + 0.3 * (number - 1) / len(sensors), 0.3 + 0.3 * number / len(sensors))
            take_trace(self, f"joint.{kind}_at_sensor{number}", "sum", settings, share=share, needs=needs)

    def _rows(self, signal: Spectrum, shot: Spectrum) -> None:
        for frequency, a, b in zip(signal.frequency_hz, signal.values, shot.values, strict=True):
            self.row(frequency=frequency, signal=a, shot_noise=b)
