"""When nothing is measured: bad vacuum, an oven off its target, a loop that has spent its relocks, a full disk."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

from labctl.configuration.recipe_file import Pause
from labctl.errors import LabError, StoreError
from labctl.locks.states import LockState
from labctl.station.clock import Registration
from labctl.station.roles import Gauge, PressureState
from procedures.bench import Bench

LOOK_S: Final = 5.0
MISSED_READINGS: Final = 3  # in a row, before a gauge that does not answer counts as bad vacuum
_BAD_STATES: Final = (PressureState.OVER_RANGE, PressureState.SENSOR_ERROR)
BEST_TEMPERATURE: Final = "oven.best_temperature_c"


class Room(Protocol):
    """The room that the disk of a run has left; the record of a run knows."""

    on_full: Callable[[str], None]

    def why(self) -> str:
        """Look for room again; return why there is none, "" where there is."""
        ...

    def warning(self) -> str:
        """Return a sentence when there is little room, once; else ""."""
        ...

    def write_the_rest(self) -> StoreError | None:
        """Write what found no room before, and return the error where there still is none."""
        ...


class Conditions:
    """Looks every few seconds of lab time whether measuring is allowed; `reason` says why it is not, "" where it is.

    What has been bad holds until all has been well for the `settle` time of the recipe.
    """

    def __init__(self, bench: Bench, pause: Pause, room: Callable[[], str] = lambda: "") -> None:
        self.reason = ""
        self._room = room
        self._bench = bench
        self._pause = pause
        self._well_since: float | None = None
        self._missed: dict[str, int] = {}
        self._oven_has_settled = False
        self._target_c = math.nan
        self._registration: Registration | None = None

    def start(self) -> None:
        """Begin to look; nothing where the recipe names no condition."""
        pause = self._pause
        if pause.vacuum_above is None and pause.oven_off is None and not pause.locks:
            return
        self._look()
        self.keep_looking()

    def keep_looking(self) -> None:
        """Look every few seconds from now on, if that is not so already."""
        if self._registration is None:
            self._registration = self._bench.clock.every(LOOK_S, self._look, "conditions of the recipe")

    def hold(self, reason: str) -> None:
        """Allow nothing to be measured until a look finds all well again: the disk is full."""
        self.reason, self._well_since = reason, None

    def stop(self) -> None:
        """Look no more."""
        if self._registration is not None:
            self._registration.cancel()
            self._registration = None

    def why(self) -> str:
        """Return why nothing may be measured now, an interlock first; "" where it may."""
        return self._bench.station.interlocks.why() or self.reason

    def _look(self) -> None:
        problem = self._room() or self._vacuum() or self._oven() or self._locks()
        now = self._bench.clock.now()
        if problem:
            self.reason, self._well_since = problem, None
        elif self.reason:
            self._well_since = now if self._well_since is None else self._well_since
            if now - self._well_since >= self._pause.settle:
                self.reason, self._well_since = "", None

    def _vacuum(self) -> str:
        limit_pa = self._pause.vacuum_above
        if limit_pa is None:
            return ""
        for name, gauge in self._bench.station.gauges.items():
            if problem := self._pressure_problem(name, gauge, limit_pa):
                return problem
        return ""

    def _pressure_problem(self, name: str, gauge: Gauge, limit_pa: float) -> str:
        try:
            reading = gauge.read()
        except LabError as error:
            self._missed[name] = self._missed.get(name, 0) + 1
            return f"the pressure at {name} is not known: {error}" if self._missed[name] >= MISSED_READINGS else ""
        self._missed[name] = 0
        if reading.state in _BAD_STATES:
            return f"the gauge {name} says {reading.said or reading.state}"
        if reading.pressure_pa is not None and reading.pressure_pa > limit_pa:
            return f"the pressure at {name} is {reading.pressure_pa:.2g} Pa, above {limit_pa:.2g} Pa"
        return ""

    def _oven(self) -> str:
        """Return how far the oven is off, once it has been where it should be."""
        most_k, entry = self._pause.oven_off, self._bench.station.file.oven
        if most_k is None or entry is None:
            return ""
        try:
            now_c = self._bench.station.oven.temperature_c()
        except LabError:
            return ""  # who does not answer is brought back by the next try
        off_k = now_c - self._target_c
        if not abs(off_k) <= entry.tolerance:  # it may have been tuned since: the record is asked only then
            self._target_c = self._best_c(entry.target)
            off_k = now_c - self._target_c
        if not self._oven_has_settled:
            self._oven_has_settled = abs(off_k) <= entry.tolerance
            return ""
        if math.isfinite(off_k) and abs(off_k) > most_k:
            return f"the oven is {1e3 * off_k:+.0f} mK off its target (allowed {1e3 * most_k:.0f} mK)"
        return ""

    def _best_c(self, otherwise_c: float) -> float:
        try:
            best = self._bench.results().get(BEST_TEMPERATURE)
        except StoreError:
            return self._target_c  # the step that keeps something next meets it
        return otherwise_c if best is None else best.value

    def _locks(self) -> str:
        if not self._pause.locks:
            return ""
        now = self._bench.clock.now()
        for name, machine in self._bench.supervisor.machines.items():
            if machine.wanted and machine.state is LockState.STALLED and not machine.budget.left(now):
                return f"{name} has spent its {machine.budget.per_hour} relocks of the hour"
        return ""
