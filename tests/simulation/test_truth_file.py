"""The truth file of a run: what goes in comes out, it says when there is no end, and damage is told in words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_table import station_at

from labctl.configuration.disturbances import DoorSlam, MembraneDoublet
from labctl.configuration.station_file import SimulatedBackend, StationFile, VisaBackend
from labctl.errors import ConfigurationError, StoreError
from labctl.simulation.design import design_of, truth_of
from labctl.simulation.disturbances import Happening
from labctl.simulation.truth_file import TRUTH_FILE, TruthFile, read_truth
from labctl.station.bring_up import Link, link_to
from labctl.station.clock import WallClock
from labctl.store.durable import write_durably

SLAM = DoorSlam(kind="door_slam", after=2.0)


def disturbed(file: StationFile) -> StationFile:
    assert isinstance(file.backend, SimulatedBackend)
    doublet = MembraneDoublet(kind="membrane_doublet", sensor=2)
    return file.model_copy(update={"backend": file.backend.model_copy(update={"disturbances": (SLAM, doublet)})})


@given(
    st.integers(0, 2**32),
    st.sampled_from(["ideal", "delays", "jitter", "loss"]),
    st.none() | st.lists(st.builds(Happening, st.floats(0, 1e6), st.text(max_size=20))),
)
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read(seed: int, scenario: str, happened: list[Happening] | None) -> None:
    station = disturbed(station_at(seed, scenario, lo2="-pi/2"))
    kept = TruthFile.of(station, truth_of(station), happened)
    read = TruthFile.from_bytes(kept.to_bytes())
    assert read == kept
    assert read.truth == truth_of(station) and read.design == design_of(station)
    assert read.design.quadratures == (1, -1, 1, 1)
    assert [entry["kind"] for entry in read.disturbances] == ["door_slam", "membrane_doublet"]
    assert read.truth.sensors[1].doublet_share == 0.15 and read.truth.sensors[0].doublet_share == 0.0


def test_the_file_is_plain_json_that_says_what_it_is(tmp_path: Path) -> None:
    station = station_at(3, "delays")
    link = link_to(station)
    link.keep_truth(tmp_path, write_durably)
    content = json.loads((tmp_path / TRUTH_FILE).read_text(encoding="utf-8"))
    assert "simulated table" in content["about"] and "Nothing that measures reads it" in content["about"]
    assert content["truth"]["sensors"][2]["f0_hz"] == truth_of(station).sensors[2].f0_hz
    assert content["design"]["unity_gain_hz"] == [3000.0] * 4
    assert content["happened"] is None  # the run has not ended


def test_at_the_end_it_says_what_happened_and_when(tmp_path: Path) -> None:
    link = link_to(disturbed(station_at(3)))
    assert link.simulation is not None
    link.keep_truth(tmp_path, write_durably)
    assert read_truth(tmp_path).happened is None
    link.clock.sleep(5.0)
    link.keep_truth(tmp_path, write_durably, ended=True)
    happened = read_truth(tmp_path).happened
    assert happened is not None and [happening.kind for happening in happened] == ["door_slam"]
    assert happened[0].at == pytest.approx(2.0)


def test_a_quiet_night_ends_with_nothing_that_happened(tmp_path: Path) -> None:
    link = link_to(station_at(3))
    link.clock.sleep(5.0)
    link.keep_truth(tmp_path, write_durably, ended=True)
    assert read_truth(tmp_path).happened == ()


def test_the_file_goes_through_the_hand_that_makes_it_durable(tmp_path: Path) -> None:
    written: dict[Path, bytes] = {}
    link_to(station_at(3)).keep_truth(tmp_path, written.__setitem__)
    assert list(written) == [tmp_path / TRUTH_FILE]
    assert list(tmp_path.iterdir()) == []
    assert TruthFile.from_bytes(written[tmp_path / TRUTH_FILE]).truth.seed == 3


def test_of_a_real_table_nothing_is_known(tmp_path: Path) -> None:
    Link(WallClock(1.0), "@py", None).keep_truth(tmp_path, write_durably, ended=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match=r"no truth to reveal.*Leave --reveal out"):
        read_truth(tmp_path)
    real = station_at(3).model_copy(update={"backend": VisaBackend(kind="visa")})
    with pytest.raises(ConfigurationError, match="real instruments"):
        truth_of(real)


DAMAGE: list[tuple[str, Callable[[dict[str, object]], object]]] = [
    ("another format", lambda content: content | {"format": 2}),
    ("no mapping", lambda content: [content]),
    ("an unknown quantity", lambda content: content | {"truth": {**content["truth"], "colour": 1}}),  # type: ignore[dict-item]
    ("a missing quantity", lambda content: content | {"design": {}}),
    ("another scenario", lambda content: content | {"truth": {**content["truth"], "scenario": "rain"}}),  # type: ignore[dict-item]
    ("no end at all", lambda content: {key: value for key, value in content.items() if key != "happened"}),
]


@pytest.mark.parametrize(("what", "spoil"), DAMAGE, ids=[what for what, _ in DAMAGE])
def test_a_damaged_file_is_told_in_words(
    tmp_path: Path, what: str, spoil: Callable[[dict[str, object]], object]
) -> None:
    link_to(station_at(3)).keep_truth(tmp_path, write_durably)
    path = tmp_path / TRUTH_FILE
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))), encoding="utf-8")
    with pytest.raises(StoreError, match=r"truth\.json is damaged or from another version"):
        read_truth(tmp_path)


@pytest.mark.parametrize("length", [0, 1, 700])
def test_a_file_that_was_cut_is_told_in_words(tmp_path: Path, length: int) -> None:
    link_to(station_at(3)).keep_truth(tmp_path, write_durably)
    path = tmp_path / TRUTH_FILE
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(StoreError, match="damaged"):
        read_truth(tmp_path)


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    station = station_at(3)
    kept = TruthFile.of(station, truth_of(station), [Happening(math.nan, "kicks")])
    with pytest.raises(ValueError, match="JSON"):
        kept.to_bytes()
