"""What each scenario shows when every loop sits where it should: the decibels of the model, from the
table's own optics.

Expected values are those of an independent model of the same experiment at the design efficiencies. A table that was
drawn from a seed has efficiencies of its own, so its decibels are compared with the formula at those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from ideal_table import LIGHT, NOMINAL_F0_HZ, locked_table, nominal_sensor, truth_of
from numpy.typing import NDArray

from labctl.physics.homodyne import summed_variance
from labctl.simulation.table import SimulatedTable
from labctl.simulation.truth import Truth

ANALYSIS_HZ = 4.3205e6
DELAY_FACTORS = (-1.35, -0.45, 0.45, 1.35)
TOLERANCE_DB = 0.05
DRAWS = 40_000


@dataclass(frozen=True)
class Reductions:
    """Noise relative to shot noise in dB: one detector alone, the plain sum, the best sum, one given the others."""

    marginal: float
    raw: float
    rephased: float
    conditional: float


EXPECTED = {
    "delays": Reductions(-0.78, -3.76, -4.71, -1.71),
    "jitter": Reductions(-0.65, -3.69, -3.68, -1.22),
}


def nominal_truth(scenario: str) -> Truth:
    """Return a scenario on a table without spread."""
    drawn = truth_of(scenario)
    delays = [s.delay_s for s in drawn.sensors]
    sensors = tuple(nominal_sensor(f0, delay_s=delay) for f0, delay in zip(NOMINAL_F0_HZ, delays, strict=True))
    return replace(drawn, sensors=sensors)


def decibels(ratio: float | NDArray[np.float64]) -> float:
    return float(np.mean(10.0 * np.log10(ratio)))


def reductions(table: SimulatedTable) -> Reductions:
    """Return what perfect estimators would find on a table now."""
    detectors = table.detectors
    covariance = detectors._covariance(detectors._optics())
    return Reductions(
        marginal=decibels(np.diag(covariance)),
        raw=decibels(summed_variance(covariance, detectors._gain, detectors._delay_s, ANALYSIS_HZ)),
        rephased=decibels(np.linalg.eigvalsh(covariance)[0]),
        conditional=decibels(1.0 / np.diag(np.linalg.inv(covariance))),
    )


@pytest.mark.parametrize("scenario", EXPECTED)
def test_the_nominal_table_shows_the_decibels_of_the_model(scenario: str) -> None:
    found, expected = reductions(locked_table(nominal_truth(scenario))), EXPECTED[scenario]
    assert found.marginal == pytest.approx(expected.marginal, abs=TOLERANCE_DB)
    assert found.raw == pytest.approx(expected.raw, abs=TOLERANCE_DB)
    assert found.rephased == pytest.approx(expected.rephased, abs=TOLERANCE_DB)
    assert found.conditional == pytest.approx(expected.conditional, abs=TOLERANCE_DB)


def test_loss_costs_the_sum_what_the_delays_cost_it_and_cannot_be_undone() -> None:
    loss = reductions(locked_table(nominal_truth("loss")))
    assert loss.raw == pytest.approx(EXPECTED["delays"].raw, abs=0.1)
    assert loss.rephased == pytest.approx(loss.raw, abs=0.01)


def test_without_imperfection_the_sum_shows_the_source_behind_its_losses() -> None:
    table = locked_table(nominal_truth("ideal"))
    found = reductions(table)
    efficiency = 0.92 * LIGHT.quantum_efficiency * 0.95**2
    squeezed = table.source.quadratures()[0]
    assert found.raw == pytest.approx(decibels(1.0 + efficiency * (squeezed - 1.0)), abs=0.02)
    assert found.rephased == pytest.approx(found.raw, abs=0.005)


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("scenario", ["ideal", "delays", "jitter", "loss"])
def test_a_drawn_table_shows_the_decibels_of_its_own_efficiencies(scenario: str, seed: int) -> None:
    """By brute force: squeezed and antisqueezed light at many draws of the phases, weighted and summed."""
    table = locked_table(truth_of(scenario, seed))
    truth, found = table.truth, reductions(table)
    squeezed, antisqueezed, shake_rad = table.source.quadratures()
    light = np.array(
        [
            s.truth.propagation_efficiency * LIGHT.quantum_efficiency * s.visibility() ** 2 / len(table.sensors)
            for s in table.sensors
        ]
    )
    rng = np.random.default_rng(seed)
    common = np.hypot(shake_rad, truth.common_jitter_rad) * rng.standard_normal((DRAWS, 1))
    private = np.array([np.hypot(s.residual_rad(), truth.private_jitter_rad) for s in table.sensors])
    angle = common + private * rng.standard_normal((DRAWS, len(light)))

    def variance(weight: NDArray[np.complex128] | NDArray[np.float64]) -> float:
        amplitude = weight * np.sqrt(light)
        in_phase = np.mean(np.abs(np.cos(angle) @ amplitude) ** 2)
        out_of_phase = np.mean(np.abs(np.sin(angle) @ amplitude) ** 2)
        shot = np.sum(np.abs(weight) ** 2)
        return float(1.0 + ((squeezed - 1.0) * in_phase + (antisqueezed - 1.0) * out_of_phase) / shot)

    gain = np.array([s.detector_gain for s in truth.sensors])
    delay_s = np.array(DELAY_FACTORS) * 13.3e-9 if scenario == "delays" else np.zeros(len(light))
    each = [variance(np.eye(len(light))[n]) for n in range(len(light))]
    assert found.marginal == pytest.approx(decibels(np.array(each)), abs=0.01)
    assert found.raw == pytest.approx(decibels(variance(gain * np.exp(2j * np.pi * ANALYSIS_HZ * delay_s))), abs=0.02)
    assert found.rephased == pytest.approx(decibels(variance(np.sqrt(light))), abs=0.02)


def test_the_mean_over_many_tables_is_the_nominal_one() -> None:
    drawn = [reductions(locked_table(truth_of("delays", seed))) for seed in range(20, 32)]
    nominal = EXPECTED["delays"]
    assert np.mean([r.raw for r in drawn]) == pytest.approx(nominal.raw, abs=TOLERANCE_DB)
    assert np.mean([r.rephased for r in drawn]) == pytest.approx(nominal.rephased, abs=TOLERANCE_DB)
    assert max(abs(r.rephased - nominal.rephased) for r in drawn) < 3 * TOLERANCE_DB


def test_locking_at_the_other_quadrature_turns_the_sign_of_the_light() -> None:
    same = locked_table(truth_of("ideal"))
    mixed = locked_table(truth_of("ideal"), [1, -1, 1, 1])
    assert reductions(mixed).rephased == pytest.approx(reductions(same).rephased, abs=0.01)
    assert reductions(mixed).raw > reductions(same).raw + 2.0
    assert reductions(locked_table(truth_of("ideal"), [-1] * 4)).raw == pytest.approx(reductions(same).raw, abs=0.01)
