"""Find the top of one axis by a line in one direction, and return to it by signal."""

from __future__ import annotations

import math
from dataclasses import replace

from labctl.alignment.climb import GROWTH, LARGEST_STEP, turn_by
from labctl.alignment.knob import Knob
from labctl.alignment.play import learn_steps
from labctl.alignment.search import FINE
from labctl.alignment.vertex import FEWEST_POINTS, NEAR_TOP, Vertex, fit_vertex
from labctl.errors import AnalysisRefused, LockError
from labctl.spectra.estimate import Estimate

EDGE = 0.8  # share of the top at which a line begins and ends
EDGE_FALL = -math.log(EDGE)
POINTS_ABOVE_EDGE = 6.0
NEAR_EDGE = 0.9  # where the way up to the top begins
ABORT = 0.7  # of the highest: a line goes no further
GUARD = 0.4  # of the highest: a way back that went further comes forward again
LINE = 0.015  # relative sigma of the points of a line
RETURNED = 0.98  # of the fitted top
TRIES = 3
MOST_POINTS = 30
WELL_KNOWN = 0.02  # relative sigma of a step ratio that is good enough to go back by
STEPS_IN_WIDTH = 4.0  # behind the top
FIRST_STRIDE = 0.2  # first steps of a line, over those that led back from the top, which may be far smaller
SLOW = 0.06  # strides grow on a flank where the power changes by less from point to point
LEAST_WAY = 0.25  # of the last move counts as the way back, however much of it was undone


def peak(knob: Knob, step: float, highest: float = 0.0) -> Vertex:
    """Cross the top, return to it by signal, the last move forwards, and return what the line showed.

    Begins near the top; `highest`: the largest power seen there. `step`: first steps of the motor, where the hint does
    not know the width of the top. The hint learns width, step ratio and backlash.
    Raises `LockError` where no top is found near here, or the power does not come back to 0.98 of it.
    """
    for _ in range(TRIES):
        before = knob.hint
        vertex, line_began = cross(knob, step, highest)
        came_back = _return_to(knob, vertex)
        knob.hint = learn_steps(knob.path, line_began, vertex, before)
        knob.path.forget()
        if came_back:
            return vertex
    raise LockError(
        f"{knob.name}: the power did not come back to {100 * RETURNED:.0f} % of the top that the line showed.",
        remedy="Look whether the light is steady, and whether the motor slips.",
    )


def cross(knob: Knob, step: float, highest: float = 0.0) -> tuple[Vertex, int]:
    """Step back over the near side, go over the top in the + sense, and fit it; the mirror is left beyond the top.

    Arguments as of `peak`. Returns the vertex and the number of moves before the line began.
    """
    refused: AnalysisRefused | None = None
    stride = 0.0
    for _ in range(TRIES):
        if knob.turned > 0:  # else what came before is part of the way back
            knob.path.forget()
        went = _retreat(knob, step, highest)
        if knob.hint.width:
            stride = knob.hint.distance(EDGE_FALL) * 2.0 / POINTS_ABOVE_EDGE
        elif not stride:
            stride = went * FIRST_STRIDE
        line_began = len(knob.path.moves) + 1
        position, power = _line(knob, stride, highest)
        highest = max(p.value for p in power)
        try:
            vertex = fit_vertex(position, power)
        except AnalysisRefused as refusal:
            refused, stride = refusal, stride / 2.0
            knob.hint = replace(knob.hint, width=None)
            continue
        if knob.hint.ratio.relative_sigma > WELL_KNOWN:
            knob.hint = learn_steps(knob.path, line_began, vertex, knob.hint)
        knob.hint = replace(knob.hint, width=vertex.width.value)
        return vertex, line_began
    assert refused is not None
    raise LockError(f"{knob.name}: no top was found: {refused}", remedy="Begin with smaller or larger steps.")


def _return_to(knob: Knob, vertex: Vertex) -> bool:
    """Go back over the top by signal and come up to it in the + sense; False where the power is below 0.98 of it."""
    for _ in range(TRIES):
        _retreat(knob, vertex.width.value / STEPS_IN_WIDTH, vertex.top.value, edge=NEAR_EDGE)
        fall = math.log(vertex.top.value / _lit(knob.look(LINE)))
        knob.move(knob.hint.forward(knob.hint.distance(fall)))
        power = knob.look(FINE)
        if power.value >= RETURNED * vertex.top.value - power.sigma:
            return True
    return False


def _retreat(knob: Knob, step: float, top: float, *, edge: float = EDGE) -> float:
    """Go backwards until the power falls, below `edge` of the highest (`top`, or what is seen on the way), and return
    the steps from the highest look to the end.

    Where the width of the top is known the first move goes there in one, as the signal says where it begins.
    """
    last = knob.look()
    if knob.turned < 0 and last.value < edge * top:  # it came from beyond the top already
        return max(step - _back_off(knob, round(step), GUARD * top, last), step * LEAST_WAY)
    highest, since = last.value, 0.0
    if knob.hint.width:
        beyond = knob.hint.distance(math.log(max(top, highest) / _lit(last)))
        jump = -knob.hint.backward(beyond + knob.hint.distance(EDGE_FALL), reversed_=knob.turned > 0)
        step = -knob.hint.backward(0.25 * knob.hint.distance(EDGE_FALL), reversed_=False)
        knob.move(-jump)
    else:
        jump = max(1, round(step))
        turn_by(knob, -jump)
    longest = LARGEST_STEP * step
    for _ in range(MOST_POINTS):
        now = knob.look()
        since = 0.0 if now.value > highest else since + jump
        highest = max(highest, now.value)
        falling = now.value < last.value - 2.0 * math.hypot(now.sigma, last.sigma)
        if falling and now.value < edge * max(top, highest):
            return max(since - _back_off(knob, jump, GUARD * max(top, highest), now), jump * LEAST_WAY)
        last, jump = now, max(1, round(step))
        knob.move(-jump)
        step = min(GROWTH * step, longest)
    raise LockError(f"{knob.name}: the power does not fall behind the top.", remedy="Begin with larger steps.")


def _back_off(knob: Knob, jump: int, least: float, now: Estimate) -> int:
    """Come forwards again from a move that went too far, in which there may be no light; return by how many steps."""
    came = 0
    while now.value < least and jump - came > 1:
        part = max(1, round(0.25 * (jump - came)))
        turn_by(knob, part)
        came += part
        now = knob.look()
    return came


def _line(knob: Knob, stride: float, top: float) -> tuple[list[float], list[Estimate]]:
    """Go forwards over the top, about `top` high, and return positions, in steps from the first, and powers."""
    knob.move(knob.hint.forward(stride))
    position, power = [0.0], [knob.look(LINE)]
    for _ in range(MOST_POINTS):
        move = max(1, round(stride))
        knob.move(move)
        position.append(position[-1] + move)
        power.append(knob.look(LINE))
        highest = max(p.value for p in power)
        fallen = power[-1].value < EDGE * highest and power[-1].value < power[-2].value
        near = sum(p.value > NEAR_TOP * highest for p in power)
        if fallen and (near >= FEWEST_POINTS or power[-1].value < ABORT * highest):
            return position, power
        change = abs(power[-1].value / _lit(power[-2]) - 1.0)
        on_flank = power[-1].value < NEAR_EDGE * max(top, highest)
        if change < SLOW and (on_flank or len(power) > 2 * POINTS_ABOVE_EDGE):
            stride *= GROWTH
    raise LockError(f"{knob.name}: the power does not fall beyond the top.", remedy="Begin with larger steps.")


def _lit(power: Estimate) -> float:
    """Return a power, its uncertainty at least: what is lost in noise has no logarithm."""
    return max(power.value, power.sigma, 1e-12)
