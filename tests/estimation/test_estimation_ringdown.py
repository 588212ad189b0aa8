"""Ringdowns: efficiency, the interval that is chosen, decays that are not one exponential, and refusals."""

import math

import numpy as np
import pytest
from scipy.linalg import cholesky
from scipy.signal import lfilter

from labctl.errors import AnalysisRefused
from labctl.estimation.coloured_noise import whiten
from labctl.estimation.ringdown import fit_ringdown
from labctl.estimation.ringdown_power import fit_ringdown_of_power

GAMMA, STEP, OFFSET, CARRIER = 50.0, 2e-4, 130.0, 4.3e6


def draw(seed, *, n=640, step=STEP, ratio=100.0, thermal=1.0, white=0.0, before=0, extra=None):
    """Complex envelope: driven for `before` samples, then free; thermal motion and white noise throughout."""
    rng = np.random.default_rng(seed)

    def normal(count):
        return (rng.standard_normal(count) + 1j * rng.standard_normal(count)) / math.sqrt(2)

    t = np.arange(-before, n) * step
    after = np.maximum(t, 0.0)
    phi = np.exp((2j * np.pi * OFFSET - np.pi * GAMMA) * step)
    motion = lfilter([1.0], [1.0, -phi], normal(len(t) + 2000) * math.sqrt(thermal * (1 - abs(phi) ** 2)))[2000:]
    y = ratio * np.exp(2j * np.pi * OFFSET * t - np.pi * GAMMA * after)
    if extra is not None:
        y = y + extra(after)
    return t, y + motion + math.sqrt(white) * normal(len(t))


def turning(amplitude, offset_hz, gamma_hz):
    return lambda t: amplitude * np.exp(2j * np.pi * offset_hz * t - np.pi * gamma_hz * t)


def a_step(t):
    return np.where(t > 0.008, -0.25, 0.0) * 100 * np.exp((2j * np.pi * OFFSET - np.pi * GAMMA) * t)


def pulls(fits):
    return np.array([(fit.gamma_hz.value - GAMMA) / fit.gamma_hz.sigma for fit in fits])


def require_unit_pulls(found):
    n = len(found)
    assert abs(found.mean()) < 3.5 / math.sqrt(n)
    assert abs(found.std() - 1) < 3.5 / math.sqrt(2 * n)


def test_whitening_is_the_inverse_root_of_the_covariance():
    n, phi, coloured, white = 12, 0.8, 2.0, 0.5
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    covariance = coloured * phi**lag + white * np.eye(n)
    columns = np.random.default_rng(0).standard_normal((n, 2))
    found, log_det = whiten(columns, phi, coloured, white)
    assert found.T @ found == pytest.approx(columns.T @ np.linalg.inv(covariance) @ columns)
    assert log_det == pytest.approx(np.linalg.slogdet(covariance)[1])
    assert np.abs(found[0]) == pytest.approx(np.abs(columns[0]) / cholesky(covariance)[0, 0])


@pytest.mark.parametrize("white", [0.0, 10.0])
def test_uncertainties_of_envelopes_hold(white):
    fits = [fit_ringdown(*draw(seed, white=white), carrier_hz=CARRIER) for seed in range(16)]
    require_unit_pulls(pulls(fits))
    assert not any(fit.reason for fit in fits)
    f0 = [(fit.parameters["f0_hz"].value - CARRIER - OFFSET) / fit.parameters["f0_hz"].sigma for fit in fits]
    require_unit_pulls(np.array(f0))


def test_the_bound_of_a_driven_mode():
    """sigma / Gamma = sqrt(2) / R, from R = 100 thermal amplitudes; Q and times follow."""
    fit = fit_ringdown(*draw(1), carrier_hz=CARRIER)
    assert fit.gamma_hz.relative_sigma == pytest.approx(math.sqrt(2) / 100, rel=0.15)
    assert fit.q.value == pytest.approx((CARRIER + OFFSET) / fit.gamma_hz.value, rel=1e-4)
    assert fit.amplitude_decay_time_s.value == pytest.approx(6.4e-3, rel=0.06)
    assert set(fit.to_json()) == {"gamma_hz", "amplitude_decay_time_s", "f0_hz", "q"}


@pytest.mark.parametrize("scale", ["power", "amplitude", "dB", "auto"])
def test_any_scale_of_power(scale):
    t, y = draw(2, thermal=0.0, white=1.0)
    power = np.abs(y) ** 2 * 1e-9
    values = {"power": power, "amplitude": np.sqrt(power), "dB": 10 * np.log10(power), "auto": 10 * np.log10(power)}
    fit = fit_ringdown_of_power(t, values[scale], scale=scale, f0_hz=4.3e6)
    assert abs(fit.gamma_hz.value - GAMMA) < 3 * fit.gamma_hz.sigma
    assert fit.gamma_hz.sigma == pytest.approx(0.175, rel=0.15)
    assert fit.q.value == pytest.approx(4.3e6 / fit.gamma_hz.value)


@pytest.mark.parametrize(("thermal", "white"), [(0.0, 1.0), (0.0, 100.0)])
def test_uncertainties_of_powers_hold(thermal, white):
    fits = []
    for seed in range(24):
        t, y = draw(seed, thermal=thermal, white=white)
        fits.append(fit_ringdown_of_power(t, np.abs(y) ** 2))
    require_unit_pulls(pulls(fits))
    assert sum(bool(fit.reason) for fit in fits) <= 1


def test_thermal_motion_under_a_power_is_allowed_for():
    """It stays alike for a decay time; taken for white noise, sigma would be four times too small."""
    fits = []
    for seed in range(24):
        t, y = draw(seed)
        fits.append(fit_ringdown_of_power(t, np.abs(y) ** 2))
    assert pulls(fits).std() < 1.5
    assert np.median([fit.gamma_hz.sigma for fit in fits]) == pytest.approx(0.71, rel=0.3)


@pytest.mark.parametrize("white", [0.0, 10.0])
def test_the_drive_is_left_out(white):
    fits = []
    for seed in range(5):
        t, y = draw(seed, before=200, white=white)
        fits += [fit_ringdown(t, y), fit_ringdown_of_power(t, np.abs(y) ** 2)]
    assert all(-1e-3 < fit.interval_s[0] < 3e-3 for fit in fits)
    assert abs(np.mean([fit.gamma_hz.value for fit in fits]) - GAMMA) < 1.8


def test_only_one_of_two_decays_is_taken():
    t, y = draw(3, white=1.0)
    twice = np.concatenate([y, y])
    fit = fit_ringdown(STEP * np.arange(len(twice)), twice)
    assert fit.interval_s[1] <= 0.13
    assert abs(fit.gamma_hz.value - GAMMA) < 4 * fit.gamma_hz.sigma
    assert t[0] == 0.0


def test_a_long_record_is_averaged_down():
    t, y = draw(4, n=320_000, step=4e-7, white=100.0)
    fit = fit_ringdown(t, y)
    assert fit.samples < 2000
    assert abs(fit.gamma_hz.value - GAMMA) < 4 * fit.gamma_hz.sigma
    power = fit_ringdown_of_power(t, np.abs(y) ** 2)
    assert power.samples < 3000
    assert abs(power.gamma_hz.value - GAMMA) < 4 * power.gamma_hz.sigma


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (turning(40.0, OFFSET, 12.0), "two slopes"),
        (turning(20.0, OFFSET + 370.0, GAMMA), "beats"),
        (a_step, "a step"),
    ],
)
def test_decays_that_are_not_one_exponential_are_reported(extra, words):
    t, y = draw(1, thermal=0.01, white=0.01, extra=extra)
    assert words in fit_ringdown(t, y).reason
    try:
        said = fit_ringdown_of_power(t, np.abs(y) ** 2).reason
    except AnalysisRefused as refusal:
        said = str(refusal)
    assert "not one exponential" in said


@pytest.mark.parametrize("kind", ["noise", "driven", "rising"])
def test_what_does_not_decay_is_refused(kind):
    t, y = draw(5, ratio={"noise": 0.0, "driven": 0.0, "rising": 50.0}[kind], white=1.0)
    y = y + (100.0 if kind == "driven" else 0.0)
    y = y[::-1] if kind == "rising" else y
    for fit in (lambda: fit_ringdown(t, y), lambda: fit_ringdown_of_power(t, np.abs(y) ** 2)):
        with pytest.raises(AnalysisRefused, match=r"no decay|uncertain|too few"):
            fit()


def test_a_weak_decay_is_refused():
    t, y = draw(2, ratio=3.0, white=3.0)
    with pytest.raises(AnalysisRefused, match=r"uncertain|no decay|too few"):
        fit_ringdown(t, y)


def test_a_clipped_power_is_left_out_as_the_drive_is():
    t, y = draw(0, thermal=0.0, white=1.0)
    fit = fit_ringdown_of_power(t, np.minimum(np.abs(y) ** 2, 1000.0))
    assert fit.interval_s[0] > 0.006
    assert abs(fit.gamma_hz.value - GAMMA) < 4 * fit.gamma_hz.sigma


def test_unsuitable_samples_are_refused():
    t, y = draw(0, white=1.0)
    clipped = np.clip(y.real, -9, 9) + 1j * np.clip(y.imag, -9, 9)
    with pytest.raises(AnalysisRefused, match="saturated"):
        fit_ringdown(t, clipped)
    with pytest.raises(AnalysisRefused, match="not finite"):
        fit_ringdown(t, np.where(t > 0.01, np.nan, y))
    with pytest.raises(AnalysisRefused, match="not finite"):
        fit_ringdown_of_power(t, np.where(t > 0.01, np.inf, np.abs(y)))
    with pytest.raises(AnalysisRefused, match="evenly"):
        fit_ringdown(t**2, y)
    with pytest.raises(AnalysisRefused, match="too few"):
        fit_ringdown(t[:10], y[:10])
    with pytest.raises(AnalysisRefused, match="do not go with"):
        fit_ringdown(t[:-1], y)
    with pytest.raises(AnalysisRefused, match="no Q"):
        fit_ringdown_of_power(t, np.abs(y) ** 2, f0_hz=-1.0)
    with pytest.raises(AnalysisRefused, match="Give f0"):
        fit_ringdown_of_power(t, np.abs(y) ** 2).q  # noqa: B018
