"""What happens in the middle: a stop, the end of the time limit, a lock that is lost while a trace runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from ideal_table import open_table, phase_error_rad, station_at
from procedure_bench import LockedTable
from pymeasure.experiment import IntegerParameter

from labctl.errors import LockError, StepTimeout, Stopped
from labctl.simulation.sensor_plant import SensorPlant
from procedures.base import LabProcedure
from procedures.bench import Bench, MemoryRecord
from procedures.execution import StopRequest
from procedures.lock_homodyne import LockHomodyne
from procedures.traces import TRIES, Share, sweep, take_trace

KICK_RAD = 2.0
SOON_S = 2.5  # the longest wait that a stop may need, and a sweep's own end


def sweeping(table: LockedTable) -> bool:
    return table.opened.station.analyzer.is_sweeping()


def stopped_after(table: LockedTable, seconds: float, procedure: str, **parameters: object) -> float:
    """Ask to stop `seconds` after a step began, and return how long it went on then."""
    stop = StopRequest(table.bench.clock)
    asked_at: list[float] = []

    def ask() -> None:
        asked_at.append(table.bench.clock.now())
        stop.ask()

    run = table.step(procedure, **parameters)
    table.after(seconds, ask)
    with pytest.raises(Stopped, match="step was stopped by the operator"):
        run(stop)
    return table.bench.clock.now() - asked_at[0]


def test_a_stop_during_a_sweep_comes_through_quickly_and_aborts_it(table: LockedTable) -> None:
    assert stopped_after(table, 60.0, "noise_floor", averages=10_000) < SOON_S
    assert not sweeping(table)
    assert table.opened.station.leases.holders() == {}
    assert all(trace.conventions["averages"] == 10_000 for trace in table.last.traces)  # complete ones alone


def test_a_stop_during_records(table: LockedTable) -> None:
    table.lock_all()
    assert stopped_after(table, 9.0, "joint_spectrum_digitizer", records=100_000) < SOON_S
    assert table.opened.station.leases.holders() == {}
    assert table.last.named == {}


@pytest.fixture
def cold() -> Iterator[LockedTable]:
    opened = open_table(station_at(6), warmed=False)
    yield LockedTable(opened, Bench.of(opened.station, MemoryRecord()))
    opened.station.close()


def test_a_stop_while_the_oven_warms(cold: LockedTable) -> None:
    assert stopped_after(cold, 30.0, "warm_oven", target=35.0) < SOON_S
    assert cold.last.named == {}


def test_a_stop_before_the_first_lock(table: LockedTable) -> None:
    stop = StopRequest(table.bench.clock)
    stop.ask()
    began_at = table.bench.clock.now()
    with pytest.raises(Stopped):
        table.step("individual_spectrum", sensor=1)(stop)
    assert table.bench.clock.now() - began_at < SOON_S


def test_the_time_limit_ends_a_step_as_a_stop_does_but_says_why(table: LockedTable) -> None:
    began_at = table.bench.clock.now()
    run = table.step("noise_floor", time_limit=20.0, averages=10_000)
    with pytest.raises(StepTimeout, match=r"step took longer than its 20 s\. Raise time_limit"):
        run(StopRequest(table.bench.clock))
    assert 20.0 < table.bench.clock.now() - began_at < 20.0 + SOON_S
    assert not sweeping(table)
    assert table.opened.station.leases.holders() == {}


# ---- locks that are lost ---------------------------------------------------------------------------------------------


def open_and_kick(sensor: SensorPlant) -> None:
    """Open the servo as somebody at its front panel would, and let the path jump: nothing brings the phase back."""
    servo = sensor.servo
    servo.apply(replace(servo.settings, closed=False, manual_output_v=servo.output_volts()))
    sensor._thermal.value += KICK_RAD


class OneTrace(LabProcedure):
    """One trace of sensor 1 that needs the source and its own loop."""

    title = "One trace"
    averages = IntegerParameter("Averages", default=200)

    def measure(self) -> None:
        loops = self.on_bench.loops
        settings = sweep(self.on_bench.station.file.sensors[0].resonance, 2000.0, 10.0, 100.0, self.averages)
        take_trace(self, "one", "bhd1", settings, share=Share(0.0, 1.0), needs=[*loops.source, loops.of_sensor(1)])


@pytest.fixture
def sensor(table: LockedTable) -> SensorPlant:
    """Sensor 1, locked."""
    table.run(LockHomodyne, sensor=1)
    return table.opened.table.sensors[0]


def test_a_kick_that_the_servo_does_not_hold_spoils_the_trace_and_it_is_taken_again(
    table: LockedTable, sensor: SensorPlant
) -> None:
    table.after(15.0, lambda: open_and_kick(sensor))
    record = table.run(OneTrace).record
    first, second = record.traces
    assert not first.valid
    assert first.invalid_reason.startswith("lo1 was lost first, at lab time")
    assert second.valid
    assert second.started_at > first.ended_at
    assert first.ended_at - first.started_at < 20.0  # nobody waits for its end
    assert 30.0 < second.ended_at - second.started_at < 37.0  # 200 FFTs, and the check of three loops
    texts = [event.text for event in record.events]
    assert texts[0].startswith("lo1: sits")
    assert texts[1].startswith("Trace one (try 1) is invalid: lo1 was lost first")
    assert texts[2].startswith("lo1: Locked, residual")


def test_a_kick_that_the_servo_holds_spoils_nothing(table: LockedTable, sensor: SensorPlant) -> None:
    """The loop is back after a few periods of its unity gain, long before any filter of the trace has noticed."""
    after_rad: list[float] = []

    def kick() -> None:
        sensor._thermal.value += KICK_RAD
        table.opened.table.elapse(0.1)
        after_rad.append(phase_error_rad(sensor, 1))

    table.after(15.0, kick)
    record = table.run(OneTrace).record
    assert [trace.valid for trace in record.traces] == [True]
    assert after_rad == [pytest.approx(0.0, abs=0.02)]


def test_a_trace_is_given_up_after_as_many_losses_as_there_are_tries(table: LockedTable, sensor: SensorPlant) -> None:
    rail_v = sensor.servo.settings.upper_limit_v

    def weaken() -> None:
        """Let the loop sit until the trace runs, then take it away."""
        if sweeping(table):
            servo = sensor.servo
            servo.apply(replace(servo.settings, closed=False, manual_output_v=0.5 * rail_v))
            sensor._thermal.value += KICK_RAD

    shaking = table.bench.clock.every(4.0, weaken, "shaking")
    bench = table.fresh_bench()
    with pytest.raises(LockError, match=rf"one: a lock was lost in each of {TRIES} tries"):
        table.run(OneTrace, bench)
    shaking.cancel()
    assert [trace.valid for trace in bench.record.traces] == [False] * TRIES  # type: ignore[attr-defined]
    assert table.opened.station.leases.holders() == {}


def test_light_that_goes_spoils_the_trace_and_comes_back_for_the_next(table: LockedTable, sensor: SensorPlant) -> None:
    signal = table.opened.station.shutters["signal"]
    table.after(10.0, signal.close)
    table.bench.clock.every(1.0, lambda: None if sweeping(table) else signal.open(), "someone opens it again")
    record = table.run(OneTrace).record
    assert [trace.valid for trace in record.traces] == [False, True]
    assert record.traces[0].values.min() < record.traces[1].values.max()


def test_every_loop_ends_where_its_station_file_says(table: LockedTable) -> None:
    for number, sensor in enumerate(table.opened.table.sensors, start=1):
        table.step("lock_homodyne", sensor=number)(StopRequest(table.bench.clock))
        assert abs(phase_error_rad(sensor, 1)) < 10e-3
