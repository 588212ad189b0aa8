"""Climb one axis by signal: keep going while the power rises, else turn round with half the step."""

from __future__ import annotations

from labctl.alignment.knob import Knob
from labctl.spectra.estimate import Estimate

GROWTH = 1.4
LARGEST_STEP = 3.0  # of the first
CLEAR_SIGMAS = 3.0  # a change of the power that is less clear is looked at for longer
CLEARER = 0.01  # to this relative sigma


def climb(knob: Knob, first_step: float, smallest_step: float, *, least_rise: float = 0.0) -> Estimate:
    """Climb over the top until the step is smaller than `smallest_step`, and return the highest power seen.

    Steps are those of the motor: they grow until the top was crossed, and are halved at every crossing. A rise counts
    above `least_rise`, relative. Every reversal takes up the backlash that the hint of the knob forecasts; nothing
    else is made of counts.
    """
    step, direction, rose, crossed = float(first_step), 1, False, False
    highest = here = knob.look()
    while not crossed or step >= smallest_step:
        turn_by(knob, direction * step)
        there = clearly(knob, here)
        if there.value > (1.0 + least_rise) * here.value:
            rose = True
            step = step if crossed else min(GROWTH * step, LARGEST_STEP * first_step)
        else:
            # The first fall of all says only that the other way is up; where both are down, the top was here.
            crossed = crossed or rose or direction < 0
            step = step / 2.0 if crossed else step
            direction = -direction
            if not crossed or step >= smallest_step:
                knob.path.forget()  # what stays is the last leg, over the top
        here = there
        highest = max(highest, here, key=lambda power: power.value)
    return highest


def turn_by(knob: Knob, steps: float) -> None:
    """Move by about `steps` of the motor, and by the backlash more where that turns round."""
    direction = 1 if steps > 0 else -1
    take_up = knob.hint.backlash.value if direction != knob.turned else 0.0
    knob.move(direction * max(1, round(abs(steps) + take_up)))


def clearly(knob: Knob, before: Estimate) -> Estimate:
    """Look a little longer where it is not clear whether the power is above `before`."""
    power = knob.look()
    if abs(power.value - before.value) < CLEAR_SIGMAS * (power.sigma**2 + before.sigma**2) ** 0.5:
        power = knob.look(CLEARER)
    return power
