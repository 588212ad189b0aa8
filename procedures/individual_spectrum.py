"""One sensor alone: find its resonance, take its spectrum next to its own shot and dark noise, fit the mode."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pymeasure.experiment import FloatParameter, IntegerParameter

from drivers.sweep import SweepSettings
from labctl.locks.loop import Loop
from labctl.spectra.estimate import Estimate, in_decibels
from labctl.spectra.noise_reduction import clearance_db
from labctl.spectra.trace import Spectrum
from procedures.base import LabProcedure
from procedures.gates import require_fresh_reference, require_good_fit
from procedures.kept_records import ModeSpectrum
from procedures.sensor_modes import measured_mode
from procedures.shown_curves import show_mode
from procedures.traces import (
    LOCKING_S,
    Share,
    block_beams,
    keep_average,
    open_beams,
    sweep,
    take_trace,
    trace_s,
)

SEARCH_AVERAGES = 30
DARK_SHARE = 0.1  # of the averages of the signal: dark noise is far below
FEWEST_DARK_AVERAGES = 20
PART_AVERAGES = 300  # of the signal: within so many, 45 s at 10 Hz, a resonance moves by about a hertz


class IndividualSpectrum(LabProcedure):
    """Spectrum of one homodyne detector at its membrane's resonance, relative to shot noise, and the mode fitted to
    it."""

    title = "Individual spectrum"
    roles = ("analyzer", "homodyne")
    sensor = IntegerParameter("Sensor", default=1, minimum=1, maximum=64)
    span = FloatParameter("Span", units="Hz", default=2000.0, minimum=100.0, maximum=1e6)
    rbw = FloatParameter("Resolution bandwidth", units="Hz", default=10.0, minimum=1.0, maximum=8e6)
    vbw = FloatParameter("Video bandwidth", units="Hz", default=100.0, minimum=1.0, maximum=50e6)
    averages = IntegerParameter("Averages", default=400, minimum=1, maximum=10000)
    search_rbw = FloatParameter("Search resolution bandwidth", units="Hz", default=30.0, minimum=1.0, maximum=8e6)
    DATA_COLUMNS = ["Frequency (Hz)", "Relative to shot noise"]

    def expected_s(self) -> float:
        """Return the time of signal, shot and dark traces, in s."""
        return trace_s(self.rbw, self.averages) * (2.0 + DARK_SHARE) + LOCKING_S

    def measure(self) -> None:
        """Raises `LockError`, or `AnalysisRefused` when there is no mode to fit."""
        bench = self.on_bench
        needs = [*bench.loops.source, bench.loops.of_sensor(self.sensor)]
        open_beams(self)
        centre_hz = self._find_resonance(needs)
        settings = sweep(centre_hz, self.span, self.rbw, self.vbw, self.averages)
        signals = self._take_in_parts(settings, Share(0.1, 0.5), needs)
        block_beams(self, signal=True, local_oscillator=False)
        signal_ended_at = bench.clock.now()
        shot = self._take("shot", settings, Share(0.5, 0.93))
        settings_s = trace_s(self.rbw, self.averages)
        require_fresh_reference(f"sensor{self.sensor}", signal_ended_at + settings_s, bench.clock.now())
        bench.station.shutters["local_oscillator"].close()
        dark_averages = max(FEWEST_DARK_AVERAGES, round(DARK_SHARE * self.averages))
        dark_settings = sweep(centre_hz, self.span, self.rbw, self.vbw, dark_averages)
        dark = self._take("dark", dark_settings, Share(0.93, 1.0))
        open_beams(self)
        self._analyse(signals, shot, dark, (settings.start_hz, settings.stop_hz))

    def _find_resonance(self, needs: Sequence[Loop]) -> float:
        """Return where the highest point of a wide trace is, in Hz."""
        sensor = self.on_bench.station.file.sensors[self.sensor - 1]
        wide = sweep(sensor.resonance, sensor.search_span, self.search_rbw, 10 * self.search_rbw, SEARCH_AVERAGES)
        trace = self._take("search", wide, Share(0.0, 0.1), needs)
        return float(trace.frequency_hz[int(np.argmax(trace.values))])

    def _take(self, kind: str, settings: SweepSettings, share: Share, needs: Sequence[Loop] | None = None) -> Spectrum:
        name = f"sensor{self.sensor}.{kind}"
        return take_trace(self, name, f"bhd{self.sensor}", settings, share=share, needs=needs or [])

    def _take_in_parts(self, settings: SweepSettings, share: Share, needs: Sequence[Loop]) -> list[Spectrum]:
        """Take the signal in parts during which the resonance stands still, and keep their average too."""
        count = max(1, round(settings.averages / PART_AVERAGES))
        if count == 1:
            return [self._take("signal", settings, share, needs)]
        started_at = self.on_bench.clock.now()
        part = replace(settings, averages=-(-settings.averages // count))
        edges = np.linspace(share.start, share.end, count + 1)
        shares = [Share(float(a), float(b)) for a, b in itertools.pairwise(edges)]
        parts = [self._take("signal_part", part, each, needs) for each in shares]
        keep_average(self, f"sensor{self.sensor}.signal", f"bhd{self.sensor}", parts, settings, started_at, needs)
        return parts

    def _analyse(self, signals: Sequence[Spectrum], shot: Spectrum, dark: Spectrum, band: tuple[float, float]) -> None:
        """Keep the mode and the noise beside it, and leave both on the bench."""
        found = measured_mode(signals, shot, dark)
        relative, fit = found.spectrum, found.mode
        require_good_fit(f"sensor{self.sensor}", fit)
        prefix = f"sensor{self.sensor}"
        self.keep(f"{prefix}.f0_hz", fit.f0_hz, unit="Hz", convention="centre of the mode")
        self.keep(
            f"{prefix}.gamma_hz",
            fit.gamma_hz,
            unit="Hz",
            convention="FWHM of the energy line, resolution filter removed",
        )
        self.keep(
            f"{prefix}.peak_to_shot", fit.peak_to_floor, unit="", convention="A: line above its floor, shot noise = 1"
        )
        floor = Estimate(
            fit.floor.value, fit.floor.sigma, "", "noise beside the mode over shot noise, dark subtracted, marginal"
        )
        self.keep(f"{prefix}.individual_db", in_decibels(floor))
        self.keep(f"{prefix}.clearance_db", clearance_db(shot, dark, band))
        self.on_bench.mode_spectra[self.sensor] = ModeSpectrum(relative, fit)
        show_mode(self.on_bench, self.sensor, relative, fit)
        if fit.reason:
            self.event("warning", f"{prefix}: {fit.reason}")
        for frequency, value in zip(relative.frequency_hz, relative.values, strict=True):
            self.row(frequency=frequency, relative_to_shot_noise=value)
