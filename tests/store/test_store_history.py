"""Earlier nights of a station, and the calibrations of a sensor over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from store_samples import manifest

from labctl.errors import StoreError
from labctl.store.catalogue import CATALOGUE_FILE
from labctl.store.history import calibration_history, earlier_nights
from labctl.store.records import NamedResult, RunState
from labctl.store.writer import RunWriter


def night(runs: Path, name: str, day: int, value: float = 41.0, end: RunState = RunState.COMPLETE, **told: Any) -> Path:
    writer = RunWriter.create(runs, manifest(name, created=f"2026-01-{day:02d}T20:00:00+00:00", **told))
    writer.add_result(NamedResult("sensor2.gamma_hz", value, 0.2, "Hz", "", "a_step"))
    writer.finish(end, "", "")
    return writer.path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history") / "runs"
    night(folder, "first", 1, 41.1)
    night(folder, "second", 2, 41.2)
    night(folder, "tonight", 9, 41.3)
    night(folder, "later", 10)
    night(folder, "failed", 3, end=RunState.FAILED)
    night(folder, "other-table", 4, station_name="other bench")
    night(folder, "other-scenario", 5, scenario="jitter")
    night(folder, "one-procedure", 6, recipe="")
    return folder


def test_nights_are_complete_earlier_and_of_the_same_table(runs: Path) -> None:
    told = manifest("tonight", created="2026-01-09T20:00:00+00:00")
    found = earlier_nights(runs / "tonight", told)
    assert [one.run_id for one in found] == ["second", "first"]
    assert [one.results["sensor2.gamma_hz"].value for one in found] == [41.2, 41.1]
    assert [one.run_id for one in earlier_nights(runs / "tonight", told, most=1)] == ["second"]


def test_a_run_that_cannot_be_read_is_left_out(runs: Path) -> None:
    results = runs / "second" / "results.json"
    kept = results.read_bytes()
    results.write_text("{", encoding="utf-8")
    found = earlier_nights(runs / "tonight", manifest("tonight", created="2026-01-09T20:00:00+00:00"))
    results.write_bytes(kept)
    assert [one.run_id for one in found] == ["first"]


def test_a_folder_without_a_catalogue_is_left_without_one(tmp_path: Path) -> None:
    night(tmp_path, "first", 1)
    (tmp_path / CATALOGUE_FILE).unlink()
    before = sorted(path.name for path in tmp_path.iterdir())
    found = earlier_nights(tmp_path / "tonight", manifest("tonight", created="2026-01-09T20:00:00+00:00"))
    assert [one.run_id for one in found] == ["first"]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_calibrations_come_oldest_first_from_all_runs(runs: Path) -> None:
    (points,) = calibration_history(runs, 2).values()
    assert [point.run_id for point in points][:3] == ["first", "second", "failed"]
    assert points[2].state is RunState.FAILED and points[0].created.day == 1
    with pytest.raises(StoreError, match=r"there are results of sensors: 2\."):
        calibration_history(runs, 3)
