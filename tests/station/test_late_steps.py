"""Periodic steps of an output that come late because another command held the clock: the next one, back on its beat,
comes soon after, and both together keep the slew."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from limits_bench import SmallTable, small_station

from labctl.station.bindings.software_servo import SoftwareServo

HELD_S = (0.35, 0.75, 1.3)
SHORTLY_HELD_S = (0.05, 0.13, 0.22, 0.06, 0.08, 0.17)


@pytest.fixture
def table() -> Iterator[SmallTable]:
    """The table with a servo that is this program, and with an oven whose controller does not ramp."""
    table = SmallTable(small_station(software=True))
    yield table
    table.close()


def hold_the_clock(table: SmallTable, seconds: float) -> None:
    """Let somebody hold the wires in one piece, as a motion of a rotator does."""
    table.simulation.table.elapse(seconds)
    table.station.clock.sleep(1e-3)


@pytest.mark.parametrize("held_s", HELD_S)
def test_an_oven_is_not_sent_faster_after_a_late_step(table: SmallTable, held_s: float) -> None:
    table.station.oven.set_target(35.0, 0.0195)
    for _ in range(4):
        table.station.clock.sleep(0.9)
        hold_the_clock(table, held_s)
    table.station.clock.sleep(5.0)
    assert table.last("oven.target") > 25.05
    assert table.simulation.outputs["oven.target"].excess < 0.0195 + 1e-3
    assert table.beyond() == []


def test_a_servo_of_this_program_loses_no_step_after_a_late_one(table: SmallTable) -> None:
    servo = table.station.servos["lo1"]
    assert isinstance(servo, SoftwareServo)
    for end_v in (4.0, -4.0):
        servo.set_output(-end_v)
        servo.close_loop(9.0, math.copysign(5e3, end_v))
        for held_s in SHORTLY_HELD_S:
            table.station.clock.sleep(0.11)
            hold_the_clock(table, held_s)
        assert servo.timing.late_steps > 0
        assert servo.timing.lost_steps == 0
        servo.hop(0.0)
    assert table.beyond() == []
