"""Nights of scripted procedures on the simulated station: what each step does at each of its tries is written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pymeasure.experiment import FloatParameter, IntegerParameter

from labctl.configuration.recipe_file import Budgets, Pause, Step
from labctl.errors import LabError, StoreError
from labctl.locks.losses import Loss
from labctl.simulation.table import SimulatedTable
from labctl.station.station import Station
from labctl.store.checks import check_result
from labctl.store.records import AskedSetting, EventRecord, NamedResult, StepRecord, StepState, TraceRecord
from labctl.store.rows import LOCKS
from procedures.base import LabProcedure
from procedures.bench import Bench, MemoryRecord
from procedures.execution import StopRequest
from procedures.outcome import Outcome
from procedures.overnight import RecipeRun
from procedures.step_queue import StepQueue

Action = Callable[["Scripted"], None]


@dataclass
class Script:
    """What each step does at each of its tries, and in which order steps ran."""

    actions: dict[str, list[Action]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)


class Scripted(LabProcedure):
    """Does what the script says for its step: the first action at the first try, and so on; then nothing."""

    title = "Scripted"
    roles = ("analyzer",)
    sensor = IntegerParameter("Sensor", default=0)
    dose = FloatParameter("Dose", units="V", default=1.0, minimum=0.0, maximum=2.0)
    DATA_COLUMNS = ["Lab time (s)"]
    script = Script()

    def measure(self) -> None:
        self.on_bench.station.shutters["pump"].open()
        self.script.ran.append(self.step_name)
        self.progress(0.5)
        waiting = self.script.actions.get(self.step_name, [])
        if waiting:
            waiting.pop(0)(self)


class Preparing(Scripted):
    """Brings the table into a state, as a lock does."""

    prepares = True


class Unpaused(Scripted):
    """Runs whatever the conditions of the recipe say, as warming the oven does."""

    runs_while_paused = True


@dataclass
class KeepingJournal(MemoryRecord):
    """A journal in memory that can fail like a full disk."""

    steps: list[StepRecord] = field(default_factory=list)
    settings: dict[tuple[str, str], AskedSetting] = field(default_factory=dict)
    full: bool = False

    def step(self, record: StepRecord) -> None:
        self._write()
        self.steps.append(record)

    def keep_settings(self, asked: Sequence[AskedSetting]) -> None:
        self._write()
        self.settings |= {(one.instrument, one.setting): one for one in asked}

    def add_event(self, event: EventRecord) -> None:
        self._write()
        super().add_event(event)

    def add_result(self, result: NamedResult) -> None:
        self._write()
        super().add_result(check_result(result) if "." in result.name else result)

    def _write(self) -> None:
        if self.full:
            raise StoreError("The disk is full.", remedy="Make room.")

    def states(self, name: str) -> list[tuple[int, StepState]]:
        return [(record.attempt, record.state) for record in self.steps if record.name == name]


@dataclass
class Hearing:
    """A listener that keeps what it is told."""

    told: list[tuple[str, str, object]] = field(default_factory=list)

    def night_began(self, run: object, station: Station, expected_s: dict[str, float]) -> None:
        self.told.append(("night", str(run), tuple(expected_s)))

    def warned(self, text: str) -> None:
        self.told.append(("warned", text, None))

    def step_began(self, step: Step, attempt: int) -> None:
        self.told.append(("began", step.name, attempt))

    def step_progressed(self, step: Step, fraction: float) -> None:
        self.told.append(("progressed", step.name, fraction))

    def step_ended(self, step: Step, state: StepState, reason: str) -> None:
        self.told.append(("ended", step.name, state))


@dataclass
class Night:
    """One run of scripted steps."""

    station: Station
    simulated: SimulatedTable
    script: Script
    journal: KeepingJournal = field(default_factory=KeepingJournal)
    listener: Hearing = field(default_factory=Hearing)
    stalls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bench = Bench.of(self.station, self.journal)
        self.stop = StopRequest(self.station.clock)
        self.queue = StepQueue()

    def run(
        self, *steps: Step, leave_as_is: bool = False, pause: Pause | None = None, budgets: Budgets | None = None
    ) -> Outcome:
        self.queue = StepQueue(steps)
        options = {"leave_as_is": leave_as_is, "pause": pause, "budgets": budgets, "on_stall": self.stalls.append}
        return RecipeRun(self.queue, self.bench, self.journal, self.listener, self.stop, **options).run()  # type: ignore[arg-type]

    def safe(self) -> bool:
        return not any(shutter.is_open() for shutter in self.station.shutters.values())

    def last_states(self) -> dict[str, StepState]:
        return {record.name: record.state for record in self.journal.steps}

    def told(self, level: str) -> list[str]:
        return [event.text for event in self.journal.events if event.level == level]

    def after(self, seconds: float, act: Callable[[], Any]) -> None:
        """Let `act` happen once, `seconds` of lab time from now."""
        registration = self.station.clock.every(seconds, lambda: (act(), registration.cancel()), "test")

    def lose(self, loop: str, proven_s_ago: float) -> None:
        """Let a loop be lost now that was last proven good so long ago."""
        now = self.station.clock.now()
        self.bench.supervisor.losses.append(Loss(loop, now, now, "it was knocked", now - proven_s_ago))


def step(
    name: str, *needs: str, procedure: str = "scripted", retries: int = 0, time_limit: float = 100.0, **options: Any
) -> Step:
    """Return a step; what is no field of `Step` is a parameter of its procedure."""
    fields = {key: options.pop(key) for key in list(options) if key in Step.__dataclass_fields__}
    return Step(name, procedure, fields.pop("sensor", None), needs, retries, time_limit, options, **fields)


def fail(message: str = "no light", error: type[BaseException] = LabError) -> Action:
    """Return an action that raises."""

    def act(procedure: Scripted) -> None:
        raise error(message)

    return act


def trace(step: str, name: str, locks: str, started_at: float, ended_at: float) -> TraceRecord:
    """Return a short trace that needed loops."""
    axis = np.arange(3.0)
    return TraceRecord(
        name, step, "time", "s", "V", axis, axis, {LOCKS: locks} if locks else {}, True, "", started_at, ended_at
    )


def measure(seconds: float, locks: str = "lo1", name: str | None = None) -> Action:
    """Return an action that takes one trace of so many seconds."""

    def act(procedure: Scripted) -> None:
        clock, began_at = procedure.on_bench.clock, procedure.on_bench.clock.now()
        procedure.wait(seconds)
        taken = trace(procedure.step_name, name or f"{procedure.step_name}.one", locks, began_at, clock.now())
        procedure.on_bench.record.add_trace(taken)

    return act
