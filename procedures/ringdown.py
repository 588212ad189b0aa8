"""The linewidth of a membrane from its free decay: shaken on resonance, let go, and watched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.errors import AnalysisRefused, BadReply, ConfigurationError, LockError
from labctl.estimation.ringdown import RingdownFit, fit_ringdown, require_unclipped
from labctl.locks.loop import Loop, Verdict
from labctl.spectra.estimate import Estimate
from labctl.station.roles import SlowRecord, ToneSource
from labctl.store.records import TraceRecord
from procedures.base import LabProcedure
from procedures.resonance_search import resonance_hz, searched_hz
from procedures.tones import needed_tone, switched_off_afterwards
from procedures.traces import LOCKING_S, TRIES, Share, open_beams

DRIVE = "membrane_drive"
SAMPLES_PER_POINT = 16
"""Averaged to one point of the envelope: of a carrier at a quarter of the sample rate the mirror image averages out."""
RELAY_S = 1e-3  # that the output of a generator may take to open
STRONGER = 4.0  # times the drive, where nothing is seen to decay
MOST_TRIES = 4
DISAGREES_SIGMAS = 3.0
SEARCH_S = 3.0  # for estimates
TRANSFER_S = 0.1


@dataclass(frozen=True, eq=False)
class Shot:
    """One decay: the envelope in V against time in s, demodulated at `drive_hz`, and its fit."""

    time_s: NDArray[np.float64]
    envelope_v: NDArray[np.complex128]
    drive_hz: float
    started_at: float
    ended_at: float
    fit: RingdownFit


class Ringdown(LabProcedure):
    """Shake the membrane of one sensor on resonance, switch the drive off, and fit the decay; several times.

    The record is undersampled: one buffer lasts many decay times, and the noise that folds into it is what the drive
    has to stand above. The first decay finds the frequency to drive at. The drive is off afterwards, however this ends.
    """

    title = "Ringdown of a membrane"
    roles = ("analyzer", "digitizer", "homodyne", "tone")
    sensor = IntegerParameter("Sensor", default=1, minimum=1, maximum=64)
    shots = IntegerParameter("Decays", default=6, minimum=1, maximum=1000)
    amplitude = FloatParameter("Amplitude of the drive", units="V", default=0.05, minimum=1e-3, maximum=5.0)
    excitation = FloatParameter("Time to shake", units="s", default=0.1, minimum=1e-3, maximum=100.0)
    duration = FloatParameter("Length of a record", units="s", default=0.09, minimum=1e-3, maximum=8.0)
    DATA_COLUMNS = ["Decay", "Linewidth (Hz)", "Amplitude (V)"]

    def expected_s(self) -> float:
        """Return the time of all decays, and of a look for the resonance, in s."""
        return float(LOCKING_S + SEARCH_S + (1 + self.shots) * (self.excitation + self.duration + TRANSFER_S))

    def measure(self) -> None:
        """Raises `LockError`, or `AnalysisRefused` where nothing is seen to decay."""
        bench = self.on_bench
        needs = [*bench.loops.source, bench.loops.of_sensor(self.sensor)]
        tone = needed_tone(bench, DRIVE, "A ringdown needs something that shakes the membranes")
        open_beams(self)
        around_hz = resonance_hz(self, self.sensor, needs, Share(0.0, 0.2))
        self._keep_findings(self._shots_while_locked(tone, around_hz, needs))

    # ---- what is measured -------------------------------------------------------------------------------------------

    def _shots_while_locked(self, tone: ToneSource, around_hz: float, needs: Sequence[Loop]) -> list[Shot]:
        bench = self.on_bench
        for attempt in range(1, TRIES + 1):
            self.ensure_locked(needs)
            with bench.supervisor.watch([loop.name for loop in needs]) as watch:
                with switched_off_afterwards(tone):
                    shots = self._all_shots(tone, around_hz, needs)
                verdict = watch.verdict()
            for number, shot in enumerate(shots, start=1):
                self._keep_trace(number, shot, verdict)
            if verdict.locked:
                return shots
            self.event("warning", f"The decays of try {attempt} are of no use: {verdict.reason}")
        raise LockError(
            f"A lock was lost in each of {TRIES} tries; last: {verdict.reason}", remedy="See the events of the run."
        )

    def _all_shots(self, tone: ToneSource, around_hz: float, needs: Sequence[Loop]) -> list[Shot]:
        """Return as many decays as are asked for; as many again may be of no use before that is the finding."""
        f0_hz, amplitude_v = self._tuned(tone, around_hz, needs)
        shots: list[Shot] = []
        for number in range(1, 2 * self.shots + 1):
            try:
                shots.append(self._shot(tone, f0_hz, amplitude_v))
            except AnalysisRefused as refusal:
                if number == 2 * self.shots:
                    raise
                self.event("info", f"Decay {number} is left out: {refusal}")
            self.progress(0.2 + 0.8 * len(shots) / self.shots)
            if len(shots) == self.shots:
                break
        return shots

    def _tuned(self, tone: ToneSource, around_hz: float, needs: Sequence[Loop]) -> tuple[float, float]:
        """Return the frequency of the mode in Hz from a first decay, and the amplitude of the drive in V that it takes;
        where nothing is seen to decay, the mode is looked for anew, and then driven harder."""
        strongest_v = self.on_bench.station.file.tones[DRIVE].maximum_amplitude
        amplitude_v, tries = self.amplitude, 0
        while True:
            try:
                return self._shot(tone, around_hz, amplitude_v).fit.parameters["f0_hz"].value, amplitude_v
            except AnalysisRefused as refusal:
                tries += 1
                if (tries > 1 and amplitude_v >= strongest_v) or tries > MOST_TRIES:
                    raise
                if tries > 1:
                    amplitude_v = min(STRONGER * amplitude_v, strongest_v)
                else:
                    around_hz = searched_hz(self, self.sensor, needs, Share(0.0, 0.2))
                self.event("info", f"{refusal} Driven at {around_hz:.0f} Hz with {amplitude_v:.3g} V now.")

    def _shot(self, tone: ToneSource, drive_hz: float, amplitude_v: float) -> Shot:
        bench = self.on_bench
        self.check_stop()
        tone.set_tone(drive_hz, amplitude_v)
        tone.switch_on()
        self.wait(self.excitation)
        started_at = bench.clock.now()
        off_at = started_at

        def let_go() -> None:
            nonlocal off_at
            tone.switch_off()
            if tone.is_on():  # answered only after the output is off
                raise BadReply(DRIVE, "is still on after it was switched off", remedy="Look at its generator.")
            off_at = bench.clock.now()

        record = bench.station.digitizer.undersample(drive_hz, self.duration, let_go)
        name = f"sensor{self.sensor}.ringdown"
        volts = record.volts[self.sensor - 1]
        try:
            require_unclipped(np.abs(volts), name)
        except AnalysisRefused as refusal:  # no decay to be driven harder for
            raise ConfigurationError(str(refusal), remedy=f"Drive with less than {amplitude_v:g} V.") from refusal
        time_s, envelope_v = envelope(volts, record, drive_hz)
        free = time_s > off_at - started_at + RELAY_S  # the record began after `started_at`
        fit = fit_ringdown(time_s[free], envelope_v[free], carrier_hz=drive_hz, name=name)
        return Shot(time_s, envelope_v, drive_hz, started_at, bench.clock.now(), fit)

    # ---- what is kept -----------------------------------------------------------------------------------------------

    def _keep_trace(self, number: int, shot: Shot, verdict: Verdict) -> None:
        self.on_bench.record.add_trace(
            TraceRecord(
                name=f"sensor{self.sensor}.ringdown",
                step=self.step_name,
                axis_name="time",
                axis_unit="s",
                values_unit="V",
                axis=shot.time_s,
                values=shot.envelope_v,
                conventions={
                    "values": "complex envelope, peak V, of exp(2 pi i f t) at carrier_hz",
                    "carrier_hz": shot.drive_hz,
                    "decay": number,
                    "gamma_hz": shot.fit.gamma_hz.value,
                    "gamma_sigma_hz": shot.fit.gamma_hz.sigma,
                    "fitted_from_s": shot.fit.interval_s[0],
                    "fitted_to_s": shot.fit.interval_s[1],
                    "fitted_amplitude_v": shot.fit.parameters["amplitude"].value,
                },
                valid=verdict.locked,
                invalid_reason=verdict.reason,
                started_at=shot.started_at,
                ended_at=shot.ended_at,
            )
        )

    def _keep_findings(self, shots: Sequence[Shot]) -> None:
        prefix = f"sensor{self.sensor}"
        for number, shot in enumerate(shots, start=1):
            self.row(decay=number, linewidth=shot.fit.gamma_hz.value, amplitude=shot.fit.parameters["amplitude"].value)
        poor = [shot.fit.reason for shot in shots if shot.fit.reason]
        if len(poor) > len(shots) / 2:
            self.event("warning", f"{prefix}: in {len(poor)} of {len(shots)} decays, {poor[0]}.")
        gamma = mean_gamma([shot.fit for shot in shots])
        self.keep(
            f"{prefix}.gamma_ringdown_hz",
            gamma,
            unit="Hz",
            convention=f"FWHM of the energy line: amplitude falls as exp(-pi Gamma t); mean of {len(shots)} decays",
        )
        thermal = self.on_bench.results().get(f"{prefix}.gamma_hz")
        if thermal is None:
            return
        difference = (gamma.value - thermal.value) / math.hypot(gamma.sigma, thermal.sigma)
        self.keep(
            f"{prefix}.gamma_difference_sigmas",
            Estimate(
                difference, 1.0, "", "linewidth by ringdown less that of the thermal line, over their uncertainty"
            ),
        )
        if abs(difference) > DISAGREES_SIGMAS:
            self.event(
                "warning",
                f"{prefix}: the ringdown gives a linewidth of {gamma}, the thermal line "
                f"{Estimate(thermal.value, thermal.sigma, 'Hz')}: {abs(difference):.1f} sigma apart. A second mode in "
                "the line, a drift while it was averaged, or a drive that is too strong.",
            )


def envelope(
    volts: NDArray[np.float64], record: SlowRecord, frequency_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Return the complex envelope (n,) of `volts` at `frequency_hz`, in peak V, and the times in s of its points from
    the beginning of the record.

    The samples are undersampled: the carrier is turned back from sample to sample, whatever its alias is.
    """
    points = volts.size // SAMPLES_PER_POINT
    used = volts[: points * SAMPLES_PER_POINT]
    turns = frequency_hz / record.sample_rate_hz * np.arange(used.size) % 1.0
    turned = 2.0 * used * np.exp(-2j * np.pi * turns)
    middle = (np.arange(points) + 0.5 * (1.0 - 1.0 / SAMPLES_PER_POINT)) * SAMPLES_PER_POINT / record.sample_rate_hz
    return np.asarray(middle), np.asarray(turned.reshape(points, SAMPLES_PER_POINT).mean(axis=1))


def mean_gamma(fits: Sequence[RingdownFit]) -> Estimate:
    """Return the mean linewidth in Hz of decays after the same drive, which are worth the same; none is weighed by the
    uncertainty that its own noise gave it."""
    values = np.array([fit.gamma_hz.value for fit in fits])
    sigmas = np.array([fit.gamma_hz.sigma for fit in fits])
    return Estimate(float(values.mean()), float(np.sqrt(np.sum(sigmas**2)) / len(fits)), "Hz", "FWHM")
