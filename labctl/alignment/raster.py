"""Find light that is lost: square rings of growing size, every place come to in the + sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from labctl.alignment.knob import AxisKnob
from labctl.alignment.search import Search, is_lit
from labctl.errors import LockError
from labctl.spectra.estimate import Estimate


def find_light(
    search: Search,
    fast: AxisKnob,
    slow: AxisKnob,
    stride: float,
    *,
    most_steps: int,
    most_s: float,
    now: Callable[[], float],
) -> Estimate:
    """Look at places `stride` steps apart, ring by ring, until there is light, and return its power there.

    The stride is in steps forward, at most about the width of the light. In every ring each line is read forwards and
    the next is ahead of it; ways back are forecasts from the hints of the axes, so rings drift where these are wrong,
    and the next ring starts from where the last one ended.
    Raises `LockError` when `most_steps` of both motors or `most_s` of lab time `now` are used up.
    """
    power = search.look()
    began_at, first_step = now(), search.steps
    for forward_fast, forward_slow in _rings():
        if is_lit(power):
            return power
        if search.steps - first_step > most_steps or now() - began_at > most_s:
            raise LockError(
                f"No light was found with {search.steps - first_step} steps in {now() - began_at:.0f} s.",
                remedy="Align by hand until something is seen, or allow more steps.",
            )
        for knob, places in ((slow, forward_slow), (fast, forward_fast)):
            _go(knob, places * stride)
        power = search.look()
    raise AssertionError("rings never end")


def _go(knob: AxisKnob, distance: float) -> None:
    """Move by a distance in steps forward, overshooting backwards so that the last move is forwards."""
    if distance > 0:
        knob.move(knob.hint.forward(distance, reversed_=knob.turned < 0))
    elif distance < 0:
        take_up = 2.0 * knob.hint.backlash.value + 1.0
        knob.move(knob.hint.backward(take_up - distance, reversed_=knob.turned > 0))
        knob.move(knob.hint.forward(take_up))


def _rings() -> Iterator[tuple[int, int]]:
    """Yield moves (fast, slow), in places, that lead round one ring after the other from the middle: lines from the
    lowest to the highest, each forwards, of the inner lines both ends alone."""
    fast = slow = ring = 0
    while True:
        ring += 1
        for line in range(-ring, ring + 1):
            places = range(-ring, ring + 1) if abs(line) == ring else (-ring, ring)
            for place in places:
                yield place - fast, line - slow
                fast, slow = place, line
