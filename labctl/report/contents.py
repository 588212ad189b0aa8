"""Everything a report needs from a run, read once; what cannot be read is named instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from labctl.errors import StoreError
from labctl.locks.locked_time import LoopTime
from labctl.store.history import PastNight, earlier_nights
from labctl.store.losses import LossRecord
from labctl.store.reader import RunReader
from labctl.store.records import (
    AskedSetting,
    EndRecord,
    EventRecord,
    InstrumentSnapshot,
    Manifest,
    NamedResult,
    RunState,
    StepRecord,
    TraceInfo,
    TraceRecord,
)

_SENSOR_NAME = re.compile(r"sensor([1-9][0-9]{0,3})\.")
_SENSOR_PARAMETER = "sensor"

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class RunContents:
    """A run as it stood when it was read: whole, partial or crashed.

    `state` is None when not even that can be told. `sensors` are the numbers, counted from 1, that results, traces or
    steps of the run mention. `unreadable` says in sentences what the disk did not give back.
    """

    path: Path
    manifest: Manifest
    state: RunState | None
    reason: str
    coverage: str
    end: EndRecord | None
    end_of_data: float | None  # lab time, s
    results: Mapping[str, NamedResult]
    steps: Sequence[StepRecord]
    events: Sequence[EventRecord]
    traces: Sequence[TraceInfo]
    instruments: Sequence[InstrumentSnapshot]
    losses: Sequence[LossRecord]
    loop_times: Sequence[LoopTime]
    asked: Sequence[AskedSetting]
    earlier: Sequence[PastNight]  # complete nights of the same station before this run, newest first
    sensors: tuple[int, ...]
    unreadable: tuple[str, ...]
    _reader: RunReader

    def trace(self, name: str) -> TraceRecord:
        """The latest valid trace of that name; raises StoreError that says why there is none."""
        found = [info for info in self.traces if info.name == name]
        if found and not any(info.valid for info in found):
            last = found[-1].invalid_reason or "no reason was recorded"
            which = "The only trace" if len(found) == 1 else f"Each of the {len(found)} traces"
            raise StoreError(f"{which} {name} is invalid: {last}.")
        return self._reader.trace(name)

    def has_trace(self, name: str) -> bool:
        """Whether a trace of that name was stored, valid or not."""
        return any(info.name == name for info in self.traces)


def read_run(path: Path) -> RunContents:
    """Read the run in the folder `path`. Raises StoreError only when it is no run or its manifest cannot be read."""
    reader = RunReader(path)
    unreadable: list[str] = []

    def attempt(read: Callable[[], Found], instead: Found) -> Found:
        try:
            return read()
        except StoreError as error:
            if str(error) not in unreadable:
                unreadable.append(str(error))
            return instead

    manifest = reader.manifest
    results = attempt(reader.results, dict[str, NamedResult]())
    steps = attempt(reader.steps, list[StepRecord]())
    traces = attempt(reader.traces, list[TraceInfo]())
    return RunContents(
        path=reader.path,
        manifest=manifest,
        state=attempt(lambda: reader.state, None),
        reason=attempt(lambda: reader.reason, ""),
        coverage=attempt(lambda: reader.coverage, ""),
        end=attempt(lambda: reader.end, None),
        end_of_data=attempt(lambda: reader.end_of_data, None),
        results=results,
        steps=steps,
        events=attempt(reader.events, list[EventRecord]()),
        traces=traces,
        instruments=[*manifest.instruments, *attempt(reader.snapshots, list[InstrumentSnapshot]())],
        losses=attempt(reader.losses, list[LossRecord]()),
        loop_times=attempt(reader.loop_times, list[LoopTime]()),
        asked=attempt(lambda: reader.asked_settings() or [], list[AskedSetting]()),
        earlier=attempt(lambda: earlier_nights(reader.path, manifest), list[PastNight]()),
        sensors=_sensors(results, traces, steps),
        unreadable=tuple(unreadable),
        _reader=reader,
    )


def _sensors(
    results: Mapping[str, NamedResult], traces: Sequence[TraceInfo], steps: Sequence[StepRecord]
) -> tuple[int, ...]:
    named = [match for name in [*results, *(info.name for info in traces)] if (match := _SENSOR_NAME.match(name))]
    numbers = {int(match[1]) for match in named}
    for step in steps:
        number = step.parameters.get(_SENSOR_PARAMETER)
        if type(number) is int and number > 0:
            numbers.add(number)
    return tuple(sorted(numbers))
