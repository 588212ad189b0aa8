"""What a station file asks to go wrong goes wrong on the simulated table, when it should and as much as it should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from ideal_table import LIGHT, build, lock_homodyne, lock_source, truth_of, warm
from pydantic import TypeAdapter

from labctl.configuration.disturbances import Disturbance
from labctl.simulation.disturbances import Disturber
from labctl.simulation.room import KICK_PATH_RAD, KICK_STAYS, Room
from labctl.simulation.table import SimulatedTable
from labctl.simulation.truth import Scenario, draw_truth

TICK_S = 0.1
HOUR_S = 3600.0
_DISTURBANCE: TypeAdapter[Disturbance] = TypeAdapter(Disturbance)


def disturbance(kind: str, **values: Any) -> Disturbance:
    return _DISTURBANCE.validate_python({"kind": kind, **values})


def run(room: Room, disturbances: Sequence[Disturbance], seconds: float, seed: int = 1) -> Disturber:
    disturber = Disturber(disturbances, room, seed)
    for tick in range(1, round(seconds / TICK_S) + 1):
        disturber.advance(tick * TICK_S)
    return disturber


def disturbed(*disturbances: Disturbance) -> SimulatedTable:
    """Return a table at its working point on which disturbances begin now."""
    table = build(truth_of("ideal", seed=2)).table
    for shutter in ("signal", "local_oscillator", "pump"):
        table.set_shutter(shutter, True)
    warm(table)
    lock_source(table)
    lock_homodyne(table)
    table.disturber = Disturber(disturbances, table.room, 1)
    return table


def test_kicks_come_at_random_at_the_rate_that_was_asked_for() -> None:
    room = Room(TICK_S, 4)
    disturber = Disturber([disturbance("kicks", every="10 s")], room, 1)
    for tick in range(1, 40001):
        disturber.advance(tick * TICK_S)
    times = [happening.at for happening in disturber.happened]
    assert abs(len(times) - 400) < 3.3 * math.sqrt(400)  # 99.9 % of a Poisson count
    gaps = np.diff(times)
    assert np.std(gaps) == pytest.approx(10.0, rel=0.25)  # exponential: as wide as it is long


def test_a_kick_jumps_and_mostly_comes_back() -> None:
    sizes, rests = [], []
    for seed in range(1, 201):
        room = Room(TICK_S, 1)
        disturber = Disturber([disturbance("kicks", after=1.0)], room, seed)
        for tick in range(1, 11):
            disturber.advance(tick * TICK_S)
        sizes.append(room.path[0].value)
        for tick in range(11, 200):
            disturber.advance(tick * TICK_S)
        rests.append(room.path[0].value)
    assert np.std(sizes) == pytest.approx(KICK_PATH_RAD, rel=3.3 / math.sqrt(400))
    assert np.allclose(rests, KICK_STAYS * np.array(sizes), rtol=1e-6)


def test_a_slammed_door_is_loud_for_three_seconds() -> None:
    room = Room(TICK_S, 2)
    disturber = Disturber([disturbance("door_slam", after=2.0)], room, 1)
    loud = []
    for tick in range(1, 101):
        disturber.advance(tick * TICK_S)
        loud.append(room.loudness > 1.0)
    assert loud.index(True) * TICK_S == pytest.approx(1.9)
    assert sum(loud) * TICK_S == pytest.approx(3.0, abs=0.11)
    assert [happening.kind for happening in disturber.happened] == ["door_slam"]


def test_power_drops_and_comes_back() -> None:
    table = disturbed(disturbance("power_drop", after=0.0, share=0.5, lasting=5.0))
    before = table.sensors[0].local_oscillator_w
    table.elapse(1.0)
    assert table.sensors[0].local_oscillator_w == pytest.approx(0.5 * before)
    assert table.sensors[0].probe_power_w < 0.5 * LIGHT.probe_power_w  # the pump is weaker too
    table.elapse(10.0)
    assert table.sensors[0].local_oscillator_w == pytest.approx(before)


def test_a_mode_hop_throws_the_source_off_resonance() -> None:
    table = disturbed(disturbance("mode_hop", after=0.0, jump="0.6 GHz"))
    assert table.source.transmission_now() > 0.95
    table.elapse(0.1)  # the loop finds no error signal so far from resonance
    assert abs(table.room.laser_hop_hz) == 0.6e9
    assert table.source.transmission_now() < 0.5


def test_oven_drift_moves_the_crystal_away_from_its_sensor() -> None:
    table = disturbed(disturbance("oven_drift", per_hour="0.1 K"))
    start = table.now()
    table.disturber = Disturber([disturbance("oven_drift", per_hour="0.1 K", after=start)], table.room, 1)
    table.elapse(360.0)
    assert table.source.crystal_c - table.oven.crystal_c == pytest.approx(0.01, rel=1e-3)


def test_a_drift_of_the_path_rails_a_loop_that_nobody_unwinds() -> None:
    table = disturbed()
    table.disturber = Disturber([disturbance("path_drift", sensor=2, rad_per_s=0.8, after=table.now())], table.room, 1)
    others = [sensor for number, sensor in enumerate(table.sensors) if number != 1]
    table.elapse(60.0)  # 48 rad are 15 half fringes; the piezo has nine
    railed = table.sensors[1].servo.conditions()
    assert railed.upper_limit or railed.lower_limit
    assert all(not (s.servo.conditions().upper_limit or s.servo.conditions().lower_limit) for s in others)


def test_a_dying_photodiode_unbalances_its_detector() -> None:
    table = disturbed()
    table.disturber = Disturber(
        [disturbance("dying_photodiode", sensor=3, after=table.now(), lifetime=600.0)], table.room, 1
    )
    before = [sensor._level(0.0) for sensor in table.sensors]
    table.elapse(60.0)
    after = [sensor._level(0.0) for sensor in table.sensors]
    lost = 1.0 - math.exp(-0.1)
    expected_v = 0.5 * lost * LIGHT.responsivity_a_per_w * LIGHT.local_oscillator_w * LIGHT.dc_volts_per_ampere
    assert after[2] - before[2] == pytest.approx(expected_v, rel=0.01)
    assert after[:2] == pytest.approx(before[:2])


def test_a_doublet_is_a_property_of_the_membrane() -> None:
    asked = disturbance("membrane_doublet", sensor=2, split="300 Hz", share=0.2)
    truth = draw_truth(1, Scenario.IDEAL, [4.3e6] * 3, [asked])  # type: ignore[list-item]
    assert [sensor.doublet_split_hz for sensor in truth.sensors] == [0.0, 300.0, 0.0]
    assert [sensor.doublet_share for sensor in truth.sensors] == [0.0, 0.2, 0.0]
    plain = draw_truth(1, Scenario.IDEAL, [4.3e6] * 3)
    assert [sensor.f0_hz for sensor in plain.sensors] == [sensor.f0_hz for sensor in truth.sensors]


def test_cavities_drift_at_rates_of_their_own() -> None:
    room = Room(TICK_S, 500)
    run(room, [disturbance("cavity_drift", per_minute=3e-9)], 60.0)
    assert np.std(room.cavity_drift_m) == pytest.approx(3e-9, rel=3.3 / math.sqrt(1000))


def test_the_same_seed_brings_the_same_disturbances() -> None:
    wanted = [disturbance("kicks", every="5 s"), disturbance("mode_hop", every="20 s")]
    first, second, other = (run(Room(TICK_S, 4), wanted, 200.0, seed).happened for seed in (1, 1, 2))
    assert first == second != other


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "earthquake"},
        {"kind": "kicks", "every": "-1 s"},
        {"kind": "power_drop", "share": 1.5},
        {"kind": "dying_photodiode"},
        {"kind": "mode_hop", "jump": "1 K"},
    ],
)
def test_a_wrong_disturbance_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        _DISTURBANCE.validate_python(bad)
