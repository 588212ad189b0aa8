"""What goes in comes out, at once, and what must not go in is refused with the reason."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from store_samples import AXIS, POINTS, manifest, result, same_trace, trace

from labctl.errors import StoreError
from labctl.store.blobs import DTYPES
from labctl.store.reader import RunReader
from labctl.store.records import (
    EventRecord,
    InstrumentSnapshot,
    NamedResult,
    RunState,
    SettingValue,
    StepRecord,
    StepState,
    TraceRecord,
)
from labctl.store.writer import RunWriter

names = st.from_regex(r"[a-z][a-z0-9_]{0,6}(\.[a-z][a-z0-9_]{0,6}){1,2}", fullmatch=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=12)
conventions = st.dictionaries(
    texts.filter(lambda key: not key.startswith("$")), texts | st.booleans() | finite, max_size=3
)


@st.composite
def traces(draw: st.DrawFn) -> TraceRecord:
    points = draw(st.integers(1, 5))
    shape = draw(st.sampled_from([(points,), (3, points)]))
    return TraceRecord(
        name=draw(names),
        step=draw(texts),
        axis_name=draw(texts),
        axis_unit=draw(texts),
        values_unit=draw(texts),
        axis=draw(hnp.arrays(np.float64, (points,))),
        values=draw(st.sampled_from(sorted(DTYPES)).flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), shape))),
        conventions=draw(conventions),
        valid=draw(st.booleans()),
        invalid_reason=draw(texts),
        started_at=draw(finite),
        ended_at=draw(finite),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(traces(), min_size=1, max_size=4))
def test_traces_round_trip_exactly(writer: RunWriter, given_traces: list[TraceRecord]) -> None:
    identities = writer.add_traces(given_traces)
    reader = RunReader(writer.path)
    for identity, given_trace in zip(identities, given_traces, strict=True):
        assert same_trace(reader.trace_number(identity), given_trace)
    infos = reader.traces()[-len(given_traces) :]
    assert [info.identity for info in infos] == identities
    assert [(info.name, info.shape, np.dtype(info.dtype)) for info in infos] == [
        (given_trace.name, given_trace.values.shape, given_trace.values.dtype) for given_trace in given_traces
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.builds(NamedResult, names, finite, finite.map(abs), texts, texts, texts), max_size=4))
def test_results_round_trip_and_the_latest_counts(writer: RunWriter, given_results: list[NamedResult]) -> None:
    for given_result in given_results:
        writer.add_result(given_result)
    latest = {given_result.name: given_result for given_result in given_results}
    assert latest.items() <= writer.results().items()
    assert RunReader(writer.path).results() == writer.results()


def test_manifest_events_steps_and_snapshots_round_trip(writer: RunWriter) -> None:
    event = EventRecord(12.5, "warning", "lo2", "lock lost \udcb0 \0 after 3 s")
    writer.add_event(event)
    waiting = StepRecord("joint", "measure_joint", StepState.WAITING)
    other = StepRecord("dark", "measure_dark", StepState.SKIPPED, reason="no shutter")
    done = replace(waiting, state=StepState.DONE, started_at=1.0, ended_at=2.0, parameters={"averages": np.int64(50)})
    again = replace(waiting, attempt=2, state=StepState.FAILED, reason="lost lock")
    for step in (waiting, other, done, again):
        writer.step(step)
    snapshot = InstrumentSnapshot("servo", "d.S", "COM3", "x", {"gain": SettingValue(math.inf, 3.0, "failed")})
    writer.add_snapshot([snapshot])

    reader = RunReader(writer.path)
    assert reader.manifest == manifest()
    assert reader.events() == [replace(event, text=r"lock lost \udcb0" + " \0 after 3 s")]
    assert reader.steps() == [done, other, again]
    assert reader.snapshots() == [snapshot]
    assert reader.coverage == "1 of 2 steps"
    assert reader.end_of_data == 12.5


def test_a_living_run_is_followed_while_it_is_written(writer: RunWriter) -> None:
    reader = RunReader(writer.path)
    assert (reader.state, reader.traces(), reader.end_of_data) == (RunState.RUNNING, [], None)
    for count in range(1, 4):
        writer.add_trace(trace(values=np.full(POINTS, float(count))))
        assert len(reader.traces()) == count
        assert reader.trace("joint.signal").values[0] == count


def test_the_latest_valid_trace_is_given(writer: RunWriter) -> None:
    writer.add_trace(trace(values=np.full(POINTS, 1.0)))
    writer.add_trace(trace(values=np.full(POINTS, 2.0)))
    writer.add_trace(trace(values=np.full(POINTS, 3.0), valid=False, invalid_reason="lo2 unlocked"))
    writer.add_trace(trace("joint.dark", valid=False, invalid_reason="shutter open"))
    assert writer.trace("joint.signal").values[0] == 2.0
    with pytest.raises(StoreError, match="shutter open"):
        writer.trace("joint.dark")
    with pytest.raises(StoreError, match=r"it has: joint\.dark, joint\.signal"):
        writer.trace("joint.shot")


def test_finish_leaves_a_closed_folder(writer: RunWriter) -> None:
    writer.add_trace(trace())
    writer.add_result(result())
    writer.finish(RunState.STOPPED, "the operator asked", "37 of 50 averages")
    reader = RunReader(writer.path)
    assert (reader.state, reader.reason, reader.coverage) == (
        RunState.STOPPED,
        "the operator asked",
        "37 of 50 averages",
    )
    assert sorted(file.name for file in writer.path.iterdir()) == [
        "checksums.sha256",
        "data.nc",
        "end.json",
        "manifest.json",
        "results.json",
        "run.db",
        "run.lock",
    ]
    assert same_trace(reader.trace("joint.signal"), trace())
    with pytest.raises(StoreError, match="is closed"):
        writer.add_trace(trace())
    with pytest.raises(StoreError, match="is closed"):
        writer.finish(RunState.COMPLETE, "", "")


def test_a_reader_in_the_middle_of_a_question_does_not_keep_a_run_from_ending(writer: RunWriter) -> None:
    writer.add_trace(trace())
    reader = RunReader(writer.path)
    with reader._database.connection() as connection:
        question = connection.execute("SELECT data FROM traces")
        assert question.fetchone() is not None
        writer._connection.execute("PRAGMA busy_timeout = 10")
        writer.finish(RunState.COMPLETE, "done", "all")
    assert reader.state is RunState.COMPLETE
    assert same_trace(reader.trace("joint.signal"), trace())


def test_results_json_is_flat_sorted_and_the_same_every_time(runs: Path) -> None:
    contents = []
    for run_id, order in (("a", (0, 1, 2)), ("b", (2, 1, 0))):
        given_results = [result("sensor1.f0_hz", 4.3e6), result("joint.raw_db"), result("a.b", np.float32(0.1))]
        writer = RunWriter.create(runs, manifest(run_id))
        for index in order:
            writer.add_result(given_results[index])
        writer.finish(RunState.COMPLETE, "done", "all")
        contents.append((writer.path / "results.json").read_bytes())
    assert contents[0] == contents[1]
    flat = json.loads(contents[0])
    assert list(flat) == ["a.b", "joint.raw_db", "sensor1.f0_hz"]
    assert flat["a.b"]["value"] == float(np.float32(0.1))
    assert flat["joint.raw_db"] == {
        "value": -3.7,
        "sigma": 0.1,
        "unit": "dB",
        "convention": "relative to shot noise",
        "source": "measure_joint",
    }


@pytest.mark.parametrize(("value", "sigma"), [(math.nan, 0.1), (math.inf, 0.1), (1.0, math.nan), (1.0, -0.1), ("x", 0)])
def test_results_that_are_no_numbers_are_refused(writer: RunWriter, value: Any, sigma: Any) -> None:
    with pytest.raises(StoreError, match=r"joint\.raw_db"):
        writer.add_result(result(value=value, sigma=sigma))
    assert writer.results() == {}


@pytest.mark.parametrize(
    "name", ["joint", "Joint.raw", "joint.", ".raw", "joint..raw", "joint.1raw", "a.b\n", "", "a b.c"]
)
def test_names_that_are_not_dotted_lower_case_are_refused(writer: RunWriter, name: str) -> None:
    with pytest.raises(StoreError, match="is no name for a result"):
        writer.add_result(result(name))
    with pytest.raises(StoreError, match="is no name for a trace"):
        writer.add_trace(trace(name))


@pytest.mark.parametrize(
    "changes",
    [
        {"values": np.zeros(POINTS - 1)},
        {"values": np.zeros((POINTS, 2))},
        {"values": np.zeros((1, 1, POINTS))},
        {"values": np.float64(1.0)},
        {"axis": np.zeros(0), "values": np.zeros(0)},
        {"axis": AXIS.astype(complex)},
        {"started_at": math.nan},
        {"ended_at": math.inf},
        {"conventions": {"rbw": [1]}},
        {"values": np.array(["x"] * POINTS)},
    ],
)
def test_traces_that_make_no_sense_are_refused_with_their_name(writer: RunWriter, changes: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match=r"joint\.signal"):
        writer.add_traces([trace("joint.shot"), trace(**changes)])
    assert RunReader(writer.path).traces() == []


def test_events_and_endings_that_make_no_sense_are_refused(writer: RunWriter) -> None:
    with pytest.raises(StoreError, match="level"):
        writer.add_event(EventRecord(0.0, "loud", "x", "y"))  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="time of an event"):
        writer.add_event(EventRecord(math.nan, "info", "x", "y"))
    with pytest.raises(StoreError, match="step joint"):
        writer.step(StepRecord("joint", "p", StepState.DONE, ended_at=math.inf))
    for state in (RunState.RUNNING, RunState.CRASHED):
        with pytest.raises(StoreError, match=state):
            writer.finish(state, "", "")
    assert RunReader(writer.path).state is RunState.RUNNING


@pytest.mark.parametrize("run_id", ["", "last", "a/b", "..", ".hidden", "a ", "x" * 129, "trailing."])
def test_bad_run_ids_are_refused(runs: Path, run_id: str) -> None:
    with pytest.raises(StoreError, match="is no run id"):
        RunWriter.create(runs, manifest(run_id))
    assert not runs.exists()


@pytest.mark.parametrize("created", ["yesterday", "2026-01-02T03:04:05", "2026-01-02T03:04:05+01:00"])
def test_creation_time_must_be_utc(runs: Path, created: str) -> None:
    with pytest.raises(StoreError, match="creation time"):
        RunWriter.create(runs, manifest(created=created))


def test_a_manifest_that_cannot_be_kept_leaves_no_folder(runs: Path) -> None:
    with pytest.raises(StoreError, match=r"manifest\.parameters\.x"):
        RunWriter.create(runs, manifest(parameters={"x": object()}))
    assert not runs.exists()


def test_a_failed_beginning_leaves_the_run_id_free(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("labctl.store.writer.write_manifest", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(StoreError, match=r"night.*disk is full.*Free space"):
            RunWriter.create(runs, manifest())
    RunWriter.create(runs, manifest()).close()


def test_a_taken_run_id_and_a_folder_that_is_a_file(writer: RunWriter, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="exists already"):
        RunWriter.create(writer.path.parent, manifest())
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file.*Choose another folder"):
        RunWriter.create(tmp_path / "file" / "runs", manifest())


def test_an_axis_is_stored_once(writer: RunWriter) -> None:
    writer.add_traces([trace() for _ in range(5)])
    writer.add_trace(trace(axis=AXIS + 1.0))
    assert writer._connection.execute("SELECT COUNT(*) FROM axes").fetchone() == (2,)


def test_threads_share_a_writer(writer: RunWriter) -> None:
    def add(index: int) -> None:
        for _ in range(10):
            writer.add_traces([trace(f"thread{index}.signal")] * 2)
            writer.add_event(EventRecord(0.0, "info", str(index), ""))

    threads = [threading.Thread(target=add, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader = RunReader(writer.path)
    assert len(reader.traces()) == 80
    assert len(reader.events()) == 40


def test_a_failure_inside_a_transaction_leaves_nothing_and_the_writer_usable(
    writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("labctl.store.trace_rows._axis_row", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            writer.add_traces([trace(), trace()])
    writer.add_trace(trace())
    assert len(RunReader(writer.path).traces()) == 1
