"""Membrane and force noise: conventions, the uncertainty principle, and the budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_parameters import F0_HZ, FLUX, KAPPA_HZ, MASS_KG, OVERLAP, SLOPE, WAVELENGTH_M, ZERO_POINT_M

from labctl.physics import back_action, force_noise, homodyne, line_shape, membrane
from labctl.physics.constants import BOLTZMANN_J_PER_K, HBAR_J_S
from labctl.physics.noise_budget import Oscillator, Readout, force_noise_budget

OSCILLATOR = Oscillator(F0_HZ, 41.0, MASS_KG, 300.0, SLOPE * OVERLAP)
POWER = st.floats(1e-9, 1.0)
SLOPES = st.floats(1e3, 1e9)


def test_susceptibility_on_resonance_at_rest_and_its_sign() -> None:
    on = membrane.susceptibility_m_per_n(F0_HZ, F0_HZ, 50.0, MASS_KG)
    assert abs(on) == pytest.approx(1.0 / (MASS_KG * (2.0 * np.pi) ** 2 * 50.0 * F0_HZ), rel=1e-12)
    assert on.real == 0.0
    assert membrane.susceptibility_m_per_n(0.0, F0_HZ, 50.0, MASS_KG).real == pytest.approx(
        1.0 / (MASS_KG * (2.0 * np.pi * F0_HZ) ** 2), rel=1e-12
    )
    below, above = membrane.susceptibility_m_per_n(F0_HZ + np.array([-500.0, 500.0]), F0_HZ, 50.0, MASS_KG)
    assert below.real > 0.0 > above.real


@pytest.mark.parametrize("detuning_hz", [0.0, 25.0, 1e3, 49.2e3])
def test_imprecision_rises_off_resonance(detuning_hz: float) -> None:
    on, off = membrane.susceptibility_m_per_n(F0_HZ + np.array([0.0, detuning_hz]), F0_HZ, 50.0, MASS_KG)
    rise = force_noise.resonant_imprecision_at(detuning_hz, 50.0)
    assert abs(on) / abs(off) == pytest.approx(float(rise), rel=0.012)
    assert force_noise.detuning_of_imprecision_hz(rise, 50.0) == pytest.approx(detuning_hz)


def test_thermal_motion_obeys_equipartition() -> None:
    """The line of height S_F |chi|^2 and width Gamma holds k T / (m Omega^2)."""
    chi = membrane.susceptibility_m_per_n(F0_HZ, F0_HZ, 41.0, MASS_KG)
    area = force_noise.thermal_force_psd(41.0, MASS_KG, 300.0) * abs(chi) ** 2 * 0.5 * np.pi * 41.0
    assert area == pytest.approx(BOLTZMANN_J_PER_K * 300.0 / (MASS_KG * (2.0 * np.pi * F0_HZ) ** 2), rel=1e-9)
    phonons = float(membrane.thermal_occupancy(F0_HZ, 300.0))
    assert area == pytest.approx(2.0 * phonons * membrane.zero_point_motion_m(MASS_KG, F0_HZ) ** 2, rel=1e-5)
    assert abs(SLOPE * OVERLAP) * np.sqrt(area) == pytest.approx(2.4e-6, rel=0.01)


def test_phonons_vanish_in_the_cold_and_grow_as_t() -> None:
    assert membrane.thermal_occupancy(F0_HZ, 1e-6) < 1e-40
    assert membrane.thermal_occupancy(F0_HZ, 600.0) == pytest.approx(2.0 * membrane.thermal_occupancy(F0_HZ, 300.0))


def test_modes_come_in_pairs_and_the_spot_sees_antinodes() -> None:
    frequencies = [membrane.mode_frequency_hz(0.82e9, 2700.0, 5e-4, mode) for mode in ((5, 6), (6, 5), (1, 1))]
    assert frequencies[0] == frequencies[1] == pytest.approx(float(frequencies[2]) * np.sqrt(61.0 / 2.0))
    antinode = membrane.spot_overlap(72e-6, 5e-4, (5, 6), (0.5e-4, 5e-4 / 12.0))
    assert antinode == pytest.approx(OVERLAP)
    assert membrane.spot_overlap(72e-6, 5e-4, (5, 6), (1e-4, 1e-4)) == pytest.approx(0.0, abs=1e-12)
    assert membrane.spot_overlap(0.0, 5e-4, (5, 6)) == 1.0


def test_equation_one_is_the_one_sided_form_halved() -> None:
    chi = membrane.susceptibility_m_per_n(F0_HZ + 300.0, F0_HZ, 50.0, MASS_KG)
    g0_hz = membrane.coupling_of_slope_hz(SLOPE, ZERO_POINT_M, KAPPA_HZ)
    printed = force_noise.equation_one_imprecision(KAPPA_HZ, g0_hz, ZERO_POINT_M, FLUX, 0.5, chi)
    exact = force_noise.imprecision_force_psd(force_noise.phase_noise_psd(5e-6, WAVELENGTH_M), SLOPE, chi)
    assert printed == pytest.approx(float(force_noise.two_sided(exact)), rel=1e-9)
    assert np.sqrt(force_noise.phase_noise_psd(5e-6, WAVELENGTH_M)) == pytest.approx(0.113e-6, rel=0.01)


@given(POWER, SLOPES, st.floats(0.0, 2.0))
def test_imprecision_times_back_action_is_never_below_hbar_over_two(power_w: float, slope: float, r: float) -> None:
    probe = Readout(power_w, WAVELENGTH_M, 1.0, np.exp(-2.0 * r), np.exp(2.0 * r))
    oscillator = Oscillator(F0_HZ, 41.0, MASS_KG, 300.0, slope)
    budget = force_noise_budget(F0_HZ, oscillator, probe)
    chi = abs(membrane.susceptibility_m_per_n(F0_HZ, F0_HZ, 41.0, MASS_KG))
    product = force_noise.two_sided(budget.imprecision) * force_noise.two_sided(budget.back_action) * chi**2
    assert product == pytest.approx((0.5 * HBAR_J_S) ** 2, rel=1e-9)


def test_at_the_quantum_limit_both_are_equal() -> None:
    chi = membrane.susceptibility_m_per_n(F0_HZ, F0_HZ, 41.0, MASS_KG)
    power_w = float(back_action.standard_quantum_limit_power_w(SLOPE, chi, WAVELENGTH_M))
    oscillator = Oscillator(F0_HZ, 41.0, MASS_KG, 300.0, SLOPE)
    budgets = [force_noise_budget(F0_HZ, oscillator, Readout(p, WAVELENGTH_M)) for p in power_w * np.array([1.0, 0.5])]
    assert budgets[0].imprecision == pytest.approx(float(budgets[0].back_action), rel=1e-9)
    quantum = [float(b.imprecision + b.back_action) for b in budgets]
    assert quantum[0] == pytest.approx(2.0 * HBAR_J_S / abs(chi), rel=1e-9)
    assert quantum[1] > quantum[0]


@given(st.floats(-5e4, 5e4), st.floats(0.05, 1.0), st.floats(0.0, 0.2))
def test_budget_adds_up(detuning_hz: float, squeezed: float, dark: float) -> None:
    f = F0_HZ + np.array([0.0, detuning_hz])
    budget = force_noise_budget(f, OSCILLATOR, Readout(5e-6, WAVELENGTH_M, 0.82, squeezed, 1.0 / squeezed, dark))
    coherent = force_noise_budget(f, OSCILLATOR, Readout(5e-6, WAVELENGTH_M, 0.82))
    parts = [budget.thermal, budget.imprecision, budget.dark, budget.back_action]
    assert all((part >= 0.0).all() and part.shape == (2,) for part in parts)
    assert budget.total == pytest.approx(sum(parts))
    assert budget.imprecision == pytest.approx(squeezed * coherent.imprecision)
    assert budget.dark == pytest.approx(dark * coherent.imprecision)
    assert budget.total[1] >= budget.total[0] * (1.0 - 1e-9)  # sums of terms that differ by many orders
    assert budget.back_action[0] < 1e-9 * budget.thermal[0]


def test_peak_over_floor_is_what_the_spectrum_shows() -> None:
    detuning_hz = np.array([0.0, 20.5, 200.0])
    budget = force_noise_budget(F0_HZ + detuning_hz, OSCILLATOR, Readout(5e-6, WAVELENGTH_M, 0.82))
    assert budget.peak_to_floor[0] == pytest.approx(5.7, rel=0.01)
    shape = line_shape.lorentzian(detuning_hz, 0.0, 41.0)
    assert budget.peak_to_floor / budget.peak_to_floor[0] == pytest.approx(shape, rel=1e-3)


def test_squeezing_widens_the_thermal_band_and_narrows_the_apparent_line() -> None:
    band = force_noise.thermal_bandwidth_hz(5.0, np.array([1.0, 0.4266]), 41.0)
    assert band == pytest.approx([82.0, 134.0], rel=0.01)
    for a, v, percent in ((5.0, 1.0, 22.0), (5.0, 0.4266, 9.0), (3.0, 1.0, 41.0), (1e9, 1.0, 0.0)):
        width = line_shape.apparent_linewidth_hz(41.0, a, v)
        assert 100.0 * (width / 41.0 - 1.0) == pytest.approx(percent, abs=0.6)
        top, side = v + a, v + a * line_shape.lorentzian(0.5 * width, 0.0, 41.0)
        assert side == pytest.approx(0.5 * top)


def test_inconsistency_of_equation_two() -> None:
    assert force_noise.inconsistency(np.array([1.0, 1.21, 0.81]), 1.0) == pytest.approx([0.0, 0.1, 0.1])


@pytest.mark.parametrize(("clearance_db", "read_db"), [(10.0, -3.20), (13.0, -3.43), (20.0, -3.64)])
def test_dark_noise_left_in_hides_squeezing(clearance_db: float, read_db: float) -> None:
    read = homodyne.reading_with_dark_noise(10**-0.37, 10 ** (0.1 * clearance_db))
    assert 10.0 * np.log10(read) == pytest.approx(read_db, abs=0.012)


@given(st.floats(1e-9, 1e-2), st.floats(1e-9, 1e-2), st.floats(0.01, 1.0))
def test_visibility_of_unequal_beams(first_w: float, second_w: float, visibility: float) -> None:
    amplitude = homodyne.fringe_amplitude_a(1.0, first_w, second_w, visibility)
    assert homodyne.visibility_of_fringe(amplitude, first_w, second_w) == pytest.approx(visibility, rel=1e-9)
