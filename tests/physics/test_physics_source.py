"""Amplifier, double resonance and single squeezed modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.physics import double_resonance, opa, squeezing

FAST = settings(deadline=None, max_examples=80)
PUMP = st.floats(0.0, 0.95)
EFFICIENCY = st.floats(0.0, 1.0)
SIDEBAND = st.floats(0.0, 3.0)
DETUNING = st.floats(-2.0, 2.0)
ANGLE = st.floats(-3.2, 3.2)
DETUNING_PER_KELVIN = 0.2615 / 0.088


def db(ratio: float) -> float:
    return float(10.0 * np.log10(ratio))


@FAST
@given(PUMP, SIDEBAND, EFFICIENCY, DETUNING, ANGLE)
def test_uncertainty_principle_at_any_detuning(x: float, f: float, eta: float, d: float, p: float) -> None:
    least, most, angle = opa.ellipse(opa.output_covariance(x, f, eta, d, p))
    assert least > 0.0
    assert least * most >= 1.0 - 1e-9
    assert least >= 1.0 - eta - 1e-9
    turned = opa.ellipse(opa.output_covariance(x, f, eta, d, p + 1.0))
    assert [float(v) for v in turned[:2]] == pytest.approx([float(least), float(most)], rel=1e-9)
    if most - least > 1e-3:
        assert np.sin(2.0 * (turned[2] - angle) - 1.0) == pytest.approx(0.0, abs=1e-6)


@FAST
@given(PUMP, SIDEBAND)
def test_no_loss_on_resonance_keeps_the_state_pure(x: float, f: float) -> None:
    squeezed, antisqueezed = opa.quadrature_variances(x, f, 1.0)
    assert squeezed * antisqueezed == pytest.approx(1.0, rel=1e-9)


@FAST
@given(PUMP, SIDEBAND, EFFICIENCY, DETUNING)
def test_the_best_angle_is_that_of_the_ellipse(x: float, f: float, eta: float, d: float) -> None:
    least, most, angle = opa.ellipse(opa.output_covariance(x, f, eta, d))
    at_best, across = opa.quadrature_variances(x, f, eta, d, angle)
    assert at_best == pytest.approx(float(least), rel=1e-9)
    assert across == pytest.approx(float(most), rel=1e-9)


def test_limits_are_vacuum() -> None:
    for x, eta in ((0.0, 0.9), (0.9, 0.0)):
        assert [float(v) for v in opa.quadrature_variances(x, 0.1, eta, 0.3)] == pytest.approx([1.0, 1.0], abs=1e-12)
    far = opa.quadrature_variances(0.5, 1e6, 1.0)
    assert [float(v) for v in far] == pytest.approx([1.0, 1.0], abs=1e-9)
    assert opa.parametric_gain(0.0, 1.0) == 1.0


def test_quadratures_broadcast() -> None:
    x, f = np.linspace(0.1, 0.9, 5)[:, None], np.linspace(0.0, 2.0, 7)
    squeezed, _ = opa.quadrature_variances(x, f, 0.9)
    assert squeezed.shape == (5, 7)
    assert squeezed[3, 2] == opa.quadrature_variances(x[3, 0], f[2], 0.9)[0]
    assert (np.diff(squeezed, axis=1) > 0.0).all() and (np.diff(squeezed, axis=0) < 0.0).all()


@pytest.mark.parametrize(
    ("error_k", "fixed_db", "best_db"), [(0.034, -5.95, -7.00), (0.101, -2.07, -6.68), (0.202, 0.9, -5.73)]
)
def test_a_new_null_of_the_oscillator_phase_recovers_most(error_k: float, fixed_db: float, best_db: float) -> None:
    state = (0.5385, 4.3e6 / 51.5e6, 0.885, DETUNING_PER_KELVIN * error_k)
    assert db(opa.quadrature_variances(*state)[0]) == pytest.approx(fixed_db, abs=0.12)
    assert db(opa.ellipse(opa.output_covariance(*state))[0]) == pytest.approx(best_db, abs=0.03)


def test_double_resonances_alternate_between_pump_fringes_every_12_kelvin() -> None:
    error_k = np.linspace(-20.0, 20.0, 40001)
    even, odd = (
        double_resonance.seed_resonance(double_resonance.seed_phase_rad(error_k, 0.2615, fringe), 0.088)
        for fringe in (0, 1)
    )
    best = error_k[np.maximum(even, odd) > 0.999999]
    assert np.unique(np.round(best)) == pytest.approx([-12.0, 0.0, 12.0])
    half = error_k[even >= 0.5]
    assert half[abs(half) < 1.0].max() == pytest.approx(0.336, abs=0.002)


def test_edge_phase_makes_thresholds_differ() -> None:
    temperatures = np.array([-12.0, 0.0, 12.0])

    def thresholds_w(edge_phase_rad: float) -> np.ndarray:
        gain = double_resonance.double_pass_gain(temperatures, 0.2615, edge_phase_rad)
        return double_resonance.threshold_w(30e-3, gain)

    none, much = thresholds_w(0.0), thresholds_w(2.5)
    assert none[1] == pytest.approx(30e-3) and none.argmin() == 1
    assert none.max() / none.min() > 1e3  # the two passes cancel half a turn away
    assert much[0] == pytest.approx(much[2], rel=2e-2) and much[1] / much[0] == pytest.approx(3.67, rel=0.02)
    assert double_resonance.threshold_w(30e-3, 1.0, 0.25) == pytest.approx(0.12)
    x = opa.pump_parameter(30e-3 * 0.29, 30e-3)
    assert opa.parametric_gain(x, 0.0) == pytest.approx(4.69, rel=0.01)


@FAST
@given(st.floats(0.0, 3.0), EFFICIENCY, st.floats(0.0, 2.0), ANGLE)
def test_loss_angle_and_phase_noise_keep_the_uncertainty_principle(r: float, eta: float, rms: float, a: float) -> None:
    v = [float(squeezing.after_loss(np.exp(s * 2.0 * r), eta)) for s in (-1.0, 1.0)]
    shaken = [squeezing.with_phase_noise(*v, rms), squeezing.with_phase_noise(*v[::-1], rms)]
    turned = [squeezing.at_angle(*v, a), squeezing.at_angle(*v[::-1], a)]
    for pair in (v, shaken, turned):
        assert pair[0] * pair[1] >= 1.0 - 1e-9
    assert sum(shaken) == pytest.approx(sum(v), rel=1e-12)
    assert shaken[0] >= squeezing.best_variance_with_phase_noise(rms, eta) - 1e-12


@given(st.floats(0.0, 1e4), st.floats(0.01, 1.0))
def test_photons_and_loss_invert(photons: float, eta: float) -> None:
    v = float(squeezing.pure_variance(photons))
    assert squeezing.photon_number(v, 1.0 / v) == pytest.approx(photons, rel=1e-9, abs=1e-12)
    assert squeezing.before_loss(squeezing.after_loss(v, eta), eta) == pytest.approx(v, abs=1e-12)


def test_too_much_squeezing_is_harmful_under_phase_noise() -> None:
    r = np.linspace(0.0, 4.0, 4001)
    v = squeezing.with_phase_noise(np.exp(-2.0 * r), np.exp(2.0 * r), 0.03)
    assert np.exp(2.0 * r[v.argmin()]) == pytest.approx(1.0 / 0.03, rel=0.01)
    assert v.min() == pytest.approx(float(squeezing.best_variance_with_phase_noise(0.03, 1.0)), rel=1e-5)
    for rms, eta, expected_db in ((0.03, 1.0, -12.2), (0.03, 0.82, -6.4), (0.1, 0.82, -4.64)):
        assert db(float(squeezing.best_variance_with_phase_noise(rms, eta))) == pytest.approx(expected_db, abs=0.03)


@pytest.mark.parametrize(("degrees", "expected_db"), [(0.0, -4.69), (5.0, -3.97), (6.0, -3.68), (10.0, -2.34)])
def test_wrong_oscillator_phase_mixes_in_antisqueezing(degrees: float, expected_db: float) -> None:
    v = [float(squeezing.after_loss(10 ** (0.1 * level), 0.82)) for level in (-7.1, 9.98)]
    assert db(float(squeezing.at_angle(*v, np.radians(degrees)))) == pytest.approx(expected_db, abs=0.02)
