"""Go on with a run that was cut off: what was done stays done, what was cut is done again, and the table is brought
back to where the next step expects it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from labctl.configuration.recipe_file import Recipe, Step
from labctl.configuration.station_file import StationFile
from labctl.errors import StoreError
from labctl.store.records import Manifest, StepRecord, StepState
from labctl.store.writer import RunWriter
from procedures.catalogue import PROCEDURES, known_procedures
from procedures.step_queue import StepQueue

AGAIN: Final = "again."  # before the name of a step that brings the table back
RETRIES: Final = 2
CUT_OFF: Final = "cut off: its process went away"
KEPT: Final = "kept: "  # before the reason why a step was not done


def station_of(manifest: Manifest) -> StationFile:
    """Return the station that a run was begun with. Raises `StoreError` where this version cannot read it."""
    try:
        return StationFile.model_validate(json.loads(manifest.station_file))
    except (ValueError, ValidationError) as error:
        raise _unreadable(manifest, "station file", error) from error


def recipe_of(manifest: Manifest) -> Recipe:
    """Return the recipe that a run was begun with. Raises `StoreError` where this version cannot read it."""
    try:
        return Recipe.model_validate(tomllib.loads(manifest.recipe), context={"known_procedures": known_procedures()})
    except (ValueError, ValidationError) as error:
        raise _unreadable(manifest, "recipe", error) from error


def _unreadable(manifest: Manifest, what: str, error: Exception) -> StoreError:
    return StoreError(
        f"The {what} of run {manifest.run_id} cannot be read: {error}",
        remedy="Go on with it by the version of labctl that began it; its manifest names it.",
    )


def take_up(queue: StepQueue, writer: RunWriter) -> list[str]:
    """Put the steps of a queue where the run in `writer` left them, add those that bring the table back, and return
    sentences on what was found."""
    last = last_attempts(writer.steps())
    for entry in last.values():
        was_cut = entry.state is StepState.RUNNING
        if was_cut or (entry.state is StepState.WAITING and entry.name.startswith(AGAIN)):
            writer.step(replace(entry, state=StepState.STOPPED, reason=CUT_OFF))
    finished = []
    for queued in queue.waiting:
        step = queued.step
        record = last.get(step.name)
        if record is None:
            continue
        if record.state is StepState.WAITING:
            queue.take_up(step.name, StepState.WAITING, record.attempt)
        elif record.state is StepState.DONE:
            queue.take_up(step.name, StepState.DONE, record.attempt)
            finished.append(step)
        elif record.state is StepState.SKIPPED and record.reason.startswith(KEPT):
            queue.keep(step.name, record.reason)
        else:
            queue.take_up(step.name, StepState.WAITING, record.attempt + 1)
    again = _that_bring_the_table_back(finished, last) if queue.waiting else []
    for place, step in enumerate(again):
        queue.add_at(step, place)
    _let_others_need(again, queue)  # only now: a name that somebody needs would not be given away
    done, left = len(finished), len(queue.waiting) - len(again)
    return [
        f"Gone on with: {done} steps were done, {left} are left.",
        *([f"Brought back first: {', '.join(step.name.removeprefix(AGAIN) for step in again)}."] if again else []),
    ]


def last_attempts(records: Iterable[StepRecord]) -> dict[str, StepRecord]:
    """Return the last attempt at each step, by name."""
    last: dict[str, StepRecord] = {}
    for record in records:
        if record.name not in last or record.attempt >= last[record.name].attempt:
            last[record.name] = record
    return last


def _let_others_need(again: Sequence[Step], queue: StepQueue) -> None:
    """Let what waits need the steps that bring back what it rests on, also through others: on a table that could not be
    brought back it would search in vain."""
    first = {_before(step.name): step.name for step in again}
    needs = {queued.step.name: queued.step.needs for queued in queue.steps}
    for queued in queue.waiting:
        rests_on, pending = set[str](), list(queued.step.needs)
        while pending:
            name = pending.pop()
            if name not in rests_on:
                rests_on.add(name)
                pending += needs.get(name, ())
        more = tuple(now for was, now in first.items() if was in rests_on)
        queued.step = replace(queued.step, needs=(*queued.step.needs, *more))


def _before(again: str) -> str:
    """Return the name of the step that such a step repeats."""
    return again.removeprefix(AGAIN).partition("#")[0]


def _that_bring_the_table_back(finished: Sequence[Step], last: Mapping[str, StepRecord]) -> list[Step]:
    """Return the steps that only prepare the table, under names of their own: no finished measurement is repeated, and
    a lock that holds is only looked at."""
    taken = {name for name in last if name.startswith(AGAIN)}
    again = []
    for step in finished:
        if not PROCEDURES[step.procedure].prepares:
            continue
        name, number = f"{AGAIN}{step.name}", 2
        while name in taken:
            name, number = f"{AGAIN}{step.name}#{number}", number + 1
        again.append(replace(step, name=name, needs=(), retries=max(step.retries, RETRIES)))
    return again
