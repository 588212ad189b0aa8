"""The sensor's cavity on its piezo: Airy fringes of finesse 5 in transmission, and a transduction that follows the
length."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from ideal_table import nominal_sensor

from labctl.simulation.piezo import CAVITY_STACK, RIGID, PiezoChannel, PiezoMaterial
from labctl.simulation.room import Room
from labctl.simulation.sensor_cavity import DESIGN_BIAS_V, TRANSMISSION_V, SensorCavity

WAVELENGTH_M = 1550e-9
LIGHT_SPEED = 299792458.0


class Bench:
    """One cavity, its piezo driven straight up to the bias, and a laser to turn."""

    def __init__(self, material: PiezoMaterial = RIGID) -> None:
        self.laser_m = WAVELENGTH_M
        self.piezo = PiezoChannel(0.0, material)
        self.room = Room(0.1, 1)
        truth = nominal_sensor(4.3e6)
        self.cavity = SensorCavity(truth, self.piezo, lambda: self.laser_m, self.room, 0, np.random.default_rng(1))
        self.piezo.drive(DESIGN_BIAS_V)
        for _ in range(20000):
            self.piezo.advance(0.1)
        self.cavity.advance()

    def shift(self, offset_m: float) -> None:
        """Let the cavity be this much longer than it was built."""
        self.room.cavity_drift_m[0] = offset_m
        self.cavity.advance()

    def transmission(self, offsets_m: np.ndarray) -> np.ndarray:
        """Return the photodiode in V for offsets of the length, noise averaged away by the fit or tolerance."""
        volts = []
        for offset in offsets_m:
            self.room.cavity_drift_m[0] = float(offset)
            volts.append(self.cavity.transmission_volts())
        return np.array(volts)


@pytest.mark.parametrize("material", [RIGID, CAVITY_STACK])
def test_it_is_resonant_where_it_was_built(material: PiezoMaterial) -> None:
    bench = Bench(material)
    assert bench.cavity.transduction == pytest.approx(1.0, abs=0.01)
    assert abs(bench.cavity.phase_rad) < 0.05
    assert bench.cavity.transmission_volts() == pytest.approx(TRANSMISSION_V, abs=0.01)


def test_fringes_are_half_a_wavelength_apart_with_the_width_and_contrast_of_finesse_five() -> None:
    bench = Bench()
    offsets = np.linspace(-500e-9, 1200e-9, 3401)
    volts = bench.transmission(offsets)
    airy = volts / TRANSMISSION_V
    inside = np.abs(offsets) < 300e-9
    above_half = offsets[inside][airy[inside] > 0.5]
    assert np.ptp(above_half) == pytest.approx(152e-9, rel=0.03)
    assert airy.min() == pytest.approx(0.0846, abs=0.01)
    second = offsets > 500e-9
    assert offsets[second][np.argmax(airy[second])] == pytest.approx(WAVELENGTH_M / 2.0, abs=15e-9)


@pytest.mark.parametrize(("offset_m", "lost_percent"), [(5e-9, 0.6), (10e-9, 2.5), (13e-9, 4.0), (20e-9, 9.0)])
def test_transduction_falls_as_the_length_moves(offset_m: float, lost_percent: float) -> None:
    bench = Bench()
    bench.shift(offset_m)
    assert 100.0 * (1.0 - bench.cavity.transduction) == pytest.approx(lost_percent, abs=0.4)


def test_transduction_changes_sign_far_off_resonance() -> None:
    bench = Bench()
    bench.shift(150e-9)
    assert bench.cavity.transduction < 0.0


def test_tuning_the_laser_by_the_free_spectral_range_comes_back_to_resonance() -> None:
    bench = Bench()
    optical_hz = LIGHT_SPEED / WAVELENGTH_M
    fsr_hz = LIGHT_SPEED / (2.0 * 0.5e-3)
    steps_hz = np.linspace(0.5, 1.5, 1001) * fsr_hz
    volts = []
    for step_hz in steps_hz:
        bench.laser_m = LIGHT_SPEED / (optical_hz + step_hz)
        volts.append(bench.cavity.transmission_volts())
    above_half = steps_hz[np.array(volts) > 0.5 * TRANSMISSION_V]
    assert above_half.mean() == pytest.approx(fsr_hz, rel=0.005)
    assert np.ptp(above_half) == pytest.approx(58.9e9, rel=0.03)  # Airy width of the design


def test_the_piezo_scans_five_fringes_and_bends() -> None:
    bench = Bench()
    drives = np.linspace(0.0, 150.0, 3001)
    volts = []
    for drive in drives:
        bench.piezo.drive(float(drive))
        volts.append(bench.cavity.transmission_volts())
    smooth = np.convolve(volts, np.ones(15) / 15, mode="same")
    highest = [smooth[max(0, k - 20) : k + 21].max() for k in range(smooth.size)]
    peaks = [float(drives[k]) for k in range(20, 2981) if smooth[k] == highest[k] > 0.9 * TRANSMISSION_V]
    assert len(peaks) == 5
    gaps = np.diff(peaks)
    assert math.isclose(gaps[0], 387.5e-9 / 26e-9 * 2.0, rel_tol=0.15)
    assert all(later < earlier for earlier, later in pairwise(gaps))  # it bows
