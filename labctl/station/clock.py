"""Lab time: the one way to wait, and the one way to do something periodically."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

TIME_RESOLUTION_S = 1e-6


class Timebase(Protocol):
    """Something whose time moves only when it is told to, such as the simulated table."""

    def now(self) -> float:
        """Return lab time in s."""
        ...

    def elapse(self, seconds: float) -> None:
        """Move lab time on."""
        ...


class Clock(Protocol):
    """Lab time.

    Everything that waits waits here.
    """

    @property
    def concurrent(self) -> bool:
        """True where threads may wait at the same time; a simulated clock has one line of time."""
        ...

    def now(self) -> float:
        """Return lab time in s: since the epoch for the wall clock, since the start for a simulated one."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; periodic tasks run meanwhile.

        Returns early after `interrupt`.
        """
        ...

    def every(self, period_s: float, task: Callable[[], None], name: str) -> Registration:
        """Run `task` every `period_s` until the registration is cancelled.

        A task that raises is cancelled and remembered.
        """
        ...

    def interrupt(self) -> None:
        """Wake whoever sleeps."""
        ...


@dataclass(eq=False)
class Registration:
    """A periodic task.

    `error` is what ended it, if anything did.
    """

    name: str
    period_s: float
    task: Callable[[], None]
    error: Exception | None = None
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Run the task no more."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """True once the task runs no more."""
        return self._cancelled.is_set()

    def run(self) -> None:
        """Run the task once; an error ends it and is kept for whoever asks."""
        try:
            self.task()
        except Exception as error:
            self.error = error
            self.cancel()


class WallClock:
    """Real time, or lab time that runs `speed` times as fast: that of a simulated table which another process serves
    at this speed. Real instruments have no other speed than 1.

    Periodic tasks run in one thread of their own, in the order in which they fall due.
    """

    concurrent = True

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"the speed of a clock is above 0, not {speed:g}")
        self._speed = speed
        self._began_at, self._began_at_monotonic = time.time(), time.monotonic()
        self._wake = threading.Event()
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Registration]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def now(self) -> float:
        """Return the time in s since the epoch; faster clocks start from it when they are made."""
        if self._speed == 1.0:
            return time.time()
        return self._began_at + self._speed * (time.monotonic() - self._began_at_monotonic)

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, or less if interrupted."""
        self._wake.wait(max(0.0, seconds / self._speed))
        self._wake.clear()

    def interrupt(self) -> None:
        """Wake whoever sleeps."""
        self._wake.set()

    def every(self, period_s: float, task: Callable[[], None], name: str) -> Registration:
        """Run `task` every `period_s`, first after one period."""
        registration = Registration(name, period_s, task)
        with self._changed:
            due = time.monotonic() + period_s / self._speed
            heapq.heappush(self._due, (due, next(self._numbers), registration))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="labctl periodic tasks", daemon=True)
                self._thread.start()
            self._changed.notify()
        return registration

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._due and self._due[0][2].cancelled:
                    heapq.heappop(self._due)
                if not self._due:
                    self._thread = None
                    return
                due, number, registration = self._due[0]
                wait = due - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                heapq.heappop(self._due)
            registration.run()
            if not registration.cancelled:
                with self._changed:
                    following = _next_due(due, registration.period_s / self._speed, time.monotonic())
                    heapq.heappush(self._due, (following, number, registration))


class SimulatedClock:
    """Time of a simulated table: `sleep` runs what falls due, task by task in the order of due time, and moves the
    table between."""

    concurrent = False

    def __init__(self, timebase: Timebase) -> None:
        self._timebase = timebase
        self._due: list[tuple[float, int, Registration]] = []
        self._numbers = itertools.count()
        self._interrupted = False

    def now(self) -> float:
        """Return the time in s since the table was switched on."""
        return self._timebase.now()

    def sleep(self, seconds: float) -> None:
        """Let lab time pass."""
        end = self.now() + max(0.0, seconds)
        while self._due and self._due[0][0] <= end and not self._interrupted:
            due, number, registration = heapq.heappop(self._due)
            if registration.cancelled:
                continue
            self._timebase.elapse(max(0.0, due - self.now()))
            registration.run()
            if not registration.cancelled:
                heapq.heappush(self._due, (_next_due(due, registration.period_s, self.now()), number, registration))
        if not self._interrupted:
            self._timebase.elapse(max(0.0, end - self.now()))
        self._interrupted = False

    def interrupt(self) -> None:
        """Let the present or next sleep return at once."""
        self._interrupted = True

    def every(self, period_s: float, task: Callable[[], None], name: str) -> Registration:
        """Run `task` every `period_s` of lab time, first after one period."""
        registration = Registration(name, period_s, task)
        heapq.heappush(self._due, (self.now() + period_s, next(self._numbers), registration))
        return registration


def wait_out(clock: Clock, seconds: float) -> None:
    """Wait all of `seconds`, also through an interrupt: between the steps of a motion that must not be hurried."""
    end = clock.now() + seconds
    while (left := end - clock.now()) > TIME_RESOLUTION_S:
        clock.sleep(left)


def _next_due(due: float, period_s: float, now: float) -> float:
    """Return when a task that fell due at `due` is due again: on its beat, or a period from now where it missed one.

    A wire that was busy for longer than a period makes a task late; it never runs twice to make up for it.
    """
    return due + period_s if due + period_s > now else now + period_s
