"""The queue, the run and the procedures, as rows of the bus."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pymeasure.experiment import BooleanParameter, FloatParameter, IntegerParameter, ListParameter, Parameter

from labctl.bus.messages import ParameterRow, ProcedureRow, QueueRow, RunRow
from labctl.bus.names import RECIPE
from labctl.configuration.recipe_file import Recipe
from labctl.core.core import RunNow
from labctl.core.lab_times import LabTimes
from labctl.store.records import StepState
from procedures.base import LabProcedure
from procedures.catalogue import parameters_of
from procedures.step_queue import QueuedStep

UNLIMITED = 1e8  # pymeasure's default limits are -1e9 and 1e9


def queue_rows(steps: Sequence[QueuedStep], times: LabTimes) -> list[QueueRow]:
    """Return every step of the queue in order."""
    return [
        QueueRow(
            identity=queued.identity,
            name=queued.step.name,
            procedure=queued.step.procedure,
            parameters=", ".join(f"{name} = {value}" for name, value in queued.step.parameters.items()),
            state=str(queued.state),
            attempt=queued.attempt,
            fraction=queued.fraction,
            expected_s=queued.expected_s,
            started_at=_wall(queued.started_at, times),
            ended_at=_wall(queued.ended_at, times),
            needs=", ".join(queued.step.needs),
            reason=queued.reason,
        )
        for queued in steps
    ]


def run_row(run: RunNow, steps: Sequence[QueuedStep], is_paused: bool) -> RunRow:
    """Return the run that goes on, or how the last one ended; `steps` are those of the queue."""
    steps = [queued for queued in steps if run.has(queued.identity)]
    ended = [queued for queued in steps if queued.is_over]
    running = next((queued for queued in steps if queued.state is StepState.RUNNING), None)
    total_s = sum(queued.expected_s for queued in steps)
    done_s = sum(queued.expected_s for queued in ended)
    if running is not None:
        done_s += running.fraction * running.expected_s
    goes_on = run.stop is not None
    state = run.state
    if goes_on and is_paused:
        state = "paused" if running is None else "pausing"
    return RunRow(
        run_id=run.run_id,
        title=run.title,
        state=state,
        reason=run.reason,
        step=running.step.name if running is not None else "",
        step_number=len(ended) + 1 if running is not None else len(ended),
        steps=len(steps),
        step_fraction=running.fraction if running is not None else 0.0,
        fraction=done_s / total_s if total_s > 0.0 else 0.0,
        eta_s=max(0.0, total_s - done_s),
        started_at=run.began_at,
    )


def _wall(lab_s: float | None, times: LabTimes) -> float:
    return math.nan if lab_s is None else times.wall_of(lab_s)


def procedure_rows(procedures: Mapping[str, type[LabProcedure]], recipes: Mapping[str, Recipe]) -> list[ProcedureRow]:
    """Return what can be put into the queue: recipes, then procedures."""
    return [
        *(
            ProcedureRow(f"{RECIPE}{name}", f"Recipe: {recipe.title}", f"All {len(recipe.steps)} steps of {name}.toml.")
            for name, recipe in recipes.items()
        ),
        *(
            ProcedureRow(name, procedure.title or name, _first_paragraph(procedure.__doc__ or ""))
            for name, procedure in procedures.items()
        ),
    ]


def parameter_rows(procedures: Mapping[str, type[LabProcedure]]) -> list[ParameterRow]:
    """Return every parameter of every procedure."""
    return [
        _parameter(name, key, parameter)
        for name, procedure in procedures.items()
        for key, parameter in parameters_of(procedure).items()
    ]


def _parameter(procedure: str, name: str, parameter: Parameter) -> ParameterRow:
    choices: Iterable[object] = parameter.choices or () if isinstance(parameter, ListParameter) else ()
    default = parameter.default
    return ParameterRow(
        procedure=procedure,
        name=name,
        label=parameter.name,
        kind=_kind(parameter),
        unit=getattr(parameter, "units", None) or "",
        default="" if default is None else str(default),
        minimum=_limit(getattr(parameter, "minimum", None)),
        maximum=_limit(getattr(parameter, "maximum", None)),
        choices="|".join(map(str, choices)),
        description=parameter.description or "",
    )


def _kind(parameter: Parameter) -> str:
    match parameter:
        case ListParameter():
            return "choice"
        case BooleanParameter():
            return "boolean"
        case IntegerParameter():
            return "integer"
        case FloatParameter():
            return "float"
        case _:
            return "text"


def _limit(value: float | None) -> float:
    return math.nan if value is None or abs(value) > UNLIMITED else float(value)


def _first_paragraph(text: str) -> str:
    return " ".join(text.strip().split("\n\n")[0].split())
