"""The homodyne detectors at radio frequency: spectra for the analyzer, sampled records for the digitizer, from one
slow state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.physics import homodyne
from labctl.physics.line_shape import filtered_lorentzian
from labctl.simulation.sensor_plant import LightOnDetector, SensorPlant
from labctl.simulation.source_plant import SourcePlant
from labctl.simulation.truth import Truth, generator

RF_VOLTS_PER_AMPERE = 5.0e4  # transimpedance and amplifier together
ANTI_ALIAS_HZ = 6.5e6  # Butterworth low-pass in front of the digitizer
ANTI_ALIAS_ORDER = 7
DIGITIZER_NOISE_V2_PER_HZ = 1.5e-15
RAW_RATE_HZ = 125e6


@dataclass(frozen=True)
class _Optics:
    """What the spectra need of the slow state, arrays over the sensors."""

    squeezed: float
    antisqueezed: float
    share: NDArray[np.float64]
    angle_rad: NDArray[np.float64]
    common_jitter_rad: float
    private_jitter_rad: NDArray[np.float64]
    peak: NDArray[np.float64]  # A cos^2(angle), shot = 1


@dataclass(frozen=True)
class _Chain:
    """From optics to samples, for one sample rate and record length: shapes (M, bins), (M,) and (M, samples)."""

    response: NDArray[np.complex128]
    mode_response: NDArray[np.float64]
    carrier: NDArray[np.complex128]


class Detectors:
    """Closed-form spectra and exact records of M detectors and of their analogue sum.

    `signal_open` and `local_oscillator_open` are the shutters. Records take the phases as constant for their length
    of about a millisecond and draw them anew for each; aliases are taken to be removed by the low-pass in front of
    the digitizer.
    """

    def __init__(
        self, truth: Truth, source: SourcePlant, sensors: Sequence[SensorPlant], light: LightOnDetector
    ) -> None:
        self._truth = truth
        self._source = source
        self._sensors = tuple(sensors)
        self._light = light
        self._rng = generator(truth.seed, "records")
        self.signal_open = False
        self.local_oscillator_open = False
        each = [s.truth for s in sensors]
        self._gain = np.array([t.detector_gain for t in each])
        self._delay_s = np.array([t.delay_s for t in each])
        self._f0_hz = np.array([t.f0_hz for t in each])
        self._gamma_hz = np.array([t.gamma_hz for t in each])
        shot = (
            homodyne.shot_noise_a2_per_hz(light.responsivity_a_per_w, light.local_oscillator_w) * RF_VOLTS_PER_AMPERE**2
        )
        self._shot_v2_per_hz = shot * self._gain**2
        self._dark_v2_per_hz = shot * self._gain**2 * 10.0 ** (np.array([t.dark_db for t in each]) / 10.0)
        self._mode = np.zeros(len(each), dtype=complex)  # complex envelope of each membrane, unit variance
        self._mode_at_s = -np.inf
        self._chains: dict[tuple[float, int, int], _Chain] = {}

    def output_psd(self, sensor: int, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        """Return the PSD of one detector (index from 0) in V^2/Hz, one-sided, through a Gaussian filter of width
        `rbw_hz`."""
        floor = np.full(frequency_hz.shape, self._dark_v2_per_hz[sensor])
        if not self.local_oscillator_open:
            return floor
        optics = self._optics()
        variance = self._covariance(optics)[sensor, sensor]
        line = filtered_lorentzian(frequency_hz, self._f0_hz[sensor], self._gamma_hz[sensor], rbw_hz)
        return np.asarray(floor + self._shot_v2_per_hz[sensor] * (variance + optics.peak[sensor] * line))

    def summed_psd(self, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        """Return the PSD of the analogue sum, each input weighted by 1/sqrt(M), in V^2/Hz, one-sided."""
        count = len(self._sensors)
        floor = np.full(frequency_hz.shape, float(np.sum(self._dark_v2_per_hz)) / count)
        if not self.local_oscillator_open:
            return floor
        optics = self._optics()
        variance = homodyne.summed_variance(self._covariance(optics), self._gain, self._delay_s, frequency_hz)
        total = floor + variance * float(np.sum(self._shot_v2_per_hz)) / count
        for j in np.flatnonzero(optics.peak):
            line = filtered_lorentzian(frequency_hz, self._f0_hz[j], self._gamma_hz[j], rbw_hz)
            total = total + self._shot_v2_per_hz[j] * optics.peak[j] * line / count
        return np.asarray(total)

    def records(
        self, sensors: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        """Return volts of the detectors `sensors` (indices from 0), shape (len(sensors), samples), sampled
        together."""
        chain = self._chain(sample_rate_hz, samples, average)
        count, bins = chain.response.shape
        # White noise of one covariance: real and imaginary parts of every bin are independent of each other.
        parts = self._root_of_covariance() @ self._rng.standard_normal((count, 2 * bins))
        volts = np.fft.irfft(parts.view(np.complex128) * chain.response, samples, axis=1)
        volts += self._mode_volts(started_at, chain, samples / sample_rate_hz)
        return np.asarray(volts[list(sensors)])

    def _chain(self, sample_rate_hz: float, samples: int, average: int) -> _Chain:
        """Return what every record of one kind shares, from memory after the first."""
        key = (sample_rate_hz, samples, average)
        if key not in self._chains:
            frequency = np.arange(samples // 2 + 1, dtype=np.float64) * (sample_rate_hz / samples)
            delay = np.exp(-2j * np.pi * np.outer(self._delay_s, frequency))
            # One-sided PSD S: a bin of the unnormalised transform has <|X|^2> = S fs n / 2.
            level = np.sqrt(0.5 * sample_rate_hz * samples) * np.sqrt(0.5)  # the last for one of the two parts
            cycles = np.outer(self._f0_hz, np.arange(samples) / sample_rate_hz)
            self._chains[key] = _Chain(
                response=level * _low_pass(frequency) * _boxcar(frequency, average) * delay,
                mode_response=_low_pass(self._f0_hz) * _boxcar(self._f0_hz, average),
                carrier=np.exp(2j * np.pi * cycles),
            )
        return self._chains[key]

    def _normals(self, rows: int, columns: int) -> NDArray[np.complex128]:
        pairs = self._rng.standard_normal((rows, 2 * columns)) * np.sqrt(0.5)
        return np.asarray(pairs.view(np.complex128))

    def _optics(self) -> _Optics:
        squeezed, antisqueezed, source_jitter = self._source.quadratures()
        jitter = self._truth
        angle = np.array([s.angle_from_squeezed_rad() for s in self._sensors])
        private = np.array([s.residual_rad() for s in self._sensors])
        share = np.array([self._share(s) for s in self._sensors]) * self.signal_open
        bright = self._source.probe_power_ratio() * self.signal_open
        peak = np.array([s.truth.peak_to_shot * (s.visibility() / s.truth.visibility) ** 2 for s in self._sensors])
        return _Optics(
            squeezed=squeezed,
            antisqueezed=antisqueezed,
            share=share,
            angle_rad=angle + 0.5 * self._source.pump_phase_error_rad(),
            common_jitter_rad=float(np.hypot(source_jitter, jitter.common_jitter_rad)),
            private_jitter_rad=np.hypot(private, jitter.private_jitter_rad),
            peak=peak * bright * np.cos(angle) ** 2,
        )

    def _share(self, sensor: SensorPlant) -> float:
        truth = sensor.truth
        efficiency = homodyne.detection_efficiency(
            truth.propagation_efficiency, self._light.quantum_efficiency, sensor.visibility()
        )
        return truth.weight * float(efficiency)

    def _covariance(self, optics: _Optics) -> NDArray[np.float64]:
        return homodyne.shared_covariance(
            optics.squeezed,
            optics.antisqueezed,
            optics.share,
            optics.angle_rad,
            optics.common_jitter_rad,
            optics.private_jitter_rad,
        )

    def _root_of_covariance(self) -> NDArray[np.float64]:
        """Return the Cholesky factor of the PSD matrix of all outputs in V^2/Hz, at one draw of the phases."""
        total = np.diag(self._dark_v2_per_hz + DIGITIZER_NOISE_V2_PER_HZ)
        if self.local_oscillator_open:
            optics = self._optics()
            angle = (
                optics.angle_rad
                + optics.common_jitter_rad * float(self._rng.standard_normal())
                + optics.private_jitter_rad * self._rng.standard_normal(len(self._sensors))
            )
            covariance = homodyne.shared_covariance(optics.squeezed, optics.antisqueezed, optics.share, angle)
            shot = np.sqrt(self._shot_v2_per_hz)
            total = total + shot[:, None] * covariance * shot[None, :]
        return np.asarray(np.linalg.cholesky(total))

    def _mode_volts(self, started_at: float, chain: _Chain, duration_s: float) -> NDArray[np.float64]:
        """Return the thermal motion of the membranes as volts: a complex envelope, exact at both ends of the
        record."""
        start = self._advance_modes(started_at)
        end = self._advance_modes(started_at + duration_s)
        samples = chain.carrier.shape[1]
        if not self.local_oscillator_open:
            return np.zeros((len(self._sensors), samples))
        # Power of a line A S_shot L(f): its area A S_shot pi Gamma / 2 is the mean square, half the mean |envelope|^2.
        mean_square = self._optics().peak * self._shot_v2_per_hz * 0.5 * np.pi * self._gamma_hz
        amplitude = np.sqrt(2.0 * mean_square) * chain.mode_response
        turned = amplitude * np.exp(2j * np.pi * (self._f0_hz * started_at % 1.0))
        ramp = np.arange(samples) / samples
        envelope = (turned * start)[:, None] + (turned * (end - start))[:, None] * ramp
        return np.asarray(envelope.real * chain.carrier.real - envelope.imag * chain.carrier.imag)

    def _advance_modes(self, at_s: float) -> NDArray[np.complex128]:
        # A record may begin before the end of the one before it; the modes do not run backwards.
        keep = np.exp(-np.pi * self._gamma_hz * max(0.0, at_s - self._mode_at_s))
        kick = np.sqrt(1.0 - keep**2)
        self._mode = keep * self._mode + kick * self._normals(len(self._mode), 1)[:, 0]
        self._mode_at_s = max(at_s, self._mode_at_s)
        return self._mode


def _low_pass(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / np.sqrt(1.0 + (frequency_hz / ANTI_ALIAS_HZ) ** (2 * ANTI_ALIAS_ORDER)))


def _boxcar(frequency_hz: NDArray[np.float64], average: int) -> NDArray[np.float64]:
    """Return the amplitude response of averaging `average` raw samples into one."""
    return np.asarray(np.sinc(average * frequency_hz / RAW_RATE_HZ) / np.sinc(frequency_hz / RAW_RATE_HZ))
