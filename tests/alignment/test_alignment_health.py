"""A visibility that falls is said, one that only scatters is not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from labctl.alignment.health import Sighting, advice, power_trend_per_hour
from labctl.spectra.estimate import Estimate


def history(
    loss_per_hour: float, hours: float = 8.0, count: int = 25, sigma: float = 0.005, scatter: float = 1.0, seed: int = 0
) -> list[Sighting]:
    """Return a night of visibilities whose square falls by `loss_per_hour`."""
    rng = np.random.default_rng(seed)
    at = np.linspace(0.0, 3600.0 * hours, count)
    true = 0.95 * np.exp(-0.5 * loss_per_hour * at / 3600.0)
    seen = true * (1.0 + scatter * sigma * rng.standard_normal(count))
    return [Sighting(float(t), Estimate(float(v), float(sigma * v))) for t, v in zip(at, seen, strict=True)]


def test_a_loss_becomes_a_sentence() -> None:
    sentence = advice("LO 3 yaw", history(0.02))
    match = re.fullmatch(r"Realign LO 3 yaw: -(\d\.\d) \+- (\d\.\d) %/h\.", sentence)
    assert match is not None
    assert float(match[1]) == pytest.approx(2.0, abs=4.0 * max(float(match[2]), 0.05))


def test_trends_come_with_honest_errors() -> None:
    off = []
    for seed in range(300):
        found = power_trend_per_hour(history(0.01, seed=seed))
        assert found is not None
        off.append((found[0].value + 0.01) / found[0].sigma)
    assert abs(np.mean(off)) < 0.25
    assert 0.75 < np.std(off) < 1.05  # never below those of the readings


@pytest.mark.parametrize("scatter", [1.0, 4.0])
def test_scatter_alone_says_nothing(scatter: float) -> None:
    """Also where readings scatter by more than they say. One false sentence in a thousand is meant; of 400, 5 or
    more have a chance of 1e-4."""
    said = [advice("LO 1", history(0.0, hours=0.5, scatter=scatter, seed=seed)) for seed in range(400)]
    assert sum(map(bool, said)) <= 4


def test_what_gains_or_loses_little_says_nothing() -> None:
    assert advice("LO 1", history(-0.05)) == ""
    assert advice("LO 1", history(0.002, hours=100.0, count=400)) == ""
    assert advice("LO 1", history(0.05)) != ""


@pytest.mark.parametrize("seen", [[], history(0.5)[:4], [Sighting(5.0, Estimate(0.9, 0.01))] * 9])
def test_too_little_says_nothing(seen: list[Sighting]) -> None:
    assert power_trend_per_hour(seen) is None
    assert advice("LO 1", seen) == ""
