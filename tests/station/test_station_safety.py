"""Leaving the table safe: the order, one broken device that stops nobody else, and doing it twice; health, settings,
and roles that a table does not have."""

from __future__ import annotations

import json
import time
from itertools import groupby, pairwise

import pytest
from station_bench import CONFIG, Bench, open_bench, station_file

from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import station_text
from labctl.errors import ConfigurationError
from labctl.station.bindings.piezo import RAMP_STEP_S
from labctl.station.bring_up import link_to, open_station

BREAKS_AT_S = 200.0  # lab time by which every test has its table in use
IN_USE_V = 1.0
ROUNDING_V = 3e-3  # a step of the amplifier's converter

STAGE = {"scan": "light", "servos": "servo", "oven": "heat"} | dict.fromkeys(
    ["piezo_a", "piezo_b", "piezo_c", "piezo_d"], "piezo"
)


def in_use(file: StationFile | None = None) -> Bench:
    """Return a table with everything on: light, oven, piezos at their bias, one loop closed, the others off zero."""
    bench = open_bench(file)
    station = bench.station
    station.oven.set_target(30.0, 0.02)
    station.raise_piezos()
    for shutter in station.shutters.values():
        shutter.open()
    for servo in station.servos.values():
        servo.set_output(IN_USE_V)
    station.servos["lo1"].close_loop(0.0, 100.0)
    assert bench.clock.now() < BREAKS_AT_S
    bench.clock.sleep(BREAKS_AT_S - bench.clock.now())
    bench.forget()
    return bench


def is_safe(bench: Bench, *, besides: str = "") -> bool:
    """Return whether light, servos and piezos of the table are as `make_safe` should leave them, besides one device."""
    file = bench.file
    servos = [bench.servo(name) for name, loop in file.servo_loops.items() if loop.servo.instrument != besides]
    piezos = [
        name
        for name, instrument in [
            *((name, loop.piezo.instrument) for name, loop in file.loops.items()),
            *((name, piezo.instrument) for name, piezo in file.piezos.items()),
        ]
        if instrument != besides
    ]
    return (
        all(servo.output_volts() == 0.0 and not servo.settings.closed for servo in servos)
        and all(bench.voltages[name] and bench.voltages[name][-1][1] == 0.0 for name in piezos)
        and (besides == "servos" or all(bench.piezo(name).volts_now() == 0.0 for name in piezos))
        and (besides == "scan" or not any(bench.table.shutters.values()))
    )


def test_everything_is_closed_and_at_zero_and_the_oven_holds() -> None:
    bench = in_use()
    assert not is_safe(bench)
    assert bench.station.make_safe() == []
    assert is_safe(bench)
    assert bench.station.oven.regulating()
    assert bench.table.oven.output_current_a() != 0.0


def test_the_oven_is_switched_off_where_the_file_says_so() -> None:
    bench = in_use(station_file(oven={"at_shutdown": "off"}))
    assert bench.station.make_safe() == []
    bench.clock.sleep(1.0)
    assert is_safe(bench)
    assert bench.table.oven.output_current_a() == 0.0


def test_light_goes_first_then_servos_then_high_voltage_then_heat() -> None:
    bench = in_use(station_file(oven={"at_shutdown": "off"}))
    assert bench.station.make_safe() == []
    assert set(bench.order) >= set(STAGE)
    stages = [STAGE.get(name, "rest") for name in bench.order]
    assert list(dict.fromkeys(stages)) == ["light", "rest", "servo", "piezo", "heat"]
    parts = [stage for stage, _ in groupby(stages)]
    assert parts.count("light") == parts.count("heat") == 1  # servos and high voltage go down together
    assert parts[-1] == "heat"


def test_loops_open_before_those_that_they_need_and_nothing_jumps() -> None:
    bench = in_use()
    opened: list[str] = []
    outputs = {name: bench.record_outputs(name) for name in bench.file.servo_loops}
    bench.station.make_safe()
    limits = bench.station.piezo_limits
    largest_step_v = limits.fastest_to_safe * RAMP_STEP_S + ROUNDING_V
    opened = sorted(outputs, key=lambda name: outputs[name][1][0])
    for name, loop in bench.file.servo_loops.items():
        assert all(opened.index(name) < opened.index(needed) for needed in loop.needs if needed in opened)
    for name, voltages in bench.voltages.items():
        steps = [after - before for (_, before), (_, after) in pairwise(voltages)]
        assert all(abs(step) <= largest_step_v for step in steps), name


def test_making_it_safe_twice_changes_nothing_more() -> None:
    bench = in_use()
    assert bench.station.make_safe() == []
    bench.voltages.clear()
    assert bench.station.make_safe() == []
    assert is_safe(bench)
    assert all(volts == 0.0 for voltages in bench.voltages.values() for _, volts in voltages)


def test_a_table_that_was_never_used_is_made_safe() -> None:
    bench = open_bench()
    assert bench.station.make_safe() == []
    assert is_safe(bench)


@pytest.mark.parametrize(
    ("broken", "devices"),
    [
        ("scan", ["shutter local_oscillator", "shutter pump", "shutter signal"]),
        ("analyzer", ["analyzer"]),
        ("picomotors", ["mirror sensor1", "mirror sensor2", "mirror sensor3", "mirror sensor4"]),
        ("servos", ["servo lo4", "servo lo3", "servo lo2", "servo lo1", "servo pump_phase", "servo opa_length"]),
        ("piezo_a", ["piezo opa_length", "piezo pump_phase", "piezo lo1"]),
        ("piezo_d", ["piezo cavity4"]),
        ("oven", ["oven"]),
    ],
)
@pytest.mark.parametrize("kind", ["silent", "garbage"])
def test_one_broken_device_is_named_and_stops_nobody_else(broken: str, devices: list[str], kind: str) -> None:
    fault = {"instrument": broken, "kind": kind, "after": BREAKS_AT_S}
    bench = in_use(station_file([fault], oven={"at_shutdown": "off"}))
    started = time.perf_counter()
    problems = bench.station.make_safe()
    assert time.perf_counter() - started < 5.0
    assert sorted(problem.split(" could not be made safe: ")[0] for problem in problems) == sorted(devices)
    assert all(f": {broken}: " in problem or f"slot {broken}" in problem for problem in problems)
    assert is_safe(bench, besides=broken)
    assert broken == "oven" or bench.table.oven.output_current_a() == 0.0


def test_a_fault_of_the_program_stops_nobody_else_either() -> None:
    bench = in_use()
    bench.station.__dict__["shutters"] = {}  # every shutter is a KeyError
    problems = bench.station.make_safe()
    assert [problem.split(" could")[0] for problem in problems] == [
        f"shutter {name}" for name in ("local_oscillator", "pump", "signal")
    ]
    assert all(servo.output_volts() == 0.0 for servo in map(bench.servo, bench.file.servo_loops))


def test_an_interrupt_leaves_nothing_half_safe() -> None:
    bench = in_use()
    bench.clock.every(0.05, bench.clock.interrupt, "impatience")
    assert bench.station.make_safe() == []
    assert is_safe(bench)


# ---- health and settings --------------------------------------------------------------------------------------------


def test_health_asks_everybody_and_names_who_is_silent() -> None:
    faults = [{"instrument": name, "kind": "silent", "after": 10.0} for name in ("analyzer", "oven", "piezo_c")]
    faults += [{"instrument": "servos", "kind": "garbage", "after": 10.0}]
    bench = open_bench(station_file(faults))
    assert [health.name for health in bench.station.health()] == list(bench.file.instruments)
    assert all(health.answers and not health.problem for health in bench.station.health())
    bench.clock.sleep(10.0)
    for _ in range(2):  # and again
        sick = {health.name: health.problem for health in bench.station.health() if not health.answers}
        assert set(sick) == {"analyzer", "oven", "piezo_c", "servos"}
        assert all(problem.startswith(f"{name}: ") for name, problem in sick.items())
    assert all(0.0 < health.latency_s < 2.0 for health in bench.station.health())


def test_health_is_not_stopped_by_a_link_that_has_gone() -> None:
    bench = open_bench()
    bench.station.close()
    bench.station.close()
    for _ in range(2):
        assert [health.answers for health in bench.station.health()] == [False] * len(bench.file.instruments)


def test_settings_are_read_with_their_time_and_a_failure_is_one_of_them() -> None:
    bench = open_bench(station_file([{"instrument": "oven", "kind": "silent", "after": 20.0}]))
    before = bench.clock.now()
    settings = {(setting.instrument, setting.name): setting for setting in bench.station.settings()}
    answering = {"analyzer", "oven", "digitizer", "scan", "monitors", "laser", "pump_meter", "oscillator_meter"}
    assert {instrument for instrument, _ in settings} == answering | {"vacuum"}
    assert settings["analyzer", "average_type"].value == "LOG"
    assert settings["oven", "device_type"].value == "1091"
    assert all(setting.problem == "" for setting in settings.values())
    times = [setting.at for setting in settings.values()]
    assert times == sorted(times)
    assert before <= times[0]
    bench.clock.sleep(20.0)
    failed = [setting for setting in bench.station.settings() if setting.problem]
    assert {setting.instrument for setting in failed} == {"oven"}
    assert all(setting.value == "" and "oven: did not answer" in setting.problem for setting in failed)


# ---- a smaller table ------------------------------------------------------------------------------------------------


def test_a_role_that_the_table_does_not_have_is_named() -> None:
    content = json.loads(station_text(CONFIG))
    for table in ("analyzer", "digitizer", "rf_switch", "scan", "oven", "mirrors", "mirror_limits", "shutters"):
        del content[table]
    for table in ("monitors", "loops", "piezo_limits", "tones", "rotators", "power_meters", "gauges", "laser"):
        del content[table]
    del content["interlocks"]
    content["instruments"] = {name: content["instruments"][name] for name in ("analyzer", "oven")}
    file = StationFile.model_validate(content)
    station = open_station(file, link_to(file))
    for role, key in [("analyzer", "analyzer"), ("rf_switch", "rf_switch"), ("digitizer", "digitizer")]:
        with pytest.raises(ConfigurationError, match=rf"no \[{key}\]\. Add \[{key}\] to the station file"):
            getattr(station, role)
    for role in ("oven", "scan"):
        with pytest.raises(ConfigurationError, match=rf"no \[{role}\]"):
            getattr(station, role)
    assert (station.shutters, station.monitors, station.servos, station.piezos, station.mirrors) == ({},) * 5
    station.raise_piezos()
    assert station.make_safe() == []
    assert [health.answers for health in station.health()] == [True, True]
