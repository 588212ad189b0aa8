"""Squeezing and antisqueezing of the light before the network against pump power: efficiency and phase noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.errors import AnalysisRefused, LockError
from labctl.estimation.cross_spectrum import BandMatrix, ComplexArray, cross_spectral_matrix
from labctl.estimation.network import optimal_combination, relative_to_shot, remove_loss, weighted_sum
from labctl.estimation.parametric_gain import ParametricGain
from labctl.estimation.pump_threshold import PumpThreshold
from labctl.estimation.source_light import antisqueezing, phase_noise, source_efficiency
from labctl.estimation.squeezing_model import SqueezingModel, fit_squeezing
from labctl.locks.homodyne import HomodyneLock
from labctl.locks.servo_loop import SETTLE_S
from labctl.locks.watch import LockWatch
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import Estimate, in_decibels
from labctl.station.roles import ServoSetting
from labctl.store.records import TraceRecord
from procedures.base import LabProcedure
from procedures.channel_efficiency import channel_efficiency
from procedures.frequencies import exclusions, resonances_hz
from procedures.joint_spectrum_digitizer import RECORD_S
from procedures.pump_power import (
    TYPICAL_CHANGE_S,
    TYPICAL_LEARNING_S,
    PumpPower,
    changed_pump,
    loops_wanted,
    source_loop,
)
from procedures.seed_levels import (
    TYPICAL_LEVELS_S,
    SeedLevels,
    deamplified,
    require_weaker,
    seed_now,
)
from procedures.traces import LOCKING_S, TRIES, block_beams, open_beams

SHOT_RECORDS = 3  # times the records of one variance: all of them share the shot noise
DARK_SHARE = 1.0 / 3.0
FALL_SIGMAS = 5.0  # of a fall of the antisqueezing that is none of chance
BAND_MARGIN_HZ = 350e3  # beyond the resonances: more bins, and one phase still fits the cables to 1e-3 of the squeezing
LINEWIDTH_HZ = 103e6  # of the source cavity for the seed, full width at half maximum, as designed
HELD_READINGS = 10
HELD_PERIOD_S = 0.02
HELD_RMS = 0.4  # of the fringe: a free one has 0.71
DISAGREE_SIGMAS = 3.0
CLEAR_SIGMAS = 3.0  # by which records must scatter more than steady noise to count as fewer
TYPICAL_LOCK_S = 14.0
ROWS = "squeezed variance, its sigma, antisqueezed variance, its sigma"


@dataclass(frozen=True)
class _Point:
    """One pump power and the variances at the detectors there, all of them together, over shot noise; `averages` are
    those of the two, without the shot noise."""

    power_w: Estimate
    squeezed: Estimate
    antisqueezed: Estimate
    averages: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Noise:
    """The mean matrix of records over the band, and that of each record, (R, M, M) in V^2/Hz."""

    mean: BandMatrix
    each: ComplexArray

    def averages(self, weights: ComplexArray, unit: FloatArray) -> float:
        """Return the effective averages of a weighted sum of the channels, `weights` (M,) in units `unit` (M,) of 1/V:
        fewer than of steady noise where the records scatter more, as with a phase that shakes slowly."""
        w = weights * unit
        power = np.einsum("i,rij,j->r", w.conj(), self.each, w).real
        count = len(power)
        seen = float(power.var(ddof=1)) / count / float(power.mean()) ** 2 * self.mean.averages
        return self.mean.averages / seen if seen > 1.0 + CLEAR_SIGMAS * math.sqrt(2.0 / count) else self.mean.averages


class SqueezingAgainstPump(LabProcedure):
    """Record all detectors at several pump powers: with the seed amplified they see the squeezed quadrature, with the
    pump phase locked half a turn on the ellipse lies across and they see the antisqueezed one, no local oscillator
    being turned.

    The channel efficiency is taken out. The power that was there is back afterwards, and the loops are locked again.
    """

    title = "Squeezing against pump"
    roles = ("digitizer", "scan", "opa_length", "pump_phase", "homodyne", "pump_power")
    powers = IntegerParameter("Pump powers", default=4, minimum=3, maximum=30)
    lowest = FloatParameter("Lowest share of the present power", default=0.25, minimum=0.03, maximum=0.9)
    highest = FloatParameter("Highest share of the present power", default=1.3, minimum=0.5, maximum=2.0)
    records = IntegerParameter("Records of each variance", default=25, minimum=10, maximum=100000)
    linewidth = FloatParameter(
        "Linewidth of the source cavity (FWHM)", units="Hz", default=LINEWIDTH_HZ, minimum=1e6, maximum=1e12
    )
    DATA_COLUMNS = ["Pump power (W)", "Squeezed", "Antisqueezed"]

    def expected_s(self) -> float:
        """Return the time of the plate, the locks at each power, all records and the locks afterwards, in s."""
        sensors = self.on_bench.station.file.station.sensors
        each_s = TYPICAL_CHANGE_S + TYPICAL_LOCK_S + TYPICAL_LEVELS_S + sensors + 2 * self.records * RECORD_S
        once_s = SHOT_RECORDS * (1.0 + DARK_SHARE) * self.records * RECORD_S
        return float(TYPICAL_LEARNING_S + once_s + self.powers * each_s + LOCKING_S)

    def measure(self) -> None:
        """Raises `StoreError` where a visibility is missing, `LockError` where a lock does not hold at a power,
        `ConfigurationError` for a station without a plate before the pump, `AnalysisRefused` where there is no
        squeezing to fit."""
        bench = self.on_bench
        channel = channel_efficiency(bench)
        open_beams(self)
        self.ensure_locked(bench.loops.homodyne)
        wanted = loops_wanted(self)
        started_at = bench.clock.now()
        self._shot, self._dark = self._references()
        self.ensure_locked(wanted)
        with changed_pump(self) as pump:
            points: list[_Point] = []
            for power_w in pump.shares(self.powers, self.lowest, self.highest):
                points.append(self._at(pump, power_w))
                self.progress(0.15 + 0.75 * len(points) / self.powers)
        working_w = pump.read()
        self.ensure_locked(wanted)
        points.sort(key=lambda point: point.power_w.value)
        self._keep_points(points, channel, started_at)
        self._analyse(points, channel, working_w)
        self._keep_pump_parameter(working_w)

    # ---- data -------------------------------------------------------------------------------------------------------

    def _references(self) -> tuple[BandMatrix, BandMatrix]:
        """Return shot noise and dark noise of all detectors, beams and locks as they were afterwards."""
        block_beams(self, signal=True, local_oscillator=False)
        try:
            shot = self._matrix(SHOT_RECORDS * self.records).mean
            self.on_bench.station.shutters["local_oscillator"].close()
            self.progress(0.07)
            dark = self._matrix(round(DARK_SHARE * SHOT_RECORDS * self.records)).mean
        finally:
            open_beams(self)
        self.progress(0.1)
        return shot, dark

    def _at(self, pump: PumpPower, power_w: float) -> _Point:
        """Set a pump power and record both quadratures."""
        bench = self.on_bench
        measured_w = pump.go(power_w)
        for attempt in range(1, TRIES + 1):
            self.ensure_locked(bench.loops.homodyne)
            try:
                squeezed = self._watched([loop.name for loop in bench.loops.homodyne])
                across = self._across()
                break
            except LockError as error:
                if attempt == TRIES:
                    raise
                self.event("warning", f"Records at {1e3 * power_w:.3g} mW (try {attempt}) are invalid: {error}")
        best = optimal_combination(relative_to_shot(squeezed.mean, self._shot, self._dark))
        turned = weighted_sum(relative_to_shot(across.mean, self._shot, self._dark), best.weights)
        self.row(pump_power=measured_w.value, squeezed=best.variance.value, antisqueezed=turned.variance.value)
        unit = 1.0 / np.sqrt((self._shot.matrix - self._dark.matrix).diagonal().real)
        averages = squeezed.averages(best.weights, unit), across.averages(best.weights, unit)
        low, high = (self._with_averages(v, k) for v, k in zip((best.variance, turned.variance), averages, strict=True))
        return _Point(measured_w, low, high, averages)

    def _with_averages(self, variance: Estimate, averages: float) -> Estimate:
        sigma = variance.value * math.sqrt(1.0 / averages + 1.0 / self._shot.averages)
        return Estimate(variance.value, sigma, variance.unit, variance.convention)

    def _across(self) -> _Noise:
        """Return the matrix with the ellipse across. The seed is weaker there, and the fringes with it: their loops are
        closed with as much more gain."""
        settings = {loop: self._setting(loop) for loop in self.on_bench.loops.homodyne}
        high = seed_now(self)
        with deamplified(self):
            levels = SeedLevels(high, seed_now(self))
            require_weaker(levels)
            weaker = math.sqrt(levels.deamplified.value / levels.amplified.value)
            for loop, point in settings.items():
                loop.servo.forget_conditions()
                loop.servo.close_loop(point.setpoint_v, point.integral_gain_per_s / weaker)
            self.wait(SETTLE_S)
            self._require_held(settings, weaker)
            matrix = self._watched([source_loop(self, "opa_length").name])
            self._require_held(settings, weaker)
            for loop in settings:
                loop.servo.hold()
        return matrix

    def _setting(self, loop: HomodyneLock) -> ServoSetting:
        setting = loop.servo.setting()
        if setting is None:
            raise LockError(f"{loop.name}: is open.", remedy="Lock it again.")
        return setting

    def _require_held(self, settings: Mapping[HomodyneLock, ServoSetting], weaker: float) -> None:
        """Raise `LockError` where a homodyne loop does not hold on its weaker fringe."""
        for loop in settings:
            assert loop.calibration is not None
            errors = []
            for _ in range(HELD_READINGS):
                errors.append(math.sin(loop.read().error) / weaker)
                self.wait(HELD_PERIOD_S)
            rms = float(np.sqrt(np.mean(np.square(errors))))
            state = loop.servo.state()
            if not state.closed or state.at_limit or rms > HELD_RMS:
                raise LockError(
                    f"{loop.name}: moves by {rms:.2f} of its fringe while the seed is de-amplified.",
                    remedy="Look at its error signal.",
                )

    def _watched(self, names: list[str]) -> _Noise:
        """Return the matrix of records taken while loops were locked. Raises `LockError` where one was lost."""
        with self.on_bench.supervisor.watch(names) as watch:
            matrix = self._matrix(self.records, watch)
            verdict = watch.verdict()
        if not verdict.locked:
            raise LockError(verdict.reason)
        return matrix

    def _matrix(self, records: int, watch: LockWatch | None = None) -> _Noise:
        """Return the mean matrix over the band less the resonances; of as many records as came before a lock was
        lost."""
        digitizer = self.on_bench.station.digitizer
        found = resonances_hz(self.on_bench)
        band = (min(found) - BAND_MARGIN_HZ, max(found) + BAND_MARGIN_HZ)
        skip, each, averages = exclusions(self.on_bench), [], 0.0
        for done in range(records):
            self.check_stop()
            if watch is not None and done > 0 and not watch.still_good():
                break
            spectrum = cross_spectral_matrix(digitizer.record(), digitizer.sample_rate_hz, band)
            inside = (float(spectrum.frequency_hz[0]), float(spectrum.frequency_hz[-1]))
            one = spectrum.mean_over(inside, [edges for edges in skip if edges[1] > inside[0] and edges[0] < inside[1]])
            each.append(one.matrix)
            averages += one.averages
            self.on_bench.clock.sleep(0.0)
        return _Noise(BandMatrix(np.mean(each, axis=0), averages, inside), np.array(each))

    # ---- results ----------------------------------------------------------------------------------------------------

    @property
    def _sideband_over_hwhm(self) -> float:
        return float(np.mean(resonances_hz(self.on_bench))) / (0.5 * float(self.linewidth))

    def _keep_points(self, points: list[_Point], channel: Estimate, started_at: float) -> None:
        """Keep the variances before the network; what of their uncertainty they share is not in it."""
        known = Estimate(channel.value, 0.0)
        low = [remove_loss(point.squeezed, known) for point in points]
        high = [remove_loss(point.antisqueezed, known) for point in points]
        self.on_bench.record.add_trace(
            TraceRecord(
                name="source.squeezing_against_pump",
                step=self.step_name,
                axis_name="pump power",
                axis_unit="W",
                values_unit="shot noise",
                axis=np.array([point.power_w.value for point in points]),
                values=np.array([part for pair in (low, high) for part in _value_and_sigma(pair)]),
                conventions={
                    "rows": ROWS,
                    "place": "before the network, phase noise of the detection included",
                    "channel_efficiency": channel.value,
                    "channel_efficiency_sigma": channel.sigma,
                    "sideband_over_hwhm": self._sideband_over_hwhm,
                    "averaging": "power",
                    "effective_averages": float(np.mean([point.averages for point in points])),
                },
                valid=True,
                invalid_reason="",
                started_at=started_at,
                ended_at=self.on_bench.clock.now(),
            )
        )

    def _analyse(self, points: list[_Point], channel: Estimate, working_w: Estimate) -> None:
        require_below_threshold([(point.power_w, point.antisqueezed) for point in points])
        model = fit_squeezing(
            [point.power_w.value for point in points],
            [point.squeezed.value for point in points],
            [point.antisqueezed.value for point in points],
            averages=np.array([point.averages for point in points]).T,
            sideband_over_hwhm=self._sideband_over_hwhm,
            shot_relative_sigma=1.0 / math.sqrt(self._shot.averages),
        )
        if model.reason:
            self.event("warning", f"Squeezing against pump: {model.reason}")
        self.keep("source.total_efficiency", source_efficiency(model, channel))
        self.keep("source.phase_noise_rad", phase_noise(model))
        self.keep("source.antisqueezing_db", in_decibels(antisqueezing(model, channel, working_w)))
        self._compare_thresholds(model)

    def _keep_pump_parameter(self, working_w: Estimate) -> None:
        """Say anew where the pump stands: the plate came back to the power before within what its mount repeats."""
        threshold = self.on_bench.results().get("source.threshold_w")
        if threshold is None:
            return
        known = Estimate(threshold.value, threshold.sigma, threshold.unit, threshold.convention)
        x = PumpThreshold(known, math.nan, math.nan).x_at(working_w)
        self.keep("source.pump_parameter", x)
        self.keep("source.parametric_gain", ParametricGain(x).amplification)

    def _compare_thresholds(self, model: SqueezingModel) -> None:
        """Say whether the noise has the threshold that the gain has, where that was measured."""
        gain, noise = self.on_bench.results().get("source.threshold_w"), model.threshold_w
        if gain is None:
            return
        apart = abs(noise.value - gain.value) / math.hypot(noise.sigma, gain.sigma)
        told = f"The noise puts the threshold at {1e3 * noise.value:.2f} mW, the gain at {1e3 * gain.value:.2f} mW"
        if apart > DISAGREE_SIGMAS:
            self.event("warning", f"{told}: {apart:.1f} sigma apart. Is the linewidth right, or the zero of the seed?")
        else:
            self.event("info", f"{told}: {apart:.1f} sigma apart.")


def require_below_threshold(antisqueezing: Sequence[tuple[Estimate, Estimate]]) -> None:
    """Raise `AnalysisRefused` where more pump (W, in rising order) gave clearly less antisqueezing (variance over shot
    noise): no source below its threshold does that."""
    for (weaker_w, before), (stronger_w, after) in pairwise(antisqueezing):
        if before.value - after.value > FALL_SIGMAS * math.hypot(before.sigma, after.sigma):
            raise AnalysisRefused(
                f"At {1e3 * stronger_w.value:.2f} mW the light is less antisqueezed ({after.value:.2f} times shot "
                f"noise) than at {1e3 * weaker_w.value:.2f} mW ({before.value:.2f}): the pump is above the threshold "
                "there, which moves with the temperature of the crystal in its oven, or the source was not locked.",
                remedy="Measure the threshold again (parametric_gain), or lower the highest power.",
            )


def _value_and_sigma(estimates: list[Estimate]) -> list[list[float]]:
    return [[e.value for e in estimates], [e.sigma for e in estimates]]
