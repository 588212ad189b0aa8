"""The dither of one piezo under the light of its cavity: two sides in turn, and the error that they show."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from labctl.locks.cavity_scan import SteppedPiezo
from labctl.locks.dither import DitherLaw, SteadyLight
from labctl.station.clock import Clock
from labctl.station.roles import Monitor

FEWEST_READINGS: Final = 4  # of one side, where nobody read the light meanwhile
_EARLY_S: Final = 1e-3  # a tick that comes this much before the beat is on it


class Dithering:
    """A piezo that goes to either side of `centre_v` every `period_s`, from `begin` to `end`.

    `error_m` is how much too long the cavity is by the last two sides; nan before them.
    """

    def __init__(self, piezo: SteppedPiezo, light: Monitor, clock: Clock, period_s: float) -> None:
        self.on = False
        self.centre_v = math.nan
        self.error_m = math.nan
        self._piezo = piezo
        self._light = light
        self._clock = clock
        self._period_s = period_s
        self._law: DitherLaw | None = None
        self._side = 1
        self._due = 0.0
        self._levels: list[float] = []  # of the light on this side so far, V
        self._other: float | None = None  # light of the side before, V
        self._steady = SteadyLight()

    def begin(self, centre_v: float, law: DitherLaw) -> None:
        """Dither about `centre_v`, from the shorter side on."""
        self.end()
        self._law, self.centre_v, self._side = law, law.within(centre_v), 1
        self._turn(law)
        self._due = self._clock.now() + self._period_s
        self.on = True

    def end(self) -> None:
        """Stop where the piezo is."""
        self.on, self.error_m = False, math.nan
        self._forget_sides()

    def rest(self) -> None:
        """Stop at the centre. Nothing moves where nothing was dithered, nobody knows where the piezo is, or somebody
        else has moved it since, as when the table was made safe."""
        at_v = self._piezo.commanded_v
        if self.on and self._law is not None and at_v is not None and self._is_near(at_v, self._law):
            self._piezo.step_to(self.centre_v)
        self.end()

    def _is_near(self, volts: float, law: DitherLaw) -> bool:
        return abs(volts - self.centre_v) <= 2.0 * law.amplitude_v

    def note(self, volts: float) -> None:
        """Take a reading of the light into this side."""
        if self.on:
            self._levels.append(volts)

    @property
    def excursion_m(self) -> float:
        """Return how much longer the cavity is now than at the centre of the dither, in m."""
        return self._side * self._law.amplitude_m if self.on and self._law is not None else 0.0

    def is_due(self) -> bool:
        """Return whether this side is over."""
        return self.on and self._clock.now() >= self._due - _EARLY_S

    def step(self, least_v: float) -> None:
        """End this side: correct the centre and go to the other one. With light below `least_v`, or light that jumped,
        the centre stays."""
        assert self._law is not None
        law, now = self._law, self._clock.now()
        self._due = self._due + self._period_s if now < self._due + self._period_s else now + self._period_s
        here = self._level()
        if self._other is not None:
            self.error_m = self._error_m(law, here, self._other)
            if self._steady.believes(here + self._other) and here > least_v:
                self.centre_v = law.corrected(self.centre_v, self.error_m)
        self._other = here
        self._turn(law)

    def look(self) -> float:
        """Look at both sides now, and return the light that there would be at resonance, in V; the centre stays."""
        assert self._law is not None
        self._levels = []  # those of a moment ago may be of another light
        here = self._level()
        self._turn(self._law)
        there = self._level()
        self.error_m = self._error_m(self._law, there, here)
        self._forget_sides()
        self._due = self._clock.now() + self._period_s
        return self._law.top_v(here, there, self.error_m)

    def centre_now(self) -> None:
        """Correct the centre by the last look."""
        assert self._law is not None
        self.centre_v = self._law.corrected(self.centre_v, self.error_m)
        self._turn(self._law)

    def _error_m(self, law: DitherLaw, here: float, other: float) -> float:
        return law.error_m(here, other) if self._side > 0 else law.error_m(other, here)

    def _level(self) -> float:
        """Return the light of this side in V: the median, which light that jumps near an end does not move."""
        while len(self._levels) < FEWEST_READINGS:
            self._levels.append(self._light.volts())
        return float(np.median(self._levels))

    def _turn(self, law: DitherLaw) -> None:
        """Go to the other side of the centre."""
        self._side = -self._side
        self._piezo.step_to(law.at_side(self.centre_v, self._side))
        self._levels = []

    def _forget_sides(self) -> None:
        self._levels, self._other = [], None
        self._steady.forget()
