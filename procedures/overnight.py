"""Run a recipe: each step when what it needs is done, again when it fails, and the table left safe on every way
out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labctl.configuration.recipe_file import Step
from labctl.errors import ConfigurationError, LabError, StepTimeout, Stopped, StoreError
from labctl.locks.locked_time import LoopTime
from labctl.station.clock import Clock
from labctl.station.revival import revive
from labctl.store.records import EventRecord, RunState, StepRecord, StepState
from procedures.asked_settings import SettingsKeeper, SettingsRecord
from procedures.base import LabProcedure
from procedures.bench import Bench, Record
from procedures.catalogue import PROCEDURES
from procedures.step_queue import QueuedStep, StepQueue

HEALTH_PERIOD_S = 300.0
PAUSED_LOOK_S = 0.2  # between two looks at a queue that is paused
WELL_ENDED = (StepState.DONE, StepState.SKIPPED)
REVIVAL_WAITS_S = (2.0, 5.0, 10.0, 30.0, 60.0)  # between looks for who is away: boards reboot in a minute


class Journal(Record, SettingsRecord, Protocol):
    """A record that also keeps the steps, the settings asked for and how long loops were locked; a run on disk is
    one."""

    def keep_loop_times(self, times: Sequence[LoopTime]) -> None:
        """Keep how long each loop was wanted and locked."""
        ...

    def step(self, record: StepRecord) -> None:
        """Enter a step, or bring its entry up to date."""
        ...


class Follower(Protocol):
    """Who follows one step."""

    def step_progressed(self, step: Step, fraction: float) -> None:
        """A step is this far, from 0 to 1."""
        ...


class Listener(Follower, Protocol):
    """Who watches a recipe run."""

    def step_began(self, step: Step, attempt: int) -> None:
        """A step starts."""
        ...

    def step_ended(self, step: Step, state: StepState, reason: str) -> None:
        """A step ended, was skipped, or will be tried again."""
        ...


class Skipped(LabError):
    """The operator ended a step, and the run goes on with the next."""


@dataclass(frozen=True)
class Outcome:
    """How a recipe ended."""

    state: RunState
    reason: str
    coverage: str
    unsafe: tuple[str, ...] = ()  # one sentence for each device that could not be made safe


@dataclass
class StopRequest:
    """The operator's wish to stop, set from a signal handler or another thread."""

    clock: Clock
    _asked: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Stop at the next safe moment."""
        self._asked.set()
        self.clock.interrupt()

    def asked(self) -> bool:
        """Return True once somebody asked."""
        return self._asked.is_set()


class RecipeRun:
    """One run of the steps of a recipe on a bench.

    With `leave_as_is` a table on which every step succeeded is left locked; otherwise it is made safe at the end. The
    queue may be changed while it runs.
    """

    def __init__(
        self,
        queue: StepQueue,
        bench: Bench,
        journal: Journal,
        listener: Listener,
        stop: StopRequest,
        *,
        leave_as_is: bool = False,
    ) -> None:
        self._queue = queue
        self._bench = bench
        self._journal = journal
        self._listener = listener
        self._stop = stop
        self._leave_as_is = leave_as_is
        self._ran: list[QueuedStep] = []
        self._settings = SettingsKeeper(bench.station, journal)

    def run(self) -> Outcome:
        """Run every step and leave the table safe.

        Raises `StoreError` when the record itself fails; the table is safe then too.
        """
        clock = self._bench.clock
        health = clock.every(HEALTH_PERIOD_S, self._look_after_instruments, "health")
        station = self._bench.station
        told_before, station.on_trouble = station.on_trouble, lambda name, text: self._event("warning", name, text)
        try:
            for queued in self._queue.waiting:
                step = queued.step
                self._journal.step(
                    StepRecord(step.name, step.procedure, StepState.WAITING, parameters=dict(step.parameters))
                )
            while (following := self._next()) is not None:
                self._run_step(following)
        finally:
            health.cancel()
            try:
                problems = self._leave()
            finally:
                failure = self._settings.keep_last() or self._keep_loop_times()
                station.on_trouble = told_before  # the record closes
        if failure is not None:
            raise failure
        return self._outcome(problems)

    def _next(self) -> QueuedStep | None:
        """Return the next step once the queue is not paused; None where none is left, or after a stop."""
        while not self._stop.asked():
            following = self._queue.take_next()
            if following is not None:
                self._ran.append(following)
                return following
            if not self._queue.waiting:
                return None
            self._bench.clock.sleep(PAUSED_LOOK_S)
        return None

    def _keep_loop_times(self) -> StoreError | None:
        """Keep how long each loop was locked, and return what went wrong with that."""
        try:
            self._journal.keep_loop_times(self._bench.supervisor.locked_time.times())
        except StoreError as error:
            return error
        return None

    def _leave(self) -> list[str]:
        """Make the table safe, unless it is to stay as it is and every step was done."""
        steps = [*self._ran, *self._queue.waiting]  # not those of earlier runs from the same queue
        if self._leave_as_is and all(queued.state in WELL_ENDED for queued in steps):
            return []
        problems = self._bench.station.make_safe()
        self._report_problems(problems)
        return problems

    def _run_step(self, queued: QueuedStep) -> None:
        step = queued.step
        states = {other.step.name: other.state for other in self._queue.steps}
        missing = [need for need in step.needs if states.get(need) is not StepState.DONE]
        if missing:
            self._end(queued, StepState.SKIPPED, f"needs {', '.join(missing)}")
            return
        for attempt in range(1, step.retries + 2):
            queued.attempt = attempt
            state, reason = self._attempt(queued)
            if state is not StepState.FAILED or self._stop.asked() or self._queue.must_skip(queued):
                return
            if attempt <= step.retries:
                self._event("warning", step.name, f"Try {attempt} failed and will be repeated: {reason}")
                self._revive()

    def _revive(self) -> None:
        """Bring back what was away before the next try; high voltage that was up is raised again."""
        station = self._bench.station
        raised = any(piezo.commanded_v for piezo in station.piezos.values())
        revival = revive(station)
        for wait_s in REVIVAL_WAITS_S:
            if not revival.away or self._stop.asked():
                break
            self._bench.clock.sleep(wait_s)
            revival = revival.then(revive(station))
        for sentence in revival.sentences:
            self._event("warning", "revival", sentence)
        if revival.changed:
            try:
                self._bench.renew_loops()
                if raised:
                    station.raise_piezos()
            except LabError as error:  # the next try meets it again; the rest of the night must not end of it
                self._event("error", "revival", str(error))

    def _attempt(self, queued: QueuedStep) -> tuple[StepState, str]:
        step = queued.step
        queued.started_at, queued.ended_at = self._bench.clock.now(), None
        queued.state, queued.fraction = StepState.RUNNING, 0.0
        self._settings.step = step.name
        self._journal.step(_entry(queued))
        self._listener.step_began(step, queued.attempt)
        try:
            execute(step, self._bench, self._stop, _Follower(queued, self._listener), self._skipping(queued))
            state, reason = StepState.DONE, ""
        except Skipped as skipped:
            state, reason = StepState.SKIPPED, str(skipped)
        except Stopped as stopped:
            state, reason = StepState.STOPPED, str(stopped)
        except StoreError:
            queued.state = StepState.FAILED
            raise
        except LabError as error:
            state, reason = StepState.FAILED, str(error)
        except Exception as error:
            state, reason = StepState.FAILED, f"unexpected {type(error).__name__}: {error}"
        self._end(queued, state, reason)
        return state, reason

    def _skipping(self, queued: QueuedStep) -> Callable[[], bool]:
        return lambda: self._queue.must_skip(queued)

    def _end(self, queued: QueuedStep, state: StepState, reason: str) -> None:
        queued.state, queued.reason = state, reason
        self._settings.keep()
        queued.ended_at = None if queued.started_at is None else self._bench.clock.now()
        self._journal.step(_entry(queued))
        if state is StepState.FAILED:
            self._event("error", queued.step.name, reason)
        self._listener.step_ended(queued.step, state, reason)

    def coverage(self) -> str:
        """Return how much is done, such as "7 of 12 steps"."""
        steps = [*self._ran, *self._queue.waiting]
        done = sum(queued.state is StepState.DONE for queued in steps)
        return f"{done} of {len(steps)} steps"

    def _outcome(self, problems: Sequence[str]) -> Outcome:
        coverage = self.coverage()
        failed = [queued for queued in self._ran if queued.state is StepState.FAILED]
        reasons = list(problems)
        if failed:
            names = [queued.step.name for queued in failed]
            others = f" ({', '.join(names[1:])} failed too)" if len(failed) > 1 else ""
            reasons.insert(0, f"{names[0]}: {failed[0].reason}{others}")
        if self._stop.asked():
            reasons.insert(0, "stopped by the operator")
            state = RunState.STOPPED
        else:
            state = RunState.FAILED if reasons else RunState.COMPLETE
        return Outcome(state, "; ".join(reasons), coverage, tuple(problems))

    def _look_after_instruments(self) -> None:
        for health in self._bench.station.health():
            if not health.answers:
                self._event("warning", health.name, health.problem)
        self._settings.keep()

    def _report_problems(self, problems: Sequence[str]) -> None:
        try:
            for problem in problems:
                self._event("error", "make safe", problem)
        except StoreError:
            return  # the record failed already, and that is the error that is told

    def _event(self, level: str, source: str, text: str) -> None:
        self._journal.add_event(EventRecord(self._bench.clock.now(), level, source, text))  # type: ignore[arg-type]


class _Follower:
    """Keeps how far a queued step is, and passes it on."""

    def __init__(self, queued: QueuedStep, listener: Listener) -> None:
        self._queued = queued
        self._listener = listener

    def step_progressed(self, step: Step, fraction: float) -> None:
        self._queued.fraction = fraction
        self._listener.step_progressed(step, fraction)


def _entry(queued: QueuedStep) -> StepRecord:
    step = queued.step
    return StepRecord(
        step.name,
        step.procedure,
        queued.state,
        queued.attempt,
        queued.started_at,
        queued.ended_at,
        queued.reason,
        dict(step.parameters),
    )


def execute(
    step: Step,
    bench: Bench,
    stop: StopRequest,
    follower: Follower,
    skip_asked: Callable[[], bool] = lambda: False,
) -> None:
    """Run one step's procedure on a bench, as pymeasure's worker would: startup, execute, and shutdown whatever
    happens.

    Raises `Stopped`, `Skipped`, `StepTimeout`, or what the procedure raises.
    """
    procedure = make_procedure(step.procedure, step.parameters, bench)
    procedure.step = step.name
    deadline = bench.clock.now() + step.time_limit

    def should_stop() -> bool:
        return stop.asked() or skip_asked() or bench.clock.now() > deadline

    def emit(topic: str, record: object) -> None:
        if topic == "progress" and isinstance(record, float):
            follower.step_progressed(step, record / 100.0)

    procedure.should_stop = should_stop
    procedure.emit = emit
    try:
        procedure.startup()
        procedure.execute()
    finally:
        procedure.shutdown()
    if not procedure.was_stopped:
        return
    if stop.asked():
        raise Stopped(f"{step.name} was stopped by the operator.")
    if skip_asked():
        raise Skipped("skipped by the operator")
    raise StepTimeout(
        f"{step.name} took longer than its {step.time_limit:g} s.",
        remedy="Raise time_limit in the recipe, or ask for less.",
    )


def check_parameters(steps: Sequence[Step]) -> None:
    """Raise `ConfigurationError` that lists every parameter whose value its procedure does not allow."""
    faults = []
    for step in steps:
        procedure = PROCEDURES[step.procedure]()
        for key, value in step.parameters.items():
            try:
                procedure.set_parameters({key: value})
            except ValueError as error:
                faults.append(f"step {step.name}: {key} = {value!r} is not allowed; {_allowed(procedure, key, error)}")
    if faults:
        raise ConfigurationError("\n".join(faults))


def _allowed(procedure: LabProcedure, key: str, error: ValueError) -> str:
    parameter = procedure.parameter_objects()[key]
    low, high = getattr(parameter, "minimum", None), getattr(parameter, "maximum", None)
    if low is None or high is None:
        return str(error)
    return f"allowed: {low:g} to {high:g} {parameter.units or ''}".strip()


def make_procedure(name: str, parameters: Mapping[str, object], bench: Bench) -> LabProcedure:
    """Return a procedure of the catalogue bound to `bench` with its parameters set.

    Raises `LabError` naming the parameter and what is allowed where a value is outside its range.
    """
    bound = PROCEDURES[name].bind(bench)
    procedure = bound()
    for key, value in parameters.items():
        try:
            procedure.set_parameters({key: value})
        except ValueError as error:
            raise LabError(
                f"{name}: {key} = {value!r} is not allowed: {error}.",
                remedy="Correct it in the recipe or on the command line.",
            ) from error
    return procedure
