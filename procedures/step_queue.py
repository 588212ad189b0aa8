"""The steps of a run in their order: which are done, which runs, which wait; and what an operator may do to those that
wait."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from labctl.configuration.recipe_file import Step
from labctl.errors import LabError
from labctl.store.records import StepState


class QueueRefused(LabError):
    """The queue cannot be changed as asked."""


@dataclass
class QueuedStep:
    """One step and where it stands; lab time in s."""

    identity: int
    step: Step
    expected_s: float = 0.0
    state: StepState = StepState.WAITING
    attempt: int = 1
    fraction: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    is_kept: bool = False  # done before this run: by an earlier process, or by an earlier run and still fresh

    @property
    def is_satisfied(self) -> bool:
        """Return whether it is done, or need not be."""
        return self.state is StepState.DONE or self.is_kept

    @property
    def lets_others_go_on(self) -> bool:
        """Return whether those that need it may begin: an optional step keeps nobody from measuring."""
        return self.is_satisfied or (self.step.is_optional and self.is_over)

    @property
    def is_over(self) -> bool:
        """Return whether it ran, or was skipped, and will not run."""
        return self.state not in (StepState.WAITING, StepState.RUNNING)


class StepQueue:
    """Steps in order; may be changed from another thread than the one that runs them.

    Names are unique: a second step of the same name gets a number, for others name what they need by it.
    """

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._guard = threading.RLock()
        self._steps: list[QueuedStep] = []
        self._next_identity = 1
        self._paused = False
        self._to_skip: int | None = None
        self._taken: QueuedStep | None = None  # the step that was given out last
        for step in steps:
            self.add(step)

    # ---- what an operator does --------------------------------------------------------------------------------------

    def add(self, step: Step, expected_s: float = 0.0) -> QueuedStep:
        """Put a step at the end."""
        with self._guard:
            # A name that somebody needs stays that of the step that was meant, also once that was taken out.
            taken = {name for queued in self._steps for name in (queued.step.name, *queued.step.needs)}
            name, number = step.name, 2
            while name in taken:
                name, number = f"{step.name}#{number}", number + 1
            queued = QueuedStep(self._next_identity, replace(step, name=name), expected_s)
            self._next_identity += 1
            self._steps.append(queued)
            return queued

    def add_all(self, steps: Iterable[Step]) -> None:
        """Put the steps of a recipe at the end; those that need each other still do where names had to be changed."""
        with self._guard:
            renamed: dict[str, str] = {}
            for step in steps:
                needs = tuple(renamed.get(need, need) for need in step.needs)
                renamed[step.name] = self.add(replace(step, needs=needs)).step.name

    def remove(self, identity: int) -> None:
        """Take out a step that waits. Raises `QueueRefused`."""
        with self._guard:
            self._steps.remove(self._waiting(identity))

    def skip(self, identity: int) -> None:
        """Skip a step that waits, or end the one that runs, is paused or is about to be tried again; raises
        `QueueRefused` for one that is over."""
        with self._guard:
            queued = self._known(identity)
            is_between_tries = queued.state is StepState.STOPPED or (
                queued.state is StepState.FAILED and queued.attempt <= queued.step.retries
            )
            if queued.state is StepState.RUNNING or (queued is self._taken and is_between_tries):
                self._to_skip = identity
            else:
                self._waiting(identity)
                queued.state, queued.reason = StepState.SKIPPED, "skipped by the operator"

    def move(self, identity: int, place: int) -> None:
        """Put a waiting step at `place` among those that wait, 0 being the next.

        Raises `QueueRefused` where one would then come before a step that it needs.
        """
        with self._guard:
            moving = self._waiting(identity)
            order = [queued for queued in self._steps if queued.state is StepState.WAITING and queued is not moving]
            order.insert(place, moving)
            _require_needs_first(order)
            self._steps = [queued for queued in self._steps if queued.state is not StepState.WAITING] + order

    def pause(self) -> None:
        """Begin no further step."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        self._paused = False

    def clear(self) -> None:
        """Take out every step but the one that runs."""
        with self._guard:
            self._steps = [queued for queued in self._steps if queued.state is StepState.RUNNING]

    # ---- before a run -----------------------------------------------------------------------------------------------

    def add_at(self, step: Step, place: int) -> None:
        """Put a step at `place` among those that wait, 0 being the next."""
        self.move(self.add(step).identity, place)

    def keep(self, name: str, reason: str) -> None:
        """Let a waiting step be: what an earlier run found is still fresh."""
        with self._guard:
            queued = self._named(name)
            queued.state, queued.reason, queued.is_kept = StepState.SKIPPED, reason, True

    def leave_out(self, name: str, reason: str) -> None:
        """Let a waiting step be, for want of time."""
        with self._guard:
            queued = self._named(name)
            queued.state, queued.reason = StepState.SKIPPED, reason

    def take_up(self, name: str, state: StepState, attempt: int, reason: str = "") -> None:
        """Put a step where an earlier process left it; one that waits goes on with this attempt."""
        with self._guard:
            queued = self._named(name)
            queued.state, queued.attempt, queued.reason = state, attempt, reason
            queued.is_kept = state is StepState.DONE

    # ---- what the run does ------------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Return whether no further step may begin."""
        return self._paused

    def take_next(self) -> QueuedStep | None:
        """Return the next step that waits, which runs from now on; None where none waits or the queue is paused."""
        with self._guard:
            waiting = self.waiting
            if not waiting or self._paused:
                return None
            waiting[0].state = StepState.RUNNING
            self._to_skip, self._taken = None, waiting[0]
            return waiting[0]

    def requeue(self, names: Collection[str]) -> list[str]:
        """Let steps that were done wait again, as the next ones in their order, and with them those that measured on
        their ground; return the names of all. Names that are not in the queue, or were not done, are passed over."""
        with self._guard:
            again: dict[str, QueuedStep] = {}
            for queued in self._steps:
                step = queued.step
                rests_on_them = step.fresh_s is not None and not again.keys().isdisjoint(step.needs)
                if queued.state is StepState.DONE and (step.name in names or rests_on_them):
                    again[step.name] = queued
            over = [queued for queued in self._steps if queued.state is not StepState.WAITING]
            waiting = self.waiting
            self._steps = [*(queued for queued in over if queued.step.name not in again), *again.values(), *waiting]
            for queued in again.values():
                queued.state, queued.reason, queued.is_kept = StepState.WAITING, "", False
                queued.attempt += 1
            return list(again)

    def must_skip(self, queued: QueuedStep) -> bool:
        """Return whether the operator asked to end a step that runs."""
        return self._to_skip == queued.identity

    # ---- what others see --------------------------------------------------------------------------------------------

    @property
    def steps(self) -> list[QueuedStep]:
        """Return copies of all steps in order: those that ran, then those that wait."""
        with self._guard:
            return [replace(queued) for queued in self._steps]

    @property
    def waiting(self) -> list[QueuedStep]:
        """Return the steps that wait, the next one first."""
        with self._guard:
            return [queued for queued in self._steps if queued.state is StepState.WAITING]

    def _named(self, name: str) -> QueuedStep:
        for queued in self._steps:
            if queued.step.name == name:
                return queued
        raise QueueRefused(f"There is no step {name} in the queue.", remedy="Look at the queue again.")

    def _known(self, identity: int) -> QueuedStep:
        for queued in self._steps:
            if queued.identity == identity:
                return queued
        raise QueueRefused(f"There is no step {identity} in the queue.", remedy="Look at the queue again.")

    def _waiting(self, identity: int) -> QueuedStep:
        queued = self._known(identity)
        if queued.state is not StepState.WAITING:
            raise QueueRefused(f"{queued.step.name} is {queued.state}, it does not wait any more.")
        return queued


def _require_needs_first(order: list[QueuedStep]) -> None:
    later = {queued.step.name for queued in order}
    for queued in order:
        if missing := [need for need in queued.step.needs if need in later and need != queued.step.name]:
            raise QueueRefused(f"{queued.step.name} needs {', '.join(missing)}, which would come after it.")
        later.discard(queued.step.name)
