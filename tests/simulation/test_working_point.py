"""The working point in closed form against a table that was brought there."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from ideal_table import LIGHT, locked_table, station_at, truth_of
from numpy.typing import NDArray

from labctl.simulation.acoustics import FREE_PATH_RAD
from labctl.simulation.design import design_of
from labctl.simulation.table import SimulatedTable
from labctl.simulation.truth import Truth
from labctl.simulation.working_point import WorkingPoint, residual_rad

SCENARIOS = ("ideal", "delays", "jitter", "loss")
F_HZ = 4.32e6


def decibels(ratio: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10.0 * np.log10(ratio))


def point_of(truth: Truth) -> WorkingPoint:
    """Return the working point of a table whose crystal is where it is best."""
    design = replace(
        design_of(station_at(truth.seed)),
        oven_target_c=truth.best_temperature_c,
        probe_power_w=LIGHT.probe_power_w,
        local_oscillator_w=LIGHT.local_oscillator_w,
        quantum_efficiency=LIGHT.quantum_efficiency,
    )
    return WorkingPoint(truth, design)


@pytest.fixture(scope="module")
def tables() -> dict[str, SimulatedTable]:
    return {scenario: locked_table(truth_of(scenario, seed=4)) for scenario in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_light_and_sums_are_those_of_the_table(tables: dict[str, SimulatedTable], scenario: str) -> None:
    table = tables[scenario]
    point, state = point_of(table.truth), table.detectors.state()
    there = state.light()
    assert point.source() == pytest.approx((state.squeezed, state.antisqueezed), rel=3e-3)
    assert decibels(point.light().marginal()) == pytest.approx(decibels(there.marginal()), abs=0.006)
    assert decibels(point.light().conditional()) == pytest.approx(decibels(there.conditional()), abs=0.01)
    amplitude = np.sqrt(state.shot_v2_per_hz)
    plain = there.summed(amplitude, state.electronics.delay_s, F_HZ)
    assert decibels(point.plain_sum(F_HZ)) == pytest.approx(decibels(plain), abs=0.015)
    matrix = there.matrix()
    assert decibels(point.best_sum(F_HZ)) == pytest.approx(decibels(np.linalg.eigvalsh(matrix)[0]), abs=0.015)


def test_the_matrix_of_the_records_holds_both_sums(tables: dict[str, SimulatedTable]) -> None:
    point = point_of(tables["delays"].truth)
    records = point.records(np.array([F_HZ]))
    assert records == pytest.approx(records.conj().T)
    assert np.diag(records).real == pytest.approx(point.light().marginal())
    assert np.linalg.eigvalsh(records)[0] == pytest.approx(float(point.best_sum(F_HZ)), rel=1e-9)
    gain = point.gain()
    assert (gain @ records @ gain).real / np.sum(gain**2) == pytest.approx(float(point.plain_sum(F_HZ)), rel=1e-9)


def test_visibility_fringe_and_residual_are_those_of_the_table(tables: dict[str, SimulatedTable]) -> None:
    table = tables["ideal"]
    point = point_of(table.truth)
    assert point.visibility() == pytest.approx([sensor.visibility() for sensor in table.sensors], rel=1e-9)
    assert point.loop_residual_rad() == pytest.approx([s.residual_rad() for s in table.sensors], rel=0.03)
    highest = [s.truth.dc_offset_v + amplitude for s, amplitude in zip(table.sensors, point.fringe_v(), strict=True)]
    assert highest == pytest.approx([s._level(1.0) for s in table.sensors], rel=2e-3)


def test_clearances_are_those_of_the_dark_table() -> None:
    table = locked_table(truth_of("ideal", seed=5))
    point, f = point_of(table.truth), np.array([F_HZ])
    table.set_shutter("signal", False)
    lit = np.array([table.detectors.output_psd(n, f, 10.0)[0] for n in range(4)])
    lit_sum = table.detectors.summed_psd(f, 10.0)[0]
    table.set_shutter("local_oscillator", False)
    dark = np.array([table.detectors.output_psd(n, f, 10.0)[0] for n in range(4)])
    dark_sum = table.detectors.summed_psd(f, 10.0)[0]
    assert decibels(point.clearance(F_HZ)) == pytest.approx(decibels(lit / dark), abs=1e-3)
    assert decibels(point.summed_clearance(F_HZ)) == pytest.approx(decibels(lit_sum / dark_sum), abs=1e-3)


def test_a_detector_at_the_other_quadrature_turns_its_sign_in_the_plain_sum_alone() -> None:
    truth = truth_of("ideal", seed=4)
    same = WorkingPoint(truth, design_of(station_at(4)))
    mixed = WorkingPoint(truth, design_of(station_at(4, lo2="-pi/2")))
    assert mixed.design.quadratures == (1, -1, 1, 1)
    assert mixed.light().marginal() == pytest.approx(same.light().marginal())
    assert mixed.best_sum(F_HZ) == pytest.approx(same.best_sum(F_HZ))
    assert decibels(mixed.plain_sum(F_HZ)) > decibels(same.plain_sum(F_HZ)) + 2.0


def test_a_crystal_beside_its_best_temperature_squeezes_less() -> None:
    truth = replace(truth_of("ideal", seed=4), source_efficiency=0.885)
    design = design_of(station_at(4))
    best = WorkingPoint(truth, replace(design, oven_target_c=truth.best_temperature_c)).source()[0]
    assert WorkingPoint(truth, replace(design, oven_target_c=None)).source()[0] == best
    off = [WorkingPoint(truth, replace(design, oven_target_c=truth.best_temperature_c + k)) for k in (0.034, -0.034)]
    levels = [float(decibels(point.source()[0])) for point in off]
    assert levels[0] == pytest.approx(levels[1], abs=1e-6)
    assert levels[0] == pytest.approx(-5.95, abs=0.03)  # of an independent model, 34 mK beside the best temperature


def test_a_faster_loop_leaves_less() -> None:
    left = [residual_rad(gain_hz) for gain_hz in (1.0, 100.0, 500.0, 3e3)]
    assert left == sorted(left, reverse=True)
    assert left[0] == pytest.approx(FREE_PATH_RAD, rel=0.05)
    assert 5e-3 < left[-1] < 20e-3


def test_turning_the_local_oscillators_reads_the_antisqueezed_quadrature() -> None:
    point = point_of(truth_of("ideal", seed=4))
    here, beside, across = (point.turned(angle) for angle in (0.0, math.radians(5.0), math.pi / 2.0))
    assert here == pytest.approx((float(point.best_sum(F_HZ)), point.light().marginal()[0]))
    assert here[0] < beside[0] < 1.0 < across[0]
    efficiency = float(np.mean(point.efficiency()))
    assert across[0] == pytest.approx(1.0 + efficiency * (point.source()[1] - 1.0), rel=0.01)
    assert LIGHT.quantum_efficiency == point.design.quantum_efficiency
