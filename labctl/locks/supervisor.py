"""All loops of a table, ten times a second: looked at, held when one that they need is gone, brought back in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from labctl.configuration.dependencies import in_order_of_needs
from labctl.errors import ConfigurationError, LabError, LockError
from labctl.locks.history import LoopHistory
from labctl.locks.ladder import RelockBudget
from labctl.locks.locked_time import LockedTime
from labctl.locks.loop import Loop
from labctl.locks.losses import Evidence, Loss
from labctl.locks.machine import Level, LoopMachine, Parents, Tell
from labctl.locks.states import ACQUIRING, LockState
from labctl.locks.watch import LockWatch
from labctl.station.clock import Clock, Registration

PERIOD_S: Final = 0.1
SLICE_S: Final = 0.1  # of lab time a tick for acquisitions, so that the other loops are looked at
EVIDENCE_AFTER_S: Final = 5.0
LONGEST_EVIDENCE_S: Final = 60.0
RELOCKS_PER_HOUR: Final = 10
SETTLED: Final = frozenset({LockState.LOCKED, LockState.STALLED, LockState.FAULT, LockState.OFF})
DOUBT_S: Final = 0.05  # to the second look, which decides with the closer one that follows it
BUSY: Final = frozenset({LockState.VERIFY, LockState.UNWIND, LockState.RELOCK})
ALL_LOCKED: Final = Parents(True)
IN_DOUBT: Final = Parents(True, suspect=True)
LOOK_S: Final = 0.2  # between two looks of those who wait for a lock


class _Guard:
    """A lock that counts how deep its thread is in it."""

    def __init__(self) -> None:
        self.depth = 0
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()
        self.depth += 1

    def __exit__(self, *error: object) -> None:
        self.depth -= 1
        self._lock.release()


class Supervisor:
    """The machines of all loops, in the order of their needs, and the periodic task that drives them.

    It starts by itself when a lock is asked for, and may be told to take over what the hardware holds already. `tell`
    is given what happens (level, loop, sentence), `on_loss` the evidence of each loss once its last seconds are in.
    `read_ahead` may read the signals of several loops at once before each is asked for its own.
    """

    def __init__(
        self,
        loops: Mapping[str, Loop],
        needs: Mapping[str, Sequence[str]],
        clock: Clock,
        *,
        period_s: float = PERIOD_S,
        relocks_per_hour: Mapping[str, int] | None = None,
        read_ahead: Callable[[Sequence[str]], None] = lambda names: None,
    ) -> None:
        self.tell: Tell = lambda level, name, text: None
        self.on_loss: Callable[[Evidence], None] = lambda evidence: None
        self.history = LoopHistory(list(loops), period_s)
        self.losses: list[Loss] = []
        self.locked_time = LockedTime()
        self._clock = clock
        self._period_s = period_s
        self._read_ahead = read_ahead
        self._needs = {name: [need for need in needs.get(name, ()) if need in loops] for name in loops}
        self._machines = {
            name: LoopMachine(
                loops[name],
                clock,
                RelockBudget((relocks_per_hour or {}).get(name, RELOCKS_PER_HOUR)),
                self._say,
                self._lost,
            )
            for name in in_order_of_needs(self._needs)
        }
        self._guard = _Guard()
        self._registration: Registration | None = None
        self._watches: list[LockWatch] = []
        self._pending: deque[Loss] = deque()

    # ---- running ----------------------------------------------------------------------------------------------------

    @property
    def machines(self) -> Mapping[str, LoopMachine]:
        """Return the machines by name, each after those that it needs."""
        return self._machines

    def start(self) -> None:
        """Begin to look at the loops; nothing where that began before."""
        if self._registration is None:
            self._registration = self._clock.every(self._period_s, self._tick, "locks")

    def stop(self, why: str = "Nobody watches it.") -> None:
        """Look no more; servos are left as they are, and what runs acquisitions ends."""
        with self._guard:
            if self._registration is not None:
                self._registration.cancel()
                self._registration = None
            for loss in self._pending:  # what is known of it so far
                self.on_loss(self.history.evidence(loss))
            self._pending.clear()
            for machine in self._machines.values():
                machine.forget(why)

    def leave(self, why: str) -> list[str]:
        """Look no more, after opening what is on its way to be locked; what is locked stays so. Return the names of
        what was opened. Raises the first error of an instrument that could not be told, after all others were."""
        errors: list[LabError] = []
        with self._guard:
            on_their_way = [
                machine
                for machine in reversed(self._machines.values())
                if machine.state in ACQUIRING or machine.state is LockState.RELOCK
            ]
            for machine in on_their_way:
                try:
                    machine.release(why)
                except LabError as error:
                    errors.append(error)
            self.stop(why)
        if errors:
            raise errors[0]
        return [machine.name for machine in on_their_way]

    def take_over(self, remembered: Mapping[str, Mapping[str, float]]) -> list[str]:
        """Find out what the hardware is doing, take over the loops that it holds, and return their names; none is
        opened. `remembered` is what each loop gave as `Loop.remembered` when it was locked."""
        taken = []
        with self._guard:
            for name, machine in self._machines.items():
                if name in remembered and self._takes_over(machine, remembered[name]):
                    taken.append(name)
            for name in taken:  # asking all servos takes seconds: the time to prove them begins after the last
                self._machines[name].since = self._clock.now()
        if taken:
            self.start()
        return taken

    def _takes_over(self, machine: LoopMachine, remembered: Mapping[str, float]) -> bool:
        try:
            with suppress(TypeError):  # of an earlier version, which remembered other things
                machine.loop.recall(remembered)
            return machine.take_over()
        except LabError as error:
            machine.fault(error)
            return False

    def remembered(self) -> dict[str, Mapping[str, float]]:
        """Return what the loops that are locked remember."""
        with self._guard:
            return {
                name: dict(machine.loop.remembered()) for name, machine in self._machines.items() if machine.is_locked
            }

    # ---- what is asked for ------------------------------------------------------------------------------------------

    def with_needs(self, names: Iterable[str]) -> list[str]:
        """Return `names` and all that they need, in the order in which they are locked."""
        wanted: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in self._machines:
                raise ConfigurationError(
                    f"This station has no loop {name}.", remedy=f"It has {', '.join(self._machines)}."
                )
            if name not in wanted:
                wanted.add(name)
                waiting += self._needs[name]
        return [name for name in self._machines if name in wanted]

    def that_need(self, names: Iterable[str]) -> list[str]:
        """Return `names` and all that need them, the last to be locked first."""
        gone = set(names)
        for name in self._machines:
            if any(need in gone for need in self._needs[name]):
                gone.add(name)
        return [name for name in reversed(self._machines) if name in gone]

    def request(self, names: Iterable[str]) -> list[str]:
        """Ask for loops and all that they need, and return these; they are locked in order while time goes on."""
        asked = self.with_needs(names)
        with self._guard:
            for name in asked:
                self._machines[name].want()
            self.start()
        return asked

    def bring_up(self, names: Iterable[str], wait: Callable[[float], None]) -> None:
        """Ask for loops and wait until they are locked, `wait` being how the caller waits.

        Raises `LockError` as soon as one of them, or one that they need, has given up, and what ended the watching.
        """
        asked = self.request(names)
        while not all(self._machines[name].is_locked for name in asked):
            self._require_running()
            for name in asked:
                machine = self._machines[name]
                if machine.state is LockState.STALLED:
                    raise LockError(machine.why, remedy=f"Look at the events of {name}, then lock it again.")
                if machine.state is LockState.FAULT:
                    raise LockError(machine.why)
            wait(LOOK_S)

    def hold(self, names: Iterable[str], why: str) -> None:
        """Hold loops, and all that need them, where they are until they are asked for again."""
        with self._guard:
            for name in self.that_need(names):
                if self._machines[name].state is not LockState.OFF:
                    self._machines[name].park(why)

    def release(self, names: Iterable[str]) -> None:
        """Open loops, and all that need them, and let their outputs go to rest."""
        with self._guard:
            for name in self.that_need(names):
                self._machines[name].release()

    # ---- watching ---------------------------------------------------------------------------------------------------

    def watch(self, names: Sequence[str], *, quiet: bool = True) -> LockWatch:
        """Return a watch on loops and all that they need, from now until it is closed; while it is `quiet` fringes are
        hopped only where a rail is near."""
        watch = LockWatch(self.with_needs(names), self._clock, self._forget_watch, self._require_running, quiet)
        with self._guard:
            self._watches.append(watch)
            self.start()
        return watch

    def _forget_watch(self, watch: LockWatch) -> None:
        with self._guard:
            if watch in self._watches:
                self._watches.remove(watch)

    def _require_running(self) -> None:
        registration = self._registration
        if registration is None:
            raise LockError("The locks are no longer watched.", remedy="Somebody stopped them: ask for them again.")
        if registration.error is not None:
            raise registration.error

    # ---- one tick ---------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        with self._guard:
            if self._guard.depth > 1:
                return  # a command of this very thread waits for a ramp: its loop is between two states
            now = self._clock.now()
            machines = self._machines.values()
            self._look()
            self._poll_outputs(now)
            for name, machine in self._machines.items():
                machine.decide(self._parents(name), self)
            until = self._clock.now() + SLICE_S
            for machine in machines:
                if machine.is_acquiring:
                    machine.advance(until)
                elif machine.loop.capabilities.steps_itself and machine.is_locked:
                    self._step(machine)
            self.history.note(now, machines)
            self._note_validity(now)
            self.locked_time.note(now, {m.name: m.is_locked for m in machines if m.wanted and not m.parked})
            self._complete_evidence(now)
            if self._registration is not None:
                self._registration.period_s = self._next_period_s()

    def _next_period_s(self) -> float:
        """Return when to look again: sooner while a loop is on its way, and at once where one is in doubt."""
        if any(machine.state is LockState.SUSPECT for machine in self._machines.values()):
            return min(DOUBT_S, self._period_s)
        busy = any(machine.is_acquiring or machine.state in BUSY for machine in self._machines.values())
        return min(PERIOD_S, self._period_s) if busy else self._period_s

    def _look(self) -> None:
        looking = [machine for machine in self._machines.values() if machine.will_look]
        with suppress(LabError):  # who does not answer is told by each loop that asks
            self._read_ahead([machine.name for machine in looking])
        for machine in self._machines.values():
            machine.look()

    def _poll_outputs(self, now: float) -> None:
        """Look at the outputs that are due, one a tick: those that drift or stand near a rail more often."""
        due = [machine for machine in self._machines.values() if machine.poll_at <= now and machine.is_locked]
        if due:
            min(due, key=lambda machine: machine.poll_at).poll()

    def _parents(self, name: str) -> Parents:
        parents = ALL_LOCKED
        for need in self._needs[name]:
            machine = self._machines[need]
            if machine.state is LockState.LOCKED:
                continue
            # One that was found closed is proven together with those that need it: none of them is opened meanwhile.
            if not (machine.is_locked or machine.is_being_proven):
                return Parents(False, missing=need)
            parents = IN_DOUBT
        return parents

    def may_begin(self) -> bool:
        """Return whether an acquisition may begin: one goes on at a time."""
        return not any(machine.is_acquiring for machine in self._machines.values())

    def may_hop(self, urgent: bool) -> bool:
        """Return whether a fringe may be left: at once where a rail is near, else when nobody takes data."""
        return urgent or not any(watch.quiet for watch in self._watches)

    def _step(self, machine: LoopMachine) -> None:
        try:
            machine.loop.step()
        except LabError as error:
            machine.fault(error)

    def _note_validity(self, now: float) -> None:
        for watch in self._watches:
            watch.note(now, self._machines)

    def _say(self, level: Level, name: str, text: str) -> None:
        self.tell(level, name, text)

    def _lost(self, loss: Loss) -> None:
        self.losses.append(loss)
        self._pending.append(loss)
        for watch in self._watches:
            watch.lose(loss)

    def _complete_evidence(self, now: float) -> None:
        """Give the evidence of a loss away once its loop is locked again, for how it came back tells what it was."""
        for loss in list(self._pending):
            after_s = now - loss.detected_at
            settled = self._machines[loss.loop].state in SETTLED and after_s >= EVIDENCE_AFTER_S
            if settled or after_s >= LONGEST_EVIDENCE_S:
                self._pending.remove(loss)
                self.on_loss(self.history.evidence(loss))
