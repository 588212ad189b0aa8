"""The core: it holds the table, runs the queue, and does what the bus asks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pymeasure.units import ureg

from labctl.bus.messages import Severity
from labctl.configuration.station_file import SimulatedBackend, StationFile, VisaBackend
from labctl.core.board import Board, Inbox, Latch
from labctl.core.control import ControlLease
from labctl.core.earlier_results import earlier_results
from labctl.core.environment import Environment
from labctl.core.flood import FloodGuard
from labctl.core.interlock_alarms import InterlockAlarms
from labctl.core.log_book import LogBook
from labctl.core.settings import PACE, Settings
from labctl.errors import LabError
from labctl.station.asking import asking, who_asks
from labctl.station.clock import Registration
from labctl.station.paced_clock import PacedClock
from labctl.store.losses import LossRecord
from labctl.store.records import EventRecord, NamedResult, TraceRecord
from procedures.bench import Bench
from procedures.bringing_up import prepare
from procedures.execution import StopRequest
from procedures.night import Table
from procedures.outcome import Outcome
from procedures.step_queue import StepQueue


@dataclass
class RunNow:
    """The run that goes on, or how the last one ended."""

    run_id: str = ""
    title: str = ""
    state: str = "idle"
    reason: str = ""
    began_at: float = float("nan")  # wall time
    stop: StopRequest | None = None
    ended_before: frozenset[int] = frozenset()  # steps of the queue that were over when it began
    own: frozenset[int] | None = None  # its steps once it is over; until then those to come are too

    def has(self, identity: int) -> bool:
        """Return whether a step of the queue is one of this run."""
        return identity not in self.ended_before if self.own is None else identity in self.own


class Core:
    """The state of the process that holds a table, and what may be asked of it; `CommandDesk` lets others ask.

    Instruments are touched only by the thread that runs procedures and by the clock's periodic tasks; `stop` alone may
    touch them from its own thread, where the clock lets several threads do so. It is the `Attendant` of every run.
    """

    def __init__(self, table: Table, runs: Path) -> None:
        bench = table.bench
        self.table = table
        self.runs = runs
        self.started_at = time.time()
        self.pid = os.getpid()
        self.port = 0  # of its bus
        self.board = Board(bench.clock)
        self.lease = ControlLease(self._control_lost)
        self.flood = FloodGuard()
        self.log_book = LogBook(runs / "logbook")
        self.settings = Settings(bench.clock.speed if isinstance(bench.clock, PacedClock) else 0.0)
        self.inbox = Inbox()
        self.queue = StepQueue()
        self.run = RunNow()
        self.environment = Environment(bench.station)
        self.interlock_alarms = InterlockAlarms(
            bench.station.interlocks, self.board, self.stop, lambda: self.run.stop is not None
        )
        self.held: set[str] = set()  # loops that an operator holds
        self.tell_now: Callable[[], None] = lambda: None  # who tells the state, at once
        self.start_asked = threading.Event()
        self.title_asked = ""
        self.safe_asked = threading.Event()
        self._commands: Registration = bench.clock.every(
            bench.station.file.supervisor.period, self.inbox.do_all, "commands"
        )
        self._guard = threading.Lock()
        self._pressed_at = time.monotonic()
        bench.station.interlocks.start()
        ureg.Unit("Hz")  # units are read at their first use, which must not be in two threads at once
        bench.on_spectrum, bench.on_curve = self.board.spectrum_shown, self.board.curve_shown

    @property
    def bench(self) -> Bench:
        """Return the bench."""
        return self.table.bench

    @property
    def file(self) -> StationFile:
        """Return the station file."""
        return self.bench.station.file

    def close(self) -> None:
        """Do nothing more."""
        self._commands.cancel()
        self.interlock_alarms.close()
        self.environment.stop()
        self.bench.on_spectrum = self.bench.on_curve = None

    # ---- the software stop ------------------------------------------------------------------------------------------

    def stop(self, reason: str, by: str) -> str:
        """Stop whatever goes on and make the table safe; return what is being done. Pressed again, it does so again."""
        with self._guard:
            first = not self.board.latch.stopped
            if first:
                self.board.latch = Latch(True, reason, by, time.time())
        if first:
            self.board.say("warning", "stop", f"Software stop by {by}{f': {reason}' if reason else ''}.")
        self._pressed_at = time.monotonic()
        self.safe_asked.set()
        self.start_asked.clear()  # what was asked for before the stop does not begin after the reset
        self.queue.pause()
        running = self.run.stop  # of one look: the run may end meanwhile
        if running is not None:
            running.ask()
        clock = self.bench.clock
        if clock.concurrent:
            threading.Thread(target=self._make_safe, name="labctl stop", daemon=True).start()
        else:
            self.bench.station.way.end_motions()
            clock.interrupt()
        return "Stopping: the table is being made safe."

    def make_safe_if_asked(self) -> None:
        """Make the table safe after a stop, in the thread of the table."""
        if self.safe_asked.is_set():
            self._make_safe()

    def _make_safe(self) -> None:
        pressed_at = self._pressed_at
        self.safe_asked.clear()
        problems = self.bench.station.make_safe()
        for problem in problems:
            self.board.say("error", "stop", problem)
        if problems:
            self.board.alarms.raise_alarm("stop", " ".join(problems), Severity.MAJOR, time.time(), condition="safe")
        else:
            self.board.alarms.clear("stop", time.time(), condition="safe")
            took_s = time.monotonic() - pressed_at
            self.board.say("info", "stop", f"The table is safe, {took_s:.2f} s after the stop.")
        self.tell_now()

    def reset(self, reason: str, by: str) -> str:
        """Release the latch and the interlocks that are latched; nothing is started again. Raises `LabError` where an
        interlock still has its cause."""
        interlocks = self.bench.station.interlocks.reset_all(by)
        if not self.board.latch.stopped:
            return f"Reset: {', '.join(interlocks)}." if interlocks else "Nothing was stopped."
        self.board.latch = Latch()
        self.board.say("info", "stop", f"Reset by {by}: {reason}. Nothing was started again.")
        return "Reset. Nothing was started again."

    def require_not_stopped(self) -> None:
        """Raise `LabError` while the stop is latched."""
        latch = self.board.latch
        if latch.stopped:
            raise LabError(f"The table was stopped by {latch.by}.", remedy="Reset the stop first.")

    # ---- the queue --------------------------------------------------------------------------------------------------

    def start(self, title: str) -> str:
        """Have the waiting steps run."""
        self.require_not_stopped()
        if self.run.stop is not None:
            raise LabError(f"{self.run.title} runs already.", remedy="New steps are run after its own.")
        waiting = len(self.queue.waiting)
        if not waiting:
            raise LabError("Nothing waits in the queue.", remedy="Add a step first.")
        self.queue.resume()
        self.title_asked = title
        self.start_asked.set()
        self.wake()
        return f"{waiting} steps will run."

    def change_setting(self, name: str, value: float) -> float:
        """Change a setting and return the value before. Raises `LimitError`."""
        before = self.settings.change(name, value)
        clock = self.bench.clock
        if name == PACE and isinstance(clock, PacedClock):
            clock.go_at(value)
        self.wake()
        return before

    @property
    def speed(self) -> float:
        """Return lab seconds per wall second; 0 where nobody paces them."""
        clock, backend = self.bench.clock, self.file.backend
        if isinstance(clock, PacedClock):
            return clock.speed
        return backend.speed if isinstance(backend, VisaBackend) else 0.0

    def wake(self) -> None:
        """Let the thread of the table look at what was asked for."""
        if self.run.stop is None:
            self.bench.clock.interrupt()

    # ---- loops ------------------------------------------------------------------------------------------------------

    def lock(self, loop: str) -> str:
        """Have a loop and all that it needs locked."""
        self._require_loop(loop)
        names = self.bench.supervisor.with_needs([loop])
        self.held.difference_update(names)
        self._do(f"lock {loop}", lambda: self._request(loop))
        return f"{', '.join(names)} will be locked."

    def _request(self, loop: str) -> None:
        supervisor = self.bench.supervisor
        names = supervisor.with_needs([loop])
        prepare(self.bench.station, [name for name in names if not supervisor.machines[name].is_locked])
        supervisor.request([loop])

    def hold(self, loop: str, by: str) -> str:
        """Have a loop, and what needs it, held where it is."""
        self._require_loop(loop)
        self.held.update(self.bench.supervisor.that_need([loop]))
        self._do(f"hold {loop}", lambda: self.bench.supervisor.hold([loop], f"Held by {by}."))
        return f"{', '.join(self.bench.supervisor.that_need([loop]))} will be held."

    def release(self, loop: str) -> str:
        """Have a loop, and what needs it, opened."""
        self._require_loop(loop)
        self._do(f"release {loop}", lambda: self.bench.supervisor.release([loop]))
        return f"{', '.join(self.bench.supervisor.that_need([loop]))} will be opened."

    def _require_loop(self, loop: str) -> None:
        if loop not in self.file.loops:
            raise LabError(f"There is no loop {loop}.", remedy=f"There are {', '.join(self.file.loops)}.")

    def _do(self, what: str, act: Callable[[], None]) -> None:
        who = who_asks()

        def do() -> None:
            if self.board.latch.stopped:
                return
            try:
                with asking(who):
                    act()
            except LabError as error:
                self.board.say("error", what, str(error))

        self.inbox.put(do)

    def know_earlier_runs(self) -> None:
        """Take up the results of the last runs, each with its age; a simulated table in this process is another one at
        each start."""
        if isinstance(self.file.backend, SimulatedBackend):
            return
        for measured in earlier_results(self.runs, self.file.station.name):
            self.board.know(measured)
        self.bench.known = {name: one.result for name, one in self.board.measured.items()}

    # ---- runs (`Attendant`) -----------------------------------------------------------------------------------------

    def run_began(self, run_id: str, title: str, queue: StepQueue, stop: StopRequest) -> None:
        """Take note of a run that begins."""
        self.queue = queue
        self.board.run_id = run_id
        over = frozenset(queued.identity for queued in queue.steps if queued.is_over)
        self.run = RunNow(run_id, title, "running", "", time.time(), stop, over)
        if self.board.latch.stopped:
            stop.ask()

    def run_ended(self, outcome: Outcome) -> None:
        """Take note of how it ended; what it measured is known to the next."""
        own = frozenset(queued.identity for queued in self.queue.steps if self.run.has(queued.identity))
        self.run = replace(self.run, state=str(outcome.state), reason=outcome.reason, stop=None, own=own)
        self.bench.known = {name: one.result for name, one in self.board.measured.items()}

    def trace_added(self, trace: TraceRecord) -> None:
        """A trace is kept."""
        self.board.trace_added(trace)

    def result_added(self, result: NamedResult) -> None:
        """A result is kept."""
        self.board.result_added(result)

    def event_added(self, event: EventRecord) -> None:
        """Something happened."""
        self.board.event_added(event)

    def loss_added(self, loss: LossRecord) -> None:
        """A lock was lost."""
        self.board.loss_added(loss)

    def _control_lost(self, client: str, by: str) -> None:
        self.board.say("warning", "control", f"{by} took control from {client}.")
