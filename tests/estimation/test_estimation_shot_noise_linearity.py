"""Exponent of noise against light, with and without dark noise; refusals."""

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.shot_noise_linearity import fit_shot_noise_linearity

LIGHT = np.arange(400.0, 1401.0, 100.0)
DARK = 0.12


def powers(exponent=1.0, scale=0.9):
    return DARK + scale * (LIGHT / 700) ** exponent


def drawn(seed, k, exponent=1.0):
    rng = np.random.default_rng(seed)
    return powers(exponent) * rng.gamma(k, 1 / k, len(LIGHT)), float(DARK * rng.gamma(k, 1 / k))


def test_exact_powers():
    found = fit_shot_noise_linearity(LIGHT, powers(), DARK, averages=1e4)
    assert found.exponent.value == pytest.approx(1.0, abs=1e-6)
    assert found.raw_exponent.value == pytest.approx(0.887, abs=0.005)
    assert found.slope.value == pytest.approx(0.9 / 700)
    assert found.intercept_over_dark.value == pytest.approx(1.0)
    assert found.linear
    assert found.reason == ""


@pytest.mark.parametrize(("exponent", "cause"), [(1.1, "classical noise"), (0.85, "saturates")])
def test_what_is_not_shot_noise_is_called_so(exponent, cause):
    found = fit_shot_noise_linearity(LIGHT, *drawn(1, 1e5, exponent), averages=1e5)
    assert abs(found.exponent.value - exponent) < 4 * found.exponent.sigma
    assert not found.linear
    assert cause in found.reason


def test_scatter_gives_the_uncertainty_when_averages_are_not_known():
    """60 draws without K: the scatter about the curve stands for it, pulls spread by 1 within 30 %."""
    pulls = []
    for seed in range(60):
        found = fit_shot_noise_linearity(LIGHT, *drawn(seed, 1e4))
        pulls.append((found.exponent.value - 1) / found.exponent.sigma)
    assert abs(np.mean(pulls)) < 0.5
    assert np.std(pulls) == pytest.approx(1.0, abs=0.3)


def test_scatter_beyond_the_averages_is_reported_and_widens():
    noisy, dark = drawn(2, 1e4)
    trusting = fit_shot_noise_linearity(LIGHT, noisy, dark, averages=1e6)
    assert "scatter more than their averages allow" in trusting.reason
    assert trusting.exponent.sigma > 3 * fit_shot_noise_linearity(LIGHT, powers(), DARK, averages=1e6).exponent.sigma


def test_without_dark_noise_it_says_so():
    found = fit_shot_noise_linearity(LIGHT, powers(), averages=1e4)
    assert "dark noise was not given" in found.reason
    assert found.exponent.value == found.raw_exponent.value
    with pytest.raises(AnalysisRefused, match="No dark noise"):
        _ = found.intercept_over_dark


@pytest.mark.parametrize(
    ("light", "noise", "dark", "words"),
    [
        (LIGHT[:3], powers()[:3], DARK, "4 light levels"),
        (LIGHT, powers()[:-1], DARK, "4 light levels"),
        (LIGHT, 10 * np.log10(powers() / 10), DARK, "given in dB"),
        (LIGHT / 2 + 900, powers(), DARK, "too narrow"),
        (LIGHT, powers(), 1.2, "not 3 dB above dark"),
        (LIGHT, powers(), 0.0, "not 3 dB above dark"),
    ],
)
def test_refusals(light, noise, dark, words):
    with pytest.raises(AnalysisRefused, match=words):
        fit_shot_noise_linearity(light, noise, dark)
    with pytest.raises(AnalysisRefused, match="more than one average"):
        fit_shot_noise_linearity(LIGHT, powers(), DARK, averages=1)
