"""The noise of an analyzer's display: distributions by Kolmogorov-Smirnov at 1 %, moments at 4 standard errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from labctl.simulation.analyzer_noise import (
    CELL_PER_RBW,
    ENBW_PER_RBW,
    LOG,
    POWER,
    VOLTAGE,
    FloatArray,
    NoiseDraw,
    Scale,
    effective_averages,
    lagged,
    memory_in_frequency,
    memory_in_time,
)

INDEPENDENT = np.zeros(2001)
INDEPENDENT[0] = 1.0


def neighbours(points: int = 401) -> FloatArray:
    """Correlation of points RBW / 1.5 apart."""
    return memory_in_frequency(3.0, 2.0 * np.arange(points))


@pytest.mark.parametrize(
    ("rbw", "vbw"), [(10, 100), (10, 30), (10, 10), (10, 3), (10, 1), (10, 0.3), (10, 45), (10, 50)]
)
def test_effective_averages_are_the_integral(rbw: float, vbw: float) -> None:
    def overlap(t: float) -> float:
        return math.exp(-2 * math.pi * vbw * t - (math.pi * rbw * t) ** 2 / (2 * math.log(2)))

    integral = 2 * integrate.quad(overlap, 0, 2.0 / min(rbw, vbw), points=[0.1 / rbw, 0.5 / rbw], limit=200)[0]
    assert effective_averages(rbw, vbw) == pytest.approx(1 / (math.pi * vbw * integral), rel=1e-5)


def test_effective_averages_of_the_usual_settings() -> None:
    known = {100: 1.004, 30: 1.037, 10: 1.25, 3: 2.28, 1: 5.45, 0.3: 16.6}
    assert {vbw: effective_averages(10, vbw) for vbw in known} == pytest.approx(known, rel=2e-3)
    assert effective_averages(1.0, 50e6) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("correlation", [INDEPENDENT, None], ids=["independent", "correlated"])
@pytest.mark.parametrize(
    ("k", "sweeps"), [(1.0, 1), (1.004, 1), (1.25, 1), (5.446, 1), (5.446, 5), (5.446, 6), (5.446, 50)]
)
def test_power_of_a_point_is_gamma_distributed(k: float, sweeps: float, correlation: FloatArray | None) -> None:
    seed = [round(1000 * k), int(sweeps)]
    if correlation is None:
        draw = NoiseDraw(np.random.default_rng(seed), k, neighbours(21))
        sample = np.array([draw.mean(POWER, sweeps)[10] for _ in range(2001)])
    else:
        sample = NoiseDraw(np.random.default_rng(seed), k, correlation).mean(POWER, sweeps)
    shape = k * sweeps
    assert stats.kstest(sample, stats.gamma(shape, scale=1 / shape).cdf).pvalue > 0.01
    # The same test sees half as many averages again.
    assert stats.kstest(sample, stats.gamma(1.5 * shape, scale=1 / (1.5 * shape)).cdf).pvalue < 0.01


@pytest.mark.parametrize("k", [1.0, 1.25, 5.446, 50.0, 272.0])
@pytest.mark.parametrize("scale", [POWER, LOG, VOLTAGE], ids=["power", "log", "voltage"])
def test_mean_and_spread_on_every_scale(scale: Scale, k: float) -> None:
    sample = NoiseDraw(np.random.default_rng(7), k, INDEPENDENT).mean(scale)
    spread = scale.variance / k
    assert sample.mean() == pytest.approx(scale.mean, abs=4 * math.sqrt(spread / sample.size))
    assert sample.var() == pytest.approx(spread, rel=4 * math.sqrt((2 + 6 / k) / sample.size))


def test_moments_of_the_scales_are_those_of_an_exponential() -> None:
    for scale in (POWER, LOG, VOLTAGE):

        def moment(order: int, scale: Scale = scale) -> float:
            def weighted(p: float) -> float:
                return float((scale.forward(np.array(p)) - (scale.mean if order > 1 else 0.0)) ** order * math.exp(-p))

            return float(integrate.quad(weighted, 0, 1)[0] + integrate.quad(weighted, 1, 60)[0])

        assert moment(1) == pytest.approx(scale.mean, abs=1e-6)
        assert moment(2) == pytest.approx(scale.variance, rel=1e-5)
        assert moment(3) / scale.variance**1.5 == pytest.approx(scale.skewness, rel=1e-4)
        assert scale.backward(scale.forward(np.array([0.3]))) == pytest.approx([0.3])


def test_biases_in_decibels() -> None:
    assert 10 / math.log(10) * LOG.mean == pytest.approx(-2.507, abs=1e-3)
    assert 20 * math.log10(VOLTAGE.mean) == pytest.approx(-1.049, abs=1e-3)


@pytest.mark.parametrize("k", [1.0, 2.5, 5.446, 272.0])
def test_neighbours_correlate_as_asked(k: float) -> None:
    correlation = neighbours()
    draw = NoiseDraw(np.random.default_rng(3), k, correlation)
    traces = np.array([draw.mean(POWER) for _ in range(150)])
    deviation = (traces - 1.0) * math.sqrt(k)
    for lag in (1, 2, 3, 6):
        products = deviation[:, lag:] * deviation[:, :-lag]
        error = products.mean(axis=1).std() / math.sqrt(len(products))
        assert products.mean() == pytest.approx(correlation[lag], abs=4 * error)


def test_correlation_is_at_most_a_tenth_short_for_odd_k() -> None:
    draw = NoiseDraw(np.random.default_rng(4), 1.25, neighbours())
    deviation = np.array([draw.mean(POWER) for _ in range(300)]) - 1.0
    ratio = (deviation[:, 1:] * deviation[:, :-1]).mean() * 1.25 / neighbours()[1]
    assert 0.85 < ratio < 0.97


def test_points_of_one_filter_width_move_together() -> None:
    trace = NoiseDraw(np.random.default_rng(5), 1.0, memory_in_frequency(1e4, np.linspace(0, 100.0, 201))).mean(POWER)
    assert np.ptp(trace) < 0.05 * trace.mean()


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_a_peak_detector_reads_high_by_the_harmonic_number(n: int) -> None:
    draw = NoiseDraw(np.random.default_rng(n), 1.0, INDEPENDENT, samples=float(n))
    highest = draw.extreme_mean(POWER, 10, np.ones(INDEPENDENT.size, dtype=bool))
    lowest = draw.extreme_mean(POWER, 10, np.zeros(INDEPENDENT.size, dtype=bool))
    harmonic = sum(1 / i for i in range(1, n + 1))
    assert highest.mean() == pytest.approx(harmonic, abs=4 * highest.std() / math.sqrt(highest.size))
    assert lowest.mean() == pytest.approx(1 / n, abs=4 * lowest.std() / math.sqrt(lowest.size))


def test_memories() -> None:
    s = 10.0 / 2.354820
    assert memory_in_frequency(10.0, np.array([0.0, 10.0])) == pytest.approx([1.0, math.exp(-(10.0**2) / (4 * s**2))])
    assert memory_in_time(10.0, 1.0, np.array([0.5])) == pytest.approx([math.exp(-math.pi)])
    assert memory_in_time(1.0, 10.0, np.array([0.5])) == pytest.approx(
        [math.exp(-((math.pi / 2) ** 2) / (2 * math.log(2)))]
    )
    assert pytest.approx(1.0645, abs=1e-4) == ENBW_PER_RBW
    assert pytest.approx(1.505, abs=1e-3) == CELL_PER_RBW


def test_the_video_filter_shifts_a_slope_by_its_memory() -> None:
    slope = np.linspace(1.0, 2.0, 501)
    late = lagged(slope, 2e-3, 0.02)
    assert late[200:] == pytest.approx(slope[200:] - 0.02)
    assert late[0] == slope[0]
    assert lagged(slope, 2e-3, 1e-6) is slope


def test_the_same_seed_draws_the_same_noise() -> None:
    first, again, other = (NoiseDraw(np.random.default_rng(seed), 5.4, neighbours()).mean(POWER) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
