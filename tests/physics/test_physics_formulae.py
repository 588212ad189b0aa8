"""The closed forms against numbers that were worked out independently."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from labctl.physics import cavity, homodyne, line_shape, network, opa

PUMP = 0.5385
EFFICIENCY = 0.885
SIDEBAND = 4.3e6 / 51.5e6
DETUNING_PER_KELVIN = 0.2615 / 0.088  # half linewidths of the seed cavity per kelvin


def to_db(ratio: float) -> float:
    return 10.0 * np.log10(ratio)


def test_source_gives_the_published_squeezing() -> None:
    squeezed, antisqueezed = opa.quadrature_variances(PUMP, 0.0, EFFICIENCY)
    assert to_db(squeezed) == pytest.approx(-7.1, abs=0.02)
    assert to_db(antisqueezed) == pytest.approx(9.98, abs=0.02)
    at_sideband, _ = opa.quadrature_variances(PUMP, SIDEBAND, EFFICIENCY)
    assert to_db(at_sideband) == pytest.approx(-7.04, abs=0.02)


def test_quadratures_agree_with_the_closed_form_on_resonance() -> None:
    squeezed, antisqueezed = opa.quadrature_variances(PUMP, SIDEBAND, EFFICIENCY)
    assert squeezed == pytest.approx(1 - EFFICIENCY * 4 * PUMP / ((1 + PUMP) ** 2 + SIDEBAND**2), rel=1e-12)
    assert antisqueezed == pytest.approx(1 + EFFICIENCY * 4 * PUMP / ((1 - PUMP) ** 2 + SIDEBAND**2), rel=1e-12)


@pytest.mark.parametrize(("error_k", "expected_db"), [(0.0, -7.04), (0.010, -6.93), (0.034, -5.95), (0.101, -2.07)])
def test_temperature_error_turns_the_ellipse(error_k: float, expected_db: float) -> None:
    squeezed, _ = opa.quadrature_variances(PUMP, SIDEBAND, EFFICIENCY, detuning=DETUNING_PER_KELVIN * error_k)
    assert to_db(squeezed) == pytest.approx(expected_db, abs=0.12)


def test_parametric_gain_at_both_phases() -> None:
    assert opa.parametric_gain(PUMP, 0.0) == pytest.approx(4.69, abs=0.01)
    assert opa.parametric_gain(PUMP, np.pi) == pytest.approx(0.4225, abs=1e-3)


def test_pdh_error_has_one_zero_on_resonance_and_opposite_slopes_at_the_sidebands() -> None:
    def error(d: float) -> float:
        return float(cavity.pound_drever_hall_error(d, 36e6, 3.69e9, np.sqrt(0.978), np.sqrt(0.99)))

    step = 1e4
    slope = [error(c + step) - error(c - step) for c in (0.0, 36e6, -36e6)]
    assert error(0.0) == pytest.approx(0.0, abs=1e-9)
    assert slope[0] * slope[1] < 0 and slope[0] * slope[2] < 0


def test_filtered_line_keeps_its_area_and_approaches_the_line() -> None:
    area, _ = quad(lambda f: line_shape.filtered_lorentzian(f, 0.0, 41.0, 10.0), -2e5, 2e5, points=[0], limit=500)
    assert area == pytest.approx(0.5 * np.pi * 41.0, rel=2e-4)
    f = np.linspace(-200, 200, 11)
    assert line_shape.filtered_lorentzian(f, 0.0, 41.0, 0.01) == pytest.approx(
        line_shape.lorentzian(f, 0.0, 41.0), rel=1e-4
    )


def test_network_of_four_equal_outputs() -> None:
    assert network.half_wave_plate_angles_deg([0.25] * 4) == pytest.approx([15.0, 17.632, 22.5], abs=1e-3)


def joint(delays_s: list[float], common: float, private: float) -> tuple[float, float]:
    efficiency = homodyne.detection_efficiency(0.92, 0.99, 0.95)
    share = np.full(4, 0.25) * efficiency
    covariance = homodyne.shared_covariance(0.195, 9.94, share, np.zeros(4), common, private)
    total = homodyne.summed_variance(covariance, np.ones(4), np.array(delays_s), 4.32e6)
    return to_db(float(covariance[0, 0])), to_db(float(total))


def test_delays_take_the_decibel_that_the_published_joint_spectrum_lacks() -> None:
    individual, raw = joint([-1.35 * 13.3e-9, -0.45 * 13.3e-9, 0.45 * 13.3e-9, 1.35 * 13.3e-9], 0.0, 0.0)
    assert individual == pytest.approx(-0.78, abs=0.01)
    assert raw == pytest.approx(-3.76, abs=0.03)


def test_phase_jitter_takes_it_too() -> None:
    individual, raw = joint([0.0] * 4, 0.1003, 0.06)
    assert individual == pytest.approx(-0.65, abs=0.01)
    assert raw == pytest.approx(-3.69, abs=0.01)


def test_a_wrong_sign_turns_the_squeezed_sum_into_noise() -> None:
    share = np.full(4, 0.25) * 0.822
    right = homodyne.shared_covariance(0.195, 9.94, share, np.zeros(4))
    wrong = homodyne.shared_covariance(0.195, 9.94, share, np.array([0.0, 0.0, 0.0, np.pi]))
    assert homodyne.summed_variance(right, np.ones(4), np.zeros(4), 4e6) < 0.4
    assert homodyne.summed_variance(wrong, np.ones(4), np.zeros(4), 4e6) > 0.8
