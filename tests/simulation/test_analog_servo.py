"""The analog servo on a fringe: polarity chooses the point, limits hold, nothing jumps, nothing outruns the
integrator."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labctl.simulation.analog_servo import DIFFERENTIAL_RANGE_V, AnalogServo
from labctl.simulation.ports import ServoSettings

TICK_S = 0.1
UNITY_GAIN_HZ = 3e3
LIMIT_V = 4.5


class Fringe:
    """Y = offset + amplitude cos(path + pi u / V_pi), with a servo on it."""

    def __init__(self, path_rad: float, volts_per_pi: float = 1.0, amplitude_v: float = 0.4, offset_v: float = 0.02):
        self.path_rad = path_rad
        self.volts_per_pi = volts_per_pi
        self.amplitude_v = amplitude_v
        self.offset_v = offset_v
        self.servo = AnalogServo(self.volts, volts_per_pi / 6.0, 0.5e-3, np.random.default_rng(1))

    def phase_rad(self, output_v: float) -> float:
        return self.path_rad + math.pi * output_v / self.volts_per_pi

    def volts(self, output_v: float) -> float:
        return self.offset_v + self.amplitude_v * math.cos(self.phase_rad(output_v))

    def from_quadrature_rad(self, quadrature: int) -> float:
        """Return the phase at the present output from +pi/2 or -pi/2, from -pi to pi."""
        return math.remainder(self.phase_rad(self.servo.output_volts()) - quadrature * math.pi / 2, 2 * math.pi)

    def settings(self, quadrature: int, limit_v: float = LIMIT_V, unity_gain_hz: float = UNITY_GAIN_HZ):
        """Return settings whose polarity holds +pi/2 (+1) or -pi/2 (-1)."""
        gain = 2 * math.pi * unity_gain_hz * self.volts_per_pi / (self.amplitude_v * math.pi)
        return ServoSettings(
            proportional_gain=-quadrature * 0.1,
            integral_gain=gain / 0.1,
            proportional_on=False,
            integral_on=True,
            setpoint_v=self.offset_v,
            lower_limit_v=-limit_v,
            upper_limit_v=limit_v,
        )

    def close_at(self, output_v: float, closed: ServoSettings) -> None:
        self.servo.apply(dataclasses.replace(closed, closed=False, manual_output_v=output_v))
        self.servo.apply(dataclasses.replace(closed, manual_output_v=output_v))


fringes = st.builds(
    Fringe,
    path_rad=st.floats(-math.pi, math.pi),
    volts_per_pi=st.floats(0.7, 1.3),
    amplitude_v=st.floats(0.05, 0.6),
    offset_v=st.floats(-0.05, 0.05),
)
quadratures = st.sampled_from([1, -1])
starts_v = st.floats(-3.0, 3.0)


@given(fringes, quadratures, starts_v)
@settings(max_examples=100, deadline=None)
def test_right_polarity_settles_at_the_wanted_point_from_anywhere(
    fringe: Fringe, quadrature: int, start_v: float
) -> None:
    fringe.close_at(start_v, fringe.settings(quadrature))
    assume(abs(fringe.from_quadrature_rad(-quadrature)) > 1e-3)  # there it balances
    for _ in range(3):
        fringe.servo.advance(TICK_S)
    assert abs(fringe.from_quadrature_rad(quadrature)) < 1e-6
    assert abs(fringe.servo.output_volts() - start_v) <= fringe.volts_per_pi * (1 + 1e-6)  # the nearest such point
    assert fringe.servo.unity_gain_hz() == pytest.approx(UNITY_GAIN_HZ, rel=1e-3)


@given(fringes, quadratures, starts_v)
@settings(max_examples=100, deadline=None)
def test_wrong_polarity_runs_to_the_other_point(fringe: Fringe, quadrature: int, start_v: float) -> None:
    fringe.close_at(start_v, fringe.settings(-quadrature))
    assume(abs(fringe.from_quadrature_rad(quadrature)) > 1e-3)
    for _ in range(3):
        fringe.servo.advance(TICK_S)
    assert abs(fringe.from_quadrature_rad(quadrature)) > 3.0  # pi away: the set point, but on the other slope
    assert fringe.volts(fringe.servo.output_volts()) == pytest.approx(fringe.offset_v, abs=1e-6)


@given(fringes, quadratures)
@settings(max_examples=50, deadline=None)
def test_wrong_polarity_runs_to_a_rail_where_no_other_point_is_in_reach(fringe: Fringe, quadrature: int) -> None:
    fringe.path_rad = quadrature * math.pi / 2 + 0.1  # beside the wanted point, which is 0.03 V away
    limit_v = 0.3 * fringe.volts_per_pi
    fringe.close_at(0.0, fringe.settings(-quadrature, limit_v))
    fringe.servo.advance(TICK_S)
    assert abs(fringe.servo.output_volts()) == pytest.approx(limit_v)
    seen = fringe.servo.latched()
    assert (seen.upper_limit or seen.lower_limit) and seen.anti_windup
    assert fringe.servo.unity_gain_hz() == 0.0


@given(
    fringes,
    st.lists(
        st.tuples(st.booleans(), quadratures, st.floats(-8.0, 8.0), st.floats(0.01, 5.0), st.floats(1e-6, 1.0)),
        min_size=1,
        max_size=6,
    ),
)
@settings(max_examples=60, deadline=None)
def test_output_never_leaves_the_limits_that_are_set(fringe: Fringe, changes) -> None:
    for closed, quadrature, manual_v, limit_v, seconds in changes:
        chosen = fringe.settings(quadrature, limit_v)
        fringe.servo.apply(dataclasses.replace(chosen, closed=closed, manual_output_v=manual_v))
        assert abs(fringe.servo.output_volts()) <= limit_v
        fringe.servo.advance(seconds)
        assert abs(fringe.servo.output_volts()) <= limit_v
        conditions = fringe.servo.conditions()
        assert conditions.upper_limit == (fringe.servo.output_volts() >= limit_v)
        assert conditions.lower_limit == (fringe.servo.output_volts() <= -limit_v)


@given(fringes, quadratures, starts_v)
@settings(max_examples=50, deadline=None)
def test_closing_and_changing_the_gain_do_not_move_the_output(fringe: Fringe, quadrature: int, start_v: float) -> None:
    fringe.close_at(start_v, fringe.settings(quadrature))
    assert fringe.servo.output_volts() == start_v
    fringe.servo.advance(TICK_S)
    locked_v = fringe.servo.output_volts()
    fringe.servo.apply(fringe.settings(quadrature, unity_gain_hz=5 * UNITY_GAIN_HZ))
    assert fringe.servo.output_volts() == locked_v
    fringe.servo.apply(dataclasses.replace(fringe.settings(quadrature), closed=False, manual_output_v=0.25))
    assert fringe.servo.output_volts() == 0.25
    fringe.servo.advance(TICK_S)
    assert fringe.servo.output_volts() == 0.25


@given(
    fringes,
    quadratures,
    starts_v,
    st.floats(1.0, 3e4),
    st.lists(st.tuples(st.floats(1e-7, 0.2), st.floats(-1.0, 1.0)), min_size=1, max_size=12),
)
@settings(max_examples=100, deadline=None)
def test_output_moves_no_faster_than_the_integrator_allows(
    fringe: Fringe, quadrature: int, start_v: float, unity_gain_hz: float, steps
) -> None:
    chosen = fringe.settings(quadrature, unity_gain_hz=unity_gain_hz)
    fringe.close_at(start_v, chosen)
    fastest = abs(chosen.proportional_gain) * chosen.integral_gain * fringe.amplitude_v  # V/s at the largest error
    for seconds, kick_rad in steps:
        fringe.path_rad += kick_rad
        before_v = fringe.servo.output_volts()
        fringe.servo.advance(seconds)
        assert abs(fringe.servo.output_volts() - before_v) <= fastest * seconds * (1 + 1e-9) + 1e-12


@given(fringes, quadratures, st.floats(-0.3, 0.3))
@settings(max_examples=30, deadline=None)
def test_a_locked_loop_follows_a_drifting_path(fringe: Fringe, quadrature: int, drift_rad: float) -> None:
    fringe.close_at(0.0, fringe.settings(quadrature))
    assume(abs(fringe.from_quadrature_rad(-quadrature)) > 1e-3)
    fringe.servo.advance(TICK_S)
    for tick in range(30):
        fringe.path_rad += drift_rad * math.cos(0.7 * tick)
        fringe.servo.advance(TICK_S)
        assert abs(fringe.from_quadrature_rad(quadrature)) < 1e-2


def test_a_settled_loop_runs_to_its_limit_when_its_signal_goes() -> None:
    fringe = Fringe(path_rad=0.3)
    fringe.close_at(0.0, fringe.settings(1))
    fringe.servo.advance(TICK_S)
    fringe.amplitude_v = 0.0
    fringe.offset_v -= 1e-3  # what is left differs from the set point by an electronic offset
    for _ in range(20):
        fringe.servo.advance(TICK_S)
    assert abs(fringe.servo.output_volts()) == LIMIT_V


def test_the_measure_input_overloads_beyond_the_differential_range() -> None:
    fringe = Fringe(path_rad=0.0, amplitude_v=2.0)
    fringe.servo.apply(ServoSettings(closed=False, setpoint_v=0.0))
    assert abs(fringe.volts(0.0)) > DIFFERENTIAL_RANGE_V
    assert fringe.servo.conditions().overload
    fringe.path_rad = math.pi / 2
    assert not fringe.servo.conditions().overload


def test_latched_conditions_are_told_once() -> None:
    fringe = Fringe(path_rad=0.0)
    fringe.close_at(0.0, dataclasses.replace(fringe.settings(1), setpoint_v=0.9))  # out of the fringe's reach
    for _ in range(3):
        fringe.servo.advance(TICK_S)
    assert fringe.servo.latched().anti_windup
    fringe.servo.apply(ServoSettings(closed=False))
    fringe.servo.latched()
    assert fringe.servo.latched() == fringe.servo.conditions()


def test_measured_volts_carry_the_noise_of_the_electronics() -> None:
    fringe = Fringe(path_rad=0.4)
    fringe.servo.apply(ServoSettings(closed=False, manual_output_v=0.2))
    readings = np.array([fringe.servo.measured_volts() for _ in range(4000)])
    assert abs(readings.mean() - fringe.volts(0.2)) < 3.3 * 0.5e-3 / math.sqrt(4000)  # 99.9 %
    assert readings.std(ddof=1) == pytest.approx(0.5e-3, rel=3.3 / math.sqrt(2 * 4000))
