"""Tables of any number of sensors, every instrument on the wire: bring-up, locks, records, nights, and what comes out
against the closed forms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ideal_table import OpenTable, open_table
from in_process import run_labctl
from many_sensors import keep_draws, locked_table_for, station_for

from labctl.estimation.cross_spectrum import BandMatrix, CrossSpectrumAccumulator
from labctl.estimation.network import (
    conditional_variances,
    marginal_variances,
    optimal_combination,
    relative_to_shot,
    weighted_sum,
)
from labctl.physics.shared_state import shared_state
from labctl.simulation.design import design_of
from labctl.simulation.reveal import reveal
from labctl.simulation.working_point import WorkingPoint
from labctl.spectra.estimate import Estimate
from labctl.store.reader import RunReader
from procedures.bench import Bench, MemoryRecord
from procedures.frequencies import KEEP_AWAY_HZ

SHORT_RECIPE = Path(__file__).parents[1] / "commands" / "short_recipe.toml"
STEPS, STEPS_EACH = 7, 2  # of that recipe: once, and for each sensor
OF_EACH_SENSOR = (
    *("f0_hz", "gamma_hz", "peak_to_shot", "individual_db", "marginal_db", "conditional_db"),
    *("clearance_db", "visibility", "lock_residual_rad"),
)
OF_ALL_SENSORS = {
    *("source.pump_parameter", "source.squeezing_db", "network.channel_efficiency", "individual.mean_db"),
    *("joint.clearance_db", "joint.raw_db", "joint.digital_db", "joint.rephased_db"),
}
DESIGN_VALUES = ("peak_to_shot",)  # alignment and cavity length of the night lower it, and no file knows them
SIGMAS = 4.0  # 6e-5 of all right estimates are farther away


# ---- joint results against the closed forms --------------------------------------------------------------------------


def mean_matrix(opened: OpenTable, records: int) -> BandMatrix:
    """Return the mean of the cross-spectral matrix of records from the wire, the resonances left out."""
    digitizer, found = opened.station.digitizer, [sensor.f0_hz for sensor in opened.table.truth.sensors]
    band = (min(found) - 200e3, max(found) + 200e3)
    accumulator = CrossSpectrumAccumulator(digitizer.sample_rate_hz, band, 16384)
    for _ in range(records):
        accumulator.add(digitizer.record())
    return accumulator.result().mean_over(band, [(f - KEEP_AWAY_HZ, f + KEEP_AWAY_HZ) for f in found])


def far(what: str, estimate: Estimate, expected: float) -> Iterator[str]:
    """Yield a sentence where an estimate is too far from what it must be."""
    assert 0.0 < estimate.sigma < 0.1 * expected, what
    if abs(estimate.value - expected) > SIGMAS * estimate.sigma:
        yield f"{what}: {estimate.value:.4f} +- {estimate.sigma:.4f}, expected {expected:.4f}"


@pytest.mark.parametrize("sensors", [2, 8])
def test_records_of_all_boards_have_the_covariance_of_one_shared_beam(sensors: int) -> None:
    """6 numbers of 2 sensors and 18 of 8, each within four standard uncertainties: 0.1 % of all seeds would fail."""
    opened = locked_table_for(sensors, seed=3)
    signal = mean_matrix(opened, 20)
    opened.station.shutters["signal"].close()
    shot = mean_matrix(opened, 20)
    opened.station.shutters["local_oscillator"].close()
    network = relative_to_shot(signal, shot, mean_matrix(opened, 10))

    point = WorkingPoint(opened.table.truth, design_of(opened.station.file))
    share = point.weights() * point.efficiency()
    light = shared_state(
        *point.source(), share, 0.0, point.common_jitter_rad(), private_jitter_rad=point.private_jitter_rad()
    )
    problems = [
        *far("sum", weighted_sum(network).variance, float(light.summed(1.0, 0.0, 4.32e6))),
        *far("best sum", optimal_combination(network).variance, float(light.weighted_sum(np.sqrt(share)))),
    ]
    for number, (alone, given) in enumerate(
        zip(marginal_variances(network), conditional_variances(network), strict=True)
    ):
        problems += far(f"sensor {number + 1} alone", alone, float(light.marginal()[number]))
        problems += far(f"sensor {number + 1} given the others", given, float(light.conditional()[number]))
    assert problems == []
    assert float(light.marginal().min()) > 1.0 - 0.7 / sensors  # and the test sees that each has only its share


# ---- many sensors ----------------------------------------------------------------------------------------------------


def test_a_record_of_16_sensors_is_one_draw() -> None:
    opened = open_table(station_for(16), warmed=False)
    assert len(opened.station.health()) == len(opened.station.file.instruments) == 36
    assert all(health.answers for health in opened.station.health())
    drawn = keep_draws(opened)
    record = opened.station.digitizer.record()
    assert record.shape == (16, 16384)
    (draw,) = drawn
    np.testing.assert_allclose(record, draw, atol=0.51 / 8192)


@pytest.mark.parametrize("sensors", [16, pytest.param(64, marks=pytest.mark.slow)])
def test_a_large_table_comes_up_locks_and_records(sensors: int) -> None:
    opened = open_table(station_for(sensors))
    station = opened.station
    assert all(health.answers for health in station.health())
    bench = Bench.of(station, MemoryRecord())
    bench.supervisor.bring_up([f"lo{sensors}"], bench.clock.sleep)
    for loop in [*bench.loops.source, bench.loops.of_sensor(sensors)]:
        assert loop.verify().locked, loop.name
    drawn = keep_draws(opened)
    record = station.digitizer.record()
    assert record.shape == (sensors, 16384)
    (draw,) = drawn
    np.testing.assert_allclose(record, draw, atol=0.51 / 8192)
    assert station.make_safe() == []


# ---- nights ----------------------------------------------------------------------------------------------------------


def short_night(folder: Path, sensors: int) -> RunReader:
    """Run the short recipe on a table of so many sensors, through the command line."""
    assert run_labctl("init", folder, "--sensors", sensors).returncode == 0
    done = run_labctl(
        *("overnight", folder / "simulated.toml", "--recipe", SHORT_RECIPE),
        *("--runs", folder / "runs", "--no-report"),
    )
    steps = STEPS + STEPS_EACH * sensors
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Run complete, {steps} of {steps} steps." in done.stdout
    (run,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    return RunReader(run)


def far_from_the_truth(run: RunReader, sensors: int) -> list[str]:
    """Return the results that are too far from what is true of the table; every promised one must be there."""
    results = run.results()
    problems = []
    true = [number for number in reveal(run.path).numbers if number.name in results]
    promised = {f"sensor{n}.{name}" for n in range(1, sensors + 1) for name in OF_EACH_SENSOR} | OF_ALL_SENSORS
    assert promised <= {number.name for number in true}
    for number in true:
        result = results[number.name]
        away = abs(result.value - number.value)
        if away > SIGMAS * math.hypot(result.sigma, number.wander) and not number.name.endswith(DESIGN_VALUES):
            problems.append(f"{number.name}: {result.value:g} +- {result.sigma:g}, true {number.value:g}")
    return problems


def test_a_night_of_one_sensor_measures_its_detector_three_times(tmp_path: Path) -> None:
    """10 numbers and what follows from them within four standard uncertainties."""
    run = short_night(tmp_path, 1)
    assert far_from_the_truth(run, 1) == []
    results = run.results()
    alone = results["individual.mean_db"]
    for name in ("joint.raw_db", "joint.digital_db", "joint.rephased_db", "sensor1.conditional_db"):
        assert abs(results[name].value - alone.value) < SIGMAS * math.hypot(results[name].sigma, alone.sigma), name


@pytest.mark.slow
@pytest.mark.parametrize("sensors", [2, 8])
def test_a_night_of_more_or_fewer_sensors(tmp_path: Path, sensors: int) -> None:
    """Some 20 and 70 numbers within four standard uncertainties: 0.1 % and 0.5 % of all seeds would fail."""
    assert far_from_the_truth(short_night(tmp_path, sensors), sensors) == []
