"""Reading a run: living, ended or crashed, without changing it."""

from __future__ import annotations

from pathlib import Path

from labctl.locks.locked_time import LoopTime
from labctl.store import losses, rows, trace_rows
from labctl.store.database import ReadOnlyDatabase
from labctl.store.documents import read_end, read_manifest
from labctl.store.failures import reported
from labctl.store.hold import run_is_alive
from labctl.store.losses import LossRecord
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

CRASH_REASON = "The process ended without closing the run."


class RunReader:
    """A run folder to look at. Every question is answered from the disk as it is now, so a living run can be followed.

    Raises StoreError naming the folder when it is no run or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.manifest: Manifest = read_manifest(self.path)
        self._database = ReadOnlyDatabase(self.path)

    @property
    def run_id(self) -> str:
        """The id in the manifest, which is also the name of the folder."""
        return self.manifest.run_id

    @property
    def end(self) -> EndRecord | None:
        """How the run ended; None while it runs, and after a crash until it is recovered."""
        return read_end(self.path)

    @property
    def state(self) -> RunState:
        """How the run stands now."""
        return state_of(self.path)[0]

    @property
    def reason(self) -> str:
        """Why it ended so; empty while it runs."""
        state, end = state_of(self.path)
        if end is not None:
            return end.reason
        return CRASH_REASON if state is RunState.CRASHED else ""

    @property
    def coverage(self) -> str:
        """How much was done: as the run said when it ended, else by the step journal, "7 of 12 steps"."""
        end = self.end
        if end is not None:
            return end.coverage
        with self._database.connection() as connection:
            return rows.steps_done(connection)

    @property
    def end_of_data(self) -> float | None:
        """Lab time in s of the last trace or event; None when there is neither."""
        with self._database.connection() as connection:
            return rows.end_of_data(connection)

    def traces(self) -> list[TraceInfo]:
        """All traces, valid or not, in the order of their arrival, without their numbers."""
        with self._database.connection() as connection:
            return trace_rows.trace_infos(connection)

    def trace(self, name: str) -> TraceRecord:
        """The latest valid trace of that name, arrays read-only; StoreError says what there is instead."""
        with self._database.connection() as connection:
            return trace_rows.latest_valid_trace(connection, name, self.path)

    def trace_number(self, identity: int) -> TraceRecord:
        """The trace with that `TraceInfo.identity`, valid or not."""
        with self._database.connection() as connection:
            return trace_rows.trace_by_row(connection, identity)

    def results(self) -> dict[str, NamedResult]:
        """The latest result of every name."""
        with self._database.connection() as connection:
            return rows.results(connection)

    def events(self) -> list[EventRecord]:
        """All events in the order of their arrival."""
        with self._database.connection() as connection:
            return rows.events(connection)

    def steps(self) -> list[StepRecord]:
        """The step journal, one entry for each attempt."""
        with self._database.connection() as connection:
            return rows.steps(connection)

    def snapshots(self) -> list[InstrumentSnapshot]:
        """Instruments identified after the run began; those known before are in the manifest."""
        with self._database.connection() as connection:
            return rows.snapshots(connection)

    def losses(self) -> list[LossRecord]:
        """Lost locks in the order of their arrival."""
        with self._database.connection() as connection:
            return losses.losses(connection)

    def loop_times(self) -> list[LoopTime]:
        """How long each loop was locked; empty where nobody kept it."""
        with self._database.connection() as connection:
            return losses.loop_times(connection)

    def asked_settings(self) -> list[AskedSetting] | None:
        """What labctl last asked of every setting of every instrument; None of a run made before this was kept."""
        with self._database.connection() as connection:
            return rows.asked_settings(connection)


def state_of(folder: Path) -> tuple[RunState, EndRecord | None]:
    """How the run in `folder` stands, and its end when it has one; raises StoreError."""
    with reported("see whether the run is alive", folder):
        # The second look is for a run that ends between the first look and the test for life.
        for alive in (None, run_is_alive(folder)):
            end = read_end(folder)
            if end is not None:
                return end.state, end
            if alive:
                return RunState.RUNNING, None
    return RunState.CRASHED, None
