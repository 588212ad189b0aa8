"""What a servo that is labctl itself reads and drives: converters over the wire, and the station around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from software_station import FAST_INPUT, MONITOR, PIEZO, RATE_HZ, SLOW_OUTPUT, software_station
from station_bench import Bench, open_bench

from labctl.errors import InstrumentError, LabError, LimitError
from labctl.station.bindings.converters import SteeredPiezo, slow_full_scale_v
from labctl.station.bindings.piezo import RAMP_STEP_S
from labctl.station.bindings.software_servo import SoftwareServo

BIAS_V, SERVO_GAIN, LIMIT_V = 75.0, 15.0, 4.5
STEP_V = 5.0 * 1.8 / 255  # of the slow output, at the servo


def servo_of(bench: Bench) -> SoftwareServo:
    servo = bench.station.servos["lo1"]
    assert isinstance(servo, SoftwareServo)
    return servo


def steered(bench: Bench) -> SteeredPiezo:
    piezo = bench.station.piezos["lo1"]
    assert isinstance(piezo, SteeredPiezo)
    return piezo


@pytest.fixture(scope="module")
def slow() -> Bench:
    """A loop from a slow monitor to a slow output."""
    return open_bench(software_station())


@pytest.fixture
def over_the_wire() -> Bench:
    """A loop from a slow monitor to the set point of its piezo."""
    return open_bench(software_station(output=PIEZO))


# ---- slow output -----------------------------------------------------------------------------------------------------


def test_opening_a_station_sends_nothing_to_the_output() -> None:
    """After power-on the pin is at 0 V, the output at its lowest; it is asked for and ramped to zero, not jumped."""
    bench = open_bench(software_station())
    bench.sent.clear()
    servo = servo_of(bench)
    assert bench.sent == {}
    assert servo.output_v() == pytest.approx(-LIMIT_V, abs=1e-4)
    outputs = bench.record_outputs("lo1")
    servo.set_output(0.0)
    assert bench.servo("lo1").output_volts() == pytest.approx(0.0, abs=0.51 * STEP_V)
    (began, lowest), *_, (ended, _) = outputs
    assert lowest == pytest.approx(-LIMIT_V, abs=1e-4)
    assert ended - began == pytest.approx(LIMIT_V / (50.0 / SERVO_GAIN), rel=0.05)  # as fast as the piezo may
    assert max(np.diff([volts for _, volts in outputs])) < 50.0 / SERVO_GAIN / RATE_HZ + STEP_V


@given(volts=st.floats(-LIMIT_V, LIMIT_V))
@settings(max_examples=50, deadline=None)
def test_what_is_put_out_reads_back_within_half_a_step(slow: Bench, volts: float) -> None:
    servo = servo_of(slow)
    slow.station.driver(slow.file.servo_loops["lo1"].servo.output.instrument).gate_with(None)  # to be there at once
    servo._put(volts)
    assert servo.output_v() == pytest.approx(volts, abs=0.5 * STEP_V + 1e-4)
    assert slow.servo("lo1").output_volts() == pytest.approx(servo.output_v(), abs=1e-4)
    asked = slow.station.ledger.differences(slow.station.driver("scan"), put_back=False)
    assert asked == []  # so that a look after an instrument finds nothing changed


def test_an_amplifier_may_invert() -> None:
    bench = open_bench(software_station(output=SLOW_OUTPUT | {"gain": -5.0}))
    servo = servo_of(bench)
    assert servo.output_v() == pytest.approx(LIMIT_V, abs=1e-4)
    servo.set_output(-1.0)
    assert bench.servo("lo1").output_volts() == pytest.approx(-1.0, abs=0.51 * STEP_V)
    assert servo.output_v() == pytest.approx(-1.0, abs=0.51 * STEP_V)


def test_the_piezo_sees_the_output_at_its_external_input(slow: Bench) -> None:
    servo = servo_of(slow)
    slow.station.piezos["lo1"].ramp_to(BIAS_V)
    servo.set_output(2.0)
    assert slow.piezo("lo1").volts_now() == pytest.approx(BIAS_V + SERVO_GAIN * 2.0, abs=SERVO_GAIN * STEP_V)
    assert abs(slow.station.piezos["lo1"].missing_v()) < 3.0


def test_a_slow_input_is_overloaded_where_its_pin_ends() -> None:
    assert slow_full_scale_v(1.65, 1.5) == pytest.approx(1.1)
    assert slow_full_scale_v(0.0, -2.0) == pytest.approx(1.65)


# ---- a piezo as the output -------------------------------------------------------------------------------------------


def test_a_piezo_that_was_never_raised_is_not_steered(over_the_wire: Bench) -> None:
    servo = servo_of(over_the_wire)
    servo.set_output(0.0)  # where it is already: leaving the table safe asks for that
    with pytest.raises(InstrumentError, match=r"piezo lo1: cannot be steered: it rests nowhere.*Raise the piezos"):
        servo.set_output(1.0)
    assert over_the_wire.voltages["lo1"] == []


def test_rest_and_servo_add_up_and_each_is_left_alone_by_the_other(over_the_wire: Bench) -> None:
    servo, piezo = servo_of(over_the_wire), steered(over_the_wire)
    piezo.ramp_to(70.0)
    servo.set_output(2.0)
    assert over_the_wire.piezo("lo1").volts_now() == pytest.approx(70.0 + SERVO_GAIN * 2.0, abs=0.01)
    assert piezo.commanded_v == 70.0
    assert abs(piezo.missing_v()) < 3.0
    piezo.ramp_to(60.0)
    assert over_the_wire.piezo("lo1").volts_now() == pytest.approx(60.0 + SERVO_GAIN * 2.0, abs=0.01)
    assert (piezo.commanded_v, servo.output_v()) == (60.0, 2.0)
    servo.set_output(0.0)
    assert over_the_wire.piezo("lo1").volts_now() == pytest.approx(60.0, abs=0.01)
    voltages = [volts for _, volts in over_the_wire.voltages["lo1"]]
    assert max(abs(np.diff(voltages))) < 50.0 * RAMP_STEP_S * 1.01


def test_the_sum_stays_within_the_limits_of_the_piezo(over_the_wire: Bench) -> None:
    servo, piezo = servo_of(over_the_wire), steered(over_the_wire)
    piezo.ramp_to(140.0)
    with pytest.raises(LimitError, match=r"piezo lo1: .* V is outside 0 to 150 V"):
        servo.set_output(1.0)
    assert over_the_wire.piezo("lo1").volts_now() <= 150.0
    servo.set_output(0.6)
    with pytest.raises(LimitError, match="piezo lo1"):
        piezo.ramp_to(145.0)


def test_a_piezo_is_not_steered_while_it_is_ramped(over_the_wire: Bench) -> None:
    servo, piezo = servo_of(over_the_wire), steered(over_the_wire)
    piezo.ramp_to(BIAS_V)
    servo.set_output(0.5)
    told: list[str] = []
    over_the_wire.station.on_trouble = lambda name, sentence: told.append(sentence)
    servo.close_loop(0.5, 5.0)
    piezo.ramp_to(50.0)
    assert not servo.closed
    assert "cannot be steered while it is ramped" in told[-1]
    assert piezo.commanded_v == 50.0
    assert over_the_wire.piezo("lo1").volts_now() == pytest.approx(50.0 + SERVO_GAIN * servo.output_v(), abs=0.01)


def test_the_rest_does_not_creep_with_the_rounding_of_the_wire(over_the_wire: Bench) -> None:
    piezo = steered(over_the_wire)
    piezo.ramp_to(BIAS_V)
    over_the_wire.station.driver("piezo_a").gate_with(None)  # steps that no servo may take
    for volts in np.random.default_rng(3).uniform(-LIMIT_V, LIMIT_V, 300):
        piezo.steer(float(volts))
    piezo.steer(0.0)
    assert piezo.commanded_v == BIAS_V
    assert over_the_wire.piezo("lo1").volts_now() == pytest.approx(BIAS_V, abs=1e-3)


# ---- inputs ----------------------------------------------------------------------------------------------------------


def lit(bench: Bench) -> Bench:
    """Let light onto the detectors, whatever the source does."""
    bench.table.set_shutter("local_oscillator", True)
    bench.table.set_shutter("signal", True)
    bench.table.sensors[0].probe_power_w = 5e-6
    return bench


def test_the_mean_of_a_fast_input_is_that_of_the_detector() -> None:
    bench = open_bench(software_station(source=FAST_INPUT))
    sensor = bench.table.sensors[0]
    sensor.truth = replace(sensor.truth, dc_offset_v=-0.3)  # without light it shows nothing else
    error_v = servo_of(bench).state().error_v
    assert -error_v == pytest.approx(-0.3, abs=2e-3)
    assert bench.station.monitors["lo1"].volts() == pytest.approx(-0.3, abs=5e-3)
    assert not servo_of(bench).state().overloaded
    sensor.truth = replace(sensor.truth, dc_offset_v=1.85)  # 1.025 V at the input
    assert servo_of(bench).state().overloaded


def test_every_input_is_read_in_volts() -> None:
    """At rest the error is minus what the input reads, the set point being 0."""
    meter = open_bench(software_station(source={"kind": "power_meter", "name": "probe", "volts_per_watt": 1e5}))
    lit(meter)
    assert -servo_of(meter).state().error_v == pytest.approx(1e5 * 5e-6, rel=0.05)
    oven = open_bench(software_station(source={"kind": "oven", "volts_per_kelvin": -2.0}))
    assert -servo_of(oven).state().error_v == pytest.approx(-2.0 * (oven.station.oven.temperature_c() - 35.0), abs=0.05)


@pytest.mark.parametrize(("law", "share"), [({}, 0.0), ({"zeros": [6.0]}, 1 / (2 * np.pi * 6.0))])
def test_the_law_is_that_of_the_station_file(law: dict[str, object], share: float) -> None:
    """A step of the error by 0.1 V: the trapezoid has half a period of it at once, a zero its proportional part."""
    bench = open_bench(software_station(**law))
    sensor, servo = bench.table.sensors[0], servo_of(bench)
    sensor.truth = replace(sensor.truth, dc_offset_v=0.0)
    servo.set_output(0.0)
    gain_per_s, step_v = 10.0, 0.1
    servo.close_loop(0.0, gain_per_s)
    sensor.truth = replace(sensor.truth, dc_offset_v=-step_v)
    bench.clock.sleep(1.01 / RATE_HZ)
    assert servo.state().output_v == pytest.approx(gain_per_s * step_v * (0.5 / RATE_HZ + share), rel=0.1)


@pytest.mark.parametrize(("deadline", "late"), [({}, 1), ({"deadline": 0.5}, 0)])
def test_the_deadline_is_that_of_the_station_file(deadline: dict[str, object], late: int) -> None:
    bench = open_bench(software_station(**deadline))
    servo = servo_of(bench)
    servo.set_output(0.0)
    servo.close_loop(0.0, 0.1)
    bench.table.elapse(0.3)
    bench.clock.sleep(0.3)
    assert servo.timing.late_steps == late


# ---- the station around them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [SLOW_OUTPUT, PIEZO])
def test_a_table_that_is_made_safe_has_the_loop_open_at_zero(output: dict[str, object]) -> None:
    bench = open_bench(software_station(output=output))
    bench.station.raise_piezos()
    servo = servo_of(bench)
    servo.set_output(1.0)
    servo.close_loop(1.0, 2.0)
    bench.clock.sleep(0.5)
    assert servo.closed
    assert bench.station.make_safe() == []
    assert not servo.closed
    assert bench.piezo("lo1").volts_now() == pytest.approx(0.0, abs=SERVO_GAIN * STEP_V)
    at = bench.piezo("lo1").volts_now()
    bench.clock.sleep(5.0)
    assert bench.piezo("lo1").volts_now() == at


def test_an_output_that_cannot_be_brought_to_zero_is_named() -> None:
    bench = open_bench(software_station())
    servo = servo_of(bench)
    servo.set_output(1.0)
    bench.station.driver("scan").close()
    problems = bench.station.make_safe()
    assert any(problem.startswith("servo lo1 could not be made safe: scan: ") for problem in problems)


def test_a_station_that_is_closed_leaves_the_output_and_says_so() -> None:
    bench = open_bench(software_station())
    told: list[tuple[str, str]] = []
    bench.station.on_trouble = lambda name, sentence: told.append((name, sentence))
    servo = servo_of(bench)
    servo.set_output(1.0)
    servo.close_loop(0.1, 1.0)
    bench.clock.sleep(0.2)
    at = bench.servo("lo1").output_volts()
    bench.station.close()
    assert told == [("lo1", "lo1: its servo is this program, which ends: the output stays where it is.")]
    bench.clock.sleep(1.0)
    assert bench.servo("lo1").output_volts() == at


def test_a_servo_that_was_let_go_does_not_pull_at_the_output_of_the_next(slow: Bench) -> None:
    servo = servo_of(slow)
    servo.set_output(1.0)
    servo.close_loop(5.0, 1.0)
    slow.station.rebind()
    assert not servo.closed
    successor = servo_of(slow)
    assert successor is not servo
    assert successor.output_v() == pytest.approx(1.0, abs=STEP_V)  # it begins where the other left off
    successor.set_output(-1.0)
    slow.clock.sleep(1.0)
    assert successor.output_v() == pytest.approx(-1.0, abs=STEP_V)


@pytest.mark.parametrize("source", [MONITOR, FAST_INPUT])
def test_a_wire_that_fails_opens_the_loop_and_is_told(source: dict[str, object]) -> None:
    bench = open_bench(software_station(source=source))
    told: list[tuple[str, str]] = []
    bench.station.on_trouble = lambda name, sentence: told.append((name, sentence))
    servo = servo_of(bench)
    servo.set_output(0.0)
    servo.close_loop(0.0, 1.0)
    bench.clock.sleep(0.5)
    assert (servo.closed, told) == (True, [])
    bench.station.driver("scan").close()
    bench.clock.sleep(0.5)
    assert not servo.closed
    name, sentence = told[-1]
    assert name == "lo1"
    assert sentence.startswith("lo1: the loop was opened: scan: ")
    with pytest.raises(LabError):
        servo.set_output(1.0)
