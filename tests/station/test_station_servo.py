"""The servo of a loop over the real wire: gains, limits, ramps, sweeps, and how it lets go."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from station_bench import Bench

from drivers.srs.sim960_scales import INTEGRAL_GAIN, PROPORTIONAL_GAIN
from labctl.errors import LimitError, LockError, Refused
from labctl.locks.loops import build_loops
from labctl.station.bindings.loops import LARGEST_FREE_JUMP_V, SERVO_RAMP_V_PER_S, BoundServo, split_gain

SMALLEST_GAIN = PROPORTIONAL_GAIN.lowest * INTEGRAL_GAIN.lowest
LARGEST_GAIN = PROPORTIONAL_GAIN.highest * INTEGRAL_GAIN.highest
HALF_A_DIGIT = {True: 0.05, False: 0.34}  # of the integral gain: two digits, and one below 0.1 (worst at 0.015)


# ---- arithmetic of the gain -----------------------------------------------------------------------------------------


@given(exponent=st.floats(math.log10(SMALLEST_GAIN), math.log10(LARGEST_GAIN)), sign=st.sampled_from([1.0, -1.0]))
def test_the_two_gains_give_the_wanted_one_as_the_module_holds_them(exponent: float, sign: float) -> None:
    gain = sign * min(max(10.0**exponent, SMALLEST_GAIN), LARGEST_GAIN)
    proportional, integral = split_gain(gain)
    assert math.copysign(1.0, proportional) == sign
    assert integral > 0.0
    assert proportional * integral == pytest.approx(gain, rel=1e-12)
    held = PROPORTIONAL_GAIN.nearest(proportional) * INTEGRAL_GAIN.nearest(integral)
    assert held == pytest.approx(gain, rel=HALF_A_DIGIT[integral >= INTEGRAL_GAIN.two_digits_from])
    assert PROPORTIONAL_GAIN.nearest(proportional) == pytest.approx(proportional, rel=1e-12)
    assert abs(proportional) == PROPORTIONAL_GAIN.lowest or integral > 0.1 * INTEGRAL_GAIN.highest


@pytest.mark.parametrize(
    ("gain", "pair"),
    [
        (SMALLEST_GAIN, (PROPORTIONAL_GAIN.lowest, INTEGRAL_GAIN.lowest)),
        (0.1 * INTEGRAL_GAIN.highest, (0.1, INTEGRAL_GAIN.highest)),
        (LARGEST_GAIN, (PROPORTIONAL_GAIN.highest, INTEGRAL_GAIN.highest)),
    ],
)
def test_the_ends_of_the_scales_are_used(gain: float, pair: tuple[float, float]) -> None:
    assert split_gain(gain) == pair
    assert split_gain(-gain) == (-pair[0], pair[1])


@pytest.mark.parametrize(
    "gain", [0.0, 0.9 * SMALLEST_GAIN, -0.9 * SMALLEST_GAIN, 1.1 * LARGEST_GAIN, math.inf, -math.inf, math.nan]
)
def test_a_gain_that_no_pair_gives_is_refused(gain: float) -> None:
    with pytest.raises(LimitError, match="has no integral gain of"):
        split_gain(gain)


# ---- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("volts", [4.5001, -4.5001, 1e6, math.nan, math.inf])
def test_an_output_beyond_the_limit_is_refused_before_anything_is_sent(bench: Bench, volts: float) -> None:
    servo = bench.station.servos["lo1"]
    sweeps = [np.array([0.0, volts]), np.array([volts, 0.0]), np.array([0.0, volts, 0.0])]
    with pytest.raises(LimitError, match=r"lo1 servo output: .* is \[loops.lo1\] output_limit of the station file"):
        servo.set_output(volts)
    for sweep in sweeps:
        with pytest.raises(LimitError):
            servo.sweep(sweep, lambda: 0.0)
    assert bench.sent == {}


@pytest.mark.parametrize(("setpoint", "gain"), [(0.0, 1e-9), (0.0, math.nan), (10.5, 1e3), (math.nan, 1e3)])
def test_a_loop_that_the_module_cannot_close_is_refused_before_anything_is_sent(
    bench: Bench, setpoint: float, gain: float
) -> None:
    with pytest.raises(LimitError):
        bench.station.servos["lo1"].close_loop(setpoint, gain)
    assert bench.sent == {}


def test_the_hardware_has_the_limits_before_the_output_moves(bench: Bench) -> None:
    outputs = bench.record_outputs("lo2")
    limits_at_first: list[float] = []
    bench.clock.every(0.01, lambda: limits_at_first.append(bench.servo("lo2").settings.upper_limit_v), "look")
    bench.station.servos["lo2"].set_output(4.5)
    assert len(outputs) > 10
    assert limits_at_first[0] == 4.5  # before the first step of the ramp was over
    settings = bench.servo("lo2").settings
    assert (settings.lower_limit_v, settings.upper_limit_v) == (-4.5, 4.5)
    assert (settings.integral_on, settings.proportional_on, settings.derivative_on, settings.offset_on) == (
        *(True, False),
        *(False, False),
    )
    assert not settings.closed
    assert bench.servo("lo2").output_volts() == 4.5
    assert bench.station.servos["lo2"].output_limit_v == 4.5


def test_a_limit_between_the_steps_of_the_module_is_rounded_inwards(bench: Bench) -> None:
    servo = bench.station.servos["lo1"]
    narrow = BoundServo("lo1", servo._module, 1.2345, bench.clock)
    narrow.set_output(1.2345)
    settings = bench.servo("lo1").settings
    assert (settings.lower_limit_v, settings.upper_limit_v) == (-1.23, 1.23)
    assert bench.servo("lo1").output_volts() <= 1.23


def test_who_moves_an_output_is_told_that_somebody_closed_the_loop(bench: Bench) -> None:
    servo = bench.station.servos["lo1"]
    servo.set_output(0.0)
    closing = bench.clock.every(0.05, lambda: (closing.cancel(), servo.close_loop(0.0, 20.0)), "somebody")
    with pytest.raises(LockError, match="lo1: its loop was closed while its output was being moved"):
        servo.set_output(4.0)
    assert bench.servo("lo1").settings.closed


def test_a_loop_that_cannot_reach_its_set_point_stops_at_the_limit_and_says_so(bench: Bench) -> None:
    servo = bench.station.servos["lo1"]
    servo.close_loop(5.0, 1e3)
    bench.clock.sleep(2.0)
    assert bench.servo("lo1").output_volts() == 4.5
    state = servo.state()
    assert state.closed
    assert state.at_limit
    assert state.overloaded
    assert state.output_v == pytest.approx(4.5, abs=0.01)
    assert state.error_v == pytest.approx(5.0, abs=0.2)
    servo.set_output(0.0)
    bench.clock.sleep(1.0)
    servo.state()
    assert not servo.state().at_limit


# ---- moving the output ----------------------------------------------------------------------------------------------


def never_faster(outputs: list[tuple[float, float]]) -> bool:
    """Return whether no step of a record exceeds the free jump, and no stretch the ramp (and one jump)."""
    for i, (start, before) in enumerate(outputs):
        for at, volts in outputs[i + 1 :]:
            if abs(volts - before) > SERVO_RAMP_V_PER_S * (at - start) + LARGEST_FREE_JUMP_V + 1e-3:
                return False
    return all(abs(after - before) <= LARGEST_FREE_JUMP_V + 1e-3 for (_, before), (_, after) in pairwise(outputs))


def test_large_changes_are_ramped(bench: Bench) -> None:
    servo = bench.station.servos["lo1"]
    outputs = bench.record_outputs("lo1")
    for volts in (4.5, -4.5, 0.3, 0.0):
        servo.set_output(volts)
        assert bench.servo("lo1").output_volts() == volts
    assert never_faster(outputs)
    assert len(outputs) > 30


def test_an_interrupt_hurries_no_ramp(bench: Bench) -> None:
    servo = bench.station.servos["lo1"]
    servo.set_output(0.0)
    outputs = bench.record_outputs("lo1")
    bench.clock.every(0.01, bench.clock.interrupt, "impatience")
    servo.set_output(4.0)
    assert bench.servo("lo1").output_volts() == 4.0
    assert never_faster(outputs)


def test_a_sweep_reads_at_every_output_in_turn(bench: Bench) -> None:
    servo = bench.station.servos["lo1"]
    wanted = np.linspace(-1.0, 1.0, 21)
    seen = servo.sweep(wanted, bench.servo("lo1").output_volts)
    np.testing.assert_allclose(seen, wanted, atol=0.5e-3)
    outputs = bench.record_outputs("lo1")
    servo.set_output(-1.0)
    assert never_faster(outputs)
    assert outputs[0][1] == pytest.approx(1.0)  # down from the end of the sweep


def test_a_sweep_that_is_broken_off_is_gone_on_from_where_it_stands(bench: Bench) -> None:
    servo = bench.station.servos["lo1"]
    readings = iter(range(30))
    with pytest.raises((StopIteration, RuntimeError)):
        servo.sweep(np.linspace(-4.0, 4.0, 60), lambda: float(next(readings)))
    assert bench.servo("lo1").output_volts() > 0.0
    outputs = bench.record_outputs("lo1")
    servo.set_output(-4.0)
    assert never_faster(outputs)


def test_a_step_that_the_module_refuses_spoils_the_sweep(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    servo = bench.station.servos["lo1"]
    servo.set_output(0.0)
    module = servo._module
    bench.station.driver("servos").gate_with(None)  # which would not let it out
    monkeypatch.setattr(module, "put_out_unchecked", lambda volts: module.write("MOUT 99"))
    with pytest.raises(Refused, match=r"lo1: a step of the sweep was refused \(.*\) after 'MOUT'"):
        servo.sweep(np.array([0.0, 0.1]), lambda: 0.0)


# ---- closing and letting go -----------------------------------------------------------------------------------------


def test_closing_goes_on_from_the_present_output_with_the_signed_gain(bench: Bench) -> None:
    servo = bench.station.servos["lo3"]
    servo.set_output(1.5)
    outputs = bench.record_outputs("lo3")
    servo.close_loop(0.0125, -2.0e3)
    settings = bench.servo("lo3").settings
    assert settings.closed
    assert settings.setpoint_v == pytest.approx(0.0125, abs=0.6e-3)
    assert settings.proportional_gain * settings.integral_gain == pytest.approx(-2.0e3, rel=0.05)
    assert all(volts == pytest.approx(1.5, abs=1e-3) for _, volts in outputs)


def test_a_locked_loop_is_held_without_a_bump_and_stays_there(bench: Bench) -> None:
    bench.station.raise_piezos()
    bench.station.shutters["pump"].open()
    lock = build_loops(bench.station).by_name["opa_length"]
    assert lock.acquire().locked
    twin = bench.servo("opa_length")
    locked_v = twin.output_volts()
    assert bench.station.servos["opa_length"].state().closed
    bench.station.servos["opa_length"].hold()
    held_v = twin.output_volts()
    # The monitor is up to half a second old, in which the length walks by some 6 mV; the resonance is 26 mV wide.
    assert held_v == pytest.approx(locked_v, abs=20e-3)
    bench.clock.sleep(5.0)
    assert twin.output_volts() == held_v
    assert not bench.station.servos["opa_length"].state().closed
    bench.station.servos["opa_length"].hold()  # nothing happens to an open loop
    assert twin.output_volts() == held_v


@pytest.mark.parametrize("way", ["hold", "make safe"])
def test_a_loop_that_somebody_closed_at_the_front_panel_is_opened(bench: Bench, way: str) -> None:
    servo, twin = bench.station.servos["lo2"], bench.servo("lo2")
    servo.set_output(0.5)
    twin.apply(replace(twin.settings, closed=True))
    if way == "hold":
        servo.hold()
    else:
        assert bench.station.make_safe() == []
        assert twin.output_volts() == 0.0
    assert not twin.settings.closed
