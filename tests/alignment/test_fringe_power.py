"""Visibility squared from one scan of a servo, whatever the phase and the light."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from labctl.alignment.fringe_power import NOISE_V, FringePower, visibility_of
from labctl.alignment.search import is_lit
from labctl.spectra.estimate import Estimate

FULL_V = 0.39
VOLTS_PER_PI = 1.0


@dataclass
class Fringe:
    """A servo and the monitor behind it: a fringe whose phase wanders while it is scanned."""

    visibility: float
    rng: np.random.Generator
    light: float = 1.0
    output_limit_v: float = 4.5
    output_v: float = 0.0
    path_rad: float = 0.0
    sweeps: list[tuple[float, float]] = field(default_factory=list)

    def sweep(self, outputs_v: NDArray[np.float64], read: Callable[[], float]) -> NDArray[np.float64]:
        self.sweeps.append((float(outputs_v[0]), float(outputs_v[-1])))
        readings = []
        for self.output_v in map(float, outputs_v):
            self.path_rad += 0.03 * float(self.rng.standard_normal())
            readings.append(read())
        return np.array(readings)

    def volts(self) -> float:
        phase = self.path_rad + math.pi * self.output_v / VOLTS_PER_PI
        amplitude_v = FULL_V * self.visibility * math.sqrt(self.light)
        return 0.2 + amplitude_v * math.cos(phase) + 0.5 * NOISE_V * float(self.rng.standard_normal())


def readings(visibility: float, light: float = 1.0, count: int = 300) -> list[Estimate]:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(count):
        fringe = Fringe(visibility, rng, light, path_rad=float(rng.uniform(0.0, 2.0 * math.pi)))
        found.append(FringePower(fringe, fringe, FULL_V, lambda: light)())  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("visibility", [0.95, 0.5, 0.17, 0.05])
def test_a_reading_is_the_visibility_squared_within_its_error(visibility: float) -> None:
    found = readings(visibility)
    values = np.array([power.value for power in found])
    claimed = float(np.mean([power.sigma for power in found]))
    assert abs(values.mean() - visibility**2) < 0.7 * claimed  # much of the error is not from reading to reading
    assert values.std() < 1.3 * claimed
    assert claimed < 0.012 * visibility**2 + 4.0 * visibility * NOISE_V / FULL_V


def test_less_light_is_no_less_visibility() -> None:
    whole, half = (np.mean([power.value for power in readings(0.6, light)]) for light in (1.0, 0.5))
    assert half == pytest.approx(whole, rel=0.01)


def test_no_fringe_is_no_light() -> None:
    assert sum(is_lit(power) for power in readings(0.0)) <= 1
    assert all(is_lit(power) for power in readings(0.03))


def test_scans_go_up_and_down_in_turn_within_the_range() -> None:
    fringe = Fringe(0.5, np.random.default_rng(1))
    power = FringePower(fringe, fringe, FULL_V)  # type: ignore[arg-type]
    for _ in range(3):
        power()
    assert [first < last for first, last in fringe.sweeps] == [True, False, True]
    assert all(abs(volts) < 0.5 * fringe.output_limit_v for scan in fringe.sweeps for volts in scan)


def test_the_visibility_of_a_power() -> None:
    found = visibility_of(Estimate(0.81, 0.018))
    assert (found.value, found.sigma) == (pytest.approx(0.9), pytest.approx(0.01))
    assert visibility_of(Estimate(0.0, 1e-4)).sigma == pytest.approx(0.01)
