"""How fast and in which order a table becomes safe: within a second, each device no faster than it may."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from station_bench import Bench, open_bench, station_file

from drivers.errors import NoReply, Refused
from drivers.srs.sim900 import SIM900
from drivers.thorlabs.mdt693b import PiezoChannel
from labctl.errors import Stopped
from labctl.station.bindings.coming_to_rest import largest_servo_step_v
from labctl.station.bindings.environment import SHUTTER_S
from labctl.station.bindings.loops import LARGEST_FREE_JUMP_V
from labctl.station.bindings.piezo import RAMP_STEP_S
from labctl.station.safe_state import HEAT_PATIENCE_S

WITHIN_S = 1.0
ROUNDING_V = 3e-3
ON_THE_WIRE_S = 1e-3  # longer for a longer number
BIAS_V = 75.0
OUTPUTS_V = {"opa_length": 1.6, "pump_phase": -0.8, "lo1": 2.0, "lo2": -0.8, "lo3": 0.5, "lo4": -0.5}
BARELY_PER_S = 0.01


def in_use(bench: Bench, outputs_v: dict[str, float] = OUTPUTS_V) -> Bench:
    """Put a table in use: light, every piezo at its bias, every servo closed at an output as a lock has it."""
    station = bench.station
    station.raise_piezos()
    for shutter in station.shutters.values():
        shutter.open()
    for name, volts in outputs_v.items():
        station.servos[name].set_output(volts)
        station.servos[name].close_loop(0.0, BARELY_PER_S)
    bench.forget()
    return bench


def moves(voltages: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return time and new voltage of each change in a record of a piezo."""
    return [(at, after) for (_, before), (at, after) in pairwise([(0.0, BIAS_V), *voltages]) if after != before]


# ---- how fast -------------------------------------------------------------------------------------------------------


def test_a_table_in_use_is_safe_within_a_second(bench: Bench) -> None:
    in_use(bench)
    began_at = bench.clock.now()
    assert bench.station.make_safe() == []
    assert bench.clock.now() - began_at < WITHIN_S
    assert not any(bench.table.shutters.values())
    for name in OUTPUTS_V:
        assert bench.servo(name).output_volts() == 0.0 and not bench.servo(name).settings.closed
    assert {voltages[-1][1] for voltages in bench.voltages.values()} == {0.0}
    assert all(piezo.commanded_v == 0.0 for piezo in bench.station.piezos.values())


def test_what_is_at_rest_is_only_looked_at(bench: Bench) -> None:
    in_use(bench)
    bench.station.make_safe()
    bench.forget()
    outputs = {name: bench.record_outputs(name) for name in OUTPUTS_V}
    began_at = bench.clock.now()
    assert bench.station.make_safe() == []
    assert bench.clock.now() - began_at < 0.8 * WITHIN_S
    assert all(sent.count(b"voltage=") <= 3 for name, sent in bench.sent.items() if name.startswith("piezo"))
    assert not any(volts for output in outputs.values() for _, volts in output)


@pytest.mark.parametrize("to_safe", [None, 100.0])
def test_only_the_way_to_safe_may_be_faster_than_other_ramps(to_safe: float | None) -> None:
    limits = {} if to_safe is None else {"slew_to_safe": f"{to_safe} V/s"}
    file = station_file(piezo_limits=limits)
    if to_safe is None:
        assert file.piezo_limits is not None
        file = file.model_copy(update={"piezo_limits": file.piezo_limits.model_copy(update={"slew_to_safe": None})})
    bench = open_bench(file)
    piezo, fastest = bench.station.piezos["cavity1"], 50.0 if to_safe is None else to_safe
    piezo.ramp_to(BIAS_V)
    up, bench.voltages["cavity1"] = bench.voltages["cavity1"], []
    assert bench.station.make_safe() == []
    down = moves(bench.voltages["cavity1"])
    assert 0.95 < (down[-1][0] - down[0][0]) / (BIAS_V / fastest - RAMP_STEP_S) < 1.6  # other wires have their turns
    for record, slew in ((moves(up), 50.0), (down, fastest)):
        for (at, before), (then, after) in pairwise(record):
            assert abs(after - before) <= slew * (then - at + ON_THE_WIRE_S) + ROUNDING_V
            assert abs(after - before) <= slew * RAMP_STEP_S + ROUNDING_V


def test_a_step_of_a_servo_moves_its_piezo_no_further_than_a_ramp() -> None:
    assert largest_servo_step_v(200.0, 15.0) == pytest.approx(20.0 / 15.0)
    assert largest_servo_step_v(50.0, 15.0) == LARGEST_FREE_JUMP_V  # which every servo may do


def servo_step_v(bench: Bench) -> float:
    """Return the largest step of a servo on its way to rest, by the limits of the station."""
    limits = bench.station.file.piezo_limits
    assert limits is not None
    return largest_servo_step_v(limits.fastest_to_safe, limits.servo_gain)


@pytest.mark.parametrize("volts", [4.5, -4.5])
def test_a_servo_at_its_limit_comes_down_in_steps(bench: Bench, volts: float) -> None:
    in_use(bench, OUTPUTS_V | {"lo2": volts})
    outputs = bench.record_outputs("lo2")
    assert bench.station.make_safe() == []
    steps = [after - before for (_, before), (_, after) in pairwise(outputs)]
    assert max(map(abs, steps)) <= servo_step_v(bench) + 2e-3
    assert outputs[-1][1] == 0.0
    assert sum(abs(step) > 1e-3 for step in steps) == math.ceil(abs(volts) / servo_step_v(bench))


# ---- in which order -------------------------------------------------------------------------------------------------


def test_a_piezo_waits_until_its_servo_lets_go_and_light_is_off_before(bench: Bench) -> None:
    in_use(bench)
    outputs = {name: bench.record_outputs(name) for name in OUTPUTS_V}
    scan = bench.simulation.instruments["scan"]
    sent_at: list[float] = []
    on_bytes = scan.on_bytes
    scan.on_bytes = lambda data: (sent_at.append(bench.clock.now()), on_bytes(data))[1]  # type: ignore[method-assign]
    bench.station.make_safe()
    dark_at = max(sent_at) + SHUTTER_S
    for name in OUTPUTS_V:
        assert dark_at < outputs[name][1][0] < moves(bench.voltages[name])[0][0]
    last_servo_at = max(output[-1][0] for output in outputs.values())
    assert moves(bench.voltages["cavity1"])[-1][0] < last_servo_at  # together, not one after the other


def test_those_who_would_bring_light_back_end_first(bench: Bench) -> None:
    seen: list[bool] = []
    bench.station.shutters["pump"].open()
    bench.station.before_safe.append(lambda: seen.append(bench.table.shutters["pump"]))
    bench.station.before_safe.append(bench.station.shutters["signal"].open)
    (problem,) = bench.station.make_safe()
    assert seen == [True]
    assert problem.startswith("the locks could not be made safe: The table is being made safe")
    assert not any(bench.table.shutters.values())


# ---- what somebody else did -----------------------------------------------------------------------------------------


def test_an_output_that_somebody_turned_by_hand_does_not_jump(bench: Bench) -> None:
    bench.station.servos["lo2"].set_output(0.0)
    twin = bench.servo("lo2")
    twin.apply(replace(twin.settings, manual_output_v=3.0))
    outputs = bench.record_outputs("lo2")
    assert bench.station.make_safe() == []
    assert outputs[0][1] == 3.0 and outputs[-1][1] == 0.0
    assert max(abs(after - before) for (_, before), (_, after) in pairwise(outputs)) < servo_step_v(bench) + 2e-3


def test_an_output_that_moved_a_moment_ago_is_not_taken_from_its_slow_monitor(bench: Bench) -> None:
    servo = bench.station.servos["lo2"]
    servo.set_output(4.0)
    servo.state()  # the monitor shows 4 V for half a second from here
    servo.set_output(0.4)
    outputs = bench.record_outputs("lo2")
    assert bench.station.make_safe() == []
    assert max(volts for _, volts in outputs) == pytest.approx(0.4)


def test_a_shutter_whose_board_was_switched_off_and_on_is_driven_again(bench: Bench) -> None:
    bench.station.shutters["pump"].open()
    driver = bench.station.driver("scan")
    driver.gate_with(None)  # as if the board had woken up so
    driver.write("DIG:PIN:DIR IN,DIO2_P")
    assert bench.station.make_safe() == []
    assert not bench.table.shutters["pump"]


def test_an_amplifier_that_echoes_again_since_its_power_was_cut_is_understood(bench: Bench) -> None:
    in_use(bench)
    amplifier = bench.station.driver("piezo_b")
    with amplifier.transaction():
        amplifier.write("echo=1")
        amplifier.read()
    assert bench.station.make_safe() == []
    assert bench.voltages["lo1"][-1][1] == bench.voltages["lo2"][-1][1] == 0.0


# ---- what fails -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("silent", ["scan", "servos", "piezo_a", "analyzer"])
def test_a_silent_instrument_costs_the_others_one_time_out(silent: str) -> None:
    bench = in_use(open_bench(station_file([{"instrument": silent, "kind": "silent", "after": 60.0}])))
    bench.clock.sleep(60.5 - bench.clock.now())
    began_at = bench.clock.now()
    outputs = {name: bench.record_outputs(name) for name in OUTPUTS_V}
    bench.forget()
    problems = bench.station.make_safe()
    assert f": {silent}: did not answer in time" in problems[0]
    assert all(f": {silent}: " in problem for problem in problems)
    time_out_s = bench.file.instruments[silent].timeout
    amplifiers = {name: loop.piezo.instrument for name, loop in bench.file.loops.items()}
    for name, voltages in bench.voltages.items():
        if amplifiers[name] != silent:
            assert voltages[-1][1] == 0.0
            at_rest_at = moves(voltages)[-1][0]
            assert at_rest_at - began_at < time_out_s + WITHIN_S + 0.2
    if silent != "servos":
        assert max(output[-1][0] for output in outputs.values()) - began_at < time_out_s + WITHIN_S + 0.2
        assert all(bench.servo(name).output_volts() == 0.0 for name in OUTPUTS_V)


def test_a_silent_instrument_is_asked_once_whether_it_is_there() -> None:
    bench = open_bench(station_file([{"instrument": "servos", "kind": "silent", "after": 10.0}]))
    bench.clock.sleep(10.5 - bench.clock.now())
    bench.forget()
    problems = bench.station.make_safe()
    servos = [problem for problem in problems if problem.startswith("servo ")]
    unknown = [problem for problem in problems if "its set point is not known" in problem]
    assert len(servos) == len(unknown) == len(OUTPUTS_V) and len(problems) == 2 * len(OUTPUTS_V)
    assert bench.sent["servos"].count(b"NINP?") <= 2  # and not for each of the six modules


def test_a_reply_that_is_lost_once_leaves_no_loop_closed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    in_use(bench)
    read_reply, lost = SIM900.read_reply, iter([True])

    def lose_one(self: SIM900, port: int, command: str = "") -> str:
        text = read_reply(self, port, command)
        if port == bench.file.loops["lo3"].servo.slot and next(lost, False):  # type: ignore[union-attr]
            raise NoReply("servos", "did not answer in time", command=command)
        return text

    monkeypatch.setattr(SIM900, "read_reply", lose_one)
    assert bench.station.make_safe() == []
    assert bench.servo("lo3").output_volts() == 0.0 and not bench.servo("lo3").settings.closed


def test_a_module_that_refuses_is_told_again_and_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    in_use(bench)
    module = bench.station.servos["lo3"]._module  # type: ignore[union-attr]
    bench.station.driver("servos").gate_with(None)  # which knows no such command
    module.write("NONSENSE")  # an error of somebody's earlier command is none of ours
    assert bench.station.make_safe() == []
    assert bench.servo("lo3").output_volts() == 0.0
    twin = bench.simulation.instruments["servos"].modules[module.id]  # type: ignore[attr-defined]
    monkeypatch.delitem(twin.commands, "MOUT")
    twin.commands.pop("AMAN")
    (problem,) = bench.station.make_safe()
    assert problem.startswith("servo lo3 could not be made safe: servos: the SIM960 in slot 5 refused")


def test_a_set_point_that_an_amplifier_refuses_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    in_use(bench)
    bench.station.driver("piezo_b").gate_with(None)  # as if somebody else had set it
    bench.station.driver("piezo_b").write("xmin=60.000")
    bench.station.driver("piezo_b").read()
    (problem,) = bench.station.make_safe()
    assert problem.startswith("piezo lo2 could not be made safe: piezo_b: did not accept a set point")
    assert bench.voltages["lo1"][-1][1] == bench.voltages["lo3"][-1][1] == 0.0
    assert bench.station.piezos["lo2"].commanded_v is None


def test_the_oven_goes_off_even_where_another_never_comes_to_rest() -> None:
    fault = {"instrument": "servos", "kind": "silent", "after": 60.0}
    bench = in_use(open_bench(station_file([fault], oven={"at_shutdown": "off"})))
    bench.station.oven.set_target(30.0, 0.02)
    bench.clock.sleep(60.5 - bench.clock.now())
    assert len(bench.station.make_safe()) == len(OUTPUTS_V)
    bench.clock.sleep(HEAT_PATIENCE_S)
    assert bench.table.oven.output_current_a() == 0.0


# ---- what was under way ----------------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(bench: Bench) -> Iterator[Bench]:
    """A table that is made safe, once, by a task of the clock 0.4 s from now."""
    told: list[list[str]] = []
    station = bench.station
    station.servos["lo1"].set_output(0.0)
    task = bench.clock.every(0.4, lambda: (told.append(station.make_safe()), task.cancel())[0], "stop")
    yield bench
    assert told == [[]]
    assert all(piezo.volts_now() == 0.0 for piezo in map(bench.piezo, ["cavity1", "lo1"]))


def test_a_ramp_of_a_piezo_ends(interrupted: Bench) -> None:
    with pytest.raises(Stopped, match="made safe meanwhile"):
        interrupted.station.piezos["cavity1"].ramp_to(150.0)
    interrupted.station.piezos["cavity2"].ramp_to(5.0)  # the next one goes again


def test_a_servo_on_its_way_ends(interrupted: Bench) -> None:
    with pytest.raises(Stopped, match="made safe meanwhile"):
        interrupted.station.servos["lo1"].set_output(4.5)
    assert interrupted.servo("lo1").output_volts() == 0.0


def test_a_loop_that_hops_is_not_closed_again(interrupted: Bench) -> None:
    with pytest.raises(Stopped, match="made safe meanwhile"):
        interrupted.station.servos["lo1"].hop(4.5)
    assert not interrupted.servo("lo1").settings.closed


def test_a_stop_ends_a_ramp_before_the_table_is_made_safe(bench: Bench) -> None:
    station = bench.station
    bench.clock.every(0.4, station.way.end_motions, "stop")
    with pytest.raises(Stopped):
        station.piezos["cavity1"].ramp_to(150.0)
    assert 0.0 < bench.piezo("cavity1").volts_now() < 50.0
    station.piezos["cavity2"].ramp_to(5.0)


def test_nothing_begins_while_a_table_is_made_safe(bench: Bench) -> None:
    station = bench.station
    station.piezos["cavity1"].ramp_to(10.0)
    with station.way.taken(), station.way.taken():  # by two at once, as from two threads
        for move in (
            lambda: station.piezos["lo1"].ramp_to(5.0),
            lambda: station.cavity_piezos["cavity1"].step_to(11.0),
            lambda: station.servos["lo1"].set_output(1.0),
            lambda: station.servos["lo1"].close_loop(0.0, 1.0),
            lambda: station.servos["lo1"].hop(1.0),
            station.shutters["pump"].open,
        ):
            with pytest.raises(Stopped, match="being made safe"):
                move()
        station.servos["lo1"].hold()
        station.shutters["pump"].close()
    station.cavity_piezos["cavity1"].step_to(11.0)


def test_the_channel_of_an_amplifier_keeps_to_its_own_range(bench: Bench) -> None:
    piezo = bench.station.piezos["cavity1"]
    channel = piezo._channel
    assert isinstance(channel, PiezoChannel)
    bench.station.driver("piezo_c").gate_with(None)  # which refuses it before
    with pytest.raises(Refused), piezo.amplifier.transaction():
        piezo.amplifier.write("xvoltage=151")
        piezo.told_taken()
