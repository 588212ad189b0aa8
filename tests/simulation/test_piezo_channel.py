"""A piezo channel stays within what its amplifier can give; the piezo lags, loops and creeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.simulation.piezo import CAVITY_STACK, HIGHEST_V, LOWEST_V, MIRROR_STACK, PiezoChannel, PiezoMaterial

volts = st.floats(-300.0, 300.0)


@given(volts, volts, st.floats(-15.0, 15.0))
def test_output_is_the_sum_within_the_range(setting_v: float, servo_v: float, gain: float) -> None:
    channel = PiezoChannel(gain)
    channel.drive(setting_v)
    given_v = channel.volts(servo_v)
    assert LOWEST_V <= given_v <= HIGHEST_V
    wanted_v = setting_v + gain * servo_v
    if LOWEST_V <= wanted_v <= HIGHEST_V:
        assert given_v == wanted_v
    assert channel.motion_of(np.array([servo_v, 0.0])).tolist() == [given_v, channel.volts(0.0)]


def test_the_external_input_follows_the_servo_that_is_wired_to_it() -> None:
    channel = PiezoChannel(15.0)
    channel.drive(75.0)
    assert (channel.external_volts(), channel.volts_now()) == (0.0, 75.0)
    output_v = 2.0
    channel.wire_servo(lambda: output_v)
    assert (channel.external_volts(), channel.volts_now()) == (30.0, 105.0)
    output_v = 9.0
    assert (channel.external_volts(), channel.volts_now()) == (135.0, HIGHEST_V)


def _loop_v(material: PiezoMaterial) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return voltages and the motion on the way up and down a full scan, after one to forget."""
    channel = PiezoChannel(1.0, material)
    rising = np.linspace(LOWEST_V, HIGHEST_V, 301)
    cycle = np.concatenate([rising, rising[::-1]])
    motion = channel.motion_of(np.concatenate([cycle, cycle]))[cycle.size :]
    return rising, motion[: rising.size], motion[rising.size :][::-1]


@pytest.mark.parametrize("material", [MIRROR_STACK, CAVITY_STACK])
def test_a_full_scan_opens_a_loop_as_wide_as_the_material_has(material: PiezoMaterial) -> None:
    rising, up, down = _loop_v(material)
    middle = rising.size // 2
    assert (down - up)[middle] == pytest.approx(material.hysteresis * (HIGHEST_V - LOWEST_V), rel=0.02)
    assert (down - up).max() == pytest.approx((down - up)[middle], rel=0.05)
    assert abs((down - up)[0]) < 1e-9 and abs((down - up)[-1]) < 1e-9  # it closes


@given(st.lists(st.floats(0.0, 150.0), min_size=1, max_size=8))
def test_a_scan_along_a_path_ends_where_single_moves_end(path_v: list[float]) -> None:
    channel = PiezoChannel(1.0, CAVITY_STACK)
    scanned = channel.motion_of(np.array(path_v))
    moved = []
    for volts in path_v:
        moved.append(channel.motion_v(volts))
        channel.moved(volts)
    assert scanned == pytest.approx(np.array(moved), abs=1e-9)


@given(st.lists(st.floats(0.0, 150.0), min_size=2, max_size=6), st.floats(0.0, 150.0), st.floats(0.0, 150.0))
def test_motion_never_runs_against_the_voltage(path_v: list[float], first_v: float, second_v: float) -> None:
    channel = PiezoChannel(1.0, CAVITY_STACK)
    for volts in path_v:
        channel.moved(volts)
    low, high = sorted((first_v, second_v))
    assert channel.motion_v(low) <= channel.motion_v(high) + 1e-12


def test_a_step_creeps_by_the_share_of_each_decade() -> None:
    channel = PiezoChannel(1.0, CAVITY_STACK)
    channel.drive(75.0)
    at_once = channel.motion_v(0.0)
    crept = []
    for _ in range(int(1000.0 / 0.1)):
        channel.advance(0.1)
        crept.append(channel.motion_v(0.0) - at_once)
    a_decade = CAVITY_STACK.creep_per_decade * 75.0
    assert crept[99] - crept[9] == pytest.approx(a_decade, rel=0.25)  # from 1 s to 10 s
    assert crept[999] - crept[99] == pytest.approx(a_decade, rel=0.25)
    assert channel.motion_v(0.0) == pytest.approx(channel.settled_v(75.0), rel=0.01)
