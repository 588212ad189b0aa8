"""Supervision of loops: locked in order, lost and brought back, held and hopped, and never more often than allowed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_loop import LIMIT_V, PERIOD_V, ScriptedLoop, supervise
from stepped_time import SteppedTime

from labctl.errors import ConfigurationError, LockError, NoReply
from labctl.locks.ladder import FIRST_TRIES, LADDER, RelockBudget
from labctl.locks.losses import Loss
from labctl.locks.states import ACQUIRING, FOLLOWS, LockState
from labctl.locks.supervisor import DOUBT_S, PERIOD_S, Supervisor
from labctl.station.clock import SimulatedClock

DETECTED_S = 0.5
SOON_S = 5.0


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(SteppedTime())


@pytest.fixture
def chain(clock: SimulatedClock) -> list[ScriptedLoop]:
    """A source, and two local oscillators that need it."""
    return [ScriptedLoop(name, clock) for name in ("length", "lo1", "lo2")]


@pytest.fixture
def up(chain: list[ScriptedLoop]) -> Supervisor:
    """All of the chain locked."""
    supervisor = supervise(chain, lo1=["length"], lo2=["length"])
    supervisor.bring_up(["lo1", "lo2"], chain[0].clock.sleep)
    for loop in chain:
        loop.done.clear()
    return supervisor


def states(supervisor: Supervisor) -> dict[str, str]:
    return {name: str(machine.state) for name, machine in supervisor.machines.items()}


# ---- bringing up -----------------------------------------------------------------------------------------------------


def test_what_a_loop_needs_is_locked_first(chain: list[ScriptedLoop]) -> None:
    supervisor = supervise(chain, lo1=["length"], lo2=["lo1"])
    order: list[str] = []
    supervisor.tell = lambda level, name, text: order.append(name) if "Locked" in text else None
    supervisor.bring_up(["lo2"], chain[0].clock.sleep)
    assert order == ["length", "lo1", "lo2"]
    assert all(machine.is_locked for machine in supervisor.machines.values())


def test_an_unknown_loop_is_refused_before_anything_moves(chain: list[ScriptedLoop]) -> None:
    supervisor = supervise(chain)
    with pytest.raises(ConfigurationError, match=r"no loop lo9\. It has length, lo1, lo2"):
        supervisor.request(["lo1", "lo9"])
    assert all(loop.done == [] for loop in chain)


def test_a_loop_that_refuses_is_tried_with_longer_and_longer_waits_and_then_given_up(
    chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    chain[0].refusals = 1000
    supervisor = supervise(chain, lo1=["length"])
    with pytest.raises(LockError, match=r"length: nothing there\. Look\. A person must look\."):
        supervisor.bring_up(["lo1"], clock.sleep)
    assert chain[0].done.count("acquire everywhere") == len(FIRST_TRIES)
    assert clock.now() > sum(rung.after_s for rung in FIRST_TRIES)
    tried = len(chain[0].done)
    clock.sleep(600.0)
    assert len(chain[0].done) == tried  # no storm
    assert chain[1].done == []
    chain[0].refusals = 0
    supervisor.bring_up(["lo1"], clock.sleep)  # a person asked again
    assert supervisor.machines["lo1"].is_locked


def test_a_stop_comes_through_while_a_loop_is_being_locked(chain: list[ScriptedLoop], clock: SimulatedClock) -> None:
    chain[0].acquiring_s = 30.0

    class Stop(Exception):
        pass

    def wait(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now() > 3.0:
            raise Stop

    with pytest.raises(Stop):
        supervise(chain).bring_up(["length"], wait)
    assert clock.now() < 4.0


# ---- losing ----------------------------------------------------------------------------------------------------------


def test_a_loss_is_noticed_within_half_a_second_and_the_loop_brought_back(
    up: Supervisor, chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    chain[1].error = 1.0
    lost_at = clock.now()
    clock.sleep(DETECTED_S)
    (loss,) = up.losses
    assert loss.loop == "lo1"
    assert lost_at <= loss.at <= loss.detected_at <= lost_at + DETECTED_S
    clock.sleep(SOON_S)
    assert set(states(up).values()) == {"locked"}
    assert chain[1].done.count("acquire here") == 1  # close to where it was, not all anew
    assert chain[2].done == []  # the other one never noticed


def test_one_bad_look_loses_nothing_but_data_of_that_moment(
    up: Supervisor, chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    with up.watch(["lo1", "lo2"]) as watch:
        clock.sleep(20.0)
        chain[2].error = 0.8
        while up.machines["lo2"].state is LockState.LOCKED:
            clock.sleep(0.2 * DOUBT_S)
        assert up.machines["lo2"].state is LockState.SUSPECT
        chain[2].error = 0.0
        clock.sleep(20.0)
    assert up.losses == []
    assert watch.verdict().locked
    ((start, end),) = watch.invalid
    assert 0.0 < end - start <= 2 * PERIOD_S + 1e-6
    assert 0.99 < watch.valid_share < 1.0


def test_less_light_on_a_loop_that_holds_is_no_loss(
    up: Supervisor, chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    chain[0].witness, chain[0].dimmer = 0.6, True
    clock.sleep(SOON_S)
    assert up.losses == []
    assert chain[0].done == ["confirm"]


def test_losing_the_source_holds_what_needs_it_and_brings_it_back_in_order(
    up: Supervisor, chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    told: list[str] = []
    up.tell = lambda level, name, text: told.append(f"{name}: {level}")
    with up.watch(["lo1"]) as watch:
        chain[0].witness = chain[1].witness = chain[2].witness = 0.0
        clock.sleep(DETECTED_S)
        assert states(up)["lo1"] == states(up)["lo2"] == "hold"
        assert not chain[1].closed  # before it ran to a rail
        clock.sleep(2 * SOON_S)
    assert [loss.loop for loss in up.losses] == ["length"]
    assert set(states(up).values()) == {"locked"}
    assert [line for line in told if line.endswith("info")] == ["length: info", "lo1: info", "lo2: info"]
    assert chain[1].done == ["hold", "acquire here", "confirm"]
    assert not watch.verdict().locked  # lo1 was held, and its data are not believed
    assert "length" in watch.verdict().reason or "lo1" in watch.verdict().reason


def test_the_ladder_is_climbed_and_ends_with_a_person(
    up: Supervisor, chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    alarms: list[str] = []
    up.tell = lambda level, name, text: alarms.append(text) if level == "error" else None
    chain[1].error, chain[1].refusals = 1.0, 1000
    clock.sleep(120.0)
    tried = [line.removeprefix("acquire ") for line in chain[1].done if line.startswith("acquire")]
    assert tried == [str(rung.reach) for rung in LADDER]
    assert up.machines["lo1"].state is LockState.STALLED
    assert alarms == ["lo1: nothing there. Look. A person must look."]
    assert states(up)["lo2"] == "locked"


def test_losses_beyond_the_budget_stall_the_loop(clock: SimulatedClock) -> None:
    loop = ScriptedLoop("lo1", clock)
    supervisor = Supervisor({"lo1": loop}, {}, clock, relocks_per_hour={"lo1": 3})  # type: ignore[dict-item]
    supervisor.bring_up(["lo1"], clock.sleep)
    for _ in range(10):
        loop.error = 1.0
        clock.sleep(30.0)
    assert len(supervisor.losses) == 4
    assert supervisor.machines["lo1"].state is LockState.STALLED
    assert "Lost 4 times within an hour" in supervisor.machines["lo1"].why


@given(st.lists(st.floats(0.0, 2000.0), min_size=1, max_size=40), st.integers(0, 12))
@settings(derandomize=True)
def test_a_budget_never_allows_more_than_it_has_in_any_hour(waits: list[float], per_hour: int) -> None:
    budget, now, allowed = RelockBudget(per_hour), 0.0, []
    for wait_s in waits:
        now += wait_s
        if budget.spend(now):
            allowed.append(now)
        assert 0 <= budget.left(now) <= per_hour
    for at in allowed:
        assert sum(at - 3600.0 < other <= at for other in allowed) <= max(per_hour, 0)


def test_an_instrument_that_is_away_is_a_fault_and_ends_the_trace_until_it_answers(
    up: Supervisor, chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    with up.watch(["lo1"]) as watch:
        clock.sleep(5.0)
        chain[1].broken = NoReply("scan", "nothing came back", command="ANALOG:PIN? AIN0")
        clock.sleep(1.0)
        assert up.machines["lo1"].state is LockState.FAULT
        assert "scan" in up.machines["lo1"].why
        assert not watch.still_good()
    chain[1].broken = None
    clock.sleep(20.0)
    assert up.machines["lo1"].is_locked


# ---- holding, taking over, hopping -----------------------------------------------------------------------------------


def test_a_held_loop_stays_held_until_it_is_asked_for_again(
    up: Supervisor, chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    up.hold(["length"], "Beams are blocked.")
    clock.sleep(60.0)
    assert set(states(up).values()) == {"hold"}
    assert not any("acquire" in line for loop in chain for line in loop.done)
    up.bring_up(["lo1"], clock.sleep)
    assert states(up) == {"length": "locked", "lo1": "locked", "lo2": "hold"}


def test_a_held_loop_follows_the_drift_that_it_knew_for_a_while(clock: SimulatedClock) -> None:
    source, loop = ScriptedLoop("length", clock), ScriptedLoop("lo1", clock, drift_v_per_s=0.1)
    supervisor = supervise([source, loop], lo1=["length"])
    supervisor.bring_up(["lo1"], clock.sleep)
    clock.sleep(10.0)
    source.witness, source.refusals = 0.0, 2
    clock.sleep(1.0)
    held_v = loop.output_v
    clock.sleep(3.0)
    assert loop.output_v - held_v == pytest.approx(0.3, abs=0.12)
    assert "coast" in loop.done


def test_a_loop_near_its_rail_hops_when_nobody_takes_data(clock: SimulatedClock) -> None:
    loop = ScriptedLoop("lo1", clock, drift_v_per_s=0.02)
    supervisor = supervise([loop])
    supervisor.bring_up(["lo1"], clock.sleep)
    with supervisor.watch(["lo1"]) as watch:
        clock.sleep(0.85 * LIMIT_V / 0.02)
        assert "unwind" not in loop.done  # it waits for the end of the trace
    assert watch.verdict().locked
    clock.sleep(5.0)
    assert loop.done.count("unwind") == 1
    assert abs(loop.output_v) < PERIOD_V
    with supervisor.watch(["lo1"]) as watch:
        clock.sleep(LIMIT_V / 0.02 + 30.0)
        assert loop.done.count("unwind") == 2  # a rail does not wait
    assert abs(loop.output_v) < LIMIT_V
    assert len(watch.invalid) == 1
    assert watch.verdict().locked  # a hop is short against the trace


def test_what_the_hardware_holds_is_taken_over_and_never_opened(
    chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    for loop in chain[:2]:
        loop.held_by_hardware = True
    supervisor = supervise(chain, lo1=["length"], lo2=["length"])
    assert supervisor.take_over({loop.name: {"at": 0.0} for loop in chain}) == ["length", "lo1"]
    clock.sleep(3.0)
    assert states(supervisor) == {"length": "locked", "lo1": "locked", "lo2": "off"}
    assert chain[0].done == chain[1].done == ["confirm"]
    assert chain[2].done == []


def test_a_release_that_takes_a_while_is_not_looked_at_half_way(
    chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    chain[0].acquiring_s, chain[0].release_s = 10.0, 2.0
    supervisor = supervise(chain, lo1=["length"])
    supervisor.request(["lo1"])
    clock.sleep(1.0)
    supervisor.release(["length"])
    clock.sleep(1.0)
    supervisor._require_running()
    assert states(supervisor) == {"length": "off", "lo1": "off", "lo2": "off"}


def test_stopping_leaves_every_servo_as_it_is(up: Supervisor, chain: list[ScriptedLoop], clock: SimulatedClock) -> None:
    up.stop()
    clock.sleep(10.0)
    assert all(loop.closed and loop.done == [] for loop in chain)
    with pytest.raises(LockError, match="no longer watched"), up.watch(["lo1"]) as watch:
        up.stop()
        watch.still_good()


def test_evidence_of_a_loss_reaches_from_five_seconds_before_to_five_after(
    up: Supervisor, chain: list[ScriptedLoop], clock: SimulatedClock
) -> None:
    found = []
    up.on_loss = found.append
    clock.sleep(10.0)
    chain[2].error = 1.2
    clock.sleep(8.0)
    (evidence,) = found
    assert isinstance(evidence.loss, Loss)
    assert evidence.loops == ("length", "lo1", "lo2")
    assert evidence.time_s[0] == pytest.approx(evidence.loss.at - 5.0, abs=0.2)
    assert evidence.time_s[-1] == pytest.approx(evidence.loss.detected_at + 5.0, abs=0.2)
    assert evidence.error.shape == (3, evidence.time_s.size)
    at_loss = int(abs(evidence.time_s - evidence.loss.at).argmin())
    assert abs(evidence.error[2, at_loss - 5]) < 0.1 < 1.0 < evidence.error[2, at_loss]


# ---- the table of states ---------------------------------------------------------------------------------------------


def test_every_state_can_be_left_and_reached() -> None:
    assert set(FOLLOWS) == set(LockState)
    for state in LockState:
        assert FOLLOWS[state] - {state}
        assert any(state in following for other, following in FOLLOWS.items() if other is not state)
        assert LockState.OFF in FOLLOWS[state]  # whatever happens, it can be let go


def test_data_are_only_carried_by_a_proven_lock() -> None:
    for state in ACQUIRING - {LockState.VERIFY} | {LockState.HOLD, LockState.RELOCK}:
        assert LockState.SUSPECT not in FOLLOWS[state]
    assert LockState.LOCKED not in FOLLOWS[LockState.HOLD]
    assert LockState.LOCKED not in FOLLOWS[LockState.RELOCK]
    assert LockState.LOCKED not in FOLLOWS[LockState.STALLED]


HAPPENINGS = ["kick", "dark", "dim", "break", "mend", "refuse", "hold", "want", "release", "drift", "calm"]


@given(st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 2), st.floats(0.05, 20.0)), max_size=30))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_whatever_happens_no_forbidden_step_is_taken_and_nothing_runs_at_a_rail(
    happenings: list[tuple[str, int, float]],
) -> None:
    clock = SimulatedClock(SteppedTime())
    loops = [ScriptedLoop(name, clock) for name in ("length", "lo1", "lo2")]
    supervisor = supervise(loops, lo1=["length"], lo2=["length"])
    supervisor.request(["lo1", "lo2"])
    for what, which, seconds in happenings:
        loop = loops[which]
        match what:
            case "kick":
                loop.error = 1.0
            case "dark":
                loop.witness = 0.0
            case "dim":
                loop.witness, loop.dimmer = 0.6, True
            case "break":
                loop.broken = NoReply("scan", "nothing came back", command="ANALOG:PIN? AIN0")
            case "mend":
                loop.broken, loop.refusals = None, 0
            case "refuse":
                loop.refusals = 3
            case "hold":
                supervisor.hold([loop.name], "Held.")
            case "want":
                supervisor.request([loop.name])
            case "release":
                supervisor.release([loop.name])
            case "drift":
                loop.drift_v_per_s = 0.05
            case "calm":
                loop.drift_v_per_s = 0.0
        clock.sleep(seconds)
        supervisor._require_running()  # an error in a tick would have ended the task
        for machine in supervisor.machines.values():
            if machine.carries_data and machine.loop.closed:  # type: ignore[attr-defined]
                assert abs(machine.loop.output_v) <= LIMIT_V  # type: ignore[attr-defined]
            if machine.state is LockState.HOLD:
                assert not machine.loop.closed  # type: ignore[attr-defined]
