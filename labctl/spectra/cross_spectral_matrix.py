"""Cross-spectral matrices of simultaneously sampled channels, against frequency and as the mean over a band.

Convention, the same as `scipy.signal.csd(x_i, x_j)`: C_ij = 2 <conj(X_i) X_j> / (f_s sum w^2), one-sided, V^2/Hz.
A sum y = sum_j w_j x_j then has the density w^H C w.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from labctl.spectra.acquisition import HANN_ENBW_BINS, Acquisition, FloatArray
from labctl.spectra.trace import Band, Spectrum, Unit

ComplexArray = npt.NDArray[np.complex128]

HALF_OVERLAP_CORRELATION = 1 / 36
"""Correlation of the powers of two Hann segments that overlap by half."""


@dataclass(frozen=True, eq=False)
class BandMatrix:
    """Mean of a cross-spectral matrix over a band: (M, M) complex Hermitian, V^2/Hz, and its effective averages K."""

    matrix: ComplexArray
    averages: float
    band: Band


@dataclass(frozen=True, eq=False)
class CrossSpectrum:
    """Averaged cross-spectral matrices: `frequency_hz` (F,), `csd` (F, M, M) one-sided V^2/Hz.

    averages: effective number of independent averages of each bin; enbw_hz: equivalent noise bandwidth of a bin.
    """

    frequency_hz: FloatArray
    csd: ComplexArray
    averages: float
    enbw_hz: float

    @property
    def acquisition(self) -> Acquisition:
        """The conventions of each channel's spectrum."""
        return Acquisition.of_hann_records(
            self.enbw_hz / HANN_ENBW_BINS, max(1, round(self.averages)), effective_k=self.averages
        )

    def of_channels(self, indices: Sequence[int]) -> CrossSpectrum:
        """The matrices of some of the channels, counted from 0, in this order."""
        return replace(self, csd=self.csd[:, indices][:, :, indices])

    def channel(self, index: int) -> Spectrum:
        """Power spectrum of one channel, V^2/Hz."""
        return Spectrum(
            self.frequency_hz,
            self.csd[:, index, index].real,
            Unit.V2_PER_HZ,
            self.acquisition,
            name=f"channel {index + 1}",
        )

    def mean_over(self, band: Band, exclude: Sequence[Band] = ()) -> BandMatrix:
        """Mean over the bins in `band` (edges included) less the excluded ones; K counts independent bins.

        Refuses a band outside the spectrum or without bins.
        """
        points = self.channel(0).mask(band, exclude)
        independent = self.acquisition.independent_points(self.frequency_hz[points])
        return BandMatrix(self.csd[points].mean(axis=0), self.averages * independent, band)
