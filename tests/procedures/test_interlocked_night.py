"""Nights whose table has interlocks: steps wait while one stands, and are done again after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ideal_table import station_at
from scripted_night import Night, Script, measure, step

from labctl.configuration.recipe_file import Pause
from labctl.locks.states import LockState
from labctl.simulation.surroundings import Chamber
from labctl.station.bring_up import link_to, open_station
from labctl.store.records import RunState, StepState

GOOD_PA, BAD_PA = 3e-5, 5e-3
GRACE_S = 20.0


@pytest.fixture
def pressure(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pressure in the chamber in Pa, as its only item."""
    now = [GOOD_PA]
    monkeypatch.setattr(Chamber, "pressure_pa", lambda chamber: now[0])
    return now


@pytest.fixture
def make_night(script: Script) -> Iterator[Any]:
    """`make_night(action)`: a night on a table with an interlock on its vacuum."""
    opened = []

    def make(action: str) -> Night:
        file = station_at(9)
        content = file.model_dump(mode="json", exclude_unset=True)
        content["interlocks"] = {
            "vacuum": {"kind": "vacuum", "gauge": "chamber", "above": 1e-3, "grace": GRACE_S, "action": action}
        }
        changed = type(file).model_validate(content)
        link = link_to(changed)
        assert link.simulation is not None
        station = open_station(changed, link)
        opened.append(station)
        station.interlocks.start()
        night = Night(station, link.simulation.table, script)
        night.simulation = link.simulation  # type: ignore[attr-defined]
        return night

    yield make
    for station in opened:
        station.close()


@pytest.mark.parametrize("action", ["pause", "hold"])
def test_a_step_waits_while_an_interlock_stands_and_is_done_again(
    make_night: Any, pressure: list[float], action: str
) -> None:
    night = make_night(action)
    night.after(20.0, lambda: pressure.__setitem__(0, BAD_PA))
    night.after(120.0, lambda: pressure.__setitem__(0, GOOD_PA))
    night.script.actions["a"] = [measure(100.0), measure(50.0)]
    assert night.run(step("a"), step("b", "a")).state is RunState.COMPLETE
    assert [state for _, state in night.journal.states("a")][1:] == [
        StepState.RUNNING,
        StepState.STOPPED,
        StepState.RUNNING,
        StepState.DONE,
    ]
    told = [(event.level, event.source) for event in night.journal.events if event.source == "interlock vacuum"]
    assert told == [("error", "interlock vacuum"), ("info", "interlock vacuum")]
    (stall,) = night.stalls
    assert stall.startswith("a waits: Interlock vacuum: the gauge chamber reads")


def test_a_gauge_whose_link_broke_is_reached_again_while_the_night_waits(make_night: Any) -> None:
    night = make_night("pause")
    night.simulation.inject("vacuum", "dropped", after=10.0, lasting=60.0)
    night.script.actions["a"] = [measure(300.0), measure(50.0)]
    assert night.run(step("a"), pause=Pause(longest=1200.0)).state is RunState.COMPLETE
    assert [event for event in night.journal.events if event.text == "vacuum answers again."]


@pytest.mark.parametrize("action", ["dark", "safe"])
def test_a_step_that_is_interrupted_goes_on_once_a_person_has_reset(
    make_night: Any, pressure: list[float], action: str
) -> None:
    night = make_night(action)
    interlocks = night.station.interlocks
    night.after(20.0, lambda: pressure.__setitem__(0, BAD_PA))
    night.after(120.0, lambda: pressure.__setitem__(0, GOOD_PA))
    night.after(200.0, lambda: interlocks.reset_all("Ann"))
    ramp = night.station.piezos["cavity1"].ramp_to

    def ramp_for_long(procedure: object) -> None:
        while True:
            ramp(20.0)
            ramp(10.0)

    night.script.actions["a"] = [ramp_for_long, measure(10.0)]
    assert night.run(step("a")).state is RunState.COMPLETE
    (taken,) = night.journal.traces
    assert taken.started_at >= 200.0
    assert night.journal.states("a")[2] == (1, StepState.STOPPED)
    assert [event.text for event in night.journal.events if "was reset by Ann" in event.text]


def test_a_night_that_nobody_resets_is_given_up(make_night: Any, pressure: list[float]) -> None:
    night = make_night("safe")
    pressure[0] = BAD_PA
    night.script.actions["a"] = [measure(100.0)]
    outcome = night.run(step("a"), pause=Pause(longest=600.0))
    assert outcome.state is RunState.FAILED and outcome.reason.startswith("stalled: paused for more than 0.2 h: Inter")
    assert night.safe()


def test_a_loop_that_was_locked_and_is_not_is_lost(make_night: Any) -> None:
    night = make_night("alarm")
    machine, is_as_it_should_be = night.bench.supervisor.machines["lo1"], night.station.interlocks.loop_state
    seen = []
    for wanted, state in [
        (False, LockState.OFF),
        (True, LockState.SCAN),  # on its way to its first lock
        (True, LockState.LOCKED),
        (True, LockState.RELOCK),
        (True, LockState.SCAN),
        (True, LockState.LOCKED),
        (False, LockState.OFF),
        (True, LockState.STALLED),
    ]:
        machine.wanted, machine.state = wanted, state
        seen.append(is_as_it_should_be("lo1"))
    assert seen == [True, True, True, False, False, True, True, False]


def test_holding_parks_the_loops_so_that_nobody_brings_them_back(make_night: Any, pressure: list[float]) -> None:
    night = make_night("hold")
    machine = night.bench.supervisor.machines["lo1"]
    machine.wanted, machine.state = True, LockState.LOCKED
    pressure[0] = BAD_PA
    night.station.clock.sleep(GRACE_S + 15.0)
    assert machine.parked.startswith("Interlock vacuum") and machine.state is LockState.HOLD
