"""Writing a run while it happens."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from labctl.errors import StoreError
from labctl.locks.locked_time import LoopTime
from labctl.store import losses, rows, trace_rows
from labctl.store.archive_flag import refuse_archived
from labctl.store.catalogue import Catalogue
from labctl.store.checks import check_event, check_manifest, check_result, check_step, check_trace
from labctl.store.checksums import forget_checksums
from labctl.store.database import RUN_DATABASE, bring_up_to_date, create_database, open_for_writing, transaction
from labctl.store.documents import END_FILE, RESULTS_FILE, encode_manifest, read_end, read_manifest, write_manifest
from labctl.store.durable import make_folder, reserve, sync_folder
from labctl.store.ending import RunFolder, close_run, now_utc, refuse_missing, seal_folder
from labctl.store.failures import reported
from labctl.store.hold import Hold
from labctl.store.losses import LossRecord, check_loss
from labctl.store.netcdf import DATA_FILE
from labctl.store.owner import Purpose
from labctl.store.records import (
    AskedSetting,
    DoubtfulTrace,
    EndRecord,
    EventRecord,
    InstrumentSnapshot,
    Manifest,
    NamedResult,
    RunState,
    StepRecord,
    TraceRecord,
)

_ENDINGS = (RunState.COMPLETE, RunState.STOPPED, RunState.FAILED)


class RunWriter:
    """The only writer of one run folder; may be shared by threads.

    Every method that adds returns only when the disk has the data. A process that goes away without `finish` leaves a
    crashed run, whose data are all there.
    """

    def __init__(self, run: RunFolder, hold: Hold) -> None:
        self.path = run.path
        self.run_id = run.manifest.run_id
        self._run = run
        self._connection = run.connection
        self._hold = hold
        self._one_at_a_time = threading.RLock()

    @classmethod
    def create(cls, runs: Path, manifest: Manifest) -> RunWriter:
        """Make the folder `runs`/run_id and all that a run needs in it; the manifest comes last and makes it a run.

        Raises StoreError naming the folder and the remedy: not writable, disk full, run id taken, bad manifest.
        """
        check_manifest(manifest)
        text = encode_manifest(manifest)
        path = runs / manifest.run_id
        with reported("make a run folder", runs):
            make_folder(runs)
            try:
                path.mkdir()
            except FileExistsError:
                raise StoreError(f"{path} exists already.", remedy="Choose another run id.") from None
        try:
            writer = cls._begin(path, manifest, text)
        except BaseException:
            _remove(path)
            raise
        with suppress(StoreError):  # an index: the folders are the truth, and listing them mends it
            Catalogue(runs).note(path)
        return writer

    @classmethod
    def _begin(cls, path: Path, manifest: Manifest, text: str) -> RunWriter:
        with reported("begin a run", path), ExitStack() as undo:
            hold = Hold.take(path, Purpose.RUN)
            undo.callback(hold.release)
            reserve(path / END_FILE)
            connection = create_database(path / RUN_DATABASE)
            undo.callback(connection.close)
            write_manifest(path, text)
            sync_folder(path.parent)
            undo.pop_all()
        return cls(RunFolder(path, manifest, connection), hold)

    @classmethod
    def reopen(cls, path: Path) -> RunWriter:
        """Go on with a run whose process went away or that was stopped or failed: what closed it is taken away again.

        A run of an older schema is brought to this one. Raises StoreError while a process runs it, when it is complete
        or archived, and when its database is damaged.
        """
        refuse_archived(path)
        manifest = read_manifest(path)
        with reported("go on with a run", path), ExitStack() as undo:
            hold = Hold.take(path, Purpose.RUN)
            undo.callback(hold.release)
            end = read_end(path)
            if end is not None and end.state is RunState.COMPLETE:
                raise StoreError(f"{path.name} is complete: nothing is left to do.", remedy="Begin a new run.")
            connection = open_for_writing(path / RUN_DATABASE, lambda: forget_checksums(path))
            undo.callback(connection.close)
            bring_up_to_date(connection, path / RUN_DATABASE)
            reserve(path / END_FILE)
            for name in (END_FILE, RESULTS_FILE, DATA_FILE):
                (path / name).unlink(missing_ok=True)
            sync_folder(path)
            undo.pop_all()
        writer = cls(RunFolder(path, manifest, connection), hold)
        with suppress(StoreError):
            Catalogue(path.parent).note(path)
        return writer

    def add_trace(self, trace: TraceRecord) -> int:
        """Store one trace and return its row."""
        return self.add_traces([trace])[0]

    @property
    def manifest(self) -> Manifest:
        """What the run was begun with."""
        return self._run.manifest

    def add_traces(self, traces: Sequence[TraceRecord]) -> list[int]:
        """Store traces that belong together, all or none, and return their rows."""
        for trace in traces:
            check_trace(trace)
        with self._writing("store a trace") as connection:
            return [trace_rows.insert_trace(connection, trace) for trace in traces]

    def quarantine(self, loop: str, since: float, until: float, reason: str) -> list[DoubtfulTrace]:
        """Mark valid traces invalid that needed a loop within these lab times, in s, and return them."""
        with self._writing("quarantine traces") as connection:
            return trace_rows.quarantine(connection, loop, since, until, reason)

    def steps(self) -> list[StepRecord]:
        """The step journal, one entry for each attempt."""
        with self._reading() as connection:
            return rows.steps(connection)

    def end_of_data(self) -> float | None:
        """Lab time in s of the last trace or event; None when there is neither."""
        with self._reading() as connection:
            return rows.end_of_data(connection)

    def add_event(self, event: EventRecord) -> None:
        """Store something that happened."""
        check_event(event)
        with self._writing("store an event") as connection:
            rows.insert_event(connection, event)

    def add_loss(self, loss: LossRecord) -> None:
        """Store a lost lock: its seconds and what is thought to have made it go."""
        check_loss(loss)
        with self._writing("store a lost lock") as connection:
            losses.insert_loss(connection, loss)

    def keep_loop_times(self, times: Sequence[LoopTime]) -> None:
        """Store how long each loop was locked, all or none; later numbers of a loop replace the earlier ones."""
        if not times:
            return
        with self._writing("store the time locked") as connection:
            for time in times:
                losses.upsert_loop_time(connection, time)

    def add_result(self, result: NamedResult) -> None:
        """Store a result; a later one of the same name counts instead of it. NaN and infinity are refused."""
        checked = check_result(result)
        with self._writing("store a result") as connection:
            rows.insert_result(connection, checked)

    def add_snapshot(self, snapshots: Sequence[InstrumentSnapshot]) -> None:
        """Store instruments that were identified after the run began; those known before are in the manifest."""
        with self._writing("store instrument snapshots") as connection:
            for snapshot in snapshots:
                rows.insert_snapshot(connection, snapshot)

    def keep_settings(self, asked: Sequence[AskedSetting]) -> None:
        """Store what settings were asked to be, all or none; a later value of the same setting replaces it."""
        if not asked:
            return
        with self._writing("store the settings") as connection:
            for setting in asked:
                rows.upsert_asked_setting(connection, setting)

    def step(self, record: StepRecord) -> None:
        """Enter a step in the journal, or bring the entry of the same name and attempt up to date."""
        check_step(record)
        with self._writing("write the step journal") as connection:
            rows.upsert_step(connection, record)

    def results(self) -> dict[str, NamedResult]:
        """The latest result of every name."""
        with self._reading() as connection:
            return rows.results(connection)

    def trace(self, name: str) -> TraceRecord:
        """The latest valid trace of that name; raises MissingResult that says what there is instead."""
        with self._reading() as connection:
            return trace_rows.latest_valid_trace(connection, name, self.path)

    def finish(self, state: RunState, reason: str, coverage: str) -> None:
        """End the run as complete, stopped or failed: data.nc, results.json, end.json, in this order.

        When data.nc or results.json cannot be written, end.json says so, the run is closed, its data stay in run.db,
        and StoreError is raised. When end.json itself cannot be written, StoreError is raised and the run stays open.
        """
        if state not in _ENDINGS:
            raise StoreError(f"A run cannot be finished as {state}.", remedy=f"Use one of {', '.join(_ENDINGS)}.")
        with self._reading():
            end = close_run(self._run, EndRecord(state, reason, coverage, ended=now_utc()))
            seal_folder(self._run)
            self.close()
        with suppress(StoreError):  # an index: the folders are the truth, and listing them mends it
            Catalogue(self.path.parent).note(self.path)
        refuse_missing(self.path, end)

    def close(self) -> None:
        """Let the folder go without ending the run, which then reads as crashed; harmless after `finish`."""
        with self._one_at_a_time:
            self._connection.close()
            self._hold.release()

    @contextmanager
    def _writing(self, doing: str) -> Iterator[sqlite3.Connection]:
        with self._reading(doing) as connection, transaction(connection):
            yield connection

    @contextmanager
    def _reading(self, doing: str = "read the run") -> Iterator[sqlite3.Connection]:
        with self._one_at_a_time, reported(doing, self.path):
            if self._hold.released:
                raise StoreError(f"{self.path} is closed; cannot {doing}.", remedy="Begin a new run.")
            yield self._connection


def _remove(path: Path) -> None:
    """Undo a folder that did not become a run, so that its id can be used again."""
    with suppress(OSError):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
