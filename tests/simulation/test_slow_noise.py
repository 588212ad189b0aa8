"""Statistics of the slow random processes. Bounds are at 99.9 % confidence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labctl.simulation.slow_noise import OrnsteinUhlenbeck

TICK_S = 0.1
RMS = 1.7
SIGMAS = 3.29


def walk(correlation_s: float, steps: int, seed: int) -> np.ndarray:
    process = OrnsteinUhlenbeck(np.random.default_rng(seed), RMS, correlation_s, TICK_S)
    return np.array([process.advance() for _ in range(steps)])


@pytest.mark.parametrize("correlation_s", [0.02, 0.3, 1.0])
def test_variance_and_correlation(correlation_s: float) -> None:
    steps = 20_000
    x = walk(correlation_s, steps, seed=4) / RMS
    rho = math.exp(-TICK_S / correlation_s)
    # Bartlett: the estimated variance has the variance 2 sum_k rho^2k / n.
    assert abs(np.mean(x**2) - 1.0) < SIGMAS * math.sqrt(2.0 * (1 + rho**2) / (1 - rho**2) / steps)
    assert abs(x.mean()) < SIGMAS * math.sqrt((1 + rho) / (1 - rho) / steps)
    for lag in (1, 2, 5):
        estimate = float(np.mean(x[lag:] * x[:-lag]) / np.mean(x**2))
        assert abs(estimate - rho**lag) < SIGMAS * math.sqrt((1 + rho**2) / (1 - rho**2) / steps)


def test_kicks_are_gaussian_and_independent_of_the_state() -> None:
    x = walk(0.5, 20_000, seed=5)
    rho = math.exp(-TICK_S / 0.5)
    kicks = (x[1:] - rho * x[:-1]) / (RMS * math.sqrt(1 - rho**2))
    n = len(kicks)
    assert abs(np.mean(kicks * x[:-1]) / RMS) < SIGMAS / math.sqrt(n)
    assert abs(np.mean(kicks**4) - 3.0) < SIGMAS * math.sqrt(96.0 / n)


def test_it_starts_stationary() -> None:
    first = np.array([OrnsteinUhlenbeck(np.random.default_rng(n), RMS, 50.0, TICK_S).value for n in range(2000)])
    assert abs(np.mean((first / RMS) ** 2) - 1.0) < SIGMAS * math.sqrt(2.0 / 2000)


def test_two_ticks_are_one_of_twice_the_length() -> None:
    rho = math.exp(-TICK_S / 0.7)
    twice = OrnsteinUhlenbeck(np.random.default_rng(1), RMS, 0.7, 2 * TICK_S)
    once = OrnsteinUhlenbeck(np.random.default_rng(1), RMS, 0.7, TICK_S)
    assert twice._keep == pytest.approx(once._keep**2)
    assert twice._kick**2 == pytest.approx(once._kick**2 * (1 + rho**2))
