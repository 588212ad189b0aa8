"""Is what the detectors show shot noise? Their noise against the power of the local oscillators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import CrossSpectrum
from labctl.estimation.shot_noise_linearity import FEWEST_LEVELS, ShotNoiseLinearity, fit_shot_noise_linearity
from labctl.spectra.trace import Band
from labctl.store.records import TraceRecord
from procedures.base import LabProcedure
from procedures.frequencies import exclusions, resonances_hz
from procedures.oscillator_light import (
    PLATE_POINTS,
    PLATE_S,
    Dimmer,
    close_oscillators,
    dimming,
    metered_w,
    oscillators_alone,
    power_meter,
)
from procedures.oscillator_noise import RECORD_S, lines_in, noise_of, noise_records, spectrum_of
from procedures.traces import LOOK_S

BAND_MARGIN_HZ = 200e3
MOST_OF_PLATE = 0.995  # of what it lets through: at the crest itself its angle has no say
MOVES_PER_POWER = 1.5


@dataclass(frozen=True, eq=False)
class NoiseAgainstPower:
    """Powers (n,) in W; noise (n, M) of each detector and dark noise (M,) in V^2/Hz, and the averages K of both."""

    power_w: NDArray[np.float64]
    noise: NDArray[np.float64]
    averages: NDArray[np.float64]
    dark: NDArray[np.float64]
    dark_averages: float


class MeasureShotNoiseLinearity(LabProcedure):
    """Dim all local oscillators in steps, the signal blocked, and record the noise of all detectors at each; then the
    dark noise. The exponent with which each follows the power is 1 for shot noise.

    The power is as before afterwards, whatever happens, and the loops that were held are locked again.
    """

    title = "Linearity of shot noise"
    roles = ("digitizer", "homodyne")
    powers = IntegerParameter("Powers", default=6, minimum=FEWEST_LEVELS, maximum=50)
    lowest = FloatParameter("Lowest power over the present", default=0.05, minimum=0.01, maximum=0.5)
    highest = FloatParameter("Highest power over the present, if it is there", default=1.25, minimum=1.0, maximum=10.0)
    records = IntegerParameter("Records of each power", default=25, minimum=5, maximum=10000)
    margin = FloatParameter(
        "Band beyond the outermost resonances", units="Hz", default=BAND_MARGIN_HZ, minimum=1e4, maximum=1e6
    )
    DATA_COLUMNS = ["Sensor", "Exponent", "Intercept over dark noise"]

    def expected_s(self) -> float:
        """Return the time of plate and records, and of a look at every loop, in s."""
        records_s = (self.powers + 1) * self.records * RECORD_S
        moves = PLATE_POINTS + MOVES_PER_POWER * (self.powers + 1)
        return float(records_s + moves * PLATE_S + self.on_bench.station.file.station.sensors * LOOK_S)

    def measure(self) -> None:
        """Raises `ConfigurationError` without plate or meter, `BadReply` where the power cannot be restored."""
        started_at = self.on_bench.clock.now()
        meter = power_meter(self)
        with oscillators_alone(self):
            with dimming(self, meter) as dimmer:
                found = self._noise_against_power(dimmer)
            for number in range(1, found.noise.shape[1] + 1):
                self._keep_trace(number, found, started_at)
                self._judge(number, found)

    def _noise_against_power(self, dimmer: Dimmer) -> NoiseAgainstPower:
        """Return the noise at every power, brightest first while it is measured; powers rise in what is returned."""
        lowest_w = self.lowest * dimmer.before_w
        highest_w = min(self.highest * dimmer.before_w, MOST_OF_PLATE * dimmer.most_w)
        powers_w, spectra = [], []
        for done, wanted_w in enumerate(np.geomspace(highest_w, lowest_w, self.powers)):
            dimmer.set_power(float(wanted_w))
            power_w, spectrum = self._recorded(dimmer)
            powers_w.append(power_w)
            spectra.append(spectrum)
            self.progress((done + 1) / (self.powers + 1))
        close_oscillators(self)
        _, dark = self._recorded(dimmer)
        skip = [*exclusions(self.on_bench), *lines_in(spectra[0]), *lines_in(dark)]
        bands = [one.mean_over(_whole(one), _inside(skip, one)) for one in (*spectra[::-1], dark)]
        return NoiseAgainstPower(
            power_w=np.array(powers_w[::-1]),
            noise=np.array([noise_of(band) for band in bands[:-1]]),
            averages=np.array([band.averages for band in bands[:-1]]),
            dark=noise_of(bands[-1]),
            dark_averages=bands[-1].averages,
        )

    def _recorded(self, dimmer: Dimmer) -> tuple[float, CrossSpectrum]:
        """Return the mean power before and after records, in W, and their spectra."""
        found = resonances_hz(self.on_bench)
        before_w = metered_w(dimmer.meter).value
        band = (min(found) - self.margin, max(found) + self.margin)
        spectrum = spectrum_of(self, noise_records(self, self.records), band)
        return 0.5 * (before_w + metered_w(dimmer.meter).value), spectrum

    def _judge(self, number: int, found: NoiseAgainstPower) -> None:
        """Keep exponent and intercept of one detector, and say what is wrong with it."""
        index = number - 1
        try:
            law = fit_shot_noise_linearity(
                found.power_w,
                found.noise[:, index],
                float(found.dark[index]),
                averages=found.averages,
                dark_averages=found.dark_averages,
            )
        except AnalysisRefused as refusal:
            self.event("warning", f"Detector {number} is not limited by shot noise: {refusal}")
            return
        self._keep_law(number, law)
        if law.reason:
            self.event("warning", f"Detector {number}: {law.reason}")

    def _keep_law(self, number: int, law: ShotNoiseLinearity) -> None:
        name = f"sensor{number}"
        self.keep(
            f"{name}.shot_exponent",
            law.exponent,
            convention="n of noise = dark + a P^n against the power of the local oscillators; shot noise has 1",
        )
        self.keep(
            f"{name}.dark_intercept",
            law.intercept_over_dark,
            convention="noise at no light by a straight line through the lit points, over dark noise",
        )
        self.row(sensor=number, exponent=law.exponent.value, intercept_over_dark_noise=law.intercept_over_dark.value)

    def _keep_trace(self, number: int, found: NoiseAgainstPower, started_at: float) -> None:
        bench = self.on_bench
        noise = found.noise[:, number - 1]
        bench.record.add_trace(
            TraceRecord(
                name=f"sensor{number}.shot_against_power",
                step=self.step_name,
                axis_name="power of one local oscillator",
                axis_unit="W",
                values_unit="V^2/Hz",
                axis=found.power_w,
                values=np.stack([noise, noise / np.sqrt(found.averages)]),
                conventions={
                    "rows": "mean noise of the band, dark noise left in; its sigma",
                    "dark_v2_per_hz": float(found.dark[number - 1]),
                    "dark_averages": found.dark_averages,
                    "effective_averages": float(found.averages[0]),
                    "margin_hz": self.margin,
                    "window": "hann",
                    "averaging": "power",
                    "sidedness": "one-sided",
                },
                valid=True,
                invalid_reason="",
                started_at=started_at,
                ended_at=bench.clock.now(),
            )
        )


def _whole(spectrum: CrossSpectrum) -> Band:
    return float(spectrum.frequency_hz[0]), float(spectrum.frequency_hz[-1])


def _inside(bands: list[Band], spectrum: CrossSpectrum) -> list[Band]:
    """Return those bands of which the spectrum has something."""
    low, high = _whole(spectrum)
    return [band for band in bands if band[1] > low and band[0] < high]
