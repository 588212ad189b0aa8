"""What a watchdog does with a table that nobody succeeds to: park it, watch its interlocks."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable
from typing import Final, Protocol

from labctl.configuration.station_file import StationFile, VisaBackend
from labctl.station.absent import absent_driver
from labctl.station.clock import WallClock
from labctl.station.opening import Answer, open_instruments
from labctl.station.parking import instruments_to_park, park, what_is_parked
from labctl.station.safe_state import make_safe
from labctl.station.station import Station
from labctl.station.table_hold import TableHold
from labctl.watchdog.messages import Hello
from labctl.watchdog.succession import table_of_the_dead
from labctl.watchdog.watch import EXIT_NOT_PARKED, EXIT_WELL, Log, Signals

NOBODY_ANSWERS: Final = "No instrument answers: the table is off, and nothing is left to do."
COME_IN_S: Final = 1.0  # wall time that who asked for the table has to take it
INTERLOCK_LOOK_S: Final = 2.0  # wall time, between two looks at the interlocks


class InterlockWatch(Protocol):
    """Who looks after the interlocks of a station."""

    def look(self) -> str:
        """Look at every interlock, act on those that trip, and return why each that stands does; "" where none does."""
        ...

    def latched(self) -> list[str]:
        """Return the names of those that have tripped so that a person has to reset them."""
        ...


def after_death(hello: Hello, hold: TableHold, log: Log, signals: Signals) -> int:
    """Look after the table of a core that died, which `hold` is the right to; return the exit status. What goes wrong
    is in the log."""
    try:
        return _Duty(hello, hold, log, signals).run()
    except Exception:
        log.say(f"This is a defect, and nothing more is done: {traceback.format_exc()}")
        return EXIT_NOT_PARKED


class _Duty:
    def __init__(self, hello: Hello, hold: TableHold, log: Log, signals: Signals) -> None:
        self._hello, self._hold = hello, hold
        self._file = StationFile.model_validate_json(hello.station)
        self._log, self._signals = log, signals
        self._clock = WallClock()

    def run(self) -> int:
        """Do all of it: park once, then watch as long as nobody moves the table; who only looks at it is let in."""
        is_parked: bool | None = None
        hold: TableHold | None = self._hold
        while hold is not None:
            try:
                if is_parked is None:
                    is_parked = self._park(hold.names)
                is_safe = self._watch_interlocks(hold.names)
            finally:
                hold.release()
            if is_safe is not None:
                return EXIT_WELL if is_parked and is_safe else EXIT_NOT_PARKED
            self._signals.asked_to_let_go.clear()
            self._clock.sleep(COME_IN_S)
            hold = table_of_the_dead(self._hello, self._log, grace_s=0.0)
        return EXIT_WELL

    # ---- what is done -----------------------------------------------------------------------------------------------

    def _park(self, names: Iterable[str]) -> bool:
        """Park what is behind these instruments; return whether all of it is at rest."""
        wanted = set(names)
        began_at = time.monotonic()
        station, _ = self._opened([name for name in instruments_to_park(self._file) if name in wanted])
        try:
            problems = park(station)
        finally:
            station.close()
        for sentence in problems:  # of those that do not answer too
            self._log.say(sentence)
        took_s = time.monotonic() - began_at
        if problems:
            self._log.say(f"Parked in {took_s:.1f} s but for what is named above. Somebody must look.")
        else:
            self._log.say(f"Parked in {took_s:.1f} s: {what_is_parked(self._file)}. Servos and light are as they were.")
        return not problems

    def _watch_interlocks(self, names: Iterable[str]) -> bool | None:
        """Make the table wholly safe where an interlock trips, and return whether it is; True where there is nothing to
        watch, None where somebody asks for the table before."""
        if not self._file.interlocks:
            return True
        station, away = self._opened(list(names))
        try:
            for sentence in away:
                self._log.say(sentence)
            if len(away) == len(station.answers):
                self._log.say(NOBODY_ANSWERS)
                return False
            self._log.say("Nobody has come: the interlocks are watched until somebody takes the table.")
            return self._watch_with(station.interlocks, station)
        finally:
            station.close()

    def _watch_with(self, watch: InterlockWatch, station: Station) -> bool | None:
        said = ""
        while not self._signals.asked_to_let_go.is_set():
            why = watch.look()
            if why not in ("", said):
                self._log.say(f"An interlock has tripped: {why}")
                said = why
                if not any(health.answers for health in station.health()):
                    self._log.say(NOBODY_ANSWERS)
                    return False
            if tripped := watch.latched():
                self._log.say(f"Nobody is here to look after {', '.join(tripped)}: the table is made wholly safe.")
                problems = make_safe(station)
                for sentence in problems:
                    self._log.say(f"NOT SAFE: {sentence}")
                self._log.say(f"The table is safe{' but for what is named above' if problems else ''}.")
                return not problems
            self._signals.asked_to_let_go.wait(INTERLOCK_LOOK_S)
        self._log.say("Somebody asks for the table.")
        return None

    def _opened(self, names: Iterable[str]) -> tuple[Station, list[str]]:
        """Return a station on these instruments, and what those that do not answer say: nobody stands in for them."""
        backend = self._file.backend
        assert isinstance(backend, VisaBackend)
        chosen = {name: self._file.instruments[name] for name in names}
        asked = self._file.model_copy(update={"instruments": chosen})
        answers = open_instruments(asked, backend.library, concurrent=True)
        away = {name: answer.error for name, answer in answers.items() if answer.error is not None}
        for name, error in away.items():
            driver = absent_driver(name, chosen[name], error)
            answers[name] = Answer(name, driver, None, None, answers[name].latency_s)
        return Station(self._file, answers, WallClock(backend.speed)), [str(error) for error in away.values()]
