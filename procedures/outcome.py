"""How a night ended, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labctl.store.records import RunState, StepState
from procedures.step_queue import QueuedStep, StepQueue


@dataclass(frozen=True)
class Outcome:
    """How a recipe ended."""

    state: RunState
    reason: str
    coverage: str
    unsafe: tuple[str, ...] = ()  # one sentence for each device that could not be made safe


def coverage_of(queue: StepQueue, ran: Sequence[QueuedStep]) -> str:
    """Return how much of a queue is done, such as "7 of 12 steps"; of what `ran` nothing is missing there."""
    kept = [queued for queued in queue.steps if queued.is_kept]
    steps = {queued.identity: queued for queued in (*kept, *ran, *queue.waiting)}
    done = sum(queued.is_satisfied for queued in steps.values())
    return f"{done} of {len(steps)} steps"


def outcome_of(
    ran: Sequence[QueuedStep], coverage: str, problems: Sequence[str], *, stalled: str, stopped: bool
) -> Outcome:
    """Return how a run ended whose steps `ran`: `problems` are those of the way to rest, `stalled` says why it was
    given up although nobody stopped it."""
    once = {queued.identity: queued for queued in ran}.values()  # one that was done again is there twice
    failed = [queued for queued in once if queued.state is StepState.FAILED and not queued.step.is_optional]
    reasons = list(problems)
    if failed:
        names = [queued.step.name for queued in failed]
        others = f" ({', '.join(names[1:])} failed too)" if len(failed) > 1 else ""
        reasons.insert(0, f"{names[0]}: {failed[0].reason}{others}")
    if stalled:
        reasons.insert(0, f"stalled: {stalled}")
    if stopped:
        reasons.insert(0, "stopped by the operator")
        state = RunState.STOPPED
    else:
        state = RunState.FAILED if reasons else RunState.COMPLETE
    return Outcome(state, "; ".join(reasons), coverage, tuple(problems))
