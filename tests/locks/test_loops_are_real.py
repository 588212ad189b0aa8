"""Loops on the simulated table fail as loops on glass do: wrong sign, too much gain, a drift that nobody unwinds."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from ideal_table import OpenTable, open_table, phase_error_rad, station_at

from labctl.locks.homodyne import TOLERANCE, HomodyneLock
from labctl.locks.loops import Loops, build_loops
from labctl.simulation.disturbances import Disturber, wanted

WINDOW_S = 0.05
TOO_MUCH = 30.0
RAD_PER_S = 0.8


@pytest.fixture(scope="module")
def opened() -> Iterator[OpenTable]:
    opened = open_table(station_at(33))
    yield opened
    opened.station.close()


@pytest.fixture(scope="module")
def built(opened: OpenTable) -> Loops:
    return build_loops(opened.station)


@pytest.fixture
def loops(opened: OpenTable, built: Loops) -> Loops:
    """Source and first homodyne phase locked, whatever the test before did to them."""
    opened.table.disturber = Disturber([], opened.table.room, 1)
    for loop in [*built.source, built.homodyne[0]]:
        assert loop.verify().locked or loop.acquire().locked
    return built


def held_gain(opened: OpenTable, number: int) -> tuple[float, float]:
    """Return set point in V and signed integral gain in 1/s of a closed homodyne loop, as its module has them."""
    settings = opened.table.sensors[number].servo.settings
    return settings.setpoint_v, settings.proportional_gain * settings.integral_gain


def readings(opened: OpenTable, loop: HomodyneLock, count: int = 100) -> np.ndarray:
    """Return the phase from the lock point as the monitor sees it, in rad."""
    values = []
    for _ in range(count):
        values.append(loop.read().error)
        opened.station.clock.sleep(WINDOW_S)
    return np.array(values)


def test_a_good_loop_leaves_ten_to_thirty_milliradians(opened: OpenTable, loops: Loops) -> None:
    for loop in loops.homodyne[1:]:
        assert loop.acquire().locked
    for loop, sensor in zip(loops.homodyne, opened.table.sensors, strict=True):
        seen = readings(opened, loop)
        # 100 readings of a Gaussian: 99.9 % of rms values are within 3.3 / sqrt(200); the detector adds 1.4 mrad.
        assert float(np.std(seen)) == pytest.approx(sensor.residual_rad(), rel=3.3 / math.sqrt(200) + 0.05)
        assert 9e-3 < sensor.residual_rad() < 30e-3


def test_the_wrong_sign_never_settles_on_the_wanted_point(opened: OpenTable, loops: Loops) -> None:
    loop, sensor = loops.homodyne[0], opened.table.sensors[0]
    setpoint_v, gain = held_gain(opened, 0)
    loop.servo.hold()
    assert abs(phase_error_rad(sensor, 1)) < 0.5  # it drifts while the servo is asked
    loop.servo.close_loop(setpoint_v, -gain)
    for _ in range(20):
        opened.station.clock.sleep(0.5)
        assert abs(phase_error_rad(sensor, 1)) > 2.5


def test_the_wrong_sign_throws_the_source_off_its_resonance(opened: OpenTable, loops: Loops) -> None:
    servo = opened.table.source.length_servo
    length = loops.source[0]
    assert opened.table.source.transmission_now() > 0.9
    length.servo.close_loop(0.0, -servo.settings.proportional_gain * servo.settings.integral_gain)
    for _ in range(10):
        opened.station.clock.sleep(0.5)
        assert opened.table.source.transmission_now() < 0.2
    assert not length.verify().locked


def test_thirty_times_the_gain_oscillates(opened: OpenTable, loops: Loops) -> None:
    loop = loops.homodyne[0]
    setpoint_v, gain = held_gain(opened, 0)
    assert float(np.std(readings(opened, loop))) < 0.05
    loop.servo.close_loop(setpoint_v, TOO_MUCH * gain)
    assert float(np.std(readings(opened, loop))) > TOLERANCE.rms
    verdict = loop.verify()
    assert not verdict.locked
    assert verdict.residual > TOLERANCE.rms
    loop.servo.close_loop(setpoint_v, gain)  # and with the right gain it is quiet again
    assert float(np.std(readings(opened, loop))) < 0.05


def test_a_drift_rails_a_loop_that_nobody_unwinds(opened: OpenTable, loops: Loops) -> None:
    loop, table = loops.homodyne[0], opened.table
    drift = wanted.PathDrift(kind="path_drift", sensor=1, rad_per_s=RAD_PER_S, after=table.now())
    table.disturber = Disturber([drift], table.room, 1)
    servo_v = 2.0 * loop.servo.output_limit_v
    loop_rad = math.pi * servo_v * 15.0 / table.sensors[0].truth.volts_per_pi
    assert loop.verify().locked
    opened.station.clock.sleep(loop_rad / RAD_PER_S)  # at the latest: from one rail to the other
    verdicts = []
    for _ in range(8):  # it falls from rail to fringe and runs to the rail again
        verdicts.append(loop.verify())
        opened.station.clock.sleep(1.0)
    assert any(not verdict.locked and "at its limit" in verdict.reason for verdict in verdicts)
