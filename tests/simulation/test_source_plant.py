"""The squeezed-light source: its error signals, its gain and its squeezing are those of the formulae."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_table import BIAS_V, SERVO_GAIN, build, locked_table, truth_of

from labctl.physics import double_resonance, opa
from labctl.simulation import source_plant
from labctl.simulation.source_plant import PDH_VOLTS, PIEZO_M_PER_V, PUMP_FSR_HZ, PUMP_LENGTH_FSR_M, SEED_V, SourcePlant

HWHM_M = source_plant._HWHM_M
SIDEBAND_M = source_plant.PDH_MODULATION_HZ / PUMP_FSR_HZ * PUMP_LENGTH_FSR_M


@pytest.fixture(scope="module")
def source() -> SourcePlant:
    return locked_table(truth_of("ideal", seed=3)).source


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
    assert source.seed_gain() == pytest.approx(1.0 / (1.0 - truth.pump) ** 2, rel=1e-4)
    assert source.seed_gain() == pytest.approx(
        float(opa.parametric_gain(truth.pump, source.pump_phase_rad())), rel=1e-4
    )
    assert source.probe_power_ratio() == pytest.approx(1.0, rel=1e-3)
    readings = np.array([source.seed_monitor_volts() for _ in range(400)])
    assert readings.mean() == pytest.approx(SEED_V * source.seed_gain(), rel=1e-3)


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
    assert 10.0 * math.log10(squeezed) == pytest.approx(-7.05, abs=0.01)
    assert 10.0 * math.log10(antisqueezed) == pytest.approx(9.85, abs=0.02)
    x, f, efficiency = source._truth.pump, source_plant.SIDEBAND_OVER_HWHM, source._truth.source_efficiency
    assert squeezed == pytest.approx(1.0 - efficiency * 4.0 * x / ((1.0 + x) ** 2 + f**2), rel=1e-4)
    assert antisqueezed == pytest.approx(1.0 + efficiency * 4.0 * x / ((1.0 - x) ** 2 + f**2), rel=1e-3)
    assert 5e-3 < shake_rad < 10e-3


@pytest.mark.parametrize(("error_k", "squeezing_db"), [(0.010, -6.93), (0.034, -5.95), (0.101, -2.07), (0.202, 0.9)])
def test_a_temperature_error_turns_the_ellipse(error_k: float, squeezing_db: float) -> None:
    source = locked_table(truth_of("ideal", seed=3)).source
    source.crystal_c = source._truth.best_temperature_c + error_k
    squeezed, _, _ = source.quadratures()
    assert 10.0 * math.log10(squeezed) == pytest.approx(squeezing_db, abs=0.06)


def test_the_seed_is_resonant_only_near_its_temperatures() -> None:
    source = build(truth_of("ideal", seed=3)).table.source

    def resonance(error_k: float) -> float:
        source.crystal_c = source._truth.best_temperature_c + error_k
        return source.seed_resonance()

    assert resonance(0.0) == 1.0
    assert resonance(0.005) > 0.999  # within the tolerance of the oven
    assert resonance(0.3365) == pytest.approx(0.5, abs=0.01)
    assert resonance(-10.0) < 0.01  # cold
    assert resonance(24.03) == pytest.approx(1.0, abs=0.01)


def test_without_pump_light_there_is_neither_error_nor_gain() -> None:
    table = locked_table(truth_of("ideal", seed=3))
    table.set_shutter("pump", False)
    source = table.source
    assert source.transmission_now() == 0.0
    assert source.pdh_volts(BIAS_V) == 0.0
    assert source._length_error(0.0) == 0.0
    assert source.seed_gain() == 1.0
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


@given(st.floats(-40.0, 40.0))
def test_phase_matching_of_one_temperature_is_that_of_the_formula(error_k: float) -> None:
    expected = float(double_resonance.phase_matching(error_k, source_plant.PHASE_MATCHING_PER_KELVIN_RAD))
    assert source_plant._phase_matching(error_k) == pytest.approx(expected, rel=1e-9, abs=1e-15)
