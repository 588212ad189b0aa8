"""What one cross-spectral matrix holds, against plain linear algebra and drawn spectra."""

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.network import conditional_variances, relative_to_shot
from labctl.estimation.reductions import (
    common_force,
    conditional_spectra,
    detector_spectra,
    sum_spectrum,
    without_dark,
)
from labctl.physics.membrane import susceptibility_m_per_n
from labctl.spectra.cross_spectral_matrix import BandMatrix, CrossSpectrum

M, BINS, BIN_HZ = 4, 5000, 10.0
FREQUENCY = 4.30e6 + BIN_HZ * np.arange(BINS)
RESONANCES_HZ = (4.312e6, 4.320e6, 4.328e6, 4.336e6)


def matrix(csd, averages=40.0):
    return CrossSpectrum(FREQUENCY, np.broadcast_to(csd, (BINS, M, M)).astype(complex), averages, 1.5 * BIN_HZ)


def positive(rng):
    """Any Hermitian positive definite matrix at each bin."""
    a = rng.standard_normal((BINS, M, M)) + 1j * rng.standard_normal((BINS, M, M))
    return a @ a.conj().transpose(0, 2, 1) + 0.1 * np.eye(M)


def drawn(rng, csd, averages):
    """Averages of `averages` products conj(X_i) X_j of Gaussian spectra with the matrices `csd`."""
    root = np.linalg.cholesky(np.broadcast_to(csd, (BINS, M, M)).conj())
    total = np.zeros((BINS, M, M), dtype=complex)
    for _ in range(averages):
        z = (rng.standard_normal((BINS, M)) + 1j * rng.standard_normal((BINS, M))) / math.sqrt(2)
        x = np.einsum("fij,fj->fi", root, z)
        total += x.conj()[:, :, None] * x[:, None, :]
    return CrossSpectrum(FREQUENCY, total / averages, averages, 1.5 * BIN_HZ)


def squeezed(variance=0.34):
    return np.eye(M) + (variance - 1) * np.ones((M, M)) / M


def test_detectors_are_the_diagonal():
    given = matrix(positive(np.random.default_rng(1)))
    for j, spectrum in enumerate(detector_spectra(given)):
        assert np.array_equal(spectrum.values, given.csd[:, j, j].real)
        assert spectrum.acquisition.effective_k == 40.0


def test_dark_noise_is_taken_off_the_whole_matrix():
    rng = np.random.default_rng(9)
    given, dark = matrix(positive(rng)), matrix(positive(rng), 7.0)
    both = matrix(given.csd + dark.csd)
    assert without_dark(both, dark).csd == pytest.approx(given.csd)
    assert without_dark(both, dark).averages == 40.0


@pytest.mark.parametrize("shape", [(M,), (BINS, M)])
def test_a_weighted_sum_is_the_quadratic_form(shape):
    rng = np.random.default_rng(2)
    given, w = matrix(positive(rng)), rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    each = np.broadcast_to(w, (BINS, M))
    expected = (each.conj()[:, None, :] @ given.csd @ each[:, :, None])[:, 0, 0].real
    assert sum_spectrum(given, w).values == pytest.approx(expected, rel=1e-10)


def test_the_raw_sum_is_the_spectrum_of_the_summed_samples():
    given = matrix(squeezed())
    assert sum_spectrum(given).values == pytest.approx(0.34 * M)


def test_conditional_spectra_are_those_of_the_inverse():
    given = matrix(positive(np.random.default_rng(3)), averages=1e9)
    expected = 1 / np.diagonal(np.linalg.inv(given.csd), axis1=1, axis2=2).real
    for j, spectrum in enumerate(conditional_spectra(given)):
        assert spectrum.values == pytest.approx(expected[:, j], rel=1e-8)


def test_conditional_spectra_of_few_averages_are_not_biased():
    """1 / (1 + (1 - V) / (V M)) for one shared state, and the scatter of Gamma(K - M + 1); 4 sigma each."""
    given = drawn(np.random.default_rng(4), squeezed(), 12)
    truth = 1 / (1 + (1 - 0.34) / (0.34 * M))
    for spectrum in conditional_spectra(given):
        k = spectrum.acquisition.effective_k
        assert k == 12 - M + 1
        assert spectrum.values.mean() == pytest.approx(truth, rel=4 / math.sqrt(k * BINS))
        assert (spectrum.values / truth).var() * k == pytest.approx(1.0, abs=4 * math.sqrt((2 + 6 / k) / BINS))


def test_conditional_spectra_agree_with_those_of_the_band():
    one = BandMatrix(squeezed().astype(complex), 1e9, (4.3e6, 4.35e6))
    shot = BandMatrix(np.eye(M, dtype=complex), 1e9, (4.3e6, 4.35e6))
    of_band = conditional_variances(relative_to_shot(one, shot))
    for spectrum, estimate in zip(conditional_spectra(matrix(squeezed(), 1e9)), of_band, strict=True):
        assert spectrum.values == pytest.approx(estimate.value, rel=1e-7)


def responses():
    """Susceptibilities of four membranes of different resonance frequency, on a scale of order one."""
    chi = [susceptibility_m_per_n(FREQUENCY, f0, 41.0, 1.7e-11) for f0 in RESONANCES_HZ]
    return np.array(chi).T / 1e2


def test_force_weights_are_those_of_least_squares():
    rng = np.random.default_rng(5)
    given, chi = matrix(positive(rng), 1e9), rng.standard_normal((BINS, M)) + 1j * rng.standard_normal((BINS, M))
    found = common_force(given, chi)
    assert np.einsum("fi,fi->f", found.weights, chi) == pytest.approx(1.0, abs=1e-10)
    sigma = given.csd.conj()  # <y y^H>
    information = np.einsum("fi,fij,fj->f", chi.conj(), np.linalg.inv(sigma), chi).real
    expected = np.einsum("fi,fij->fj", chi.conj(), np.linalg.inv(sigma)) / information[:, None]
    assert found.weights == pytest.approx(expected, rel=1e-7)
    assert found.psd == pytest.approx(1 / information, rel=1e-7)


def test_a_common_force_between_resonances_is_found_where_the_plain_sum_loses_it():
    chi, force = responses(), 9.0
    noise = squeezed() * np.ones((BINS, 1, 1))
    signal = noise + force * chi.conj()[:, :, None] * chi[:, None, :]
    rng = np.random.default_rng(6)
    found = common_force(drawn(rng, signal, 60), chi, drawn(rng, noise, 60))
    between = (FREQUENCY > 4.313e6) & (FREQUENCY < 4.335e6)
    floor = 1 / np.einsum("fi,ij,fj->f", chi.conj(), np.linalg.inv(squeezed()), chi).real
    expected = force + floor
    ratio = (found.psd / expected)[between]
    # Weights from 60 averages cost a little: (K + 1) / (K - M + 2) on the noise, nothing on the force.
    assert 0.98 < ratio.mean() < 1.08
    plain = M * 0.34 / np.abs(chi.sum(axis=1)) ** 2
    assert np.median(plain[between] / floor[between]) > 1.5
    signs = np.sign(found.weights.real)
    assert (np.diff(signs, axis=0) != 0).any(axis=0).all()


def test_weights_from_the_signal_itself_are_not_biased_low():
    chi = np.ones((BINS, M))
    found = common_force(drawn(np.random.default_rng(7), squeezed(), 12), chi)
    assert found.averages == 9
    assert found.psd.mean() == pytest.approx(0.34 / M, rel=4 / math.sqrt(9 * BINS))


def test_refusals():
    rng = np.random.default_rng(8)
    given = matrix(positive(rng))
    for weights in (np.ones(3), np.zeros(M), [1, 1, np.nan, 1], np.ones((2, M))):
        with pytest.raises(AnalysisRefused, match="Weights"):
            sum_spectrum(given, weights)
    with pytest.raises(AnalysisRefused, match="too few to invert"):
        conditional_spectra(matrix(positive(rng), averages=7.0))
    for singular in (np.ones((M, M)), np.diag([1.0, 1.0, 0.0, 1.0]), np.diag([1.0, -1.0, 1.0, 1.0])):
        with pytest.raises(AnalysisRefused, match="positive definite"):
            conditional_spectra(matrix(singular))
    with pytest.raises(AnalysisRefused, match="susceptibility"):
        common_force(given, np.ones((BINS, 3)))
    silent = np.ones((BINS, M))
    silent[17] = 0
    with pytest.raises(AnalysisRefused, match="no sensor responds"):
        common_force(given, silent)
    other = CrossSpectrum(FREQUENCY + 5.0, given.csd, 40.0, 15.0)
    with pytest.raises(AnalysisRefused, match="other bins"):
        common_force(given, np.ones((BINS, M)), other)
    with pytest.raises(AnalysisRefused, match="dark noise has other bins"):
        without_dark(given, other)
