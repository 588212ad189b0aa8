"""Run one step of a recipe on a bench, as pymeasure's worker would."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labctl.configuration.recipe_file import Step
from labctl.errors import ConfigurationError, LabError, MissingResult, RecordRefused, StepTimeout, Stopped
from labctl.station.asking import asking
from labctl.station.clock import Clock
from procedures.base import LabProcedure
from procedures.bench import Bench
from procedures.catalogue import PROCEDURES

FAULTS_OF_A_STEP = (MissingResult, RecordRefused)  # of the record's errors: it goes on without the step


class Follower(Protocol):
    """Who follows one step."""

    def step_progressed(self, step: Step, fraction: float) -> None:
        """A step is this far, from 0 to 1."""
        ...


class Skipped(LabError):
    """The operator ended a step, and the run goes on with the next."""


class Suspended(LabError):
    """Nothing may be measured for the moment; the step is done again once it may."""


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


def execute(
    step: Step,
    bench: Bench,
    stop: StopRequest,
    follower: Follower,
    skip_asked: Callable[[], bool] = lambda: False,
    why_paused: Callable[[], str] = lambda: "",
) -> None:
    """Run one step's procedure on a bench, as pymeasure's worker would: startup, execute, and shutdown whatever
    happens.

    Raises `Stopped`, `Skipped`, `Suspended`, `StepTimeout`, or what the procedure raises.
    """
    procedure = make_procedure(step.procedure, step.parameters, bench)
    procedure.step = step.name
    deadline = bench.clock.now() + step.time_limit
    paused_for = ""  # kept, for the reason may be over when the procedure has put the table back

    def is_paused() -> bool:
        nonlocal paused_for
        if not procedure.runs_while_paused:
            paused_for = paused_for or why_paused()
        return bool(paused_for)

    def should_stop() -> bool:
        return stop.asked() or skip_asked() or is_paused() or bench.clock.now() > deadline

    def emit(topic: str, record: object) -> None:
        if topic == "progress" and isinstance(record, float):
            follower.step_progressed(step, record / 100.0)

    procedure.should_stop = should_stop
    procedure.emit = emit
    if is_paused():
        raise Suspended(paused_for)
    try:
        with asking(f"step {step.name}"):
            procedure.startup()
            procedure.execute()
    finally:
        with asking(f"step {step.name}, at its end"):
            procedure.shutdown()
    if not procedure.was_stopped:
        return
    if stop.asked():
        raise Stopped(f"{step.name} was stopped by the operator.")
    if skip_asked():
        raise Skipped("skipped by the operator")
    if paused_for:
        raise Suspended(paused_for)
    raise StepTimeout(
        f"{step.name} took longer than its {step.time_limit:g} s.",
        remedy="Raise time_limit in the recipe, or ask for less.",
    )


def check_parameters(steps: Sequence[Step]) -> None:
    """Raise `ConfigurationError` that lists every parameter whose value its procedure does not allow."""
    faults = []
    prototypes = {name: PROCEDURES[name]() for name in {step.procedure for step in steps}}
    for step in steps:
        procedure = prototypes[step.procedure]
        for key, value in step.parameters.items():
            try:
                procedure.set_parameters({key: value})
            except (TypeError, ValueError) as error:  # a list is no number for the former
                faults.append(f"step {step.name}: {key} = {value!r} is not allowed; {_allowed(procedure, key, error)}")
    if faults:
        raise ConfigurationError("\n".join(faults))


def _allowed(procedure: LabProcedure, key: str, error: Exception) -> str:
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
        except (TypeError, ValueError) as error:
            raise LabError(
                f"{name}: {key} = {value!r} is not allowed: {error}.",
                remedy="Correct it in the recipe or on the command line.",
            ) from error
    return procedure
