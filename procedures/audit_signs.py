"""See with a tone on the probe that every homodyne detector has the sign that it is to have in the sum."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import FloatParameter, IntegerParameter, Parameter

from labctl.configuration.station_file import HomodyneLoop
from labctl.errors import ConfigurationError, LockError
from labctl.estimation.sign_audit import Detector, Sight, SignAudit, audit_signs
from labctl.estimation.tone_phasors import TonePhasors, measure_tone
from labctl.locks.homodyne import HomodyneLock
from labctl.physics.homodyne import shot_noise_a2_per_hz
from labctl.spectra.estimate import Estimate
from labctl.station.roles import ToneSource
from procedures.base import LabProcedure
from procedures.frequencies import KEEP_AWAY_HZ, resonances_hz
from procedures.sign_verdict import as_one, complaints, evidence, remarks
from procedures.tones import switched_off_afterwards
from procedures.traces import TRIES, open_beams

TONE = "phase_calibration"
BELOW_RESONANCES_HZ = 60e3  # where the noise beside the tone is read, no membrane moves
LOW_TONE_RATIO = 4.0  # of the high tone: a delay turns the low one that much less, a sign turns both by pi
LEAST_TONE_RATIO = 1.5  # closer tones tell nothing of delays
SETTLE_S = 0.1
OFFSET_READINGS, OFFSET_PERIOD_S = 10, 0.02
RECORD_S = 0.06  # arming, filling and transfer, for estimates
LOOKING_S = 2.5  # at all loops, before and after the records, for estimates
SIGNS = {"+": 1, "-": -1}


class AuditSigns(LabProcedure):
    """Two tones on the probe, one after the other, records of all detectors, and the sign of each.

    The signs to be found are those of the quadratures in the station file, or `signs`, one + or - a sensor: where a
    detector's output is reversed and its quadrature makes up for it. The overall sign comes from the slopes that the
    servos hold. Sensors that the bench leaves out are not looked at. The tone is off afterwards, however this ends.
    """

    title = "Signs of the homodyne quadratures"
    roles = ("digitizer", "homodyne", "tone")
    frequency = FloatParameter("Tone (0 is below the resonances)", units="Hz", default=0.0, minimum=0.0, maximum=1e8)
    amplitude = FloatParameter("Amplitude of the generator", units="V", default=0.3, minimum=1e-3, maximum=5.0)
    records = IntegerParameter("Records of each tone", default=5, minimum=1, maximum=1000)
    signs = Parameter("Signs, as ++-+ (empty is as in the station file)", default="")
    DATA_COLUMNS = ["Sensor", "Sign", "Tone share", "Signal to noise"]

    def expected_s(self) -> float:
        """Return the time of the records, of a look at every fringe, and of looks at the locks, in s."""
        sensors = self.on_bench.station.file.station.sensors
        records_s = 2 * (self.records * RECORD_S + SETTLE_S)
        return float(records_s + sensors * OFFSET_READINGS * OFFSET_PERIOD_S + LOOKING_S)

    def measure(self) -> None:
        """Raises `LockError` that names every detector with a wrong sign or none, `AnalysisRefused` where the tone
        is too weak to tell."""
        loops = self.on_bench.homodyne_in_use()
        every = self._intended(self.on_bench.loops.homodyne)
        intended = [every[sensor - 1] for sensor in self.on_bench.sensors_in_use()]
        tone = self._tone()
        frequencies = self._frequencies()
        open_beams(self)
        tones, offsets_rad = self._recorded_while_locked(tone, frequencies, loops)
        self.progress(0.9)
        audit = audit_signs(tones, self._detectors(loops, intended, offsets_rad))
        self._keep_findings(audit, tones)
        for sentence in remarks(audit):
            self.event("warning", sentence)
        self.event("info", evidence(audit))
        wrong = complaints(audit)
        if wrong:
            finding, remedy = as_one(wrong)
            raise LockError(finding, remedy=remedy)

    # ---- what is asked for ------------------------------------------------------------------------------------------

    def _intended(self, loops: Sequence[HomodyneLock]) -> list[int]:
        file = self.on_bench.station.file
        if self.signs:
            if len(self.signs) != len(loops) or not set(self.signs) <= set(SIGNS):
                raise ConfigurationError(
                    f"The signs {self.signs!r} are not one + or - for each of {len(loops)} detectors.",
                    remedy=f'Write for example "{"+" * len(loops)}", in the order of the sensors.',
                )
            return [SIGNS[sign] for sign in self.signs]
        entries = [file.loops[loop.name] for loop in loops]
        return [1 if isinstance(entry, HomodyneLoop) and entry.quadrature == "+pi/2" else -1 for entry in entries]

    def _tone(self) -> ToneSource:
        tone = self.on_bench.station.tones.get(TONE)
        if tone is None:
            raise ConfigurationError(
                f"An audit of the signs needs a tone on the probe's phase, and this station has no [tones.{TONE}].",
                remedy="Add it with the generator that drives the modulator.",
            )
        return tone

    def _frequencies(self) -> list[float]:
        """Return a high frequency away from the resonances, and a low one where the generator may go there."""
        bench = self.on_bench
        found = resonances_hz(bench)
        high = self.frequency or min(found, default=bench.station.digitizer.sample_rate_hz / 4) - BELOW_RESONANCES_HZ
        for resonance in found:
            if abs(high - resonance) < KEEP_AWAY_HZ:
                raise ConfigurationError(
                    f"A tone at {high:g} Hz is {abs(high - resonance):.0f} Hz from the resonance at {resonance:g} Hz.",
                    remedy=f"Keep {KEEP_AWAY_HZ:g} Hz away, or leave the frequency at 0.",
                )
        low = max(high / LOW_TONE_RATIO, bench.station.file.tones[TONE].minimum_frequency)
        return [high, low] if high >= LEAST_TONE_RATIO * low else [high]

    # ---- what is measured -------------------------------------------------------------------------------------------

    def _recorded_while_locked(
        self, tone: ToneSource, frequencies: Sequence[float], loops: Sequence[HomodyneLock]
    ) -> tuple[list[TonePhasors], list[float]]:
        """Return the tones, and the offset of each fringe from its quadrature in rad, taken while every loop held."""
        bench = self.on_bench
        needs = [*bench.loops.source, *loops]
        for attempt in range(1, TRIES + 1):
            self.ensure_locked(needs)
            with bench.supervisor.watch([loop.name for loop in needs]) as watch:
                with switched_off_afterwards(tone):
                    tones = [self._measured(tone, frequency) for frequency in frequencies]
                    offsets_rad = [self._offset_rad(loop) for loop in loops]
                verdict = watch.verdict()
            if verdict.locked:
                return tones, offsets_rad
            self.event("warning", f"The records of try {attempt} are of no use: {verdict.reason}")
        raise LockError(
            f"A lock was lost in each of {TRIES} tries; last: {verdict.reason}", remedy="See the events of the run."
        )

    def _measured(self, tone: ToneSource, frequency_hz: float) -> TonePhasors:
        """Return the tone in the records of the detectors in use."""
        digitizer, loops = self.on_bench.station.digitizer, self.on_bench.loops.homodyne
        tone.set_tone(frequency_hz, self.amplitude)
        tone.switch_on()
        self.wait(SETTLE_S)
        records: list[NDArray[np.float64]] = []
        for _ in range(self.records):
            self.check_stop()
            records.append(digitizer.record())
        if len(records[0]) != len(loops):
            raise ConfigurationError(
                f"The digitizer has {len(records[0])} detectors, and there are {len(loops)} homodyne loops.",
                remedy="Give every sensor an input under [digitizer] and a loop.",
            )
        chosen = [sensor - 1 for sensor in self.on_bench.sensors_in_use()]
        return measure_tone(np.array(records)[:, chosen], digitizer.sample_rate_hz, frequency_hz)

    def _offset_rad(self, loop: HomodyneLock) -> float:
        readings = []
        for _ in range(OFFSET_READINGS):
            readings.append(loop.read().error)
            self.on_bench.clock.sleep(OFFSET_PERIOD_S)
        return float(np.mean(readings))

    def _detectors(
        self, loops: Sequence[HomodyneLock], intended: Sequence[int], offsets_rad: Sequence[float]
    ) -> list[Detector]:
        return [
            Detector(loop.name, sign, self._held(loop), offset_rad)
            for loop, sign, offset_rad in zip(loops, intended, offsets_rad, strict=True)
        ]

    def _held(self, loop: HomodyneLock) -> int | None:
        """Return the sign of the quadrature that a closed servo can hold: at +pi/2 the signal falls with phase, and the
        gain must be negative."""
        setting = self.on_bench.station.servos[loop.name].setting()
        if setting is None or setting.integral_gain_per_s == 0.0:
            return None
        return int(-math.copysign(1.0, setting.integral_gain_per_s))

    # ---- what is kept -----------------------------------------------------------------------------------------------

    def _keep_findings(self, audit: SignAudit, tones: Sequence[TonePhasors]) -> None:
        sensors = self.on_bench.sensors_in_use()
        for index, (sensor, one) in enumerate(zip(sensors, audit.signs, strict=True)):
            name = f"audit.sensor{sensor}"
            if one.sight is Sight.CLEAR:
                self.keep(f"{name}_sign", audit.sign(index))
                if index != audit.reference and len(tones) > 1:
                    self.keep(f"{name}_delay_s", one.delay, convention=f"later than sensor {sensors[audit.reference]}")
            depth = self._depth(index, tones[0])
            if depth is not None:
                self.keep(f"{name}_tone_rad", depth)
            sign = audit.sign(index).value if one.sight is Sight.CLEAR else 0.0
            self.row(sensor=sensor, sign=sign, tone_share=one.share, signal_to_noise=one.snr)

    def _depth(self, index: int, tone: TonePhasors) -> Estimate | None:
        """Return the depth of the tone in rad, where fringe and powers are known: shot noise over the slope of the
        fringe is what a detector resolves, whatever its gain."""
        file = self.on_bench.station.file
        calibration = self.on_bench.homodyne_in_use()[index].calibration
        if file.light is None or file.detectors is None or calibration is None:
            return None
        fringe_a = calibration.amplitude_v / file.detectors.dc_volts_per_ampere
        shot = shot_noise_a2_per_hz(file.detectors.responsivity, file.light.local_oscillator_power)
        return tone.depth_rad(index, shot / fringe_a**2)
