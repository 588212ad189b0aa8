"""The simulated TSL-570: raw bytes, tuning in lab time, and the real driver on top of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_bench import LaserBench

from drivers.errors import NoReply, Refused
from labctl.simulation.instruments.santec_tsl import (
    LASER_START_S,
    LEGACY,
    LONGEST_M,
    SETTLING_S,
    SHORTEST_M,
    TUNING_M_PER_S,
)

WORDS = [":WAV", ":POW", ":POW:STAT", ":POW:UNIT", ":WAV:SWE", ":SYST:COMM:CODE", "*OPC?", "*RST", ":WAV?", ":POW:ACT?"]


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"*IDN?\r", b"SANTEC,TSL-570,21020001,0001.000.0001\r"),
        (b"*IDN?\r\n", b"SANTEC,TSL-570,21020001,0001.000.0001\r"),
        (b":WAVelength?\r", b"1.5600000000000E-06\r"),
        (b":WAV 1.5501234567e-06\r:WAV?\r", b"1.5501235000000E-06\r"),  # 0.1 pm
        (b":WAV 1.7e-06\r:WAV?\r", b"1.5600000000000E-06\r"),
        (b":WAV 1.7e-06\r:SYST:ERR?\r", b'-222,"Data out of range"\r'),
        (b":WAV 1550\r:SYST:ERR?\r", b'-222,"Data out of range"\r'),
        (b":SYST:COMM:CODE 0\r:WAV 1550.12345\r:WAV?\r", b"1550.1234\r"),
        (b":POW?\r", b"0.00\r"),  # dBm
        (b":POW:UNIT 1\r:POW 5\r:POW?\r", b"5.0003\r"),  # 6.99 dBm
        (b":POW:UNIT 1\r:POW 25\r:SYST:ERR?\r", b'-222,"Data out of range"\r'),
        (b":POW:UNIT 1\r:POW 0\r:SYST:ERR?\r", b'-222,"Data out of range"\r'),
        (b":POW:STAT?\r", b"0\r"),
        (b":POW:ACT?\r", b"-40.00\r"),
        (b":WAV:SWE?\r", b"0\r"),
        (b":WAV:FIN 3\r:SYST:ERR?\r", b'-113,"Undefined header"\r'),
        (b":POW five\r:SYST:ERR?\r", b'-148,"Character data not allowed"\r'),
        (b":POW 5 mW\r:SYST:ERR?\r", b'-148,"Character data not allowed"\r'),
        (b":WAV:FIN 3\r*RST\r:SYST:ERR?\r", b'0,"No error"\r'),
        (b":SYST:ERR?\r", b'0,"No error"\r'),
        (b":POW:STAT 1\n", b""),  # no carriage return
    ],
)
def test_replies(sent: bytes, reply: bytes) -> None:
    assert LaserBench().say(sent) == reply


def test_tuning_takes_lab_time_and_opc_says_so_without_waiting() -> None:
    bench = LaserBench()
    assert bench.say(b":WAV 1.55e-06\r*OPC?\r", wait=0.0) == b"0\r"
    seconds = SETTLING_S + 10e-9 / TUNING_M_PER_S
    assert bench.laser.tuned[-1] == (pytest.approx(1.55e-6), pytest.approx(seconds))
    bench.time.elapse(0.99 * seconds)
    assert bench.say(b"*OPC?\r", wait=0.0) == b"0\r"
    bench.time.elapse(0.02 * seconds)
    assert bench.say(b"*OPC?\r", wait=0.0) == b"1\r"


def test_the_light_comes_after_the_start() -> None:
    bench = LaserBench()
    bench.say(b":POW:STAT 1\r", wait=0.9 * LASER_START_S)
    assert bench.say(b"*OPC?\r:POW:ACT?\r", wait=0.0) == b"0\r-40.00\r"
    bench.time.elapse(0.2 * LASER_START_S)
    assert bench.say(b"*OPC?\r:POW:ACT?\r", wait=0.0) == b"1\r0.00\r"
    assert bench.laser.on


def test_a_sweep_that_somebody_left_running_refuses_to_tune_until_it_is_stopped() -> None:
    bench = LaserBench()
    bench.say(b":WAV:SWE 1\r", wait=1.0)
    assert bench.say(b":WAV:SWE?\r:WAV 1.55e-06\r:SYST:ERR?\r", wait=0.0) == b'1\r-200,"Execution error"\r'
    bench.say(b":WAV:SWE 0\r", wait=0.0)
    reached = float(bench.say(b":WAV?\r", wait=0.0))
    assert reached == pytest.approx(SHORTEST_M + 1.0 * TUNING_M_PER_S, abs=1e-9)
    assert bench.say(b":WAV:SWE?\r*OPC?\r", wait=0.0) == b"0\r1\r"
    bench.say(b":WAV:SWE 1\r", wait=(LONGEST_M - SHORTEST_M) / TUNING_M_PER_S)
    assert bench.say(b":WAV:SWE?\r", wait=0.1) == b"0\r"


def test_the_real_driver() -> None:
    bench = LaserBench(command_set=LEGACY)
    laser = bench.driver()
    assert laser.read_identity().model == "TSL-570"
    assert laser.command_set == "SCPI"
    assert (laser.wavelength_min, laser.wavelength_max) == pytest.approx((SHORTEST_M, LONGEST_M))
    laser.wavelength_setpoint = 1.5501234e-6
    assert laser.tuning_done is False
    assert laser.wavelength_setpoint == pytest.approx(1.5501234e-6, abs=1e-16)
    laser.power_setpoint = 0.005
    assert bench.laser.power_w == pytest.approx(0.005, rel=2e-3)
    laser.output_enabled = True
    bench.time.elapse(10.0)
    assert laser.tuning_done is True
    assert laser.power == pytest.approx(0.005, rel=2e-3)
    with pytest.raises(Refused, match="-222 Data out of range"):
        laser.wavelength_setpoint = 1.3e-6


def test_the_driver_comes_back_into_step_after_silence_without_chained_questions() -> None:
    bench = LaserBench()
    laser = bench.driver()
    take_bytes = bench.twin.on_bytes
    heard: list[bytes] = []

    def listen(data: bytes) -> None:
        heard.append(data)
        take_bytes(data)

    bench.twin.on_bytes = lambda data: None  # type: ignore[method-assign]
    with pytest.raises(NoReply):
        _ = laser.tuning_done
    bench.twin.on_bytes = listen  # type: ignore[method-assign]
    bench.twin.send(b"0\r")  # a late reply
    assert laser.wavelength_setpoint == pytest.approx(1.56e-6)
    assert heard == [b"*IDN?\r", b":WAVelength?\r"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.binary(max_size=40)
        | st.builds(
            lambda word, value: f"{word} {value}\r".encode(),
            st.sampled_from(WORDS),
            st.floats(allow_nan=True) | st.integers(-2, 2),
        ),
        max_size=8,
    )
)
def test_no_bytes_hurt_it(chunks: list[bytes]) -> None:
    bench = LaserBench()
    for chunk in chunks:
        bench.say(chunk)
    assert bench.say(b"\r*CLS\r*IDN?\r").endswith(b"SANTEC,TSL-570,21020001,0001.000.0001\r")
    assert SHORTEST_M - 1e-12 <= bench.laser.tuned[-1][0] <= LONGEST_M + 1e-12
    assert 0 < bench.laser.power_w <= 0.0201
