"""Where the time of a night went: tries that failed, pauses between steps, and loops out of lock, by cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labctl.report.contents import RunContents
from labctl.report.sections import Cell, Finding, Section, Table, columns
from labctl.report.wording import Mark, duration
from labctl.store.records import StepRecord, StepState

LEAST_PAUSE_S = 1.0  # between two steps; less is how a run goes on
_WORTH_A_NOTICE = 0.1  # of the night
_LOST = (StepState.FAILED, StepState.STOPPED, StepState.SKIPPED)
_REPEATED, _AFTER_FAILURE, _PAUSED = "tries that gave nothing", "instruments brought back", "no step ran"


@dataclass(frozen=True)
class LostTime:
    """Time in s that went into one cause, how often, and the last reason that was given."""

    kind: str
    cause: str
    seconds: float
    times: int
    last_reason: str = ""


def lost_time(run: RunContents) -> Section:
    """The section: what was lost between and in steps, and what the loops were out of lock."""
    whole_s, steps = night_s(run), steps_lost(run.steps)
    return Section(
        "lost-time",
        "Time lost",
        "Time lost by cause",
        "How much of the night gave no result, and why: tries that failed, pauses between steps, and, within the "
        "steps, loops that were out of lock.",
        (_finding(steps, whole_s),),
        tuple(table for table in (_steps_table(steps, whole_s), _loops_table(run)) if table.rows),
        ("Loops may be out of lock at the same time and while a step goes on, so these times do not add up.",)
        if run.loop_times
        else (),
    )


def night_s(run: RunContents) -> float:
    """Lab time from the first step to the last."""
    begun = [step.started_at for step in run.steps if step.started_at is not None]
    ended = [step.ended_at for step in run.steps if step.ended_at is not None]
    return max([*begun, *ended]) - min(begun) if begun else 0.0


def steps_lost(steps: Sequence[StepRecord]) -> list[LostTime]:
    """Time that gave no result, by cause, the longest first."""
    found: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    ran = sorted((step for step in steps if step.started_at is not None), key=lambda step: step.started_at or 0.0)
    end, failed = None, False
    for step in ran:
        begin = step.started_at or 0.0
        if end is not None and begin - end > LEAST_PAUSE_S:
            kind = (
                (_AFTER_FAILURE, f"before {step.procedure} again") if failed else (_PAUSED, "queue paused or waiting")
            )
            found[kind].append((begin - end, ""))
        if step.state in _LOST and step.ended_at is not None:
            found[_REPEATED, step.procedure].append((step.ended_at - begin, step.reason))
        end = max(end or begin, step.ended_at if step.ended_at is not None else begin)
        failed = step.state is StepState.FAILED
    lost = [
        LostTime(kind, cause, sum(seconds for seconds, _ in each), len(each), each[-1][1])
        for (kind, cause), each in found.items()
    ]
    return sorted(lost, key=lambda one: -one.seconds)


def loops_out(run: RunContents) -> dict[str, tuple[float, Mapping[str, int]]]:
    """Time in s that each loop was out of lock while it was wanted, and how often it was lost by which cause."""
    causes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for record in run.losses:
        causes[record.loss.loop][str(record.cause.kind)] += 1
    times = {time.loop: max(time.wanted_s - time.locked_s, 0.0) for time in run.loop_times}
    return {loop: (times.get(loop, 0.0), dict(causes.get(loop, {}))) for loop in [*times, *(causes.keys() - times)]}


def out_by_cause(run: RunContents) -> dict[str, float]:
    """Time in s out of lock by cause, over all loops; the time of a loop is shared evenly among its losses."""
    found: dict[str, float] = defaultdict(float)
    for seconds, causes in loops_out(run).values():
        losses = sum(causes.values())
        for cause, times in causes.items():
            found[cause] += seconds * times / losses
        if not losses:
            found["no loss recorded: opened and closed on purpose"] += seconds
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _finding(lost: Sequence[LostTime], whole_s: float) -> Finding:
    total = sum(one.seconds for one in lost)
    if not lost or not whole_s > 0.0:
        return Finding(Mark("✔", "none", "calm"), "No try failed and no pause was made: every step went on at once.")
    share = total / whole_s
    mark = Mark("▲", "lost", "notice") if share >= _WORTH_A_NOTICE else Mark("→", "lost", "calm")
    first = lost[0]
    return Finding(
        mark,
        f"{duration(total)} of {duration(whole_s)} ({100.0 * share:.0f}\u00a0%) gave no result; most of it, "
        f"{duration(first.seconds)}, were {first.kind} ({first.cause}).",
    )


def _steps_table(lost: Sequence[LostTime], whole_s: float) -> Table:
    rows = tuple(
        (
            Cell(one.kind),
            Cell(one.cause),
            Cell(str(one.times)),
            Cell(duration(one.seconds)),
            Cell(f"{100.0 * one.seconds / whole_s:.1f}\u00a0%" if whole_s > 0.0 else "–"),
            Cell(one.last_reason, soft=True),
        )
        for one in lost
    )
    head = columns("What", "Of", "Times", "Time", "Of the night", "Last reason", numbers=(2, 3, 4))
    return Table(head, rows, "Between and in steps")


def _loops_table(run: RunContents) -> Table:
    out = loops_out(run)
    rows = tuple(
        (Cell(cause), Cell(duration(seconds)), Cell(_loops_of(cause, out), soft=True))
        for cause, seconds in out_by_cause(run).items()
        if seconds > 0.0
    )
    return Table(columns("Cause", "Time, all loops", "Loops", numbers=(1,)), rows, "Out of lock while wanted")


def _loops_of(cause: str, out: Mapping[str, tuple[float, Mapping[str, int]]]) -> str:
    named = [
        f"{loop} {duration(seconds)}" + (f" ({causes[cause]} ×)" if cause in causes else "")
        for loop, (seconds, causes) in out.items()
        if cause in causes or (not causes and seconds > 0.0 and cause.startswith("no loss"))
    ]
    return ", ".join(named)
