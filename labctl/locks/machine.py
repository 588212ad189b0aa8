"""One loop on its way through the states: acquired, looked at, lost and brought back."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from labctl.errors import LabError, LockError
from labctl.locks.drift import OutputDrift
from labctl.locks.ladder import FIRST_TRIES, LADDER, RelockBudget, Rung
from labctl.locks.loop import ActuatorState, Loop, Reading, Verdict
from labctl.locks.losses import Loss
from labctl.locks.quality import is_bad, judge, judge_actuator
from labctl.locks.states import FOLLOWS, LONGEST_S, Acquisition, LockState, Reach
from labctl.station.asking import asking
from labctl.station.clock import Clock

WINDOW: Final = 10  # readings
# Between two looks at an output: a serial servo takes some ten milliseconds for one.
OFTEN_S, SELDOM_S = 2.0, 5.0
EASY_MARGIN, EASY_S = 0.4, 60.0  # of half the range, and to the rail by its drift: nothing happens soon
BAD_TO_CONFIRM: Final = 2  # bad readings in a row before the closer look that decides
READINGS_TO_LOCK: Final = 10
READINGS_OF_LIGHT: Final = 5
NEW_SHARE: Final = 0.1  # of a window in the residual that is remembered
MOST_GROWTH: Final = 1.5
BRIGHTER: Final = 1.15  # over the light at lock
HOPPED_READINGS: Final = 3
FAILED_LOOKS: Final = 2  # in a row, before an instrument counts as gone
FAULT_RETRY_S: Final = 5.0
UNWIND_SHARE: Final = 0.8  # of the range: from here a loop that can hops back as soon as it may
URGENT_SHARE: Final = 0.92  # and from here at once
SLIP_SHARE: Final = 0.75  # of a fringe: a jump of the output that no drift makes
COAST_S: Final = 10.0  # how long the drift learnt before is worth following
COAST_STEP_V: Final = 0.1

_WATCHED: Final = frozenset({LockState.LOCKED, LockState.SUSPECT, LockState.VERIFY, LockState.HOLD, LockState.UNWIND})


@dataclass(frozen=True)
class Parents:
    """The loops that one needs: whether all are locked, whether one is in doubt, and the first that is not locked."""

    locked: bool
    suspect: bool = False
    missing: str = ""


class Floor(Protocol):
    """What a loop asks before it does something that concerns others."""

    def may_begin(self) -> bool:
        """Return whether an acquisition may begin: they share the line of the servos, so one goes on at a time."""
        ...

    def may_hop(self, urgent: bool) -> bool:
        """Return whether a fringe may be left for another, which spoils data for a moment."""
        ...


Level = Literal["info", "warning", "error"]
Tell = Callable[[Level, str, str], None]
"""Who is told what happens: level, name of the loop, one sentence."""


class LoopMachine:
    """The state of one loop, and the only place where it changes.

    `why` is one sentence on how it came to be in its state. `wanted` is what the operator asked for; `parked` says why
    it is held by somebody for the moment, "" where it is not.
    """

    def __init__(
        self, loop: Loop, clock: Clock, budget: RelockBudget, tell: Tell, on_loss: Callable[[Loss], None]
    ) -> None:
        self.loop = loop
        self.state = LockState.OFF
        self.since = clock.now()
        self.why = "Nobody asked for it."
        self.wanted = False
        self.parked = ""
        self.budget = budget
        self.drift = OutputDrift()
        self.actuator: ActuatorState | None = None
        self.residual_at_lock = 0.0
        self.last: Reading | None = None
        self.readings: deque[Reading] = deque(maxlen=WINDOW)
        self.unwinds = 0
        self.poll_at = 0.0  # when its output is to be looked at again
        self.proven_at = math.nan  # when all that is known of it was last found good
        self._clock = clock
        self._tell = tell
        self._on_loss = on_loss
        self._steps: Acquisition | None = None
        self._wake_at = 0.0
        self._ladder: Sequence[Rung] = FIRST_TRIES
        self._rung = 0
        self._looks = 0
        self._failed_looks = 0
        self._looked_at_output = False
        self._bad_in_a_row = 0
        self._first_bad_at = math.nan
        self._held_v = math.nan
        self._was_found = False

    # ---- what others see --------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Return the name of the loop."""
        return self.loop.name

    @property
    def is_locked(self) -> bool:
        """Return whether the last looks showed it locked; one bad look does not change it yet."""
        return self.state in (LockState.LOCKED, LockState.SUSPECT)

    @property
    def carries_data(self) -> bool:
        """Return whether data of this moment may be believed."""
        return self.state is LockState.LOCKED

    @property
    def is_being_proven(self) -> bool:
        """Return whether it was found closed, and the looks that prove it are not all in yet."""
        return self._was_found and self.state is LockState.VERIFY

    @property
    def is_acquiring(self) -> bool:
        """Return whether steps of an acquisition or of an unwinding are under way."""
        return self._steps is not None

    # ---- asked for --------------------------------------------------------------------------------------------------

    def want(self) -> None:
        """Lock it, and keep it locked; a loop that had given up tries again."""
        self.wanted, self.parked = True, ""
        if self.state is LockState.STALLED:
            self.budget.refill()
            self._begin(FIRST_TRIES)

    def release(self, why: str = "Released.") -> None:
        """Open the loop and let its output go to rest."""
        self.wanted, self.parked = False, ""
        self._abandon()
        self.loop.release()
        self._enter(LockState.OFF, why)

    def park(self, why: str) -> None:
        """Hold it where it is until it is wanted again."""
        self.parked = why
        if self.state is not LockState.HOLD:
            self._hold(why)

    def forget(self, why: str) -> None:
        """Stop looking, and leave the loop as it is."""
        self.wanted = False
        self._abandon()
        self._enter(LockState.OFF, why)

    def take_over(self) -> bool:
        """Take a loop over that is closed as this program closes it, without opening it."""
        if not self.loop.adopt():
            return False
        self.wanted = True
        self._ladder, self._rung = LADDER, 0
        self._verify("Found closed, and taken over.")
        self._was_found = True
        return True

    # ---- once a tick ------------------------------------------------------------------------------------------------

    @property
    def will_look(self) -> bool:
        """Return whether there are signals to read in this state."""
        return self.state in _WATCHED and self._steps is None

    def look(self) -> None:
        """Read the signals, where there are any."""
        if not self.will_look:
            self.last = None
            return
        try:
            self.last = self.loop.read()
            self._failed_looks = 0
        except LabError as error:
            self._failed_looks += 1
            if self._failed_looks >= FAILED_LOOKS:  # one reply may be lost on any wire
                self.fault(error)
                return
            self.last = Reading(self._clock.now(), math.nan, math.nan)
        self.readings.append(self.last)

    def poll(self) -> None:
        """Look at the output of a locked loop: its drift, its rails, and fringes that it slipped."""
        if not self.is_locked:
            return
        try:
            self.actuator = self.loop.actuator()
        except LabError as error:
            self.fault(error)
            return
        at, output_v, period_v = self.actuator.at, self.actuator.output_v, self.loop.period_v
        jump_v = output_v - self.drift.expected_v(at)
        if abs(jump_v) > SLIP_SHARE * period_v:
            self._tell("info", self.name, f"{self.name} slipped by {jump_v / period_v:+.1f} fringes and holds.")
            self.drift.forget()
        self.drift.note(at, output_v)
        self._looked_at_output = True
        to_rail_s = self.drift.time_to_rail_s(self.actuator.low_v, self.actuator.high_v)
        at_ease = self.drift.is_known and self.actuator.margin > EASY_MARGIN and to_rail_s > EASY_S
        self.poll_at = at + (SELDOM_S if at_ease else OFTEN_S)

    def decide(self, parents: Parents, floor: Floor) -> None:
        """Go on to the state that the looks call for."""
        try:
            self._decide(parents, floor)
        except LockError as error:
            self._fail(str(error))
        except LabError as error:
            self.fault(error)

    def advance(self, until: float) -> None:
        """Take the steps of an acquisition that are due, until lab time `until`."""
        try:
            while self._steps is not None and self._wake_at <= self._clock.now() < until:
                with asking(f"loop {self.name}"):
                    self._next_step()
        except LockError as error:
            self._abandon()
            self._fail(str(error))
        except LabError as error:
            self.fault(error)

    def fault(self, error: LabError) -> None:
        """An instrument of the loop does not answer: nothing is known, and it is asked again later."""
        self._abandon()
        if self.is_locked:
            self._on_loss(Loss(self.name, self._clock.now(), self._clock.now(), str(error), self.proven_at))
        self._wake_at = self._clock.now() + FAULT_RETRY_S
        if self.state is not LockState.FAULT:
            self._enter(LockState.FAULT, str(error), "error")

    # ---- decisions --------------------------------------------------------------------------------------------------

    def _decide(self, parents: Parents, floor: Floor) -> None:
        if self.state in (LockState.OFF, LockState.STALLED):
            if self.wanted and not self.parked and self.state is LockState.OFF:
                self._start_when(parents, floor)
        elif self.state is LockState.FAULT:
            self._look_again()
        elif self.state is LockState.HOLD:
            self._held(parents, floor)
        elif not parents.locked:
            self._hold(f"Waits for {parents.missing}.")
        elif self.state is LockState.RELOCK:
            if self._clock.now() >= self._wake_at and floor.may_begin():
                self._try_rung()
        elif self._steps is not None:
            self._limit_time()
        elif self.state in (LockState.VERIFY, LockState.UNWIND):
            self._prove()
        else:
            self._watch(parents, floor)

    def _start_when(self, parents: Parents, floor: Floor) -> None:
        if not parents.locked:
            self.why = f"Waits for {parents.missing}."
        elif floor.may_begin():
            self._begin(FIRST_TRIES)

    def _held(self, parents: Parents, floor: Floor) -> None:
        if self.parked or not self.wanted:
            return
        if parents.locked and floor.may_begin():
            self._begin(LADDER if self.loop.remembered() else FIRST_TRIES)
            return
        now = self._clock.now()
        expected_v = self.drift.expected_v(now)
        if now - self.since < COAST_S and abs(expected_v - self._held_v) > COAST_STEP_V:
            self.loop.coast(expected_v)
            self._held_v = expected_v

    def _look_again(self) -> None:
        if self._clock.now() < self._wake_at:
            return
        self._wake_at = self._clock.now() + FAULT_RETRY_S
        self.loop.read()  # still away: raises
        if not (self.wanted and self.take_over()):
            self._enter(LockState.RELOCK if self.wanted else LockState.OFF, "Its instruments answer again.", "info")
            self._ladder, self._rung = LADDER, 0

    def _watch(self, parents: Parents, floor: Floor) -> None:
        assert self.last is not None
        tolerance = self.loop.tolerance
        if is_bad(self.last, tolerance):
            if self._bad_in_a_row == 0:
                self._first_bad_at = self.last.at
            self._bad_in_a_row += 1
            if self.state is LockState.LOCKED:
                self._enter(LockState.SUSPECT, "A look at it was bad.")
            if self._bad_in_a_row >= BAD_TO_CONFIRM and not parents.suspect:
                self._confirm()
            return
        self._bad_in_a_row = 0
        if self.state is LockState.SUSPECT:
            self._enter(LockState.LOCKED, "Came back by itself.")
        self._looks += 1
        if self._looks % WINDOW == 0 and not self._window_is_good():
            return
        self._unwind_where_due(floor)

    def _window_is_good(self) -> bool:
        """Judge the last window as a whole, and look closer where it is not good."""
        # Near a rail a loop that can hop hops; one that cannot is as good as lost.
        actuator = None if self.loop.capabilities.unwinds else self.actuator
        verdict = self._judged(actuator)
        if not verdict.locked:
            self._first_bad_at = self.readings[0].at
            self._confirm(verdict.reason)
            return False
        if not math.isnan(verdict.residual):
            new = min(verdict.residual, MOST_GROWTH * self.residual_at_lock)  # a knock is no residual
            self.residual_at_lock = math.hypot(
                math.sqrt(1.0 - NEW_SHARE) * self.residual_at_lock, math.sqrt(NEW_SHARE) * new
            )
        self.proven_at = self.readings[-1].at
        if sum(reading.witness for reading in self.readings) > BRIGHTER * len(self.readings):
            self._confirm()  # more light than at lock: what is little is measured against that
        return self.state is LockState.LOCKED

    def _judged(self, actuator: ActuatorState | None) -> Verdict:
        loop = self.loop
        return judge(self.name, loop.unit, loop.tolerance, list(self.readings), actuator, self.residual_at_lock)

    def _confirm(self, suspicion: str = "") -> None:
        """Look closer at what seems lost, and decide."""
        verdict = self.loop.confirm()
        if verdict.locked and suspicion and not self.loop.capabilities.unwinds:
            verdict = judge_actuator(self.name, self.actuator)
        if verdict.locked:
            self._bad_in_a_row = 0
            self.readings.clear()
            if self.state is LockState.SUSPECT:
                self._enter(LockState.LOCKED, "The light has changed; the lock holds.", "info")
            return
        self._lose(suspicion or verdict.reason)

    def _lose(self, reason: str) -> None:
        now = self._clock.now()
        self._on_loss(Loss(self.name, self._first_bad_at, now, reason, self.proven_at))
        within = self.budget.spend(now)
        self._reset_looks()
        self.loop.hold()  # before it runs to a rail
        if not within:
            self._stall(f"Lost {self.budget.per_hour + 1} times within an hour. Last: {reason}")
            return
        self._ladder, self._rung, self._wake_at = LADDER, 0, now
        self._enter(LockState.RELOCK, reason, "warning")

    def _unwind_where_due(self, floor: Floor) -> None:
        if not self._looked_at_output or self.actuator is None:
            return
        self._looked_at_output = False
        if not self.loop.capabilities.unwinds:
            return
        soon_v = self.drift.expected_v(self._clock.now())
        share = 1.0 - ActuatorState(0.0, True, soon_v, self.actuator.low_v, self.actuator.high_v).margin
        if share > UNWIND_SHARE and floor.may_hop(share > URGENT_SHARE):
            verdict = self._judged(None)
            if not verdict.locked:  # a loop without light runs to a rail too, and must not be hopped blindly
                self._first_bad_at = self.readings[0].at
                self._confirm(verdict.reason)
                return
            self.unwinds += 1
            self._enter(LockState.UNWIND, f"Hops back from {soon_v:+.2f} V.", "info")
            self._steps = self.loop.unwinding(soon_v)
            self._reset_looks()
            self._next_step()

    def _prove(self) -> None:
        """Decide from the readings since the loop was closed whether it is locked."""
        hopped = self.state is LockState.UNWIND
        if len(self.readings) < (HOPPED_READINGS if hopped else self._readings_to_lock()):
            self._limit_time()
            return
        loop = self.loop
        verdict = self._judged(None)
        residual_rms = verdict.residual
        if verdict.locked and not hopped:
            verdict = loop.confirm()
        if not verdict.locked:
            self._first_bad_at = self.readings[0].at
            if hopped:
                self._lose(verdict.reason)
            else:
                self._fail(verdict.reason)
            return
        if not hopped and not math.isnan(residual_rms):
            self.residual_at_lock = residual_rms
        self._rung, self._bad_in_a_row = 0, 0
        self.proven_at = self._clock.now()
        residual = "" if hopped or not self.residual_at_lock else f", residual {self.residual_at_lock:.3f} {loop.unit}"
        self._enter(LockState.LOCKED, f"Locked{residual}.", None if hopped else "info")
        self.poll()

    def _readings_to_lock(self) -> int:
        """Return how many good looks prove a lock: a free fringe may look good for a while, light at its top does
        not."""
        return READINGS_OF_LIGHT if math.isnan(self.readings[-1].error) else READINGS_TO_LOCK

    # ---- tries ------------------------------------------------------------------------------------------------------

    def _begin(self, ladder: Sequence[Rung]) -> None:
        self._ladder, self._rung = ladder, 0
        self._try_rung()

    def _try_rung(self) -> None:
        reach = self._ladder[self._rung].reach
        if reach is Reach.EVERYWHERE:
            self.residual_at_lock = 0.0  # a scan tells a fringe from darkness
        self._enter(LockState.PRECHECK, f"Looks {reach}.")
        self._reset_looks()
        self._steps = self.loop.acquisition(reach)
        self._wake_at = self._clock.now()

    def _next_step(self) -> None:
        assert self._steps is not None
        try:
            step = next(self._steps)
        except StopIteration:
            self._steps = None
            if self.state is not LockState.UNWIND:
                self._verify("Closed; now it is proven.")
            self.readings.clear()
            return
        if step.state is not self.state:
            self._enter(step.state, self.why)
        self._wake_at = self._clock.now() + step.wait_s

    def _verify(self, why: str) -> None:
        self._reset_looks()
        self._enter(LockState.VERIFY, why)

    def _fail(self, reason: str) -> None:
        """A try failed: climb to the next rung, or give up."""
        self._abandon()
        self._rung += 1
        if self._rung >= len(self._ladder):
            self.loop.hold()
            self._stall(reason)
            return
        rung = self._ladder[self._rung]
        self._wake_at = self._clock.now() + rung.after_s
        self._enter(LockState.RELOCK, reason, "info")

    def _stall(self, reason: str) -> None:
        self._enter(LockState.STALLED, f"{reason} A person must look.", "error")

    def _hold(self, why: str) -> None:
        self._abandon()
        self.loop.hold()
        self._held_v = self.drift.expected_v(self._clock.now())
        self._bad_in_a_row = 0
        self._enter(LockState.HOLD, why)

    def _limit_time(self) -> None:
        longest_s = LONGEST_S.get(self.state, math.inf)
        if self._clock.now() - self.since > longest_s:
            raise LockError(f"{self.name}: was in {self.state} for more than {longest_s:g} s.")

    def _abandon(self) -> None:
        if self._steps is not None:
            self._steps.close()
            self._steps = None

    def _reset_looks(self) -> None:
        self.readings.clear()
        self.drift.forget()
        self.actuator = None
        self.poll_at = 0.0
        self._bad_in_a_row = 0
        self._looks = 0

    def _enter(self, state: LockState, why: str, level: Level | None = None) -> None:
        if state is not self.state and state not in FOLLOWS[self.state]:
            raise AssertionError(f"{self.name}: {state} cannot follow {self.state}")
        if state is not self.state:
            self.since = self._clock.now()
        self.state, self.why, self._was_found = state, why, False
        if level is not None:
            self._tell(level, self.name, why if why.startswith(self.name) else f"{self.name}: {why}")
