"""Measure what one homodyne loop leaves of the noise of its path, and what that costs in squeezing."""

from __future__ import annotations

from collections.abc import Mapping

from pymeasure.experiment import BooleanParameter, FloatParameter, IntegerParameter, Parameter

from labctl.configuration.station_file import HomodyneLoop
from labctl.errors import ConfigurationError, LockError
from labctl.estimation.estimate import Estimate
from labctl.estimation.loop_noise import NoiseSpectrum
from labctl.locks.diagnostics import RECORDS, HomodyneDiagnostics, LoopNoise
from labctl.locks.error_records import error_recorder
from labctl.locks.homodyne import HomodyneLock
from labctl.locks.loop import Verdict
from labctl.physics.lock_tolerance import decibels_lost
from labctl.store.records import ConventionValue, TraceRecord
from procedures.base import LabProcedure
from procedures.shown_curves import show_loop_noise
from procedures.traces import TRIES, block_beams, open_beams

NUMBER_STEP_RAD = 1e-5


class MeasureLoopNoise(LabProcedure):
    """Record the error signal of one homodyne loop at its gain and at a third of it, and report the residual phase, the
    unity gain, and the squeezing that such a phase costs.

    With `detector_noise` all homodyne loops are held and the signal is blocked first, to see what of the error signal
    is of the detector; they are locked again afterwards.
    """

    title = "Noise of a homodyne loop"
    roles = ("homodyne",)
    loop = Parameter("Loop", default="lo1")
    records = IntegerParameter("Records", default=RECORDS, minimum=4, maximum=1000)
    detector_noise = BooleanParameter("Block the signal to see the detector's noise", default=True)
    squeezed = FloatParameter("Squeezed variance", units="dB", default=-6.0, minimum=-30.0, maximum=0.0)
    antisqueezed = FloatParameter("Antisqueezed variance", units="dB", default=9.0, minimum=0.0, maximum=60.0)
    DATA_COLUMNS = ["Frequency (Hz)", "Residual (rad^2/Hz)"]

    def measure(self) -> None:
        """Raises `ConfigurationError` for a loop that is no homodyne loop or whose error signal nothing records,
        `LockError` where it does not hold or oscillates, `AnalysisRefused` where its noise does not show it."""
        loop, diagnostics = self._diagnostics()
        self.ensure_locked(self.on_bench.loops.source)
        open_beams(self)
        detector = None
        if self.detector_noise:
            detector = self._detector_noise(loop, diagnostics)
        found = self._watched(loop, diagnostics, detector)
        for frequency, residual in zip(found.spectrum.frequency_hz, found.spectrum.psd, strict=True):
            self.row(frequency=frequency, residual=residual)
        self._report(found)
        self.progress(1.0)

    def expected_s(self) -> float:
        """Return how long it will take, in s."""
        return 10.0 + 0.6 * int(self.records) + (60.0 if self.detector_noise else 0.0)

    def _diagnostics(self) -> tuple[HomodyneLock, HomodyneDiagnostics]:
        bench = self.on_bench
        entry = bench.station.file.loops.get(self.loop)
        if not isinstance(entry, HomodyneLoop):
            raise ConfigurationError(
                f"{self.loop} is no homodyne loop of this station.",
                remedy=f"Take one of {', '.join(loop.name for loop in bench.loops.homodyne)}.",
            )
        loop = bench.loops.of_sensor(entry.sensor)
        return loop, HomodyneDiagnostics(
            loop.name,
            loop.servo,
            error_recorder(bench.station, loop.name),
            bench.clock,
            quadrature=1 if entry.quadrature == "+pi/2" else -1,
            unity_gain_hz=entry.unity_gain,
            records=self.records,
        )

    def _detector_noise(self, loop: HomodyneLock, diagnostics: HomodyneDiagnostics) -> NoiseSpectrum:
        """Return the noise of the detector without its signal; the loops that were held for it are locked again."""
        loops = self.on_bench.loops.homodyne
        self.ensure_locked([loop])  # the calibration gives the fringe
        assert loop.calibration is not None
        block_beams(self, signal=True, local_oscillator=False)
        self.progress(0.2)
        try:
            return diagnostics.detector_noise(loop.calibration)
        finally:
            open_beams(self)
            self.ensure_locked(loops)

    def _watched(
        self, loop: HomodyneLock, diagnostics: HomodyneDiagnostics, detector: NoiseSpectrum | None
    ) -> LoopNoise:
        """Return what was found while the loop held; spectra of a try during which it was lost are kept as invalid."""
        supervisor, clock = self.on_bench.supervisor, self.on_bench.clock
        for attempt in range(1, TRIES + 1):
            self.ensure_locked([loop])
            self.progress(0.6)
            assert loop.calibration is not None
            started_at = clock.now()
            with supervisor.watch(supervisor.with_needs([loop.name])) as watch:
                found = diagnostics.measure(loop.calibration, detector)
                verdict = watch.verdict()
            self._keep_spectrum("residual_psd", found.spectrum, verdict, started_at)
            show_loop_noise(self.on_bench, loop.name, found.spectrum, verdict)
            self._keep_spectrum("error_psd", found.error, verdict, started_at)
            if verdict.locked:
                return found
            self.event("warning", f"Records of {loop.name} (try {attempt}) are invalid: {verdict.reason}")
        raise LockError(
            f"{loop.name}: a lock was lost in each of {TRIES} tries; last: {verdict.reason}",
            remedy="See the events of the run.",
        )

    def _report(self, found: LoopNoise) -> None:
        self.keep(f"{self.loop}.residual_rad", found.residual)
        self.keep(f"{self.loop}.in_loop_rad", found.in_loop)
        self.keep(f"{self.loop}.offset_rad", found.offset)
        self.keep(
            f"{self.loop}.unity_gain_hz", found.gain.unity_gain, convention="where the fitted open loop has gain 1"
        )
        self.keep(
            f"{self.loop}.phase_margin_deg", found.gain.phase_margin, convention="of the fitted open loop at unity gain"
        )
        self.keep(f"{self.loop}.fringe_amplitude_v", found.amplitude_v)
        self.keep(f"{self.loop}.residual_db_lost", self._decibels_lost(found))
        if found.gain.reason:
            self.event("warning", f"{self.loop}: {found.gain.reason}.")

    def _decibels_lost(self, found: LoopNoise) -> Estimate:
        """Return what residual and offset together cost in squeezing."""
        squeezed, antisqueezed = 10.0 ** (self.squeezed / 10.0), 10.0 ** (self.antisqueezed / 10.0)

        def lost(rms_rad: float, offset_rad: float) -> float:
            return float(decibels_lost(squeezed, antisqueezed, rms_rad, offset_rad))

        rms, offset = found.residual, found.offset
        step = NUMBER_STEP_RAD
        by_rms = (lost(rms.value + step, offset.value) - lost(rms.value - step, offset.value)) / (2.0 * step)
        by_offset = (lost(rms.value, offset.value + step) - lost(rms.value, offset.value - step)) / (2.0 * step)
        sigma = ((by_rms * rms.sigma) ** 2 + (by_offset * offset.sigma) ** 2) ** 0.5
        return Estimate(
            lost(rms.value, offset.value),
            sigma,
            "dB",
            f"squeezing lost by residual and offset, at {self.squeezed:g} dB and {self.antisqueezed:+g} dB",
        )

    def _keep_spectrum(self, name: str, spectrum: NoiseSpectrum, verdict: Verdict, started_at: float) -> None:
        bench = self.on_bench
        conventions: Mapping[str, ConventionValue] = {
            "enbw_hz": spectrum.acquisition.enbw_hz,
            "window": "hann",
            "averaging": "power",
            "averages": spectrum.acquisition.averages,
            "effective_averages": spectrum.acquisition.effective_k,
            "sidedness": "one-sided",
        }
        bench.record.add_trace(
            TraceRecord(
                name=f"{self.loop}.{name}",
                step=self.step_name,
                axis_name="frequency",
                axis_unit="Hz",
                values_unit="rad^2/Hz",
                axis=spectrum.frequency_hz,
                values=spectrum.psd,
                conventions=conventions,
                valid=verdict.locked,
                invalid_reason=verdict.reason,
                started_at=started_at,
                ended_at=bench.clock.now(),
            )
        )
