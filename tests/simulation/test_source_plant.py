"""The squeezed-light source: its error signals, its gain and its squeezing are those of the formulae."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_table import BIAS_V, NOMINAL_F0_HZ, SERVO_GAIN, build, locked_table, truth_of

from labctl.physics import double_resonance, opa
from labctl.simulation import crystal, source_plant
from labctl.simulation.ports import ServoSettings
from labctl.simulation.source_plant import PDH_VOLTS, PIEZO_M_PER_V, PUMP_FSR_HZ, PUMP_LENGTH_FSR_M, SEED_V, SourcePlant
from labctl.simulation.truth import Scenario, Truth, draw_truth

HWHM_M = source_plant._HWHM_M
SIDEBAND_M = source_plant.PDH_MODULATION_HZ / PUMP_FSR_HZ * PUMP_LENGTH_FSR_M


@pytest.fixture(scope="module")
def source() -> SourcePlant:
    return locked_table(truth_of("ideal", seed=3)).source


def cold_truth(seed: int) -> Truth:
    return draw_truth(seed, Scenario.IDEAL, list(NOMINAL_F0_HZ), cold=True)


def piezo_v(source: SourcePlant, length_m: float | np.ndarray) -> np.ndarray:
    """Return the piezo voltages at which the cavity is `length_m` from resonance."""
    return (
        np.asarray((np.asarray(length_m) - source._length_drift.value) / PIEZO_M_PER_V) + source._truth.opa_resonance_v
    )


def test_the_error_is_zero_on_resonance_where_the_light_is_brightest(source: SourcePlant) -> None:
    length_m = np.linspace(-0.5, 0.5, 2001) * PUMP_LENGTH_FSR_M
    transmission = source.transmission(piezo_v(source, length_m))
    assert length_m[np.argmax(transmission)] == pytest.approx(0.0, abs=1e-15)
    assert transmission.max() == pytest.approx(1.0)
    assert source.pdh_volts(piezo_v(source, 0.0)) == pytest.approx(0.0, abs=1e-12)
    assert source.transmission(piezo_v(source, HWHM_M)) == pytest.approx(0.5, rel=1e-3)
    again = piezo_v(source, PUMP_LENGTH_FSR_M)
    assert source.transmission(again) == pytest.approx(1.0)
    assert source.pdh_volts(again) == pytest.approx(0.0, abs=1e-10)


def test_the_error_crosses_zero_the_other_way_on_the_sidebands(source: SourcePlant) -> None:
    def slope(length_m: float) -> float:
        low, high = source.pdh_volts(piezo_v(source, np.array([length_m - 1e-12, length_m + 1e-12])))
        return float(high - low) / 2e-12

    carrier = slope(0.0)
    # 4 J0 J1 P / HWHM, exact for an impedance-matched cavity and far sidebands; this one is neither.
    assert abs(carrier) == pytest.approx(4.0 * PDH_VOLTS / HWHM_M, rel=0.5)
    for side in (-1, 1):
        near = np.linspace(0.9, 1.1, 4001) * side * SIDEBAND_M
        error = source.pdh_volts(piezo_v(source, near))
        crossings = np.flatnonzero(np.diff(np.sign(error)))
        assert len(crossings) == 1
        assert near[crossings[0]] == pytest.approx(side * SIDEBAND_M, rel=0.01)
        assert slope(float(near[crossings[0]])) * carrier < 0.0
        assert float(source.transmission(piezo_v(source, side * SIDEBAND_M))) < 0.1


@given(st.floats(-4.5, 4.5))
@settings(max_examples=200)
def test_the_numbers_of_the_loop_are_those_of_the_formulae(output_v: float) -> None:
    source = _SOURCE
    at_piezo_v = BIAS_V + SERVO_GAIN * output_v
    assert source._length_error(output_v) == pytest.approx(float(source.pdh_volts(at_piezo_v)), rel=1e-12, abs=1e-12)
    assert source._resonance_at(at_piezo_v) == pytest.approx(
        float(source.transmission(at_piezo_v)), rel=1e-12, abs=1e-12
    )


_SOURCE = build(truth_of("ideal", seed=5)).table.source


def test_seed_gain_is_that_of_the_amplifier(source: SourcePlant) -> None:
    truth = source._truth
    assert source.seed_power() == pytest.approx(1.0 / (1.0 - truth.pump) ** 2, rel=1e-3)
    assert source.seed_power() == pytest.approx(
        float(opa.parametric_gain(truth.pump, source.pump_phase_rad())), rel=1e-3
    )
    assert source.probe_power_ratio() == pytest.approx(1.0, rel=1e-3)
    readings = np.array([source.seed_monitor_volts() for _ in range(400)])
    assert readings.mean() == pytest.approx(SEED_V * source.seed_power(), rel=1e-3)


def test_the_phase_error_vanishes_where_the_seed_is_amplified(source: SourcePlant) -> None:
    truth = source._truth
    volts = np.linspace(-2.0, 2.0, 401)
    for output_v in volts:
        phase = source._phase_rad(float(output_v))
        expected = source_plant.DITHER_V * math.sin(phase)
        assert source._phase_error(float(output_v)) == pytest.approx(expected, abs=1e-3 * source_plant.DITHER_V)
    turn_v = 2.0 * truth.pump_volts_per_pi / SERVO_GAIN
    assert source._phase_rad(turn_v) - source._phase_rad(0.0) == pytest.approx(2.0 * math.pi)


def test_squeezing_at_the_lock_point(source: SourcePlant) -> None:
    squeezed, antisqueezed, shake_rad = source.quadratures()
    assert 10.0 * math.log10(squeezed) == pytest.approx(-7.12, abs=0.01)  # of the efficiency that this seed draws
    assert 10.0 * math.log10(antisqueezed) == pytest.approx(9.88, abs=0.03)
    x, f, efficiency = source._truth.pump, source_plant.SIDEBAND_OVER_HWHM, source._truth.source_efficiency
    assert squeezed == pytest.approx(1.0 - efficiency * 4.0 * x / ((1.0 + x) ** 2 + f**2), rel=1e-4)
    assert antisqueezed == pytest.approx(1.0 + efficiency * 4.0 * x / ((1.0 - x) ** 2 + f**2), rel=1e-3)
    assert 5e-3 < shake_rad < 10e-3


@pytest.mark.parametrize(("error_k", "squeezing_db"), [(0.010, -7.01), (0.034, -6.0), (0.101, -2.07), (0.202, 0.9)])
def test_a_temperature_error_turns_the_ellipse(error_k: float, squeezing_db: float) -> None:
    source = locked_table(truth_of("ideal", seed=3)).source
    source.crystal_c = source._truth.best_temperature_c + error_k
    squeezed, _, _ = source.quadratures()
    assert 10.0 * math.log10(squeezed) == pytest.approx(squeezing_db, abs=0.06)


def off_best_k(source: SourcePlant, error_k: float) -> None:
    """Put the crystal off its best temperature while the length keeps the pump resonant, as a closed loop does."""
    source.crystal_c = source._truth.best_temperature_c + error_k


def test_the_seed_is_resonant_only_near_its_temperatures() -> None:
    source = locked_table(truth_of("ideal", seed=3)).source

    def resonance(error_k: float) -> float:
        off_best_k(source, error_k)
        return source.seed_resonance()

    assert resonance(0.0) == pytest.approx(1.0, abs=1e-6)
    assert resonance(0.005) > 0.999  # within the tolerance of the oven
    assert resonance(0.3365) == pytest.approx(0.5, abs=0.01)
    assert resonance(-10.0) < 0.01  # cold
    assert resonance(crystal.SUCCESSIVE_K) < 0.01  # doubly resonant, but on the next fringe
    assert resonance(2.0 * crystal.SUCCESSIVE_K) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("fringe", [-1, 0])  # of seed 5, those within the range of the piezo
def test_the_seed_turns_by_half_from_fringe_to_fringe_and_against_temperature(fringe: int) -> None:
    source = build(truth_of("ideal", seed=5)).table.source
    output_v = (float(piezo_v(source, fringe * PUMP_LENGTH_FSR_M)) - BIAS_V) / SERVO_GAIN
    source.length_servo.apply(ServoSettings(closed=False, manual_output_v=output_v))
    for error_k in (-11.3, -0.2, 0.0, 0.5, 7.7):
        off_best_k(source, error_k)
        expected = float(double_resonance.seed_phase_rad(error_k, crystal.SEED_PHASE_PER_KELVIN_RAD, fringe))
        assert math.remainder(source.seed_turn_rad() - expected, 2.0 * math.pi) == pytest.approx(0.0, abs=1e-9)


def test_the_seed_shows_its_own_resonance_as_the_length_is_scanned() -> None:
    source = build(truth_of("ideal", seed=5)).table.source
    source.pump_open = False
    off_best_k(source, -3.0)
    outputs_v = np.linspace(-4.5, 4.5, 2001)
    power = []
    for output_v in outputs_v:
        source.length_servo.apply(ServoSettings(closed=False, manual_output_v=float(output_v)))
        power.append(source.seed_power())
    length_m = source.length_m(BIAS_V + SERVO_GAIN * outputs_v)
    peak = int(np.argmax(power))
    assert power[peak] == pytest.approx(1.0, abs=1e-3)
    from_pump_m = crystal.SEED_PHASE_PER_KELVIN_RAD * -3.0 / math.pi * PUMP_LENGTH_FSR_M
    assert math.remainder(length_m[peak] - from_pump_m, 2.0 * PUMP_LENGTH_FSR_M) == pytest.approx(0.0, abs=0.4e-9)
    half = np.flatnonzero(np.array(power) > 0.5)
    assert length_m[half[-1]] - length_m[half[0]] == pytest.approx(21.7e-9, abs=0.7e-9)


@given(st.floats(0.0, 0.9), st.floats(-30.0, 30.0), st.floats(-7.0, 7.0))
def test_a_detuned_amplifier_is_the_steady_state_of_the_mode(x: float, detuning: float, theta: float) -> None:
    turn = np.exp(1j * (theta - math.atan(detuning)))
    # a - with its conjugate - solves (1 + iD) a - x e^(i theta) a* = 1
    matrix = np.array([[1.0 + 1j * detuning, -x * turn], [-x * np.conj(turn), 1.0 - 1j * detuning]])
    field = np.linalg.solve(matrix, np.ones(2))[0]
    power = float(double_resonance.detuned_seed_power(x, detuning, theta))
    assert power == pytest.approx(abs(field) ** 2, rel=1e-9)
    one = 1.0 + detuning**2
    on_resonance = float(opa.parametric_gain(x / math.sqrt(one), theta)) / one
    assert power == pytest.approx(on_resonance, rel=1e-9)


def test_the_seed_of_the_plant_is_that_of_the_formula(source: SourcePlant) -> None:
    for error_k in (0.0, 0.2, -1.0):
        off_best_k(source, error_k)
        detuning = source._seed_detuning()
        expected = double_resonance.detuned_seed_power(source._pump(), detuning, source.pump_phase_rad())
        assert source.seed_power() == pytest.approx(float(expected), rel=1e-12)
    off_best_k(source, 0.0)


def test_without_pump_light_there_is_neither_error_nor_gain() -> None:
    table = locked_table(truth_of("ideal", seed=3))
    table.set_shutter("pump", False)
    source = table.source
    assert source.transmission_now() == 0.0
    assert source.pdh_volts(BIAS_V) == 0.0
    assert source._length_error(0.0) == 0.0
    assert source.seed_power() == pytest.approx(1.0, abs=1e-6)  # the length stands where it stood
    assert source.seed_gain() == pytest.approx(1.0, abs=1e-12)
    squeezed, antisqueezed, _ = source.quadratures()
    assert (squeezed, antisqueezed) == pytest.approx((1.0, 1.0))


def test_the_pump_acts_less_off_resonance() -> None:
    table = locked_table(truth_of("ideal", seed=3))
    source = table.source
    best = source.quadratures()[0]
    source._moved_m += HWHM_M  # faster than the loop is asked
    assert source.transmission_now() == pytest.approx(0.5, abs=0.03)
    assert source._pump() == pytest.approx(source._truth.pump * math.sqrt(0.5), rel=1e-2)
    assert source.quadratures()[0] > best


@given(st.floats(-40.0, 40.0), st.floats(-4.0, 4.0))
def test_the_gain_of_one_temperature_is_that_of_the_formula(error_k: float, edge_rad: float) -> None:
    expected = float(double_resonance.double_pass_gain(error_k, crystal.PHASE_MATCHING_PER_KELVIN_RAD, edge_rad))
    assert crystal.double_pass_gain(error_k, edge_rad) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("seed", range(40))
def test_a_cold_crystal_has_double_resonances_to_choose_from(seed: int) -> None:
    truth = cold_truth(seed)
    low_c, high_c = crystal.OVEN_RANGE_C
    places = truth.double_resonances()
    assert len(places) in (2, 3)
    assert all(low_c < place.temperature_c < high_c for place in places)
    assert np.diff([place.temperature_c for place in places]) == pytest.approx(crystal.SUCCESSIVE_K)
    best, *others = sorted(places, key=lambda place: place.threshold_ratio)
    assert best == crystal.DoubleResonance(truth.best_temperature_c, 0, 1.0)
    assert all(1.2 < place.threshold_ratio < 6.0 for place in others)
    # fringes of both parities are in the range of the piezo
    assert 20.0 < truth.opa_resonance_v < 55.0 or 95.0 < truth.opa_resonance_v < 130.0


def test_a_ready_table_is_best_at_perfect_phase_matching() -> None:
    truth = truth_of("ideal", seed=3)
    assert not truth.cold
    assert (truth.phase_matching_offset_k, truth.crystal_edge_rad, truth.thermal_m_per_k) == (0.0, 0.0, 0.0)
    below, best = truth.double_resonances()
    assert best.temperature_c == truth.best_temperature_c
    assert below.threshold_ratio > 1e20  # both factors vanish there


def test_the_threshold_follows_phase_matching_and_edge() -> None:
    table = locked_table(cold_truth(7))
    truth, source = table.truth, table.source
    for place in truth.double_resonances():
        source.crystal_c = place.temperature_c
        source.advance()
        assert source._x_on_resonance == pytest.approx(truth.pump / math.sqrt(place.threshold_ratio), rel=1e-9)
