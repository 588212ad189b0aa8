"""Noise of a closed loop: spectrum of its error signal, the residual behind it, and whether the loop oscillates.

Densities are one-sided, in the square of `unit` per Hz. With open-loop gain L, S = 1 / (1 + L) and T = L / (1 + L), the
error signal holds |S|^2 (path + detector noise): the loop cannot tell its detector's noise from its path's, and writes
|T|^2 of it onto the path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter
from scipy.signal import welch
from scipy.stats import gamma

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.spectra.acquisition import Acquisition, FloatArray
from labctl.spectra.cross_spectral_matrix import HALF_OVERLAP_CORRELATION
from labctl.spectra.trace import Band

ComplexArray = npt.NDArray[np.complex128]

FEWEST_SEGMENT_SAMPLES = 64
FIRST_BIN = 2  # the window smears the mean over the first
HIGHEST_BIN_SHARE = 0.95  # of half the sample rate
OSCILLATION_FROM = 0.3  # of the unity gain, ...
OSCILLATION_TO = 30.0  # ... where a loop may oscillate
OSCILLATION_SHARE = 0.5  # of all that the error signal moves
OSCILLATION_CHANCE = 1e-6  # of taking noise for a line, over the whole spectrum
CONTINUUM_BINS = 101
HARMONIC_SHARE = 0.1  # of the strongest line that a lower one has to have, to be the one that oscillates
LINE_HALF_BINS = 2  # of the Hann window


@dataclass(frozen=True, eq=False)
class NoiseSpectrum:
    """A one-sided PSD (n,) in `unit`^2/Hz over evenly spaced `frequency_hz` (n,), and the standard uncertainty of each
    point; `acquisition` says how neighbours correlate."""

    frequency_hz: FloatArray
    psd: FloatArray
    point_sigma: FloatArray
    acquisition: Acquisition
    unit: str

    @property
    def bin_hz(self) -> float:
        """Distance of neighbouring points, in Hz."""
        return float(self.frequency_hz[1] - self.frequency_hz[0])

    def scaled(self, factor: float, unit: str) -> NoiseSpectrum:
        """The same noise in another unit: amplitudes times `factor`."""
        return replace(self, psd=factor**2 * self.psd, point_sigma=factor**2 * self.point_sigma, unit=unit)

    def within(self, band: Band) -> NoiseSpectrum:
        """The part inside `band`; refuses one with fewer than two points, or beyond the spectrum."""
        low, high = band
        if not self.frequency_hz[0] - self.bin_hz <= low < high <= self.frequency_hz[-1] + self.bin_hz:
            raise AnalysisRefused(
                f"The band {low:g} to {high:g} Hz leaves the spectrum, which spans "
                f"{self.frequency_hz[0]:g} to {self.frequency_hz[-1]:g} Hz.",
                remedy="Record longer for lower frequencies, faster for higher ones.",
            )
        inside = (self.frequency_hz >= low) & (self.frequency_hz <= high)
        if inside.sum() < 2:
            raise AnalysisRefused(f"The band {low:g} to {high:g} Hz holds fewer than two points.")
        return replace(
            self,
            frequency_hz=self.frequency_hz[inside],
            psd=self.psd[inside],
            point_sigma=self.point_sigma[inside],
        )


def error_spectrum(
    records: FloatArray, sample_rate_hz: float, *, segment: int, unit: str, averaged: bool = True
) -> NoiseSpectrum:
    """PSD of an error signal from `records` (m, n) of one kind, by Welch: Hann segments of `segment` samples that
    overlap by half within a record.

    The mean over all records is taken off: it is a systematic error, not noise. `averaged` says that each sample is the
    mean of what came since the last one, whose response sin(x)/x is taken out. Refuses records that are too short or
    not finite.
    """
    y = np.atleast_2d(np.asarray(records, dtype=np.float64))
    if y.ndim != 2 or not FEWEST_SEGMENT_SAMPLES <= segment <= y.shape[1]:
        raise AnalysisRefused(f"Records of shape {y.shape} do not make segments of {segment} samples.")
    if not np.isfinite(y).all():
        raise AnalysisRefused("Some samples of the error signal are not finite numbers.")
    frequency, psd = welch(
        y - y.mean(), sample_rate_hz, window="hann", nperseg=segment, noverlap=segment // 2, detrend=False, axis=1
    )
    chosen = slice(FIRST_BIN, math.floor(HIGHEST_BIN_SHARE * segment / 2) + 1)
    frequency, mean = frequency[chosen], psd.mean(axis=0)[chosen]
    if averaged:
        mean = mean / np.sinc(frequency / sample_rate_hz) ** 2
    a_record = 1 + (y.shape[1] - segment) // (segment - segment // 2)
    averages = y.shape[0] * a_record
    k = averages / (1.0 + 2.0 * HALF_OVERLAP_CORRELATION * (a_record - 1) / a_record)
    acquisition = Acquisition.of_hann_records(sample_rate_hz / segment, averages, effective_k=k)
    return NoiseSpectrum(frequency, mean, mean / math.sqrt(k), acquisition, unit)


def true_residual(
    error: NoiseSpectrum,
    open_loop: ComplexArray,
    detector: NoiseSpectrum,
    *,
    recorder: NoiseSpectrum | None = None,
    open_loop_relative_sigma: float = 0.0,
) -> NoiseSpectrum:
    """What the loop really leaves: S_true = S_error - S_recorder - |S|^2 S_n + |T|^2 S_n, S_n = S_detector -
    S_recorder.

    `open_loop` is L (n,) at the points of `error`; `detector` is the error signal without the signal beam, in the same
    unit, and `recorder` what of it is of the recorder alone: the loop does not see that. The relative uncertainty of L
    is common to all points and not in `point_sigma` as given by the averages, but is added there in quadrature.
    Refuses spectra with other points.
    """
    for other in (detector, recorder):
        if other is not None and not _same_points(error, other):
            raise AnalysisRefused("Spectra at different frequencies.", remedy="Record both with the same settings.")
    own = detector.psd if recorder is None else detector.psd - recorder.psd
    added = 0.0 if recorder is None else recorder.psd
    weight = _written_less_kept(open_loop)
    by_gain = open_loop_relative_sigma * 1e3 * (_written_less_kept(open_loop * 1.001) - weight) * own
    sigma2 = error.point_sigma**2 + (weight * detector.point_sigma) ** 2 + by_gain**2
    if recorder is not None:
        sigma2 = sigma2 + ((1.0 + weight) * recorder.point_sigma) ** 2
    return replace(error, psd=error.psd - added + weight * own, point_sigma=np.sqrt(sigma2))


def band_rms(spectrum: NoiseSpectrum, band: Band) -> Estimate:
    """Rms within a band, in the spectrum's unit, with the uncertainty of its averages.

    A line counts as noise there, so its uncertainty is taken too large rather than too small. Refuses a band outside
    the spectrum, and a mean square that is not above zero.
    """
    part = spectrum.within(band)
    mean_square = float(part.psd.sum()) * part.bin_hz
    sigma = part.point_sigma
    variance = float(sigma @ part.acquisition.correlated_sum(part.frequency_hz, sigma)) * part.bin_hz**2
    if not mean_square > 0.0:
        raise AnalysisRefused(
            f"From {band[0]:g} to {band[1]:g} Hz less is left than the detector's noise takes off.",
            remedy="Measure the detector's noise again, and average longer.",
        )
    rms = math.sqrt(mean_square)
    return Estimate(rms, math.sqrt(variance) / (2.0 * rms), spectrum.unit, f"rms from {band[0]:g} to {band[1]:g} Hz")


@dataclass(frozen=True)
class Oscillation:
    """A loop that swings: where, how far (rms, in the unit of the spectrum), and its share of all that moves."""

    frequency_hz: float
    rms: float
    share: float


def find_oscillation(
    spectrum: NoiseSpectrum, unity_gain_hz: float, *, least_rms: float, free: NoiseSpectrum | None = None
) -> Oscillation | None:
    """Return the oscillation of a loop of about this unity gain, None where it does not.

    It is a line from 0.3 to 30 times the unity gain that stands above the continuum by more than chance allows, is half
    of all that moves or more with its harmonics, and has `least_rms` or more. A line that the `free` path shows as
    strongly is of the path, whatever the loop does.
    """
    near = (spectrum.frequency_hz >= OSCILLATION_FROM * unity_gain_hz) & (
        spectrum.frequency_hz <= OSCILLATION_TO * unity_gain_hz
    )
    if near.sum() < 2:
        return None
    continuum = median_filter(spectrum.psd, CONTINUUM_BINS, mode="nearest")
    k = spectrum.acquisition.effective_k
    threshold = float(gamma.isf(OSCILLATION_CHANCE / spectrum.psd.size, k, scale=1.0 / k))
    threshold /= float(gamma.median(k, scale=1.0 / k))
    psd = spectrum.psd
    peaks = np.flatnonzero(near[1:-1] & (psd[1:-1] >= psd[:-2]) & (psd[1:-1] > psd[2:])) + 1
    peaks = peaks[psd[peaks] > threshold * continuum[peaks]]
    if free is not None:
        peaks = peaks[psd[peaks] > free.psd[peaks]]
    if peaks.size == 0:
        return None
    power = np.array([_line_power(spectrum, continuum, int(peak)) for peak in peaks])
    lines = peaks[power > HARMONIC_SHARE * power.max()]
    share = float(power[power > HARMONIC_SHARE * power.max()].sum() / (psd.sum() * spectrum.bin_hz))
    rms = math.sqrt(float(power.max()))
    if share < OSCILLATION_SHARE or rms < least_rms:
        return None
    return Oscillation(float(spectrum.frequency_hz[lines[0]]), rms, min(share, 1.0))


def _line_power(spectrum: NoiseSpectrum, continuum: FloatArray, peak: int) -> float:
    around = slice(max(0, peak - LINE_HALF_BINS), peak + LINE_HALF_BINS + 1)
    return max(0.0, float((spectrum.psd[around] - continuum[around]).sum()) * spectrum.bin_hz)


def _written_less_kept(open_loop: ComplexArray) -> FloatArray:
    """|T|^2 - |S|^2."""
    return np.asarray((np.abs(open_loop) ** 2 - 1.0) / np.abs(1.0 + open_loop) ** 2)


def _same_points(a: NoiseSpectrum, b: NoiseSpectrum) -> bool:
    return a.frequency_hz.shape == b.frequency_hz.shape and bool(
        np.allclose(a.frequency_hz, b.frequency_hz, rtol=0.0, atol=1e-3 * a.bin_hz)
    )
