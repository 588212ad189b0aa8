"""What the results say of the network, and when a level does not hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from network_rows import loops, result, results

from labctl.bus.messages import LoopRow, ResultRow
from labctl.dashboard.network_results import (
    Doubts,
    advantages,
    best_joint,
    by_name,
    errors_of_the_mean,
    expected_advantage_db,
    forces,
    levels,
    weights,
)

NAMED = by_name(results(4))


def doubts(*unlocked: str, stale: str = "", named: dict[str, ResultRow] | None = None) -> Doubts:
    return Doubts(named or NAMED, loops(4, *unlocked), lambda loop: loop.name == stale)


def test_results_come_in_natural_order() -> None:
    names = list(by_name([result(f"sensor{n}.marginal_db", 0.0) for n in (10, 2, 1)]))
    assert names == ["sensor1.marginal_db", "sensor2.marginal_db", "sensor10.marginal_db"]


@pytest.mark.parametrize(
    ("unlocked", "name", "why"),
    [
        ((), "joint.raw_db", ""),
        (("lo2",), "joint.raw_db", "LO2 is not locked (scan)"),
        (("lo2",), "sensor2.marginal_db", "LO2 is not locked (scan)"),
        (("lo2",), "sensor1.marginal_db", ""),
        (("lo2",), "sensor1.conditional_db", "LO2 is not locked (scan)"),
        (("pump",), "sensor1.individual_db", "PUMP is not locked (scan)"),
        (("cav1",), "joint.raw_db", ""),
        (("opa", "lo1", "lo2", "lo3"), "source.squeezing_db", "OPA, LO1, LO2 and 1 more are not locked"),
        (("opa", "lo1"), "sensor1.clearance_db", ""),
        (("opa", "lo1"), "sensor1.f0_hz", ""),
    ],
)
def test_a_level_needs_its_locks(unlocked: tuple[str, ...], name: str, why: str) -> None:
    assert doubts(*unlocked).of(name) == why


def test_a_loop_that_was_not_looked_at_is_no_lock() -> None:
    assert doubts(stale="lo3").of("joint.raw_db") == "LO3 is STALE"
    nobody = Doubts(NAMED, [], lambda loop: False)
    assert nobody.of("joint.raw_db") == "the locks are not known"
    every = Doubts(NAMED, loops(4), lambda loop: True)
    assert every.of("joint.raw_db") == "OPA, PUMP, LO1 and 3 more are STALE"


@pytest.mark.parametrize(
    ("clearance", "name", "why"),
    [
        (10.0, "sensor2.marginal_db", "the clearance of sensor 2 is 10.0 dB, not above 10 dB"),
        (10.1, "sensor2.marginal_db", ""),
        (9.0, "sensor1.marginal_db", ""),
        (9.0, "individual.mean_db", "the clearance of sensor 2 is 9.0 dB, not above 10 dB"),
        (float("nan"), "sensor2.individual_db", "the clearance of sensor 2 is not measured"),
    ],
)
def test_a_level_needs_clearance_over_dark_noise(clearance: float, name: str, why: str) -> None:
    named = {**NAMED, "sensor2.clearance_db": replace(NAMED["sensor2.clearance_db"], value=clearance)}
    assert doubts(named=named).of(name) == why


def test_levels_that_were_not_measured_are_left_out() -> None:
    named = {key: row for key, row in NAMED.items() if key != "sensor3.marginal_db"}
    named["joint.raw_db"] = replace(named["joint.raw_db"], value=float("nan"))
    found = {level.result.name for level in levels(named, doubts())}
    assert len(found) == 4 * 3 + 4 - 2
    assert not {"sensor3.marginal_db", "joint.raw_db"} & found
    assert best_joint(named) is named["joint.rephased_db"]


def test_the_advantage_is_of_the_joint_level_over_one_sensor() -> None:
    raw, _, rephased = advantages(NAMED, doubts("lo1"), 4)
    assert (raw.value, raw.sigma) == pytest.approx((2.93, 0.02236), rel=1e-3)
    assert rephased.value == pytest.approx(3.79)
    assert raw.doubt == "LO1 is not locked (scan)"
    assert advantages({"joint.raw_db": NAMED["joint.raw_db"]}, doubts(), 4) == ()


def test_an_even_split_leaves_one_sensor_its_share() -> None:
    assert expected_advantage_db(-4.57, 1) == pytest.approx(0.0, abs=1e-12)
    assert expected_advantage_db(-4.57, 4) == pytest.approx(3.798, abs=1e-3)
    assert expected_advantage_db(-4.57, 1e9) == pytest.approx(4.57)


def test_errors_of_the_mean_are_those_of_m_sensors() -> None:
    lines = {line.label: line for line in errors_of_the_mean(NAMED, doubts(), 4)}
    assert lines["coherent light"].value == 0.25
    assert lines["re-phased sum"].value == pytest.approx(0.25 * 10 ** (-4.57 / 20))
    assert lines["re-phased sum"].sigma == pytest.approx(lines["re-phased sum"].value * 0.03 / 8.686, rel=1e-3)
    assert errors_of_the_mean({}, doubts(), 4) == ()


def test_forces_and_weights_are_told_where_there_are_any() -> None:
    assert forces(NAMED) == weights(NAMED) == ()
    rows = [result("force.mean_resolution", 1.1e-18, 1e-20, "N"), result("sensor2.force_resolution", 2e-18, unit="N")]
    named = by_name([*rows, result("sensor2.weight", 0.5, 0.01, "")])
    assert [line.label for line in forces(named)] == ["mean resolution", "sensor 2 resolution"]
    assert [(line.label, line.value) for line in weights(named)] == [("sensor 2", 0.5)]


def test_a_sensor_without_a_homodyne_loop_is_in_doubt() -> None:
    others: list[LoopRow] = [loop for loop in loops(4) if loop.name != "lo4"]
    found = Doubts(NAMED, others, lambda loop: False)
    assert found.of("sensor4.marginal_db") == "no homodyne lock of sensor 4 is known"
