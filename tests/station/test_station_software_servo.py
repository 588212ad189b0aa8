"""The software servo on a clock: closing and opening, slew, deadlines, converters that fail, and a drifting fringe."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_time import SteppedTime

from labctl.errors import BadReply, LimitError, NoReply, StoreError
from labctl.station.bindings.biquad import Biquad, Law, integrator, integrator_with, proportional_integral
from labctl.station.bindings.software_servo import MOST_LOST_STEPS, SoftwareServo
from labctl.station.clock import TIME_RESOLUTION_S, SimulatedClock, WallClock
from labctl.station.roles import Servo

PERIOD_S = 0.05
LIMIT_V = 4.0
SLEW_V_PER_S = 20.0


class Bench:
    """A DAC and an ADC in lab time, with `plant` between them: from output (V) and time (s) to input (V)."""

    def __init__(self, plant: Callable[[float, float], float] = lambda volts, now: volts, **options: Any) -> None:
        self.time = SteppedTime()
        self.clock = SimulatedClock(self.time)
        self.plant = plant
        present = options.get("present_v", 0.0)
        self.volts = present if isinstance(present, float) else 0.0
        self.told: list[str] = []
        self.put: list[tuple[float, float]] = []
        self.read_takes_s = 0.0
        self.read_failure: Exception | None = None
        settings: dict[str, Any] = {
            "period_s": PERIOD_S,
            "output_limit_v": LIMIT_V,
            "slew_v_per_s": SLEW_V_PER_S,
            "tell": self.told.append,
        }
        self.servo = SoftwareServo("drift", self.set_output, self.read_input, self.clock, **settings | options)

    def set_output(self, volts: float) -> None:
        self.volts = volts
        self.put.append((self.time.now(), volts))

    def read_input(self) -> float:
        self.time.elapse(self.read_takes_s)
        if self.read_failure is not None:
            raise self.read_failure
        return self.plant(self.volts, self.time.now())


def test_it_fills_the_role_of_a_servo() -> None:
    servo: Servo = Bench().servo
    assert servo.output_limit_v == LIMIT_V


def test_a_law_that_does_not_integrate_is_refused() -> None:
    with pytest.raises(ValueError, match="does not integrate"):
        Bench(law=lambda gain, period: Biquad(gain, 0.0, 0.0, 0.0, 0.0))


# ---- the loop is open -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("volts", [4.0001, -4.0001, math.nan, math.inf])
def test_an_output_beyond_the_limit_is_refused_before_anything_moves(volts: float) -> None:
    bench = Bench()
    with pytest.raises(LimitError, match=r"drift servo output: .* is \[loops.drift\] output_limit of the station file"):
        bench.servo.set_output(volts)
    with pytest.raises(LimitError):
        bench.servo.sweep(np.array([0.0, volts]), lambda: 0.0)
    assert bench.put == []


@given(targets=st.lists(st.floats(-LIMIT_V, LIMIT_V), max_size=5))
@settings(deadline=None)  # a busy machine
def test_the_output_gets_there_no_faster_than_the_slew(targets: list[float]) -> None:
    bench = Bench()
    for volts in targets:
        bench.servo.set_output(volts)
        assert bench.volts == volts == bench.servo.output_v()
        bench.clock.sleep(PERIOD_S)
    for (earlier, before), (later, after) in pairwise([(-PERIOD_S, 0.0), *bench.put]):
        assert abs(after - before) <= SLEW_V_PER_S * (later - earlier + TIME_RESOLUTION_S) * (1 + 1e-6) + 1e-9


@given(steps=st.lists(st.floats(-0.9, 0.9), min_size=1, max_size=20))
@settings(deadline=None)  # a busy machine
def test_many_small_steps_are_no_faster_than_one_large_one(steps: list[float]) -> None:
    """Those of a sweep come as fast as the wire takes them, and each alone is within one step of the slew."""
    bench = Bench()
    bench.servo.sweep(np.clip(np.cumsum(steps), -LIMIT_V, LIMIT_V), bench.read_input)
    bench.clock.sleep(0.0)
    (start, first), *rest = bench.put
    moved = abs(first)
    for (_, before), (at, after) in pairwise(bench.put):
        moved += abs(after - before)
        assert moved <= SLEW_V_PER_S * (at - start + TIME_RESOLUTION_S * len(rest)) + SLEW_V_PER_S * PERIOD_S + 1e-9


@pytest.mark.parametrize("begin", [-6.0, 1.5, 6.0])
def test_the_output_is_asked_for_before_it_is_moved_the_first_time(begin: float) -> None:
    """A converter stands where somebody left it, or beyond the limits after power-on: from there it is ramped."""
    bench = Bench()
    bench.volts = begin
    servo = SoftwareServo(
        "late",
        bench.set_output,
        bench.read_input,
        bench.clock,
        period_s=PERIOD_S,
        output_limit_v=LIMIT_V,
        slew_v_per_s=SLEW_V_PER_S,
        present_v=lambda: bench.volts,
    )
    assert servo.output_v() == begin
    servo.set_output(0.0)
    outputs = [begin, *(volts for _, volts in bench.put)]
    assert outputs[-1] == 0.0 == servo.output_v()
    assert all(abs(after) <= abs(before) for before, after in pairwise(outputs))
    assert max(abs(after - before) for before, after in pairwise(outputs)) <= SLEW_V_PER_S * PERIOD_S + 1e-9
    assert bench.time.now() == pytest.approx((abs(begin) - 1.0) / SLEW_V_PER_S, abs=1e-3)


def test_a_loop_is_closed_from_within_the_limits() -> None:
    bench = Bench(lambda volts, now: 0.0, present_v=lambda: 5.0)
    bench.servo.close_loop(0.0, 1.0)
    assert [volts for _, volts in bench.put] == [4.0]
    assert bench.servo.state().closed


def test_a_sweep_reads_at_every_voltage() -> None:
    bench = Bench(lambda volts, now: 2 * volts)
    grid = np.linspace(-3.0, 3.0, 61)
    assert bench.servo.sweep(grid, bench.read_input) == pytest.approx(2 * grid)
    assert max(abs(after - before) for (_, before), (_, after) in pairwise(bench.put)) <= SLEW_V_PER_S * PERIOD_S + 1e-9
    assert bench.servo.output_v() == 3.0


# ---- closing and opening --------------------------------------------------------------------------------------------


@given(
    start=st.floats(-3.0, 3.0),
    setpoint=st.floats(-3.0, 3.0),
    gain=st.floats(0.1, 5.0) | st.floats(-5.0, -0.1),
    law=st.sampled_from(
        [integrator, proportional_integral(2.0), integrator_with(pole_hz=4.0), integrator_with([1.0, 2.0], 5.0)]
    ),
)
@settings(deadline=None)  # a busy machine
def test_it_closes_and_opens_without_a_jump(start: float, setpoint: float, gain: float, law: Law) -> None:
    bench = Bench(lambda volts, now: 0.0, present_v=start, law=law)  # an input that does not follow
    bench.servo.close_loop(setpoint, gain)
    assert bench.put == []
    bench.clock.sleep(PERIOD_S)
    one_step = gain * PERIOD_S * setpoint * (1.0 + law(gain, PERIOD_S).a2)  # a pole has the rest of it later
    assert bench.volts == pytest.approx(min(max(start + one_step, -LIMIT_V), LIMIT_V))
    bench.servo.close_loop(-setpoint, -2 * gain)
    before = bench.volts
    bench.clock.sleep(PERIOD_S)
    assert abs(bench.volts - before) <= 2 * abs(one_step) + 1e-9
    before, count = bench.volts, len(bench.put)
    bench.servo.hold()
    bench.clock.sleep(10 * PERIOD_S)
    assert (bench.volts, len(bench.put)) == (before, count)
    assert not bench.servo.state().closed


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_right_sign_locks_and_the_wrong_one_runs_to_the_limit_and_never_past(sign: float) -> None:
    bench = Bench(lambda volts, now: 0.3 + sign * 0.5 * volts)
    bench.servo.close_loop(1.0, sign * 4.0)
    bench.clock.sleep(5.0)
    state = bench.servo.state()
    assert state.closed and not state.at_limit and not state.overloaded
    assert abs(state.error_v) < 1e-4
    bench.servo.close_loop(1.1, -sign * 4.0)
    bench.clock.sleep(10.0)
    state = bench.servo.state()
    assert state.closed and state.at_limit
    assert abs(state.output_v) == LIMIT_V
    assert max(abs(volts) for _, volts in bench.put) <= LIMIT_V
    bench.servo.close_loop(1.0, sign * 4.0)  # and comes back from there at once
    bench.clock.sleep(5.0)
    assert abs(bench.servo.state().error_v) < 1e-4


@given(
    slope=st.floats(0.05, 5.0) | st.floats(-5.0, -0.05),
    offset_v=st.floats(-0.2, 0.2),
    rate=st.floats(1.0, 4.0),
    sign=st.sampled_from([1.0, -1.0]),
)
@settings(deadline=None)  # a busy machine
def test_the_sign_of_the_gain_is_that_of_the_slope_or_the_loop_runs_away(
    slope: float, offset_v: float, rate: float, sign: float
) -> None:
    """A plant of any slope: with a gain of its sign the error dies as exp(-rate t), with the other it grows so."""
    bench = Bench(lambda volts, now: offset_v + slope * volts, slew_v_per_s=1e3)
    target_v = offset_v + 0.01 * slope
    bench.servo.close_loop(target_v, sign * rate / slope)
    bench.clock.sleep(8.0)
    state = bench.servo.state()
    if sign > 0:
        assert abs(state.error_v) < 0.01 * abs(slope) * 1e-2
        assert bench.volts == pytest.approx(0.01, rel=0.02)
    else:
        assert state.at_limit and bench.volts == -LIMIT_V  # away from +0.01 V


READINGS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-10.0, 10.0) | st.none()


@given(
    readings=st.lists(READINGS, min_size=1, max_size=40),
    gain=st.floats(-1e6, 1e6),
    setpoint=st.floats(-10.0, 10.0),
    law=st.sampled_from([integrator, proportional_integral(2.0), integrator_with([1.0, 2.0], 5.0)]),
)
@settings(deadline=None)  # a busy machine
def test_whatever_the_input_reads_the_output_stays_within_limit_and_slew(
    readings: list[float | None], gain: float, setpoint: float, law: Law
) -> None:
    """Also where it reads no number, or does not answer at all (None)."""
    bench = Bench(law=law)
    bench.servo.close_loop(setpoint, gain)
    given_readings = iter(readings)

    def read(volts: float, now: float) -> float:
        reading = next(given_readings, 0.0)
        if reading is None:
            raise NoReply("board", "did not answer in time")
        return reading

    bench.plant = read
    bench.clock.sleep((len(readings) + 1) * PERIOD_S)
    step = SLEW_V_PER_S * PERIOD_S
    outputs = [0.0, *(volts for _, volts in bench.put)]
    assert all(abs(volts) <= LIMIT_V for volts in outputs)
    assert all(abs(after - before) <= step * (1 + 1e-9) for before, after in pairwise(outputs))


def test_the_slew_holds_in_a_closed_loop_too() -> None:
    bench = Bench(lambda volts, now: 0.0, slew_v_per_s=1.0)
    bench.servo.close_loop(1.0, 100.0)
    bench.clock.sleep(1.0)
    steps = [after - before for (_, before), (_, after) in pairwise([(0.0, 0.0), *bench.put])]
    assert max(steps) == pytest.approx(PERIOD_S) and bench.volts == pytest.approx(1.0, abs=PERIOD_S)


@pytest.mark.parametrize(("setpoint", "gain"), [(math.nan, 1.0), (math.inf, 1.0), (0.0, math.nan), (0.0, math.inf)])
def test_what_makes_no_loop_is_refused(setpoint: float, gain: float) -> None:
    bench = Bench()
    with pytest.raises(LimitError, match="make no loop"):
        bench.servo.close_loop(setpoint, gain)
    assert not bench.servo.state().closed


# ---- a plant that drifts --------------------------------------------------------------------------------------------


def test_the_error_under_a_drift_is_that_of_the_formula() -> None:
    """An integrator of unity-gain rate g slope leaves drift / (g slope)."""
    slope, gain, drift_v_per_s = 0.5, 2.0, 0.1
    bench = Bench(lambda volts, now: slope * volts + drift_v_per_s * now)
    bench.servo.close_loop(0.2, gain)
    bench.clock.sleep(12.0)
    state = bench.servo.state()
    one_step = drift_v_per_s * PERIOD_S
    assert state.error_v == pytest.approx(-drift_v_per_s / (gain * slope), abs=one_step)


@pytest.mark.parametrize("quadrature", [1, -1])
def test_it_holds_a_drifting_fringe_at_the_quadrature_that_its_sign_selects(quadrature: int) -> None:
    """y = V0 + A cos phi with phi = phi0 + r t + pi v / Vpi, and noise: the sign selects +pi/2 or -pi/2."""
    offset_v, amplitude_v, half_wave_v, rate_rad_s = 0.1, 0.8, 1.5, 0.05
    rng = np.random.default_rng(20)

    def phase(volts: float, now: float) -> float:
        return 0.3 + rate_rad_s * now + math.pi * volts / half_wave_v

    bench = Bench(lambda volts, now: offset_v + amplitude_v * math.cos(phase(volts, now)) + rng.normal(0.0, 0.01))
    slope = -quadrature * amplitude_v * math.pi / half_wave_v
    unity_gain_hz = 0.5
    bench.servo.set_output(half_wave_v * (0.5 * quadrature - 0.1))
    bench.servo.close_loop(offset_v, 2 * math.pi * unity_gain_hz / slope)
    phases = []
    for _ in range(600):
        bench.clock.sleep(0.1)
        phases.append(phase(bench.volts, bench.time.now()))
    settled = np.array(phases[100:]) - quadrature * math.pi / 2
    assert np.std(settled) < 0.02
    # The lag r/(2 pi f_u) and the hold of up to one period; the noise averages to 0.02/sqrt(500) at most.
    assert np.mean(settled) == pytest.approx(
        rate_rad_s / (2 * math.pi * unity_gain_hz), abs=rate_rad_s * PERIOD_S + 0.002
    )
    state = bench.servo.state()
    assert state.closed and not state.overloaded and not state.at_limit
    assert bench.servo.timing.late_steps == 0


# ---- deadlines ------------------------------------------------------------------------------------------------------


def test_a_late_step_is_told_once_and_integrates_over_one_period_only() -> None:
    bench = Bench(lambda volts, now: 0.0)
    bench.servo.close_loop(1.0, 1.0)
    bench.clock.sleep(10 * PERIOD_S)
    assert not bench.servo.state().overloaded
    bench.read_takes_s = 5 * PERIOD_S
    bench.clock.sleep(PERIOD_S)
    bench.read_takes_s = 0.0
    before = bench.volts
    bench.clock.sleep(PERIOD_S)
    assert bench.volts - before == pytest.approx(PERIOD_S)
    assert bench.servo.state().overloaded
    assert not bench.servo.state().overloaded
    timing = bench.servo.timing
    assert (timing.steps, timing.late_steps, timing.lost_steps) == (12, 1, 0)
    assert timing.longest_gap_s == pytest.approx(6 * PERIOD_S, rel=0.01)


def test_late_steps_are_told_at_the_first_and_when_the_loop_is_opened() -> None:
    bench = Bench(lambda volts, now: 0.0)
    bench.servo.close_loop(1.0, 1.0)
    for _ in range(3):
        bench.read_takes_s = 5 * PERIOD_S
        bench.clock.sleep(PERIOD_S)
        bench.read_takes_s = 0.0
        bench.clock.sleep(3 * PERIOD_S)
    (first,) = bench.told
    assert first == "drift: a step of its servo came 0.3 s after the last one; the deadline is 0.1 s."
    bench.servo.hold()
    _, all_of_them = bench.told
    steps = bench.servo.timing.steps
    assert all_of_them == f"drift: 3 of {steps} steps of its servo were late; the longest gap was 0.3 s."
    bench.servo.hold()
    assert len(bench.told) == 2


@pytest.mark.parametrize(("deadline_s", "late"), [(0.2, 0), (0.14, 1)])
def test_a_deadline_of_its_own(deadline_s: float, late: int) -> None:
    bench = Bench(lambda volts, now: 0.0, deadline_s=deadline_s)
    bench.servo.close_loop(1.0, 1.0)
    bench.clock.sleep(PERIOD_S)
    bench.time.elapse(3 * PERIOD_S)  # a wire was busy: the next step comes when its bytes are through
    bench.clock.sleep(2 * PERIOD_S)
    assert bench.servo.timing.late_steps == len(bench.told) == late
    assert bench.servo.state().overloaded == bool(late)


def test_a_record_that_is_full_opens_no_loop() -> None:
    def refuse(sentence: str) -> None:
        raise StoreError("The disk is full.")

    bench = Bench(lambda volts, now: 0.0, tell=refuse)
    bench.servo.close_loop(1.0, 1.0)
    bench.time.elapse(1.0)
    bench.clock.sleep(1.0)
    assert bench.servo.timing.late_steps == 1
    assert bench.servo.state().closed


def test_two_periods_are_in_time() -> None:
    bench = Bench(lambda volts, now: 0.0)
    bench.servo.close_loop(1.0, 1.0)
    bench.read_takes_s = 0.99 * PERIOD_S
    bench.clock.sleep(10 * PERIOD_S)
    bench.read_takes_s = 0.0
    assert bench.servo.timing.late_steps == 0
    assert not bench.servo.state().overloaded


def test_a_clock_that_stands_still_is_seen() -> None:
    bench = Bench()
    bench.servo.close_loop(0.0, 1.0)
    bench.time.elapse(3 * PERIOD_S)  # time goes by and nobody calls
    assert bench.servo.state().overloaded


# ---- converters that fail -------------------------------------------------------------------------------------------


def test_a_reading_that_fails_holds_the_output_and_three_open_the_loop() -> None:
    bench = Bench(lambda volts, now: 0.0)
    bench.servo.close_loop(1.0, 1.0)
    bench.clock.sleep(4 * PERIOD_S)
    bench.read_failure = NoReply("board", "did not answer in time")
    before = bench.volts
    bench.clock.sleep((MOST_LOST_STEPS - 1) * PERIOD_S)
    bench.read_failure = None
    assert bench.volts == before
    bench.clock.sleep(PERIOD_S)
    assert bench.volts - before == pytest.approx(PERIOD_S)
    state = bench.servo.state()
    assert state.closed and state.overloaded
    bench.read_failure = NoReply("board", "did not answer in time")
    bench.clock.sleep((MOST_LOST_STEPS + 5) * PERIOD_S)
    bench.read_failure = None
    state = bench.servo.state()
    assert not state.closed and state.overloaded
    assert bench.servo.problem == "drift: the loop was opened: board: did not answer in time."
    assert bench.told == [bench.servo.problem]
    assert bench.servo.timing.lost_steps == 2 * MOST_LOST_STEPS - 1
    bench.servo.close_loop(1.0, 1.0)
    assert bench.servo.problem == "" and bench.servo.state().closed


def test_an_output_that_fails_is_not_counted_as_put_out() -> None:
    bench = Bench(lambda volts, now: 0.0)
    bench.servo.close_loop(1.0, 1.0)
    bench.clock.sleep(2 * PERIOD_S)
    put = bench.set_output
    bench.servo._set_output = _fail
    bench.clock.sleep(PERIOD_S)
    bench.servo._set_output = put
    before = bench.servo.output_v()
    assert before == bench.volts
    bench.clock.sleep(PERIOD_S)
    assert bench.volts - before == pytest.approx(PERIOD_S)


def _fail(volts: float) -> None:
    raise NoReply("board", "did not answer in time")


@pytest.mark.parametrize("reading", [math.nan, math.inf])
def test_what_is_no_reading_is_an_error_and_never_an_output(reading: float) -> None:
    bench = Bench(lambda volts, now: reading)
    with pytest.raises(BadReply, match="its input reads"):
        bench.servo.close_loop(0.0, 1.0)
    assert bench.put == []
    with pytest.raises(BadReply):
        bench.servo.state()


def test_an_input_at_the_end_of_its_range_is_an_overload() -> None:
    bench = Bench(lambda volts, now: 1.0, input_limit_v=1.0)
    bench.servo.close_loop(0.5, 1.0)
    assert bench.servo.state().overloaded


def test_a_step_that_breaks_opens_the_loop_and_says_why() -> None:
    bench = Bench(lambda volts, now: 0.0)
    bench.servo.close_loop(1.0, 1.0)
    bench.read_failure = ZeroDivisionError("a fault of the program")
    bench.clock.sleep(3 * PERIOD_S)
    bench.read_failure = None
    state = bench.servo.state()
    assert not state.closed and state.overloaded
    assert "a fault of the program" in bench.servo.problem
    assert bench.put == []


def test_the_output_starts_within_its_limit() -> None:
    with pytest.raises(LimitError):
        Bench(present_v=5.0)


# ---- real time ------------------------------------------------------------------------------------------------------


def test_on_the_wall_clock_nothing_is_put_out_once_hold_has_returned() -> None:
    clock = WallClock()
    volts = [0.0]
    settled = threading.Event()

    def put(value: float) -> None:
        volts.append(value)
        if abs(value - 1.0) < 0.01:
            settled.set()

    servo = SoftwareServo(
        "real",
        put,
        lambda: volts[-1],
        clock,
        period_s=0.002,
        output_limit_v=LIMIT_V,
        slew_v_per_s=1e3,
    )
    servo.close_loop(1.0, 50.0)
    assert settled.wait(10.0)
    assert servo.state().closed
    servo.hold()
    count = len(volts)
    clock.sleep(0.02)
    assert len(volts) == count
    assert servo.output_v() == volts[-1]
