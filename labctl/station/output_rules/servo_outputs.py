"""Outputs of servos: SIM960 modules, with the limits in the module itself, and slow DACs of software servos."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from drivers.base import Driver
from drivers.srs.sim960 import SIM960
from labctl.configuration.servos import AnalogServo, SlowOutput, SoftwareServo
from labctl.configuration.station_file import PiezoLimits, ServoLoop, StationFile
from labctl.station.bindings.coming_to_rest import largest_servo_step_v
from labctl.station.bindings.converters import SLOW_OUT_STEP_V
from labctl.station.bindings.loops import LARGEST_FREE_JUMP_V, MANUAL_STEP_V, SERVO_RAMP_V_PER_S
from labctl.station.gate import SWITCH, Rule, Rules, Slew
from labctl.station.limits import Limit

OWN_LIMIT_STEP_V: Final = 0.01  # what a SIM960 rounds its own limits to


def servo_rules(file: StationFile, drivers: Mapping[str, Driver]) -> Rules:
    """Return the rules of all outputs of servos; a servo that steps a piezo over its wire has that of the piezo."""
    limits = file.piezo_limits
    for name, loop in file.servo_loops.items():
        match loop.servo:
            case AnalogServo() as servo:
                yield from _analog_servo(name, loop, servo, limits, drivers)
            case SoftwareServo(output=SlowOutput() as slow) as servo if limits is not None:
                yield from _slow_output(name, loop, servo, slow, limits, drivers)


def _analog_servo(
    name: str, loop: ServoLoop, servo: AnalogServo, limits: PiezoLimits | None, drivers: Mapping[str, Driver]
) -> Rules:
    key, module = f"[loops.{name}] output_limit", f"module_{servo.slot}"
    range_v = (-loop.output_limit, loop.output_limit)
    free_to_safe_v = LARGEST_FREE_JUMP_V
    if limits is not None:
        free_to_safe_v = largest_servo_step_v(limits.fastest_to_safe, limits.servo_gain)
    rate_to_safe = SERVO_RAMP_V_PER_S * free_to_safe_v / LARGEST_FREE_JUMP_V
    slew = Slew(SERVO_RAMP_V_PER_S, LARGEST_FREE_JUMP_V, MANUAL_STEP_V, rate_to_safe, "V", key)
    outputs = {
        "manual_output": Rule(
            Limit(f"{name} servo output", *range_v, "V", key),
            slew,
            present=lambda: _module(drivers, servo).whereabouts_v(),
        ),
        # The output can always come to rest between its own limits, and none of them moves it.
        "upper_limit": Rule(
            Limit(f"{name} servo upper limit", 0.0, range_v[1], "V", key), unless=_pushed(drivers, servo, range_v[1])
        ),
        "lower_limit": Rule(
            Limit(f"{name} servo lower limit", range_v[0], 0.0, "V", key), unless=_pushed(drivers, servo, range_v[0])
        ),
        "closed": Rule(
            Limit(f"{name} servo", *SWITCH, "", key),
            unless=_not_limited(drivers, servo, *range_v),
            releases=(f"{module}.manual_output",),
        ),
        "terms": Rule(Limit(f"{name} servo", *SWITCH, "", key), unless=_runs_free(drivers, servo, *range_v)),
    }
    for output, rule in outputs.items():
        yield (servo.instrument, f"{module}.{output}"), rule


def _not_limited(
    drivers: Mapping[str, Driver], servo: AnalogServo, low_v: float, high_v: float
) -> Callable[[float], str]:
    """Return what says why a loop may not be closed: its output could leave its range by itself."""

    def unless(closed: float) -> str:
        if not closed:
            return ""
        lower_v, upper_v = _module(drivers, servo).limits_v()
        if low_v - OWN_LIMIT_STEP_V <= lower_v and upper_v <= high_v + OWN_LIMIT_STEP_V:
            return ""
        return f"its module would let the output go from {lower_v:g} V to {upper_v:g} V"

    return unless


def _runs_free(
    drivers: Mapping[str, Driver], servo: AnalogServo, low_v: float, high_v: float
) -> Callable[[float], str]:
    """Return what says why nothing may be changed of how a loop is closed: it is, and could leave its range by that."""
    not_limited = _not_limited(drivers, servo, low_v, high_v)

    def unless(changed: float) -> str:
        why = not_limited(changed)
        return f"its loop is closed, and {why}" if why and _module(drivers, servo).closed else ""

    return unless


def _pushed(drivers: Mapping[str, Driver], servo: AnalogServo, end_v: float) -> Callable[[float], str]:
    """Return what says why a limit on the side of `end_v`, the end of the range, may not be had: it would make the
    output jump. The end itself may always be had, whatever it cuts off."""

    def unless(limit_v: float) -> str:
        if abs(end_v - limit_v) <= OWN_LIMIT_STEP_V:
            return ""
        here_v = _module(drivers, servo).whereabouts_v()
        if math.copysign(1.0, end_v) * (here_v - limit_v) <= OWN_LIMIT_STEP_V:
            return ""
        return f"the output is at {here_v:g} V, and that limit would push it"

    return unless


def _module(drivers: Mapping[str, Driver], servo: AnalogServo) -> SIM960:
    mainframe: Any = drivers[servo.instrument]
    module: SIM960 = mainframe.modules[servo.slot]
    return module


def _slow_output(
    name: str,
    loop: ServoLoop,
    servo: SoftwareServo,
    slow: SlowOutput,
    limits: PiezoLimits,
    drivers: Mapping[str, Driver],
) -> Rules:
    ends_v = sorted(slow.offset + edge * loop.output_limit / slow.gain for edge in (-1.0, 1.0))
    key = f"[loops.{name}] output_limit"
    half_step_v = SLOW_OUT_STEP_V / 2.0  # a servo at its limit puts out the nearest step of the DAC
    limit = Limit(f"{name} servo at {slow.pin}", ends_v[0] - half_step_v, ends_v[1] + half_step_v, "V", key)
    rate = servo.slew_v_per_s(limits.slew, limits.servo_gain) / abs(slow.gain)
    slew = Slew(rate, rate * servo.period_s, SLOW_OUT_STEP_V, rate, "V", f"[loops.{name}.servo] slew")

    def present_v() -> float:
        board: Any = drivers[slow.instrument]
        return float(board.slow_outputs[slow.pin].voltage)

    yield (slow.instrument, f"slow_{slow.pin}.voltage"), Rule(limit, slew, present=present_v)
