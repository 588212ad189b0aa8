"""What a night keeps of itself, and who watches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from labctl.configuration.recipe_file import Step
from labctl.locks.locked_time import LoopTime
from labctl.store.records import DoubtfulTrace, StepRecord, StepState
from procedures.asked_settings import SettingsRecord
from procedures.bench import Record
from procedures.execution import Follower
from procedures.step_queue import QueuedStep


class Journal(Record, SettingsRecord, Protocol):
    """A record that also keeps the steps, the settings asked for and how long loops were locked; a run on disk is
    one."""

    def keep_loop_times(self, times: Sequence[LoopTime]) -> None:
        """Keep how long each loop was wanted and locked."""
        ...

    def step(self, record: StepRecord) -> None:
        """Enter a step, or bring its entry up to date."""
        ...

    def quarantine(self, loop: str, since: float, until: float, reason: str) -> list[DoubtfulTrace]:
        """Mark valid traces invalid that needed a loop within these lab times, in s, and return them."""
        ...


class Listener(Follower, Protocol):
    """Who watches a recipe run."""

    def step_began(self, step: Step, attempt: int) -> None:
        """A step starts."""
        ...

    def step_ended(self, step: Step, state: StepState, reason: str) -> None:
        """A step ended, was skipped, or will be tried again."""
        ...


def entry_of(queued: QueuedStep) -> StepRecord:
    """Return the journal's entry of a step as it stands."""
    step = queued.step
    return StepRecord(
        step.name,
        step.procedure,
        queued.state,
        queued.attempt,
        queued.started_at,
        queued.ended_at,
        queued.reason,
        dict(step.parameters),
    )
