"""Fringe scans: levels, V_pi and phase with honest uncertainties; refusals; visibility."""

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.fringe import fit_fringe, visibility

VOLTS = np.linspace(1.0, 9.0, 1000)
OFFSET, AMPLITUDE = 0.1, 0.8


def scan(seed, fringes=2.3, bow=0.1, noise=0.01, volts=VOLTS):
    """A scan with bow and white noise; its true middle phase and V_pi there."""
    rng = np.random.default_rng(seed)
    x = (volts - volts.mean()) / (np.ptp(volts) / 2)
    rate, phase = math.pi * fringes, rng.uniform(-math.pi, math.pi)
    angle = phase + rate * x + rate * bow / 2 * x**2
    signal = OFFSET + AMPLITUDE * (np.cos(angle) + noise * rng.standard_normal(len(volts)))
    truth = {"offset": OFFSET, "amplitude": AMPLITUDE, "phase": phase, "v_pi": math.pi * np.ptp(volts) / 2 / rate}
    return signal, truth


def pulls_of(seeds, **settings):
    pulls = []
    for seed in seeds:
        signal, truth = scan(seed, **settings)
        fit = fit_fringe(VOLTS, signal)
        row = []
        for name, value in truth.items():
            error = fit.parameters[name].value - value
            error = math.remainder(error, 2 * math.pi) if name == "phase" else error
            row.append(error / fit.parameters[name].sigma)
        pulls.append(row)
    return np.array(pulls)


def require_honest(pulls):
    n = len(pulls)
    assert (np.abs(pulls.mean(axis=0)) < 0.15 + 3.5 / math.sqrt(n)).all()
    assert (np.abs(pulls.std(axis=0, ddof=1) - 1) < 0.1 + 3.5 / math.sqrt(2 * n)).all()
    assert (np.abs((np.abs(pulls) < 1).mean(axis=0) - 0.683) < 0.03 + 3.5 * math.sqrt(0.683 * 0.317 / n)).all()


def test_thirty_scans_are_fitted_honestly():
    require_honest(pulls_of(range(30)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{}, {"noise": 0.05}, {"fringes": 1.3, "bow": 0.0}, {"fringes": 5.0, "bow": 0.3}, {"fringes": 20.0}]
)
def test_many_scans_are_fitted_honestly(settings):
    require_honest(pulls_of(range(100, 200), **settings))


def test_half_pi_point_is_good_to_a_few_milliradians():
    """1 % noise, 1000 samples: offset over amplitude is the phase error of a lock at this level."""
    errors = [(fit_fringe(VOLTS, scan(seed)[0]).offset.value - OFFSET) / AMPLITUDE for seed in range(12)]
    assert np.sqrt(np.mean(np.square(errors))) < 3e-3


def test_v_pi_and_phase_anywhere_in_the_scan():
    signal, truth = scan(1, fringes=3.0, bow=0.2, noise=1e-4)
    fit = fit_fringe(VOLTS, signal)
    x = 0.6
    v = 5.0 + 4.0 * x
    rate = math.pi * 3.0
    assert fit.v_pi_at(v).value == pytest.approx(math.pi * 4 / (rate * (1 + 0.2 * x)), rel=1e-3)
    assert fit.v_pi_at(fit.middle_v).value == pytest.approx(fit.v_pi.value)
    assert fit.v_pi_at(fit.middle_v).sigma == pytest.approx(fit.v_pi.sigma, rel=1e-6)
    expected_phase = truth["phase"] + rate * x + rate * 0.1 * x**2
    assert math.remainder(fit.phase_at(v).value - expected_phase, 2 * math.pi) == pytest.approx(0, abs=2e-3)
    assert fit.model(VOLTS) == pytest.approx(signal, abs=2e-3)
    assert fit.fringes == pytest.approx(3.0, rel=1e-3)
    with pytest.raises(AnalysisRefused, match="does not grow"):
        fit.v_pi_at(-100.0)


def test_a_falling_scan_is_the_same_scan():
    signal, _ = scan(2)
    up, down = fit_fringe(VOLTS, signal), fit_fringe(VOLTS[::-1], signal[::-1])
    assert down.v_pi.value == pytest.approx(up.v_pi.value)
    assert down.phase.value == pytest.approx(up.phase.value)


def test_spikes_do_not_move_the_levels():
    signal, truth = scan(3)
    rng = np.random.default_rng(3)
    at = rng.choice(len(signal), 30, replace=False)
    signal[at] += rng.uniform(-1, 1, 30)
    fit = fit_fringe(VOLTS, signal)
    for name in ("offset", "amplitude"):
        assert abs(fit.parameters[name].value - truth[name]) < 4 * fit.parameters[name].sigma
    assert fit.amplitude.relative_sigma < 0.005


def test_white_noise_levels_are_as_good_as_least_squares_allows():
    """1 % noise, 1000 samples: sigma of the amplitude near sqrt(2/n) of the noise, half that of the quantiles."""
    fit = fit_fringe(VOLTS, scan(8)[0])
    assert fit.amplitude.sigma == pytest.approx(0.01 * AMPLITUDE * math.sqrt(2 / 1000), rel=0.15)
    assert abs(fit.correlation("offset", "amplitude")) < 0.6


def test_noise_of_the_phase_does_not_lower_the_amplitude():
    """0.15 rad of white phase noise counted as noise of the signal would make the amplitude 8 % too small."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = np.linspace(-1, 1, len(VOLTS))
        phase = 0.5 + math.pi * 2.3 * x + 0.15 * rng.standard_normal(len(x))
        found.append(fit_fringe(VOLTS, np.cos(phase) + 1e-3 * rng.standard_normal(len(x))).amplitude.value)
    assert np.mean(found) == pytest.approx(1.0, abs=0.01)


def test_phase_drift_is_reported():
    clean, _ = scan(4, fringes=3.0)
    assert fit_fringe(VOLTS, clean).reason == ""
    x = np.linspace(-1, 1, len(VOLTS))
    wobble = 0.1 * np.sin(15 * x)
    noise = 0.01 * np.random.default_rng(4).standard_normal(len(VOLTS))
    drifting = fit_fringe(VOLTS, np.cos(3 * math.pi * x + wobble) + noise)
    assert "drift" in drifting.reason
    assert drifting.phase.sigma > 3 * fit_fringe(VOLTS, clean).phase.sigma


@pytest.mark.parametrize("fringes", [0.4, 0.8, 1.1])
def test_less_than_1_2_fringes_are_refused(fringes):
    with pytest.raises(AnalysisRefused, match=r"fringes with|turns back|No fringe"):
        fit_fringe(VOLTS, scan(5, fringes=fringes, bow=0.0)[0])


@pytest.mark.parametrize("limit", [0.7, 0.85])
def test_clipped_scans_are_refused_with_and_without_known_limits(limit):
    signal = np.round(scan(6, noise=0.001)[0] / 4e-4) * 4e-4
    fit_fringe(VOLTS, signal)
    clipped = np.minimum(signal, limit)
    with pytest.raises(AnalysisRefused, match="clipped"):
        fit_fringe(VOLTS, clipped)
    with pytest.raises(AnalysisRefused, match="saturated"):
        fit_fringe(VOLTS, clipped, saturation=(-10.0, limit))


def test_an_ideal_quantised_scan_is_not_called_clipped():
    signal = np.round(scan(7, noise=0.0)[0] / 4e-4) * 4e-4
    assert fit_fringe(VOLTS, signal, saturation=(-1.0, 1.0)).amplitude.value == pytest.approx(AMPLITUDE, rel=1e-3)


def test_no_fringe_is_refused():
    for seed in range(5):
        with pytest.raises(AnalysisRefused, match="No fringe"):
            fit_fringe(VOLTS, np.random.default_rng(seed).standard_normal(1000))
    with pytest.raises(AnalysisRefused, match="does not change"):
        fit_fringe(VOLTS, np.ones(1000))


@pytest.mark.parametrize(
    ("volts", "signal", "words"),
    [
        (np.concatenate([VOLTS, VOLTS[::-1]]), np.ones(2000), "turns round"),
        (VOLTS[:10], np.ones(10), "needs"),
        (VOLTS, np.full(1000, np.nan), "finite"),
        (VOLTS, np.ones(999), "needs"),
    ],
)
def test_malformed_scans_are_refused(volts, signal, words):
    with pytest.raises(AnalysisRefused, match=words):
        fit_fringe(volts, signal)


def test_visibility_of_unequal_powers():
    """I = I1 + I2 + 2 vis sqrt(I1 I2) cos(phi) with 5 and 0.2 units of power and visibility 0.95."""
    i1, i2 = 5.0, 0.2
    found = visibility(Estimate(2 * 0.95 * math.sqrt(i1 * i2), 0.01), Estimate(i1, 0.05), Estimate(i2, 0.004))
    assert found.value == pytest.approx(0.95)
    assert found.relative_sigma == pytest.approx(math.sqrt((0.01 / 1.9) ** 2 + 0.005**2 + 0.01**2), rel=1e-6)
    with pytest.raises(AnalysisRefused, match="above 1"):
        visibility(Estimate(3.0, 0.01), Estimate(1.0, 0.01), Estimate(1.0, 0.01))
    with pytest.raises(AnalysisRefused, match="need power"):
        visibility(Estimate(1.0, 0.01), Estimate(0.0, 0.01), Estimate(1.0, 0.01))
