"""Two runs side by side: distances in standard deviations, settings, and circumstances."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from store_samples import manifest

from labctl.store.comparison import ComparedResult, compare_runs, same_value
from labctl.store.reader import RunReader
from labctl.store.records import AskedSetting, Manifest, NamedResult, RunState
from labctl.store.writer import RunWriter


def result(name: str, value: float, sigma: float, unit: str = "dB") -> NamedResult:
    return NamedResult(name, value, sigma, unit, "", "a_step")


def run_of(runs: Path, told: Manifest, results: Sequence[NamedResult], asked: Sequence[AskedSetting] = ()) -> RunReader:
    writer = RunWriter.create(runs, told)
    for one in results:
        writer.add_result(one)
    writer.keep_settings(list(asked))
    writer.finish(RunState.COMPLETE, "", "")
    return RunReader(writer.path)


def test_the_largest_distance_comes_first(tmp_path: Path) -> None:
    station = json.dumps({"light": {"wavelength": "1550 nm"}, "sensors": [{"resonance": 4.3e6}]})
    told = manifest("first", station_file=station)
    asked = [AskedSetting("oven", "ch_1.target_temperature_c", value, "degC", "warm_oven") for value in (35.0, 35.1)]
    same = AskedSetting("analyzer", "average_count", 200, "", "joint")
    first = run_of(
        tmp_path,
        told,
        [result("joint.raw_db", -3.7, 0.03), result("joint.digital_db", -3.7, 0.03), result("only.first", 1.0, 0.1)],
        [asked[0], same],
    )
    second = run_of(
        tmp_path,
        replace(told, run_id="second", station_file=station.replace("1550", "1551")),
        [result("joint.digital_db", -3.72, 0.04), result("joint.raw_db", -3.5, 0.04), result("only.second", 1.0, 0.1)],
        [asked[1], same],
    )
    found = compare_runs(first, second)
    assert [one.first.name for one in found.results] == ["joint.raw_db", "joint.digital_db"]
    assert [one.sigmas for one in found.results] == pytest.approx([4.0, -0.4])
    assert [one.differs for one in found.results] == [True, False]
    assert (found.only_first, found.only_second) == (("only.first",), ("only.second",))
    (setting,) = found.settings
    assert (setting.name, setting.first, setting.second) == ("oven.ch_1.target_temperature_c", 35.0, 35.1)
    assert [(one.name, one.first, one.second) for one in found.circumstances] == [
        ("station file.light.wavelength", "1550 nm", "1551 nm")
    ]


def test_distances_without_an_uncertainty_or_in_another_unit() -> None:
    assert ComparedResult(result("a.b", 1.0, 0.0), result("a.b", 1.0, 0.0)).sigmas == 0.0
    assert ComparedResult(result("a.b", 1.0, 0.0), result("a.b", 2.0, 0.0)).sigmas == math.inf
    other = ComparedResult(result("a.b", 1.0, 0.1), result("a.b", 1.0, 0.1, "Hz"))
    assert math.isnan(other.sigmas) and other.differs


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.001, False),
        (True, 1, False),
        ("10", 10, True),
        (None, 0, False),
        (None, None, True),
    ],
)
def test_values_are_the_same_but_for_rounding(one: object, other: object, same: bool) -> None:
    assert same_value(one, other) is same
