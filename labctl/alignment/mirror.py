"""Align the two axes of a mirror, or any few axes that each have a top of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labctl.alignment.axes import StepHint
from labctl.alignment.climb import climb
from labctl.alignment.knob import AxisKnob
from labctl.alignment.peak import peak
from labctl.alignment.search import FINE, Search, is_lit
from labctl.errors import LockError
from labctl.spectra.estimate import Estimate

WORTH = 0.005  # a relative rise that is worth another round
FAINT = 2.0 * FINE  # relative sigma after all readings: no line is taken before every axis was climbed
MOST_PEAKS = 5  # an axis
ONE_CROSSING = 2.0  # a climb down to this, over its first step, ends where it crossed the top: the line does the rest


@dataclass(frozen=True)
class Alignment:
    """What an alignment did: power before and after, in the unit of the objective, moves and readings, and what the
    steps of each axis were found to be."""

    before: Estimate
    after: Estimate
    moves: int
    readings: int
    steps: dict[str, StepHint]


def align_axes(search: Search, knobs: Sequence[AxisKnob], first_step: float) -> Alignment:
    """Climb each axis and set it to its top, then go round until none of the others still gains.

    `first_step`: steps of the motor. Raises `LockError` where there is no light to begin with, or no top.
    """
    before = search.look(FINE)
    require_light(before)
    if before.relative_sigma > FAINT:
        for knob in knobs:
            climb(knob, first_step, ONE_CROSSING * first_step)
    for knob in knobs:
        highest = climb(knob, first_step, ONE_CROSSING * first_step)
        peak(knob, first_step, highest.value)
    polish(search, knobs, first_step)
    return Alignment(before, search.look(FINE), search.moves, search.readings, {knob.name: knob.hint for knob in knobs})


def polish(search: Search, knobs: Sequence[AxisKnob], step: float) -> None:
    """Set one axis after the other to its top until all but the last gained nothing: that is set already."""
    useless = 0
    for count in range(MOST_PEAKS * len(knobs)):
        if useless >= len(knobs) - 1:
            return
        here = search.look(FINE)
        peak(knobs[count % len(knobs)], step)
        there = search.look(FINE)
        useless = 0 if there.value > (1.0 + WORTH) * here.value else useless + 1


def require_light(power: Estimate) -> None:
    """Raise `LockError` where a reading is not above its noise."""
    if not is_lit(power):
        raise LockError(
            f"There is no light to align on: {power}.", remedy="Open the beams, or search for it with a raster."
        )
