"""The simulated piezo driver: raw bytes of both firmwares, voltages at the piezos, and the real driver on top of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_time import SteppedTime

from drivers.errors import InstrumentError, NoReply, Refused, WrongInstrument
from drivers.thorlabs.mdt693b import ThorlabsMDT693B, ThorlabsMDT694B
from labctl.simulation.instruments.thorlabs_mdt693b import DAC_STEP_V, PROCESSING_S, SimulatedMDT693B
from labctl.simulation.visa_library import simulated_library

ADDRESS = "ASRL/dev/ttyACM0::INSTR"
WORST_READ_BACK_V = 1.3


class Piezo:
    """A piezo that remembers every voltage, with a settable external input."""

    def __init__(self) -> None:
        self.driven: list[float] = []
        self.external = 0.0

    def drive(self, volts: float) -> None:
        self.driven.append(volts)

    def external_volts(self) -> float:
        return self.external

    @property
    def volts(self) -> float:
        return self.driven[-1]


class Bench:
    """One piezo driver with all three piezos, echo off unless asked for."""

    def __init__(self, seed: int = 1, echo: bool = False, **options: Any) -> None:
        self.time = SteppedTime()
        self.piezos = {name: Piezo() for name in "xyz"}
        self.twin = SimulatedMDT693B(self.time, self.piezos, np.random.default_rng(seed), echo=echo, **options)

    def say(self, data: bytes, wait: float = 1.0) -> bytes:
        self.twin.on_bytes(data)
        self.time.elapse(wait)
        return self.twin.take()

    def read(self, channel: str) -> float:
        return float(self.say(f"{channel}voltage?\r".encode()).strip(b"*[]\r> "))

    def driver(self) -> ThorlabsMDT693B:
        library = simulated_library(self.time, {ADDRESS: self.twin})
        return ThorlabsMDT693B(ADDRESS, visa_library=library, timeout=1000)

    def single_channel_driver(self) -> ThorlabsMDT694B:
        library = simulated_library(self.time, {ADDRESS: self.twin})
        return ThorlabsMDT694B(ADDRESS, visa_library=library, timeout=1000)


@pytest.mark.parametrize(
    ("firmware", "sent", "reply"),
    [
        ("1.10", b"xvoltage=12.34\r", b">"),
        ("1.10", b"XVOLTAGE=12.34\n", b">"),
        ("1.10", b"XV12.34\r", b">"),
        ("1.10", b"serial?\r", b"150226100001\r>"),
        ("1.10", b"vlimit?\r", b"[ 150]\r>"),
        ("1.10", b"%\r", b"[ 150]\r>"),
        ("1.10", b"xmin?\r", b"0\r>"),
        ("1.10", b"XH?\r", b"150.50\r>"),
        ("1.10", b"echo=0\r", b"[Echo Off]\r>"),
        ("1.10", b"cm?\r", b"[MDT693A Compatibility Mode Off]\r>"),
        ("1.10", b"cm=1\rvlimit?\r", b"*[ 150]\r*"),
        ("1.10", b"\r", b"CMD_NOT_DEFINED>"),
        ("1.10", b"\n\r", b"CMD_NOT_DEFINED>"),
        ("1.10", b"\r\n", b"CMD_NOT_DEFINED>"),
        ("1.10", b"\r\r", b"CMD_NOT_DEFINED>CMD_NOT_DEFINED>"),
        ("1.10", b"\r\n\r\n", b"CMD_NOT_DEFINED>CMD_NOT_DEFINED>"),
        ("1.10", b"*IDN?\r", b"CMD_NOT_DEFINED>"),
        ("1.10", b"xvoltage=\r", b"CMD_ARG_INVALID>"),
        ("1.10", b"xvoltage=ten\r", b"CMD_ARG_INVALID>"),
        ("1.10", b"xvoltage=151\r", b"CMD_ARG_INVALID>"),
        ("1.10", b"xvoltage=-1\r", b"CMD_ARG_INVALID>"),
        ("1.10", b"xyzvoltage=1,2\r", b"CMD_ARG_INVALID>"),
        ("1.10", b"dacstep=5001\r", b"CMD_ARG_INVALID>"),
        ("1.10", b"dacstep=1.5\r", b"CMD_ARG_INVALID>"),
        ("1.10", b"intensity=15\rintensity?\r", b">15\r>"),
        ("1.10", b"friendly=Pump Phase\rfriendly?\r", b">Pump Phase\r>"),
        ("1.10", b"x" * 200 + b"\r", b"CMD_NOT_DEFINED>"),
        ("1.06", b"vlimit?\r", b"*[ 150]\r*"),
        ("1.06", b"serial?\r", b"150226100001\r*"),
        ("1.06", b"xmin?\r", b"*0\r"),
        ("1.06", b"xmax?\r", b"*150.5\r"),
        ("1.06", b"xvoltage=1\r", b"*"),
        ("1.06", b"xvoltage=200\r", b"!"),
        ("1.06", b"\n\r", b"!"),
        ("1.06", b"echo=0\r", b"*[Echo Off]\r"),
    ],
)
def test_replies(firmware: str, sent: bytes, reply: bytes) -> None:
    assert Bench(firmware=firmware).say(sent) == reply


def test_the_echo_repeats_the_command_with_its_terminator() -> None:
    bench = Bench(echo=True)
    assert bench.say(b"XMIN?\n") == b"XMIN?\n0\r>"
    assert bench.say(b"echo=0\r") == b"echo=0\r[Echo Off]\r>"
    assert bench.say(b"xmin?\r") == b"0\r>"
    assert bench.say(b"echo=1\r") == b"[Echo On]\r>"


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"xvoltage=12.34\r", b">"),
        (b"XV12.34\r", b">"),
        (b"yvoltage=1\r", b"CMD_NOT_DEFINED>"),
        (b"zvoltage?\r", b"CMD_NOT_DEFINED>"),
        (b"ZR?\r", b"CMD_NOT_DEFINED>"),
        (b"xyzvoltage?\r", b"CMD_NOT_DEFINED>"),
        (b"xyzvoltage=1\r", b"CMD_NOT_DEFINED>"),
        (b"AV1\r", b"CMD_NOT_DEFINED>"),
        (b"msenable?\r", b"CMD_NOT_DEFINED>"),
        (b"xmax?\r", b"150.50\r>"),
        (b"friendly?\r", b"MDT694B\r>"),
    ],
)
def test_replies_of_the_single_channel_model(sent: bytes, reply: bytes) -> None:
    bench = Bench(model="MDT694B")
    assert bench.say(sent) == reply
    assert bench.piezos["y"].driven == bench.piezos["z"].driven == []
    assert bench.say(b"id?\r").startswith(b"Model MDT694B Piezo Control Module\r")


@pytest.mark.parametrize(("firmware", "first"), [("1.10", b"Model MDT693B"), ("1.06", b"*\r\r\rModel MDT693B")])
def test_identity(firmware: str, first: bytes) -> None:
    reply = Bench(firmware=firmware).say(b"id?\r")
    assert reply.startswith(first)
    assert f"Firmware Version: {firmware}\r".encode() in reply
    assert reply.endswith(b">") == (firmware == "1.10")


def test_a_command_takes_milliseconds() -> None:
    bench = Bench()
    bench.twin.on_bytes(b"xvoltage=1\ryvoltage=1\r")
    bench.time.elapse(0.9 * PROCESSING_S)
    assert bench.twin.take() == b""
    bench.time.elapse(0.2 * PROCESSING_S)
    assert bench.twin.take() == b">"
    bench.time.elapse(1.0 * PROCESSING_S)
    assert bench.twin.take() == b">"


def test_outputs_are_set_in_steps_of_the_dac() -> None:
    bench = Bench()
    bench.say(b"xvoltage=24.68\r")
    bench.say(b"xyzvoltage=1,2,3\r")
    assert [piezo.volts for piezo in bench.piezos.values()] == pytest.approx([1, 2, 3], abs=DAC_STEP_V)
    assert bench.piezos["x"].volts / DAC_STEP_V == pytest.approx(round(bench.piezos["x"].volts / DAC_STEP_V))
    bench.say(b"AV40\r")
    assert [piezo.volts for piezo in bench.piezos.values()] == pytest.approx([40] * 3, abs=DAC_STEP_V)
    bench.say(b"restore\r")
    assert [piezo.volts for piezo in bench.piezos.values()] == [0.0] * 3


def test_master_scan_adds_to_all_outputs() -> None:
    bench = Bench()
    bench.say(b"xvoltage=10\rmsvoltage=5\r")
    assert bench.piezos["x"].volts == pytest.approx(10, abs=DAC_STEP_V)
    bench.say(b"msenable=1\r")
    assert [piezo.volts for piezo in bench.piezos.values()] == pytest.approx([15, 5, 5], abs=DAC_STEP_V)
    assert bench.say(b"msenable?\rmsvoltage?\r") == b"1\r>5.00\r>"


def test_limits_are_enforced_and_move_an_output_that_lies_outside() -> None:
    bench = Bench()
    bench.say(b"xvoltage=80\rxmax=60\r")
    assert bench.piezos["x"].volts == 60.0
    assert bench.say(b"xvoltage=61\r") == b"CMD_ARG_INVALID>"
    assert bench.say(b"xmin=61\r") == b"CMD_ARG_INVALID>"
    assert bench.say(b"xyzvoltage=61,1,1\r") == b"CMD_ARG_INVALID>"
    assert bench.piezos["y"].volts == 0.0
    bench.say(b"sysmax=50\r")
    assert bench.piezos["x"].volts == 50.0
    assert Bench(voltage_limit=75).say(b"xvoltage=76\rvlimit?\r") == b"CMD_ARG_INVALID>[  75]\r>"


@given(st.integers(0, 2**32 - 1), st.floats(0, 150))
def test_the_read_back_is_not_the_set_point(seed: int, volts: float) -> None:
    bench = Bench(seed)
    bench.say(f"xvoltage={volts:.3f}\r".encode())
    assert bench.read("x") == pytest.approx(volts, abs=WORST_READ_BACK_V)


def test_the_read_back_is_off_by_a_fixed_gain_and_offset() -> None:
    bench = Bench()
    readings = []
    for volts in (20, 70, 120):
        bench.say(f"xvoltage={volts}\r".encode())
        readings.append(bench.read("x"))
    assert readings[2] - readings[1] == pytest.approx(readings[1] - readings[0], abs=0.03)
    assert abs(readings[0] - 20) > 0.02
    assert bench.read("x") == readings[2]
    assert Bench(seed=1).read("y") == Bench(seed=1).read("y")


def test_the_read_back_includes_the_external_input() -> None:
    bench = Bench()
    bench.say(b"xvoltage=50\r")
    before = bench.read("x")
    bench.piezos["x"].external = 30.0
    assert bench.read("x") - before == pytest.approx(30, rel=0.01)
    assert bench.piezos["x"].volts == pytest.approx(50, abs=DAC_STEP_V)
    bench.piezos["x"].external = 300.0
    assert bench.read("x") == pytest.approx(150.5, abs=WORST_READ_BACK_V)


def test_old_firmware_prints_one_decimal_and_new_two() -> None:
    for firmware, form in (("1.06", rb"\*\[ {2}\d\d\.\d\]\r"), ("1.10", rb"\[ \d\d\.\d\d\]\r>")):
        bench = Bench(firmware=firmware)
        bench.say(b"xvoltage=24.68\r")
        reply = bench.say(b"XR?\r")
        assert re.fullmatch(form, reply), reply


COMMANDS = [
    b"xvoltage=5\r",
    b"cm=1\r",
    b"cm=0\n\r",
    b"restore\r",
    b"echo=1\r",
    b"xmin=\r",
    b"av\r",
    b"msenable=1\r",
    b"?\r",
]


@settings(max_examples=50)
@given(
    st.sampled_from(["1.06", "1.10"]),
    st.sampled_from(["MDT693B", "MDT694B"]),
    st.lists(st.one_of(st.binary(max_size=100), st.sampled_from(COMMANDS))),
)
def test_any_bytes_are_survived(firmware: str, model: str, chunks: list[bytes]) -> None:
    bench = Bench(firmware=firmware, model=model)
    for chunk in chunks:
        bench.say(chunk)
    bench.say(b"\r \rcm=0\r")
    assert b"[Echo Off]\r" in bench.say(b"echo=0\r")
    assert all(0 <= piezo.volts <= 150.5 for piezo in bench.piezos.values() if piezo.driven)
    assert bool(bench.piezos["y"].driven) == (model == "MDT693B")


# ---- the real driver ------------------------------------------------------------------------------------------------


def test_the_driver_sets_and_reads() -> None:
    bench = Bench(echo=True)
    driver = bench.driver()
    driver.initialise()
    assert all(piezo.driven == [0.0] * len(piezo.driven) for piezo in bench.piezos.values())
    channel = driver.channels["y"]
    assert channel.commanded_voltage is None
    channel.voltage = 75.0
    assert bench.piezos["y"].volts == pytest.approx(75, abs=DAC_STEP_V)
    assert channel.commanded_voltage == 75.0
    assert channel.measured_voltage == pytest.approx(75, abs=WORST_READ_BACK_V)
    assert driver.measured_voltages[1] == channel.measured_voltage
    channel.set_limits(20, 100)
    assert (channel.minimum_voltage, channel.maximum_voltage) == (20, 100)
    assert driver.voltage_limit == 150
    assert not driver.master_scan_enabled


def test_the_single_channel_driver_sets_and_reads() -> None:
    bench = Bench(echo=True, model="MDT694B")
    driver = bench.single_channel_driver()
    driver.initialise()
    assert driver.read_identity().model == "MDT694B"
    assert list(driver.channels) == ["x"]
    channel = driver.channels["x"]
    channel.voltage = 75.0
    assert bench.piezos["x"].volts == pytest.approx(75, abs=DAC_STEP_V)
    assert channel.measured_voltage == pytest.approx(75, abs=WORST_READ_BACK_V)
    channel.set_limits(20, 100)
    assert channel.voltage_range == (20.0, 100.0)
    assert not hasattr(driver, "measured_voltages")


def test_each_driver_refuses_the_other_model() -> None:
    with pytest.raises(WrongInstrument, match=r"expected an MDT693B, found .*MDT694B"):
        Bench(model="MDT694B").driver().initialise()
    with pytest.raises(WrongInstrument, match=r"expected an MDT694B, found .*MDT693B"):
        Bench().single_channel_driver().initialise()


def test_leftovers_of_another_program_do_not_spoil_the_first_command() -> None:
    bench = Bench()
    driver = bench.driver()
    driver.write("xmin?")  # another program's question, its answer never read
    bench.twin.on_bytes(b"xvol")  # and half a command
    driver.initialise()
    assert driver.read_identity().firmware == "1.10"


def test_a_new_connection_does_not_move_a_piezo() -> None:
    bench = Bench()
    bench.say(b"xvoltage=70\r")
    moves = len(bench.piezos["x"].driven)
    driver = bench.driver()
    driver.initialise()
    assert set(bench.piezos["x"].driven[moves:]) <= {bench.piezos["x"].driven[moves - 1]}
    assert driver.channels["x"].commanded_voltage is None


def test_the_rear_switch_limits_the_voltage() -> None:
    bench = Bench(voltage_limit=75)
    driver = bench.driver()
    with pytest.raises(Refused, match="CMD_ARG_INVALID"):
        driver.channels["x"].voltage = 100
    driver.initialise()
    with pytest.raises(ValueError):
        driver.channels["x"].voltage = 75.1
    assert bench.piezos["x"].volts == 0.0


@pytest.mark.parametrize("echo", [False, True])
def test_old_firmware_is_refused_in_plain_words(echo: bool) -> None:
    driver = Bench(firmware="1.06", echo=echo).driver()
    for first in (driver.initialise, driver.read_identity):
        with pytest.raises(WrongInstrument, match=r"firmware 1\.06 .*Update it to firmware 1\.09"):
            first()


def test_compatibility_mode_is_refused_in_plain_words() -> None:
    bench = Bench()
    bench.say(b"cm=1\r")
    with pytest.raises(WrongInstrument, match=r"compatibility mode .*cm=0"):
        bench.driver().initialise()


def test_a_master_scan_that_would_move_the_outputs_is_left_alone() -> None:
    bench = Bench()
    bench.say(b"msvoltage=5\rmsenable=1\r")
    with pytest.raises(InstrumentError, match="master scan adds 5 V"):
        bench.driver().initialise()
    assert bench.piezos["x"].volts == 5.0


def test_silence_is_no_old_firmware() -> None:
    bench = Bench()
    bench.twin.on_bytes = lambda data: None  # type: ignore[method-assign]
    with pytest.raises(NoReply):
        bench.driver().initialise()


def test_an_answer_to_the_empty_line_that_comes_in_pieces_is_not_taken_for_that_to_the_first_command() -> None:
    bench = Bench()
    take_line = bench.twin._take_line

    def late(line: bytes, terminator: bytes) -> None:
        if line:
            take_line(line, terminator)
        else:  # the first half is drained, and the silence after it looks like the end
            bench.twin.send(b"CMD_NOT_", 0.0)
            bench.twin.send(b"DEFINED\r> ", 0.3)

    bench.twin._take_line = late  # type: ignore[method-assign]
    driver = bench.driver()
    driver.initialise()
    assert driver.read_identity().model == "MDT693B"
