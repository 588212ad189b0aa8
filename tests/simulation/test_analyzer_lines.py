"""Lines in noise as an analyzer shows them: log averages must not take a line for noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from labctl.simulation.analyzer_lines import lines_v2, rice_moments
from labctl.simulation.analyzer_noise import LOG, POWER, VOLTAGE, NoiseDraw, Scale, memory_in_frequency
from labctl.simulation.ports import Line

POINTS = 20_001
INDEPENDENT = np.zeros(POINTS)
INDEPENDENT[0] = 1.0
EULER_DB = 10.0 / math.log(10.0)


def drawn(scale: Scale, line_over_noise: float, k: float, sweeps: float = 1.0, seed: int = 1) -> np.ndarray:
    noise = NoiseDraw(np.random.default_rng(seed), k, INDEPENDENT)
    return noise.mean(scale, sweeps, np.full(POINTS, line_over_noise))


def test_a_filter_is_half_a_width_wide_to_each_side() -> None:
    f = 1e6 + np.array([-10.0, -5.0, 0.0, 5.0, 20.0])
    seen = lines_v2([Line(1e6, 3e-9)], f, 10.0)
    assert seen == pytest.approx(3e-9 * np.array([1 / 16, 0.5, 1.0, 0.5, 2.0**-16]))
    assert lines_v2([Line(1e6, 1e-9), Line(1e6 + 5, 1e-9)], f, 10.0)[2] == pytest.approx(1.5e-9)
    assert not lines_v2([], f, 10.0).any()


@pytest.mark.parametrize("line", [1e-6, 0.01, 0.3, 1.0, 3.0, 10.0, 1e3, 1e6])
def test_moments_are_those_of_rice(line: float) -> None:
    each = np.array([line])
    mean, variance, skewness = (float(m[0]) for m in rice_moments(POWER.forward, each))
    assert mean == pytest.approx(1.0 + line, rel=1e-4)
    assert variance == pytest.approx(1.0 + 2.0 * line, rel=1e-3)
    assert skewness == pytest.approx((2.0 + 6.0 * line) / (1.0 + 2.0 * line) ** 1.5, rel=5e-3)
    in_logs = float(rice_moments(LOG.forward, each)[0][0])
    assert in_logs == pytest.approx(math.log(line) + special.exp1(line), abs=2e-4)
    mean_amplitude = float(rice_moments(VOLTAGE.forward, each)[0][0])
    assert mean_amplitude == pytest.approx(0.5 * math.sqrt(math.pi) * special.hyp1f1(-0.5, 1.0, -line), rel=1e-4)


@pytest.mark.parametrize(("line", "bias_db"), [(1.0, 0.95), (3.0, 0.06), (10.0, 0.0)])
@pytest.mark.parametrize(("k", "sweeps"), [(1.0, 1), (5.446, 1), (5.446, 50)])
def test_a_log_average_reads_the_line_and_not_2_51_db_less(line: float, bias_db: float, k: float, sweeps: int) -> None:
    shown = EULER_DB * drawn(LOG, line, k, sweeps)
    sigma = shown.std() / math.sqrt(POINTS)
    expected = EULER_DB * (math.log(line) + special.exp1(line))
    assert expected - EULER_DB * math.log(line) == pytest.approx(bias_db, abs=0.006)
    assert shown.mean() == pytest.approx(expected, abs=3.5 * sigma)


@pytest.mark.parametrize("line", [0.0, 0.2, 4.0])
@pytest.mark.parametrize(("k", "sweeps"), [(1.0, 1), (1.25, 1), (5.446, 1), (5.446, 5), (5.446, 50)])
def test_power_is_noncentral_chi_square(line: float, k: float, sweeps: int) -> None:
    total = k * sweeps
    power = drawn(POWER, line, k, sweeps)
    expected = stats.ncx2(2.0 * total, 2.0 * total * line) if line else stats.chi2(2.0 * total)
    assert stats.kstest(2.0 * total * power, expected.cdf).pvalue > 1e-3


@pytest.mark.parametrize("scale", [POWER, LOG, VOLTAGE], ids=["power", "log", "voltage"])
def test_many_averages_go_on_where_few_end(scale: Scale) -> None:
    """The same moments from single samples and from the approximation for more than 32."""
    mean, variance, _ = (float(m[0]) for m in rice_moments(scale.forward, np.array([0.5])))
    few, many = drawn(scale, 0.5, 16.0), drawn(scale, 0.5, 16.0, 4, seed=2)
    for values, total in ((few, 16.0), (many, 64.0)):
        assert values.mean() == pytest.approx(mean, abs=3.5 * math.sqrt(variance / total / POINTS))
        assert values.var() == pytest.approx(variance / total, rel=4.0 * math.sqrt(2.0 / POINTS))


def test_points_without_a_line_are_as_they_were() -> None:
    line = np.zeros(POINTS)
    for k in (4.0, 64.0):
        with_lines = NoiseDraw(np.random.default_rng(3), k, INDEPENDENT).mean(POWER, 1.0, line)
        assert stats.kstest(2.0 * k * with_lines, stats.chi2(2.0 * k).cdf).pvalue > 1e-3


def test_neighbours_hang_together_under_a_line_too() -> None:
    correlation = memory_in_frequency(10.0, 2.0 * np.arange(4001))
    noise = NoiseDraw(np.random.default_rng(5), 4.0, correlation)
    line = np.full(4001, 5.0)
    values = np.array([noise.mean(POWER, 1.0, line) for _ in range(20)]) - 6.0
    # Most of the variance is the beat of line and noise, whose memory is that of an amplitude: the root.
    found = np.mean(values[:, 1:] * values[:, :-1]) / values.var()
    assert found == pytest.approx(math.sqrt(correlation[1]), abs=0.03)


def test_a_peak_detector_sees_the_line() -> None:
    noise = NoiseDraw(np.random.default_rng(7), 1.0, INDEPENDENT, samples=4)
    line = np.zeros(POINTS)
    line[::2] = 100.0
    shown = noise.extreme_mean(POWER, 4, np.ones(POINTS, dtype=bool), line)
    assert shown[::2].mean() > 100.0
    assert shown[1::2].mean() == pytest.approx(1 + 1 / 2 + 1 / 3 + 1 / 4, rel=0.02)
