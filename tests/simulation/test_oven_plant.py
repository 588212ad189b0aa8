"""The crystal oven: it gets to where it is told with the lags that it has."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labctl.simulation.oven_plant import (
    AMPERE_PER_KELVIN,
    CRYSTAL_LAG_S,
    OFF_LAG_S,
    PLATE_LAG_S,
    READING_NOISE_K,
    SENSOR_NOISE_K,
    OvenPlant,
)

AMBIENT_C = 25.0
TARGET_C = 35.0
TICK_S = 0.1


def oven() -> OvenPlant:
    return OvenPlant(3, AMBIENT_C, TICK_S)


def run(plant: OvenPlant, seconds: float) -> None:
    for _ in range(round(seconds / TICK_S)):
        plant.advance()


@pytest.mark.parametrize("after_s", [1.0, 3.0, 8.0, 20.0, 45.0])
def test_the_crystal_follows_a_step_through_two_lags(after_s: float) -> None:
    plant = oven()
    plant.regulate(TARGET_C)
    run(plant, after_s)
    plate = 1.0 - math.exp(-after_s / PLATE_LAG_S)
    a, b = PLATE_LAG_S, CRYSTAL_LAG_S
    crystal = 1.0 - (a * math.exp(-after_s / a) - b * math.exp(-after_s / b)) / (a - b)
    span_k = TARGET_C - AMBIENT_C
    step_k = span_k * TICK_S / PLATE_LAG_S  # the grid may be one tick early or late
    noise_k = 5 * SENSOR_NOISE_K
    assert plant.object_temperature_c() == pytest.approx(AMBIENT_C + span_k * plate, abs=noise_k)
    assert plant.crystal_c == pytest.approx(AMBIENT_C + span_k * crystal, abs=step_k + noise_k)


def test_it_reaches_the_target_and_stays_within_its_noise() -> None:
    plant = oven()
    plant.regulate(TARGET_C)
    run(plant, 120.0)
    readings, crystal = [], []
    for _ in range(1000):
        run(plant, 1.0)
        readings.append(plant.object_temperature_c())
        crystal.append(plant.crystal_c)
    assert np.mean(readings) == pytest.approx(TARGET_C, abs=1e-4)  # about 300 independent readings of 1 mK
    assert np.std(readings) == pytest.approx(math.hypot(SENSOR_NOISE_K, READING_NOISE_K), rel=0.2)
    assert np.mean(crystal) == pytest.approx(TARGET_C, abs=1e-4)
    # The crystal averages over its own lag: Ornstein-Uhlenbeck noise through one pole.
    assert np.std(crystal) == pytest.approx(SENSOR_NOISE_K * math.sqrt(3.0 / (3.0 + CRYSTAL_LAG_S)), rel=0.2)


def test_without_output_it_goes_back_to_ambient() -> None:
    plant = oven()
    plant.regulate(TARGET_C)
    run(plant, 120.0)
    assert plant.output_current_a() == pytest.approx(AMPERE_PER_KELVIN * 10.0, rel=1e-3)
    assert plant.sink_temperature_c() > AMBIENT_C
    plant.regulate(None)
    assert plant.output_current_a() == 0.0
    run(plant, OFF_LAG_S)
    assert plant.crystal_c == pytest.approx(AMBIENT_C + 10.0 * math.exp(-1.0), abs=0.1)
    assert plant.sink_temperature_c() == AMBIENT_C
