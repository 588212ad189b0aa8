"""A record on a disk that may fill up: small entries wait until there is room, what is measured is refused."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Final

from labctl.errors import StoreFull
from labctl.locks.locked_time import LoopTime
from labctl.store.losses import LossRecord
from labctl.store.records import AskedSetting, DoubtfulTrace, EventRecord, NamedResult, StepRecord, TraceRecord
from procedures.journal import Journal

WARN_BELOW_BYTES: Final = 500e6
GO_ON_ABOVE_BYTES: Final = 100e6  # data.nc is still to be written beside what is measured
MOST_WAITING: Final = 10_000


class PatientRecord:
    """A journal that passes everything on to `journal`, and outlasts a full disk.

    Events, steps, settings and lost locks that find no room wait, in their order, and are written once there is some.
    Traces and results are refused with `StoreFull`: who measured them measures again. `on_full` is told when there is
    no room. `free_bytes` says how much room there is. May be used by several threads.
    """

    def __init__(
        self,
        journal: Journal,
        free_bytes: Callable[[], float] = lambda: math.inf,
        *,
        warn_below: float = WARN_BELOW_BYTES,
        go_on_above: float = GO_ON_ABOVE_BYTES,
    ) -> None:
        self.on_full: Callable[[str], None] = lambda why: None
        self._journal = journal
        self._free_bytes = free_bytes
        self._warn_below = warn_below
        self._go_on_above = go_on_above
        self._waiting: list[Callable[[], object]] = []
        self._full = ""
        self._has_warned = False
        self._one_at_a_time = threading.RLock()

    # ---- room -------------------------------------------------------------------------------------------------------

    def why(self) -> str:
        """Look for room and write what waits; return why there is none, "" where there is."""
        with self._one_at_a_time:
            if not self._full:
                return ""
            try:
                self._write_what_waits()
            except StoreFull as error:
                self._full = str(error)
                return self._full
            free = self._free_bytes()
            if free < self._go_on_above:
                return f"the disk of the run has {free / 1e6:.0f} MB left, less than {self._go_on_above / 1e6:.0f} MB"
            self._full = ""
            return ""

    def warning(self) -> str:
        """Return a sentence when there is little room, once until there is more again; else ""."""
        free, warned = self._free_bytes(), self._has_warned
        self._has_warned = free < self._warn_below
        if not self._has_warned or warned:
            return ""
        return f"The disk of the run has {free / 1e6:.0f} MB left: make room before it is full."

    def write_the_rest(self) -> StoreFull | None:
        """Write what waits, and return the error where there is no room."""
        with self._one_at_a_time:
            try:
                self._write_what_waits()
            except StoreFull as error:
                return error
        return None

    def _write_what_waits(self) -> None:
        while self._waiting:
            self._waiting[0]()
            self._waiting.pop(0)

    def _patiently(self, write: Callable[[], object]) -> None:
        with self._one_at_a_time:
            if len(self._waiting) >= MOST_WAITING:
                raise StoreFull(self._full, remedy="Make room.")
            self._waiting.append(write)
            try:
                self._write_what_waits()
            except StoreFull as error:
                self._note(error)
            except BaseException:  # it was refused for what it is, and must not be tried again
                self._waiting.pop(0)
                raise

    def _note(self, error: StoreFull) -> None:
        self._full = str(error)
        self.on_full(self._full)

    # ---- what waits -------------------------------------------------------------------------------------------------

    def add_event(self, event: EventRecord) -> None:
        """Keep an event."""
        self._patiently(lambda: self._journal.add_event(event))

    def add_loss(self, loss: LossRecord) -> None:
        """Keep a lost lock."""
        self._patiently(lambda: self._journal.add_loss(loss))

    def step(self, record: StepRecord) -> None:
        """Enter a step, or bring its entry up to date."""
        self._patiently(lambda: self._journal.step(record))

    def keep_settings(self, asked: Sequence[AskedSetting]) -> None:
        """Keep what settings were asked to be."""
        self._patiently(lambda: self._journal.keep_settings(asked))

    def keep_loop_times(self, times: Sequence[LoopTime]) -> None:
        """Keep how long each loop was locked."""
        self._patiently(lambda: self._journal.keep_loop_times(times))

    # ---- what is refused --------------------------------------------------------------------------------------------

    def add_trace(self, trace: TraceRecord) -> int:
        """Keep a trace and return its number. Raises `StoreFull`."""
        with self._one_at_a_time:
            try:
                self._write_what_waits()
                return self._journal.add_trace(trace)
            except StoreFull as error:
                self._note(error)
                raise

    def add_result(self, result: NamedResult) -> None:
        """Keep a result. Raises `StoreFull`."""
        with self._one_at_a_time:
            try:
                self._write_what_waits()
                self._journal.add_result(result)
            except StoreFull as error:
                self._note(error)
                raise

    def quarantine(self, loop: str, since: float, until: float, reason: str) -> list[DoubtfulTrace]:
        """Mark valid traces invalid that needed a loop within these lab times, in s, and return them. Raises
        `StoreFull`."""
        with self._one_at_a_time:
            try:
                return self._journal.quarantine(loop, since, until, reason)
            except StoreFull as error:
                self._note(error)
                raise

    # ---- what is read -----------------------------------------------------------------------------------------------

    def results(self) -> dict[str, NamedResult]:
        """Return the results so far."""
        return self._journal.results()

    def trace(self, name: str) -> TraceRecord:
        """Return the latest valid trace of that name."""
        return self._journal.trace(name)
