"""A table that is served: what is queued is run, live spectra are shown in between, until somebody ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labctl.bus.messages import Severity
from labctl.bus.server import BusServer
from labctl.configuration.recipe_file import Step
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_recipe
from labctl.core.board import Board
from labctl.core.card import CoreCard, card_on_the_table
from labctl.core.command_desk import CommandDesk
from labctl.core.core import Core
from labctl.core.publication import Publication
from labctl.core.report_writer import write_report_aside
from labctl.core.settings import LIVE, LIVE_AVERAGES, LIVE_REFERENCE_S
from labctl.core.stored_runs import StoredRuns
from labctl.core.traffic_tail import TrafficTail
from labctl.errors import LabError, MissingResult
from labctl.last_words import defects
from labctl.locks.machine import LoopMachine
from labctl.locks.states import LockState
from labctl.station.station import Station
from labctl.store.losses import LossRecord
from labctl.store.records import EventRecord, NamedResult, StepState, TraceRecord
from procedures.catalogue import known_procedures
from procedures.execution import Skipped, StopRequest, execute
from procedures.night import Plan, Table, run_on, table_in_use

IDLE_S: Final = 0.1  # of lab time, between two looks at the queue
LIVE_S: Final = 3600.0  # one stretch of live spectra
LIVE_AGAIN_S: Final = 10.0  # wall time until live spectra are tried again after they failed
GIVEN_UP: Final = (LockState.STALLED, LockState.FAULT)
RECIPES: Final = ("overnight", "bring_up")


@contextmanager
def on_the_bus(table: Table, runs: Path) -> Iterator[Core]:
    """Let a table be seen and commanded over its bus for the block. Raises `LabError` where its bus cannot listen."""
    recipes = {name: load_recipe(template_directory() / f"{name}.toml", known_procedures()) for name in RECIPES}
    with ExitStack() as closing:
        core = Core(table, runs)
        closing.callback(core.close)
        table.bench.station.on_trouble = lambda name, text: core.board.say("warning", name, text)
        table.bench.shows_sweeps = core.speed > 0.0  # where nobody paces lab time nobody could follow
        traffic = TrafficTail(core.file.instruments)
        closing.callback(traffic.close)
        bus = core.file.bus
        server = BusServer(bus, CommandDesk(core, StoredRuns(runs), traffic, recipes).execute)
        closing.callback(server.close)
        closing.callback(Publication(core, server, recipes).close)
        if server.port != bus.port and bus.port:
            core.board.say("warning", "bus", f"Port {bus.port} is in use; this core listens on {server.port}.")
        if server.search_from_outside:
            core.board.say("warning", "bus", server.search_from_outside)
        core.port = server.port
        card = CoreCard(core.pid, bus.interface, server.port, bus.prefix, core.file.station.name)
        closing.enter_context(card_on_the_table(card))
        yield core


@dataclass(frozen=True)
class Service:
    """What is served: a station with its text, where its runs go, and how fast a simulated table's time goes."""

    station: StationFile
    station_text: str
    runs: Path
    pace: float = 1.0


def serve(service: Service, on_ready: Callable[[Core, StopRequest], None]) -> None:
    """Serve a table until the request that `on_ready` is handed is asked; the table is then left as it is.

    Raises `ConnectionLost` before anything moves when instruments do not answer.
    """
    backend = service.station.backend
    speed = service.pace if isinstance(backend, SimulatedBackend) else backend.speed
    with table_in_use(service.station, speed, service.runs) as table, on_the_bus(table, service.runs) as core:
        table.bench.record = IdleRecord(core.board)
        core.know_earlier_runs()
        table.take_over(service.runs)
        end = StopRequest(table.bench.clock)
        on_ready(core, end)
        _ServedTable(core, service, end).go_on()


class _ServedTable:
    """The thread of the table."""

    def __init__(self, core: Core, service: Service, end: StopRequest) -> None:
        self._core = core
        self._service = service
        self._end = end
        self._reference_at = float("-inf")
        self._live_not_before = 0.0

    def go_on(self) -> None:
        core = self._core
        while not self._end.asked():
            core.make_safe_if_asked()
            if core.start_asked.is_set():
                core.start_asked.clear()
                self._run()
            elif self._may_show_live() and self._is_locked():
                self._show_live()
            else:
                core.bench.clock.sleep(IDLE_S)
        if core.safe_asked.is_set():
            core.make_safe_if_asked()

    def _run(self) -> None:
        core, service = self._core, self._service
        plan = Plan(
            station=service.station,
            station_text=service.station_text,
            steps=tuple(queued.step for queued in core.queue.waiting),
            recipe_text="",
            title=core.title_asked or "queue",
            runs=service.runs,
            leave_as_is=True,
        )
        stop = StopRequest(core.bench.clock)
        try:
            done = run_on(core.table, plan, core.queue, _Quiet(), stop, core)
            write_report_aside(done.run, core.board.say)
        except LabError as error:
            self._tell_failure(str(error))
        except Exception as error:  # the core outlives a run that a defect ends: the table is safe then
            defects.tell("the run", error)
            self._tell_failure(f"unexpected {type(error).__name__}: {error}")

    def _tell_failure(self, text: str) -> None:
        board, now = self._core.board, time.time()
        board.say("error", "run", text)
        board.alarms.raise_alarm("run", f"The run was given up: {text}", Severity.MAJOR, now)
        board.alarms.clear("run", now)

    # ---- live spectra -----------------------------------------------------------------------------------------------

    def _may_show_live(self) -> bool:
        core = self._core
        if core.board.latch.stopped or not core.settings.value(LIVE) or time.monotonic() < self._live_not_before:
            return False
        needed = self._needed()
        if not needed or core.file.digitizer is None:
            return False
        return all(m.wanted and m.name not in core.held and m.state not in GIVEN_UP for m in needed)

    def _is_locked(self) -> bool:
        """Return whether live spectra may begin: their reference blocks light, which loops on their way need. Once they
        are shown they wait for a lost lock themselves."""
        return all(machine.is_locked for machine in self._needed())

    def _needed(self) -> list[LoopMachine]:
        bench = self._core.bench
        return [bench.supervisor.machines[loop.name] for loop in (*bench.loops.source, *bench.loops.homodyne)]

    def _show_live(self) -> None:
        core = self._core
        age_s = time.monotonic() - self._reference_at
        reference = core.bench.shot_and_dark is None or age_s > core.settings.value(LIVE_REFERENCE_S)
        averages = int(core.settings.value(LIVE_AVERAGES))
        parameters = {"duration": LIVE_S, "averages": averages, "reference": reference}
        step = Step("live", "live_spectra", None, (), 0, 2.0 * LIVE_S, parameters)
        if reference:
            self._reference_at = time.monotonic()

        def is_over() -> bool:
            return (
                core.start_asked.is_set()
                or core.safe_asked.is_set()
                or self._end.asked()
                or int(core.settings.value(LIVE_AVERAGES)) != averages
                or not self._may_show_live()
                or time.monotonic() - self._reference_at > core.settings.value(LIVE_REFERENCE_S)
            )

        try:
            execute(step, core.bench, StopRequest(core.bench.clock), _Quiet(), is_over)
        except Skipped:
            return  # by is_over: it begins again with the next look if it may
        except Exception as error:  # nothing that is only shown ends a core
            if isinstance(error, LabError) and is_over():
                return
            text = str(error) if isinstance(error, LabError) else f"unexpected {type(error).__name__}: {error}"
            core.board.say("warning", "live", text)
            self._live_not_before = time.monotonic() + LIVE_AGAIN_S
            core.bench.shot_and_dark = None


class IdleRecord:
    """Where what is measured between runs goes: it is told, and not kept."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def add_trace(self, trace: TraceRecord) -> int:
        """Tell a trace."""
        self._board.trace_added(trace)
        return 0

    def add_result(self, result: NamedResult) -> None:
        """Tell a result."""
        self._board.result_added(result)

    def add_event(self, event: EventRecord) -> None:
        """Tell an event."""
        self._board.event_added(event)

    def add_loss(self, loss: LossRecord) -> None:
        """Tell a lost lock."""
        self._board.loss_added(loss)

    def results(self) -> dict[str, NamedResult]:
        """Return none: those of earlier runs are known to the bench."""
        return {}

    def trace(self, name: str) -> TraceRecord:
        """Raise `MissingResult`: none is kept."""
        raise MissingResult(f"Between runs no trace {name} is kept.", remedy="Take it in a run.")


class _Quiet:
    """A listener that says nothing: the queue tells where it is."""

    def night_began(self, run: Path, station: Station, expected_s: dict[str, float]) -> None: ...

    def warned(self, text: str) -> None: ...

    def step_began(self, step: Step, attempt: int) -> None: ...

    def step_progressed(self, step: Step, fraction: float) -> None: ...

    def step_ended(self, step: Step, state: StepState, reason: str) -> None: ...
