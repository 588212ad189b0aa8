"""Which steps of a recipe tonight must do: never done, too old, moved since, or resting on something that was done
again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from labctl.configuration.recipe_file import Step
from labctl.errors import StoreError
from labctl.store.catalogue import Catalogue
from labctl.store.reader import RunReader
from labctl.store.records import Manifest, NamedResult, StepRecord, StepState
from procedures.resuming import last_attempts

MOST_RUNS: Final = 30
HOUR_S: Final = 3600.0
SIMULATED: Final = "simulated"
PREPARES: Final = "is done every night"


@dataclass(frozen=True)
class DoneStep:
    """When a step was last done (wall time, s since the epoch), in which run, and all that was known then."""

    name: str
    done_at: float
    run_id: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    known: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """What earlier runs did and found: steps by name, and the latest result of every name."""

    steps: Mapping[str, DoneStep] = field(default_factory=dict)
    results: Mapping[str, NamedResult] = field(default_factory=dict)


def history_of(runs: Path, station_name: str, backend: str) -> History:
    """Return what the last runs on a station did; runs that cannot be read are left out."""
    steps: dict[str, DoneStep] = {}
    results: dict[str, NamedResult] = {}
    for reader in last_runs(runs, station_name, backend):
        with suppress(StoreError, ValueError):
            found = reader.results()
            for step in done_steps(reader.manifest, reader.steps(), found):
                steps.setdefault(step.name, step)
            results = found | results
    return History(steps, results)


def last_runs(runs: Path, station_name: str, backend: str) -> Iterator[RunReader]:
    """Yield the last runs on a station, the latest first; those that cannot be opened are left out."""
    with suppress(StoreError):
        for summary in Catalogue(runs).list()[:MOST_RUNS]:
            if summary.station_name == station_name and summary.backend == backend:
                with suppress(StoreError, ValueError):
                    yield RunReader(summary.path)


def done_steps(manifest: Manifest, steps: Iterable[StepRecord], results: Mapping[str, NamedResult]) -> list[DoneStep]:
    """Return the steps of one run whose last attempt was done, each with when that was."""
    began_at = datetime.fromisoformat(manifest.created).timestamp()
    known = {name: result.value for name, result in results.items()}
    return [
        DoneStep(step.name, _wall_time(manifest, step, began_at), manifest.run_id, dict(step.parameters), known)
        for step in last_attempts(steps).values()
        if step.state is StepState.DONE
    ]


def _wall_time(manifest: Manifest, step: StepRecord, began_at: float) -> float:
    """Return when a step was done: the lab time of real instruments is wall time, that of a simulated table is not."""
    if manifest.backend == SIMULATED or step.ended_at is None:
        return began_at
    return step.ended_at


def stale_steps(steps: Sequence[Step], history: History, now: float) -> dict[str, str]:
    """Return why each step that must be done must be, by name; `steps` in the order of their needs, `now` in s since
    the epoch.

    A step without `fresh` prepares the table: it is done every night, and nothing grows stale by it.
    """
    reasons: dict[str, str] = {}
    prepares = {step.name for step in steps if step.fresh_s is None}
    for step in steps:
        reason = PREPARES if step.fresh_s is None else _why_stale(step, history, now, reasons, prepares)
        if reason:
            reasons[step.name] = reason
    return reasons


def _why_stale(step: Step, history: History, now: float, reasons: Mapping[str, str], prepares: Collection[str]) -> str:
    assert step.fresh_s is not None
    done = history.steps.get(step.name)
    if done is None:
        return "was never done"
    if dict(done.parameters) != dict(step.parameters):
        return "was done with other parameters"
    age_s = now - done.done_at
    if age_s > step.fresh_s:
        return f"is {age_s / HOUR_S:.1f} h old, and good for {step.fresh_s / HOUR_S:g} h"
    if moved := _moved(step, done, history.results):
        return moved
    for need in step.needs:
        if need in prepares:
            continue
        if need in reasons:
            return f"rests on {need}, which {reasons[need]}"
        if history.steps[need].done_at > done.done_at:
            return f"rests on {need}, which was done again since"
    return ""


def _moved(step: Step, done: DoneStep, results: Mapping[str, NamedResult]) -> str:
    """Return which quantity has moved further than the step allows since it was done."""
    for quantity, most in step.moved.items():
        for name in _results_of(quantity, step.sensor, results):
            if name in done.known and abs(results[name].value - done.known[name]) > most:
                moved = results[name].value - done.known[name]
                return f"was done before {name} moved by {moved:+.4g} {results[name].unit} (allowed {most:g})"
    return ""


def _results_of(quantity: str, sensor: int | None, results: Mapping[str, NamedResult]) -> list[str]:
    if sensor is not None:
        name = f"sensor{sensor}.{quantity}"
        return [name] if name in results else []
    return [name for name in results if name.rpartition(".")[2] == quantity]
