"""The motion of membranes alone: its power, what straight lines between its steps take, and where it appears."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from labctl.simulation.detector_state import MembraneModes
from labctl.simulation.membranes import GRID_S, MembraneMotion

RATE_HZ = 4e6
SAMPLES = 1 << 16


def modes_of(count: int, gamma_hz: float, f0_hz: float = 0.91e6) -> MembraneModes:
    return MembraneModes(np.arange(count), np.full(count, f0_hz), np.full(count, gamma_hz), np.ones(count))


def motion_of(modes: MembraneModes, amplitude: NDArray[np.complex128], samples: int = SAMPLES) -> NDArray[np.float32]:
    volts = np.zeros((modes.sensor.max() + 1, samples), dtype=np.float32)
    source = MembraneMotion(np.random.default_rng(1), modes.gamma_hz)
    source.add_to(volts, modes, amplitude, 7.0, RATE_HZ, -(-samples // amplitude.shape[1]))
    return volts


@pytest.mark.parametrize("gamma_hz", [41.0, 1e4])
def test_the_power_is_that_of_the_mode_less_what_straight_lines_take(gamma_hz: float) -> None:
    """pi Gamma h / 3 of it for steps h: 4 % for a line of 10 kHz, which shows, and 2e-4 for one of 41 Hz."""
    count = 200
    power = np.mean(motion_of(modes_of(count, gamma_hz), np.full((count, 1), 2.0 + 0j)) ** 2) / 4.0
    taken = np.pi * gamma_hz * GRID_S / 3.0
    independent = count * (1.0 + np.pi * gamma_hz * SAMPLES / RATE_HZ)
    assert power == pytest.approx(1.0 - taken, abs=4.0 / np.sqrt(independent))
    assert gamma_hz < 100.0 or taken > 2.0 * 4.0 / np.sqrt(independent)


def test_each_stretch_has_its_own_amplitude() -> None:
    amplitude = np.array([[1.0, 0.0, 3.0, 0.5]], dtype=complex)
    volts = motion_of(modes_of(1, 1e-3), amplitude)[0].reshape(4, -1)
    rms = volts[:, 64:-64].std(axis=1)
    assert rms / rms[0] == pytest.approx([1.0, 0.0, 3.0, 0.5], rel=0.02, abs=1e-6)


def test_modes_of_one_sensor_add() -> None:
    one, other = modes_of(1, 41.0), modes_of(1, 41.0, 1.2e6)
    both = MembraneModes(np.zeros(2, dtype=np.intp), np.array([0.91e6, 1.2e6]), np.full(2, 41.0), np.array([1.0, 0.2]))
    volts = motion_of(both, np.array([[1.0 + 0j], [0.5 + 0j]]))[0]
    power = np.abs(np.fft.rfft(volts * np.hanning(SAMPLES))) ** 2
    f = np.arange(power.size) * RATE_HZ / SAMPLES
    for mode in (one, other):
        near = np.abs(f - mode.f0_hz[0]) < 300.0
        assert power[near].max() > 1e3 * np.median(power)
    assert power[(np.abs(f - 0.91e6) > 3e3) & (np.abs(f - 1.2e6) > 3e3)].max() < 1e-2 * power.max()


@pytest.mark.parametrize("samples", [1, 15, 16, 17, 1000])
def test_records_may_have_any_length(samples: int) -> None:
    assert motion_of(modes_of(2, 41.0), np.ones((2, 1), dtype=complex), samples).shape == (2, samples)
