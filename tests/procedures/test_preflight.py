"""Before a night begins: a full disk ends it before anything is there, and what may go wrong is said."""

from __future__ import annotations

import re
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from ideal_table import station_at
from procedure_bench import LockedTable
from scripted_night import Hearing, Night, Script, fail, step

from labctl.configuration.recipe_file import Step
from labctl.errors import StoreError
from labctl.store.reader import RunReader
from labctl.store.records import Manifest, RunState
from labctl.store.writer import RunWriter
from procedures.night import Plan, run_night
from procedures.preflight import LEAST_FREE_BYTES, doubts, projected_bytes, require_room

TABLE_SENSORS = 2

Usage = namedtuple("Usage", "total used free")
HOUR_S = 3600.0


def plan(runs: Path, *steps: Step) -> Plan:
    return Plan(station_at(9), "{}", steps, "", "scripted", runs)


def test_a_full_disk_ends_a_night_before_anything_moves_or_is_written(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, heard = tmp_path / "not yet" / "runs", Hearing()
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**12, 0, LEAST_FREE_BYTES))
    with pytest.raises(StoreError, match=r"has 0\.50 GB free, and the night may need 0\.5\d GB; nothing was begun\."):
        run_night(plan(runs, step("a")), heard, lambda stop: None)
    assert list(tmp_path.iterdir()) == [] and script.ran == [] and heard.told == []


def test_a_run_that_is_gone_on_with_is_not_asked_for_room(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.actions["a"] = [fail("no light")]
    first, heard = run_night(plan(tmp_path, step("a")), Hearing(), lambda stop: None), Hearing()
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**12, 0, 0))
    again = Plan(station_at(9), "{}", (step("a"),), "", "scripted", tmp_path, resume=first.run)
    assert run_night(again, heard, lambda stop: None).outcome.state is RunState.COMPLETE
    assert "warned" not in [told[0] for told in heard.told]


def test_a_cold_oven_that_no_step_warms_is_said_and_kept(tmp_path: Path, script: Script) -> None:
    heard = Hearing()
    done = run_night(plan(tmp_path, step("a")), heard, lambda stop: None)
    (warned,) = [text for kind, text, _ in heard.told if kind == "warned"]
    assert re.match(r"The oven is -(9\.9|10\.0)\d+ K off", warned) and "settling takes about" in warned
    assert warned in [event.text for event in RunReader(done.run).events() if event.level == "warning"]


def test_nothing_is_said_of_an_oven_that_is_warmed_or_warm(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(doubts(night.bench, HOUR_S, warms_oven=False)) == 1
    assert doubts(night.bench, HOUR_S, warms_oven=True) == []
    entry = night.station.file.oven
    assert entry is not None
    monkeypatch.setattr(type(night.station.oven), "temperature_c", lambda oven: entry.target)
    assert doubts(night.bench, HOUR_S, warms_oven=False) == []
    monkeypatch.setattr(type(night.station.oven), "temperature_c", fail("silent"))  # type: ignore[arg-type]
    assert doubts(night.bench, HOUR_S, warms_oven=False) == ["The oven does not answer: silent"]


def test_earlier_nights_say_how_much_room_one_needs(tmp_path: Path) -> None:
    by_time = projected_bytes(tmp_path / "nowhere", 10 * HOUR_S)
    assert by_time == 2.0 * projected_bytes(tmp_path, 5 * HOUR_S) > 0.0
    manifest = Manifest("big", "2026-01-02T03:04:05+00:00", "t", "", "bench", "", "simulated")
    writer = RunWriter.create(tmp_path, manifest)
    writer.finish(RunState.COMPLETE, "", "")
    with (tmp_path / "big" / "data.nc").open("ab") as data:
        data.truncate(3 * 10**9)
    assert projected_bytes(tmp_path, 10 * HOUR_S) == pytest.approx(6e9, rel=1e-3)
    with pytest.raises(StoreError):
        require_room(tmp_path, 10**9 * HOUR_S)


def test_an_actuator_that_drifts_to_its_end_is_named(table: LockedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = table.bench.supervisor.machines
    machine = next(one for one in machines.values() if one.is_locked and not one.loop.capabilities.unwinds)
    assert machine.actuator is not None
    monkeypatch.setattr(type(machine.drift), "expected_v", lambda drift, at: 0.0)
    said = [text for text in doubts(table.bench, HOUR_S, warms_oven=True) if text.startswith(machine.name)]
    assert said == []
    high_v = machine.actuator.high_v
    monkeypatch.setattr(type(machine.drift), "expected_v", lambda drift, at: high_v)
    said = [text for text in doubts(table.bench, HOUR_S, warms_oven=True) if text.startswith(machine.name)]
    assert len(said) == 1 and "before the morning it will be at the end of its range" in said[0]
