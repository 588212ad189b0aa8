"""What entanglement is worth, for any number of sensors, loss and photons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.physics import sensing, squeezing

SENSORS = np.array([2, 4, 10, 100, 1_000, 10_000])


def db(ratio: float) -> float:
    return float(10.0 * np.log10(ratio))


@pytest.mark.parametrize(
    ("efficiency", "expected", "limit"),
    [
        (0.50, [1.029, 1.069, 1.132, 1.263, 1.323, 1.344], 1.355),
        (0.82, [1.100, 1.227, 1.410, 1.760, 1.909, 1.960], 1.985),
        (0.95, [1.207, 1.449, 1.774, 2.356, 2.596, 2.678], 2.717),
        (1.00, [1.313, 1.656, 2.098, 2.866, 3.177, 3.283], 3.333),
    ],
)
def test_advantage_at_a_fixed_number_of_photons(efficiency: float, expected: list[float], limit: float) -> None:
    assert sensing.advantage(2.3, SENSORS, efficiency) == pytest.approx(expected, abs=1.5e-3)
    assert sensing.advantage_limit(2.3, efficiency) == pytest.approx(limit, abs=1.5e-3)


@pytest.mark.parametrize(
    ("efficiency", "expected"),
    [
        (0.82, [1.116, 1.227, 1.340, 1.443, 1.456, 1.457]),
        (0.99, [1.247, 1.602, 2.263, 4.221, 4.937, 5.031]),
        (1.00, [1.261, 1.656, 2.482, 7.565, 23.83, 75.33]),
    ],
)
def test_advantage_at_photons_for_each(efficiency: float, expected: list[float]) -> None:
    assert sensing.advantage(0.575 * SENSORS, SENSORS, efficiency) == pytest.approx(expected, rel=2e-3)


@given(st.floats(0.0, 1e4), st.integers(1, 10_000), st.floats(0.0, 0.999))
def test_advantage_is_bounded(photons: float, sensors: int, efficiency: float) -> None:
    ratio = float(sensing.advantage(photons, sensors, efficiency))
    assert ratio >= 1.0 - 1e-12
    assert ratio <= sensing.advantage_limit(photons, efficiency) + 1e-12
    assert ratio <= sensing.coherent_limit(efficiency) + 1e-12
    assert ratio <= np.sqrt(sensors) + 1e-12


def test_square_root_of_m_needs_no_loss_and_many_photons() -> None:
    assert sensing.advantage(1e6, 4, 1.0) == pytest.approx(2.0, rel=1e-3)
    assert sensing.advantage(1e6, 4, 0.99) < 1.01
    assert sensing.advantage(2.3, 1, 0.9) == pytest.approx(1.0)
    assert sensing.advantage(0.0, 4, 0.9) == sensing.advantage(2.3, 4, 0.0) == 1.0


def test_error_of_the_mean() -> None:
    assert sensing.rmse(1.0, 1) == 0.5
    assert sensing.rmse(sensing.entangled_variance(2.3, 0.0), 9) == pytest.approx(0.5 / 3.0)
    assert db(sensing.separable_variance(2.3, 4, 0.82)) == pytest.approx(-4.18, abs=0.01)


def test_limits_of_loss() -> None:
    assert sensing.coherent_limit(np.array([0.82, 0.95, 0.99])) == pytest.approx([2.357, 4.472, 10.0], abs=1e-3)
    assert sensing.crossover_sensors(0.575, 0.82) == pytest.approx(2.0, abs=0.02)
    m = float(sensing.crossover_sensors(0.575, 0.99))
    assert m == pytest.approx(43.0, abs=0.1)
    assert squeezing.pure_variance(0.575 * m) == pytest.approx(0.01 / 0.99, rel=0.02)
    assert db(squeezing.pure_variance(0.575 * 1e4)) == pytest.approx(-43.6, abs=0.05)


def test_delays_take_squeezing_away() -> None:
    v = float(sensing.entangled_variance(2.3, 0.82))
    coherence = sensing.delay_coherence(4.3e6, np.array([1e-9, 3e-9, 10e-9, 30e-9, 100e-9]))
    lost_db = 10.0 * np.log10(squeezing.after_loss(v, coherence) / v)
    assert lost_db[:4] == pytest.approx([0.01, 0.08, 0.8, 3.8], abs=0.04)
    assert lost_db[4] == pytest.approx(-db(v), abs=0.02)


def test_fibre_turns_sharing_into_a_campus_technology() -> None:
    efficiency = 0.82 * sensing.fibre_transmission(np.array([0.0, 1e3, 5e3, 10e3, 25e3]), 0.2)
    assert efficiency == pytest.approx([0.82, 0.78, 0.65, 0.52, 0.26], abs=0.006)
    assert sensing.advantage(2.3, 4, efficiency)[1:] == pytest.approx([1.195, 1.118, 1.074, 1.026], abs=2e-3)
