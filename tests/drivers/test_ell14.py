"""The ELL14 driver byte by byte: packets without end, motions that answer late, faults, other people's messages."""

from __future__ import annotations

import math
from unittest.mock import MagicMock

import pytest
from pymeasure.test import expected_protocol

from drivers.base import Identity
from drivers.errors import BadReply, Refused, WrongInstrument
from drivers.thorlabs.ell14 import ThorlabsELL14
from drivers.thorlabs.ell14_rotator import COUNTERCLOCKWISE
from drivers.thorlabs.elliptec import RotatorInfo, RotatorStatus

INFO = "0E" + "11400590" + "2021" + "17" + "01" + "0168" + "00023000"
SCALE = ("0in", f"0IN{INFO}\r")
QUARTER = "00008C00"  # 35840 of 143360 pulses
NOTHING = (None, b"")


def test_a_mock_adapter_and_a_name_are_enough() -> None:
    driver = ThorlabsELL14(MagicMock(), name="plates", addresses=(0, 15))
    assert driver.name == "plates"
    assert list(driver.rotators) == [0, 15]


@pytest.mark.parametrize("addresses", [(), (1, 1), (-1,), (0, 16)])
def test_impossible_addresses_are_refused(addresses: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="addresses"):
        ThorlabsELL14(MagicMock(), addresses=addresses)


@pytest.mark.parametrize(
    ("name", "pairs", "value"),
    [
        ("status", [("Ags", "AGS00\r")], RotatorStatus.OK),
        ("status", [("Ags", "AGS02\r")], RotatorStatus.MECHANICAL_TIMEOUT),
        ("info", [("Ain", f"AIN{INFO}\r")], RotatorInfo(14, "11400590", 2021, "17", "01", 360, 143_360)),
        ("position", [("Agp", "APOFFFFFFFE\r")], -2),
        ("velocity_percent", [("Agv", "AGV64\r")], 100),
        ("pulses_per_revolution", [("Ain", f"AIN{INFO}\r")], 143_360),
        ("angle_deg", [("Agp", f"APO{QUARTER}\r"), ("Ain", f"AIN{INFO}\r")], 90.0),
        ("home_offset_deg", [("Ago", f"AHO{QUARTER}\r"), ("Ain", f"AIN{INFO}\r")], 90.0),
        ("jog_step_deg", [("Agj", f"AGJ{QUARTER}\r"), ("Ain", f"AIN{INFO}\r")], 90.0),
    ],
)
def test_a_property_is_read(name: str, pairs: list[tuple[str, str]], value: object) -> None:
    with expected_protocol(ThorlabsELL14, pairs, addresses=(10,)) as driver:
        got = getattr(driver.rotators[10], name)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "pairs"),
    [
        ("velocity_percent", 1, [("0sv01", "0GS00\r")]),
        ("velocity_percent", 100, [("0sv64", "0GS00\r")]),
        ("velocity_percent", 50.0, [("0sv32", "0GS00\r")]),
        ("jog_step_deg", 90, [SCALE, (f"0sj{QUARTER}", "0GS00\r")]),
        ("jog_step_deg", 0.0, [SCALE, ("0sj00000000", "0GS00\r")]),
    ],
)
def test_a_property_is_set_and_acknowledged(name: str, value: float, pairs: list[tuple[str, str]]) -> None:
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        setattr(driver.rotators[0], name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("velocity_percent", 0),
        ("velocity_percent", 101),
        ("velocity_percent", 50.5),
        ("jog_step_deg", -1),
        ("jog_step_deg", 360.1),
        ("jog_step_deg", math.nan),
    ],
)
def test_a_value_out_of_range_is_never_sent(name: str, value: float) -> None:
    with expected_protocol(ThorlabsELL14, []) as driver, pytest.raises(ValueError):
        setattr(driver.rotators[0], name, value)


@pytest.mark.parametrize("angle_deg", [-0.1, 360.1, math.inf, math.nan])
def test_an_angle_out_of_range_is_never_sent(angle_deg: float) -> None:
    with expected_protocol(ThorlabsELL14, []) as driver:
        with pytest.raises(ValueError):
            driver.rotators[0].start_move(angle_deg)
        with pytest.raises(ValueError):
            driver.rotators[0].start_move_by(angle_deg - 361 if angle_deg < 0 else angle_deg)
        with pytest.raises(ValueError):
            driver.rotators[0].start_home(direction=2)


def test_the_scale_is_asked_for_once() -> None:
    pairs = [("0gp", "0PO00000000\r"), SCALE, ("0gp", f"0PO{QUARTER}\r")]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        assert [driver.rotators[0].angle_deg, driver.rotators[0].angle_deg] == [0.0, 90.0]


def test_a_move_returns_at_once_and_its_answer_is_read_when_it_is_there() -> None:
    pairs = [SCALE, (f"0ma{QUARTER}", None), NOTHING, (None, b"0PO0000"), NOTHING, (None, b"8C01\r\n")]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        rotator = driver.rotators[0]
        rotator.start_move(90)
        assert [rotator.is_moving() for _ in range(3)] == [True, True, False]
        assert rotator.is_moving() is False
        assert rotator.fault is RotatorStatus.OK


@pytest.mark.parametrize(
    ("start", "sent"),
    [
        (lambda rotator: rotator.start_move_by(-90), "0mrFFFF7400"),
        (lambda rotator: rotator.start_move_by(360), "0mr00023000"),
        (lambda rotator: rotator.start_jog(), "0fw"),
        (lambda rotator: rotator.start_jog(backwards=True), "0bw"),
        (lambda rotator: rotator.start_home(), "0ho0"),
        (lambda rotator: rotator.start_home(COUNTERCLOCKWISE), "0ho1"),
    ],
)
def test_every_motion_is_started_and_ends(start, sent: str) -> None:  # type: ignore[no-untyped-def]
    pairs = [*([SCALE] if "mr" in sent else []), (sent, None), (None, b"0PO00000001\r\n")]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        start(driver.rotators[0])
        assert driver.is_moving() is False


def test_home_is_known_after_homing_only() -> None:
    home = [("0ho0", None), NOTHING, (None, b"0PO00000000\r\n")]
    with expected_protocol(ThorlabsELL14, [*home, ("0ho0", None), (None, b"0GS02\r\n")]) as driver:
        rotator = driver.rotators[0]
        rotator.start_home()
        assert rotator.is_moving() and rotator.is_homed is False
        assert not rotator.is_moving() and rotator.is_homed is True
        rotator.start_home()
        with pytest.raises(Refused, match="mechanical timeout"):
            rotator.is_moving()
        assert rotator.is_homed is False


def test_a_failed_move_is_reported_once_and_its_fault_cleared_before_the_next() -> None:
    pairs = [("0fw", None), (None, b"0GS02\r\n"), ("0gs", "0GS02\r"), ("0fw", None), (None, b"0PO00000001\r\n")]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        rotator = driver.rotators[0]
        rotator.start_jog()
        with pytest.raises(Refused, match=r"rotator 0 .*mechanical timeout.*'0fw'.*move again"):
            rotator.is_moving()
        assert rotator.is_moving() is False
        assert rotator.fault is RotatorStatus.MECHANICAL_TIMEOUT
        rotator.start_jog()
        assert rotator.is_moving() is False
        assert rotator.fault is RotatorStatus.OK


def test_a_failure_that_nobody_was_told_of_is_told_before_the_next_move() -> None:
    pairs = [("0fw", None), (None, b"0GS02\r\n")]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        driver.rotators[0].start_jog()
        with pytest.raises(Refused, match="mechanical timeout"):
            driver.rotators[0].start_jog()


@pytest.mark.parametrize("name", ["status", "info", "position", "velocity_percent", "angle_deg", "jog_step_deg"])
def test_a_rotator_in_motion_is_left_alone(name: str) -> None:
    with expected_protocol(ThorlabsELL14, [("0fw", None), NOTHING]) as driver:
        driver.rotators[0].start_jog()
        with pytest.raises(Refused, match=r"it is busy.*Wait until it stands"):
            getattr(driver.rotators[0], name)


def test_nothing_is_set_or_started_in_motion() -> None:
    with expected_protocol(ThorlabsELL14, [("0fw", None), NOTHING, NOTHING]) as driver:
        driver.rotators[0].start_jog()
        with pytest.raises(Refused, match="busy"):
            driver.rotators[0].velocity_percent = 50
        with pytest.raises(Refused, match="busy"):
            driver.rotators[0].start_home()


def test_a_question_after_the_arrival_ends_the_motion_first() -> None:
    pairs = [("0fw", None), (None, b"0PO00000001\r\n"), ("0gp", "0PO00000001\r")]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        driver.rotators[0].start_jog()
        assert driver.rotators[0].position == 1


def test_rotators_answer_for_themselves_in_any_order() -> None:
    pairs = [
        ("0fw", None),
        ("1gv", b"0PO00000005\r"),  # the other one arrives in between
        (None, b"1GV64\r"),
        ("1fw", None),
        (None, b"1GS02\r\n"),
    ]
    with expected_protocol(ThorlabsELL14, pairs, addresses=(0, 1)) as driver:
        driver.rotators[0].start_jog()
        assert driver.rotators[1].velocity_percent == 100
        assert driver.rotators[0].is_moving() is False
        driver.rotators[1].start_jog()
        with pytest.raises(Refused, match="rotator 1"):
            driver.is_moving()


def test_another_ones_failure_is_kept_for_it() -> None:
    pairs = [("0fw", None), ("1gp", b"0GS02\r"), (None, b"1PO00000000\r")]
    with expected_protocol(ThorlabsELL14, pairs, addresses=(0, 1)) as driver:
        driver.rotators[0].start_jog()
        assert driver.rotators[1].position == 0
        with pytest.raises(Refused, match="rotator 0"):
            driver.rotators[0].is_moving()


def test_buttons_are_skipped() -> None:
    pairs = [
        ("0gp", b"0BS00\r"),
        (None, b"0BO00000007\r"),
        (None, b"0PO00000007\r"),
        ("0fw", None),
        (None, b"0BO00000007\r\n"),
        NOTHING,
        (None, b"0BS00\r\n"),
        (None, b"0PO00000009\r\n"),
    ]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        rotator = driver.rotators[0]
        assert rotator.position == 7
        rotator.start_jog()
        assert [rotator.is_moving(), rotator.is_moving()] == [True, False]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("0GS01\r", "not completed in time"),
        ("0GS03\r", "does not know the command"),
        ("0GS04\r", "value is out of range"),
        ("0GS09\r", "busy"),
        ("0GS0B\r", "motor failed"),
        ("0GS63\r", "does not know"),
    ],
)
def test_a_fault_instead_of_an_answer_is_a_refusal(reply: str, text: str) -> None:
    with expected_protocol(ThorlabsELL14, [("0gp", reply), ("0sv32", reply)]) as driver:
        with pytest.raises(Refused, match=text):
            _ = driver.rotators[0].position
        with pytest.raises(Refused, match=f"{text}.*'0sv32'.*{reply.strip()}"):
            driver.rotators[0].velocity_percent = 50


@pytest.mark.parametrize("garbage", ["", "hello", "0PO123", "0po00000000", "0PO0000000G", "0,0", "\x00"])
def test_garbage_is_never_a_position(garbage: str) -> None:
    with expected_protocol(ThorlabsELL14, [("0gp", garbage)]) as driver, pytest.raises(BadReply, match="no packet"):
        _ = driver.rotators[0].position


@pytest.mark.parametrize("garbage", [b"\xff\xfe0PO\r\n", b"0P\r\n", b"x" * 65])
def test_garbage_in_motion_is_reported_and_the_wait_goes_on(garbage: bytes) -> None:
    with expected_protocol(ThorlabsELL14, [("0fw", None), (None, garbage), NOTHING]) as driver:
        driver.rotators[0].start_jog()
        with pytest.raises(BadReply, match="no packet"):
            driver.rotators[0].is_moving()
        assert driver.rotators[0].is_moving() is True


def test_old_answers_are_passed_over() -> None:
    pairs = [("0gv", "0PO00000001\r"), (None, "1GV01\r"), (None, "0GS00\r"), (None, "0GV64\r")]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        assert driver.rotators[0].velocity_percent == 100


def test_endless_talk_is_noticed() -> None:
    pairs = [("0gv", "1GV01\r"), *[(None, "1GV01\r")] * 15]
    with expected_protocol(ThorlabsELL14, pairs) as driver, pytest.raises(BadReply, match="without answering"):
        _ = driver.rotators[0].velocity_percent


def test_stop_ends_the_wait() -> None:
    pairs = [("0ho0", None), ("0st", "0PO00000001\r"), (None, "0GS00\r")]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        driver.rotators[0].start_home()
        driver.rotators[0].stop()
        assert driver.rotators[0].is_moving() is False
        assert driver.rotators[0].is_homed is False


def test_errors_name_every_rotator_with_its_fault() -> None:
    pairs = [("0gs", "0GS02\r"), ("1gs", "1GS09\r"), ("Fgs", "FGS0D\r"), ("0gs", "0GS00\r"), ("1gs", "1GS00\r")]
    with expected_protocol(ThorlabsELL14, [*pairs, ("Fgs", "FGS00\r")], addresses=(0, 1, 15)) as driver:
        with pytest.raises(Refused, match=r"rotator 0: mechanical timeout.*rotator F: its motor draws"):
            driver.check_errors()
        assert driver.check_errors() == []


def test_errors_of_a_rotator_in_motion_are_not_asked_for() -> None:
    with expected_protocol(ThorlabsELL14, [("0fw", None), NOTHING]) as driver:
        driver.rotators[0].start_jog()
        assert driver.check_errors() == []


def test_initialise_clears_old_faults_and_reads_the_scales(caplog: pytest.LogCaptureFixture) -> None:
    pairs = [("0gs", "0GS02\r"), SCALE, ("1gs", "1GS00\r"), ("1in", f"1IN{INFO}\r"), ("0gp", f"0PO{QUARTER}\r")]
    with expected_protocol(ThorlabsELL14, pairs, addresses=(0, 1)) as driver:
        driver.initialise()
        assert driver.rotators[0].angle_deg == 90.0
    assert "mechanical timeout" in caplog.text


def test_initialise_refuses_other_devices_and_motion() -> None:
    slider = "06" + INFO[2:]
    pairs = [("0gs", "0GS00\r"), ("0in", f"0IN{slider}\r"), ("0gs", "0GS09\r"), ("0in", "0GS09\r")]
    with expected_protocol(ThorlabsELL14, pairs) as driver:
        with pytest.raises(WrongInstrument, match="address 0, found an ELL6"):
            driver.initialise()
        with pytest.raises(Refused, match="busy"):
            driver.initialise()


def test_identity_is_that_of_the_first() -> None:
    with expected_protocol(ThorlabsELL14, [("3in", f"3IN{INFO}\r")], addresses=(3, 0)) as driver:
        assert driver.read_identity() == Identity("Thorlabs", "ELL14", "11400590", "17")


@pytest.mark.parametrize("reply", ["0IN\r", f"0IN{INFO[:-8]}00000000\r"])
def test_a_device_without_scale_is_an_error(reply: str) -> None:
    with expected_protocol(ThorlabsELL14, [("0in", reply)]) as driver, pytest.raises(BadReply):
        driver.read_identity()


@pytest.mark.parametrize(
    ("command", "reads"), [("0gp", True), ("Fin", True), ("0ma00000000", False), ("0us", False), ("0ga1", False)]
)
def test_raw_packets_that_only_read(command: str, reads: bool) -> None:
    assert ThorlabsELL14(MagicMock()).is_question(command) is reads


def test_a_power_cut_takes_home_and_motion() -> None:
    pairs = [("0ho0", None), (None, b"0PO00000000\r\n"), ("0gp", "0PO00000000\r"), SCALE, ("0fw", None)]
    with expected_protocol(ThorlabsELL14, [*pairs, ("0gp", "0PO00000000\r"), SCALE]) as driver:
        rotator = driver.rotators[0]
        rotator.start_home()
        assert not rotator.is_moving()
        assert rotator.angle_deg == 0.0
        rotator.start_jog()
        driver.forget_outputs()
        assert not rotator.is_moving()
        assert not rotator.is_homed
        assert rotator.angle_deg == 0.0
