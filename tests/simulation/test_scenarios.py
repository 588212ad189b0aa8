"""What each scenario shows when every loop sits where it should: the decibels of the model, from the
table's own optics.

Expected values are those of an independent model of the same experiment at the design efficiencies. A table that was
drawn from a seed has efficiencies of its own, so its decibels are compared with the formula at those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pytest
from ideal_table import LIGHT, NOMINAL_F0_HZ, locked_table, nominal_sensor, truth_of
from numpy.typing import NDArray

from labctl.estimation.cross_spectrum import BandMatrix, CrossSpectrumAccumulator
from labctl.estimation.network import (
    NetworkCovariance,
    conditional_variances,
    marginal_variances,
    optimal_combination,
    relative_to_shot,
    weighted_sum,
)
from labctl.physics.line_shape import lorentzian
from labctl.simulation.baseband import BLOCK_SAMPLES, Baseband
from labctl.simulation.detector_spectra import summed_variance
from labctl.simulation.table import SimulatedTable
from labctl.simulation.truth import Truth

ANALYSIS_HZ = 4.3205e6
DELAY_FACTORS = (-1.35, -0.45, 0.45, 1.35)
TOLERANCE_DB = 0.05
DRAWS = 40_000
RATE_HZ = 15.625e6

T = TypeVar("T")


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
    state = table.detectors.state()
    light = state.light()
    return Reductions(
        marginal=decibels(light.marginal()),
        raw=decibels(summed_variance(state, np.array([ANALYSIS_HZ]))),
        rephased=decibels(np.linalg.eigvalsh(light.matrix())[0]),
        conditional=decibels(light.conditional()),
    )


def found_by_estimators(network: NetworkCovariance, gain: NDArray[np.float64]) -> Reductions:
    """Return what the estimators of the project make of measured matrices; they know nothing of the table."""
    return Reductions(
        marginal=decibels(np.array([estimate.value for estimate in marginal_variances(network)])),
        raw=decibels(weighted_sum(network, gain).variance.value),
        rephased=decibels(optimal_combination(network).variance.value),
        conditional=decibels(np.array([estimate.value for estimate in conditional_variances(network)])),
    )


def stream_matrix(stream: Baseband, blocks: int) -> BandMatrix:
    """Return the covariance of a stream without modes in its band; every sample is an average of its own."""
    total = np.zeros((stream.state.count, stream.state.count), dtype=complex)
    for block in stream.blocks(blocks):
        samples = block.astype(complex)
        total += samples.conj() @ samples.T
    averages = blocks * BLOCK_SAMPLES
    half = 0.5 * stream.sample_rate_hz
    return BandMatrix(total / averages, averages, (stream.center_hz - half, stream.center_hz + half))


def check_reductions(found: Reductions, closed: Reductions, expected: Reductions, spread_db: Reductions) -> None:
    """Hold what was measured against the table's closed forms by its spread, and against the independent model."""
    for name, measured in vars(found).items():
        assert abs(measured - vars(closed)[name]) < 3.5 * vars(spread_db)[name], name
        assert abs(measured - vars(expected)[name]) < TOLERANCE_DB, name


@pytest.mark.parametrize("scenario", EXPECTED)
def test_streams_measure_the_decibels_of_the_model(scenario: str) -> None:
    """27 s of 20 kHz beside the resonances, signal and shot noise, through the project's own estimators."""
    table = locked_table(nominal_truth(scenario))
    closed, gain = reductions(table), np.sqrt(table.detectors.state().shot_v2_per_hz)
    signal, shot, dark = (
        stream_matrix(stream, 33) for stream in shuttered(table, lambda: table.detectors.baseband(ANALYSIS_HZ, 20e3))
    )
    found = found_by_estimators(relative_to_shot(signal, shot, dark), gain)
    # Of samples 4.34 sqrt(1/K + 1/K'), K' = K; a marginal or conditional is the mean of four, a third as uncertain
    # together at worst. Phases are new every 0.8 ms: theta^2 of rms 0.1 makes 4 % of the excess of the sum in 1 s.
    samples_db = 4.34 * np.sqrt(2.0 / signal.averages)
    phases_db = 0.036 / np.sqrt(27.0) if scenario == "jitter" else 0.0
    spread_db = float(np.hypot(samples_db, phases_db))
    check_reductions(found, closed, EXPECTED[scenario], Reductions(*[spread_db] * 4))


def shuttered(table: SimulatedTable, take: Callable[[], T]) -> Iterator[T]:
    """Return what `take` makes of signal, shot noise and dark noise."""
    for signal, local_oscillator in ((True, True), (False, True), (False, False)):
        table.set_shutter("signal", signal)
        table.set_shutter("local_oscillator", local_oscillator)
        yield take()


@pytest.mark.parametrize("scenario", EXPECTED)
def test_short_records_measure_the_decibels_of_the_model(scenario: str) -> None:
    check_records(scenario, records=100 if scenario == "delays" else 250)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", EXPECTED)
def test_many_short_records_measure_the_decibels_of_the_model(scenario: str) -> None:
    check_records(scenario, records=1500 if scenario == "delays" else 3000)


def check_records(scenario: str, records: int) -> None:
    """Captures of a digitizer, far apart, through the project's own estimators.

    Delays matter at the frequency where they are read, phase noise at any: without delays a wide band saves records,
    and short ones see more phases.
    """
    table = locked_table(nominal_truth(scenario))
    closed = reductions(table)
    delays = scenario == "delays"
    band, samples = ((4.35e6 + 2e4, 4.6e6), 16384) if delays else ((1.0e6, 4.2e6), 2048)
    state = table.detectors.state()
    if delays:
        closed = replace(closed, raw=decibels(summed_variance(state, np.linspace(*band, 101)).mean()))
    started_at = iter(np.arange(3 * records) * 0.05 + 10.0)

    def matrix() -> BandMatrix:
        accumulator = CrossSpectrumAccumulator(RATE_HZ, band, samples)
        for _ in range(records):
            accumulator.add(table.detectors.records(range(4), float(next(started_at)), RATE_HZ, samples, 8))
        return accumulator.result().mean_over(band)

    signal, shot, dark = shuttered(table, matrix)
    gain = np.sqrt(state.shot_v2_per_hz)
    found = found_by_estimators(relative_to_shot(signal, shot, dark), gain)
    samples_db = 4.34 * np.sqrt(2.0 / signal.averages)
    phases_db = 0.0 if delays else 1.3 / np.sqrt(records)  # one phase each: sqrt(2) of the excess, a fifth of the sum
    spread_db = float(np.hypot(samples_db, phases_db))
    for name, measured in vars(found).items():
        assert abs(measured - vars(closed)[name]) < 3.5 * spread_db, name
    assert spread_db < 0.1


def test_peaks_stand_as_high_over_shot_noise_as_in_the_model() -> None:
    """5.8 in one detector and 1.7 in the sum, floor included, both to 3 %, from five minutes around one mode."""
    table = locked_table(nominal_truth("delays"))
    state = table.detectors.state()
    stream = table.detectors.baseband(ANALYSIS_HZ, 250e3).around(2, 2.5e3)
    gain = np.sqrt(state.shot_v2_per_hz)
    raw = float(summed_variance(state, np.array([stream.center_hz]))[0])
    offset = np.fft.fftfreq(BLOCK_SAMPLES, 1.0 / stream.sample_rate_hz)
    near = np.abs(offset) < 41.0
    line = lorentzian(offset[near], 0.0, 41.0)
    dark = 0.01 + 3e-4
    models = state.light().marginal()[2] + dark + 5.0 * line, raw + dark + 5.0 / 4.0 * line
    ratios = []
    for block in stream.blocks(46):
        one, joint = (
            np.abs(np.fft.fft(x)[near]) ** 2 / BLOCK_SAMPLES for x in (block[2], gain @ block / np.linalg.norm(gain))
        )
        ratios.append([np.mean(one / models[0]), np.mean(joint / models[1])])
    found = np.mean(ratios, axis=0)
    assert np.count_nonzero(near) * 46 > 24_000  # 0.65 % standard error, so that 3 % are more than four of them
    assert found == pytest.approx([1.0, 1.0], abs=0.03)
    assert models[0].max() == pytest.approx(5.8, rel=0.03)
    assert models[1].max() == pytest.approx(1.7, rel=0.03)


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
