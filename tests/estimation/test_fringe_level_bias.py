"""Levels of a turning fringe from few readings: whether the amplitude comes out too small."""

from __future__ import annotations

import numpy as np
import pytest

from labctl.estimation.fringe import levels_of_turning_fringe

DRAWS = 300
READINGS = 64
TURNS = 3.6
SHAKE_RAD = 0.09  # of the path, from reading to reading
NOISE = 1.4e-3  # of the detector, over the amplitude


def scan(rng: np.random.Generator) -> np.ndarray:
    phase = rng.uniform(0.0, 2.0 * np.pi) + np.linspace(0.0, 2.0 * np.pi * TURNS, READINGS)
    return np.cos(phase + SHAKE_RAD * rng.standard_normal(READINGS)) + NOISE * rng.standard_normal(READINGS)


@pytest.mark.parametrize(("scans", "largest_bias"), [(1, 1.7e-3), (5, 3.5e-4)])
def test_the_amplitude_is_hardly_too_small(scans: int, largest_bias: float) -> None:
    rng = np.random.default_rng(4)
    found = [levels_of_turning_fringe(np.concatenate([scan(rng) for _ in range(scans)])) for _ in range(DRAWS)]
    offset, amplitude = np.mean(found, axis=0)
    assert abs(amplitude - 1.0) < largest_bias
    assert abs(offset) < 1e-3
