"""A record that also tells somebody what goes into it, at the moment when it is safe on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from labctl.locks.locked_time import LoopTime
from labctl.store.losses import LossRecord
from labctl.store.records import AskedSetting, DoubtfulTrace, EventRecord, NamedResult, StepRecord, TraceRecord
from procedures.journal import Journal


class RecordListener(Protocol):
    """Who wants to know what is measured; must be quick, for a measurement waits."""

    def trace_added(self, trace: TraceRecord) -> None:
        """A trace is kept."""
        ...

    def result_added(self, result: NamedResult) -> None:
        """A result is kept."""
        ...

    def event_added(self, event: EventRecord) -> None:
        """Something happened."""
        ...

    def loss_added(self, loss: LossRecord) -> None:
        """A lock was lost."""
        ...


class ToldRecord:
    """A journal that passes everything on to `journal`, then tells `listener`."""

    def __init__(self, journal: Journal, listener: RecordListener) -> None:
        self._journal = journal
        self._listener = listener

    def add_trace(self, trace: TraceRecord) -> int:
        """Keep a trace and return its number."""
        number = self._journal.add_trace(trace)
        self._listener.trace_added(trace)
        return number

    def add_result(self, result: NamedResult) -> None:
        """Keep a result."""
        self._journal.add_result(result)
        self._listener.result_added(result)

    def add_event(self, event: EventRecord) -> None:
        """Keep an event."""
        self._journal.add_event(event)
        self._listener.event_added(event)

    def add_loss(self, loss: LossRecord) -> None:
        """Keep a lost lock."""
        self._journal.add_loss(loss)
        self._listener.loss_added(loss)

    def results(self) -> dict[str, NamedResult]:
        """Return the results so far."""
        return self._journal.results()

    def trace(self, name: str) -> TraceRecord:
        """Return the latest valid trace of that name. Raises `MissingResult` where there is none."""
        return self._journal.trace(name)

    def keep_loop_times(self, times: Sequence[LoopTime]) -> None:
        """Keep how long each loop was locked."""
        self._journal.keep_loop_times(times)

    def keep_settings(self, asked: Sequence[AskedSetting]) -> None:
        """Keep what settings were asked to be."""
        self._journal.keep_settings(asked)

    def quarantine(self, loop: str, since: float, until: float, reason: str) -> list[DoubtfulTrace]:
        """Mark valid traces invalid that needed a loop within these lab times, in s, and return them."""
        return self._journal.quarantine(loop, since, until, reason)

    def step(self, record: StepRecord) -> None:
        """Enter a step, or bring its entry up to date."""
        self._journal.step(record)
