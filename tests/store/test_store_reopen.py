"""Runs that are gone on with, and traces that are found doubtful after they were kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_samples import manifest, result, same_trace, trace

from labctl.errors import StoreError
from labctl.store.catalogue import Catalogue
from labctl.store.reader import RunReader
from labctl.store.records import DoubtfulTrace, EventRecord, RunState, StepRecord, StepState
from labctl.store.recover import recover
from labctl.store.rows import LOCKS
from labctl.store.writer import RunWriter

CLOSING = ("end.json", "results.json", "data.nc", "checksums.sha256")


def begun(runs: Path) -> RunWriter:
    writer = RunWriter.create(runs, manifest())
    writer.add_trace(trace("joint.first"))
    writer.step(StepRecord("a", "p", StepState.DONE))
    return writer


@pytest.mark.parametrize("end", ["crashed", "recovered", "stopped", "failed"])
def test_a_run_that_did_not_come_to_its_end_is_gone_on_with(runs: Path, end: str) -> None:
    writer = begun(runs)
    if end in ("stopped", "failed"):
        writer.finish(RunState(end), "why", "1 of 2 steps")
    writer.close()
    if end == "recovered":
        recover(writer.path)
    assert RunReader(writer.path).state is (RunState(end) if end in ("stopped", "failed") else RunState.CRASHED)

    again = RunWriter.reopen(writer.path)
    assert again.manifest == manifest()
    assert not [name for name in CLOSING if (again.path / name).exists() and (again.path / name).stat().st_size]
    assert RunReader(again.path).state is RunState.RUNNING
    assert [step.name for step in again.steps()] == ["a"]
    again.add_trace(trace("joint.second"))
    again.add_result(result())
    again.finish(RunState.COMPLETE, "", "2 of 2 steps")
    reader = RunReader(again.path)
    assert (reader.state, reader.coverage) == (RunState.COMPLETE, "2 of 2 steps")
    assert all((again.path / name).stat().st_size for name in CLOSING)
    assert [one.name for one in reader.traces()] == ["joint.first", "joint.second"]
    assert same_trace(reader.trace("joint.first"), trace("joint.first"))
    assert [summary.state for summary in Catalogue(runs).list()] == [RunState.COMPLETE]


def test_a_run_that_is_gone_on_with_and_cut_off_has_crashed(runs: Path) -> None:
    writer = begun(runs)
    writer.finish(RunState.STOPPED, "why", "")
    again = RunWriter.reopen(writer.path)
    again.add_trace(trace("joint.second"))
    again.close()
    reader = RunReader(writer.path)
    assert reader.state is RunState.CRASHED
    assert len(reader.traces()) == 2


def test_a_run_that_is_alive_or_complete_is_not_gone_on_with(writer: RunWriter) -> None:
    with pytest.raises(StoreError, match="is in use by process"):
        RunWriter.reopen(writer.path)
    writer.finish(RunState.COMPLETE, "", "")
    for _ in range(2):  # and the first refusal holds nothing
        with pytest.raises(StoreError, match="night is complete: nothing is left to do"):
            RunWriter.reopen(writer.path)
    assert all((writer.path / name).stat().st_size for name in CLOSING)
    with pytest.raises(StoreError):
        RunWriter.reopen(writer.path.parent / "nowhere")


def test_a_damaged_database_stays_as_it_is(runs: Path) -> None:
    writer = begun(runs)
    writer.finish(RunState.FAILED, "why", "")
    database = writer.path / "run.db"
    damaged = b"no database " * 1000
    database.write_bytes(damaged)
    for _ in range(2):
        with pytest.raises(StoreError):
            RunWriter.reopen(writer.path)
    assert database.read_bytes() == damaged
    assert all((writer.path / name).stat().st_size for name in CLOSING)


def test_the_end_of_the_data_is_the_last_trace_or_event(writer: RunWriter) -> None:
    assert writer.end_of_data() is None
    writer.add_trace(trace(started_at=1.0, ended_at=9.0))
    assert writer.end_of_data() == 9.0
    writer.add_event(EventRecord(12.0, "info", "x", "y"))
    writer.add_event(EventRecord(3.0, "info", "x", "y"))
    assert writer.end_of_data() == 12.0


# ---- quarantine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started_at", "ended_at", "locks", "is_doubtful"),
    [
        (100.0, 110.0, "lo1", True),
        (0.0, 50.0, "lo1", True),  # it ended just when the lock was last proven good
        (0.0, 49.9, "lo1", False),
        (200.0, 210.0, "lo1", True),
        (200.1, 210.0, "lo1", False),
        (0.0, 999.0, "opa_length lo1 pump_phase", True),
        (100.0, 110.0, "lo11 xlo1", False),
        (100.0, 110.0, None, False),
    ],
)
def test_which_traces_a_loss_makes_doubtful(
    writer: RunWriter, started_at: float, ended_at: float, locks: str | None, is_doubtful: bool
) -> None:
    conventions = {"k": 1} | ({LOCKS: locks} if locks is not None else {})
    writer.add_trace(trace(step="a", conventions=conventions, started_at=started_at, ended_at=ended_at))
    found = writer.quarantine("lo1", 50.0, 200.0, "it was lost")
    assert found == ([DoubtfulTrace("a", "joint.signal", started_at)] if is_doubtful else [])
    (kept,) = RunReader(writer.path).traces()
    assert (kept.valid, kept.invalid_reason) == ((False, "it was lost") if is_doubtful else (True, ""))
    if is_doubtful:
        with pytest.raises(StoreError):
            writer.trace("joint.signal")


def test_what_was_invalid_keeps_its_reason_and_is_not_told_again(writer: RunWriter) -> None:
    needs = {LOCKS: "lo1 lo2"}
    writer.add_trace(trace(conventions=needs, valid=False, invalid_reason="dark"))
    writer.add_trace(trace("joint.other", conventions=needs))
    assert [one.name for one in writer.quarantine("lo1", 0.0, 9.0, "first")] == ["joint.other"]
    assert writer.quarantine("lo2", 0.0, 9.0, "second") == []
    assert [one.invalid_reason for one in RunReader(writer.path).traces()] == ["dark", "first"]
