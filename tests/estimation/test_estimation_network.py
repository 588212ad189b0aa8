"""Joint, conditional and optimal variances of a network, on the rank-one model of one shared squeezed state."""

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import BandMatrix, CrossSpectrumAccumulator
from labctl.estimation.estimate import Estimate, from_decibels, in_decibels
from labctl.estimation.network import (
    conditional_variances,
    marginal_variances,
    optimal_combination,
    relative_to_shot,
    remove_loss,
    weighted_sum,
)

M = 4
SQUEEZED = 10**-0.469
BAND = (4.30e6, 4.34e6)
DELAYS_S = np.array([-1.35, -0.45, 0.45, 1.35]) * 13.3e-9
PHASES = 2 * np.pi * 4.32e6 * DELAYS_S


def true_covariance(variance=SQUEEZED, phases=0.0):
    """C_ij = <conj(x_i) x_j> for channels x_j = exp(i phi_j) y_j that share one state equally."""
    u = np.exp(1j * phases) * np.ones(M) / math.sqrt(M)
    return np.eye(M) + (variance - 1) * np.outer(u.conj(), u)


def exact(matrix, averages=1e9):
    return BandMatrix(np.asarray(matrix, dtype=complex), averages, BAND)


def drawn(rng, matrix, averages):
    """Mean of `averages` outer products of complex Gaussian vectors."""
    root = np.linalg.cholesky(matrix.conj())
    z = (rng.standard_normal((averages, M)) + 1j * rng.standard_normal((averages, M))) / math.sqrt(2)
    x = z @ root.T
    return BandMatrix(x.T.conj() @ x / averages, averages, BAND)


def test_drawn_matrices_have_the_right_mean():
    target = true_covariance(phases=PHASES)
    assert drawn(np.random.default_rng(0), target, 100_000).matrix == pytest.approx(target, abs=0.02)


@pytest.mark.parametrize(("joint_db", "conditional_db"), [(-3.7, -1.26), (-4.69, -1.72)])
def test_one_shared_state_gives_the_closed_forms(joint_db, conditional_db):
    v = 10 ** (joint_db / 10)
    network = relative_to_shot(exact(true_covariance(v)), exact(np.eye(M)))
    assert in_decibels(weighted_sum(network).variance).value == pytest.approx(joint_db)
    assert in_decibels(optimal_combination(network).variance).value == pytest.approx(joint_db)
    assert in_decibels(conditional_variances(network)[2]).value == pytest.approx(conditional_db, abs=0.006)
    assert marginal_variances(network)[1].value == pytest.approx(1 - (1 - v) / M)
    assert "conditional" in conditional_variances(network)[0].convention


def test_delays_spoil_the_raw_sum_and_rephasing_mends_it():
    """13.3 ns of cable mismatch: raw sum near -3.76 dB, re-phased -4.69 dB, weights that undo the phases."""
    network = relative_to_shot(exact(true_covariance(phases=PHASES)), exact(np.eye(M)))
    assert in_decibels(weighted_sum(network).variance).value == pytest.approx(-3.76, abs=0.06)
    best = optimal_combination(network)
    assert in_decibels(best.variance).value == pytest.approx(-4.69, abs=1e-6)
    turned = best.weights * np.exp(1j * PHASES)
    assert np.angle(turned / turned[0]) == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(best.weights) == pytest.approx(1)
    assert weighted_sum(network, best.weights).variance.value == pytest.approx(best.variance.value)


@pytest.mark.parametrize("phases", [0.0, PHASES])
@pytest.mark.parametrize(("averages", "shot_averages"), [(400, 400), (400, 4000), (2000, 2000)])
def test_all_estimates_are_unbiased_with_honest_sigma(phases, averages, shot_averages):
    """200 draws: bias below 0.25 sigma (own error 0.07), scatter 1 within 20 %, coverage 58 to 78 %."""
    c = true_covariance(phases=phases)
    w = np.ones(M) / 2
    truth = [
        (w @ c @ w).real,
        SQUEEZED,
        1 / (1 + (1 - SQUEEZED) / (SQUEEZED * M)),
        1 - (1 - SQUEEZED) / M,
    ]
    pulls = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        network = relative_to_shot(drawn(rng, c, averages), drawn(rng, np.eye(M), shot_averages))
        estimates = [
            weighted_sum(network).variance,
            optimal_combination(network).variance,
            conditional_variances(network)[1],
            marginal_variances(network)[3],
        ]
        pulls.append([(e.value - t) / e.sigma for e, t in zip(estimates, truth, strict=True)])
    pulls = np.array(pulls)
    assert (np.abs(pulls.mean(0)) < 0.25).all()
    assert (np.abs(pulls.std(0) - 1) < 0.2).all()
    coverage = (np.abs(pulls) < 1).mean(0)
    assert ((coverage > 0.58) & (coverage < 0.78)).all()


def test_choosing_the_best_of_noise_is_not_squeezing():
    """Shot noise against shot noise: the smallest eigenvalue is low, and its sigma says so."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        best = optimal_combination(relative_to_shot(drawn(rng, np.eye(M), 400), drawn(rng, np.eye(M), 400))).variance
        assert best.value < 1
        assert abs(best.value - 1) < 3 * best.sigma
        assert "gap not clear" in best.convention


def test_gains_cancel_and_dark_noise_is_taken_out():
    gains = np.array([1.0, 3.0, 0.5, 2.0])
    scale = np.outer(gains, gains)
    dark = np.diag([0.1, 0.02, 0.05, 0.0])
    signal, shot = true_covariance() * scale + dark, np.eye(M) * scale + dark
    network = relative_to_shot(exact(signal), exact(shot), exact(dark))
    assert network.covariance == pytest.approx(true_covariance())
    left_in = relative_to_shot(exact(signal), exact(shot))
    assert optimal_combination(left_in).variance.value > SQUEEZED + 0.01


def test_digitised_records_give_the_squeezing_that_was_put_in():
    """Real samples of four delayed channels through Welch and the network: truth within 4 sigma."""
    rng = np.random.default_rng(8)
    rate, n, count = 15.625e6, 2048, 200
    band = (4.2e6, 4.45e6)
    f = np.fft.rfftfreq(n, 1 / rate)

    def accumulated(variance):
        accumulator = CrossSpectrumAccumulator(rate, band, n)
        for _ in range(count):
            z = rng.standard_normal((M, n))
            x = z + (math.sqrt(variance) - 1) * z.mean(axis=0)
            turned = np.fft.irfft(np.fft.rfft(x) * np.exp(2j * np.pi * f * DELAYS_S[:, None]), n)
            accumulator.add(turned)
        return accumulator.result().mean_over((4.3e6, 4.34e6))

    network = relative_to_shot(accumulated(SQUEEZED), accumulated(1.0))
    best = optimal_combination(network).variance
    raw = weighted_sum(network).variance
    assert best.value == pytest.approx(SQUEEZED, abs=4 * best.sigma)
    assert raw.value == pytest.approx(10**-0.376, abs=4 * raw.sigma)
    assert raw.sigma / raw.value == pytest.approx(math.sqrt(2 / network.averages), rel=1e-6)
    assert raw.value - best.value > 2 * raw.sigma


@pytest.mark.parametrize(("sigma_eta", "sigma_db"), [(0.01, 0.37), (0.03, 0.51)])
def test_loss_correction_of_the_paper(sigma_eta, sigma_db):
    measured = from_decibels(Estimate(-3.7, 0.2, "dB"))
    source = in_decibels(remove_loss(measured, Estimate(0.82, sigma_eta)))
    assert source.value == pytest.approx(-5.22, abs=0.005)
    assert source.sigma == pytest.approx(sigma_db, abs=0.02)


def test_refusals():
    good = exact(np.eye(M))
    with pytest.raises(AnalysisRefused, match="same channels"):
        relative_to_shot(good, exact(np.eye(3)))
    with pytest.raises(AnalysisRefused, match="same channels"):
        relative_to_shot(good, BandMatrix(np.eye(M, dtype=complex), 1e9, (1.0, 2.0)))
    with pytest.raises(AnalysisRefused, match="K = 20"):
        relative_to_shot(exact(np.eye(M), 20), good)
    with pytest.raises(AnalysisRefused, match="Channel 1"):
        relative_to_shot(good, good, exact(2 * np.eye(M)))
    indefinite = relative_to_shot(exact(np.diag([1.0, 1.0, 1.0, -0.1])), good)
    for estimator in (conditional_variances, optimal_combination):
        with pytest.raises(AnalysisRefused, match="positive definite"):
            estimator(indefinite)
    network = relative_to_shot(good, good)
    for weights in (np.zeros(M), np.ones(3), np.full(M, np.nan)):
        with pytest.raises(AnalysisRefused, match="weights"):
            weighted_sum(network, weights)
    for eta in (0.0, 1.2):
        with pytest.raises(AnalysisRefused, match="efficiency"):
            remove_loss(Estimate(0.5, 0.1), Estimate(eta, 0.01))
