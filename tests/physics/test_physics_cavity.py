"""Cavities: unitarity, the exact slope, and the limits of high finesse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_parameters import GAP_M, R_MIRROR, R_SLAB, SLOPE, SURVIVAL, T_SLAB, WAVELENGTH_M

from labctl.physics import alignment, cavity, membrane_cavity

FAST = settings(deadline=None, max_examples=60)
INDEX = st.floats(1.01, 4.0)
THICKNESS = st.floats(1e-9, 1e-6)
REFLECTIVITY = st.floats(0.0, 0.9999)
GAP = st.floats(1e-6, 1e-3)


def summed_passes(n: float, thickness_m: float) -> tuple[complex, complex]:
    """The slab again, as the sum of all passes between its two faces."""
    inside = (n - 1.0) / (n + 1.0)
    turn = np.exp(2j * np.pi * n * thickness_m / WAVELENGTH_M)
    passes = 1.0 - (inside * turn) ** 2
    return -inside * (1.0 - turn**2) / passes, (1.0 - inside**2) * turn / passes


@FAST
@given(INDEX, THICKNESS)
def test_slab_is_lossless_and_equals_the_sum_of_its_passes(n: float, thickness_m: float) -> None:
    r, t = membrane_cavity.slab_amplitudes(n, thickness_m, WAVELENGTH_M)
    assert abs(r) ** 2 + abs(t) ** 2 == pytest.approx(1.0, abs=1e-12)
    r_passes, t_passes = summed_passes(n, thickness_m)
    assert complex(r) == pytest.approx(r_passes, abs=1e-12)
    assert complex(t) == pytest.approx(t_passes, abs=1e-12)


@pytest.mark.parametrize("n", [1.5, 2.0, 3.4])
def test_quarter_and_half_wave_slabs(n: float) -> None:
    quarter, _ = membrane_cavity.slab_amplitudes(n, WAVELENGTH_M / (4.0 * n), WAVELENGTH_M)
    half, _ = membrane_cavity.slab_amplitudes(n, WAVELENGTH_M / (2.0 * n), WAVELENGTH_M)
    assert abs(quarter) == pytest.approx((n**2 - 1.0) / (n**2 + 1.0), rel=1e-12)
    assert abs(half) == pytest.approx(0.0, abs=1e-12)


@FAST
@given(INDEX, THICKNESS, REFLECTIVITY, GAP)
def test_membrane_and_mirror_lose_no_light(n: float, thickness_m: float, r_mirror: float, gap_m: float) -> None:
    r, t = membrane_cavity.slab_amplitudes(n, thickness_m, WAVELENGTH_M)
    reflected = membrane_cavity.reflected_amplitude(r, t, r_mirror, gap_m, WAVELENGTH_M)
    transmitted = membrane_cavity.transmitted_amplitude(r, t, r_mirror, gap_m, WAVELENGTH_M)
    assert abs(reflected) ** 2 + abs(transmitted) ** 2 == pytest.approx(1.0, abs=1e-9)


@FAST
@given(INDEX, THICKNESS, st.floats(0.9, 0.9999), GAP)
def test_slope_is_the_derivative_of_the_phase(n: float, thickness_m: float, r_mirror: float, gap_m: float) -> None:
    r, t = membrane_cavity.slab_amplitudes(n, thickness_m, WAVELENGTH_M)
    step_m = 1e-12
    x = np.array([-step_m, step_m])
    field = np.exp(4j * np.pi * x / WAVELENGTH_M) * membrane_cavity.reflected_amplitude(
        r, t, r_mirror, gap_m - x, WAVELENGTH_M
    )
    numeric = np.angle(field[1] / field[0]) / (2.0 * step_m)
    exact = membrane_cavity.front_mirror_phase_slope(r, t, r_mirror, gap_m, WAVELENGTH_M)
    assert float(exact) == pytest.approx(numeric, rel=1e-3, abs=2e3)


def test_slope_on_resonance_is_the_closed_form_and_independent_of_length() -> None:
    r = abs(R_SLAB)
    assert pytest.approx(-4.0 * np.pi / WAVELENGTH_M * 2.0 * r / (1.0 - r), rel=2e-3) == SLOPE
    gaps = membrane_cavity.resonant_gap_m(R_SLAB, np.array([0.1e-3, 0.5e-3, 5e-3]), WAVELENGTH_M)
    slopes = membrane_cavity.front_mirror_phase_slope(R_SLAB, T_SLAB, R_MIRROR, gaps, WAVELENGTH_M)
    assert slopes == pytest.approx([SLOPE] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("detuned_m", "drop_percent"), [(5e-9, 0.6), (10e-9, 2.5), (13e-9, 4.1), (20e-9, 9.4), (6.5e-9, 1.0), (11e-9, 3.0)]
)
def test_length_tolerance(detuned_m: float, drop_percent: float) -> None:
    slope = membrane_cavity.front_mirror_phase_slope(R_SLAB, T_SLAB, R_MIRROR, GAP_M + detuned_m, WAVELENGTH_M)
    assert 100.0 * (1.0 - slope / SLOPE) == pytest.approx(drop_percent, abs=0.06)


def test_slope_changes_sign_far_from_resonance() -> None:
    gaps = GAP_M + np.array([110e-9, 0.25 * WAVELENGTH_M])
    near, far = membrane_cavity.front_mirror_phase_slope(R_SLAB, T_SLAB, R_MIRROR, gaps, WAVELENGTH_M) / SLOPE
    assert 0.0 < near < 0.1
    assert far < 0.0


def test_scan_shows_in_transmission_and_hardly_in_reflection() -> None:
    gap = GAP_M + np.linspace(-0.25, 0.25, 2001) * WAVELENGTH_M
    transmitted = abs(membrane_cavity.transmitted_amplitude(R_SLAB, T_SLAB, R_MIRROR, gap, WAVELENGTH_M)) ** 2
    reflected = abs(membrane_cavity.reflected_amplitude(R_SLAB, T_SLAB, R_MIRROR, gap, WAVELENGTH_M)) ** 2
    assert transmitted.max() == pytest.approx(0.0034, rel=0.02)
    assert 1.0 - reflected.min() == pytest.approx(0.0035, rel=0.03)
    assert transmitted.min() / transmitted.max() == pytest.approx(0.0846, rel=0.01)
    assert gap[transmitted.argmax()] == pytest.approx(GAP_M, abs=1e-9)
    airy = cavity.airy_transmission(gap - GAP_M, 0.5 * WAVELENGTH_M, float(cavity.peak_finesse(abs(R_SLAB) * R_MIRROR)))
    assert transmitted / transmitted.max() == pytest.approx(airy, abs=1e-9)


def test_a_mirror_in_front_of_nothing_moves_the_phase_by_2k() -> None:
    r, t = membrane_cavity.slab_amplitudes(2.0, 100e-9, WAVELENGTH_M)
    slope = membrane_cavity.front_mirror_phase_slope(r, t, 0.0, GAP_M, WAVELENGTH_M)
    assert slope == pytest.approx(4.0 * np.pi / WAVELENGTH_M, rel=1e-12)


@given(st.floats(0.18, 0.9999))
def test_airy_width_is_where_the_line_is_half_as_high(survival: float) -> None:
    width = float(cavity.airy_linewidth(survival, 1.0))
    finesse = float(cavity.peak_finesse(survival))
    assert cavity.airy_transmission(0.5 * width, 1.0, finesse) == pytest.approx(0.5, abs=1e-9)


def test_all_linewidths_agree_at_high_finesse_only() -> None:
    forms = (cavity.decay_linewidth, cavity.small_loss_linewidth)
    for form in forms:
        assert form(0.9999, 1.0) == pytest.approx(float(cavity.airy_linewidth(0.9999, 1.0)), rel=2e-4)
    assert cavity.small_loss_linewidth(SURVIVAL, 1.0) < 0.6 * cavity.airy_linewidth(SURVIVAL, 1.0)


def test_slope_of_a_good_mirror_is_four_g_over_kappa() -> None:
    r = 0.9995
    length_m = float(membrane_cavity.resonant_gap_m(r, 0.5e-3, WAVELENGTH_M))
    exact = membrane_cavity.front_mirror_phase_slope(r, 1j * np.sqrt(1.0 - r**2), 1.0, length_m, WAVELENGTH_M)
    kappa_hz = cavity.small_loss_linewidth(r, cavity.free_spectral_range_hz(length_m))
    optical_hz = 299792458.0 / WAVELENGTH_M
    simple = membrane_cavity.adiabatic_phase_slope(optical_hz, length_m, kappa_hz)
    assert -exact == pytest.approx(float(simple), rel=1e-3)


def test_visibility_of_a_tilted_mirror() -> None:
    tilt = np.array([0.0, 0.1e-3, 0.2e-3, 0.5e-3, 1.0e-3])
    seen = alignment.visibility_of_tilt(tilt, abs(R_SLAB), 72e-6, 0.5e-3, WAVELENGTH_M)
    assert seen**2 == pytest.approx([1.0, 0.989, 0.959, 0.787, 0.451], abs=6e-4)
    assert float(alignment.visibility_of_tilt(-0.5e-3, abs(R_SLAB), 72e-6, 0.5e-3, WAVELENGTH_M)) == seen[3]
