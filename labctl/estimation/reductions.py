"""Spectra from one cross-spectral matrix S(f), without new data: detectors, sums, conditional spectra, common force.

With C_ij = <conj(X_i) X_j>, a sum with weights w_j(f) has the density w^H C w. Values are distributed as
Gamma(K, S / K); where the matrix is inverted, K is less by M - 1 and the bias that comes with it is taken out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import HANN_ENBW_BINS, Acquisition, FloatArray
from labctl.spectra.cross_spectral_matrix import ComplexArray, CrossSpectrum
from labctl.spectra.trace import Spectrum, Unit

FEWEST_AVERAGES_PER_CHANNEL = 2.0
"""Below it the inverse of an averaged matrix says little about the true one."""
SMALLEST_PIVOT = 1e-12
BINS_AT_A_TIME = 2048


@dataclass(frozen=True, eq=False)
class ForceSpectrum:
    """Force that is common to all sensors: `psd` (F,) one-sided, N^2/Hz, distributed as Gamma(averages); `weights`
    (F, M) in N/V, the estimate being F = sum_j w_j y_j."""

    frequency_hz: FloatArray
    psd: FloatArray
    weights: ComplexArray
    averages: float


def detector_spectra(matrix: CrossSpectrum) -> list[Spectrum]:
    """The power spectrum of each detector alone, M of them, V^2/Hz."""
    return [matrix.channel(j) for j in range(matrix.csd.shape[1])]


def without_dark(matrix: CrossSpectrum, dark: CrossSpectrum) -> CrossSpectrum:
    """`matrix` less dark noise of the same channels and bins; K stays that of `matrix`, dark noise being small."""
    _require_same_bins(matrix, dark, "dark noise")
    return replace(matrix, csd=np.asarray(matrix.csd - dark.csd))


def sum_spectrum(matrix: CrossSpectrum, weights: npt.ArrayLike | None = None, name: str = "sum") -> Spectrum:
    """w^H C w in V^2/Hz, with one set of complex weights (M,) or one for each bin (F, M); all 1 if none are given.

    Refuses weights of another shape, not finite or all zero.
    """
    f, m = matrix.csd.shape[:2]
    w = np.ones(m) if weights is None else np.asarray(weights)
    if w.shape not in ((m,), (f, m)) or not np.isfinite(w).all() or not np.any(w):
        raise AnalysisRefused(f"Weights must be {m} finite numbers, or {f} x {m}, not all zero.")
    values = _quadratic(matrix.csd, np.asarray(w, dtype=np.complex128))
    return Spectrum(matrix.frequency_hz, values, Unit.V2_PER_HZ, matrix.acquisition, name=name)


def conditional_spectra(matrix: CrossSpectrum) -> list[Spectrum]:
    """1 / (C^-1)_jj in V^2/Hz, M of them: what is left of each detector when the best prediction from all others is
    taken off. Distributed as Gamma(K - M + 1). Refuses K below 2 M and a matrix that is not positive definite."""
    left, scale = _after_inversion(matrix)
    inverse_diagonal = np.empty((matrix.csd.shape[1], len(matrix.csd)))
    for bins in _stretches(len(matrix.csd)):
        whitening = _whitening(matrix.csd[bins])
        for j, out in enumerate(inverse_diagonal):
            out[bins] = np.sum([row[j].real ** 2 + row[j].imag ** 2 for row in whitening[j:]], axis=0)
    conventions = _of_fewer(matrix, left)
    return [
        Spectrum(
            matrix.frequency_hz,
            scale / inverse_diagonal[j],
            Unit.V2_PER_HZ,
            conventions,
            name=f"channel {j + 1} given all others",
        )
        for j in range(matrix.csd.shape[1])
    ]


def common_force(
    matrix: CrossSpectrum, susceptibility: npt.ArrayLike, noise: CrossSpectrum | None = None
) -> ForceSpectrum:
    """Generalised least squares for a force common to all sensors, F = chi^H C^-1 y / chi^H C^-1 chi.

    `susceptibility` (F, M): response of each channel to the force, V/N. Weights come from `noise` where it is given
    (the same bins, without the force), else from `matrix` itself, which gives the same ones on average. They follow
    chi_j(f), sign change at each resonance included, which the plain sum does not. physics: Gauss-Markov.
    Refuses what `conditional_spectra` does, another shape of chi, and bins where no sensor responds.
    """
    chi = np.asarray(susceptibility, dtype=np.complex128)
    source = matrix if noise is None else noise
    if chi.shape != matrix.csd.shape[:2] or not np.isfinite(chi).all():
        raise AnalysisRefused(f"A susceptibility of shape {chi.shape} does not go with {matrix.csd.shape[:2]} bins.")
    _require_same_bins(matrix, source, "noise")
    if not np.abs(chi).max(axis=1).all():
        raise AnalysisRefused("At some bins no sensor responds to the force.", remedy="Leave these bins out.")
    left, scale = _after_inversion(source)
    # C is the conjugate of <y y^H>: w^T chi = 1 with the least w^H C w.
    weights: ComplexArray = np.empty(chi.shape, dtype=np.complex128)
    for bins in _stretches(len(chi)):
        whitening, wanted = _whitening(source.csd[bins]), chi[bins].conj()
        white = [np.sum([entry * wanted[:, j] for j, entry in enumerate(row)], axis=0) for row in whitening]
        for j in range(chi.shape[1]):
            each = zip(whitening[j:], white[j:], strict=True)
            weights[bins, j] = np.sum([row[j].conj() * part for row, part in each], axis=0)
        weights[bins] /= np.sum(np.abs(white) ** 2, axis=0)[:, None]
    if noise is None:
        return ForceSpectrum(matrix.frequency_hz, _quadratic(matrix.csd, weights) * scale, weights, left)
    return ForceSpectrum(matrix.frequency_hz, _quadratic(matrix.csd, weights), weights, matrix.averages)


def _require_same_bins(matrix: CrossSpectrum, other: CrossSpectrum, name: str) -> None:
    same = other.csd.shape == matrix.csd.shape
    if not (same and np.allclose(other.frequency_hz, matrix.frequency_hz, rtol=1e-12, atol=0.0)):
        raise AnalysisRefused(f"The matrix of {name} has other bins or channels than the signal.")


def _after_inversion(matrix: CrossSpectrum) -> tuple[float, float]:
    """(K - M + 1, K over that)."""
    m, k = matrix.csd.shape[1], matrix.averages
    if k < FEWEST_AVERAGES_PER_CHANNEL * m:
        raise AnalysisRefused(
            f"K = {k:.3g} averages are too few to invert a matrix of {m} channels.",
            remedy=f"Average at least {math.ceil(FEWEST_AVERAGES_PER_CHANNEL * m)} segments.",
        )
    return k - m + 1, k / (k - m + 1)


def _of_fewer(matrix: CrossSpectrum, averages: float) -> Acquisition:
    bin_hz = matrix.enbw_hz / HANN_ENBW_BINS
    return Acquisition.of_hann_records(bin_hz, max(1, round(matrix.averages)), effective_k=averages)


def _quadratic(csd: ComplexArray, weights: ComplexArray) -> FloatArray:
    """w^H C w at each bin, C Hermitian; weights (M,) or (F, M)."""
    total = np.zeros(len(csd))
    for bins in _stretches(len(csd)):
        w, part = (weights if weights.ndim == 1 else weights[bins]).T, csd[bins]
        for i in range(csd.shape[1]):
            total[bins] += (w[i].real ** 2 + w[i].imag ** 2) * part[:, i, i].real
            for j in range(i + 1, csd.shape[1]):
                total[bins] += 2 * (w[i].conj() * w[j] * part[:, i, j]).real
    return total


def _stretches(count: int) -> list[slice]:
    """Bins in stretches that stay in the cache."""
    return [slice(at, at + BINS_AT_A_TIME) for at in range(0, count, BINS_AT_A_TIME)]


def _whitening(csd: ComplexArray) -> list[list[ComplexArray]]:
    """W = L^-1 (rows i, columns j <= i, each (F,)) of C = L L^H, so that C^-1 = W^H W; all bins at once."""
    m = csd.shape[1]
    lower: list[list[ComplexArray]] = []
    inverse: list[list[ComplexArray]] = []
    for i in range(m):
        row: list[ComplexArray] = []
        pivot = csd[:, i, i].real.copy()
        for j in range(i):
            entry = csd[:, i, j].copy()
            for k in range(j):
                entry -= row[k] * lower[j][k].conj()
            row.append(entry * inverse[j][j].real)
            pivot -= row[j].real ** 2 + row[j].imag ** 2
        if not (pivot > SMALLEST_PIVOT * csd[:, i, i].real).all():
            raise AnalysisRefused(
                "The cross-spectral matrix is not positive definite at some bins.",
                remedy="Average longer, and check that no channel is a copy of another or dead.",
            )
        unit = 1 / np.sqrt(pivot)
        whitened = []
        for j in range(i):
            total = row[j] * inverse[j][j]
            for k in range(j + 1, i):
                total += row[k] * inverse[k][j]
            whitened.append(np.asarray(-unit * total))
        lower.append(row)
        inverse.append([*whitened, unit.astype(np.complex128)])
    return inverse
