"""Loops on an actuator with a resonance: they are stable up to a gain, swing beyond it, and shake as much as they
must."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import j1

from labctl.simulation.acoustics import FREE_PATH_RAD, FREQUENCY_HZ, residual_phase_rad
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.loop_shape import MIRROR_PIEZO, Actuator, LoopShape
from labctl.simulation.ports import ServoSettings

TICK_S = 0.1
VOLTS_PER_PI = 1.0
AMPLITUDE_V = 0.4
SLOPE = AMPLITUDE_V * math.pi / VOLTS_PER_PI


def integrator(unity_gain_hz: float, slope: float = SLOPE) -> ServoSettings:
    """Return settings that give a plant of `slope` this unity-gain frequency."""
    return ServoSettings(
        proportional_gain=0.1,
        integral_gain=2.0 * math.pi * unity_gain_hz / slope / 0.1,
        proportional_on=False,
        integral_on=True,
        lower_limit_v=-4.5,
        upper_limit_v=4.5,
    )


def fringe_servo() -> AnalogServo:
    return AnalogServo(
        lambda u: AMPLITUDE_V * math.sin(math.pi * u / VOLTS_PER_PI), VOLTS_PER_PI / 6, 0.0, np.random.default_rng(1)
    )


@given(st.floats(5e3, 8e4), st.floats(2.0, 20.0))
def test_an_integrator_on_a_resonance_is_stable_up_to_resonance_over_quality(resonance_hz: float, q: float) -> None:
    # At its resonance the actuator lags a quarter turn, as the integrator does: there the loop gain is f_u Q / f_r.
    shape = LoopShape(integrator(1.0, slope=1.0), Actuator(resonance_hz, q, 0.0))
    assert shape.critical_slope == pytest.approx(resonance_hz / q, rel=0.02)


def test_delay_alone_limits_an_integrator_to_a_quarter_of_its_inverse() -> None:
    shape = LoopShape(integrator(1.0, slope=1.0), Actuator(1e9, 1.0, 20e-6))
    assert shape.critical_slope == pytest.approx(1.0 / (4.0 * 20e-6), rel=0.02)


def test_a_good_gain_holds_still_and_thirty_times_as_much_swings() -> None:
    servo = fringe_servo()
    servo.apply(integrator(3e3))
    servo.advance(TICK_S)
    assert servo.swing_v() == 0.0
    servo.apply(integrator(30 * 3e3))
    servo.advance(TICK_S)
    critical = LoopShape(integrator(30 * 3e3), MIRROR_PIEZO).critical_slope
    swing_rad = math.pi * servo.swing_v() / VOLTS_PER_PI
    # A sine of amplitude a in phase sees 2 J1(a) / a of the fringe's slope; the swing grows in steps of a quarter.
    assert 2.0 * j1(swing_rad) / swing_rad * SLOPE <= critical * 1.001
    smaller = swing_rad / 1.25
    assert 2.0 * j1(smaller) / smaller * SLOPE > critical * 0.999
    readings = [servo.measured_volts() for _ in range(500)]
    assert np.std(readings) > 0.5 * AMPLITUDE_V  # the detector shows it


def test_a_loop_that_nothing_bends_swings_from_limit_to_limit() -> None:
    servo = AnalogServo(lambda u: SLOPE * u, 0.1, 0.0, np.random.default_rng(1))
    servo.apply(integrator(30 * 3e3))
    servo.advance(TICK_S)
    assert servo.swing_v() == pytest.approx(4.5)
    seen = servo.latched()
    assert seen.upper_limit and seen.lower_limit


def test_opening_the_loop_ends_the_swing() -> None:
    servo = fringe_servo()
    servo.apply(integrator(1e5))
    servo.advance(TICK_S)
    assert servo.swing_v() > 0.0
    servo.apply(ServoSettings(closed=False))
    assert servo.swing_v() == 0.0
    assert servo.residual_rad() == FREE_PATH_RAD


def test_what_a_loop_leaves_falls_with_gain_until_it_peaks() -> None:
    residuals = []
    for unity_gain_hz in (10.0, 100.0, 1e3, 3e3, 7.5e3):
        servo = fringe_servo()
        servo.apply(integrator(unity_gain_hz))
        servo.advance(TICK_S)
        residuals.append(servo.residual_rad())
    assert residuals[:4] == sorted(residuals[:4], reverse=True)
    assert 10e-3 < residuals[3] < 30e-3
    pure = residual_phase_rad(7.5e3 / (1j * FREQUENCY_HZ))
    assert residuals[4] > 1.05 * pure  # close to its limit the resonance amplifies


def test_the_wrong_sign_leaves_the_free_path() -> None:
    shape = LoopShape(integrator(3e3), MIRROR_PIEZO)
    assert shape.residual_rad(-SLOPE) == FREE_PATH_RAD
