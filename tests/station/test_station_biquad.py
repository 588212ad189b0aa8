"""The arithmetic of the software servo: polarity, limits, no jump, no wind-up, and the same answer as the formulae."""

from __future__ import annotations

import cmath
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import signal

from labctl.configuration.software_loops import (
    CORNER_OVER_UNITY_GAIN,
    HIGHEST_FAST_GAIN,
    STEPS_PER_CORNER,
    STEPS_PER_UNITY_GAIN,
    fast_gain,
)
from labctl.station.bindings.biquad import (
    Biquad,
    Law,
    Memory,
    OutputLimits,
    advance,
    integrator,
    integrator_with,
    proportional_integral,
    rolled_off_integrator,
)

PERIOD_S = 0.01
FREE = OutputLimits(-math.inf, math.inf)
LAWS: list[Law] = [
    integrator,
    proportional_integral(5.0),
    rolled_off_integrator(5.0),
    integrator_with([5.0], 20.0),
    integrator_with([4.0, 9.0], 20.0),
]
NO_LEAD = LAWS[:-1]  # the last one differentiates between its zeros and its pole
GAINS = st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3)
ERRORS = st.floats(-10.0, 10.0)
ANY_FINITE = st.floats(allow_nan=False, allow_infinity=False)


def run(section: Biquad, limits: OutputLimits, memory: Memory, errors: list[float]) -> list[float]:
    """Return the outputs."""
    outputs = []
    for error in errors:
        memory = advance(section, limits, memory, error)
        outputs.append(memory.y1)
    return outputs


# ---- limits ---------------------------------------------------------------------------------------------------------


@given(
    law=st.sampled_from(LAWS),
    gain=ANY_FINITE,
    errors=st.lists(ANY_FINITE, max_size=30),
    high=st.floats(0.1, 10.0),
    step=st.floats(1e-3, 30.0),
    start=st.floats(-1.0, 1.0),
)
def test_neither_limit_nor_slew_is_ever_exceeded(
    law: Law, gain: float, errors: list[float], high: float, step: float, start: float
) -> None:
    limits = OutputLimits(-high, high, step)
    before = start * high
    for output in run(law(gain, PERIOD_S), limits, Memory.at_rest(before), errors):
        assert -high <= output <= high
        assert abs(output - before) <= step * (1 + 1e-12) + 1e-15
        before = output


def test_overflows_of_both_signs_move_nothing() -> None:
    section = integrator(1e300, PERIOD_S)
    assert math.isnan(section.b0 * 1e300 + section.b1 * -1e300)
    assert advance(section, OutputLimits(-1.0, 1.0), Memory.at_rest(0.5, -1e300), 1e300).y1 == 0.5


@pytest.mark.parametrize("error", [math.nan, math.inf, -math.inf])
def test_what_is_no_error_signal_is_refused(error: float) -> None:
    with pytest.raises(ValueError, match="no error signal"):
        advance(integrator(1.0, PERIOD_S), FREE, Memory.at_rest(0.0), error)


@given(law=st.sampled_from(NO_LEAD), gain=GAINS, error=st.floats(1e-3, 10.0), steps=st.integers(2, 100))
def test_it_does_not_wind_up(law: Law, gain: float, error: float, steps: int) -> None:
    """However long it was driven into the limit, it leaves as the error turns, and always in the same way."""
    limits = OutputLimits(-1.0, 1.0)
    section = law(gain, PERIOD_S)
    rail = math.copysign(1.0, gain)
    back = [-3 * error] * 5  # more than what the trapezoid still has of the old error
    outputs = run(section, limits, Memory.at_rest(rail, error), [error] * steps + back)
    assert outputs[:steps] == [rail] * steps
    assert rail not in outputs[steps + 1 :]
    assert outputs[steps:] == run(section, limits, Memory.at_rest(rail, error), back)


@given(gain=GAINS, error=st.floats(0.01, 10.0), steps=st.integers(1, 500))
def test_a_wrong_sign_runs_to_the_limit_and_stays_there(gain: float, error: float, steps: int) -> None:
    """The plant adds `slope` times the output; with the wrong sign the error feeds itself."""
    slope = -math.copysign(1.0, gain)
    limits = OutputLimits(-2.0, 2.0)
    section = integrator(gain, PERIOD_S)
    memory = Memory.at_rest(0.0, error)
    outputs = []
    for _ in range(steps):
        memory = advance(section, limits, memory, error - slope * memory.y1)
        outputs.append(memory.y1)
    assert max(map(abs, outputs)) <= 2.0
    assert all(abs(later) >= abs(earlier) for earlier, later in pairwise(outputs))
    if abs(gain) * PERIOD_S * error * steps > 4.0:
        assert abs(outputs[-1]) == 2.0


# ---- polarity and bumps ---------------------------------------------------------------------------------------------


@given(law=st.sampled_from(LAWS), gain=GAINS, error=st.floats(0.01, 10.0) | st.floats(-10.0, -0.01), start=ERRORS)
def test_the_output_moves_the_way_of_gain_times_error(law: Law, gain: float, error: float, start: float) -> None:
    (output,) = run(law(gain, PERIOD_S), FREE, Memory.at_rest(start), [error])
    assume(output != start)
    assert math.copysign(1.0, output - start) == math.copysign(1.0, gain * error)


@given(law=st.sampled_from(LAWS), gain=GAINS, error=ERRORS, start=ERRORS)
def test_from_rest_it_goes_on_without_a_jump(law: Law, gain: float, error: float, start: float) -> None:
    """The first step is no larger than that of one period of integration, whatever error there is to begin with."""
    section = law(gain, PERIOD_S)
    (output,) = run(section, FREE, Memory.at_rest(start, error), [error])
    # A pole keeps back what the integrator has of the steps before: per step, in the end, it is one period's worth.
    one_step = abs(gain * PERIOD_S * error) * (1.0 + section.a2)
    assert abs(output - start) <= one_step + 1e-12 * (1 + abs(start) + abs(gain * error))


@given(law=st.sampled_from(LAWS), gain=GAINS, start=ERRORS)
def test_without_error_it_rests_where_it_is(law: Law, gain: float, start: float) -> None:
    section = law(gain, PERIOD_S)
    assert section.integrates
    assert run(section, FREE, Memory.at_rest(start), [0.0] * 5) == pytest.approx([start] * 5, rel=1e-12)


def test_what_does_not_integrate_says_so() -> None:
    assert not Biquad(1.0, 0.0, 0.0, 0.9, 0.0).integrates


@pytest.mark.parametrize(("beside_one", "integrates"), [(0.9e-12, True), (1.1e-12, False)])
def test_a_pole_is_at_one_within_the_twelfth_digit(beside_one: float, integrates: bool) -> None:
    for pole in (1.0 - beside_one, 1.0 + beside_one):
        assert Biquad(1.0, 0.0, 0.0, pole, 0.0).integrates == integrates


# ---- the same answer as the formulae --------------------------------------------------------------------------------


@given(gain=GAINS, errors=st.lists(ERRORS, min_size=1, max_size=40), start=ERRORS)
@settings(deadline=None)  # a busy machine
def test_the_integrator_is_the_trapezoidal_rule(gain: float, errors: list[float], start: float) -> None:
    outputs = run(integrator(gain, PERIOD_S), FREE, Memory.at_rest(start, errors[0]), errors[1:])
    expected = [start + gain * PERIOD_S * np.trapezoid(errors[: n + 1]) for n in range(1, len(errors))]
    assert outputs == pytest.approx(expected, rel=1e-9, abs=1e-9 * (1 + abs(gain)))


@given(gain=GAINS, corner_hz=st.floats(0.5, 50.0), errors=st.lists(ERRORS, min_size=1, max_size=40), start=ERRORS)
@settings(deadline=None)  # a busy machine
def test_the_velocity_form_is_the_textbook_proportional_plus_integral(
    gain: float, corner_hz: float, errors: list[float], start: float
) -> None:
    proportional = gain / (2 * math.pi * corner_hz)
    section = proportional_integral(corner_hz)(gain, PERIOD_S)
    outputs = run(section, FREE, Memory.at_rest(start, errors[0]), errors[1:])
    expected = [
        start + proportional * (errors[n] - errors[0]) + gain * PERIOD_S * np.trapezoid(errors[: n + 1])
        for n in range(1, len(errors))
    ]
    assert outputs == pytest.approx(expected, rel=1e-9, abs=1e-8 * (1 + abs(gain)))


@given(law=st.sampled_from(LAWS), gain=GAINS, errors=st.lists(ERRORS, min_size=1, max_size=40))
def test_the_recursion_is_that_of_a_digital_filter(law: Law, gain: float, errors: list[float]) -> None:
    section = law(gain, PERIOD_S)
    expected = signal.lfilter([section.b0, section.b1, section.b2], [1.0, -section.a1, -section.a2], np.array(errors))
    outputs = run(section, FREE, Memory.at_rest(0.0), errors)
    assert outputs == pytest.approx(list(expected), rel=1e-9, abs=1e-9 * (1 + abs(gain)))


@pytest.mark.parametrize("frequency_hz", [0.03, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("corner_hz", [0.5, 2.0])
def test_the_response_is_that_of_the_analog_law(frequency_hz: float, corner_hz: float) -> None:
    gain, period_s = 3.0, 1e-3
    s, z = 2j * math.pi * frequency_hz, cmath.exp(-2j * math.pi * frequency_hz * period_s)
    pole = 1 + s / (2 * math.pi * corner_hz)
    analog = [gain / s, gain / s * pole, gain / s / pole]
    for law, expected in zip(
        [integrator, proportional_integral(corner_hz), rolled_off_integrator(corner_hz)], analog, strict=True
    ):
        section = law(gain, period_s)
        response = (section.b0 + section.b1 * z + section.b2 * z**2) / (1 - section.a1 * z - section.a2 * z**2)
        assert response == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("frequency_hz", [0.03, 0.3, 1.0, 3.0])
@pytest.mark.parametrize(
    ("zeros_hz", "pole_hz"), [((), None), ((2.0,), None), ((), 5.0), ((2.0,), 5.0), ((0.5, 2.0), 5.0)]
)
def test_zeros_and_pole_are_where_they_were_put(
    frequency_hz: float, zeros_hz: tuple[float, ...], pole_hz: float | None
) -> None:
    gain, period_s = -3.0, 1e-3
    s, z = 2j * math.pi * frequency_hz, cmath.exp(-2j * math.pi * frequency_hz * period_s)
    expected = gain / s
    for zero_hz in zeros_hz:
        expected *= 1 + s / (2 * math.pi * zero_hz)
    if pole_hz is not None:
        expected /= 1 + s / (2 * math.pi * pole_hz)
    section = integrator_with(zeros_hz, pole_hz)(gain, period_s)
    assert section.integrates
    response = (section.b0 + section.b1 * z + section.b2 * z**2) / (1 - section.a1 * z - section.a2 * z**2)
    assert response == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize(("zeros_hz", "pole_hz"), [((1.0, 2.0), None), ((1.0, 2.0, 3.0), 5.0)])
def test_what_differentiates_is_refused(zeros_hz: tuple[float, ...], pole_hz: float | None) -> None:
    with pytest.raises(ValueError, match="differentiate"):
        integrator_with(zeros_hz, pole_hz)


@given(
    rate_hz=st.floats(1.0, 1000.0),
    share=st.floats(1e-3, 1.0),
    corners=st.lists(st.floats(0.0, 1.0), max_size=3),
    with_pole=st.booleans(),
)
@settings(deadline=None)  # a busy machine
def test_every_loop_that_a_station_file_may_ask_for_is_stable(
    rate_hz: float, share: float, corners: list[float], with_pole: bool
) -> None:
    """A static plant shows an output at the next step: the roots of 1 + H(z)/z lie within the unit circle, and so do
    those with twice the gain."""
    unity_gain_hz = share * rate_hz / STEPS_PER_UNITY_GAIN
    lowest, highest = CORNER_OVER_UNITY_GAIN * unity_gain_hz, rate_hz / STEPS_PER_CORNER
    frequencies = [lowest * (highest / lowest) ** corner for corner in corners]
    pole_hz = frequencies.pop() if with_pole and frequencies else None
    zeros_hz = frequencies[: 1 if pole_hz is None else 2]
    assume(fast_gain(unity_gain_hz, zeros_hz, pole_hz) <= HIGHEST_FAST_GAIN)
    for margin in (1.0, 1.9):
        section = integrator_with(zeros_hz, pole_hz)(margin * 2 * math.pi * unity_gain_hz, 1.0 / rate_hz)
        numerator = np.array([0.0, section.b0, section.b1, section.b2])
        characteristic = np.array([1.0, -section.a1, -section.a2, 0.0]) + numerator
        assert np.max(np.abs(np.roots(characteristic))) < 1.0


@given(slope=st.floats(0.2, 5.0), sign=st.sampled_from([1.0, -1.0]), rate=st.floats(0.2, 3.0), start=ERRORS)
def test_a_closed_loop_settles_as_the_exponential_says(slope: float, sign: float, rate: float, start: float) -> None:
    """Measured = slope times output: the error falls as exp(-g slope t), with period g slope T << 1."""
    period_s = 1e-3
    section = integrator(rate / (slope * sign), period_s)
    error = start
    memory = Memory.at_rest(0.0, error)
    for _ in range(1000):
        memory = advance(section, FREE, memory, start - slope * sign * memory.y1)
    error = start - slope * sign * memory.y1
    assert error == pytest.approx(start * math.exp(-rate), rel=0.01, abs=1e-12)


def test_a_proportional_integral_loop_on_a_slow_plant_follows_the_textbook() -> None:
    """Plant 1/(1 + s tau), step of the set point: against the closed loop in continuous time."""
    tau, gain, corner_hz, period_s = 0.5, 8.0, 0.4, 1e-3
    proportional = gain / (2 * math.pi * corner_hz)
    closed = signal.TransferFunction([proportional, gain], [tau, 1 + proportional, gain])
    times = np.arange(1, 2001) * period_s
    _, expected = signal.step(closed, T=np.concatenate([[0.0], times]))
    section, memory, measured = proportional_integral(corner_hz)(gain, period_s), Memory.at_rest(0.0), 0.0
    decay = math.exp(-period_s / tau)
    outputs = []
    for _ in times:
        memory = advance(section, FREE, memory, 1.0 - measured)
        measured = decay * measured + (1 - decay) * memory.y1
        outputs.append(measured)
    assert np.max(np.abs(np.array(outputs) - expected[1:])) < 0.01
