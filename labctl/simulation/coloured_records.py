"""Coloured noise as a digitizer samples it: drawn in the frequency domain, with what folds into the band."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len

from labctl.simulation.detector_electronics import boxcar

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Spectrum = Callable[[FloatArray], FloatArray]
"""From frequencies in Hz, above zero, to a one-sided PSD."""

HIGHEST_HZ = 250e3  # what is faster folds into no record
_FOLDED_POINTS = 65  # what folds into the band is smooth
_MARGIN = 2  # records are cut out of longer ones, so that their ends do not meet


@dataclass(frozen=True)
class Sampling:
    """How a record is taken: `rate_hz`, `samples`, and how many raw samples are averaged into one (1: none)."""

    rate_hz: float
    samples: int
    average: int

    @property
    def drawn(self) -> int:
        """How many samples are drawn for a record."""
        return int(next_fast_len(_MARGIN * self.samples, real=True))

    @property
    def bin_hz(self) -> float:
        """Width of a bin of what is drawn, in Hz."""
        return self.rate_hz / self.drawn

    def frequency_hz(self) -> FloatArray:
        """Return the bins of what is drawn, in Hz, without the one at zero."""
        return np.asarray(np.arange(1, self.drawn // 2 + 1) * self.bin_hz, dtype=np.float64)

    def response(self, frequency_hz: FloatArray) -> FloatArray:
        """Return the amplitude response of the averaging at frequencies in Hz."""
        return boxcar(frequency_hz, self.average)

    def time_s(self) -> FloatArray:
        """Return the times of the samples after the first, in s."""
        return np.arange(self.samples) / self.rate_hz


def draw_bins(rng: np.random.Generator, psd: FloatArray, sampling: Sampling) -> ComplexArray:
    """Return the bins of an unnormalised transform, without the one at zero, of noise with a one-sided `psd` at
    `Sampling.frequency_hz`."""
    # One-sided PSD S: a bin has <|X|^2> = S fs n / 2, half of it in each part.
    size = np.sqrt(0.25 * sampling.rate_hz * sampling.drawn * psd)
    normals = rng.standard_normal((psd.size, 2)).view(np.complex128)[:, 0]
    return np.asarray(size * normals)


def samples_of(bins: ComplexArray, sampling: Sampling, mean: float = 0.0) -> FloatArray:
    """Return the record whose transform has these bins, after the averaging, and this mean."""
    seen = np.concatenate([[mean * sampling.drawn], bins * sampling.response(sampling.frequency_hz())])
    return np.asarray(irfft(seen, sampling.drawn)[: sampling.samples])


def folded(spectrum: Spectrum, sampling: Sampling) -> FloatArray:
    """Return the one-sided PSD at `Sampling.frequency_hz` of what was above half the sample rate and folds below it."""
    rate_hz = sampling.rate_hz
    coarse = np.linspace(0.0, 0.5 * rate_hz, _FOLDED_POINTS)
    orders = np.arange(1, int(np.ceil(HIGHEST_HZ / rate_hz)) + 1)
    if 0.5 * rate_hz >= HIGHEST_HZ:
        return np.zeros(sampling.drawn // 2)
    above = orders[:, None] * rate_hz + np.concatenate([-coarse, coarse])[None, :]
    power = (spectrum(above.ravel()) * sampling.response(above.ravel()) ** 2).reshape(above.shape)
    both_sides = power.sum(axis=0).reshape(2, -1).sum(axis=0)
    return np.asarray(np.interp(sampling.frequency_hz(), coarse, both_sides))


def draw_folded(rng: np.random.Generator, spectrum: Spectrum, sampling: Sampling) -> FloatArray:
    """Return a record of what folds into the band alone."""
    psd = folded(spectrum, sampling)
    bins = draw_bins(rng, psd, sampling)
    return np.asarray(irfft(np.concatenate([[0.0], bins]), sampling.drawn)[: sampling.samples])
