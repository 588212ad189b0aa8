"""Phase noise told from loss by a clock: a phase that shakes makes the noise of a sum come and go, a loss does not.

The sum of detectors on one squeezed beam has the variance v + c theta(t)^2 while a phase stands at theta. A Gaussian
theta of rms s adds c s^2 on the average, and c s^2 is also the standard deviation of what it adds over sqrt 2. The
noise powers of neighbouring pieces of a record scatter independently by chance and together by theta^2 alone, so

    cov(P_i, P_{i+k}) = 2 (c s^2)^2 (1 + w ln^2 q) q^k,

for pieces of length h and a theta^2 of memory t, q = e^{-h/t}, w being the variance of a squared Hann window over h^2.
What shakes much faster than a piece is not seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft
from scipy.signal.windows import hann

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.cross_spectral_matrix import ComplexArray
from labctl.spectra.trace import Band

PIECES = 4
FEWEST_RECORDS = 10
GROUPS = 20
"""The uncertainty is that of leaving out one group of records after the other."""
LEAST_KEPT, MOST_KEPT = 0.05, 0.95
"""Q of a memory that the pieces can tell; beyond it is taken to be at the bound."""
USUAL_KEPT = 0.5
"""Q where nothing shakes enough to tell it."""
CLEAR_SIGMAS = 3.0
WINDOW_VARIANCE = 0.0200
"""Of a squared Hann window of length 1."""


@dataclass(frozen=True)
class Fluctuation:
    """`added`: variance that shaking adds on the average, in units of the powers' own mean; 0 unless it is `clear`."""

    added: Estimate
    clear: bool


class PieceMatrices:
    """Collects the band's mean cross-spectral matrix of every piece of every record: (R, PIECES, M, M), any unit."""

    def __init__(self, sample_rate_hz: float, band: Band, exclude: Sequence[Band], samples: int) -> None:
        self._length = samples // PIECES
        frequency = np.arange(self._length // 2 + 1) * (sample_rate_hz / self._length)
        inside = (frequency >= band[0]) & (frequency <= band[1])
        for low, high in exclude:
            inside &= (frequency < low) | (frequency > high)
        self._bins = np.flatnonzero(inside)
        self._window = hann(self._length, sym=False)
        self._found: list[ComplexArray] = []

    def add(self, record: FloatArray) -> None:
        """Add one record (M, n) of simultaneous real samples."""
        pieces = np.asarray(record)[:, : PIECES * self._length].reshape(len(record), PIECES, self._length)
        pieces = pieces - pieces.mean(axis=-1, keepdims=True)
        spectrum = rfft(pieces * self._window, axis=-1)[..., self._bins].transpose(1, 0, 2)
        self._found.append(np.asarray(spectrum.conj() @ spectrum.transpose(0, 2, 1)))

    def result(self) -> ComplexArray:
        """Return all of them, shape (R, PIECES, M, M); R is 0 without records or without bins."""
        if not self._found or not self._bins.size:
            return np.zeros((0, PIECES, 1, 1), dtype=np.complex128)
        return np.array(self._found) / self._bins.size


def fluctuation(powers: FloatArray) -> Fluctuation:
    """Return what shaking adds to noise powers (R, P) of consecutive pieces of R records, relative to their mean.

    Refuses fewer than `FEWEST_RECORDS` records or three pieces.
    """
    p = np.asarray(powers, dtype=np.float64)
    if p.ndim != 2 or len(p) < FEWEST_RECORDS or p.shape[1] < 3:
        raise AnalysisRefused(
            f"Noise powers of shape {p.shape} show no fluctuation.", remedy=f"Take {FEWEST_RECORDS} records or more."
        )
    p = p / p.mean()
    lags = np.array([_products(p, lag) for lag in range(1, p.shape[1])])  # (P - 1, R)
    kept = _kept(lags.mean(axis=1), lags.std(axis=1, ddof=1) / math.sqrt(len(p)))
    square = _square(lags, kept)
    groups = [np.delete(lags, part, axis=1) for part in np.array_split(np.arange(len(p)), min(GROUPS, len(p)))]
    clear = bool(lags[0].mean() > CLEAR_SIGMAS * lags[0].std(ddof=1) / math.sqrt(len(p)))
    left_out = np.array([_square(part, _kept(part.mean(axis=1), None) if clear else kept) for part in groups])
    n = len(groups)
    sigma = math.sqrt((n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum()))
    convention = "variance that shaking adds, over the mean"
    if not clear:  # the root of what chance puts above 0 would read high
        return Fluctuation(Estimate(0.0, math.sqrt(max(square, 0.0) + sigma), "", convention), clear)
    return Fluctuation(root(Estimate(square, sigma), "", convention), clear)


def root(square: Estimate, unit: str, convention: str) -> Estimate:
    """Return the square root of an estimate that noise may have put below 0; its sigma reaches as far up as there."""
    value = math.sqrt(max(square.value, 0.0))
    return Estimate(value, math.sqrt(value**2 + square.sigma) - value, unit, convention)


def _products(p: FloatArray, lag: int) -> FloatArray:
    """Return the products of pieces `lag` apart in each record, less their mean: (R,)."""
    away = p - p.mean(axis=0)
    share = len(p) / (len(p) - 1)
    return np.asarray((away[:, lag:] * away[:, :-lag]).mean(axis=1) * share)


def _kept(covariance: FloatArray, sigma: FloatArray | None) -> float:
    """Return q of the covariances of all lags; the usual one where the first is not clear."""
    if covariance[0] <= 0 or (sigma is not None and covariance[0] < CLEAR_SIGMAS * sigma[0]):
        return USUAL_KEPT
    return float(np.clip(covariance[1:].sum() / covariance[:-1].sum(), LEAST_KEPT, MOST_KEPT))


def _square(lags: FloatArray, kept: float) -> float:
    """Return (c s^2)^2 over the mean power squared."""
    averaged = 1.0 + WINDOW_VARIANCE * math.log(kept) ** 2
    return float(lags[0].mean()) / (2.0 * kept * averaged)
