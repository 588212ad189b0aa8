"""Nights on a disk that fills up: they wait with all data kept, go on once there is room, else end safe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from scripted_night import Action, Night, Scripted, fail, step, trace

from labctl.configuration.recipe_file import Pause
from labctl.errors import StoreError, StoreFull
from labctl.store.reader import RunReader
from labctl.store.records import EventRecord, Manifest, RunState, StepState
from labctl.store.writer import RunWriter
from procedures.full_disk import PatientRecord
from procedures.outcome import Outcome
from procedures.overnight import RecipeRun
from procedures.step_queue import StepQueue

LONGEST_S, SETTLE_S = 900.0, 30.0
PAUSE = Pause(settle=SETTLE_S, longest=LONGEST_S)
NO_LIMIT_PAGES = 2**31


@dataclass
class Disk:
    """A run on a disk that is full when the test says so: SQLite refuses the page too many as on a real one."""

    writer: RunWriter
    free_bytes: float = math.inf
    stalls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.record = PatientRecord(self.writer, lambda: self.free_bytes)

    def fill(self) -> None:
        (pages,) = self.writer._connection.execute("PRAGMA page_count").fetchone()
        self._limit(pages)
        self.writer.add_event = self._refuse  # type: ignore[method-assign]
        self.free_bytes = 0.0

    def make_room(self) -> None:
        self._limit(NO_LIMIT_PAGES)
        del self.writer.add_event
        self.free_bytes = math.inf

    def _refuse(self, event: EventRecord) -> None:
        raise StoreFull("the disk is full", remedy="Make room.")  # an event may find room in a page that is begun

    def _limit(self, pages: int) -> None:
        self.writer._connection.execute(f"PRAGMA max_page_count = {pages}")

    def run(self, night: Night, *names: str, pause: Pause = PAUSE) -> Outcome:
        night.bench.record = self.record
        night.queue = StepQueue([step(name, time_limit=2000.0) for name in names])
        run = RecipeRun(
            *(night.queue, night.bench, self.record, night.listener, night.stop),
            pause=pause,
            on_stall=self.stalls.append,
            room=self.record,
        )
        return run.run()

    def reader(self) -> RunReader:
        return RunReader(self.writer.path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    manifest = Manifest("night", "2026-01-02T03:04:05+00:00", "t", "", "bench", "", "simulated")
    disk = Disk(RunWriter.create(tmp_path / "runs", manifest))
    yield disk
    disk.writer.close()


def take(seconds: float = 10.0) -> Action:
    """Return an action that takes one trace of many points, for which a page that is begun is too small."""

    def act(procedure: Scripted) -> None:
        clock, began_at = procedure.on_bench.clock, procedure.on_bench.clock.now()
        procedure.wait(seconds)
        taken = trace(procedure.step_name, f"{procedure.step_name}.one", "", began_at, clock.now())
        points = np.arange(2000.0)
        procedure.on_bench.record.add_trace(replace(taken, axis=points, values=points))

    return act


def fill_then_take(disk: Disk) -> Action:
    def act(procedure: Scripted) -> None:
        disk.fill()
        take()(procedure)

    return act


def test_a_night_on_a_disk_that_fills_up_goes_on_by_itself_once_there_is_room(night: Night, disk: Disk) -> None:
    night.script.actions |= {"a": [take()], "b": [fill_then_take(disk), take()], "c": [take()]}
    night.after(300.0, disk.make_room)
    began_at = night.station.clock.now()
    assert disk.run(night, "a", "b", "c") == Outcome(RunState.COMPLETE, "", "3 of 3 steps")
    disk.writer.finish(RunState.COMPLETE, "", "")
    reader = disk.reader()
    assert [info.name for info in reader.traces()] == ["a.one", "b.one", "c.one"]
    assert reader.trace("b.one").started_at - began_at >= 300.0 + SETTLE_S
    assert [(one.name, one.attempt, one.state) for one in reader.steps()] == [
        ("a", 1, StepState.DONE),
        ("b", 1, StepState.STOPPED),
        ("c", 1, StepState.DONE),
        ("b", 2, StepState.DONE),
    ]
    assert night.script.ran == ["a", "b", "b", "c"]
    texts = [event.text for event in reader.events()]
    paused = next(text for text in texts if text.startswith("Paused: "))
    assert "the disk is full" in paused and any(text.startswith("Goes on after") for text in texts)
    (stall,) = disk.stalls
    assert stall.startswith("b waits: ") and "the disk is full" in stall
    assert [event.at for event in reader.events()] == sorted(event.at for event in reader.events())


def test_a_disk_that_stays_full_ends_the_night_safe_with_all_data_kept(night: Night, disk: Disk) -> None:
    night.script.actions |= {"a": [take()], "b": [fill_then_take(disk)]}
    outcome = disk.run(night, "a", "b", "c")
    assert outcome.state is RunState.FAILED and night.safe()
    assert outcome.reason.startswith("stalled: paused for more than 0.2 h: ") and "the disk is full" in outcome.reason
    assert night.script.ran == ["a", "b"] and outcome.coverage == "1 of 3 steps"
    disk.writer.finish(outcome.state, outcome.reason, outcome.coverage)
    assert disk.reader().state is RunState.FAILED
    assert [info.name for info in disk.reader().traces()] == ["a.one"]


def test_too_little_room_is_no_room(night: Night, disk: Disk) -> None:
    night.script.actions["a"] = [fill_then_take(disk), take()]
    night.after(100.0, disk.make_room)
    night.after(100.0, lambda: setattr(disk, "free_bytes", 1e6))
    night.after(400.0, lambda: setattr(disk, "free_bytes", 1e9))
    began_at = night.station.clock.now()
    assert disk.run(night, "a").state is RunState.COMPLETE
    assert disk.reader().trace("a.one").started_at - began_at >= 400.0 + SETTLE_S


def test_a_disk_that_is_full_again_each_time_is_one_long_pause(night: Night, disk: Disk) -> None:
    full = fail("the quota is used up", StoreFull)
    night.script.actions["a"] = [full] * 100
    began_at = night.station.clock.now()
    outcome = disk.run(night, "a")
    assert outcome.state is RunState.FAILED and "stalled" in outcome.reason
    assert LONGEST_S <= night.station.clock.now() - began_at < LONGEST_S + 3 * SETTLE_S
    assert 2 < len(night.script.ran) < 40


def test_the_operator_may_stop_a_night_that_waits_for_room(night: Night, disk: Disk) -> None:
    night.script.actions["a"] = [fill_then_take(disk)]
    night.after(200.0, night.stop.ask)
    assert disk.run(night, "a", "b") == Outcome(RunState.STOPPED, "stopped by the operator", "0 of 2 steps")
    assert night.safe()


def test_little_room_is_told_once_before_it_is_full(night: Night, disk: Disk) -> None:
    disk.free_bytes = 300e6
    night.script.actions["a"] = [take(1000.0)]
    assert disk.run(night, "a").state is RunState.COMPLETE
    said = [event.text for event in disk.reader().events() if event.source == "disk"]
    assert said == ["The disk of the run has 300 MB left: make room before it is full."]


def test_a_disk_that_fails_otherwise_ends_the_night_as_ever(night: Night, disk: Disk) -> None:
    night.script.actions["a"] = [fail("a hardware error", StoreError)]
    with pytest.raises(StoreError, match="a hardware error"):
        disk.run(night, "a", "b")
    assert night.safe() and night.script.ran == ["a"]
