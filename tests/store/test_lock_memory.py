"""What the loops remember on disk: whole or as before, refused when damaged, kept in time."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import StoreError
from labctl.station.clock import SimulatedClock
from labctl.store import lock_memory
from labctl.store.durable import aside
from labctl.store.lock_memory import KEEP_S, LockKeeper, LockMemory, LoopCounts, RememberedLocks

LOCKS = RememberedLocks(
    {"lo1": {"offset_v": 0.01, "at": 100.0}, "pump_phase": {"seed_v": math.inf, "at": 90.0}},
    {"lo1": LoopCounts(2, 7)},
    kept_at=110.0,
    kept_at_epoch_s=1.7e9,
)
numbers = st.dictionaries(st.text(min_size=1).filter(lambda key: key[0] != "$"), st.floats(allow_nan=False), max_size=4)
names = st.text(min_size=1).filter(lambda name: name[0] != "$")


@pytest.fixture
def memory(tmp_path: Path) -> LockMemory:
    return LockMemory.of(tmp_path / "runs", "Table 3")


@given(loops=st.dictionaries(names, numbers, max_size=4), at=st.floats(0.0, 1e9))
def test_what_is_kept_is_what_is_loaded(
    loops: dict[str, dict[str, float]], at: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    memory = LockMemory(tmp_path_factory.mktemp("memory") / "locks.json")
    kept = RememberedLocks(loops, {name: LoopCounts(1, 2) for name in loops}, at, 1.7e9)
    memory.keep(kept)
    assert memory.load() == kept


def test_nan_is_kept_too(memory: LockMemory) -> None:
    memory.keep(RememberedLocks({"opa_length": {"monitor_v": math.nan}}, {}, 0.0, 1.7e9))
    assert math.isnan(memory.load().loops["opa_length"]["monitor_v"])


def test_stations_have_files_of_their_own_beside_the_runs(tmp_path: Path) -> None:
    paths = {LockMemory.of(tmp_path, name).path for name in ("table", "Table", "table/2", "table 2", "Tisch ß", "..")}
    assert len(paths) == 6
    assert {path.parent for path in paths} == {tmp_path}


def test_no_file_is_no_memory_and_no_warning(memory: LockMemory, caplog: pytest.LogCaptureFixture) -> None:
    assert memory.load() == RememberedLocks()
    assert caplog.records == []


def damaged(change: Callable[[dict[str, object]], object]) -> bytes:
    content = json.loads(json.dumps({"format": 1, "loops": {"lo1": {"at": 1.0}}, "counts": {}, "kept_at": 1.0}))
    content["kept_at_epoch_s"] = 1.0
    changed = change(content)
    return json.dumps(content if changed is None else changed).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe{",
        b'{"format": 1, "loops": {',
        b"[1, 2]",
        damaged(lambda content: content.update(format=0)),
        damaged(lambda content: content.update(format=2)),
        damaged(lambda content: content.pop("loops") and None),
        damaged(lambda content: content.update(loops={"lo1": {"at": "soon"}})),
        damaged(lambda content: content.update(loops={"lo1": {"at": True}})),
        damaged(lambda content: content.update(loops=[])),
        damaged(lambda content: content.update(counts={"lo1": {"unwinds": 1}})),
        damaged(lambda content: content.update(kept_at=None)),
    ],
)
def test_what_is_no_use_is_left_out_with_one_warning(
    text: bytes, memory: LockMemory, caplog: pytest.LogCaptureFixture
) -> None:
    memory.path.parent.mkdir()
    memory.path.write_bytes(text)
    assert memory.load() == RememberedLocks()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert str(memory.path) in record.getMessage()


def test_the_sample_of_damage_is_good_before_it_is_damaged(memory: LockMemory) -> None:
    memory.path.parent.mkdir()
    memory.path.write_bytes(damaged(lambda content: None))
    assert memory.load().loops == {"lo1": {"at": 1.0}}


def test_a_crash_while_writing_leaves_what_was_there(memory: LockMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.keep(LOCKS)

    def crash(part: Path, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labctl.store.durable.commit", crash)
    with pytest.raises(StoreError, match="the disk is full"):
        memory.keep(RememberedLocks(kept_at_epoch_s=1.7e9))
    assert memory.load() == LOCKS
    assert not aside(memory.path).exists()


def test_lab_times_are_those_of_the_clock_that_reads_them() -> None:
    real = LOCKS.as_of(1.7e9 + 50.0, 1.7e9 + 50.0)  # a clock that shows the time of day
    assert real.kept_at == 1.7e9
    assert real.loops["lo1"] == {"offset_v": 0.01, "at": 1.7e9 - 10.0}
    # A clock 60 times as fast that begins anew at 5 s: 30 s later 1800 s have passed on the table.
    fast = LOCKS.as_of(5.0, 1.7e9 + 30.0, speed=60.0)
    assert 5.0 - fast.loops["lo1"]["at"] == pytest.approx(1800.0 + 10.0)
    assert real.counts == LOCKS.counts and fast.counts == LOCKS.counts
    assert LOCKS.as_of(5.0, 1.7e9 + 61.0, speed=60.0).counts == {}


# ---- the keeper -----------------------------------------------------------------------------------------------------


@dataclass
class Budget:
    def left(self, now: float) -> int:
        return 9


@dataclass
class Machine:
    name: str
    unwinds: int = 0
    budget: Budget = field(default_factory=Budget)


@dataclass
class LockedLoops:
    """What a keeper asks of a supervisor."""

    locked: dict[str, dict[str, float]] = field(default_factory=dict)

    def remembered(self) -> dict[str, dict[str, float]]:
        return {name: dict(numbers) for name, numbers in self.locked.items()}

    @property
    def machines(self) -> dict[str, Machine]:
        return {name: Machine(name) for name in ("lo1", "lo2")}


class Time:
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def elapse(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Kept:
    memory: LockMemory
    loops: LockedLoops
    clock: SimulatedClock
    keeper: LockKeeper


@pytest.fixture
def kept(memory: LockMemory) -> Kept:
    loops, clock = LockedLoops(), SimulatedClock(Time())
    keeper = LockKeeper(memory, clock, lambda: loops, epoch_s=lambda: 1.7e9 + clock.now())  # type: ignore[arg-type, return-value]
    keeper.start()
    return Kept(memory, loops, clock, keeper)


def test_a_loop_is_kept_as_soon_as_it_is_locked(kept: Kept) -> None:
    kept.clock.sleep(10.0)
    assert not kept.memory.path.exists()
    kept.loops.locked["lo1"] = {"at": 9.0}
    kept.clock.sleep(1.5)
    assert kept.memory.load().loops == {"lo1": {"at": 9.0}}
    assert kept.memory.load().counts["lo1"] == LoopCounts(0, 9)
    kept.loops.locked["lo2"] = {"at": 11.0}
    kept.clock.sleep(1.5)
    assert set(kept.memory.load().loops) == {"lo1", "lo2"}


def test_one_that_was_locked_again_is_kept_again(kept: Kept) -> None:
    kept.loops.locked["lo1"] = {"at": 0.0}
    kept.clock.sleep(2.0)
    kept.loops.locked["lo1"] = {"at": 1.9}
    kept.clock.sleep(1.5)
    assert kept.memory.load().loops == {"lo1": {"at": 1.9}}


def test_what_drifts_is_kept_once_a_minute(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    keep = lock_memory.write_durably
    monkeypatch.setattr(
        lock_memory, "write_durably", lambda path, data: (written.append(kept.clock.now()), keep(path, data))
    )
    kept.loops.locked["cavity1"] = {"at": 0.0, "centre_v": 70.0}
    for minute in range(5):
        kept.loops.locked["cavity1"]["centre_v"] = 70.0 + minute
        kept.clock.sleep(KEEP_S)
    assert kept.memory.load().loops["cavity1"]["centre_v"] == pytest.approx(74.0, abs=1.0)
    assert 5 <= len(written) <= 6


def test_a_loop_that_was_lost_stays_as_it_was_remembered(kept: Kept) -> None:
    kept.loops.locked |= {"lo1": {"at": 0.0}, "lo2": {"at": 0.5}}
    kept.clock.sleep(2.0)
    del kept.loops.locked["lo1"]
    kept.clock.sleep(2 * KEEP_S)
    assert kept.memory.load().loops["lo1"] == {"at": 0.0}


def test_a_disk_that_fails_is_told_once_and_tried_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lock_memory, "write_durably", full)
        kept.loops.locked["lo1"] = {"at": 0.0}
        kept.clock.sleep(5 * KEEP_S)
        (record,) = caplog.records
        assert "the disk is full" in record.getMessage()
    kept.clock.sleep(2 * KEEP_S)
    assert kept.memory.load().loops == {"lo1": {"at": 0.0}}


def test_stopping_keeps_what_is_locked_now(kept: Kept) -> None:
    kept.loops.locked["lo1"] = {"at": 0.0}
    kept.keeper.stop()
    assert kept.memory.load().loops == {"lo1": {"at": 0.0}}
    kept.loops.locked["lo1"] = {"at": 5.0}
    kept.clock.sleep(2 * KEEP_S)
    assert kept.memory.load().loops == {"lo1": {"at": 0.0}}
