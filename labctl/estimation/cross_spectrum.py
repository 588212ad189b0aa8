"""Cross-spectral matrices of simultaneously sampled channels, by Welch's method with a Hann window.

Convention, the same as `scipy.signal.csd(x_i, x_j)`: C_ij = 2 <conj(X_i) X_j> / (f_s sum w^2), one-sided, V^2/Hz.
A sum y = sum_j w_j x_j then has the density w^H C w.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft
from scipy.signal.windows import hann

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import HANN_ENBW_BINS, FloatArray
from labctl.spectra.cross_spectral_matrix import (
    HALF_OVERLAP_CORRELATION,
    BandMatrix,
    ComplexArray,
    CrossSpectrum,
)
from labctl.spectra.trace import Band

__all__ = [
    "BandMatrix",
    "ComplexArray",
    "CrossSpectrum",
    "CrossSpectrumAccumulator",
    "cross_spectral_matrix",
]

SHORTEST_SEGMENT = 16


class CrossSpectrumAccumulator:
    """Averages cross-spectral matrices record by record, keeping only the bins in `band`.

    Each record is cut into segments of `segment_length` samples, half overlapping, their mean removed.
    """

    def __init__(self, sample_rate_hz: float, band: Band, segment_length: int) -> None:
        if not sample_rate_hz > 0 or segment_length < SHORTEST_SEGMENT:
            raise AnalysisRefused(
                f"Segments of {segment_length} samples at {sample_rate_hz:g} samples/s make no spectrum.",
                remedy=f"Use {SHORTEST_SEGMENT} samples or more.",
            )
        bin_hz = sample_rate_hz / segment_length
        frequency: FloatArray = np.arange(segment_length // 2 + 1, dtype=np.float64) * bin_hz
        inside = np.flatnonzero((frequency >= band[0]) & (frequency <= band[1]))
        if len(inside) < 2:
            raise AnalysisRefused(
                f"Fewer than two bins of {bin_hz:g} Hz lie between {band[0]:g} and {band[1]:g} Hz, "
                f"below {sample_rate_hz / 2:g} Hz.",
                remedy="Take longer segments or a wider band.",
            )
        self._bins = slice(int(inside[0]), int(inside[-1]) + 1)
        self._frequency_hz = frequency[self._bins]
        self._window = hann(segment_length, sym=False)
        one_sided = np.full(len(frequency), 2.0)
        one_sided[0] = 1.0
        if segment_length % 2 == 0:
            one_sided[-1] = 1.0
        scale = one_sided / (sample_rate_hz * float((self._window**2).sum()))
        self._scale = scale[self._bins]
        self._segment_length = segment_length
        self._enbw_hz = HANN_ENBW_BINS * bin_hz
        self._sum: ComplexArray | None = None
        self._segments = 0
        self._averages = 0.0

    def add(self, record: npt.ArrayLike) -> None:
        """Add one record (M, n) of simultaneous real samples in volts.

        Refuses complex, not finite or too short records, and another M.
        """
        x = np.asarray(record)
        if x.ndim != 2 or x.shape[1] < self._segment_length:
            raise AnalysisRefused(
                f"A record of shape {x.shape} is not (channels, {self._segment_length} samples or more)."
            )
        if np.iscomplexobj(x):
            raise AnalysisRefused("A record must be real samples, not complex ones.")
        x = x.astype(np.float64, copy=False)
        if not np.isfinite(x).all():
            raise AnalysisRefused("A record holds samples that are not finite.")
        if self._sum is not None and self._sum.shape[1] != len(x):
            raise AnalysisRefused(f"A record with {len(x)} channels follows records with {self._sum.shape[1]}.")
        n = self._segment_length
        step = n // 2
        starts = range(0, x.shape[1] - n + 1, step)
        for start in starts:
            segment = x[:, start : start + n]
            segment = segment - segment.mean(axis=1, keepdims=True)
            spectrum = rfft(segment * self._window, axis=1)[:, self._bins].T
            product = spectrum.conj()[:, :, None] * spectrum[:, None, :]
            self._sum = product if self._sum is None else self._sum + product
        count = len(starts)
        self._segments += count
        self._averages += count / (1 + 2 * (count - 1) / count * HALF_OVERLAP_CORRELATION)

    def result(self) -> CrossSpectrum:
        """The average so far; refuses before the first record."""
        if self._sum is None:
            raise AnalysisRefused("No record has been added.", remedy="Record at least one.")
        csd = self._sum * (self._scale / self._segments)[:, None, None]
        return CrossSpectrum(self._frequency_hz, csd, self._averages, self._enbw_hz)


def cross_spectral_matrix(
    records: npt.ArrayLike | Iterable[npt.ArrayLike],
    sample_rate_hz: float,
    band: Band,
    *,
    segment_length: int | None = None,
) -> CrossSpectrum:
    """Cross-spectral matrix of one record (M, n), or averaged over many (R, M, n), in V^2/Hz.

    Without `segment_length` each record is one segment. Raises AnalysisRefused as the accumulator does.
    """
    accumulator: CrossSpectrumAccumulator | None = None
    whole = np.asarray(records) if isinstance(records, np.ndarray) else None
    each = [whole] if whole is not None and whole.ndim == 2 else records
    if not isinstance(each, Iterable):
        raise AnalysisRefused("Records must be an array (M, n) or a sequence of them.")
    for record in each:
        x = np.asarray(record)
        if accumulator is None:
            if x.ndim != 2:
                raise AnalysisRefused(f"A record of shape {x.shape} is not (channels, samples).")
            accumulator = CrossSpectrumAccumulator(sample_rate_hz, band, segment_length or x.shape[1])
        accumulator.add(x)
    if accumulator is None:
        raise AnalysisRefused("There are no records.", remedy="Record at least one.")
    return accumulator.result()
