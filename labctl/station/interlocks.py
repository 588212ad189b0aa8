"""The interlocks of a table: looked at every few seconds of lab time, acted upon once, latched where a person has to
look."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from labctl.configuration.interlocks import Action, Interlock
from labctl.errors import LabError
from labctl.station.asking import asking
from labctl.station.clock import Registration
from labctl.station.interlock_actions import HoldLocks, act
from labctl.station.interlock_conditions import WELL, Look, LoopState, look_at
from labctl.station.interlock_states import Phase, Standing
from labctl.station.output_checks import OutputChecks

if TYPE_CHECKING:
    from labctl.station.station import Station

PERIOD_S: Final = 5.0
"""Between two looks, of lab time: the fastest that an interlock acts."""
LOOKS_IN_GRACE: Final = 2.0
"""While all is well, or a reading fails: one with a long grace is looked at less often. Whoever does not answer costs a
time-out at each look."""

Told = Callable[[str, str], None]
"""Is told the name of an interlock, and a sentence."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InterlockState:
    """One interlock as it stands: its phase, what is bad in words, the number read last, and lab times in s."""

    name: str
    action: Action
    phase: Phase
    problem: str
    value: float
    bad_since: float
    tripped_at: float
    latched: bool


@dataclass
class _Watched:
    entry: Interlock
    standing: Standing = field(default_factory=Standing)
    look: Look = WELL
    look_at: float = -math.inf  # lab time of the next look
    sentence: str = ""  # of its trip


class Interlocks:
    """The interlocks of the station file, and the checks of outputs, as one periodic task each.

    `on_trip` and `on_clear` are told name and sentence, in the thread of the clock's periodic tasks (or of who resets).
    `hold_locks` are told to hold loops before their servos are opened; `loop_state` says how a loop is, and without it
    no lock is looked at. Looking moves nothing until an interlock trips.
    """

    def __init__(self, station: Station) -> None:
        self.on_trip: list[Told] = []
        self.on_clear: list[Told] = []
        self.hold_locks: list[HoldLocks] = []
        self.loop_state: LoopState | None = None
        self.checks = OutputChecks(station, self.tell_trip, self.tell_clear)
        self._station = station
        self._watched = {name: _Watched(entry) for name, entry in station.file.interlocks.items()}
        self._guard = threading.RLock()
        self._registration: Registration | None = None

    # ---- running ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look; nothing where that began before."""
        if self._registration is None:
            self._registration = self._station.clock.every(PERIOD_S, self._task, "interlocks")
            self.checks.start()

    def stop(self) -> None:
        """Look no more; what is latched stays so."""
        if self._registration is not None:
            self._registration.cancel()
            self._registration = None
        self.checks.stop()

    def _task(self) -> None:
        now = self._station.clock.now()
        for name, watched in self._watched.items():
            if now >= watched.look_at:
                self._look_at(name, watched)

    def look(self) -> str:
        """Look at every interlock now, act on those that trip, and return what stands, a sentence each; "" where
        nothing does. For a process that does nothing else, every few seconds."""
        for name, watched in self._watched.items():
            self._look_at(name, watched)
        return " ".join(watched.sentence for watched in self._watched.values() if watched.sentence)

    # ---- what stands ------------------------------------------------------------------------------------------------

    def states(self) -> list[InterlockState]:
        """Return every interlock as it stands."""
        with self._guard:
            return [
                InterlockState(
                    name,
                    watched.entry.action,
                    watched.standing.phase,
                    watched.look.problem,
                    watched.look.value,
                    watched.standing.bad_since,
                    watched.standing.tripped_at,
                    watched.standing.phase is Phase.TRIPPED and watched.entry.action.latches,
                )
                for name, watched in self._watched.items()
            ]

    def why(self) -> str:
        """Return why nothing may be measured now; "" where it may."""
        for watched in self._watched.values():
            if watched.sentence and watched.entry.action.pauses:
                return watched.sentence
        return ""

    def latched(self) -> list[str]:
        """Return the names of those that a person has to reset."""
        return [state.name for state in self.states() if state.latched]

    def action_of(self, name: str) -> Action:
        """Return what an interlock does when it trips; a check of an output is an alarm."""
        return self._watched[name].entry.action if name in self._watched else Action.ALARM

    # ---- resetting --------------------------------------------------------------------------------------------------

    def reset(self, name: str, by: str) -> None:
        """Release an interlock that is latched; nothing where it is not. Nothing is asked of an instrument, and nothing
        switched on again.

        Raises `LabError` where there is no such interlock, or the last look found its condition still there.
        """
        watched = self._watched.get(name)
        if watched is None:
            raise LabError(f"There is no interlock {name}.", remedy=f"There are {', '.join(self._watched) or 'none'}.")
        with self._guard:
            if name not in self.latched():
                return
            if not watched.standing.is_gone:
                raise LabError(
                    f"The interlock {name} cannot be reset by {by}: {watched.look.problem}.",
                    remedy="Remove the cause first.",
                )
            watched.standing, watched.sentence = Standing(), ""
            self._station.way.allow(name)
        self.tell_clear(name, f"Interlock {name} was reset by {by}; nothing was switched on again.")

    def reset_all(self, by: str) -> list[str]:
        """Release all that are latched and return their names. Raises `LabError` at the first whose condition is there
        still."""
        names = self.latched()
        for name in names:
            self.reset(name, by)
        return names

    # ---- one look ---------------------------------------------------------------------------------------------------

    def _look_at(self, name: str, watched: _Watched) -> None:
        entry, clock = watched.entry, self._station.clock
        with asking(f"interlock {name}"):
            look = look_at(self._station, entry, self.loop_state)
            now = clock.now()
            with self._guard:
                before = watched.standing
                after = before.after(is_bad=look.is_bad, now=now, grace_s=entry.grace, latches=entry.action.latches)
                watched.look, watched.standing = look, after
                watched.look_at = now + self._until_next_s(watched)
                has_tripped = after.phase is Phase.TRIPPED and before.phase is not Phase.TRIPPED
                is_over = before.phase is Phase.TRIPPED and after.phase is not Phase.TRIPPED
                if has_tripped:
                    watched.sentence = _sentence(name, watched, now)
                    if entry.action.latches:
                        self._station.way.refuse(name, watched.sentence)
                if is_over:
                    watched.sentence = ""
            if has_tripped:
                self._trip(name, watched)
            elif is_over:
                self.tell_clear(name, f"Interlock {name}: all is well again.")

    def _until_next_s(self, watched: _Watched) -> float:
        """Return how long until the next look; at each tick while something bad was read."""
        if watched.standing.phase is not Phase.OK and not watched.look.failed:
            return 0.0
        return max(0.0, watched.entry.grace / LOOKS_IN_GRACE - 0.5 * PERIOD_S)

    def _trip(self, name: str, watched: _Watched) -> None:
        problems = act(self._station, watched.entry.action, watched.sentence, self.hold_locks)
        self.tell_trip(name, watched.sentence)
        for problem in problems:
            self.tell_trip(name, f"Interlock {name}: {problem}")

    # ---- telling ----------------------------------------------------------------------------------------------------

    def tell_trip(self, name: str, sentence: str) -> None:
        """Tell everybody that something is wrong."""
        log.warning(sentence)
        self._tell(self.on_trip, name, sentence)

    def tell_clear(self, name: str, sentence: str) -> None:
        """Tell everybody that it is over."""
        log.info(sentence)
        self._tell(self.on_clear, name, sentence)

    def _tell(self, listeners: list[Told], name: str, sentence: str) -> None:
        for tell in list(listeners):
            try:
                tell(name, sentence)
            except Exception as error:  # whoever listens: a full disk must not keep a shutter open
                log.error("interlock %s could not be told: %s", name, error)


_DONE: Final = {
    Action.ALARM: "It is told, and nothing is done.",
    Action.PAUSE: "Nothing is measured while it lasts.",
    Action.HOLD: "All loops are held where they are, and nothing is measured while it lasts.",
    Action.DARK: "Shutters are closed, laser and tones switched off, loops held.",
    Action.HEATER_OFF: "The oven's output is switched off.",
    Action.SAFE: "The table is made safe.",
}


def _sentence(name: str, watched: _Watched, now: float) -> str:
    entry, lasted_s = watched.entry, now - watched.standing.bad_since
    return (
        f"Interlock {name}: {watched.look.problem}, for {lasted_s:.0f} s ({entry.grace:g} s allowed). "
        f"{_DONE[entry.action]}"
    )
