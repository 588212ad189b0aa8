"""Walk a beam with two mirrors whose axes make good most of what the other does: move one, set the other anew, and
judge by what it reached."""

from __future__ import annotations

import math
from collections.abc import Sequence

from labctl.alignment.axes import StepHint
from labctl.alignment.climb import climb
from labctl.alignment.knob import AxisKnob, Path
from labctl.alignment.mirror import ONE_CROSSING, Alignment, require_light
from labctl.alignment.peak import cross, peak
from labctl.alignment.search import COARSE, FINE, Search
from labctl.spectra.estimate import Estimate

WORTH_WALKING = 0.002  # relative rise of the power, the inner axis set anew, for which an outer step is kept
FIRST_FALL = 0.3  # of ln P by the first outer step, before the inner axis is set anew
LONGEST_FALL = 0.8  # by the longest


class PairKnob:
    """The outer axis of a pair as a climb sees it: every look crosses the top of the inner axis and gives its height.

    Both axes have been set to their own tops. What is longer than the light bears is moved in parts, the inner axis
    set after each.
    """

    def __init__(self, outer: AxisKnob, inner: AxisKnob) -> None:
        self.name = f"{outer.name} with {inner.name}"
        self.hint = StepHint(outer.hint.ratio, outer.hint.backlash)
        self.path = Path()
        self._outer, self._inner = outer, inner
        self._here: Estimate | None = None
        self._height = 0.0

    def move(self, steps: int) -> None:
        """Turn the outer axis by `steps`."""
        longest = self.step(LONGEST_FALL)
        parts = math.ceil(abs(steps) / longest)
        for part in range(parts):
            if part:
                self.look()
            self._outer.move(round(steps * (part + 1) / parts) - round(steps * part / parts))
            self._here = None
        self.path.moves.append(steps)

    def look(self, relative_sigma: float = COARSE) -> Estimate:
        """Return the height of the inner top here; its uncertainty is that of a line, whatever is asked for."""
        if self._here is None:
            vertex, _ = cross(self._inner, self.step(FIRST_FALL), self._height)
            self._here, self._height = vertex.top, vertex.top.value
        self.path.saw(self._here)
        return self._here

    def step(self, fall: float) -> float:
        """Return the steps of the outer axis after which the power has fallen by `fall` nepers, the inner axis not yet
        set."""
        return self._outer.hint.distance(fall) / max(1.0, self._outer.hint.ratio.value)

    @property
    def turned(self) -> int:
        """Return the direction of the last move of the outer axis."""
        return self._outer.turned


def walk_pairs(search: Search, pairs: Sequence[tuple[AxisKnob, AxisKnob]], first_step: float) -> Alignment:
    """Align every axis alone, then walk each pair (outer, inner) to the top of both; `first_step` as of `align_axes`.

    Raises `LockError` where there is no light to begin with, or no top.
    """
    before = search.look(FINE)
    require_light(before)
    knobs = [knob for pair in pairs for knob in pair]
    for outer, inner in pairs:
        for knob in (inner, outer):
            highest = climb(knob, first_step, ONE_CROSSING * first_step)
            peak(knob, first_step, highest.value)
    for outer, inner in pairs:
        pair = PairKnob(outer, inner)
        first = pair.step(FIRST_FALL)
        highest = climb(pair, first, ONE_CROSSING * first, least_rise=WORTH_WALKING)
        peak(pair, first, highest.value)
        peak(inner, first_step)
    return Alignment(before, search.look(FINE), search.moves, search.readings, {knob.name: knob.hint for knob in knobs})
