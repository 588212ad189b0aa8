"""The MDT693B driver: commands, prompts and echo, set points that cannot be read back, refusals."""

from __future__ import annotations

import contextlib
import math
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, ConnectionLost, InstrumentError, Refused, WrongInstrument
from drivers.thorlabs.mdt693b import ThorlabsMDT693B, ThorlabsMDT694B, limit_switch, switch_state

IDENTITY = (
    "Model MDT693B Piezo Control Module\rFirmware Version: {}\rVoltage Range: 0V to 150V\r"
    "Serial#:150226100001\rFriendly Name:MDT693B\r\r"
)


def limits(channel: str, minimum: str = "0", maximum: str = "150.50", switch: str = "[ 150]") -> list[tuple[str, str]]:
    return [(f"{channel}max?", f"{maximum}\r"), ("vlimit?", f"{switch}\r"), (f"{channel}min?", f"{minimum}\r")]


def test_a_mock_adapter_and_a_name_are_enough() -> None:
    driver = ThorlabsMDT693B(MagicMock(), name="piezo_a")
    assert driver.name == "piezo_a"
    assert list(driver.channels) == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("measured_voltage", "yvoltage?", "[ 24.80]\r", 24.8),
        ("measured_voltage", "yvoltage?", "yvoltage?\r[ 24.80]\r", 24.8),
        ("minimum_voltage", "ymin?", "0\r", 0.0),
        ("maximum_voltage", "ymax?", "150.50\r", 150.5),
    ],
)
def test_a_channel_property_is_read(name: str, query: str, reply: str, value: float) -> None:
    with expected_protocol(ThorlabsMDT693B, [(query, reply)]) as driver:
        assert getattr(driver.channels["y"], name) == value


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("voltage_limit", "vlimit?", "[ 100]\r", 100.0),
        ("voltage_limit", "vlimit?", "2\r", 150.0),
        ("measured_voltages", "xyzvoltage?", "[  0.24,  0.21,  0.22]\r", (0.24, 0.21, 0.22)),
        ("master_scan_enabled", "msenable?", "0\r", False),
        ("master_scan_enabled", "msenable?", "[1]\r", True),
        ("master_scan_enabled", "msenable?", "[Master Scan Off]\r", False),
        ("master_scan_voltage", "msvoltage?", "12.50\r", 12.5),
    ],
)
def test_a_property_is_read(name: str, query: str, reply: str, value: object) -> None:
    with expected_protocol(ThorlabsMDT693B, [(query, reply)]) as driver:
        assert getattr(driver, name) == value


@pytest.mark.parametrize("reply", ["", "[]\r", "[ 24.80\r[ 24.80]\r", "24,80\r", "volts\r"])
def test_garbage_is_never_a_voltage(reply: str) -> None:
    with expected_protocol(ThorlabsMDT693B, [("xvoltage?", reply)]) as driver, pytest.raises(BadReply):
        _ = driver.channels["x"].measured_voltage


@pytest.mark.parametrize(
    ("name", "query", "reply"), [("voltage_limit", "vlimit?", "[  80]"), ("master_scan_enabled", "msenable?", "[]")]
)
def test_an_impossible_reply_is_an_error(name: str, query: str, reply: str) -> None:
    with expected_protocol(ThorlabsMDT693B, [(query, reply)]) as driver, pytest.raises(BadReply):
        getattr(driver, name)


def test_a_set_point_is_remembered_since_it_cannot_be_read() -> None:
    pairs = [("zvoltage=75.123", ""), ("zvoltage=0.000", "zvoltage=0.000\r")]
    with expected_protocol(ThorlabsMDT693B, pairs) as driver:
        channel = driver.channels["z"]
        assert channel.commanded_voltage is None
        channel.voltage = 75.1234
        assert channel.commanded_voltage == 75.123
        channel.voltage = 0
        assert channel.commanded_voltage == 0.0
        assert driver.channels["x"].commanded_voltage is None


def test_the_set_point_cannot_be_read() -> None:
    with expected_protocol(ThorlabsMDT693B, []) as driver, pytest.raises(AttributeError):
        _ = driver.channels["x"].voltage


@pytest.mark.parametrize("volts", [-0.001, 150.001, math.nan, math.inf])
def test_a_voltage_out_of_range_is_never_sent(volts: float) -> None:
    with expected_protocol(ThorlabsMDT693B, []) as driver:
        with pytest.raises(ValueError):
            driver.channels["x"].voltage = volts
        assert driver.channels["x"].commanded_voltage is None


@given(st.floats(0, 150))
def test_what_is_remembered_is_what_was_sent(volts: float) -> None:
    with expected_protocol(ThorlabsMDT693B, [(f"xvoltage={volts:.3f}", "")]) as driver:
        driver.channels["x"].voltage = volts
        assert f"{driver.channels['x'].commanded_voltage:.3f}" == f"{volts:.3f}"


def test_a_refused_set_point_leaves_the_old_one() -> None:
    pairs = [("xvoltage=10.000", ""), ("xvoltage=20.000", "CMD_ARG_INVALID")]
    with expected_protocol(ThorlabsMDT693B, pairs) as driver:
        driver.channels["x"].voltage = 10
        with pytest.raises(Refused, match=r"'xvoltage=20\.000'.*CMD_ARG_INVALID"):
            driver.channels["x"].voltage = 20
        assert driver.channels["x"].commanded_voltage == 10.0


def test_after_garbage_the_set_point_is_not_known() -> None:
    pairs = [("xvoltage=10.000", ""), ("xvoltage=20.000", b"\xff")]
    with expected_protocol(ThorlabsMDT693B, pairs) as driver:
        driver.channels["x"].voltage = 10
        with pytest.raises(BadReply):
            driver.channels["x"].voltage = 20
        assert driver.channels["x"].commanded_voltage is None


def test_an_unknown_command_is_refused() -> None:
    with (
        expected_protocol(ThorlabsMDT693B, [("vlimit?", "CMD_NOT_DEFINED")]) as driver,
        pytest.raises(Refused, match="CMD_NOT_DEFINED"),
    ):
        _ = driver.voltage_limit


def test_limits_are_set_and_then_kept_to() -> None:
    pairs = [("xmax?", "150.50\r"), ("xmin=10.000", ""), ("xmax=60.000", ""), *limits("x", "10.00", "60.00")]
    with expected_protocol(ThorlabsMDT693B, pairs) as driver:
        driver.channels["x"].set_limits(10, 60)
        assert driver.channels["x"].voltage_range == (10.0, 60.0)
        with pytest.raises(ValueError):
            driver.channels["x"].voltage = 60.5


def test_limits_move_upwards_from_above() -> None:
    pairs = [("xmax?", "50.00\r"), ("xmax=100.000", ""), ("xmin=60.000", ""), *limits("x", "60.00", "100.00")]
    with expected_protocol(ThorlabsMDT693B, pairs) as driver:
        driver.channels["x"].set_limits(60, 100)


@pytest.mark.parametrize(("minimum", "maximum"), [(-1, 50), (0, 151), (60, 50), (80, 100)])
def test_limits_that_move_the_output_are_refused(minimum: float, maximum: float) -> None:
    with expected_protocol(ThorlabsMDT693B, [("xvoltage=75.000", "")]) as driver:
        driver.channels["x"].voltage = 75
        with pytest.raises(ValueError):
            driver.channels["x"].set_limits(minimum, maximum)


def start(*more: tuple[str, str], firmware: str = "1.10") -> list[tuple[str, str | None]]:
    return [("", None), ("echo=0", "echo=0\r[Echo Off]\r"), ("id?", IDENTITY.format(firmware)), *more]


def test_initialise_moves_nothing_and_learns_the_limits() -> None:
    pairs = start(("msenable?", "0\r"), *limits("x"), *limits("y", "5.00", "90.00"), *limits("z", switch="[ 100]"))
    with expected_protocol(ThorlabsMDT693B, pairs) as driver:
        driver.initialise()
        ranges = [driver.channels[name].voltage_range for name in "xyz"]
    assert ranges == [(0.0, 150.0), (5.0, 90.0), (0.0, 100.0)]


def test_initialise_ends_a_master_scan_of_zero_volts() -> None:
    pairs = start(("msenable?", "1\r"), ("msvoltage?", "0\r"), ("msenable=0", ""))
    with expected_protocol(ThorlabsMDT693B, [*pairs, *limits("x"), *limits("y"), *limits("z")]) as driver:
        driver.initialise()


def test_initialise_does_not_end_a_master_scan_that_would_move_the_outputs() -> None:
    pairs = start(("msenable?", "1\r"), ("msvoltage?", "12.50\r"))
    with (
        expected_protocol(ThorlabsMDT693B, pairs) as driver,
        pytest.raises(InstrumentError, match=r"adds 12\.5 V .*front panel"),
    ):
        driver.initialise()


def test_an_echo_that_stays_on_is_an_error() -> None:
    with (
        expected_protocol(
            ThorlabsMDT693B, [("", None), ("echo=0", "[Echo On]\r"), ("echo=0", "[Echo On]\r")]
        ) as driver,
        pytest.raises(BadReply, match="echo"),
    ):
        driver.initialise()


def test_outputs_are_forgotten_once_their_power_was_cut() -> None:
    whole = start(("msenable?", "0\r"), *limits("x"), *limits("y"), *limits("z"))
    told = [("xvoltage=20.000", ""), ("echo?", "[Echo Off]\r"), ("echo?", "echo?\r[Echo On]\r")]
    pairs = [*whole, *told, *whole]
    with expected_protocol(ThorlabsMDT693B, pairs) as driver:
        driver.initialise()
        channel = driver.channels["x"]
        channel.voltage = 20.0
        driver.require_uninterrupted()
        assert channel.commanded_voltage == 20.0
        with pytest.raises(ConnectionLost, match=r"was switched off meanwhile, .* Raise the piezos again"):
            driver.require_uninterrupted()
        assert channel.commanded_voltage is None


def test_identity() -> None:
    with expected_protocol(ThorlabsMDT693B, [("id?", IDENTITY.format("1.10"))]) as driver:
        identity = driver.read_identity()
    assert identity.manufacturer == "Thorlabs"
    assert (identity.model, identity.serial, identity.firmware) == ("MDT693B", "150226100001", "1.10")


def test_a_unit_without_serial_number_identifies_itself() -> None:
    reply = IDENTITY.format("1.09").replace("150226100001", "")
    with expected_protocol(ThorlabsMDT693B, [("id?", reply)]) as driver:
        assert driver.read_identity().serial == ""


@pytest.mark.parametrize("firmware", ["1.05", "1.06", "0.99"])
def test_old_firmware_is_refused(firmware: str) -> None:
    with (
        expected_protocol(ThorlabsMDT693B, [("id?", IDENTITY.format(firmware))]) as driver,
        pytest.raises(WrongInstrument, match=rf"firmware {firmware} .*1\.09"),
    ):
        driver.read_identity()


def test_another_model_is_refused() -> None:
    reply = IDENTITY.format("1.10").replace("Model MDT693B", "Model MDT694B")
    with (
        expected_protocol(ThorlabsMDT693B, [("id?", reply)]) as driver,
        pytest.raises(WrongInstrument, match="MDT694B"),
    ):
        driver.read_identity()


def test_a_stranger_does_not_identify_itself() -> None:
    with expected_protocol(ThorlabsMDT693B, [("id?", "FW102C\r")]) as driver, pytest.raises(BadReply, match="identify"):
        driver.read_identity()


@given(st.text(max_size=20))
def test_switches_are_read_strictly(text: str) -> None:
    for read, right in ((switch_state, (True, False)), (limit_switch, (75.0, 100.0, 150.0))):
        with contextlib.suppress(ValueError):
            assert read(text) in right


# ---- the single-channel model ---------------------------------------------------------------------------------------


SINGLE = IDENTITY.format("1.10").replace("MDT693B", "MDT694B")
START_SINGLE = [("", None), ("echo=0", "[Echo Off]\r"), ("id?", SINGLE)]


def test_a_single_channel_unit_has_one_channel_and_a_name() -> None:
    assert ThorlabsMDT694B(MagicMock()).name == "Thorlabs MDT694B"
    with expected_protocol(ThorlabsMDT694B, [("xvoltage=30.000", ""), ("xvoltage?", "[ 30.10]\r")]) as driver:
        assert list(driver.channels) == ["x"]
        driver.channels["x"].voltage = 30
        assert driver.channels["x"].measured_voltage == 30.1
        assert not hasattr(driver, "ch_y") and not hasattr(driver, "measured_voltages")


@pytest.mark.parametrize(
    "scan",
    [
        [("msenable?", "CMD_NOT_DEFINED")],
        [("msenable?", "0\r")],
        [("msenable?", "1\r"), ("msvoltage?", "0\r"), ("msenable=0", "")],
    ],
    ids=["unknown", "off", "on at 0 V"],
)
def test_a_single_channel_unit_may_or_may_not_know_the_master_scan(scan: list[tuple[str, str]]) -> None:
    with expected_protocol(ThorlabsMDT694B, [*START_SINGLE, *scan, *limits("x", "5.00", "90.00")]) as driver:
        driver.initialise()
        assert driver.channels["x"].voltage_range == (5.0, 90.0)


def test_another_refusal_of_the_master_scan_is_none_to_pass_over() -> None:
    with (
        expected_protocol(ThorlabsMDT694B, [*START_SINGLE, ("msenable?", "CMD_ARG_INVALID")]) as driver,
        pytest.raises(Refused, match="CMD_ARG_INVALID"),
    ):
        driver.initialise()


def test_a_three_channel_unit_is_no_single_channel_one() -> None:
    with (
        expected_protocol(ThorlabsMDT694B, [("id?", IDENTITY.format("1.10"))]) as driver,
        pytest.raises(WrongInstrument, match=r"expected an MDT694B, found .*MDT693B"),
    ):
        driver.read_identity()
