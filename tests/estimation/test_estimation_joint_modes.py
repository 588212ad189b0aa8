"""Modes fitted jointly to a cross-spectral matrix: what it gains, who pushes whom, and what it refuses."""

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectral_modes import CoupledMode, fit_cross_spectral_modes
from labctl.estimation.cross_spectrum import CrossSpectrum, cross_spectral_matrix
from labctl.estimation.mechanical_mode import ModeGuess, fit_mode
from labctl.physics.line_shape import lorentzian
from labctl.spectra.trace import Acquisition, Averaging, FilterShape, Spectrum, Unit

AXIS = np.arange(-600.0, 600.0, 6.0)
V, M, K = 0.4266, 4, 900.0
ACQUISITION = Acquisition(0.1, 0.1, FilterShape.GAUSSIAN, Averaging.POWER, 1, K, independent_spacing_hz=0.1)
FLOOR = np.eye(M) + (V - 1) / M * np.ones((M, M))


def wishart(seed, covariance, k=K):
    """Mean of k outer products of complex normal vectors (Bartlett)."""
    rng = np.random.default_rng(seed)
    f, m, _ = covariance.shape
    factor = np.zeros((f, m, m), complex)
    for i in range(m):
        factor[:, i, i] = np.sqrt(rng.gamma(k - i, 1.0, f))
        for j in range(i):
            factor[:, i, j] = (rng.standard_normal(f) + 1j * rng.standard_normal(f)) / math.sqrt(2)
    root = np.linalg.cholesky(covariance) @ factor
    return root @ root.conj().transpose(0, 2, 1) / k


def matrix(seed, modes, floor=FLOOR, k=K):
    """modes: (f0, Gamma, g)."""
    c = np.broadcast_to(floor, (len(AXIS), *floor.shape)).astype(complex)
    for f0, gamma, g in modes:
        c = c + lorentzian(AXIS, f0, gamma)[:, None, None] * np.outer(g, np.conj(g))
    return CrossSpectrum(AXIS, wishart(seed, c, k), k, 6.0)


def alone(channel, peak=5.0, m=M):
    return math.sqrt(peak) * np.eye(m)[channel]


def fit(cross, modes, **options):
    return fit_cross_spectral_modes(cross, modes, acquisition=ACQUISITION, **options)


def test_one_mode_in_one_channel_is_fitted_honestly():
    """25 matrices: pulls of f0, Gamma and peak have no bias and unit scatter."""
    pulls = []
    for seed in range(25):
        found = fit(matrix(seed, [(3.0, 50.0, alone(0))]), [CoupledMode(ModeGuess(-5.0, 70.0), 0)])
        assert found.reason == ""
        truths = (3.0, 50.0, 5.0)
        pulls.append([(e.value - t) / e.sigma for e, t in zip(found.mode(1), truths, strict=True)])
    assert (np.abs(np.mean(pulls, axis=0)) < 3.5 / 5).all()
    assert (np.abs(np.std(pulls, axis=0) - 1) < 3.5 / math.sqrt(50)).all()


def test_the_matrix_knows_more_than_a_channel():
    """The other channels' share of the squeezed noise: sigma of Gamma falls by 8 % at -3.7 dB."""
    cross = matrix(1, [(3.0, 50.0, alone(0))])
    joint = fit(cross, [CoupledMode(ModeGuess(0.0, 60.0), 0)]).parameters["gamma_hz_1"]
    single = fit_mode(Spectrum(AXIS, cross.csd[:, 0, 0].real, Unit.RATIO_TO_SHOT, ACQUISITION)).gamma_hz
    assert 0.85 < joint.sigma / single.sigma < 0.96


def test_four_modes_and_the_floor_between_the_channels():
    truth = [(-420.0, 41.0, 5.0), (-130.0, 45.0, 4.0), (140.0, 39.0, 6.0), (430.0, 50.0, 5.0)]
    cross = matrix(2, [(f0, gamma, alone(i, peak)) for i, (f0, gamma, peak) in enumerate(truth)])
    found = fit(cross, [CoupledMode(ModeGuess(f0 + 8, 60.0), i) for i, (f0, _, _) in enumerate(truth)])
    for number, wanted in enumerate(truth, start=1):
        for estimate, value in zip(found.mode(number), wanted, strict=True):
            assert abs(estimate.value - value) < 4 * estimate.sigma
    assert found.floor == pytest.approx(FLOOR, abs=0.02)
    assert found.floor == pytest.approx(found.floor.conj().T)
    ones = np.ones(M) / 2
    assert (ones @ found.floor @ ones).real == pytest.approx(V, rel=0.02)


def test_a_mode_that_pushes_several_channels_shows_its_vector():
    g = np.array([2.0, -1.0, 0.5j, 0.0])
    found = fit(matrix(3, [(10.0, 60.0, g)]), [CoupledMode(ModeGuess(0.0, 50.0))])
    seen = found.coupling[0] * np.exp(-1j * np.angle(found.coupling[0][0]))
    assert seen == pytest.approx(g, abs=0.15)
    assert abs(found.parameters["peak_1"].value - 5.25) < 4 * found.parameters["peak_1"].sigma


def test_a_second_channel_that_is_pushed_but_not_allowed_for_is_reported():
    cross = matrix(4, [(0.0, 50.0, np.array([2.0, 1.0, 0.0, 0.0]))])
    assert "do not describe" in fit(cross, [CoupledMode(ModeGuess(0.0, 50.0), 0)]).reason
    assert fit(cross, [CoupledMode(ModeGuess(0.0, 50.0))]).reason == ""


def test_division_by_shot_noise():
    cross = matrix(5, [(0.0, 50.0, alone(1))])
    shot = np.array([1e-12, 2e-12, 3e-12, 4e-12])
    volts = CrossSpectrum(AXIS, cross.csd * np.sqrt(np.outer(shot, shot)), K, 6.0)
    mode = [CoupledMode(ModeGuess(0.0, 60.0), 1)]
    assert fit(volts, mode, shot=shot).parameters["peak_1"].value == pytest.approx(
        fit(cross, mode).parameters["peak_1"].value, rel=1e-6
    )
    raw = fit(volts, mode)
    assert raw.parameters["gamma_hz_1"].value == pytest.approx(
        fit(cross, mode).parameters["gamma_hz_1"].value, rel=1e-4
    )


def test_records_through_welch():
    """Two channels that share half their noise, with a mode in the first: what was put in, within 4 sigma."""
    rng = np.random.default_rng(6)
    rate, n, records = 4000.0, 512, 400
    total = n * records
    common, first, second = rng.standard_normal((3, total))
    omega, decay = 2 * np.pi * 1000.0 / rate, np.exp(-np.pi * 60.0 / rate)
    from scipy.signal import lfilter

    drive = (rng.standard_normal(total) + 1j * rng.standard_normal(total)) * math.sqrt(1 - decay**2) / math.sqrt(2)
    motion = lfilter([1.0], [1.0, -decay * np.exp(1j * omega)], drive)
    area = 5.0 * math.pi * 60.0 / 2 / (rate / 2)
    x = np.array([first + common, second + common]) / math.sqrt(2)
    x[0] += math.sqrt(2 * area) * motion.real
    cross = cross_spectral_matrix(x, rate, (600.0, 1400.0), segment_length=n)
    found = fit_cross_spectral_modes(cross, [CoupledMode(ModeGuess(1010.0, 80.0), 0)], shot=np.full(2, 2 / rate))
    for estimate, truth in zip(found.mode(1), (1000.0, 60.0, 5.0), strict=True):
        assert abs(estimate.value - truth) < 4 * estimate.sigma
    assert found.floor[0, 1].real == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ([], "No modes"),
        ([CoupledMode(ModeGuess(5000.0, 50.0), 0)], "outside the band"),
        ([CoupledMode(ModeGuess(0.0, 50.0), 4)], "outside the band"),
        ([CoupledMode(ModeGuess(0.0, -50.0), 0)], "outside the band"),
    ],
)
def test_impossible_modes_are_refused(modes, words):
    with pytest.raises(AnalysisRefused, match=words):
        fit(matrix(0, [(0.0, 50.0, alone(0))]), modes)


def test_too_few_bins_and_too_many_channels_are_refused():
    few = CrossSpectrum(AXIS[:12], np.broadcast_to(FLOOR, (12, M, M)) + 0j, K, 6.0)
    with pytest.raises(AnalysisRefused, match="too few"):
        fit(few, [CoupledMode(ModeGuess(AXIS[5], 50.0), 0)])
    many = CrossSpectrum(AXIS, np.broadcast_to(np.eye(17), (len(AXIS), 17, 17)) + 0j, K, 6.0)
    with pytest.raises(AnalysisRefused, match="too many"):
        fit(many, [CoupledMode(ModeGuess(0.0, 50.0), 0)])


def test_a_mode_that_is_not_there_is_refused():
    for seed in range(4):
        with pytest.raises(AnalysisRefused, match=r"uncertain|broad|settle|determine"):
            fit(matrix(seed, []), [CoupledMode(ModeGuess(0.0, 50.0), 0)])


def test_a_matrix_that_is_none_is_refused():
    wrong = CrossSpectrum(AXIS, np.broadcast_to(-np.eye(2), (len(AXIS), 2, 2)) + 0j, K, 6.0)
    with pytest.raises(AnalysisRefused, match="positive definite"):
        fit(wrong, [CoupledMode(ModeGuess(0.0, 50.0), 0)])
