"""Delays and gains from the phases of shared squeezed noise, on matrices drawn from their exact distribution."""

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.phase_slope import fit_phase_slope
from labctl.estimation.reductions import sum_spectrum
from labctl.spectra.cross_spectral_matrix import CrossSpectrum

BINS, SPACING_HZ = 400, 500.0
FREQUENCY = 4.22e6 + SPACING_HZ * np.arange(BINS)
BIN_HZ = SPACING_HZ / 4  # bins so far apart are independent
DELAYS_S = np.array([0.0, 12.0, 24.0, 36.0]) * 1e-9
GAINS = np.array([1.0, 1.3, 0.7, 2.0])
SQUEEZED = 0.34
K = 40


def truth(delays_s=DELAYS_S, variance=SQUEEZED, phases=0.0, shares=None):
    m = len(delays_s)
    share = np.full(m, 1 / m) if shares is None else np.asarray(shares)
    u = np.sqrt(share) * np.exp(1j * (phases - 2 * np.pi * FREQUENCY[:, None] * delays_s))
    return np.eye(m) + (variance - 1) * u.conj()[:, :, None] * u[:, None, :]


def drawn(rng, csd, gains=GAINS):
    m = csd.shape[1]
    root = np.linalg.cholesky(csd.conj())
    z = (rng.standard_normal((K, BINS, m)) + 1j * rng.standard_normal((K, BINS, m))) / math.sqrt(2)
    x = np.einsum("fij,kfj->kfi", root, z) * gains[:m]
    return CrossSpectrum(FREQUENCY, np.einsum("kfi,kfj->fij", x.conj(), x) / K, K, 1.5 * BIN_HZ)


def shot(rng, m=4, gains=GAINS):
    return drawn(rng, np.broadcast_to(np.eye(m, dtype=complex), (BINS, m, m)), gains)


@pytest.fixture(scope="module")
def fitted():
    """40 fits of the same table."""
    rng = np.random.default_rng(1)
    return [fit_phase_slope(drawn(rng, truth()), shot(rng)) for _ in range(40)]


@pytest.mark.parametrize("name", ["delay_2", "delay_4"])
def test_delays_have_the_scatter_that_they_claim(fitted, name):
    value = DELAYS_S[int(name[-1]) - 1]
    pulls = np.array([(r.fit.parameters[name].value - value) / r.fit.parameters[name].sigma for r in fitted])
    assert abs(pulls.mean()) < 4 / math.sqrt(len(pulls))
    assert pulls.std() == pytest.approx(1.0, abs=4 / math.sqrt(2 * len(pulls)))


def test_amplitudes_and_levels_are_found(fitted):
    for name, value in {"amplitude_3": math.sqrt((1 - SQUEEZED) / 4), "level_1": 1.0}.items():
        mean = np.mean([r.fit.parameters[name].value for r in fitted])
        # The shot noise has its own scatter, 1 / sqrt(K bins) in power, beside the fit's.
        sigma = math.hypot(fitted[0].fit.parameters[name].sigma, value / math.sqrt(K * BINS))
        assert mean == pytest.approx(value, abs=4 * sigma / math.sqrt(len(fitted)) + 1e-3)


def test_goodness_of_fit_is_one_for_delayed_copies_of_one_state(fitted):
    chi2 = np.array([r.fit.chi2_per_dof for r in fitted])
    assert chi2.mean() == pytest.approx(1.0, abs=0.05)
    assert sum(r.fit.reason == "" for r in fitted) >= 38


def test_the_rephased_sum_has_the_noise_of_the_state():
    rng = np.random.default_rng(2)
    signal, reference = drawn(rng, truth()), shot(rng)
    weights = fit_phase_slope(signal, reference).weights(FREQUENCY)
    ratio = sum_spectrum(signal, weights).values.mean() / sum_spectrum(reference, weights).values.mean()
    raw = 1 / GAINS
    plain = sum_spectrum(signal, raw).values.mean() / sum_spectrum(reference, raw).values.mean()
    assert ratio == pytest.approx(SQUEEZED, rel=4 * math.sqrt(2 / (K * BINS)))
    assert plain > 1.15 * ratio


def test_unequal_shares_give_unequal_gains():
    rng = np.random.default_rng(3)
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    found = fit_phase_slope(drawn(rng, truth(shares=shares)), shot(rng))
    assert found.gains == pytest.approx(np.sqrt(shares), abs=0.03)
    assert (found.gains**2).sum() == pytest.approx(1.0)


def test_phases_of_their_own_leave_the_delays_to_the_slope():
    rng = np.random.default_rng(4)
    phases = np.array([0.0, math.pi, 0.7, -1.0])
    delays = np.array([0.0, 0.9e-6, -0.5e-6, 0.3e-6])
    signal, reference = drawn(rng, truth(delays_s=delays, phases=phases)), shot(rng)
    found = fit_phase_slope(signal, reference, phase_offsets=True)
    for j in (1, 2, 3):
        estimate = found.fit.parameters[f"delay_{j + 1}"]
        assert abs(estimate.value - delays[j]) < 4 * estimate.sigma < 0.2e-6
        phase = found.fit.parameters[f"phase_{j + 1}"]
        turned = (phase.value + phases[j] + math.pi) % (2 * math.pi) - math.pi
        assert abs(turned) < 4 * phase.sigma
    weights = found.weights(FREQUENCY)
    ratio = sum_spectrum(signal, weights).values.mean() / sum_spectrum(reference, weights).values.mean()
    assert ratio == pytest.approx(SQUEEZED, rel=0.06)


def test_two_channels_are_enough():
    rng = np.random.default_rng(5)
    found = fit_phase_slope(drawn(rng, truth(delays_s=DELAYS_S[:2])), shot(rng, 2))
    assert set(found.fit.names) == {"level_1", "level_2", "amplitude_1", "delay_2"}
    assert abs(found.delays_s[1] - DELAYS_S[1]) < 4 * found.fit.parameters["delay_2"].sigma


def test_resonances_are_left_out():
    rng = np.random.default_rng(6)
    csd = truth().copy()
    peak = np.abs(FREQUENCY - 4.32e6) < 5e3
    csd[peak] += 30 * np.diag([1.0, 0, 0, 0])
    signal, reference = drawn(rng, csd), shot(rng)
    with_peak = fit_phase_slope(signal, reference)
    found = fit_phase_slope(signal, reference, exclude=[(4.314e6, 4.326e6)])
    assert found.fit.reason == "" and found.fit.p_value > 1e-3
    assert "differ" in with_peak.fit.reason and with_peak.fit.p_value < 1e-6
    assert abs(found.delays_s[3] - DELAYS_S[3]) < 4 * found.fit.parameters["delay_4"].sigma


def test_refusals():
    rng = np.random.default_rng(7)
    reference = shot(rng)
    signal = drawn(rng, truth())
    with pytest.raises(AnalysisRefused, match=r"squeezed|not determined"):
        fit_phase_slope(shot(rng), reference)  # no squeezed light
    with pytest.raises(AnalysisRefused, match="same channels"):
        fit_phase_slope(signal, shot(rng, 2))
    with pytest.raises(AnalysisRefused, match="One channel"):
        fit_phase_slope(*[CrossSpectrum(FREQUENCY, s.csd[:, :1, :1], K, 15.0) for s in (signal, reference)])
    with pytest.raises(AnalysisRefused, match="No bins"):
        fit_phase_slope(signal, reference, exclude=[(4.0e6, 5.0e6)])
    few = CrossSpectrum(FREQUENCY[:8], signal.csd[:8], 1.0, 1.5 * BIN_HZ)
    with pytest.raises(AnalysisRefused, match="too few"):
        fit_phase_slope(few, CrossSpectrum(FREQUENCY[:8], reference.csd[:8], 1.0, 1.5 * BIN_HZ))
    dead = CrossSpectrum(FREQUENCY, reference.csd * np.array([1.0, 1, 0, 1]), K, 1.5 * BIN_HZ)
    with pytest.raises(AnalysisRefused, match="no shot noise"):
        fit_phase_slope(signal, dead)
