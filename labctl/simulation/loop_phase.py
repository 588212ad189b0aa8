"""The fast phase of one loop as a digitizer samples it: what the loop leaves of its path, what it writes onto it, and
its swing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labctl.simulation.acoustics import FREQUENCY_HZ as PATH_HZ
from labctl.simulation.acoustics import LINES_HZ_RAD, PATH_NOISE_RAD2_HZ, TICK_CORNER_HZ, residual_phase_rad
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.coloured_records import (
    HIGHEST_HZ,
    ComplexArray,
    FloatArray,
    Sampling,
    draw_bins,
    draw_folded,
    samples_of,
)
from labctl.simulation.loop_shape import MIRROR_PIEZO, _controller
from labctl.simulation.ports import ServoSettings
from labctl.simulation.truth import generator

DETECTOR_BANDWIDTH_HZ = 100e3  # noise bandwidth of an error signal: its ELECTRONIC_NOISE_V is all of it
EDGE = 0.9  # of the critical slope: a loop beyond it is taken there, as `LoopShape.residual_rad` does
_SEARCH_HZ = np.geomspace(1.0, 5.0e5, 3000)


@dataclass(frozen=True)
class OpenLoop:
    """The open-loop gain of a servo as it stands: `slope` of its plant in V/V, signed as the gain is."""

    settings: ServoSettings
    slope: float
    critical_slope: float

    @classmethod
    def of(cls, servo: AnalogServo) -> OpenLoop:
        """Return that of a servo; one that is open or pushes away has none."""
        # The servo keeps slope and shape to itself: nothing but records asks for them.
        settings = servo.settings
        slope = servo._slope(servo.output_volts()) * math.copysign(1.0, settings.proportional_gain)
        if not settings.closed or slope <= 0.0:
            return cls(settings, 0.0, math.inf)
        critical = servo._loop_shape().critical_slope
        return cls(settings, min(slope, EDGE * critical), critical)

    def gain(self, frequency_hz: FloatArray) -> ComplexArray:
        """Return the complex gain at frequencies in Hz, above zero."""
        if not self.slope:
            return np.zeros(frequency_hz.shape, dtype=complex)
        return self.slope * _controller(self.settings, frequency_hz) * MIRROR_PIEZO.response(frequency_hz)

    def unity_gain_hz(self) -> float:
        """Return the highest frequency at which the magnitude of the gain falls through one, in Hz; nan for none."""
        magnitude = np.abs(self.gain(_SEARCH_HZ))
        falls = np.flatnonzero((magnitude[:-1] >= 1.0) & (magnitude[1:] < 1.0))
        if falls.size == 0:
            return math.nan
        # A peak of the actuator above the band may cross one again: the loop crosses where the integrator does.
        k = int(falls[0])
        share = math.log(magnitude[k]) / math.log(magnitude[k] / magnitude[k + 1])
        return float(_SEARCH_HZ[k] * (_SEARCH_HZ[k + 1] / _SEARCH_HZ[k]) ** share)

    def oscillation_hz(self) -> float:
        """Return where the loop oscillates once it is beyond its stability, in Hz; nan when it cannot."""
        gain = self.gain(_SEARCH_HZ)
        behind = gain.imag
        crosses = np.flatnonzero((behind[:-1] < 0.0) & (behind[1:] >= 0.0) & (gain.real[1:] < 0.0))
        return float(_SEARCH_HZ[crosses[np.argmax(np.abs(gain[crosses]))]]) if crosses.size else math.nan


@dataclass(frozen=True)
class FastPhase:
    """The fast phase of one loop: `loudness` times the noise of the path under the loop, the noise of its detector
    (white density `detector_v2_per_hz` below the pole `detector_pole_hz`, one-sided; `volts_per_rad` signed) that the
    loop writes onto the path, and a swing of amplitude `swing_rad`.

    Lines and swing go on from record to record in lab time; the rest begins anew with each.
    """

    open_loop: OpenLoop
    loudness: float
    volts_per_rad: float
    detector_v2_per_hz: float
    detector_pole_hz: float
    swing_rad: float = 0.0

    def draw(
        self, rng: np.random.Generator, phases: np.random.Generator, started_at: float, sampling: Sampling
    ) -> tuple[FloatArray, FloatArray]:
        """Return phase in rad and noise of the detector in V, each (samples,); `phases` gives where lines begin."""
        frequency = sampling.frequency_hz()
        gain = self.open_loop.gain(frequency)
        path = draw_bins(rng, self.path_psd(frequency, sampling.bin_hz), sampling)
        detector = draw_bins(rng, self._detector_psd(frequency), sampling)
        bins = path / (1.0 + gain)
        if self.volts_per_rad:
            bins -= detector * gain / (1.0 + gain) / self.volts_per_rad
        mean = self._between_records_rad(sampling) * float(rng.standard_normal())
        phase = samples_of(bins, sampling, mean) + draw_folded(rng, self._residual_psd, sampling)
        phase += self._lines(phases, started_at, sampling)
        noise = samples_of(detector, sampling) + draw_folded(rng, self._detector_psd, sampling)
        return phase, noise

    def rms_rad(self) -> float:
        """Return the rms of the phase in rad, over all frequencies faster than the tick of the table."""
        path = self.loudness * residual_phase_rad(self.open_loop.gain(PATH_HZ))
        frequency = np.geomspace(0.1 * TICK_CORNER_HZ, HIGHEST_HZ, 4000)
        written = float(np.trapezoid(self._written_psd(frequency), frequency))
        return math.sqrt(path**2 + written + 0.5 * self.swing_rad**2)

    def path_psd(self, frequency_hz: FloatArray, bin_hz: float = 0.0) -> FloatArray:
        """Return the one-sided PSD of the free path without its lines in rad^2/Hz, as the mean over bins."""
        psd = self.loudness**2 * PATH_NOISE_RAD2_HZ / (frequency_hz**2 - 0.25 * bin_hz**2)
        return np.where(frequency_hz >= TICK_CORNER_HZ, psd, 0.0)

    def _residual_psd(self, frequency_hz: FloatArray) -> FloatArray:
        left = np.abs(1.0 / (1.0 + self.open_loop.gain(frequency_hz))) ** 2
        return np.asarray(left * self.path_psd(frequency_hz) + self._written_psd(frequency_hz))

    def _written_psd(self, frequency_hz: FloatArray) -> FloatArray:
        if not self.volts_per_rad:
            return np.zeros(frequency_hz.shape)
        gain = self.open_loop.gain(frequency_hz)
        return np.asarray(np.abs(gain / (1.0 + gain) / self.volts_per_rad) ** 2 * self._detector_psd(frequency_hz))

    def _detector_psd(self, frequency_hz: FloatArray) -> FloatArray:
        return np.asarray(self.detector_v2_per_hz / (1.0 + (frequency_hz / self.detector_pole_hz) ** 2))

    def _between_records_rad(self, sampling: Sampling) -> float:
        """Return the rms in rad of what is faster than the tick, and slower than a record shows."""
        slowest_hz = 0.5 * sampling.bin_hz
        if slowest_hz <= TICK_CORNER_HZ:
            return 0.0
        frequency = np.geomspace(TICK_CORNER_HZ, slowest_hz, 50)
        return math.sqrt(float(np.trapezoid(self._residual_psd(frequency), frequency)))

    def _lines(self, phases: np.random.Generator, started_at: float, sampling: Sampling) -> FloatArray:
        line_hz, rms_rad = (np.array(column) for column in zip(*LINES_HZ_RAD, strict=True))
        size = math.sqrt(2.0) * self.loudness * rms_rad / (1.0 + self.open_loop.gain(line_hz))
        if self.swing_rad:
            line_hz = np.append(line_hz, self.open_loop.oscillation_hz())
            size = np.append(size, self.swing_rad)
        time_s = sampling.time_s()
        total = np.zeros(sampling.samples)
        for at_hz, amplitude in zip(line_hz, size, strict=True):
            begins = phases.uniform() + at_hz * started_at
            turn = np.exp(2j * np.pi * (begins % 1.0 + at_hz * time_s))
            total += float(sampling.response(np.array([at_hz]))[0]) * np.imag(amplitude * turn)
        return total


def phases_of_lines(seed: int, stream: str) -> np.random.Generator:
    """Return the random numbers that say where the lines of one path begin: the same for every record."""
    return generator(seed, f"{stream} lines")


def noise_of_record(seed: int, stream: str, started_at: float) -> np.random.Generator:
    """Return the random numbers of the record of one input that begins at lab time `started_at`: they depend on
    nothing that was looked at before."""
    return generator(seed, f"{stream} at {round(started_at * 1e9)} ns")
