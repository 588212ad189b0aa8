"""What drivers read in what they themselves send: the output goes there, and nothing of theirs is an unknown move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from moving_benches import (
    MOVING,
    SETTLING_S,
    Moving,
    MovingTwin,
    board,
    laser,
    motors,
    other_oven,
    oven,
    piezo,
    plates,
    servo,
    tolerance,
    tone,
    wanted,
)

from drivers.moves import Move, MoveKind

Action = Callable[[Any], Any]
STEP = MoveKind.STEP


def slot(driver: Any) -> Any:
    return driver.modules[3]


ACTIONS: list[tuple[Callable[[], MovingTwin], Action, list[Move]]] = [
    (piezo, lambda d: setattr(d.channels["y"], "voltage", 12.5), [Move("y.voltage", 12.5)]),
    (
        piezo,
        lambda d: d.channels["x"].set_limits(0, 90),
        [Move("x.minimum_voltage", 0.0), Move("x.maximum_voltage", 90.0)],
    ),
    (servo, lambda d: setattr(slot(d), "manual_output", -1.25), [Move("module_3.manual_output", -1.25)]),
    (servo, lambda d: slot(d).put_out_unchecked(0.125), [Move("module_3.manual_output", 0.125)]),
    (servo, lambda d: setattr(slot(d), "closed", False), [Move("module_3.closed", 0.0)]),
    (servo, lambda d: slot(d).close_loop(), [Move("module_3.closed", 1.0)]),
    (servo, lambda d: slot(d).open_loop(), [Move("module_3.manual_output", 0.0), Move("module_3.closed", 0.0)]),
    (
        servo,
        lambda d: slot(d).limit_output(-3, 4),
        [Move("module_3.lower_limit", -3.0), Move("module_3.upper_limit", 4.0)],
    ),
    *[
        (servo, (lambda d, name=name, value=value: setattr(slot(d), name, value)), [Move("module_3.terms", 1.0)])
        for name, value in {
            "proportional_gain": -2.0,
            "integral_gain": 100.0,
            "derivative_gain": 1e-4,
            "offset": 0.5,
            "proportional_on": False,
            "integral_on": True,
            "derivative_on": True,
            "offset_on": True,
            "internal_setpoint": True,
            "setpoint": 0.25,
            "ramp": True,
            "ramp_rate": 2.0,
        }.items()
    ],
    (board, lambda d: setattr(d.slow_outputs["AOUT3"], "voltage", 0.7), [Move("slow_AOUT3.voltage", 0.7)]),
    (board, lambda d: setattr(d.pins["DIO0_P"], "direction", "OUT"), [Move("pin_DIO0_P.direction", 1.0)]),
    (
        board,
        lambda d: (setattr(d.pins["DIO0_P"], "direction", "OUT"), setattr(d.pins["DIO0_P"], "level", 1)),
        [Move("pin_DIO0_P.direction", 1.0), Move("pin_DIO0_P.level", 1.0)],
    ),
    (board, lambda d: setattr(d.lights["LED3"], "lit", True), []),
    (
        board,
        lambda d: d.outputs[2].configure("TRIANGLE", 100.0, 0.25, 0.125, -90.0),
        [Move("output_2.amplitude", 0.25), Move("output_2.offset", 0.125)],
    ),
    (board, lambda d: (d.outputs[1].configure_burst(2, 5, 0.1), d.outputs[1].start(), d.start_outputs()), []),
    (board, lambda d: (d.outputs[1].set_table([0.0, 0.5, -1.0]), d.outputs[1].read_table()), []),
    (board, lambda d: setattr(d.outputs[1], "on", True), [Move("output_1.on", 1.0)]),
    (board, lambda d: setattr(d.outputs[1], "initial_value", -0.2), [Move("output_1.initial_value", -0.2)]),
    (board, lambda d: setattr(d.outputs[1], "last_value", 0.3), [Move("output_1.last_value", 0.3)]),
    (board, lambda d: setattr(d.outputs[1], "load", "L50"), [Move("output_1.load", 50.0)]),
    (board, lambda d: setattr(d.outputs[1], "load", "INF"), []),
    *[
        (board, (lambda d, name=name, value=value: setattr(d.outputs[1], name, value)), [])
        for name, value in {
            "function": "SQUARE",
            "frequency": 12.5,
            "phase_deg": 90.0,
            "duty_cycle": 0.25,
            "mode": "BURST",
            "burst_cycles": 3,
            "burst_repetitions": 4,
            "burst_period": 0.5,
            "trigger_source": "EXT_PE",
        }.items()
    ],
    (board, lambda d: (d.arm(64), d.stop(), d.slow_input_volts(["AIN0", "AIN1"])), []),
    (board, lambda d: list(d.deep_record([1, 2], 64, 1)), []),
    *[
        (board, (lambda d, name=name: setattr(d, name, True)), [])
        for name in ("heartbeat_light", "averaging", "shares_trigger", "split_trigger")
    ],
    (
        oven,
        lambda d: setattr(d.ch_1, "target_temperature_c", 31.5),
        [Move("ch_1.target_temperature_c", 31.5), Move("ch_1.target_temperature_c", 31.5)],
    ),
    (oven, lambda d: setattr(d.ch_1, "output_enabled", False), [Move("ch_1.output_enabled", 0.0)]),
    (oven, lambda d: setattr(d.ch_1, "coarse_ramp_k_per_s", 0.25), [Move("ch_1.coarse_ramp_k_per_s", 0.25)]),
    *[
        (oven, (lambda d, name=name: setattr(d.ch_1, name, 7.0)), [])
        for name in (
            "proximity_width_k",
            "stability_deviation_k",
            "stability_time_s",
            "lower_temperature_limit_c",
        )
    ],
    (oven, lambda d: setattr(d, "watchdog_s", 0.0), []),
    (other_oven, lambda d: setattr(d, "target_temperature_c", 30.25), [Move("target_temperature_c", 30.25)]),
    (other_oven, lambda d: setattr(d, "lower_target_limit_c", 27.0), [Move("lower_target_limit_c", 27.0)]),
    (other_oven, lambda d: setattr(d, "upper_target_limit_c", 40.0), [Move("upper_target_limit_c", 40.0)]),
    (other_oven, lambda d: setattr(d, "current_limit_a", 1.5), [Move("current_limit_a", 1.5)]),
    (other_oven, lambda d: setattr(d, "output_enabled", False), [Move("output_enabled", 0.0)]),
    (other_oven, lambda d: (setattr(d, "proportional_gain_a_per_k", 2.0), d.cancel_auto_tune()), []),
    (plates, lambda d: d.rotators[10].start_move(90.0), [Move("rotator_10.angle_deg", 90.0)]),
    (plates, lambda d: d.rotators[0].start_move_by(-12.0), [Move("rotator_0.angle_deg", -12.0, STEP)]),
    (plates, lambda d: d.rotators[0].start_home(), [Move("rotator_0.angle_deg", 0.0)]),
    (plates, lambda d: setattr(d.rotators[0], "velocity_percent", 50), []),
    (plates, lambda d: (setattr(d.rotators[0], "jog_step_deg", 3.0), d.rotators[0].stop()), []),
    (
        motors,
        lambda d: d.controllers[2].axes[4].move_by(-40),
        [
            Move("controller_2.axis_4.target_position", -40.0, STEP),
        ],
    ),
    (
        motors,
        lambda d: setattr(d.controllers[1].axes[1], "target_position", 55),
        [Move("controller_1.axis_1.target_position", 55.0)],
    ),
    (motors, lambda d: setattr(d.controllers[1].axes[1], "home", 5), [Move("controller_1.axis_1.home", 5.0)]),
    (motors, lambda d: setattr(d.controllers[2].axes[4], "velocity", 500), []),
    (motors, lambda d: setattr(d.controllers[2].axes[4], "acceleration", 500), []),
    (motors, lambda d: (d.stop(), d.abort_motion(), d.safe_state(), d.controllers[2].axes[4].stop()), []),
    (laser, lambda d: setattr(d, "power_setpoint", 0.002), [Move("power_setpoint", 0.002)]),
    (laser, lambda d: setattr(d, "wavelength_setpoint", 1551e-9), [Move("wavelength_setpoint", 1551e-9)]),
    (laser, lambda d: setattr(d, "output_enabled", False), [Move("output_enabled", 0.0)]),
    (laser, lambda d: d.stop_sweep(), []),
    (
        tone,
        lambda d: d.ch_1.start_sine(4.3e6, 0.25),
        [
            Move("ch_1.frequency", 4.3e6),
            Move("ch_1.amplitude", 0.25),
            Move("ch_1.offset", 0.0),
            Move("ch_1.output", 1.0),
        ],
    ),
    (tone, lambda d: setattr(d.ch_2, "amplitude", 0.5), [Move("ch_2.amplitude", 0.5)]),
    (tone, lambda d: setattr(d.ch_2, "offset", -0.5), [Move("ch_2.offset", -0.5)]),
    (tone, lambda d: setattr(d.ch_2, "frequency", 1e4), [Move("ch_2.frequency", 1e4)]),
    (tone, lambda d: setattr(d.ch_2, "phase", 45.0), [Move("ch_2.phase", 45.0)]),
    (tone, lambda d: setattr(d.ch_2, "output", True), [Move("ch_2.output", 1.0)]),
    (tone, lambda d: (setattr(d.ch_1, "output_load", 50.0), setattr(d.ch_1, "amplitude_unit", "VPP")), []),
    (tone, lambda d: setattr(d.ch_1, "output_load", 100.0), [Move("ch_1.output_load", 100.0)]),
    (tone, lambda d: setattr(d.ch_1, "shape", "SIN"), []),
]


@pytest.mark.parametrize(("build", "act", "moves"), ACTIONS)
def test_what_a_driver_sends_moves_what_it_reads(
    build: Callable[[], MovingTwin], act: Action, moves: list[Move]
) -> None:
    bench = build()
    bench.driver.initialise()
    assert bench.gate.take() == []
    before = bench.outputs()
    act(bench.driver)
    read = bench.gate.take()
    assert [(move.output, move.kind) for move in read] == [(move.output, move.kind) for move in moves]
    assert [move.value for move in read] == pytest.approx([move.value for move in moves], rel=1e-4, abs=1e-12)
    after = bench.outputs()
    for move in read:
        if move.output in after and move == [m for m in read if m.output == move.output][-1]:
            there = wanted(move, before.get(move.output, 0.0))
            assert after[move.output] == pytest.approx(there, abs=tolerance(move.output, there))
    untouched = {name for name, value in after.items() if abs(value - before.get(name, value)) > 1e-9}
    assert untouched <= {m.output for m in read} | {"target_temperature_c" for m in read if "target_limit" in m.output}


@pytest.mark.parametrize("moving", MOVING, ids=lambda moving: moving.name)
def test_opening_and_recovering_move_nothing(moving: Moving) -> None:
    bench = moving.build()
    driver = bench.driver
    before = bench.outputs()
    for _ in range(2):
        driver.initialise()
        driver.read_identity()
        driver.check_errors()
        with driver.transaction():
            driver._out_of_step = driver._reply_is_missing = True  # as after silence
        driver.read_identity()
        driver.reconnect()
    assert bench.gate.take() == []
    assert bench.outputs() == pytest.approx(before)


def test_a_master_scan_that_was_left_on_is_switched_off_through_the_gate() -> None:
    bench = piezo()
    bench.twin.on_bytes(b"msenable=1\r")
    bench.driver.initialise()
    assert bench.gate.take() == [Move("master_scan_enabled", 0.0)]


def test_a_target_in_ram_that_nobody_knows_is_an_unknown_move() -> None:
    bench = oven()
    chosen = "VSC35B0100000001"
    bench.driver.write(chosen)
    assert [move.kind for move in bench.gate.take()] == [MoveKind.UNKNOWN]
    bench.driver.ch_1.target_temperature_c = 30.0
    bench.gate.take()
    bench.driver.write(chosen)
    assert bench.gate.take() == [Move("ch_1.target_temperature_c", 30.0)]
    bench.driver.reset()
    bench.time.elapse(SETTLING_S)
    bench.gate.take()
    bench.driver.write(chosen)
    assert [move.kind for move in bench.gate.take()] == [MoveKind.UNKNOWN]


def test_moves_of_a_rotator_whose_scale_is_not_known_are_unknown() -> None:
    bench = plates()
    assert [move.kind for move in bench.driver.moves("0ma00001000")] == [MoveKind.UNKNOWN]
    bench.driver.initialise()
    assert [move.kind for move in bench.driver.moves("0ma00001000")] == [MoveKind.LEVEL]
    assert [move.kind for move in bench.driver.moves("7ma00001000")] == [MoveKind.UNKNOWN]


UNKNOWN: list[tuple[Callable[[], MovingTwin], Action]] = [
    (other_oven, lambda d: d.start_auto_tune()),
    (oven, lambda d: d.reset()),
    (plates, lambda d: d.rotators[0].start_jog()),
    (laser, lambda d: setattr(d, "power_unit", "dBm")),
    (laser, lambda d: setattr(d, "command_set", "Legacy")),
    (tone, lambda d: setattr(d.ch_1, "amplitude_unit", "DBM")),
    (tone, lambda d: setattr(d.ch_1, "shape", "SQU")),
]


@pytest.mark.parametrize(("build", "act"), UNKNOWN)
def test_what_nobody_can_tell_the_end_of_is_unknown(build: Callable[[], MovingTwin], act: Action) -> None:
    bench = build()
    bench.driver.initialise()
    act(bench.driver)
    assert MoveKind.UNKNOWN in [move.kind for move in bench.gate.take()]


def test_a_motor_check_shakes_every_motor() -> None:
    bench = motors()
    bench.driver.controllers[1].start_motor_check()
    read = bench.gate.take()
    assert {move.output for move in read} == {f"controller_1.axis_{n}.target_position" for n in (1, 2, 3, 4)}
    assert sum(move.value for move in read) == 0
