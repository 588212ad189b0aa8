"""A homodyne phase locked by labctl itself: real drivers on the wires of simulated tables close the loop through the
slow converters of a board, and what they hold is looked up in the truth of each table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from ideal_table import OpenTable, open_table, phase_error_rad
from software_station import FAST_INPUT, MONITOR, PIEZO, RATE_HZ, SLOW_OUTPUT, UNITY_GAIN_HZ, software_station

from labctl.configuration.recipe_file import Step
from labctl.configuration.station_file import StationFile
from labctl.errors import LockError
from labctl.locks.homodyne import TOLERANCE, HomodyneLock
from labctl.locks.loops import Loops, build_loops
from labctl.locks.servo_loop import ServoLoop
from labctl.locks.states import LockState
from labctl.locks.supervisor import Supervisor
from labctl.simulation.sensor_plant import SensorPlant
from labctl.station.bindings.software_servo import SoftwareServo
from labctl.station.revival import revive
from labctl.store.records import RunState
from procedures.bench import Bench, MemoryRecord
from procedures.execution import StopRequest
from procedures.overnight import RecipeRun
from procedures.step_queue import StepQueue

TRIES = 3
WATCHED_S = 12.0
LOOK_S = 0.05
LARGEST_RESIDUAL_RAD = 0.2  # of the phase as a whole; the reference design leaves a tenth of it with analog servos
LARGEST_MEAN_RAD = 0.05
STEP_V = 5.0 * 1.8 / 255  # of the slow output, at the servo
LIMIT_V = 4.5


@dataclass
class Locked:
    """A table whose source is locked, and whose first homodyne phase labctl holds."""

    opened: OpenTable
    loops: Loops
    told: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, file: StationFile) -> Locked:
        opened = open_for_one(file)
        locked = cls(opened, build_loops(opened.station))
        opened.station.on_trouble = lambda name, sentence: locked.told.append(sentence)
        for loop in [*locked.loops.source, locked.lock]:
            acquire(loop)
        return locked

    @property
    def lock(self) -> HomodyneLock:
        return self.loops.homodyne[0]

    @property
    def sensor(self) -> SensorPlant:
        return self.opened.table.sensors[0]

    @property
    def servo(self) -> SoftwareServo:
        servo = self.opened.station.servos["lo1"]
        assert isinstance(servo, SoftwareServo)
        return servo

    def phase_errors_rad(self, quadrature: int, seconds: float = WATCHED_S) -> np.ndarray:
        """Return the true phase from the wanted quadrature, looked at every 50 ms; its fast noise is not in it."""
        errors = []
        for _ in range(round(seconds / LOOK_S)):
            self.opened.station.clock.sleep(LOOK_S)
            errors.append(phase_error_rad(self.sensor, quadrature))
        return np.array(errors)


def open_for_one(file: StationFile) -> OpenTable:
    """Open a table and the analog loops that nobody uses here: such modules wake up closed."""
    opened = open_table(file)
    for name in ("lo2", "lo3", "lo4"):
        opened.station.servos[name].hold()
    return opened


def acquire(loop: ServoLoop) -> None:
    """Lock as a step with retries does."""
    for _ in range(TRIES - 1):
        try:
            assert loop.acquire().locked
        except LockError:
            continue
        return
    assert loop.acquire().locked


CASES = [
    pytest.param(11, MONITOR, SLOW_OUTPUT, 1, {}, id="slow converters"),
    pytest.param(
        *(12, MONITOR, SLOW_OUTPUT | {"gain": -5.0}, -1, {}), id="inverting amplifier, -pi/2", marks=pytest.mark.slow
    ),
    pytest.param(
        *(13, FAST_INPUT, SLOW_OUTPUT, 1, {"zeros": [8.0, 10.0], "pole": 12.0}),
        id="fast input, biquad",
        marks=pytest.mark.slow,
    ),
    pytest.param(14, MONITOR, PIEZO, 1, {"zeros": [12.0]}, id="piezo over the wire, PI"),
]


@pytest.mark.parametrize(("seed", "source", "output", "quadrature", "law"), CASES)
def test_the_phase_is_held_where_the_station_file_says(
    seed: int, source: dict[str, Any], output: dict[str, Any], quadrature: int, law: dict[str, Any]
) -> None:
    name = "+pi/2" if quadrature > 0 else "-pi/2"
    locked = Locked.at(software_station(seed, source, output, quadrature=name, **law))
    locked.servo.close_loop(locked.servo._setpoint_v, _gain(locked))  # its timing from now on
    began_at = locked.opened.station.clock.now()
    errors = locked.phase_errors_rad(quadrature)
    assert abs(errors.mean()) < LARGEST_MEAN_RAD
    slow_rad = float(np.sqrt(np.mean(errors**2)))
    assert slow_rad < LARGEST_RESIDUAL_RAD
    # what the readings say of it: the slow error and the fast noise of the path together, 25 readings of them
    verdict = locked.lock.verify()
    assert verdict.locked
    assert verdict.residual == pytest.approx(math.hypot(slow_rad, locked.sensor.residual_rad()), rel=0.5)
    assert verdict.residual < TOLERANCE.rms
    timing, seconds = locked.servo.timing, locked.opened.station.clock.now() - began_at
    assert timing.steps == pytest.approx(seconds * RATE_HZ, abs=2)
    assert (timing.late_steps, timing.lost_steps, locked.told) == (0, 0, [])
    assert abs(locked.servo.output_v()) <= LIMIT_V
    locked.opened.station.close()


def _gain(locked: Locked) -> float:
    """Return the integral gain in 1/s that the calibration of the lock asks for, with its sign."""
    calibration = locked.lock.calibration
    assert calibration is not None
    slope = -locked.lock.quadrature * calibration.amplitude_v * math.pi / calibration.volts_per_pi
    return 2.0 * math.pi * UNITY_GAIN_HZ / slope


@pytest.fixture(scope="module")
def held() -> Iterator[Locked]:
    """A table that several tests use one after the other; each locks it first where it has to."""
    locked = Locked.at(software_station(21))
    yield locked
    locked.opened.station.close()


@pytest.fixture
def locked(held: Locked) -> Locked:
    held.told.clear()
    if not held.lock.verify().locked:
        acquire(held.lock)
        held.told.clear()
    return held


def test_only_the_sign_of_the_gain_selects_the_point(locked: Locked) -> None:
    """The wrong one leaves +pi/2 at once and does not come back: on a fringe it ends half a turn away."""
    assert abs(locked.phase_errors_rad(1, 2.0).mean()) < 0.1
    setpoint_v = locked.servo._setpoint_v
    locked.servo.close_loop(setpoint_v, -_gain(locked))
    locked.opened.station.clock.sleep(2.0)
    errors = locked.phase_errors_rad(1, 5.0)
    assert np.min(np.abs(errors)) > 0.5 * math.pi
    assert abs(locked.phase_errors_rad(-1, 5.0).mean()) < 0.1
    locked.servo.close_loop(setpoint_v, _gain(locked))
    locked.opened.station.clock.sleep(2.0)
    assert abs(locked.phase_errors_rad(1, 5.0).mean()) < 0.1


def test_a_set_point_that_the_fringe_does_not_reach_is_no_lock(locked: Locked) -> None:
    """The error has one sign for ever, as that of a wrong gain on a slope without end: it runs to the limit."""
    calibration = locked.lock.calibration
    assert calibration is not None
    locked.servo.close_loop(calibration.offset_v + 2.0 * calibration.amplitude_v, _gain(locked))
    locked.opened.station.clock.sleep(4.0)
    state = locked.servo.state()
    assert state.closed and state.at_limit
    assert abs(locked.opened.table.sensors[0].servo.output_volts()) <= LIMIT_V + STEP_V
    assert not locked.lock.verify().locked


def test_without_light_there_is_no_lock_and_the_servo_is_left_open_at_zero(locked: Locked) -> None:
    station = locked.opened.station
    station.shutters["signal"].close()
    with pytest.raises(LockError, match="lo1: No fringe"):
        locked.lock.acquire()
    station.shutters["signal"].open()
    assert not locked.servo.closed
    assert locked.sensor.servo.output_volts() == pytest.approx(0.0, abs=STEP_V)


def test_a_missed_deadline_is_told(locked: Locked) -> None:
    """Here another wire keeps the one line of simulated time busy; the loop goes on and is still locked."""
    station = locked.opened.station
    station.clock.sleep(1.0)
    locked.servo.state()
    locked.opened.table.elapse(0.5)
    station.clock.sleep(0.1)
    (sentence,) = locked.told
    assert sentence.startswith("lo1: a step of its servo came 0.5")
    assert "the deadline is 0.04 s" in sentence
    state = locked.servo.state()
    assert state.closed and state.overloaded
    station.clock.sleep(1.0)
    assert not locked.servo.state().overloaded
    assert locked.lock.verify().locked
    assert locked.servo.timing.late_steps == 1
    assert locked.servo.timing.longest_gap_s == pytest.approx(0.5, abs=0.05)


def test_it_is_watched_as_any_other_lock(locked: Locked) -> None:
    station = locked.opened.station
    supervisor = Supervisor({"lo1": locked.lock}, {}, station.clock)
    supervisor.bring_up(["lo1"], station.clock.sleep)
    with supervisor.watch(["lo1"]) as watch:
        station.clock.sleep(10.0)
        assert watch.still_good()
        locked.servo.hold()
        for _ in range(60):
            station.clock.sleep(1.0)
    assert supervisor.machines["lo1"].state is LockState.LOCKED  # it was brought back
    supervisor.stop()
    assert not watch.still_good()
    assert watch.lost[0].loop == "lo1"


def test_what_the_output_is_asked_never_leaves_the_limits_nor_the_range_of_the_pin(locked: Locked) -> None:
    outputs: list[float] = []
    wire = locked.sensor.servo
    apply = wire.apply

    def apply_and_note(settings: Any) -> None:
        outputs.append(settings.manual_output_v)
        apply(settings)

    wire.apply = apply_and_note  # type: ignore[method-assign]
    try:
        acquire(locked.lock)
        locked.opened.station.clock.sleep(5.0)
    finally:
        wire.apply = apply  # type: ignore[method-assign]
    assert len(outputs) > 500
    assert max(map(abs, outputs)) <= LIMIT_V
    # 50 V/s at the piezo, and the steps of the DAC
    assert max(abs(np.diff(outputs))) <= 50.0 / 15.0 / RATE_HZ + 1.01 * STEP_V


class Quiet:
    """Who watches a run and asks to stop once a step has got this far."""

    def __init__(self, bench: Bench, stop: StopRequest) -> None:
        self._bench, self._stop = bench, stop

    def step_began(self, step: Step, attempt: int) -> None:
        registration = self._bench.clock.every(0.5, self._look, "impatience")
        self._registration = registration

    def _look(self) -> None:
        servo = self._bench.station.servos["lo1"]
        if isinstance(servo, SoftwareServo) and servo.closed:
            self._stop.ask()

    def step_progressed(self, step: Step, fraction: float) -> None: ...

    def step_ended(self, step: Step, state: Any, reason: str) -> None:
        self._registration.cancel()


class Journal(MemoryRecord):
    """A record in memory that also takes steps and settings."""

    def step(self, record: Any) -> None: ...

    def keep_settings(self, settings: Any) -> None: ...


def test_a_stop_leaves_the_loop_open_and_its_output_at_zero() -> None:
    """The operator stops the run while the loop is being closed; nothing moves afterwards."""
    opened = open_for_one(software_station(22))
    bench = Bench.of(opened.station, Journal())
    stop = StopRequest(bench.clock)
    for loop in bench.loops.source:
        acquire(loop)
    steps = [
        Step(name, "lock_homodyne", None, (), 0, 600.0, {"sensor": 1})  # type: ignore[arg-type]
        for name in ("first", "second")
    ]
    outcome = RecipeRun(StepQueue(steps), bench, bench.record, Quiet(bench, stop), stop).run()  # type: ignore[arg-type]
    assert outcome.state is RunState.STOPPED
    assert outcome.unsafe == ()
    servo, wire = opened.station.servos["lo1"], opened.table.sensors[0].servo
    assert isinstance(servo, SoftwareServo)
    assert not servo.closed
    assert wire.output_volts() == pytest.approx(0.0, abs=STEP_V)
    for name, piezo in opened.station.piezos.items():
        assert piezo.commanded_v == 0.0, name
    assert not any(opened.table.shutters.values())
    assert opened.station.leases.holders() == {}
    at = wire.output_volts()
    bench.clock.sleep(5.0)
    assert wire.output_volts() == at


def test_a_board_that_was_switched_off_and_on_is_locked_again() -> None:
    """Its pin falls to 0 V, the output to its lowest: nobody puts that back, the next lock ramps it."""
    after_s = 120.0
    fault = {"instrument": "scan", "kind": "power_cycle", "after": after_s, "lasting": 5.0}
    locked = Locked.at(software_station(23, backend={"faults": [fault]}))
    station, table = locked.opened.station, locked.opened.table
    assert station.clock.now() < after_s
    station.clock.sleep(after_s - station.clock.now() + 2.0)
    assert not locked.servo.closed
    assert any(sentence.startswith("lo1: the loop was opened: scan: ") for sentence in locked.told)
    station.clock.sleep(5.0)
    revival = revive(station)
    assert revival.changed and revival.away == ()
    assert any("scan.slow_AOUT0.voltage" in sentence and "left as it is" in sentence for sentence in revival.sentences)
    assert table.sensors[0].servo.output_volts() == pytest.approx(-LIMIT_V, abs=1e-3)
    for shutter in station.shutters.values():
        shutter.open()
    station.raise_piezos()
    locked.loops = build_loops(station)
    for loop in [*locked.loops.source, locked.lock]:
        acquire(loop)
    assert abs(locked.phase_errors_rad(1, 5.0).mean()) < 0.1
    station.close()
