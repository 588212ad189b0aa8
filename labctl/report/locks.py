"""Which locks were lost in a run and why, and how long each loop was locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from labctl.locks.first_movers import in_ms
from labctl.locks.locked_time import LoopTime
from labctl.report.contents import RunContents
from labctl.report.wording import duration, lab_time
from labctl.store.losses import LossRecord

MOST_LISTED = 100
SURE, LIKELY = 0.9, 0.7


@dataclass(frozen=True)
class LostLock:
    """One row: when, which loop, the cause and how sure it is, the sentence, and how the loops moved."""

    when: str
    loop: str
    cause: str
    how_sure: str
    sentence: str
    order: str


@dataclass(frozen=True)
class LoopShare:
    """One row: a loop, how much of the time it was wanted it was locked, and how often it was lost."""

    loop: str
    share: str
    wanted: str
    losses: int


@dataclass(frozen=True)
class Locks:
    """The section; both lists are empty where the run kept nothing of its locks."""

    summary: str
    lost: tuple[LostLock, ...]
    loops: tuple[LoopShare, ...]


def locks(run: RunContents) -> Locks:
    """Return the losses of a run with their causes, and the time locked of each loop."""
    counts = Counter(record.loss.loop for record in run.losses)
    named = [time.loop for time in run.loop_times]
    times = [*run.loop_times, *(LoopTime(loop, 0.0, 0.0) for loop in counts if loop not in named)]
    return Locks(
        _summary(run.losses),
        tuple(_lost(record) for record in run.losses[:MOST_LISTED]),
        tuple(_share(time, counts[time.loop]) for time in times),
    )


def _summary(losses: Sequence[LossRecord]) -> str:
    if not losses:
        return "No lock was lost."
    causes = Counter(str(record.cause.kind) for record in losses)
    parts = ", ".join(f"{number} by {cause}" for cause, number in causes.most_common())
    left_out = len(losses) - MOST_LISTED
    more = f" The first {MOST_LISTED} are listed; the others are in run.db." if left_out > 0 else ""
    return f"{len(losses)} lock{'' if len(losses) == 1 else 's'} lost: {parts}.{more}"


def _lost(record: LossRecord) -> LostLock:
    cause = record.cause
    sure = "sure" if cause.confidence >= SURE else "likely" if cause.confidence >= LIKELY else "a guess"
    order = in_ms(cause.order) if cause.order else ""
    return LostLock(lab_time(record.loss.at), record.loss.loop, str(cause.kind), sure, cause.sentence, order)


def _share(time: LoopTime, losses: int) -> LoopShare:
    if not time.wanted_s > 0.0:
        return LoopShare(time.loop, "not recorded", "", losses)
    return LoopShare(time.loop, f"{100.0 * time.share:.2f} %", duration(time.wanted_s), losses)
