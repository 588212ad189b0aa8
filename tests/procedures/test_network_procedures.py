"""Calibrating the network, sharing its light in other ways, and what that does to the joint noise: on the wire, against
what is true of the simulated table."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from procedure_bench import LockedTable

from labctl.errors import ConfigurationError, LimitError, StoreError
from labctl.spectra.estimate import Estimate
from labctl.store.records import NamedResult
from procedures.bench import Bench
from procedures.extraction_efficiency import ExtractionEfficiency
from procedures.network_scaling import NetworkScaling, numbers_of_sensors
from procedures.network_settings import StageSetting, equal_weights, wanted_taps
from procedures.network_weights import NetworkWeights

SIGMAS = 4.5  # 7e-6 of all right estimates are farther away
LEAST, LARGEST = 0.005, 0.999  # what leaks at a polarizing beam splitter of the simulated table


@pytest.fixture(scope="module")
def table() -> Iterator[LockedTable]:
    made = LockedTable.make(seed=5, scenario="ideal")
    yield made
    made.opened.station.close()


@pytest.fixture(scope="module")
def calibrated(table: LockedTable) -> Bench:
    """Return a bench whose record holds a calibration of the network."""
    bench = table.fresh_bench()
    table.run(NetworkWeights, bench)
    return bench


def shares(table: LockedTable) -> np.ndarray:
    return np.asarray(table.opened.table.plates.network_shares())


def assert_near(found: NamedResult, true: float) -> None:
    assert found.sigma > 0.0
    assert abs(found.value - true) < SIGMAS * found.sigma, f"{found.name}: {found.value} +- {found.sigma}, not {true}"


def test_the_network_is_calibrated_and_shares_equally(table: LockedTable, calibrated: Bench) -> None:
    named = calibrated.record.results()
    left = 1.0
    for stage, share in enumerate(shares(table)[:-1], start=1):
        assert_near(named[f"network.stage{stage}_zero_deg"], table.opened.table.truth.plate_zero_deg(f"network{stage}"))
        assert_near(named[f"network.stage{stage}_extinction"], LEAST / LARGEST)
        assert_near(named[f"network.stage{stage}_largest_tap"], LARGEST)
        assert_near(named[f"network.stage{stage}_tap"], share / left)
        assert share / left == pytest.approx(1.0 / (5 - stage), abs=2e-3)  # 25:75, 33:67, 50:50
        left -= share
    for sensor, share in enumerate(shares(table), start=1):
        assert_near(named[f"sensor{sensor}.weight"], share)
        assert named[f"sensor{sensor}.weight"].sigma < 1e-3
    traces = calibrated.record.traces  # type: ignore[attr-defined]
    assert [trace.name for trace in traces] == [f"network.stage{k}_scan" for k in (3, 2, 1)]
    assert all(trace.values.shape == (4, trace.axis.size) and trace.valid for trace in traces)
    machines = table.bench.supervisor.machines
    assert all(machines[f"cavity{n}"].is_locked for n in range(1, 5))
    assert all(machines[f"lo{n}"].wanted and not machines[f"lo{n}"].parked for n in range(1, 5))


def test_other_weights_by_the_last_calibration(table: LockedTable, calibrated: Bench) -> None:
    wanted = [0.4, 0.3, 0.2, 0.1]
    began_at = table.bench.clock.now()
    table.run(NetworkWeights, calibrated, weights="0.4, 0.3, 0.2, 0.1", scan=False)
    assert shares(table) == pytest.approx(wanted, abs=2e-3)
    named = calibrated.record.results()
    for sensor, share in enumerate(shares(table), start=1):
        assert_near(named[f"sensor{sensor}.weight"], share)
    assert table.bench.clock.now() - began_at < 60.0
    table.run(NetworkWeights, calibrated, scan=False)
    assert shares(table) == pytest.approx([0.25] * 4, abs=2e-3)


def test_weights_that_are_none_are_named(table: LockedTable) -> None:
    for wrong in ("0.5, 0.5", "0.5, 0.5, 0.5, 0.5", "a, b, c, d"):
        with pytest.raises(ConfigurationError):
            table.run(NetworkWeights, weights=wrong)
    with pytest.raises(StoreError, match=r"no result sensor1\.light_scale"):
        table.run(NetworkWeights, scan=False)


def test_the_joint_noise_against_the_number_of_sensors(table: LockedTable, calibrated: Bench) -> None:
    with pytest.raises(StoreError, match=r"no result network\.channel_efficiency"):
        table.run(NetworkScaling, table.fresh_bench())
    calibrated.record.add_result(NamedResult("network.channel_efficiency", 0.819, 0.006, "", "", "earlier"))
    table.run(NetworkScaling, calibrated, records=10, fewest=2)
    named = calibrated.record.results()
    for lit in (4, 3, 2):
        joint = named[f"advantage.m{lit}_joint_db"]
        assert abs(joint.value - -4.7) < SIGMAS * joint.sigma + 0.15  # its loops and cavities add as much
        entangled, separable = (named[f"advantage.m{lit}_rmse_{kind}"].value for kind in ("entangled", "separable"))
        assert entangled == pytest.approx(math.sqrt(10 ** (joint.value / 10) / (4 * lit)))
        assert named[f"advantage.m{lit}_percent"].value == pytest.approx(100 * (separable / entangled - 1))
        assert entangled < separable < named[f"advantage.m{lit}_rmse_marginal"].value
        assert "expected" in named[f"advantage.m{lit}_rmse_separable"].convention
    assert "advantage.m1_joint_db" not in named
    assert shares(table) == pytest.approx([0.25] * 4, abs=2e-3)
    machines = table.bench.supervisor.machines
    assert all(machine.is_locked for machine in machines.values())
    assert not [event for event in calibrated.record.events if event.level == "error"]  # type: ignore[attr-defined]


def test_the_extraction_of_a_sensor(table: LockedTable) -> None:
    plate, truth = table.opened.table.wave_plates["extraction2"], table.opened.table.truth
    plate.set_angle(truth.plate_zero_deg("extraction2") + 25.0)  # whoever left it there lost light
    table.opened.table.elapse(0.2)
    lost = table.opened.table.plates.extraction()[1]
    assert lost == pytest.approx(math.sin(math.radians(50.0)) ** 2)
    ran = table.run(ExtractionEfficiency, sensor=2)
    assert_near(ran.record.named["sensor2.extraction"], lost)
    found = ran.record.named["sensor2.extraction_deg"]
    apart = math.remainder(found.value - truth.plate_zero_deg("extraction2") - 45.0, 90.0)
    assert abs(apart) < SIGMAS * found.sigma < 1.0
    assert table.opened.table.plates.extraction()[1] > 0.999
    assert [trace.name for trace in ran.record.traces] == ["sensor2.extraction_scan"]
    assert table.bench.supervisor.machines["lo2"].wanted


def test_numbers_taps_and_reach() -> None:
    assert numbers_of_sensors(4, 1) == [4, 3, 2, 1]
    assert numbers_of_sensors(4, 3) == [4, 3]
    assert numbers_of_sensors(64, 4) == [64, 32, 16, 8, 4]
    assert numbers_of_sensors(1, 1) == [1]
    assert wanted_taps(equal_weights(4, 2)) == pytest.approx({1: 0.5, 2: 1.0})
    poor = StageSetting(2, Estimate(40.0, 0.01, "deg"), 0.1, 0.1, 0.9)
    assert poor.tap_at(poor.angle_deg(0.5)).value == pytest.approx(0.5)
    assert poor.tap_at(poor.angle_deg(0.91)).value == pytest.approx(0.9)
    with pytest.raises(LimitError, match=r"Stage 2 of the network cannot take 100\.0 % of its light"):
        poor.angle_deg(1.0)
