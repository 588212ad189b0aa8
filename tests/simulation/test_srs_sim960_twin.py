"""The simulated SIM960 at its serial port, against the examples and rules of the manual."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servo_bench import BenchServo
from stepped_time import SteppedTime

from drivers.srs.sim960_scales import (
    DERIVATIVE_GAIN,
    INTEGRAL_GAIN,
    PROPORTIONAL_GAIN,
    RAMP_RATE,
    GainScale,
)
from labctl.simulation.instruments.srs_converter import NOISE_V
from labctl.simulation.instruments.srs_sim960 import SimulatedSIM960
from labctl.simulation.ports import ServoConditions, ServoSettings


class Module:
    """A SIM960 with terminals on a bench and its own clock."""

    def __init__(self, **options: Any) -> None:
        self.time = SteppedTime()
        self.servo = BenchServo()
        self.twin = SimulatedSIM960(self.time, self.servo, **options)
        self.say("*CLS")

    def say(self, line: str | bytes, wait: float = 0.1) -> str:
        """Send one line and return what comes back within `wait` s, without terminators at the ends."""
        self.twin.receive(line.encode() + b"\n" if isinstance(line, str) else line)
        self.time.elapse(wait)
        return self.twin.transmit().decode().strip("\r\n")


@pytest.fixture
def module() -> Module:
    return Module()


# ---- interface


def test_identity(module: Module) -> None:
    assert module.say("*IDN?") == "Stanford_Research_Systems,SIM960,s/n011553,ver2.17"


def test_power_on_is_an_event() -> None:
    time = SteppedTime()
    twin = SimulatedSIM960(time, BenchServo())
    twin.receive(b"*ESR?\n")
    time.elapse(0.1)
    assert twin.transmit() == b"128\r\n"


@pytest.mark.parametrize(
    ("word", "end"), [("NONE", b""), ("CR", b"\r"), ("LF", b"\n"), ("CRLF", b"\r\n"), ("LFCR", b"\n\r"), ("2", b"\n")]
)
def test_terminators(module: Module, word: str, end: bytes) -> None:
    module.twin.receive(f"TERM {word};OFST?\r".encode())
    module.time.elapse(0.1)
    assert module.twin.transmit() == b"+0.000" + end


def test_token_replies(module: Module) -> None:
    assert module.say("AMAN?") == "1"
    assert module.say("TOKN ON;AMAN?") == "PID"
    assert module.say("TOKN?") == "ON"
    assert module.say("TERM?") == "CRLF"
    assert module.say("TOKN OFF;TOKN?") == "0"


@pytest.mark.parametrize(
    ("line", "question", "answer"),
    [
        ("PCTL OFF", "PCTL?", "0"),
        ("ICTL 1", "ICTL?", "1"),
        ("DCTL ON", "DCTL?", "1"),
        ("OCTL ON", "OCTL?", "1"),
        ("AMAN MAN", "AMAN?", "0"),
        ("INPT INT", "INPT?", "0"),
        ("RAMP 1", "RAMP?", "1"),
        ("GAIN +2.5E+2", "GAIN?", "+2.5E+2"),
        ("GAIN -0.5", "GAIN?", "-0.5E+0"),
        ("GAIN 1", "GAIN?", "+1.0E+0"),
        ("GAIN 0.97", "GAIN?", "+1.0E+0"),
        ("INTG 1500", "INTG?", "+1.5E+3"),
        ("INTG 5E5", "INTG?", "+5.0E+5"),
        ("INTG 0.05", "INTG?", "+0.5E-1"),
        ("DERV 0.000015", "DERV?", "+1.5E-5"),
        ("DERV 1E-6", "DERV?", "+0.1E-5"),
        ("RATE 2.2E-3", "RATE?", "+0.2E-2"),
        ("OFST -12.3E-2", "OFST?", "-0.123"),
        ("SETP -1.234", "SETP?", "-1.234"),
        ("MOUT 8", "MOUT?", "+8.000"),
        ("ULIM 4.5", "ULIM?", "+4.50"),
        ("LLIM -4.504", "LLIM?", "-4.50"),
        ("FPLC 50", "FPLC?", "50"),
        ("DISX OFF", "DISX?", "0"),
        ("gain 3.0", "gain?", "+3.0E+0"),
    ],
)
def test_settings_read_back(module: Module, line: str, question: str, answer: str) -> None:
    assert module.say(line) == ""
    assert module.say(question) == answer
    assert module.say("*ESR?") == "0"


SCALES = [("GAIN", PROPORTIONAL_GAIN), ("INTG", INTEGRAL_GAIN), ("DERV", DERIVATIVE_GAIN), ("RATE", RAMP_RATE)]


@pytest.mark.parametrize(("mnemonic", "scale"), SCALES)
@given(data=st.data())
def test_module_keeps_what_the_driver_predicts(mnemonic: str, scale: GainScale, data: st.DataObject) -> None:
    sent = f"{data.draw(st.floats(scale.lowest * 1.001, scale.highest * 0.999)):.5E}"
    module = Module()
    module.say(f"{mnemonic} {sent}")
    assert float(module.say(f"{mnemonic}?")) == scale.nearest(float(sent))


@given(st.floats(-10.0, 10.0))
def test_millivolts(volts: float) -> None:
    module = Module()
    module.say(f"OFST {volts:.7f}")
    kept = float(module.say("OFST?"))
    assert abs(kept - volts) <= 0.5001e-3
    assert kept == module.servo.settings.offset_v == round(kept, 3)


def test_echo(module: Module) -> None:
    module.say("CONS ON")
    assert module.say("OFST?") == "OFST?\n+0.000"


def test_input_overflow_drops_input_and_output(module: Module) -> None:
    module.twin.receive(b"OFST?\n" + b"X" * 32 + b"\n")
    module.time.elapse(0.2)
    assert module.twin.transmit() == b""
    assert module.say("CESR?") == "16"
    assert module.say("*ESR? 1") == "1"
    assert module.say("*ESR? 1") == "0"


@pytest.mark.parametrize(("length", "lost"), [(30, "0"), (31, "16")])
def test_lines_under_32_characters_with_terminator_fit(module: Module, length: int, lost: str) -> None:
    module.say("OFST 1".ljust(length))
    assert module.say("CESR?") == lost


def test_replies_beyond_the_output_queue_are_lost(module: Module) -> None:
    assert module.say("OMON?;EMON?;MMON?") == "+00.000000\r\n+00.000000"
    assert module.say("*ESR?") == "4"


def test_device_clear(module: Module) -> None:
    module.say("CONS ON;MMON? 0")
    module.twin.receive(b"OFS")
    module.twin.device_clear()
    assert module.say("OFST?", wait=3.0) == "+0.000"
    assert module.say("CESR?") == "128"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("?", 1), ("GA", 1), ("HUHU 1", 2), ("SOUT?", 3), ("SMON", 4), ("*IDN", 4), ("GAIN", 5), ("GAIN 1,2", 6),
        ("GAIN? 1", 6), ("SOUT 1", 6), ("GAIN 1,", 7), ("GAIN one", 9), ("GAIN 1E", 9), ("GAIN 1E999999", 9),
        ("*ESR? x", 10), ("RAMP 1.5", 11), ("RAMP 2", 12), ("RAMP MAYBE", 14),
    ],
)  # fmt: skip
def test_command_errors(module: Module, line: str, code: int) -> None:
    assert module.say(line) == ""
    assert module.say("*ESR?") == "32"
    assert module.say("LCME?") == str(code)
    assert module.say("LCME?") == "0"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("GAIN 0.05", 1), ("GAIN 1001", 1), ("GAIN 1E99999", 1), ("INTG -1", 1), ("INTG 5.1E5", 1), ("DERV 0", 1),
        ("SETP 10.001", 1), ("RATE 1E5", 1), ("OMON? -1", 1), ("AMAN ON", 2), ("*STB? 12", 3), ("INSR? 8", 3),
        ("STRT START", 18), ("ULIM -10.5", 1), ("LLIM 1;ULIM 0.5", 21), ("ULIM 1;LLIM 1.5", 21),
    ],
)  # fmt: skip
def test_execution_errors(module: Module, line: str, code: int) -> None:
    assert module.say(line) == ""
    assert module.say("*ESR?") == "16"
    assert module.say("LEXE?") == str(code)
    assert module.say("LEXE?") == "0"


def test_refused_setting_changes_nothing(module: Module) -> None:
    module.say("GAIN 1001;INTG 0;ULIM 11")
    assert module.servo.applied == []


@given(st.lists(st.binary(max_size=40), max_size=8))
@settings(max_examples=50)
def test_any_bytes_are_survived(chunks: list[bytes]) -> None:
    module = Module()
    for chunk in chunks:
        module.say(chunk)
    module.say(b"\n")
    module.twin.device_clear()
    module.say("TERM CRLF;TOKN OFF")
    assert module.say("*IDN?").startswith("Stanford_Research_Systems,SIM960")


# ---- the servo


def test_settings_reach_the_port(module: Module) -> None:
    for line in ("GAIN -2.5", "INTG 63", "DERV 1.5E-4", "OFST 0.5", "PCTL 0", "ICTL 1", "DCTL 1", "OCTL 1"):
        module.say(line)
    for line in ("INPT INT", "SETP 0.25", "MOUT -3", "ULIM 4.5", "LLIM -4.5", "AMAN MAN"):
        module.say(line)
    assert module.servo.settings == ServoSettings(
        proportional_gain=-2.5,
        integral_gain=63.0,
        derivative_gain=1.5e-4,
        offset_v=0.5,
        proportional_on=False,
        integral_on=True,
        derivative_on=True,
        offset_on=True,
        setpoint_v=0.25,
        manual_output_v=-3.0,
        upper_limit_v=4.5,
        lower_limit_v=-4.5,
        closed=False,
    )


def test_polarity_is_the_sign_of_the_gain(module: Module) -> None:
    module.say("GAIN -2.5")
    assert module.say("APOL?") == "0"
    module.say("APOL POS")
    assert module.servo.settings.proportional_gain == 2.5
    assert module.say("GAIN?") == "+2.5E+0"
    module.say("APOL NEG;GAIN 3")
    assert module.say("APOL?") == "1"


def test_setpoint_counts_only_when_internal() -> None:
    module = Module(external_setpoint_v=0.4)
    module.say("SETP 0.25")
    assert module.servo.settings.setpoint_v == 0.4
    module.say("INPT INT")
    assert module.servo.settings.setpoint_v == 0.25
    module.say("INPT EXT")
    assert module.servo.settings.setpoint_v == 0.4
    assert float(module.say("SMON?")) == 0.4


def test_reset_closes_the_loop(module: Module) -> None:
    module.say("GAIN -2.5;ULIM 4;AMAN MAN")
    module.say("INPT INT;SETP 1;RAMP ON")
    module.say("*RST")
    assert module.servo.settings == ServoSettings()
    assert module.servo.settings.closed
    assert [module.say(f"{name}?") for name in ("INPT", "RAMP", "RATE", "SETP")] == ["1", "0", "+1.0E+0", "+0.000"]


def test_ramp(module: Module) -> None:
    module.say("INPT INT;RAMP ON;RATE 0.1")
    module.say("INSR?")
    module.say("SETP 1.0", wait=5.0)
    assert module.say("RMPS?") == "2"
    assert module.say("INCR?") == "0"
    assert module.say("SETP 2;LEXE?") == "20"
    # as in the manual's example for WAIT: half way after 5 s at 0.1 V/s
    assert float(module.say("SMON?")) == pytest.approx(0.5, abs=0.05)
    module.say("STRT STOP", wait=30.0)
    assert module.say("RMPS?") == "3"
    paused_at = module.servo.settings.setpoint_v
    assert 0.5 < paused_at < 0.6
    module.say("STRT START", wait=6.0)
    assert module.say("RMPS?") == "0"
    assert module.servo.settings.setpoint_v == 1.0
    assert module.say("INSR?") == "16"


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.001, 50.0))
def test_ramp_never_overshoots(start: float, target: float, wait: float) -> None:
    module = Module()
    module.say(f"INPT INT;SETP {start:.3f}")
    module.say("RAMP ON;RATE 1")
    module.say(f"SETP {target:.3f}", wait=wait)
    module.twin.transmit()
    low, high = sorted((round(start, 3), round(target, 3)))
    reached = module.servo.settings.setpoint_v
    assert low - 1e-9 <= reached <= high + 1e-9
    assert abs(reached - round(start, 3)) == pytest.approx(min(wait, high - low), abs=1e-6)


def test_monitors(module: Module) -> None:
    module.say("INPT INT;SETP 0.5;GAIN -2")
    module.servo.measured, module.servo.loop_output = 0.2, -1.106139
    assert [module.say(f"{name}?") for name in ("SMON", "MMON", "EMON", "OMON")] == [
        "+00.500000",
        "+00.200000",
        "-00.600000",
        "-01.106139",
    ]
    module.servo.measured = -9.0
    module.time.elapse(0.5)
    assert module.say("EMON?") == "-10.000000"


def test_two_readings_a_second(module: Module) -> None:
    module.time.time = 10.01
    assert module.say("MMON?", wait=0.2) == "+00.000000"
    module.servo.measured = 1.0
    assert module.say("MMON?", wait=0.2) == "+00.000000"
    module.time.time = 10.5
    assert module.say("MMON?") == "+01.000000"


def test_new_conversions_are_told(module: Module) -> None:
    module.time.time = 10.51
    assert module.say("ADSR?", wait=0.1) == "15"
    assert module.say("ADSR?", wait=0.1) == "0"
    module.time.time = 11.01
    assert module.say("ADSR? 3") == "1"
    assert module.say("ADSR?") == "7"


def test_counted_readings_follow_at_two_a_second(module: Module) -> None:
    module.time.time = 10.1
    module.twin.receive(b"OMON? 3\n")
    arrivals = []
    for _ in range(300):
        module.time.elapse(0.01)
        if module.twin.transmit().endswith(b"\n"):
            arrivals.append(module.time.time)
    assert arrivals == pytest.approx([10.12, 10.52, 11.02], abs=0.011)


def test_endless_stream_ends_with_sout(module: Module) -> None:
    module.say("MMON? 0")
    for _ in range(5):
        module.time.elapse(0.5)
        assert module.twin.transmit() == b"+00.000000\r\n"
    module.say("SOUT")
    module.time.elapse(2.0)
    assert module.twin.transmit() == b""


def test_endless_stream_does_not_pile_up(module: Module) -> None:
    module.say("MMON? 0")
    module.time.elapse(1e6)
    assert len(module.twin.transmit()) <= 24
    module.time.elapse(0.02)
    assert len(module.twin.transmit()) <= 24


def test_converter_noise_is_that_of_the_generator() -> None:
    readings = []
    for _ in range(2):
        module = Module(rng=np.random.default_rng(5))
        readings.append([float(module.say("MMON?", wait=0.5)) for _ in range(400)])
    assert readings[0] == readings[1]
    # standard deviation of 400 readings: relative standard error 1/sqrt(800); 5 sigma
    assert np.std(readings[0]) == pytest.approx(NOISE_V, rel=5 / math.sqrt(800))


def test_conditions_of_now(module: Module) -> None:
    module.servo.present = ServoConditions(upper_limit=True, anti_windup=True)
    assert module.say("INCR?") == "26"
    assert module.say("INCR? 1") == "1"
    assert module.say("INCR? 2") == "0"


def test_latched_conditions_are_forgotten_when_read(module: Module) -> None:
    module.servo.happened = ServoConditions(overload=True, lower_limit=True)
    assert module.say("INSR? 0") == "1"
    assert module.say("INSR?") == "4"
    assert module.say("INSR?") == "0"


def test_condition_that_goes_on_does_not_latch_again(module: Module) -> None:
    module.servo.happened = module.servo.present = ServoConditions(upper_limit=True)
    assert module.say("INSR?") == "2"
    module.servo.happened = ServoConditions(upper_limit=True)
    assert module.say("INSR?") == "0"
    assert module.say("INCR?") == "18"
    module.servo.happened = module.servo.present = ServoConditions()
    assert module.say("INSR?") == "0"
    module.servo.happened = module.servo.present = ServoConditions(upper_limit=True)
    assert module.say("INSR?") == "2"


def test_clear_status(module: Module) -> None:
    module.servo.happened = ServoConditions(overload=True)
    module.say("HUHU")
    module.say("*CLS", wait=0.02)
    assert [module.say(name, wait=0.02) for name in ("*ESR?", "INSR?", "CESR?", "ADSR?")] == ["0", "0", "0", "0"]


def test_common_queries(module: Module) -> None:
    assert [module.say(name) for name in ("*OPC?", "*TST?", "LBTN?", "*STB?", "*STB? 4")] == ["1", "0", "0", "16", "1"]
    module.say("*OPC")
    assert module.say("*ESR?") == "1"
