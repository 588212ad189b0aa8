"""How a servo and a piezo come to rest among others: in turns, so that every wire has something to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from labctl.station.bindings.loops import LARGEST_FREE_JUMP_V, SERVO_RAMP_V_PER_S, BoundServo
from labctl.station.bindings.piezo import RAMP_STEP_S, BoundPiezo
from labctl.station.clock import Clock
from labctl.station.taking_turns import Reply, Turns

AT_REST_V: Final = 0.0
SERVO_REPLY_S: Final = 15e-3  # to a question for a module: it arrives at 9600 baud, and is answered at that
PIEZO_REPLY_S: Final = 7e-3


def largest_servo_step_v(slew_v_per_s: float, servo_gain: float) -> float:
    """Return the largest step of a servo in V that moves the piezo behind it no further than a ramp does in one step,
    and never less than what a servo may always jump."""
    return max(LARGEST_FREE_JUMP_V, slew_v_per_s * RAMP_STEP_S / servo_gain)


def servo_to_rest(
    servo: BoundServo, largest_step_v: float, until_dark: Callable[[], Turns], held: Callable[[], None]
) -> Turns:
    """Open the loop after `until_dark`, tell `held`, and bring the output to 0 V in steps.

    The output is asked for before, for its monitor shows where the loop was half a second ago, and the loop runs away
    once the light is gone. The mainframe is held from the question to the end. Raises what it raises.
    """
    with servo.mainframe.transaction():
        servo.ask_output()
        yield Reply(SERVO_REPLY_S)
        here_v = servo.told_output()
        yield from until_dark()
        here_v = servo.step_to_rest(here_v, largest_step_v)
        held()
        while here_v:
            yield largest_step_v / SERVO_RAMP_V_PER_S
            here_v = servo.step_to_rest(here_v, largest_step_v)
        yield Reply(SERVO_REPLY_S)
        servo.told_taken()


def piezo_to_rest(piezo: BoundPiezo, slew_v_per_s: float, clock: Clock, *, external_is_known: bool) -> Turns:
    """Bring a piezo to 0 V in equal steps, no faster than `slew_v_per_s`.

    Where it starts is measured if nobody knows the set point, less what a servo adds there; unless `external_is_known`
    nothing is sent then. The amplifier is held to the end. Raises what it raises, `LabError` where the start is not
    known, and `LimitError` where 0 V is outside the limits.
    """
    with piezo.amplifier.transaction():
        first = 1 if piezo.set_point_is_known else 0  # a start that was measured is put out itself, see `ramp_to`
        start_v = piezo.start_to_rest(AT_REST_V, external_is_known=external_is_known)
        steps = max(1, math.ceil(abs(start_v - AT_REST_V) / (slew_v_per_s * RAMP_STEP_S)))
        for left in range(steps - first, 0, -1):
            piezo.send_step(AT_REST_V + (start_v - AT_REST_V) * left / steps)
            sent_at = clock.now()  # the amplifier may have been asked something before
            yield Reply(PIEZO_REPLY_S, alone=True)
            piezo.told_taken()
            yield max(0.0, sent_at + RAMP_STEP_S - clock.now())
        piezo.come_to_rest(AT_REST_V)
