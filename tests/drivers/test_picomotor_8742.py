"""The 8742 driver byte by byte: commands, addresses, telnet negotiation, errors."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused, WrongInstrument
from drivers.newport.error_queue_8742 import ErrorEntry, read_entry
from drivers.newport.picomotor_8742 import MotorType, Newport8742, strict_integer

NO_ERROR = ("TB?", "0, NO ERROR DETECTED")


def test_a_mock_adapter_and_a_name_are_enough() -> None:
    driver = Newport8742(MagicMock(), name="mirrors", chain=[1, 2])
    assert driver.name == "mirrors"
    assert list(driver.controllers) == [1, 2]
    assert list(driver.controllers[2].axes) == [1, 2, 3, 4]


@pytest.mark.parametrize("chain", [(), (1, 1), (0,), (1, 32)])
def test_an_impossible_chain_is_refused(chain: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="chain"):
        Newport8742(MagicMock(), chain=chain)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("target_position", "2PA?", "-1200", -1200),
        ("position", "2TP?", "37", 37),
        ("home", "2DH?", "5", 5),
        ("velocity", "2VA?", "2000", 2000),
        ("acceleration", "2AC?", "100000", 100_000),
        ("is_moving", "2MD?", "0", True),
        ("is_moving", "2MD?", "1", False),
        ("motor_type", "2QM?", "3", MotorType.STANDARD),
    ],
)
def test_an_axis_property_is_read(name: str, query: str, reply: str, value: object) -> None:
    with expected_protocol(Newport8742, [(query, reply + "\r")]) as driver:
        got = getattr(driver.controllers[1].axes[2], name)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("target_position", -1200, "3PA-1200"),
        ("home", 0, "3DH0"),
        ("velocity", 1750, "3VA1750"),
        ("acceleration", 200_000, "3AC200000"),
        ("motor_type", MotorType.TINY, "3QM2"),
    ],
)
def test_an_axis_property_is_set_and_its_errors_are_read(name: str, value: int, command: str) -> None:
    with expected_protocol(Newport8742, [(command, None), NO_ERROR]) as driver:
        setattr(driver.controllers[1].axes[3], name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_position", 2**31),
        ("target_position", 10.5),
        ("home", -(2**31) - 1),
        ("velocity", 0),
        ("velocity", 2001),
        ("velocity", 100.7),
        ("acceleration", 200_001),
        ("motor_type", 4),
    ],
)
def test_a_value_out_of_range_is_never_sent(name: str, value: float) -> None:
    with expected_protocol(Newport8742, []) as driver, pytest.raises(ValueError):
        setattr(driver.controllers[1].axes[1], name, value)


@given(st.one_of(st.integers(-(2**40), 2**40), st.floats()))
def test_steps_are_whole_or_refused(value: float) -> None:
    if isinstance(value, int) and abs(value) <= 1000:
        assert strict_integer(value, (-1000, 1000)) == value
    else:
        with pytest.raises(ValueError):
            strict_integer(value, (-1000, 1000))


def test_moves_and_stops() -> None:
    pairs = [("1PR-250", None), NO_ERROR, ("1ST", None), NO_ERROR, ("ST", None), NO_ERROR, ("AB", None), NO_ERROR]
    with expected_protocol(Newport8742, [*pairs, ("ST", None), NO_ERROR, ("MC", None), NO_ERROR]) as driver:
        driver.controllers[1].axes[1].move_by(-250)
        driver.controllers[1].axes[1].stop()
        driver.stop()
        driver.abort_motion()
        driver.safe_state()
        driver.controllers[1].start_motor_check()


def test_half_a_step_is_refused() -> None:
    with expected_protocol(Newport8742, []) as driver, pytest.raises(ValueError, match="not an integer"):
        driver.controllers[1].axes[1].move_by(0.5)


def test_slaves_are_spoken_to_by_address() -> None:
    pairs = [
        ("2>1PR100", None),
        ("2>TB?", "2>0, NO ERROR DETECTED"),
        ("2>1TP?", "2>100\r"),
        ("1TP?", "1>7"),  # a master may give its own address
        ("2>*IDN?", "2>New_Focus 8742 v1.9 10/23/12 SN10002"),
        ("ST", None),
        ("2>ST", None),
        NO_ERROR,
        ("2>TB?", "2>0, NO ERROR DETECTED"),
    ]
    with expected_protocol(Newport8742, pairs, chain=(1, 2)) as driver:
        driver.controllers[2].axes[1].move_by(100)
        assert driver.controllers[2].axes[1].position == 100
        assert driver.controllers[1].axes[1].position == 7
        assert driver.controllers[2].read_identity().serial == "10002"
        driver.stop()


@pytest.mark.parametrize("reply", ["3>100", "100"])
def test_the_reply_of_another_controller_is_not_taken(reply: str) -> None:
    with (
        expected_protocol(Newport8742, [("2>1TP?", reply)], chain=(1, 2)) as driver,
        pytest.raises(BadReply, match="another controller"),
    ):
        _ = driver.controllers[2].axes[1].position


def test_a_slave_never_answers_for_the_master() -> None:
    with (
        expected_protocol(Newport8742, [("1TP?", "2>100")], chain=(1, 2)) as driver,
        pytest.raises(BadReply, match="another controller"),
    ):
        _ = driver.controllers[1].axes[1].position


@pytest.mark.parametrize(
    "identity",
    ["New_Focus 8742 v1.9 10/23/12 SN10001", "New_Focus 8742 v1.9 10/23/12 10001"],
)
def test_identity(identity: str) -> None:
    with expected_protocol(Newport8742, [("*IDN?", identity + "\r")]) as driver:
        found = driver.read_identity()
    assert (found.manufacturer, found.model, found.serial) == ("New_Focus", "8742", "10001")
    assert found.firmware == "1.9 10/23/12"


def test_a_stranger_does_not_identify_itself() -> None:
    with (
        expected_protocol(Newport8742, [("*IDN?", "Keysight,N9020A,MY1,A.1")]) as driver,
        pytest.raises(BadReply, match="did not identify itself"),
    ):
        driver.read_identity()


GREETINGS = ["", "\xff\xfd\x03\xff\xfb\x01", "\xff\xfb\x01\xff\xfb\x03", "\xff\xfe\x01"]


@pytest.mark.parametrize("greeting", GREETINGS)
def test_telnet_negotiation_is_dropped_wherever_it_stands(greeting: str) -> None:
    replies = [("1TP?", f"{greeting}42\r"), ("1TP?", f"4{greeting}2\r"), ("1TP?", f"42\r{greeting}")]
    with expected_protocol(Newport8742, replies) as driver:
        assert [driver.controllers[1].axes[1].position for _ in replies] == [42, 42, 42]


def test_telnet_negotiation_of_option_ten_does_not_end_the_line() -> None:
    with expected_protocol(Newport8742, [("1TP?", "\xff\xfb"), (None, "42\r")]) as driver:
        assert driver.controllers[1].axes[1].position == 42


@pytest.mark.parametrize("garbage", ["\x80\x81", "\xff42", "", "4 2", "4,2", "1e3", "2.5"])
def test_garbage_is_never_a_position(garbage: str) -> None:
    with expected_protocol(Newport8742, [("1TP?", garbage)]) as driver, pytest.raises(BadReply):
        _ = driver.controllers[1].axes[1].position


@pytest.mark.parametrize(("name", "reply"), [("is_moving", "2"), ("motor_type", "7"), ("velocity", "fast")])
def test_an_impossible_reply_is_an_error(name: str, reply: str) -> None:
    with expected_protocol(Newport8742, [(None, reply)]) as driver:
        driver.write = lambda *args, **kwargs: None
        with pytest.raises(BadReply):
            getattr(driver.controllers[1].axes[1], name)


def test_a_refusal_names_axis_text_command_and_remedy() -> None:
    pairs = [("2PR10", None), ("TB?", "214, MOTION IN PROGRESS"), ("TB?", "7, PARAMETER OUT OF RANGE"), NO_ERROR]
    with expected_protocol(Newport8742, pairs) as driver, pytest.raises(Refused) as refusal:
        driver.controllers[1].axes[2].move_by(10)
    text = str(refusal.value)
    for part in ("controller 1", "axis 2: MOTION IN PROGRESS", "PARAMETER OUT OF RANGE", "'2PR10'", "one motor"):
        assert part in text


def test_the_refusal_of_a_slave_names_its_command() -> None:
    pairs = [("2>4VA100", None), ("2>TB?", "2>408, MOTOR NOT CONNECTED"), ("2>TB?", "2>0, NO ERROR DETECTED")]
    with expected_protocol(Newport8742, pairs, chain=(1, 2)) as driver, pytest.raises(Refused) as refusal:
        driver.controllers[2].axes[4].velocity = 100
    assert refusal.value.command == "2>4VA100"
    assert "controller 2 refused: axis 4: MOTOR NOT CONNECTED" in str(refusal.value)


def test_errors_are_drained_in_order() -> None:
    pairs = [("TB?", "3, OVER TEMPERATURE SHUTDOWN"), ("TB?", "114, MOTION IN PROGRESS"), NO_ERROR]
    with expected_protocol(Newport8742, pairs) as driver:
        errors = driver.check_errors()
    assert [(error.code, error.axis) for error in errors] == [(3, None), (114, 1)]
    assert "85 degC" in errors[0].remedy


def test_an_endless_error_queue_is_noticed() -> None:
    pairs = [("TB?", "6, COMMAND DOES NOT EXIST")] * 11
    with expected_protocol(Newport8742, pairs) as driver, pytest.raises(BadReply, match="without end"):
        driver.check_errors()


def test_a_garbled_error_is_an_error() -> None:
    with expected_protocol(Newport8742, [("TB?", "NONE")]) as driver, pytest.raises(BadReply, match="error code"):
        driver.check_errors()


@given(st.integers(1, 999), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_error_entries_are_read(code: int, text: str) -> None:
    entry = read_entry(f"{code}, {text}")
    assert entry == ErrorEntry(code, text.strip())
    assert str(code) in str(entry)


def test_initialise_empties_the_queues_and_checks_who_answers(caplog: pytest.LogCaptureFixture) -> None:
    pairs = [
        ("TB?", "\xff\xfd\x03\xff\xfb\x016, COMMAND DOES NOT EXIST"),
        NO_ERROR,
        ("*IDN?", "New_Focus 8742 v1.9 10/23/12 SN10001"),
        ("2>TB?", "2>0, NO ERROR DETECTED"),
        ("2>*IDN?", "2>New_Focus 8742 v1.9 10/23/12 SN10002"),
    ]
    with expected_protocol(Newport8742, pairs, chain=(1, 2)) as driver:
        driver.initialise()
    assert "COMMAND DOES NOT EXIST" in caplog.text


def test_initialise_refuses_another_model() -> None:
    pairs = [NO_ERROR, ("*IDN?", "New_Focus 8743-CL v1.9 10/23/12 SN10001")]
    with expected_protocol(Newport8742, pairs) as driver, pytest.raises(WrongInstrument, match="8743"):
        driver.initialise()


def test_the_scan_of_the_chain() -> None:
    with expected_protocol(Newport8742, [("SC?", "135"), ("SC?", "135"), ("SC?", "6")]) as driver:
        assert driver.found_controllers == (1, 2, 7)
        assert driver.has_address_conflict is True
        assert driver.has_address_conflict is False


def test_whether_anything_moves() -> None:
    standing = [(f"{axis}MD?", "1") for axis in (1, 2, 3, 4)]
    with expected_protocol(Newport8742, [*standing, ("1MD?", "1"), ("2MD?", "0")]) as driver:
        assert driver.is_moving is False
        assert driver.controllers[1].is_moving is True
