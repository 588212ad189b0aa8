"""Take one averaged analyzer trace, watched by the locks that it needs, and keep it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivers.sweep import SweepSettings
from labctl.errors import BadReply, ConfigurationError, LabError, LockError
from labctl.locks.loop import Loop, Verdict
from labctl.locks.watch import LockWatch
from labctl.spectra.acquisition import Acquisition, Averaging, Detector
from labctl.spectra.trace import Spectrum, Unit
from labctl.store.records import TraceRecord
from labctl.store.rows import LOCKS
from procedures.base import LabProcedure
from procedures.shown_spectra import show_trace

POINTS_PER_RBW = 4
MOST_POINTS = 20001  # of an X-series trace
TRIES = 3
LATEST_END, LATEST_END_S = 1.2, 30.0  # a trace that takes longer than this share of its time, and this, never ends
LOCKING_S = 25.0  # to lock one homodyne loop, for estimates
LOOK_S = 1.25  # to look whether one loop is locked, for estimates
FFT_SWEEP_PER_RBW = 1.5  # duration of one FFT sweep times RBW, for estimates
AVERAGING = {"RMS": Averaging.POWER, "LOG": Averaging.LOG, "SCAL": Averaging.VOLTAGE}
DETECTOR = {"AVER": Detector.AVERAGE, "SAMP": Detector.SAMPLE, "POS": Detector.PEAK, "NEG": Detector.NEGATIVE_PEAK}


@dataclass(frozen=True)
class Share:
    """The part of a procedure's progress that one trace covers."""

    start: float
    end: float


def sweep(centre_hz: float, span_hz: float, rbw_hz: float, vbw_hz: float, averages: int) -> SweepSettings:
    """Return settings with a point every quarter of the resolution bandwidth, power averaging.

    Raises `ConfigurationError` when that is more points than a trace has.
    """
    points = round(span_hz / rbw_hz * POINTS_PER_RBW) + 1
    if points > MOST_POINTS:
        raise ConfigurationError(
            f"A span of {span_hz:g} Hz at RBW {rbw_hz:g} Hz needs {points} points; a trace has {MOST_POINTS}.",
            remedy="Take a smaller span or a wider bandwidth.",
        )
    return SweepSettings(centre_hz - span_hz / 2, centre_hz + span_hz / 2, points, rbw_hz, vbw_hz, averages)


def trace_s(rbw_hz: float, averages: int) -> float:
    """Return about how long an averaged FFT trace takes, in s."""
    return averages * FFT_SWEEP_PER_RBW / rbw_hz


def take_trace(
    procedure: LabProcedure,
    name: str,
    port: str,
    settings: SweepSettings,
    *,
    share: Share,
    needs: Sequence[Loop] = (),
) -> Spectrum:
    """Take the trace `name` at RF position `port` while `needs` are locked, keep it, and return it in dBm.

    A trace during which a lock was lost is kept marked invalid, the loops are locked again, and it is repeated.
    Raises `LockError` after `TRIES` losses, `Stopped` on a stop (the sweep is aborted).
    """
    bench = procedure.on_bench
    for attempt in range(1, TRIES + 1):
        procedure.ensure_locked(needs)
        bench.station.rf_switch.select(port)
        accepted = bench.station.analyzer.configure_sweep(settings)
        started_at = bench.clock.now()
        with bench.supervisor.watch([loop.name for loop in needs]) as watch:
            values_dbm = _run_sweep(procedure, share, watch, _SweepDisplay(procedure, name, port, accepted))
            verdict = watch.verdict()
        spectrum = Spectrum(accepted.frequency_hz(), values_dbm, Unit.DBM, _acquisition(accepted), name=name)
        record = _trace_record(procedure, spectrum, port, accepted, verdict, started_at, watch.names)
        bench.record.add_trace(record)
        show_trace(bench, spectrum, record)
        if verdict.locked:
            return spectrum
        procedure.event("warning", f"Trace {name} (try {attempt}) is invalid: {verdict.reason}")
    raise LockError(
        f"{name}: a lock was lost in each of {TRIES} tries; last: {verdict.reason}", remedy="See the events of the run."
    )


def keep_average(
    procedure: LabProcedure,
    name: str,
    port: str,
    parts: Sequence[Spectrum],
    settings: SweepSettings,
    started_at: float,
    needs: Sequence[Loop] = (),
) -> Spectrum:
    """Keep the mean power of consecutive traces in dBm, all good, as the trace `name`, and return it."""
    power = np.mean([10.0 ** (part.values / 10.0) for part in parts], axis=0)
    acquisition = replace(
        parts[0].acquisition,
        averages=sum(part.acquisition.averages for part in parts),
        effective_k=sum(part.acquisition.effective_k for part in parts),
    )
    whole = replace(parts[0], values=10.0 * np.log10(power), acquisition=acquisition, name=name)
    settings = replace(settings, averages=acquisition.averages)
    names = [loop.name for loop in needs]
    procedure.on_bench.record.add_trace(
        _trace_record(procedure, whole, port, settings, Verdict(True), started_at, names)
    )
    return whole


def block_beams(procedure: LabProcedure, *, signal: bool, local_oscillator: bool) -> None:
    """Hold the loops that need the light where they are, then close shutters: a servo without its fringe would run
    away."""
    loops = procedure.on_bench.loops
    held = loops.on_probe if signal else [loop.name for loop in loops.homodyne]
    procedure.on_bench.supervisor.hold(held, "Beams are blocked.")
    shutters = procedure.on_bench.station.shutters
    if signal:
        shutters["signal"].close()
    if local_oscillator:
        shutters["local_oscillator"].close()


def open_beams(procedure: LabProcedure) -> None:
    """Open local oscillator and signal."""
    shutters = procedure.on_bench.station.shutters
    shutters["local_oscillator"].open()
    shutters["signal"].open()


@dataclass
class _SweepDisplay:
    """Shows a trace while it is averaged."""

    procedure: LabProcedure
    name: str
    port: str
    settings: SweepSettings

    def show(self, share: float, watch: LockWatch) -> None:
        """Show the average so far, of which `share` is done by the time that it takes."""
        bench = self.procedure.on_bench
        if not bench.shows_sweeps or bench.on_spectrum is None:
            return
        values_dbm = bench.station.analyzer.read_trace()
        if not np.isfinite(values_dbm).all():
            return
        done = replace(self.settings, averages=max(1, round(share * self.settings.averages)))
        spectrum = Spectrum(self.settings.frequency_hz(), values_dbm, Unit.DBM, _acquisition(done), name=self.name)
        now = bench.clock.now()
        record = _trace_record(self.procedure, spectrum, self.port, done, watch.verdict(), now)
        show_trace(bench, spectrum, record, asked=self.settings.averages)


def _run_sweep(procedure: LabProcedure, share: Share, watch: LockWatch, display: _SweepDisplay) -> NDArray[np.float64]:
    """Return the trace when it is complete, or as far as it had come when a lock was lost."""
    bench = procedure.on_bench
    analyzer = bench.station.analyzer
    duration = analyzer.duration_s()
    started_at = bench.clock.now()
    analyzer.start()
    try:
        while True:
            elapsed = bench.clock.now() - started_at
            procedure.progress(share.start + (share.end - share.start) * min(1.0, elapsed / max(duration, 1e-3)))
            procedure.wait(min(max(duration - elapsed, 0.05), max(1.0, duration / 20)))
            if elapsed > LATEST_END * duration + LATEST_END_S:
                raise BadReply(
                    "analyzer",
                    f"is still sweeping after {elapsed:.0f} s of a trace of {duration:.0f} s",
                    remedy="Somebody changed its settings, or it was switched off and on.",
                )
            if not watch.still_good():
                analyzer.abort()
                return analyzer.read_trace()
            if not analyzer.is_sweeping():
                return analyzer.read_trace()
            display.show(min(1.0, (bench.clock.now() - started_at) / max(duration, 1e-3)), watch)
    except BaseException:
        with suppress(LabError):  # the error that brought us here is the one to tell
            analyzer.abort()
        raise


def _acquisition(settings: SweepSettings) -> Acquisition:
    return Acquisition.of_analyzer(
        settings.rbw_hz,
        settings.vbw_hz,
        settings.averages,
        averaging=AVERAGING[settings.average_type],
        detector=DETECTOR[settings.detector],
        **vars(settings.point_averaging),
    )


def _trace_record(
    procedure: LabProcedure,
    spectrum: Spectrum,
    port: str,
    settings: SweepSettings,
    verdict: Verdict,
    started_at: float,
    needed: Sequence[str] = (),
) -> TraceRecord:
    acquisition = spectrum.acquisition
    return TraceRecord(
        name=spectrum.name,
        step=procedure.step_name,
        axis_name="frequency",
        axis_unit="Hz",
        values_unit=str(spectrum.unit),
        axis=spectrum.frequency_hz,
        values=spectrum.values,
        conventions={
            "rbw_hz": acquisition.rbw_hz,
            "enbw_hz": acquisition.enbw_hz,
            "vbw_hz": settings.vbw_hz,
            "filter": str(acquisition.filter_shape),
            "detector": str(acquisition.detector),
            "averaging": str(acquisition.averaging),
            "averages": settings.averages,
            "effective_averages": acquisition.effective_k,
            "impedance_ohm": 50.0,
            "rf_input": port,
            "sidedness": "one-sided",
            **({LOCKS: " ".join(needed)} if needed else {}),
        },
        valid=verdict.locked,
        invalid_reason=verdict.reason,
        started_at=started_at,
        ended_at=procedure.on_bench.clock.now(),
    )
