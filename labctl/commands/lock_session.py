"""A station opened for its locks: its loops, what they remember, and a first look that touches nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from labctl.commands.expected_squeezing import ExpectedSqueezing, expected_squeezing
from labctl.commands.lock_table import LoopRow, rows_of
from labctl.commands.signals import on_signals
from labctl.commands.stations import default_station
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.toml_reading import load_station
from labctl.errors import Stopped
from labctl.locks.onlooker import Onlooker
from labctl.locks.supervisor import Supervisor
from labctl.station.bring_up import link_to, open_station
from labctl.station.table_hold import Intent, table_held
from labctl.store.lock_memory import LockKeeper, LockMemory, RememberedLocks
from labctl.watchdog.guarding import guarded
from procedures.bench import Bench, MemoryRecord
from procedures.execution import StopRequest

LOOK_S: Final = 0.2
LONGEST_LOOK_S: Final = 15.0
LONGEST_WAIT_S: Final = 1.0  # how long a stop may go unnoticed


class Keeper(Protocol):
    """Who keeps what the loops remember."""

    def start(self) -> None:
        """Begin to look."""
        ...

    def keep(self) -> None:
        """Keep what is locked now."""
        ...

    def stop(self) -> None:
        """Look no more, after keeping what is locked now."""
        ...


class _KeepsNothing:
    """For a simulated table, which ends with the command."""

    def start(self) -> None: ...

    def keep(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class LockSession:
    """An open station, its loops on a bench, and what they remembered when they were locked last."""

    file: StationFile
    bench: Bench
    keeper: Keeper
    known: RememberedLocks
    squeezing: ExpectedSqueezing | None
    stop: StopRequest

    def look(self) -> Onlooker:
        """Find out what the servos hold and look until it is proven; nothing is opened, moved or closed."""
        onlooker = Onlooker(self.bench.loops.by_name, self.bench.clock, period_s=self.file.supervisor.period)
        onlooker.look(self.known.loops)
        self.wait_until_proven(onlooker)
        return onlooker

    def wait_until_proven(self, supervisor: Supervisor) -> None:
        """Wait until each loop that was found closed is locked, its output read, or is not; a stop is heeded later."""
        clock = self.bench.clock
        began_at = clock.now()
        while any(
            machine.is_being_proven or (machine.is_locked and machine.actuator is None)
            for machine in supervisor.machines.values()
        ):
            if clock.now() - began_at > LONGEST_LOOK_S:
                return
            clock.sleep(LOOK_S)

    def wait(self, seconds: float) -> None:
        """Wait in lab time. Raises `Stopped` soon after the operator asked to stop."""
        end = self.bench.clock.now() + seconds
        while (left := end - self.bench.clock.now()) > 0.0:
            self.check_stop()
            self.bench.clock.sleep(min(left, LONGEST_WAIT_S))
        self.check_stop()

    def check_stop(self) -> None:
        """Raise `Stopped` if the operator asked to stop."""
        if self.stop.asked():
            raise Stopped("Stopped.")

    def rows(self, supervisor: Supervisor) -> list[LoopRow]:
        """Return the table of the locks as it is now."""
        return rows_of(supervisor, self.bench.clock.now(), self.squeezing, self.known.counts)


@contextmanager
def lock_session(
    station: Path | None,
    runs: Path | None,
    say: Callable[[str], None],
    file: StationFile | None = None,
    intent: Intent = Intent.MOVE,
) -> Iterator[LockSession]:
    """Open a station, or another `file` in its place, for the block, and close its links afterwards; what a servo of
    this program has to say is said. Nobody else on this machine has the instruments meanwhile, and where the session is
    to move them a watchdog outlives this process.

    Raises `LeaseError` where another process has an instrument, `StationNotOpened` where one does not answer.
    """
    file = file or load_station(station or default_station())
    folder = runs or file.station.runs
    with ExitStack() as closing:
        closing.enter_context(table_held(file, intent))
        link = link_to(file)
        opened = open_station(file, link)
        closing.callback(opened.close)
        opened.on_trouble = lambda name, sentence: say(sentence)
        if intent is Intent.MOVE:
            closing.enter_context(guarded(file, folder, lambda text: opened.on_trouble("watchdog", text)))
        bench = Bench.of(opened, MemoryRecord())
        keeper: Keeper = _KeepsNothing()
        known = RememberedLocks()
        if not isinstance(file.backend, SimulatedBackend):
            memory = LockMemory.of(folder, file.station.name)
            kept = memory.load()
            known = kept.as_of(opened.clock.now(), time.time(), file.backend.speed)
            keeper = LockKeeper(memory, opened.clock, lambda: bench.supervisor, known)
        yield LockSession(file, bench, keeper, known, expected_squeezing(file, folder), StopRequest(opened.clock))


@contextmanager
def stopped_by_signals(stop: StopRequest) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) in the block ask for a stop, and the second abort."""

    def ask_or_abort() -> None:
        if stop.asked():
            raise KeyboardInterrupt
        stop.ask()

    with on_signals(ask_or_abort):
        yield
