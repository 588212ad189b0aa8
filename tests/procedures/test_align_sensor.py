"""Mirrors of a table as somebody left it, aligned over the wire by what the instruments say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from ideal_table import open_table, station_at
from procedure_bench import LockedTable, Ran

from labctl.configuration.station_file import StationFile
from labctl.errors import ConfigurationError, Stopped
from labctl.locks.states import LockState
from labctl.simulation.sensor_plant import SensorPlant
from labctl.store.records import NamedResult
from procedures.align_sensor import AlignSensor
from procedures.bench import Bench, MemoryRecord
from procedures.execution import StopRequest

MOST_AGAIN = 1.5
SIGMAS = 4.5
LONGEST_S = 480.0
SOON_S = 3.0
FINDINGS = (
    "visibility_before",
    "visibility_after",
    "alignment_moves",
    "pitch_step_ratio",
    "pitch_backlash_steps",
    "yaw_step_ratio",
    "yaw_backlash_steps",
)


def cold_station(seed: int) -> StationFile:
    file = station_at(seed, "delays")
    return file.model_copy(update={"backend": file.backend.model_copy(update={"start": "cold"})})


def cold_table(seed: int) -> LockedTable:
    """Return a table with a warm oven, taken apart otherwise, its source locked."""
    opened = open_table(cold_station(seed))
    table = LockedTable(opened, Bench.of(opened.station, MemoryRecord()))
    table.bench.supervisor.bring_up([loop.name for loop in table.bench.loops.source], table.bench.clock.sleep)
    return table


def power_share(sensor: SensorPlant) -> float:
    """Return the interference power over that at the best alignment."""
    return (sensor.visibility() / sensor.truth.visibility) ** 2


@pytest.fixture(scope="module")
def left() -> Iterator[LockedTable]:
    """A table as somebody left it; every test takes another sensor."""
    table = cold_table(8)
    yield table
    table.opened.station.close()


def check_steps(found: dict[str, NamedResult], number: int, sensor: SensorPlant) -> None:
    for axis, ratio in zip(("pitch", "yaw"), sensor.truth.backward_ratio, strict=True):
        seen = found[f"sensor{number}.{axis}_step_ratio"]
        assert abs(seen.value - ratio) < SIGMAS * seen.sigma
        assert seen.sigma < 0.1
        backlash = found[f"sensor{number}.{axis}_backlash_steps"]
        assert abs(backlash.value - sensor.truth.backlash_steps) < SIGMAS * backlash.sigma


@dataclass
class First:
    """An alignment of sensor 1, where it began, and what it took."""

    bench: Bench
    ran: Ran
    visibility_before: float
    visibility_after: float
    seconds: float
    cpu_s: float


@pytest.fixture(scope="module")
def first(left: LockedTable) -> First:
    sensor, bench = left.opened.table.sensors[0], left.fresh_bench()
    before, began_at, cpu = sensor.visibility(), bench.clock.now(), time.process_time()
    assert power_share(sensor) < 0.3
    ran = left.run(AlignSensor, bench, sensor=1)
    return First(bench, ran, before, sensor.visibility(), bench.clock.now() - began_at, time.process_time() - cpu)


def test_a_mirror_that_was_left_anywhere_is_aligned(left: LockedTable, first: First) -> None:
    sensor = left.opened.table.sensors[0]
    assert first.visibility_after > 0.995 * sensor.truth.visibility
    assert first.seconds < LONGEST_S
    assert first.cpu_s < 4.0
    found, ran = first.ran.record.named, first.ran
    assert set(found) == {f"sensor1.{name}" for name in FINDINGS}
    for name, true in (("before", first.visibility_before), ("after", first.visibility_after)):
        seen = found[f"sensor1.visibility_{name}"]
        assert abs(seen.value - true) < SIGMAS * seen.sigma
        assert 0.0 < seen.sigma < 0.03
    check_steps(found, 1, sensor)
    assert ran.progress == sorted(ran.progress)
    assert found["sensor1.alignment_moves"].value == ran.rows[-1]["Moves"]
    assert ran.rows[-1]["Visibility"] > ran.rows[0]["Visibility"]


def test_its_loop_is_left_open_and_at_rest(left: LockedTable, first: First) -> None:
    servo = left.opened.table.sensors[0].servo
    assert left.bench.supervisor.machines["lo1"].state is LockState.OFF
    assert servo.output_volts() == 0.0
    assert not servo.settings.closed


def test_a_second_time_it_begins_with_the_steps_that_it_knows(left: LockedTable, first: First) -> None:
    sensor, moves = left.opened.table.sensors[0], first.ran.record.named["sensor1.alignment_moves"].value
    again = left.run(AlignSensor, first.bench, sensor=1)
    assert power_share(sensor) > 0.99
    assert again.record.named["sensor1.alignment_moves"].value < MOST_AGAIN * moves  # a line through the top at least
    check_steps(again.record.named, 1, sensor)


def test_a_source_that_is_lost_is_locked_again_and_the_rest_goes_on(left: LockedTable) -> None:
    sensor, source = left.opened.table.sensors[2], left.opened.table.source.length_servo

    def open_source() -> None:
        source.apply(replace(source.settings, closed=False, manual_output_v=source.output_volts() + 1.0))

    left.after(40.0, open_source)
    losses = len(left.bench.supervisor.losses)
    left.run(AlignSensor, sensor=3)
    assert len(left.bench.supervisor.losses) > losses
    assert power_share(sensor) > 0.98


def test_a_stop_in_the_middle_leaves_motors_still_and_the_servo_open(left: LockedTable) -> None:
    sensor, clock = left.opened.table.sensors[3], left.bench.clock
    stop, asked_at = StopRequest(clock), []
    run = left.step("align_sensor", sensor=4)

    def ask() -> None:
        asked_at.append(clock.now())
        stop.ask()

    left.after(25.0, ask)
    with pytest.raises(Stopped):
        run(stop)
    assert clock.now() - asked_at[0] < SOON_S
    tilt = sensor.pitch.tilt_rad, sensor.yaw.tilt_rad
    clock.sleep(5.0)
    assert (sensor.pitch.tilt_rad, sensor.yaw.tilt_rad) == tilt
    assert not sensor.servo.settings.closed
    assert left.opened.station.leases.holders() == {}
    assert "sensor4.visibility_after" not in left.last.named


def test_a_loop_that_was_locked_is_open_meanwhile_and_locked_again_afterwards(left: LockedTable, first: First) -> None:
    supervisor, clock = left.bench.supervisor, left.bench.clock
    sensor = left.opened.table.sensors[0]
    supervisor.bring_up(["lo1"], clock.sleep)
    assert sensor.servo.settings.closed
    meanwhile: list[bool] = []
    left.after(30.0, lambda: meanwhile.append(sensor.servo.settings.closed))
    left.after(40.0, lambda: supervisor.request(["lo1"]))  # somebody who does not know
    ran = left.run(AlignSensor, sensor=1)
    assert meanwhile == [False]
    assert any("was asked for while its mirror is aligned" in event.text for event in ran.record.events)
    supervisor.bring_up(["lo1"], clock.sleep)
    assert sensor.servo.settings.closed
    assert power_share(sensor) > 0.98


def test_a_sensor_without_a_motorized_mirror_says_so(left: LockedTable) -> None:
    with pytest.raises(ConfigurationError, match="no homodyne loop of sensor 7"):
        left.run(AlignSensor, sensor=7)
    mirrors = left.opened.station.mirrors
    taken = mirrors.pop("sensor3")
    try:
        with pytest.raises(ConfigurationError, match="no motorized mirror sensor3"):
            left.run(AlignSensor, sensor=3)
    finally:
        mirrors["sensor3"] = taken


def test_an_estimate_of_its_duration() -> None:
    assert 60.0 < AlignSensor().expected_s() < LONGEST_S


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sixty_starts_over_the_wire() -> None:
    reached, seconds = [], []
    for seed in range(15):
        table = cold_table(seed)
        for number, sensor in enumerate(table.opened.table.sensors, start=1):
            began_at = table.bench.clock.now()
            table.run(AlignSensor, sensor=number)
            seconds.append(table.bench.clock.now() - began_at)
            reached.append(power_share(sensor))
        table.opened.station.close()
    assert len(reached) == 60
    assert np.median(reached) >= 0.99
    assert np.quantile(reached, 0.1) >= 0.96
    assert max(seconds) < LONGEST_S
