"""What a night's locks were worth: time locked, delays, causes, by the supervisor's word and by the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from disturbed_night import Night
from numpy.typing import NDArray

from labctl.locks.causes import Cause, CauseKind, explain
from labctl.locks.losses import Loss
from labctl.simulation.disturbances import Happening

TICK_S = 0.1
FOLLOWS_WITHIN_S = 4.0  # a loss so soon after a disturbance came of it
LONGEST_FALSE_S = 0.5
CAUSES = {
    "kicks": CauseKind.KNOCK,
    "door_slam": CauseKind.KNOCK,
    "mode_hop": CauseKind.MODE_HOP,
    "power_drop": CauseKind.POWER_STEP,
}


@dataclass(frozen=True)
class NightScore:
    """Shares of the night, times in s.

    `valid` is what the supervisor vouched for, `locked` the truth; `longest_false_s` the longest time in which data
    counted as valid while a lock was truly gone; delays are from the true loss to the decision, nan where the loop was
    not truly gone.
    """

    valid: float
    locked: float
    false_s: float
    longest_false_s: float
    losses: int
    false_alarms: int
    delays_s: tuple[float, ...]
    relocks: int
    stalls: int
    hops: int
    hops_s: float
    back_s: tuple[float, ...]
    right: int
    causes: tuple[tuple[str, CauseKind | None, Cause], ...]


def score(night: Night) -> NightScore:
    """Return what a night was worth."""
    gone = night.gone.any(axis=0)
    false = night.valid & gone
    delays = [_delay_s(night, loss) for loss in night.losses]
    causes = [
        (one.loss.loop, expected_cause(night.happened, one.loss), explain(one, night.needs)) for one in night.settled
    ]
    lengths = [end - start for start, end in night.invalid]
    lost = [_was_lost(night.losses, span) for span in night.invalid]
    return NightScore(
        valid=float(night.valid.mean()),
        locked=float(1.0 - gone.mean()),
        false_s=TICK_S * int(false.sum()),
        longest_false_s=TICK_S * longest_run(false),
        losses=len(night.losses),
        false_alarms=sum(math.isnan(delay) for delay in delays),
        delays_s=tuple(delay for delay in delays if not math.isnan(delay)),
        relocks=sum("Locked" in text and at > night.began_at for at, _, _, text in night.told),
        stalls=sum(level == "error" and "A person must look" in text for _, level, _, text in night.told),
        hops=sum(night.unwinds.values()),
        hops_s=sum(length for length, is_lost in zip(lengths, lost, strict=True) if not is_lost),
        back_s=tuple(length for length, is_lost in zip(lengths, lost, strict=True) if is_lost),
        right=sum(cause.kind is truth for _, truth, cause in causes if truth is not None),
        causes=tuple(causes),
    )


def expected_cause(happened: Sequence[Happening], loss: Loss) -> CauseKind | None:
    """Return what was done to the table before a loss; a rail where its paths had drifted there, else None."""
    before = [one for one in happened if loss.detected_at - one.at >= 0.0 and loss.at - one.at < FOLLOWS_WITHIN_S]
    if before:
        return CAUSES[before[-1].kind]
    return CauseKind.RAIL if "limit" in loss.reason else None


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Return the length of the longest run of true values."""
    longest = run = 0
    for flag in flags.tolist():
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def _delay_s(night: Night, loss: Loss) -> float:
    """Return the time from the true loss of a loop to the decision; nan where it was not lost."""
    gone = night.gone[night.names.index(loss.loop)]
    until = int(np.searchsorted(night.at, loss.detected_at))
    recent = np.flatnonzero(gone[max(0, until - 30) : until])
    if recent.size == 0:
        return math.nan
    start = max(0, until - 30) + int(recent[-1])
    while start > 0 and gone[start - 1]:
        start -= 1
    return loss.detected_at - float(night.at[start])


def _was_lost(losses: Sequence[Loss], span: tuple[float, float]) -> bool:
    return any(span[0] - TICK_S <= loss.detected_at <= span[1] + TICK_S for loss in losses)
