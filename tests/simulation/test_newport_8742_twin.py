"""The simulated picomotor chain: raw bytes, motion in lab time, and the real driver on top of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_time import SteppedTime

from drivers.errors import NoReply, Refused
from drivers.newport.picomotor_8742 import MotorType, Newport8742
from labctl.simulation.instruments.newport_8742 import TELNET_DO_WILL, TELNET_WILL_WILL, SimulatedNewport8742
from labctl.simulation.visa_library import simulated_library

ADDRESS = "TCPIP::192.168.10.12::23::SOCKET"


class CountingMirror:
    """A mirror that remembers every call."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def step(self, steps: int) -> None:
        self.calls.append(steps)

    @property
    def steps(self) -> int:
        return sum(self.calls)


class Bench:
    """A chain of two controllers, mirrors at 1/1, 1/2 and 2/4, spoken to in bytes."""

    def __init__(self, telnet: bytes | None = None, **options: Any) -> None:
        self.time = SteppedTime()
        self.mirrors: Mapping[tuple[int, int], CountingMirror] = {
            (1, 1): CountingMirror(),
            (1, 2): CountingMirror(),
            (2, 4): CountingMirror(),
        }
        self.twin = SimulatedNewport8742(self.time, self.mirrors, telnet=telnet, **options)

    def say(self, data: bytes, wait: float = 0.1) -> bytes:
        self.twin.on_bytes(data)
        self.time.elapse(wait)
        return self.twin.take()

    def driver(self, **options: Any) -> Newport8742:
        library = simulated_library(self.time, {ADDRESS: self.twin})
        return Newport8742(ADDRESS, visa_library=library, timeout=1000, chain=options.pop("chain", (1, 2)), **options)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"*IDN?\r", b"New_Focus 8742 v1.9 10/23/12 SN10001\r\n"),
        (b"ve?\n", b"8742 Version 1.9 11/01/12\r\n"),
        (b"1VA?\r\n", b"2000\r\n"),
        (b"1AC?\r", b"100000\r\n"),
        (b"1QM?;3QM?\r", b"3; 0\r\n"),
        (b"2   VA   1000;2VA?\r", b"1000\r\n"),
        (b"1VA300;1AC500;1va?;1ac?\r", b"300; 500\r\n"),
        (b"1MD?\r", b"1\r\n"),
        (b"2>SA?\r", b"2>2\r\n"),
        (b"1>1MD?;1TP?\r", b"1>1; 0\r\n"),
        (b"SC?\r", b"6\r\n"),
        (b"SD?\r", b"1\r\n"),
        (b"ZZ3;ZZ?\r", b"3\r\n"),
        (b"MACADDR?\r", b"5827809, 20\r\n"),
        (b"HOSTNAME?\r", b"8742-10001\r\n"),
        (b"TB?\r", b"0, NO ERROR DETECTED\r\n"),
        (b"TE?\r", b"0\r\n"),
        (b"1PA100\r", b""),
        (b"NONSENSE\r", b""),
        (b"7>*IDN?\r", b""),
        (b"\r\n\r\n\n", b""),
        (b"*IDN?", b""),
        (b"\xff\xfb\x01VE?\r", b"8742 Version 1.9 11/01/12\r\n"),
    ],
)
def test_replies(bench: Bench, sent: bytes, reply: bytes) -> None:
    assert bench.say(sent) == reply


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"NONSENSE", b"6, COMMAND DOES NOT EXIST"),
        (b"1TP", b"6, COMMAND DOES NOT EXIST"),
        (b"5PA10", b"9, AXIS NUMBER OUT OF RANGE"),
        (b"PA10", b"37, AXIS NUMBER MISSING"),
        (b"1VA", b"38, COMMAND PARAMETER MISSING"),
        (b"1VA1.5", b"7, PARAMETER OUT OF RANGE"),
        (b"1PA2147483648", b"101, PARAMETER OUT OF RANGE"),
        (b"2VA0", b"201, PARAMETER OUT OF RANGE"),
        (b"2VA2001", b"210, MAXIMUM VELOCITY EXCEEDED"),
        (b"1QM2;1VA1751", b"110, MAXIMUM VELOCITY EXCEEDED"),
        (b"2AC200001", b"211, MAXIMUM ACCELERATION EXCEEDED"),
        (b"3PR10", b"308, MOTOR NOT CONNECTED"),
        (b"ZZ1;1QM0;1PR10", b"100, MOTOR TYPE NOT DEFINED"),
        (b"32>1MD?", b"48, CONTROLLER NUMBER OUT OF RANGE"),
        (b"2>1MD?;1TP?", b"6, COMMAND DOES NOT EXIST"),
        (b"SC0;1TP?", b"0, NO ERROR DETECTED"),
        (b"SC0\r2>1TP?", b"49, SCAN IN PROGRESS"),
        (b"1PR1000;2PR1", b"214, MOTION IN PROGRESS"),
        (b"1PR1000;1PA0", b"114, MOTION IN PROGRESS"),
        (b"1PR1000;1DH", b"114, MOTION IN PROGRESS"),
        (b"1PR1000;MC", b"114, MOTION IN PROGRESS"),
        (b"1PR1000;*RCL0", b"114, MOTION IN PROGRESS"),
    ],
)
def test_refusals_are_silent_and_queued(bench: Bench, sent: bytes, error: bytes) -> None:
    bench.say(sent + b"\r", wait=0.001)
    bench.twin.discard_output()
    assert bench.say(b"TB?\r") == error + b"\r\n"


def test_a_line_has_at_most_64_characters(bench: Bench) -> None:
    assert bench.say(b"1TP?" + b" " * 60 + b"\r") == b"0\r\n"
    assert bench.say(b"1TP?" + b" " * 61 + b"\r") == b""
    assert bench.say(b"TE?\r") == b"6\r\n"


def test_the_error_queue_is_ten_deep_and_first_in_first_out(bench: Bench) -> None:
    bench.say(b"5PA1\r" + b"PA1\r" + b"X\r" * 9)
    assert [bench.say(b"TE?\r") for _ in range(11)] == [b"37\r\n"] + [b"6\r\n"] * 9 + [b"0\r\n"]


def test_a_slave_has_its_own_error_queue(bench: Bench) -> None:
    bench.say(b"2>1PR5\r")
    assert bench.say(b"TE?\r") == b"0\r\n"
    assert bench.say(b"2>TB?\r") == b"2>108, MOTOR NOT CONNECTED\r\n"


def test_the_bus_to_a_slave_takes_time(bench: Bench) -> None:
    bench.twin.on_bytes(b"1MD?\r2>1MD?\r")
    bench.time.elapse(1.0e-3)
    assert bench.twin.take() == b"1\r\n"
    bench.time.elapse(0.8e-3)  # 6 characters there, 3 back, 100 us each, behind 1 ms
    assert bench.twin.take() == b""
    bench.time.elapse(0.2e-3)
    assert bench.twin.take() == b"2>1\r\n"


def test_steps_reach_the_mirror_as_time_passes(bench: Bench) -> None:
    mirror = bench.mirrors[1, 1]
    bench.say(b"1VA100;1AC100\r1PR300\r", wait=0.0)  # 1 s up, 2 s level, 1 s down
    bench.time.elapse(1.0)
    bench.twin.advance(bench.time.now())
    assert mirror.steps == 50
    assert bench.say(b"1TP?;1MD?;1PA?;1PR?\r", wait=1.0) == b"50; 0; 300; 300\r\n"
    bench.twin.advance(bench.time.now())
    assert mirror.steps == 150
    bench.time.elapse(2.0)
    assert bench.say(b"1TP?;1MD?\r") == b"300; 1\r\n"
    assert mirror.steps == 300
    assert all(steps > 0 for steps in mirror.calls)


def test_lab_time_that_runs_backwards_takes_no_step_back(bench: Bench) -> None:
    bench.say(b"1PR1000\r", wait=0.2)
    bench.twin.advance(0.2)
    bench.twin.advance(0.1)
    bench.twin.advance(0.2)
    assert min(bench.mirrors[1, 1].calls) > 0


def test_controllers_move_at_the_same_time_but_motors_of_one_do_not(bench: Bench) -> None:
    bench.say(b"1PR100\r2>4PR100\r2PR100\r", wait=5.0)
    bench.twin.advance(bench.time.now())
    assert [bench.mirrors[key].steps for key in ((1, 1), (1, 2), (2, 4))] == [100, 0, 100]


def test_a_stop_brakes_and_an_abort_does_not(bench: Bench) -> None:
    bench.say(b"1VA100;1AC100\r1MV-\r", wait=2.0)
    assert bench.say(b"1MV?;1TP?;ST;1MD?\r", wait=1.0) == b"-; -150; 0\r\n"
    assert bench.say(b"1MD?;1TP?\r", wait=0.0) == b""
    bench.time.elapse(0.1)
    assert bench.twin.take() == b"1; -200\r\n"
    bench.say(b"1MV+\r", wait=2.0)
    assert bench.say(b"AB;1MD?;1TP?\r", wait=1.0) == b"1; -50\r\n"
    assert bench.say(b"1TP?\r") == b"-50\r\n"
    assert bench.mirrors[1, 1].steps == -50


def test_home_recounts_without_moving(bench: Bench) -> None:
    bench.say(b"1PA80\r", wait=5.0)
    assert bench.say(b"1DH;1TP?;1PA?;1DH?\r") == b"0; 0; 0\r\n"
    assert bench.say(b"1DH-7;1TP?;1DH?\r") == b"-7; -7\r\n"
    bench.say(b"1PA0\r", wait=5.0)
    bench.twin.advance(bench.time.now())
    assert bench.mirrors[1, 1].steps == 87


def test_the_motor_check_finds_the_motors(bench: Bench) -> None:
    bench.say(b"1QM0;3QM3\r")
    assert bench.say(b"MC;1MD?\r") == b"0\r\n"
    bench.time.elapse(1.0)
    assert bench.say(b"1MD?;1QM?;3QM?;1TP?\r") == b"1; 3; 0; 0\r\n"
    assert bench.mirrors[1, 1].calls == [-1, 1]


def test_an_unknown_motor_is_checked_before_its_first_move(bench: Bench) -> None:
    bench.say(b"1QM0\r1PR5\r", wait=1.0)
    assert bench.say(b"1QM?;1TP?;TE?\r") == b"3; 5; 0\r\n"
    assert bench.mirrors[1, 1].steps == 5


def test_settings_are_saved_recalled_and_lost(bench: Bench) -> None:
    bench.say(b"1VA500;SM;1VA600\r")
    assert bench.say(b"*RCL1;1VA?;*RCL0;1VA?;*RCL1\r") == b"500; 2000\r\n"
    bench.say(b"1PR10\r", wait=1.0)
    bench.say(b"1VA700;RS\r")
    assert bench.say(b"1VA?\r") == b""
    bench.time.elapse(6.0)
    assert bench.say(b"1VA?;1TP?\r") == b"500; 0\r\n"
    bench.say(b"XX;*RCL1\r")
    assert bench.say(b"1VA?\r") == b"2000\r\n"


def test_an_address_conflict_is_seen_and_resolved(bench: Bench) -> None:
    assert bench.say(b"2>SA1\r") == b""
    assert bench.say(b"SC?\r") == b"1\r\n"
    bench.say(b"SC1\r")
    assert bench.say(b"SD?\r") == b"0\r\n"
    bench.time.elapse(3.0)
    assert bench.say(b"SD?;SC?\r") == b"1; 6\r\n"


def test_controllers_of_one_address_garble_each_other() -> None:
    bench = Bench(chain=[1, 2, 2])
    assert bench.say(b"2>1MD?\r") == b""
    assert bench.say(b"TE?;SC?\r") == b"47; 3\r\n"
    bench.say(b"SC2\r", wait=3.0)
    assert bench.say(b"SC?\r") == b"14\r\n"


@pytest.mark.parametrize("telnet", [TELNET_DO_WILL, TELNET_WILL_WILL])
def test_telnet_bytes_come_at_once_or_before_the_first_reply(telnet: bytes) -> None:
    eager, lazy = Bench(telnet), Bench(telnet, telnet_lazily=True)
    eager.twin.on_connect()
    lazy.twin.on_connect()
    assert eager.twin.take() == telnet
    assert lazy.twin.take() == b""
    assert lazy.say(b"TE?\r") == telnet + b"0\r\n"
    assert lazy.say(b"TE?\r") == eager.say(b"TE?\r") == b"0\r\n"


@settings(max_examples=50)
@given(
    st.lists(st.one_of(st.binary(max_size=80), st.sampled_from([b"1PR5\r", b"RS\r", b"2>1MD?;\r", b"SC2\r", b"SA3\r"])))
)
def test_any_bytes_are_survived(chunks: list[bytes]) -> None:
    bench = Bench()
    for chunk in chunks:
        bench.say(chunk, wait=0.01)
    bench.time.elapse(10.0)
    bench.say(b"\rAB\r")
    bench.twin.discard_output()
    assert bench.say(b"VE?\r") == b"8742 Version 1.9 11/01/12\r\n"


COMMANDS = [b"1PR7\r", b"1PA-20\r", b"2PR9\r", b"1MV+\r", b"1MV-\r", b"ST\r", b"AB\r", b"1VA50\r", b"2AC300\r"]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(COMMANDS), st.floats(0.0, 0.5)), max_size=20))
def test_the_count_is_what_the_mirror_got(script: list[tuple[bytes, float]]) -> None:
    bench = Bench()
    for command, wait in script:
        bench.say(command, wait)
    counts = bench.say(b"1TP?;2TP?\r").decode().split(";")
    assert [int(count) for count in counts] == [bench.mirrors[1, 1].steps, bench.mirrors[1, 2].steps]


# ---- the real driver ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("telnet", [None, TELNET_DO_WILL, TELNET_WILL_WILL])
def test_the_driver_gets_on_with_every_telnet_greeting(telnet: bytes | None, lazily: bool) -> None:
    driver = Bench(telnet, telnet_lazily=lazily).driver()
    driver.initialise()
    identity = driver.read_identity()
    assert (identity.model, identity.serial) == ("8742", "10001")
    assert driver.found_controllers == (1, 2)


def test_the_driver_moves_a_mirror_of_a_slave() -> None:
    bench = Bench(TELNET_DO_WILL)
    driver = bench.driver()
    axis = driver.controllers[2].axes[4]
    axis.velocity = 200
    axis.acceleration = 1000
    axis.move_by(-100)
    assert axis.is_moving and driver.is_moving
    assert -100 < axis.position <= 0
    bench.time.elapse(2.0)
    assert not axis.is_moving and not driver.is_moving
    assert axis.position == axis.target_position == bench.mirrors[2, 4].steps == -100
    axis.home = 0
    axis.target_position = 30
    bench.time.elapse(2.0)
    assert (axis.position, axis.home, bench.mirrors[2, 4].steps) == (30, 0, -70)
    assert (axis.velocity, axis.acceleration, axis.motor_type) == (200, 1000, MotorType.STANDARD)


def test_the_driver_says_why_a_second_motor_does_not_move() -> None:
    bench = Bench()
    driver = bench.driver()
    driver.controllers[1].axes[1].move_by(2000)
    with pytest.raises(Refused, match="axis 2: MOTION IN PROGRESS"):
        driver.controllers[1].axes[2].move_by(5)
    driver.controllers[2].axes[4].move_by(5)  # the other controller is free
    driver.stop()
    bench.time.elapse(1.0)
    assert not driver.is_moving
    driver.controllers[1].axes[2].move_by(5)
    assert 0 < bench.mirrors[1, 1].steps < 2000


def test_the_driver_says_that_no_motor_is_connected() -> None:
    with pytest.raises(Refused, match=r"axis 3: MOTOR NOT CONNECTED .*Check the motor"):
        Bench().driver().controllers[1].axes[3].move_by(1)


def test_an_aborted_motion_stands_at_once() -> None:
    driver = Bench().driver()
    driver.controllers[1].axes[1].move_by(5000)
    assert driver.is_moving
    driver.abort_motion()
    assert not driver.is_moving


def test_a_missing_controller_is_named() -> None:
    driver = Bench().driver(chain=(1, 3))
    with pytest.raises(NoReply, match=r"controller 3 .*RS-485"):
        driver.initialise()
    assert driver.controllers[1].axes[1].position == 0
