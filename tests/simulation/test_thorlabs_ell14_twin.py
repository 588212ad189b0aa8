"""The simulated ELL14 line: raw packets, motion in lab time, what goes wrong, and the real driver on top of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_time import SteppedTime

from drivers.errors import BadReply, ConnectionLost, NoReply, Refused
from drivers.thorlabs.ell14 import LONGEST_MOVE_S, PAUSE_BETWEEN_MOVES_S, ThorlabsELL14
from drivers.thorlabs.ell14_rotator import COUNTERCLOCKWISE, Rotator
from drivers.thorlabs.elliptec import RotatorStatus
from labctl.configuration.fault_kinds import FaultKind
from labctl.simulation.faults import Fault, FaultyWire
from labctl.simulation.instruments.thorlabs_ell14 import INTER_CHARACTER_S, PROCESSING_S, SimulatedELL14Bus
from labctl.simulation.instruments.thorlabs_ell14_rotator import ENCODER_ERROR_PULSES, Imperfections
from labctl.simulation.visa_library import simulated_library
from labctl.simulation.wire import WireInstrument

ADDRESS = "ASRL/dev/ttyUSB5::INSTR"
PULSE_DEG = 360 / 143_360
ALWAYS_JAMS = Imperfections(timeout_probability=1.0)
ALWAYS_SHORT = Imperfections(shortfall_probability=1.0)


class Mount:
    """A rotation mount that remembers every angle."""

    def __init__(self) -> None:
        self.angles: list[float] = []

    def set_angle(self, angle_deg: float) -> None:
        self.angles.append(angle_deg)

    def left_at_deg(self) -> float | None:
        return None

    @property
    def angle_deg(self) -> float:
        return self.angles[-1] % 360


class Bench:
    """Mounts at addresses 0 and A, spoken to in bytes."""

    def __init__(self, seed: int = 1, **options: Any) -> None:
        self.time = SteppedTime()
        self.mounts = {0: Mount(), 10: Mount()}
        self.twin = SimulatedELL14Bus(self.time, self.mounts, np.random.default_rng(seed), **options)

    def say(self, data: bytes, wait: float = 0.1) -> bytes:
        self.twin.on_bytes(data)
        self.time.elapse(wait)
        return self.twin.take()

    def position(self, address: str = "0") -> int:
        reply = self.say(f"{address}gp".encode())
        word = int(reply[3:11], 16)
        return word - 2**32 if word >= 2**31 else word

    def driver(self, wire: WireInstrument | None = None, **options: Any) -> ThorlabsELL14:
        library = simulated_library(self.time, {ADDRESS: wire or self.twin})
        options = {"addresses": (0, 10), "timeout": 1000, **options}
        return ThorlabsELL14(ADDRESS, visa_library=library, **options)

    def wait_for(self, rotator: Rotator) -> int:
        """Poll until the rotator stands; return how often."""
        for polls in range(int(LONGEST_MOVE_S / 0.05)):
            if not rotator.is_moving():
                self.time.elapse(PAUSE_BETWEEN_MOVES_S)
                return polls
            self.time.elapse(0.05)
        raise AssertionError("it never arrived")


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- packets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"0in", b"0IN0E1140059020211701016800023000\r\n"),
        (b"Ain", b"AIN0E1140059120211701016800023000\r\n"),
        (b"0gs", b"0GS00\r\n"),
        (b"0gp", b"0PO00000000\r\n"),
        (b"0gv", b"0GV64\r\n"),
        (b"0sv320gv", b"0GS00\r\n0GV32\r\n"),
        (b"0sj000023000gj", b"0GS00\r\n0GJ00002300\r\n"),
        (b"0so000023000go", b"0GS00\r\n0HO00002300\r\n"),
        (b"0f100C80i1", b"0GS00\r\n0I11102EAFFFFFFFF00C800B8\r\n"),
        (b"0us", b"0GS00\r\n"),
        (b"0st", b"0GS00\r\n"),
        (b"0ca3", b"3GS00\r\n"),
        (b"0ca33gv", b"3GS00\r\n3GV64\r\n"),
        (b"0gv\r\nAgv\n", b"0GV64\r\nAGV64\r\n"),
        (b"5gp", b""),
        (b"0g", b""),
        (b"0", b""),
        (b"\r\n\r\n", b""),
        (b"GS00\r\n0gv", b"0GV64\r\n"),
        (b"0PO000000000gv", b"0GV64\r\n"),
        (b"00gv", b"0GV64\r\n"),
        (b"0zz", b"0GS03\r\n"),
        (b"0is01", b"0GS03\r\n"),
        (b"0ma0000g", b"0GS03\r\n"),
        (b"0svab", b"0GS03\r\n"),
        (b"0sv00", b"0GS04\r\n"),
        (b"0sv65", b"0GS04\r\n"),
        (b"0sjFFFFFFFF", b"0GS04\r\n"),
        (b"0ho2", b"0GS04\r\n"),
        (b"0f10000", b"0GS04\r\n"),
        (b"0ma00023001", b"0GS04\r\n"),
        (b"0maFFFFFFFF", b"0GS04\r\n"),
        (b"0mr00023001", b"0GS04\r\n"),
        (b"0mrFFFDCFFF", b"0GS04\r\n"),
    ],
)
def test_replies(bench: Bench, sent: bytes, reply: bytes) -> None:
    assert bench.say(sent) == reply


def test_a_packet_may_come_in_pieces(bench: Bench) -> None:
    assert [bench.say(bytes([byte])) for byte in b"0sv32"] == [b"", b"", b"", b"", b"0GS00\r\n"]


def test_a_packet_that_is_not_completed_in_time_is_dropped_and_latched(bench: Bench) -> None:
    bench.say(b"0sv3", wait=INTER_CHARACTER_S + 0.1)
    assert bench.say(b"0gs") == b"0GS01\r\n"
    assert bench.say(b"0gv") == b"0GV64\r\n"


def test_a_line_end_abandons_a_packet(bench: Bench) -> None:
    assert bench.say(b"0s\r\n0gv") == b"0GV64\r\n"


@pytest.mark.parametrize(("sent", "code"), [(b"0zz", b"03"), (b"0sv00", b"04")])
def test_a_fault_is_latched_until_it_is_read(bench: Bench, sent: bytes, code: bytes) -> None:
    bench.say(sent)
    bench.say(b"0gp")
    assert bench.say(b"0gs0gsAgs") == b"0GS" + code + b"\r\n0GS00\r\nAGS00\r\n"


def test_a_reply_takes_milliseconds(bench: Bench) -> None:
    assert bench.say(b"0gv", wait=0.9 * PROCESSING_S) == b""
    bench.time.elapse(0.2 * PROCESSING_S)
    assert bench.twin.take() == b"0GV64\r\n"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.text("0A123maorhgsptvfwbcjin", max_size=12).map(str.encode),
            st.sampled_from([b"0ho0", b"0ma00008C00", b"Amr00001000", b"0fw", b"0st", b"0s1", b"0ca5", b"0gs"]),
        ),
        max_size=12,
    )
)
def test_any_bytes_are_survived(chunks: list[bytes]) -> None:
    bench = Bench(button_probability=0.3, imperfections=Imperfections(0.3, 0.3, hasty_s=0.05))
    for chunk in chunks:
        bench.say(chunk, wait=0.02)
    bench.time.elapse(100.0)
    bench.twin.on_bytes(b"\r")
    bench.time.elapse(1.0)
    said = b"".join([bench.twin.take(), *[bench.say(b"%Xgs" % address) for address in range(16)]])
    assert said.count(b"GS") >= 2
    assert all(line[:1] in b"0123456789ABCDEF" for line in said.splitlines())


# ---- motion ---------------------------------------------------------------------------------------------------------


def test_a_move_is_answered_on_arrival_and_not_before(bench: Bench) -> None:
    assert bench.say(b"0ma00008C00", wait=0.2) == b""
    bench.time.elapse(0.2)
    reply = bench.twin.take()
    assert reply[:3] == b"0PO"
    assert abs(int(reply[3:11], 16) - 0x8C00) <= ENCODER_ERROR_PULSES
    assert abs(bench.position() - 0x8C00) <= ENCODER_ERROR_PULSES


def test_in_motion_it_is_busy(bench: Bench) -> None:
    assert bench.say(b"0ma000230000gs0gp0ho00zzAgs", wait=0.1) == b"0GS09\r\n" * 3 + b"0GS03\r\nAGS00\r\n"


def test_a_slower_velocity_takes_longer(bench: Bench) -> None:
    bench.say(b"0sv19")
    assert bench.say(b"0ma00008C00", wait=0.8) == b""
    bench.time.elapse(0.2)
    assert bench.twin.take().startswith(b"0PO")


def test_the_mount_turns_as_time_passes(bench: Bench) -> None:
    mount = bench.mounts[0]
    start = mount.angles[-1]
    bench.say(b"0mr00008C00", wait=0.0)
    for _ in range(4):
        bench.time.elapse(0.05)
        bench.twin.advance(bench.time.now())
    angles = np.array(mount.angles[1:]) - start
    assert angles.size == 4
    assert np.all(np.diff(angles) > 0)
    assert 0 < angles[0] < angles[-1] < 90
    bench.time.elapse(1.0)
    bench.twin.advance(bench.time.now())
    assert mount.angles[-1] - start == pytest.approx(90, abs=0.12)
    assert len(bench.mounts[10].angles) == 1


def test_lab_time_that_runs_backwards_turns_nothing_back(bench: Bench) -> None:
    bench.say(b"0mr00008C00", wait=0.2)
    bench.twin.advance(0.1)
    bench.twin.advance(0.2)
    assert np.all(np.diff(bench.mounts[0].angles) > 0)


@pytest.mark.parametrize("direction", [b"0", b"1"])
def test_home_is_at_the_mark_whatever_the_angle_was(direction: bytes) -> None:
    for seed in range(5):
        bench = Bench(seed)
        assert bench.mounts[0].angle_deg not in (0.0, 360.0)
        assert bench.say(b"0ho" + direction, wait=2.0)[:3] == b"0PO"
        assert abs(bench.position()) <= ENCODER_ERROR_PULSES
        assert (bench.mounts[0].angle_deg + 180) % 360 - 180 == pytest.approx(0, abs=0.12)
        turned = bench.mounts[0].angles[-1] - bench.mounts[0].angles[0]
        assert (turned > 0) == (direction == b"0")


def test_the_home_offset_moves_home(bench: Bench) -> None:
    bench.say(b"0so00008C00")
    bench.say(b"0ho0", wait=2.0)
    assert abs(bench.position()) <= ENCODER_ERROR_PULSES
    assert bench.mounts[0].angle_deg == pytest.approx(90, abs=0.12)


def test_before_homing_zero_is_anywhere() -> None:
    angles = [Bench(seed).mounts[0].angle_deg for seed in range(20)]
    assert np.ptp(angles) > 180


def test_arrivals_from_both_sides_differ_by_the_repeatability(bench: Bench) -> None:
    bench.say(b"0ho0", wait=2.0)
    arrivals: dict[int, list[float]] = {1: [], -1: []}
    for _ in range(40):
        for side in (1, -1):
            bench.say(b"0ma" + b"%08X" % (20_000 - side * 5_000), wait=1.0)
            bench.say(b"0ma%08X" % 20_000, wait=1.0)
            arrivals[side].append(bench.mounts[0].angle_deg - bench.position() * PULSE_DEG)
    # Forty arrivals a side, each with an rms of 0.01 deg: the difference is known to 0.0022 deg, tested to 5 sigma.
    assert np.mean(arrivals[1]) - np.mean(arrivals[-1]) == pytest.approx(0.1, abs=0.012)


def test_jogs_and_relative_moves_add_up(bench: Bench) -> None:
    bench.say(b"0sj00001000")
    for command in (b"0fw", b"0fw", b"0bw", b"0mrFFFFF000", b"0mr00000100"):
        assert bench.say(command, wait=1.0).startswith(b"0PO")
    assert abs(bench.position() - 0x100) <= 5 * ENCODER_ERROR_PULSES


def test_stop_leaves_it_where_it_is(bench: Bench) -> None:
    assert bench.say(b"0ma00023000", wait=0.4) == b""
    assert bench.say(b"0st", wait=2.0) == b"0GS00\r\n"
    assert 20_000 < bench.position() < 120_000
    angle = bench.mounts[0].angle_deg
    bench.twin.advance(bench.time.now() + 5)
    assert bench.mounts[0].angle_deg == angle


def test_a_jam_stops_short_and_is_latched() -> None:
    bench = Bench(imperfections=ALWAYS_JAMS)
    assert bench.say(b"0ma00020000", wait=0.5) == b""
    assert bench.say(b"", wait=3.0) == b"0GS02\r\n"
    assert 0 < bench.position() < 0x20000 * 0.95
    assert bench.say(b"0gs0gs") == b"0GS02\r\n0GS00\r\n"


def test_a_shortfall_says_nothing_but_where_it_is() -> None:
    bench = Bench(imperfections=ALWAYS_SHORT)
    reply = bench.say(b"0ma00020000", wait=3.0)
    assert reply[:3] == b"0PO"
    assert 0 < int(reply[3:11], 16) < 0x20000 * 0.95
    assert bench.say(b"0gs") == b"0GS00\r\n"


def test_a_hasty_move_goes_to_zero() -> None:
    bench = Bench(imperfections=Imperfections(hasty_s=0.1))
    bench.say(b"0ma00008C00", wait=0.35)
    bench.say(b"0ma00010000", wait=2.0)
    assert abs(bench.position()) <= ENCODER_ERROR_PULSES
    bench.say(b"0ma00010000", wait=2.0)
    assert abs(bench.position() - 0x10000) <= ENCODER_ERROR_PULSES


def test_frequency_search_occupies_it_and_moves_nothing(bench: Bench) -> None:
    assert bench.say(b"0s1", wait=1.0) == b""
    assert bench.say(b"0gs", wait=2.0) == b"0GS09\r\n0GS00\r\n"
    assert len(bench.mounts[0].angles) == 1


def test_somebody_at_the_buttons_turns_it_and_it_says_so(bench: Bench) -> None:
    bench.twin.press_button(10)
    bench.twin.press_button(10)  # it moves already
    bench.time.elapse(1.0)
    first, second = bench.twin.take().splitlines()
    assert (first, second[:3]) == (b"ABS00", b"ABO")
    assert bench.position("A") == pytest.approx(5 / PULSE_DEG, abs=ENCODER_ERROR_PULSES + 1)


def test_the_same_seed_gives_the_same_night() -> None:
    nights = []
    for _ in range(2):
        bench = Bench(seed=7, imperfections=Imperfections(0.3, 0.3))
        bench.say(b"0ho0", wait=3.0)
        nights.append(
            [*[bench.say(b"0ma%08X" % target, wait=3.0) for target in (5_000, 70_000)], *bench.mounts[0].angles]
        )
    assert nights[0] == nights[1]


# ---- the real driver ------------------------------------------------------------------------------------------------


def test_the_driver_homes_and_moves_a_wave_plate(bench: Bench) -> None:
    driver = bench.driver()
    driver.initialise()
    assert driver.read_identity().model == "ELL14"
    rotator = driver.rotators[10]
    rotator.start_home(COUNTERCLOCKWISE)
    bench.wait_for(rotator)
    assert rotator.is_homed
    began = bench.time.now()
    rotator.start_move(22.5)
    assert bench.time.now() - began < 0.05
    assert bench.wait_for(rotator) > 0
    assert rotator.angle_deg == pytest.approx(22.5, abs=3 * PULSE_DEG)
    assert bench.mounts[10].angle_deg == pytest.approx(22.5, abs=0.12)
    rotator.start_move_by(-30.0)
    bench.wait_for(rotator)
    assert rotator.angle_deg == pytest.approx(-7.5, abs=6 * PULSE_DEG)
    assert rotator.status is RotatorStatus.OK
    assert len(bench.mounts[0].angles) == 1


def test_the_driver_reads_back_what_it_set(bench: Bench) -> None:
    rotator = bench.driver().rotators[0]
    rotator.velocity_percent = 60
    rotator.jog_step_deg = 11.25
    assert (rotator.velocity_percent, rotator.jog_step_deg, rotator.home_offset_deg) == (60, 11.25, 0.0)
    rotator.start_jog()
    bench.wait_for(rotator)
    assert rotator.position * PULSE_DEG == pytest.approx(11.25, abs=3 * PULSE_DEG)


def test_the_driver_takes_the_scale_from_the_device() -> None:
    bench = Bench(pulses_per_revolution=262_144)
    rotator = bench.driver().rotators[0]
    rotator.start_move(45.0)
    bench.wait_for(rotator)
    assert rotator.pulses_per_revolution == 262_144
    assert rotator.angle_deg == pytest.approx(45.0, abs=0.005)


def test_both_rotators_may_move_at_once(bench: Bench) -> None:
    driver = bench.driver()
    driver.rotators[0].start_move(350)
    driver.rotators[10].start_move(90)
    assert driver.is_moving()
    bench.time.elapse(0.4)
    assert not driver.rotators[10].is_moving()
    assert driver.rotators[10].angle_deg == pytest.approx(90, abs=0.01)  # while the other one goes on
    assert driver.rotators[0].is_moving()
    bench.wait_for(driver.rotators[0])
    assert driver.rotators[0].angle_deg == pytest.approx(350, abs=0.01)


def test_an_answer_that_comes_while_another_is_asked_is_not_lost(bench: Bench) -> None:
    driver = bench.driver()
    driver.rotators[0].start_move(10)
    while bench.time.now() < 0.5:
        assert driver.rotators[10].velocity_percent == 100
    assert not driver.rotators[0].is_moving()


def test_clearing_the_line_loses_no_arrival(bench: Bench) -> None:
    driver = bench.driver(addresses=(0, 3))
    driver.rotators[0].start_move(10)
    with pytest.raises(NoReply):
        _ = driver.rotators[3].position  # nobody is there; the other one arrives meanwhile
    assert not driver.rotators[0].is_moving()
    assert driver.rotators[0].fault is RotatorStatus.OK


def test_a_jam_is_reported_and_the_caller_may_try_again() -> None:
    bench = Bench(imperfections=ALWAYS_JAMS)
    driver = bench.driver()
    rotator = driver.rotators[0]
    reached = []
    for _ in range(3):
        rotator.start_move(90)
        with pytest.raises(Refused, match="mechanical timeout"):
            bench.wait_for(rotator)
        assert rotator.fault is RotatorStatus.MECHANICAL_TIMEOUT
        reached.append(rotator.angle_deg)
    assert 0 < reached[0] < reached[1] < reached[2] < 90
    with pytest.raises(Refused, match="rotator 0: mechanical timeout"):
        driver.check_errors()
    assert driver.check_errors() == []


def test_a_busy_rotator_says_so_to_a_driver_that_did_not_start_it(bench: Bench) -> None:
    bench.say(b"0ma00023000", wait=0.1)
    driver = bench.driver()
    assert driver.rotators[0].status is RotatorStatus.BUSY
    driver.rotators[0].start_jog()
    with pytest.raises(Refused, match="it is busy"):
        bench.wait_for(driver.rotators[0])
    bench.time.elapse(1.0)
    assert driver.rotators[0].angle_deg == pytest.approx(360, abs=0.01)


def test_the_driver_stops_a_motion(bench: Bench) -> None:
    rotator = bench.driver().rotators[0]
    rotator.start_move(360)
    bench.time.elapse(0.3)
    rotator.stop()
    assert not rotator.is_moving()
    assert 30 < rotator.angle_deg < 300


def test_buttons_disturb_no_question_and_no_move() -> None:
    bench = Bench(button_probability=1.0)
    driver = bench.driver()
    driver.initialise()
    rotator = driver.rotators[0]
    bench.twin.press_button(0)
    bench.time.elapse(1.0)
    assert rotator.angle_deg == pytest.approx(5, abs=0.01)
    rotator.start_move(90)
    bench.twin.press_button(0)
    bench.wait_for(rotator)
    assert rotator.angle_deg == pytest.approx(90, abs=0.01)


def test_a_missing_rotator_is_named(bench: Bench) -> None:
    with pytest.raises(NoReply, match=r"rotator F did not answer in time.*its address"):
        bench.driver(addresses=(0, 15)).initialise()


class Deaf(SimulatedELL14Bus):
    """A line whose replies come late, or not at all."""

    delay_s = 0.0
    is_silent = False

    def send(self, data: bytes, delay: float = 0.0) -> None:
        if not self.is_silent:
            super().send(data, delay + self.delay_s)


def deaf_bench() -> tuple[Bench, Deaf]:
    bench = Bench()
    return bench, Deaf(bench.time, bench.mounts, np.random.default_rng(1))


def test_a_late_reply_answers_no_other_question() -> None:
    bench, twin = deaf_bench()
    rotator = bench.driver(twin, timeout=100).rotators[0]
    twin.delay_s = 0.2
    with pytest.raises(NoReply):
        _ = rotator.velocity_percent
    twin.delay_s = 0.0
    bench.time.elapse(0.2)
    rotator.jog_step_deg = 45.0
    assert rotator.jog_step_deg == 45.0
    assert rotator.velocity_percent == 100


def test_a_lost_answer_keeps_it_moving_until_it_is_stopped() -> None:
    bench, twin = deaf_bench()
    rotator = bench.driver(twin).rotators[0]
    assert rotator.angle_deg == 0.0
    twin.is_silent = True
    rotator.start_move(90)
    with pytest.raises(AssertionError, match="never arrived"):
        bench.wait_for(rotator)
    twin.is_silent = False
    rotator.stop()
    assert not rotator.is_moving()
    assert rotator.angle_deg == pytest.approx(90, abs=0.01)


def test_garbage_is_an_error_and_what_follows_is_not() -> None:
    bench = Bench()
    wire = FaultyWire(bench.twin, bench.time, np.random.default_rng(3), faults=[Fault(FaultKind.GARBAGE, 1.0, 2.0)])
    rotator = bench.driver(wire).rotators[0]
    bench.time.elapse(1.0)
    for _ in range(5):
        with pytest.raises((BadReply, NoReply)):
            _ = rotator.velocity_percent
        if bench.time.now() > 1.8:
            break
    bench.time.elapse(1.0)
    assert rotator.velocity_percent == 100


def test_a_broken_link_is_said_to_be_one() -> None:
    bench = Bench()
    wire = FaultyWire(bench.twin, bench.time, np.random.default_rng(3), faults=[Fault(FaultKind.DROPPED, 1.0)])
    rotator = bench.driver(wire).rotators[0]
    rotator.start_jog()
    bench.time.elapse(1.0)
    with pytest.raises(ConnectionLost):
        rotator.is_moving()


def test_bytes_said_to_nobody_are_lost(bench: Bench) -> None:
    first = bench.driver()
    first.rotators[0].start_move(90)
    first.close()
    bench.time.elapse(1.0)
    second = bench.driver()
    assert second.rotators[0].angle_deg == pytest.approx(90, abs=0.01)
