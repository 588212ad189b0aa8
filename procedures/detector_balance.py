"""How well each homodyne detector is balanced: at DC, and for a tone on the power of all local oscillators."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.configuration.station_file import Detectors, Tone
from labctl.errors import ConfigurationError, LabError
from labctl.estimation.tone_phasors import TonePhasors, measure_tone
from labctl.physics.homodyne import shot_noise_a2_per_hz
from labctl.spectra.estimate import DB_PER_NEPER, Estimate
from labctl.station.roles import ToneSource
from procedures.base import LabProcedure
from procedures.frequencies import resonances_hz
from procedures.gates import CLIPPED_V
from procedures.oscillator_light import (
    METER_RELATIVE_SIGMA,
    close_oscillators,
    metered_w,
    oscillators_alone,
    power_meter,
)
from procedures.oscillator_noise import RECORD_S, levels, lines_in, noise_of, noise_records, spectrum_of
from procedures.traces import LOOK_S

TONE = "local_oscillator_power"
BELOW_RESONANCES_HZ = 60e3
NOISE_HZ = 150e3  # to either side of the tone: there the shot noise is read that calibrates the gain
BESIDE_TONE_HZ = 20e3  # nearer than this the window lets through what belongs to the tone
SETTLE_S = 0.1
READING_PERIOD_S = 0.02
READING_S = 0.04  # with what the wire takes, for estimates
DARK_SHARE = 0.5  # of the records
NOT_SEEN = 1e-3  # chance of as strong a tone by noise alone


@dataclass(frozen=True, eq=False)
class _Seen:
    """What was measured: power in W, tones, the tone's index and its sigma, shot noise (M,) in V^2/Hz with its relative
    sigma (M,), DC levels (M,) lit and dark, largest sample (M,) in V."""

    power_w: float
    tones: TonePhasors
    index: Estimate
    shot: NDArray[np.float64]
    shot_relative_sigma: NDArray[np.float64]
    lit: list[Estimate]
    dark: list[Estimate]
    largest_v: NDArray[np.float64]


class MeasureDetectorBalance(LabProcedure):
    """The local oscillators alone on the detectors: DC levels with their shutter open and closed, and records while a
    tone shakes their power.

    The gain at radio frequency is known from the detector's own shot noise in the same records, S = 2 e (I1 + I2) G^2.
    Afterwards the tone is off, and the loops that were held are locked again.
    """

    title = "Balance of the detectors"
    roles = ("digitizer", "homodyne", "tone")
    frequency = FloatParameter("Tone (0 is below the resonances)", units="Hz", default=0.0, minimum=0.0, maximum=1e8)
    amplitude = FloatParameter("Amplitude of the generator", units="V", default=0.3, minimum=1e-3, maximum=5.0)
    records = IntegerParameter("Records", default=30, minimum=5, maximum=10000)
    readings = IntegerParameter("Readings of each DC level", default=50, minimum=5, maximum=10000)
    DATA_COLUMNS = ["Sensor", "Balance", "Rejection"]

    def expected_s(self) -> float:
        """Return the time of readings and records, and of a look at every loop, in s."""
        records_s = (1.0 + DARK_SHARE) * self.records * RECORD_S
        sensors = self.on_bench.station.file.station.sensors
        return float(records_s + 2.0 * self.readings * READING_S + SETTLE_S + sensors * LOOK_S)

    def measure(self) -> None:
        """Raises `ConfigurationError` where the station has no tone, meter or detectors for it."""
        detectors = self.on_bench.station.file.detectors
        if detectors is None:
            raise ConfigurationError("A balance needs the responsivity of the photodiodes.", remedy="Add [detectors].")
        tone, entry = self._tone()
        with oscillators_alone(self):
            seen = self._seen(tone, entry)
            for index in range(len(seen.lit)):
                self._keep_detector(index, seen, detectors)
            self.progress(0.95)

    def _tone(self) -> tuple[ToneSource, Tone]:
        station = self.on_bench.station
        tone = station.tones.get(TONE)
        if tone is None or station.file.tones[TONE].volts_per_pi is None:
            raise ConfigurationError(
                "The common-mode rejection needs a tone on the power of the local oscillators.",
                remedy=f"Add [tones.{TONE}] with the volts_per_pi of its modulator.",
            )
        return tone, station.file.tones[TONE]

    # ---- what is measured -------------------------------------------------------------------------------------------

    def _seen(self, tone: ToneSource, entry: Tone) -> _Seen:
        frequency_hz = self.frequency or min(resonances_hz(self.on_bench)) - BELOW_RESONANCES_HZ
        meter = power_meter(self)
        before_w = metered_w(meter).value
        lit = levels(self, self.readings, READING_PERIOD_S)
        self.progress(0.3)
        with _tone_on(tone, frequency_hz, self.amplitude):
            self.wait(SETTLE_S)
            records = np.array(list(noise_records(self, self.records)))
            index = _index(tone.amplitude_v(), entry)
        power_w = 0.5 * (before_w + metered_w(meter).value)
        self.progress(0.6)
        close_oscillators(self)
        dark = levels(self, self.readings, READING_PERIOD_S)
        in_the_dark = noise_records(self, max(2, round(DARK_SHARE * self.records)))
        rate_hz = self.on_bench.station.digitizer.sample_rate_hz
        shot, relative_sigma = self._shot_noise(iter(records), in_the_dark, frequency_hz)
        return _Seen(
            power_w=power_w,
            tones=measure_tone(records, rate_hz, frequency_hz),
            index=index,
            shot=shot,
            shot_relative_sigma=relative_sigma,
            lit=lit,
            dark=dark,
            largest_v=np.abs(records).max(axis=(0, 2)),
        )

    def _shot_noise(
        self, lit: Iterator[NDArray[np.float64]], dark: Iterator[NDArray[np.float64]], frequency_hz: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the shot noise beside the tone in V^2/Hz, dark noise taken off, and its relative sigma; both (M,).

        As far to one side as to the other, so that what the electronics let through needs to be level to first order
        only.
        """
        band = (frequency_hz - NOISE_HZ, frequency_hz + NOISE_HZ)
        tone = (frequency_hz - BESIDE_TONE_HZ, frequency_hz + BESIDE_TONE_HZ)
        both, alone = spectrum_of(self, lit, band), spectrum_of(self, dark, band)
        skip = [tone, *lines_in(both), *lines_in(alone)]
        inside = (float(both.frequency_hz[0]), float(both.frequency_hz[-1]))
        skip = [edges for edges in skip if edges[1] > inside[0] and edges[0] < inside[1]]
        on, off = both.mean_over(inside, skip), alone.mean_over(inside, skip)
        shot = noise_of(on) - noise_of(off)
        sigma = np.hypot(noise_of(on) / math.sqrt(on.averages), noise_of(off) / math.sqrt(off.averages))
        return shot, sigma / shot

    # ---- what is kept -----------------------------------------------------------------------------------------------

    def _keep_detector(self, index: int, seen: _Seen, detectors: Detectors) -> None:
        name = f"sensor{index + 1}"
        sum_a, balance = _balance(seen, index, detectors)
        self.keep(
            f"{name}.balance",
            balance,
            convention="(I1 - I2) / (I1 + I2) of the photodiodes with the local oscillator alone, offset taken out; "
            "the better one has the responsivity of the station file",
        )
        rejection_db = self._rejection_db(index, seen, sum_a)
        if rejection_db is not None:
            self.keep(
                f"{name}.common_mode_rejection_db",
                rejection_db,
                convention="20 log10 of what a tone on the local oscillator's power would give on both photodiodes "
                "added up, over what their difference shows; gain by the shot noise of the same records",
            )
        self.row(
            sensor=index + 1,
            balance=balance.value,
            rejection=math.nan if rejection_db is None else rejection_db.value,
        )

    def _rejection_db(self, index: int, seen: _Seen, current_a: float) -> Estimate | None:
        """Return -20 dB log10 of leak = tone / (m I G), where I = I1 + I2 is `current_a` and G = (S / 2 e I)^1/2; None,
        and an event, where the tone cannot be measured."""
        digitizer = self.on_bench.station.file.digitizer
        clipped_v = CLIPPED_V[digitizer.gain] if digitizer is not None else math.inf
        if seen.largest_v[index] > clipped_v:
            self.event("warning", f"Detector {index + 1} shows so much of the tone that its record is cut off.")
            return None
        tones = seen.tones
        if tones.false_alarm[index] > NOT_SEEN or not seen.shot[index] > 0.0:
            self.event("warning", f"Detector {index + 1} shows nothing of the tone, or no shot noise at all.")
            return None
        gain = math.sqrt(seen.shot[index] / shot_noise_a2_per_hz(1.0, current_a))
        tone_v = abs(tones.phasors[index])
        leak = tone_v / (seen.index.value * current_a * gain)
        relative = math.hypot(
            seen.index.relative_sigma,
            0.5 * METER_RELATIVE_SIGMA,  # current over gain goes as the root of the power
            0.5 * float(seen.shot_relative_sigma[index]),
            float(tones.sigma_v[index]) / tone_v,
        )
        return Estimate(-20.0 * math.log10(leak), 2.0 * DB_PER_NEPER * relative, "dB")


def _balance(seen: _Seen, index: int, detectors: Detectors) -> tuple[float, Estimate]:
    """Return I1 + I2 in A, which is what two good photodiodes would give less what the worse one lacks, and
    (I1 - I2) / (I1 + I2)."""
    lit, dark = seen.lit[index], seen.dark[index]
    difference_a = (lit.value - dark.value) / detectors.dc_volts_per_ampere
    sum_a = detectors.responsivity * seen.power_w - abs(difference_a)
    value = difference_a / sum_a
    noise = math.hypot(lit.sigma, dark.sigma) / detectors.dc_volts_per_ampere / sum_a
    return sum_a, Estimate(value, math.hypot(noise, value * METER_RELATIVE_SIGMA), "")


def _index(amplitude_v: float, entry: Tone) -> Estimate:
    """Return by what share of its mean the power swings, peak: a modulator at half transmission, pi V / V_pi."""
    assert entry.volts_per_pi is not None
    volts = amplitude_v * 10.0 ** (-entry.attenuation_db / 20.0)
    value = math.pi * volts / entry.volts_per_pi.value
    return Estimate(value, value * entry.volts_per_pi.sigma / entry.volts_per_pi.value)


@contextmanager
def _tone_on(tone: ToneSource, frequency_hz: float, amplitude_v: float) -> Iterator[None]:
    """Let the tone be on within the block; the error that ended it is the one to tell."""
    try:
        tone.set_tone(frequency_hz, amplitude_v)
        tone.switch_on()
        yield
    except BaseException:
        with suppress(LabError):
            tone.switch_off()
        raise
    tone.switch_off()
