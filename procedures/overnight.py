"""Run a recipe: each step when what it needs is done, again when it fails, and the table left safe on every way
out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from labctl.configuration.recipe_file import Budgets, Pause, Step
from labctl.errors import LabError, Stopped, StoreError, StoreFull
from labctl.last_words import defects
from labctl.store.records import EventRecord, NamedResult, StepState
from procedures.asked_settings import SettingsKeeper
from procedures.bench import Bench
from procedures.execution import FAULTS_OF_A_STEP, Skipped, StopRequest, Suspended, execute
from procedures.journal import Journal, Listener, entry_of
from procedures.outcome import Outcome, coverage_of, outcome_of
from procedures.pausing import Conditions, Room
from procedures.quarantine import Quarantine
from procedures.step_queue import QueuedStep, StepQueue
from procedures.trouble import Ladder, Rung
from procedures.ways_out import WaysOut

HEALTH_PERIOD_S = 300.0
PAUSED_LOOK_S = 0.2  # between two looks at a queue that is paused
CONDITION_LOOK_S = 5.0  # between two looks whether a run that waits may go on
LOOK_FOR_LOST_S = 120.0  # between two tries of a run that waits to reach who does not answer
WELL_ENDED = (StepState.DONE, StepState.SKIPPED)


class RecipeRun:
    """One run of the steps of a recipe on a bench.

    Nothing is measured while a condition of `pause` fails; `on_stall` is told when that begins, and when the run is
    given up for it. With `leave_as_is` a table on which every step succeeded is left locked; otherwise it is made safe
    at the end. The queue may be changed while it runs.
    """

    def __init__(
        self,
        queue: StepQueue,
        bench: Bench,
        journal: Journal,
        listener: Listener,
        stop: StopRequest,
        *,
        leave_as_is: bool = False,
        pause: Pause | None = None,
        budgets: Budgets | None = None,
        on_stall: Callable[[str], None] = lambda why: None,
        room: Room | None = None,
    ) -> None:
        self._queue = queue
        self._bench = bench
        self._journal = journal
        self._listener = listener
        self._stop = stop
        self._leave_as_is = leave_as_is
        self._ran: list[QueuedStep] = []
        self._settings = SettingsKeeper(bench.station, journal)
        self._pause = pause or Pause()
        self._room = room
        self._full_since: float | None = None  # lab time in s; no step was done since
        self._conditions = Conditions(bench, self._pause, *([] if room is None else [room.why]))
        self._ladder = Ladder(budgets or Budgets(), bench.station.file)
        self._ways_out = WaysOut(bench, stop, self._event)
        self._quarantine = Quarantine(bench, journal)
        self._on_stall = on_stall
        self._stalled = ""  # why the run was given up although nobody stopped it

    def run(self) -> Outcome:
        """Run every step and leave the table safe.

        Raises `StoreError` when the record itself fails; the table is safe then too.
        """
        clock = self._bench.clock
        health = clock.every(HEALTH_PERIOD_S, self._look_after_instruments, "health")
        station = self._bench.station
        told_before, station.on_trouble = station.on_trouble, lambda name, text: self._event("warning", name, text)
        interlocks = station.interlocks
        interlocks.on_trip.append(self._interlock_tripped)
        interlocks.on_clear.append(self._interlock_cleared)
        try:
            for queued in self._queue.waiting:
                self._journal.step(entry_of(queued))
            if self._room is not None:
                self._room.on_full = self._on_full
            self._conditions.start()
            while (following := self._next()) is not None:
                self._run_step(following)
        finally:
            health.cancel()
            self._conditions.stop()
            try:
                problems = self._leave()
            finally:
                failure = self._keep_the_rest()
                station.on_trouble = told_before  # the record closes
                interlocks.on_trip.remove(self._interlock_tripped)
                interlocks.on_clear.remove(self._interlock_cleared)
        if failure is not None and not (isinstance(failure, StoreFull) and self._is_given_up):
            raise failure
        stopped = self._stop.asked()
        return outcome_of(self._ran, self.coverage(), problems, stalled=self._stalled, stopped=stopped)

    @property
    def _is_given_up(self) -> bool:
        return bool(self._stalled) or self._stop.asked()

    def _keep_the_rest(self) -> StoreError | None:
        """Keep what is known at the end only, and return what went wrong with that."""
        failures = [self._settings.keep_last(), self._keep_loop_times(), self._keep_counts()]
        if self._room is not None:
            failures.append(self._room.write_the_rest())
            self._room.on_full = lambda why: None
        return next((failure for failure in failures if failure is not None), None)

    def _on_full(self, why: str) -> None:
        """Measure nothing until the disk of the run has room again."""
        if self._full_since is None:
            self._full_since = self._bench.clock.now()
        self._conditions.hold(why)

    def _next(self) -> QueuedStep | None:
        """Return the next step once the queue is not paused; None where none is left, or after a stop."""
        while not self._is_given_up:
            following = self._queue.take_next()
            if following is not None:
                self._ran.append(following)
                return following
            if not self._queue.waiting:
                return None
            self._bench.clock.sleep(PAUSED_LOOK_S)
        return None

    def _keep_loop_times(self) -> StoreError | None:
        """Keep how long each loop was locked, and return what went wrong with that."""
        try:
            self._journal.keep_loop_times(self._bench.supervisor.locked_time.times())
        except StoreError as error:
            return error
        return None

    def _keep_counts(self) -> StoreError | None:
        """Keep how often each way out of trouble was taken, also before the run was gone on with, and return what went
        wrong with that."""
        try:
            before = self._journal.results() if self._ladder.counts else {}
            for rung, count in self._ladder.counts.items():
                name = f"night.{rung.replace(' ', '_')}"
                times = count + (before[name].value if name in before else 0.0)
                self._journal.add_result(NamedResult(name, times, 0.0, "", "times in this night", "overnight"))
        except StoreError as error:
            return error
        return None

    def _leave(self) -> list[str]:
        """Make the table safe, unless it is to stay as it is and every step was done."""
        steps = [*self._ran, *self._queue.waiting]  # not those of earlier runs from the same queue
        if self._leave_as_is and not self._stalled and all(queued.state in WELL_ENDED for queued in steps):
            return []
        problems = self._bench.station.make_safe()
        self._report_problems(problems)
        return problems

    def _run_step(self, queued: QueuedStep) -> None:
        if missing := self._missing(queued.step):
            self._end(queued, StepState.SKIPPED, f"needs {', '.join(missing)}")
            return
        tried: Counter[Rung] = Counter()
        while True:
            error = self._attempt(queued)
            if isinstance(error, Suspended):
                if not self._wait_until_allowed(queued, str(error)):
                    return
            elif (
                error is None
                or self._stop.asked()
                or self._queue.must_skip(queued)
                or not self._climb(queued, error, tried)
            ):
                break
            queued.attempt += 1
        self._redo_what_is_in_doubt(queued)

    def _missing(self, step: Step) -> list[str]:
        """Return what a step needs and has not; a step that spares sensors needs one that works, and is told which do
        not."""
        states = {other.step.name: other for other in self._queue.steps}
        missing = [need for need in step.needs if need not in states or not states[need].lets_others_go_on]
        self._bench.left_out = frozenset()
        if not missing or not step.spares_sensors:
            return missing
        sensors = {states[need].step.sensor if need in states else None for need in missing}
        if None in sensors or len(sensors) >= self._bench.station.file.station.sensors:
            return missing
        self._bench.left_out = frozenset(number for number in sensors if number is not None)
        self._event(
            "warning", step.name, f"Goes on without sensors {', '.join(map(str, sorted(self._bench.left_out)))}."
        )
        return []

    def _climb(self, queued: QueuedStep, error: LabError, tried: Counter[Rung]) -> bool:
        """Do what may help a step that failed; return False where nothing is left, and the others go on."""
        step = queued.step
        rung = self._ladder.next(step, error, tried)
        if rung is None:
            if step.sensor is not None and step.retries:
                self._ladder.note(Rung.SKIP_SENSOR)
            return False
        tried[rung] += 1
        after = "" if rung is Rung.RETRY else f" after a {rung}"
        self._event("warning", step.name, f"Try {queued.attempt} failed and will be repeated{after}: {error}")
        if self._ladder.has(Rung.RECONNECT) and self._ways_out.reconnect():
            self._ladder.spend(Rung.RECONNECT)
        self._ways_out.take(rung, step)
        return True

    def _wait_until_allowed(self, queued: QueuedStep, reason: str) -> bool:
        """Wait until measuring is allowed again; return False where that took too long, or after a stop or skip."""
        step, clock = queued.step, self._bench.clock
        # Where the disk is full again each time when a step is done again, that is one long pause.
        began_at = clock.now() if self._full_since is None else self._full_since
        self._conditions.keep_looking()
        self._event("warning", step.name, f"Paused: {reason}")
        self._on_stall(f"{step.name} waits: {reason}")
        look_for_lost_at = clock.now() + LOOK_FOR_LOST_S
        while self._conditions.why():
            if self._stop.asked():
                return False
            if clock.now() >= look_for_lost_at:
                self._bring_back_lost()
                look_for_lost_at = clock.now() + LOOK_FOR_LOST_S
            if self._queue.must_skip(queued):
                self._end(queued, StepState.SKIPPED, "skipped by the operator")
                return False
            if clock.now() - began_at > self._pause.longest:
                self._stalled = f"paused for more than {self._pause.longest / 3600.0:.1f} h: {self._conditions.why()}"
                self._ladder.note(Rung.SAFE_STATE)
                self._on_stall(self._stalled)
                return False
            clock.sleep(CONDITION_LOOK_S)
        self._event("info", step.name, f"Goes on after {clock.now() - began_at:.0f} s: {reason} is over.")
        return True

    def _bring_back_lost(self) -> None:
        """Open the links again that broke: what a pause waits for may be the reading of an instrument that was away."""
        if any(not health.answers for health in self._bench.station.health()):
            self._ways_out.reconnect()

    def _redo_what_is_in_doubt(self, after: QueuedStep) -> None:
        """Put steps back into the queue whose data turned out to be doubtful after they were done, as long as the
        night has tries left."""
        while True:
            try:
                doubtful = set(self._quarantine.sweep())
                break
            except StoreFull as full:
                if not self._wait_until_allowed(after, str(full)):
                    return
        done = [queued.step.name for queued in self._queue.steps if queued.state is StepState.DONE]
        allowed = {name for name in done if name in doubtful and self._ladder.spend(Rung.RETRY)}
        for name in self._queue.requeue(allowed):
            self._event("warning", name, "Is done again: a lock that it needed was not as good as it seemed.")
        for queued in self._ran:
            if queued.step.name in doubtful - allowed and queued.state is StepState.DONE:
                self._end(queued, StepState.FAILED, "its data are in doubt, and the night has no tries left")

    def _attempt(self, queued: QueuedStep) -> LabError | None:
        """Do a step once; return what went wrong, if it may be tried again."""
        step = queued.step
        queued.started_at, queued.ended_at = self._bench.clock.now(), None
        queued.state, queued.fraction = StepState.RUNNING, 0.0
        self._settings.step = step.name
        self._journal.step(entry_of(queued))
        self._listener.step_began(step, queued.attempt)
        failure: LabError | None = None
        try:
            follower = _Follower(queued, self._listener)
            execute(step, self._bench, self._stop, follower, self._skipping(queued), self._conditions.why)
            self._quarantine.refuse(step.name, queued.started_at)
            state, reason, self._full_since = StepState.DONE, "", None
        except StoreFull as full:  # it has put the table back, and is done again once there is room
            self._on_full(str(full))
            failure, state, reason = Suspended(str(full)), StepState.STOPPED, f"paused: {full}"
        except Suspended as suspended:
            failure, state, reason = suspended, StepState.STOPPED, f"paused: {suspended}"
        except Skipped as skipped:
            state, reason = StepState.SKIPPED, str(skipped)
        except Stopped as stopped:
            state, reason = StepState.STOPPED, str(stopped)
        except FAULTS_OF_A_STEP as error:
            failure, state, reason = error, StepState.FAILED, str(error)
        except StoreError:
            queued.state = StepState.FAILED
            raise
        except LabError as error:
            failure, state, reason = error, StepState.FAILED, str(error)
        except Exception as error:
            defects.tell(f"step {queued.step.name}", error)
            failure = LabError(f"unexpected {type(error).__name__}: {error}")
            state, reason = StepState.FAILED, str(failure)
        standing = self._bench.station.interlocks.why()
        if standing and (failure is not None or state is StepState.STOPPED) and not self._stop.asked():
            # Whatever it was that went wrong, the interlock comes first: the step waits for it.
            failure, state, reason = Suspended(standing), StepState.STOPPED, f"paused: {standing}"
        self._end(queued, state, reason)
        return failure

    def _interlock_tripped(self, name: str, sentence: str) -> None:
        self._event("error", f"interlock {name}", sentence)

    def _interlock_cleared(self, name: str, sentence: str) -> None:
        self._event("info", f"interlock {name}", sentence)

    def _skipping(self, queued: QueuedStep) -> Callable[[], bool]:
        return lambda: self._queue.must_skip(queued)

    def _end(self, queued: QueuedStep, state: StepState, reason: str) -> None:
        queued.state, queued.reason = state, reason
        self._settings.keep()
        queued.ended_at = None if queued.started_at is None else self._bench.clock.now()
        self._journal.step(entry_of(queued))
        if state is StepState.FAILED:
            self._event("error", queued.step.name, reason)
        self._listener.step_ended(queued.step, state, reason)

    def coverage(self) -> str:
        """Return how much is done, such as "7 of 12 steps"."""
        return coverage_of(self._queue, self._ran)

    def _look_after_instruments(self) -> None:
        for health in self._bench.station.health():
            if not health.answers:
                self._event("warning", health.name, health.problem)
        self._settings.keep()
        if self._room is not None and (warning := self._room.warning()):
            self._event("warning", "disk", warning)

    def _report_problems(self, problems: Sequence[str]) -> None:
        try:
            for problem in problems:
                self._event("error", "make safe", problem)
        except StoreError:
            return  # the record failed already, and that is the error that is told

    def _event(self, level: str, source: str, text: str) -> None:
        self._journal.add_event(EventRecord(self._bench.clock.now(), level, source, text))  # type: ignore[arg-type]


class _Follower:
    """Keeps how far a queued step is, and passes it on."""

    def __init__(self, queued: QueuedStep, listener: Listener) -> None:
        self._queued = queued
        self._listener = listener

    def step_progressed(self, step: Step, fraction: float) -> None:
        self._queued.fraction = fraction
        self._listener.step_progressed(step, fraction)
