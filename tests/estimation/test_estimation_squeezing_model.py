"""Noise over shot noise, and squeezing against pump: loss told from phase noise; refusals."""

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate, in_decibels
from labctl.estimation.squeezing_model import fit_squeezing, noise_over_shot
from labctl.physics import opa
from labctl.physics.squeezing import with_phase_noise

PUMPS_W = np.linspace(2e-3, 24e-3, 12)
THRESHOLD_W, EFFICIENCY, SIDEBAND, K = 30e-3, 0.726, 0.083, 1e4


def variances(theta_rad=0.03, x=None, efficiency=EFFICIENCY):
    x = np.sqrt(PUMPS_W / THRESHOLD_W) if x is None else x
    low, high = opa.quadrature_variances(x, SIDEBAND, efficiency)
    return with_phase_noise(low, high, theta_rad), with_phase_noise(high, low, theta_rad)


def drawn(seed=1, k=K, **settings):
    rng = np.random.default_rng(seed)
    return [v * rng.gamma(k, 1 / k, len(v)) for v in variances(**settings)]


def fit(low, high, pumps=PUMPS_W, **settings):
    return fit_squeezing(pumps, low, high, **{"averages": K, "sideband_over_hwhm": SIDEBAND} | settings)


def test_exact_variances_give_the_truth():
    found = fit(*variances())
    assert found.efficiency.value == pytest.approx(EFFICIENCY, rel=1e-4)
    assert found.phase_noise_rad.value == pytest.approx(0.03, rel=1e-3)
    assert found.threshold_w.value == pytest.approx(THRESHOLD_W, rel=1e-4)
    assert found.reason == ""
    low, high = found.variances_at(8.7e-3)  # x = 0.5385
    expected = variances(x=np.array([0.5385]))
    assert low.value == pytest.approx(expected[0][0], rel=1e-3)
    assert high.value == pytest.approx(expected[1][0], rel=1e-3)


def test_drawn_variances_against_x_and_against_power():
    low, high = drawn()
    against_power = fit(low, high)
    against_x = fit(low, high, np.sqrt(PUMPS_W / THRESHOLD_W), against_power=False)
    for found in (against_power, against_x):
        assert abs(found.efficiency.value - EFFICIENCY) < 4 * found.efficiency.sigma
        assert abs(found.phase_noise_rad.value - 0.03) < 4 * found.phase_noise_rad.sigma
        assert found.p_value > 1e-4
    assert against_x.efficiency.sigma <= against_power.efficiency.sigma
    with pytest.raises(AnalysisRefused, match="no threshold"):
        _ = against_x.threshold_w


def test_a_shared_shot_level_adds_to_the_uncertainty():
    alone, shared = fit(*drawn()), fit(*drawn(), shot_relative_sigma=0.01)
    assert shared.efficiency.sigma > 1.5 * alone.efficiency.sigma
    off = fit(*(1.01 * v for v in drawn()))
    moved = abs(off.efficiency.value - alone.efficiency.value)
    assert moved == pytest.approx(math.sqrt(shared.efficiency.sigma**2 - alone.efficiency.sigma**2), rel=0.1)


def test_few_averages_do_not_pull_the_fit_down():
    """K = 50: weights from the data would read 2/K = 4 % low; the mean of 60 fits is within 1.5 %."""
    found = [fit(*drawn(seed, k=50), averages=50).variances_at(20e-3)[1].value for seed in range(60)]
    assert np.mean(found) == pytest.approx(variances(x=np.array([math.sqrt(2 / 3)]))[1][0], rel=0.05)


def test_phase_noise_that_is_not_there_is_not_claimed():
    found = fit(*drawn(theta_rad=0.0))
    assert abs(found.parameters["phase_variance"].value) < 4 * found.parameters["phase_variance"].sigma
    with pytest.raises(AnalysisRefused, match="not resolved; it is below"):
        _ = fit(*variances(theta_rad=0.0)).phase_noise_rad


def test_a_drifting_threshold_is_noticed():
    low, high = variances()
    assert "threshold drift" in fit(low, high * np.linspace(1.0, 1.3, len(high))).reason


def test_refusals():
    low, high = variances()
    for pumps, minus, plus, words in (
        (PUMPS_W[:2], low[:2], high[:2], "needs 3 pumps"),
        (PUMPS_W, low[:-1], high, "needs 3 pumps"),
        (PUMPS_W, 10 * np.log10(low), 10 * np.log10(high), "given in dB"),
        (PUMPS_W, high, low, "no squeezing"),
    ):
        with pytest.raises(AnalysisRefused, match=words):
            fit(minus, plus, pumps)
    with pytest.raises(AnalysisRefused, match="below 1"):
        fit(low, high, np.linspace(0.5, 1.2, 12), against_power=False)
    with pytest.raises(AnalysisRefused, match="more than one average"):
        fit(low, high, averages=1)
    x = np.linspace(0.05, 0.4, 12)
    lossless = variances(0.0, x, efficiency=1.0)
    with pytest.raises(AnalysisRefused, match="above 1"):
        fit(*(1 + 1.1 * (v - 1) for v in lossless), x, against_power=False)
    quiet, loud = variances(theta_rad=0.0)
    with pytest.raises(AnalysisRefused, match="below 0"):
        fit(quiet - 5e-4 * (loud - quiet), loud + 5e-4 * (loud - quiet))
    with pytest.raises(AnalysisRefused, match="too uncertain"):
        fit(*drawn(seed=2, k=3), averages=3)


def test_dark_noise_is_taken_out():
    """At 10 dB of clearance -3.70 dB would read -3.20 dB."""
    ratio, dark = 10**-0.37, 0.1
    signal, shot = Estimate(ratio + dark, 0.004), Estimate(1 + dark, 0.01)
    found = in_decibels(noise_over_shot(signal, shot, Estimate(dark, 0.001)))
    assert found.value == pytest.approx(-3.70)
    assert 10 * math.log10(signal.value / shot.value) == pytest.approx(-3.20, abs=0.01)
    assert found.sigma == pytest.approx(4.343 * math.hypot(0.004 / ratio, 0.01, 0.001 * (1 - ratio) / ratio), rel=1e-3)
    with pytest.raises(AnalysisRefused, match="not 3 dB above"):
        noise_over_shot(signal, Estimate(0.19, 0.01), Estimate(0.1, 0.001))
