"""A program that starts anew takes over the loops that the servos hold, and opens none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from ideal_table import OpenTable, open_table, phase_error_rad, station_at

from labctl.locks.loops import Loops, build_loops, build_supervisor
from labctl.locks.onlooker import Onlooker
from labctl.locks.states import LockState
from labctl.locks.supervisor import Supervisor
from labctl.station.station import Station
from labctl.station.traffic import TrafficLog, logged_traffic

PROVEN_S = 3.0
SIX = ["opa_length", "pump_phase", "lo1", "lo2", "lo3", "lo4"]
OPENS_OR_MOVES = re.compile(r'> SNDT \d,"[^"?]*(AMAN 0|(MOUT|SETP|GAIN|INTG|LLIM|ULIM) )|> [xyz]voltage=')


@dataclass
class Left:
    """A table that a program locked and left, and what its loops remembered."""

    opened: OpenTable
    remembered: dict[str, dict[str, float]]

    def started_anew(self) -> tuple[Loops, Station]:
        """Return the loops of a program that knows nothing of its servos yet."""
        station = Station(self.opened.station.file, self.opened.station.answers, self.opened.station.clock)
        return build_loops(station), station

    def sleep(self, seconds: float) -> None:
        self.opened.station.clock.sleep(seconds)

    def module(self, name: str) -> object:
        slot = self.opened.station.file.loops[name].servo.slot  # type: ignore[union-attr]
        return self.opened.station.driver("servos").modules[slot]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def table() -> Iterator[Left]:
    opened = open_table(station_at(23, "delays"))
    loops = build_loops(opened.station)
    supervisor = build_supervisor(opened.station, loops)
    supervisor.bring_up(SIX, opened.station.clock.sleep)
    opened.station.clock.sleep(5.0)
    remembered = {name: dict(numbers) for name, numbers in supervisor.remembered().items()}
    assert [name for name in remembered if name in SIX] == SIX
    supervisor.stop()
    yield Left(opened, remembered)
    opened.station.close()


@pytest.fixture
def left(table: Left) -> Iterator[Left]:
    """The table with all loops closed, before and after."""
    settings = {name: (table.module(name).closed, table.module(name).integral_gain) for name in SIX}  # type: ignore[attr-defined]
    assert all(closed for closed, _ in settings.values())
    yield table
    for name, (_, gain) in settings.items():
        table.module(name).integral_gain = gain  # type: ignore[attr-defined]
        table.module(name).closed = True  # type: ignore[attr-defined]
    table.sleep(1.0)


def lines(log: TrafficLog) -> list[str]:
    return list(log._held)


def test_a_supervisor_takes_all_over_without_opening_one(left: Left) -> None:
    loops, station = left.started_anew()
    supervisor = build_supervisor(station, loops)
    with logged_traffic(["servos", "piezo_a", "piezo_b"]) as logs:
        assert supervisor.take_over(left.remembered) == list(left.remembered)
        left.sleep(PROVEN_S)
        sent = [line for log in logs.values() for line in lines(log)]
    assert all(supervisor.machines[name].state is LockState.LOCKED for name in SIX)
    assert len(sent) > 100
    assert [line for line in sent if OPENS_OR_MOVES.search(line)] == []
    for sensor in left.opened.table.sensors:
        assert abs(phase_error_rad(sensor, 1)) < 0.05
    supervisor.stop()


def test_the_record_would_show_a_loop_that_was_opened(left: Left) -> None:
    loops, _ = left.started_anew()
    with logged_traffic(["servos"]) as logs:
        loops.by_name["lo4"].hold()
        assert [line for line in lines(logs["servos"]) if OPENS_OR_MOVES.search(line)]


def test_without_memory_nothing_is_taken_over_and_nothing_moves(left: Left) -> None:
    loops, station = left.started_anew()
    supervisor = build_supervisor(station, loops)
    assert supervisor.take_over({}) == []
    assert all(machine.state is LockState.OFF for machine in supervisor.machines.values())
    assert all(left.module(name).closed for name in SIX)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "knob", "says"),
    [
        ("lo2", lambda module: setattr(module, "closed", False), "It is open."),
        (
            "lo3",
            lambda module: setattr(module, "integral_gain", 0.1 * module.integral_gain),
            r"Its gain is 0\.\d+ times what its calibration says\.",
        ),
        ("lo1", lambda module: setattr(module, "derivative_on", True), "closed, but not set up as labctl does"),
        ("lo4", lambda module: setattr(module, "setpoint", 0.2), r"Its set point is \+0\.200 V; its calibration says "),
        ("pump_phase", lambda module: setattr(module, "closed", False), "It is open."),
    ],
)
def test_a_knob_that_somebody_turned_is_seen(left: Left, name: str, knob: object, says: str) -> None:
    module = left.module(name)
    setpoint_v = module.setpoint  # type: ignore[attr-defined]
    knob(module)  # type: ignore[operator]
    loops, _ = left.started_anew()
    onlooker = Onlooker(loops.by_name, left.opened.station.clock)
    with logged_traffic(["servos"]) as logs:
        held = onlooker.look(left.remembered)
        left.sleep(PROVEN_S)
        sent = lines(logs["servos"])
    try:
        assert held == [one for one in SIX if one != name]
        machine = onlooker.machines[name]
        assert machine.state is LockState.OFF
        assert re.search(says, machine.why), machine.why
        assert [line for line in sent if OPENS_OR_MOVES.search(line)] == []
        others = [one for one in SIX if one != name]
        if name != "pump_phase":  # without it the light goes, and with it what the others see
            assert [one for one in others if not onlooker.machines[one].is_locked] == []
    finally:
        onlooker.stop()
        module.derivative_on, module.setpoint = False, setpoint_v  # type: ignore[attr-defined]


def test_an_onlooker_sees_a_loss_and_touches_nothing(left: Left) -> None:
    loops, _ = left.started_anew()
    onlooker = Onlooker(loops.by_name, left.opened.station.clock)
    onlooker.look(left.remembered)
    left.sleep(PROVEN_S)
    left.module("lo1").closed = False  # type: ignore[attr-defined]
    with logged_traffic(["servos", "piezo_a"]) as logs:
        left.sleep(20.0)
        sent = [line for log in logs.values() for line in lines(log)]
    assert onlooker.machines["lo1"].state is LockState.RELOCK
    assert "lo1" in onlooker.machines["lo1"].why
    assert onlooker.machines["lo2"].is_locked
    assert [line for line in sent if OPENS_OR_MOVES.search(line)] == []
    onlooker.stop()


def test_what_a_loop_does_not_understand_counts_as_no_memory(left: Left) -> None:
    loops, _ = left.started_anew()
    onlooker = Onlooker(loops.by_name, left.opened.station.clock)
    held = onlooker.look(left.remembered | {"lo1": {"a_number_of_another_version": 1.0}})
    assert held == [name for name in SIX if name != "lo1"]
    assert "remembers no calibration" in onlooker.machines["lo1"].why
    onlooker.stop()


def test_leaving_opens_only_what_is_on_its_way(left: Left) -> None:
    loops, station = left.started_anew()
    supervisor = Supervisor(
        loops.by_name, {name: station.file.loops[name].needs for name in loops.by_name}, station.clock
    )
    left.module("lo4").closed = False  # type: ignore[attr-defined]
    assert supervisor.take_over(left.remembered) == [name for name in left.remembered if name != "lo4"]
    left.sleep(PROVEN_S)
    supervisor.request(["lo4"])
    left.sleep(4.0)
    assert supervisor.machines["lo4"].state is LockState.SCAN
    assert supervisor.leave("The test ends.") == ["lo4"]
    closed = {name: left.module(name).closed for name in SIX}  # type: ignore[attr-defined]
    assert closed == {name: name != "lo4" for name in SIX}
    assert left.module("lo4").manual_output == 0.0  # type: ignore[attr-defined]
