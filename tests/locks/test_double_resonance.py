"""Looking for double resonances through real drivers: what walks of the length say, and where they send the oven."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from cold_source import HIGH_C, LOW_C, RAMP_K_PER_S, ColdSource

from labctl.errors import LabError, LockError, StepTimeout
from labctl.locks.double_resonance import DoubleResonanceSearch, shortest_tour
from labctl.locks.fringe_looks import FringeLooks
from labctl.locks.length_walk import hold_fringe, walk_length
from labctl.locks.oven_approach import OvenApproach
from labctl.simulation.crystal import SEED_PHASE_PER_KELVIN_RAD

SEED_LINE_V = 21.7e-9 / 5e-9 / 15.0  # full width at the servo


@contextmanager
def cold(seed: int, start: str = "cold") -> Iterator[ColdSource]:
    source = ColdSource.open(seed, start)
    yield source
    source.opened.station.close()


# ---- walks of the length --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source() -> Iterator[ColdSource]:
    with cold(3) as opened:
        yield opened


@pytest.mark.parametrize("error_k", [-17.0, -4.5, 0.02, 2.0])
def test_a_walk_says_by_how_much_the_seed_misses_a_fringe(source: ColdSource, error_k: float) -> None:
    source.keep_crystal_at(source.truth.best_temperature_c + error_k)
    walk = walk_length(source.cavity)
    assert source.opened.table.shutters["pump"]
    assert len(walk.pump_v) == 2
    assert walk.half_turn_v == pytest.approx(77.5 / 15.0, rel=0.06)  # the piezo bends
    assert walk.seed_v is not None
    assert 2.0 * walk.seed_half_width_v == pytest.approx(SEED_LINE_V, rel=0.15)
    phase_rad = math.pi * (walk.pump_v[walk.nearest] - walk.seed_v.value) / walk.half_turn_v
    missed = math.remainder(phase_rad + SEED_PHASE_PER_KELVIN_RAD * error_k, math.pi)
    assert missed == pytest.approx(0.0, abs=0.1)


def test_the_fringe_nearest_to_the_seed_is_the_doubly_resonant_one(source: ColdSource) -> None:
    plant = source.opened.table.source
    for place in source.truth.double_resonances():
        source.keep_crystal_at(place.temperature_c)
        walk = walk_length(source.cavity)
        hold_fringe(source.cavity, walk.pump_v[walk.nearest])
        assert plant.transmission_now() > 0.9
        assert plant.seed_resonance() > 0.95
        hold_fringe(source.cavity, walk.pump_v[1 - walk.nearest])
        assert plant.transmission_now() > 0.9
        assert plant.seed_resonance() < 0.01


def test_a_seed_out_of_reach_is_known_to_be_just_out_of_reach(source: ColdSource) -> None:
    looks = FringeLooks(source.cavity.servo.output_limit_v)
    at_c = source.truth.best_temperature_c - 7.9
    source.keep_crystal_at(at_c)
    walk = walk_length(source.cavity)
    assert walk.seed_v is None
    looks.add(at_c, walk)
    assert looks.known
    for place in source.truth.double_resonances():
        forecast = looks.places(LOW_C, HIGH_C).values()
        nearest = min(forecast, key=lambda found: abs(found.value - place.temperature_c))
        assert abs(nearest.value - place.temperature_c) < 3.0 * nearest.sigma
    with pytest.raises(LockError, match="seed shows no resonance"):
        looks.half_width_k()


def test_without_pump_there_is_no_fringe(source: ColdSource) -> None:
    pump = source.opened.station.shutters["pump"]
    pump.close()
    with pytest.raises(LockError, match="no fringe anywhere"):
        walk_length(replace(source.cavity, pump=None))
    assert source.opened.table.source.length_servo.output_volts() == 0.0
    with pytest.raises(LockError, match="fringe of the pump is gone"):
        hold_fringe(source.cavity, 0.0)
    pump.open()


class Dark:
    """A monitor without light."""

    def volts(self) -> float:
        return 0.0


def test_a_search_without_seed_ends_in_words() -> None:
    with cold(3) as source:
        search = DoubleResonanceSearch(
            replace(source.cavity, seed=Dark()),
            source.opened.station.servos["pump_phase"],
            source.oven,
            source.told.append,
        )
        with pytest.raises(LockError, match="seed"):
            search.find()


# ---- the oven -------------------------------------------------------------------------------------------------------


def test_the_oven_arrives_from_below_and_steady() -> None:
    with cold(3) as source:
        oven, plate_c = source.opened.table.oven, []
        source.opened.station.clock.every(0.5, lambda: plate_c.append(oven._plate_c), "look")
        for target_c in (26.0, 25.4):
            plate_c.clear()
            source.oven.go(target_c)
            lowest = int(np.argmin(plate_c))
            assert max(plate_c[lowest:]) < target_c + 1e-6  # the plate creeps up to it
            assert plate_c[-1] == pytest.approx(target_c, abs=8e-3)
            assert plate_c[-1] - plate_c[-3] < 1e-3  # K in one second


def test_an_oven_that_does_not_get_there_is_told() -> None:
    with cold(3) as source:
        source.keep_crystal_at(25.0)
        with pytest.raises(StepTimeout, match=r"not steady at 25\.300"):
            source.oven.go(25.3)
        source.opened.station.driver("oven").ch_1.output_enabled = False
        stopped = OvenApproach(
            Switched(source), source.opened.station.clock, source.opened.station.clock.sleep, 15.0, 45.0, RAMP_K_PER_S
        )
        with pytest.raises(LabError, match="stopped regulating"):
            stopped.go(25.3)


class Switched:
    """An oven that takes targets and does not regulate."""

    def __init__(self, source: ColdSource) -> None:
        self._oven = source.opened.station.oven

    def set_target(self, target_c: float, ramp_k_per_s: float) -> None:
        pass

    def temperature_c(self) -> float:
        return self._oven.temperature_c()

    def regulating(self) -> bool:
        return self._oven.regulating()


# ---- the order of visits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start_c", "places_c", "expected"),
    [
        (25.0, {0: 24.0, 1: 36.0}, (0, 1)),
        (25.0, {0: 16.0, 1: 28.0, 2: 40.0}, (0, 1, 2)),
        (44.0, {0: 17.0, 1: 29.0, 2: 41.0}, (2, 1, 0)),
        (30.0, {4: 31.0}, (4,)),
        (30.0, {}, ()),
    ],
)
def test_the_tour_has_the_shortest_way(start_c: float, places_c: dict[int, float], expected: tuple[int, ...]) -> None:
    assert shortest_tour(start_c, places_c) == expected


# ---- a whole search on a table with one fringe ----------------------------------------------------------------------


def test_with_one_fringe_in_reach_its_parity_alone_is_visited() -> None:
    """A ready table whose resonance is in the middle of the piezo: the others are out of its range."""
    with cold(6, "ready") as source:
        assert 68.0 < source.truth.opa_resonance_v < 82.0
        places, best = source.search.find()
        assert [place.forecast_c.value for place in places] == pytest.approx([source.truth.best_temperature_c], abs=0.3)
        assert best.level is not None
        tuning = source.search.fine_tune(best.forecast_c.value)
        assert tuning.best_c.value == pytest.approx(source.truth.best_temperature_c, abs=5e-3)
