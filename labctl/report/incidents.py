"""What failed, was repeated, skipped or invalid in a run, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from labctl.report.contents import RunContents
from labctl.report.wording import STEP_MARKS, Mark, lab_time
from labctl.store.records import EventRecord, RunState, StepRecord, StepState

MOST_LISTED = 200

_EVENT_MARKS = {"warning": Mark("▲", "warning", "notice"), "error": Mark("✖", "error", "bad")}
_WORST_FIRST = (StepState.FAILED, StepState.RUNNING, StepState.STOPPED, StepState.SKIPPED, StepState.WAITING)
_INVALID = Mark("✖", "invalid", "bad")


@dataclass(frozen=True)
class Incident:
    """One thing that did not go as planned; `when` is lab time, empty where it never began."""

    mark: Mark
    when: str
    what: str
    why: str


@dataclass(frozen=True)
class Incidents:
    """All of a run, by kind, and the whole in one sentence."""

    steps: tuple[Incident, ...]
    traces: tuple[Incident, ...]
    events: tuple[Incident, ...]
    storage: tuple[str, ...]
    summary: str


def incidents(run: RunContents) -> Incidents:
    """Steps that failed, were skipped, stopped or repeated; invalid traces; warnings and errors; trouble of the
    disk."""
    steps = _steps(run)
    traces = tuple(
        Incident(_INVALID, lab_time(info.started_at), info.name, info.invalid_reason or "no reason was recorded")
        for info in run.traces
        if not info.valid
    )
    told = [event for event in run.events if event.level in _EVENT_MARKS]
    events = _together(told)
    storage = (*(run.end.problems if run.end else ()), *run.unreadable)
    summary = _summary(run, traces, told, storage)
    return Incidents(_shortened(steps), _shortened(traces), _shortened(events), storage, summary)


def _together(events: Sequence[EventRecord]) -> tuple[Incident, ...]:
    """One line for all events that say the same, at the place of the first."""
    alike: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for event in events:
        alike[event.level, event.source, event.text].append(event.at)
    return tuple(
        Incident(_EVENT_MARKS[level], lab_time(times[0]), source, text + _again(times))
        for (level, source, text), times in alike.items()
    )


def _again(times: Sequence[float]) -> str:
    return f" ({len(times)}\u00a0times, the last at {lab_time(times[-1])})" if len(times) > 1 else ""


def _shortened(found: tuple[Incident, ...]) -> tuple[Incident, ...]:
    """The first and the last ones of very many, so that the page can still be read."""
    left_out = len(found) - MOST_LISTED
    if left_out <= 0:
        return found
    gap = Incident(
        Mark("…", "left out", "notice"), "", f"{left_out} more", "not listed here; they are in the run's database"
    )
    return (*found[: MOST_LISTED // 2], gap, *found[-(MOST_LISTED // 2) :])


def _steps(run: RunContents) -> tuple[Incident, ...]:
    attempts: dict[str, list[StepRecord]] = defaultdict(list)
    for step in run.steps:
        attempts[step.name].append(step)
    return tuple(
        _step_incident(step, len(tries), run.state)
        for tries in attempts.values()
        for step in tries
        if len(tries) > 1 or step.state is not StepState.DONE
    )


def _step_incident(step: StepRecord, tries: int, run_state: RunState | None) -> Incident:
    name = step.name if tries == 1 else f"{step.name}, try {step.attempt} of {tries}"
    when = "" if step.started_at is None else lab_time(step.started_at)
    if step.state is StepState.DONE:
        return Incident(STEP_MARKS[step.state], when, name, f"succeeded at try {step.attempt}")
    return Incident(STEP_MARKS[step.state], when, name, step.reason or _unexplained(step, run_state))


def _unexplained(step: StepRecord, run_state: RunState | None) -> str:
    if run_state is RunState.RUNNING and step.state in (StepState.WAITING, StepState.RUNNING):
        return "the run was still going on when this report was made"
    if step.state is StepState.WAITING:
        return "the run ended before it"
    return "no end was recorded" if step.state is StepState.RUNNING else "no reason was recorded"


def _summary(
    run: RunContents, traces: tuple[Incident, ...], events: Sequence[EventRecord], storage: tuple[str, ...]
) -> str:
    last = {step.name: step for step in run.steps}
    counts = [(state, sum(step.state is state for step in last.values())) for state in _WORST_FIRST]
    parts = [f"{number} step{_s(number)} {STEP_MARKS[state].word}" for state, number in counts if number]
    repeated = sum(step.attempt > 1 for step in last.values())
    warnings = sum(event.level == "warning" for event in events)
    errors = len(events) - warnings
    for number, text in (
        (repeated, "step{s} repeated"),
        (len(traces), "trace{s} invalid"),
        (errors, "error{s}"),
        (warnings, "warning{s}"),
        (len(storage), "problem{s} with the stored data"),
    ):
        if number:
            parts.append(f"{number} {text.format(s=_s(number))}")
    if not run.steps and not parts:
        return "The run recorded no steps."
    return (
        ", ".join(parts) + "."
        if parts
        else "No step failed or was repeated, no trace was invalid, no warning was recorded."
    )


def _s(number: int) -> str:
    return "" if number == 1 else "s"
