"""A piezo channel stays within what its amplifier can give."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labctl.simulation.piezo import HIGHEST_V, LOWEST_V, PiezoChannel

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
    assert channel.volts_of(np.array([servo_v, 0.0])).tolist() == [given_v, channel.volts(0.0)]


def test_the_external_input_follows_the_servo_that_is_wired_to_it() -> None:
    channel = PiezoChannel(15.0)
    channel.drive(75.0)
    assert (channel.external_volts(), channel.volts_now()) == (0.0, 75.0)
    output_v = 2.0
    channel.wire_servo(lambda: output_v)
    assert (channel.external_volts(), channel.volts_now()) == (30.0, 105.0)
    output_v = 9.0
    assert (channel.external_volts(), channel.volts_now()) == (135.0, HIGHEST_V)
