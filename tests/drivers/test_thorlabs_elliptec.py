"""Elliptec packets: digits to numbers and back, and what is no packet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.thorlabs.elliptec import (
    Reply,
    RotatorInfo,
    RotatorStatus,
    byte_value,
    degrees_for,
    encode_pulses,
    parse_reply,
    pulses,
    pulses_for,
    rotator_info,
    rotator_status,
)

INFO = "0E" + "11400590" + "2021" + "17" + "01" + "0168" + "00023000"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("0PO00002300", Reply(0, "PO", "00002300")),
        ("FGS02", Reply(15, "GS", "02")),
        ("AGV64", Reply(10, "GV", "64")),
        ("0BO00000000", Reply(0, "BO", "00000000")),
        ("0BS", Reply(0, "BS", "")),
        (f"0IN{INFO}", Reply(0, "IN", INFO)),
    ],
)
def test_packets_are_read_and_written(line: str, reply: Reply) -> None:
    assert parse_reply(line) == reply
    assert str(reply) == line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "0",
        "0PO",
        "0PO0000230",
        "0PO000023000",
        "0po00002300",
        "GPO00002300",
        "0PO0000230g",
        "0GS2",
        " 0GS00",
        "0GS00 ",
    ],
)
def test_what_is_no_packet_is_none(line: str) -> None:
    assert parse_reply(line) is None


@given(st.text(max_size=45))
def test_any_text_is_a_packet_or_none(text: str) -> None:
    reply = parse_reply(text)
    assert reply is None or str(reply) == text


@given(st.integers(-(2**31), 2**31 - 1))
def test_counts_survive_the_wire(count: int) -> None:
    digits = encode_pulses(count)
    assert len(digits) == 8
    assert digits == digits.upper()
    assert pulses(digits) == count


def test_counts_as_the_protocol_writes_them() -> None:
    assert pulses("00002300") == 8960
    assert encode_pulses(-1) == "FFFFFFFF"
    assert pulses("80000000") == -(2**31)


@pytest.mark.parametrize("count", [2**31, -(2**31) - 1])
def test_a_count_beyond_32_bits_is_never_written(count: int) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        encode_pulses(count)


@given(st.floats(-360.0, 360.0), st.sampled_from([143_360, 262_144, 32_768]))
def test_angles_are_kept_to_half_a_pulse(angle_deg: float, scale: int) -> None:
    error_deg = degrees_for(pulses_for(angle_deg, scale), scale) - angle_deg
    assert abs(error_deg) <= 0.5000001 * 360 / scale


@pytest.mark.parametrize("digits", ["", "0", "000", "G0", "0g", "-1", "1_"])
def test_a_byte_has_two_digits(digits: str) -> None:
    with pytest.raises(ValueError, match="two hex digits"):
        byte_value(digits)


@pytest.mark.parametrize("digits", ["", "0000230", "000023000", "0000230G", "+0000230", "0000_230"])
def test_a_count_has_eight_digits(digits: str) -> None:
    with pytest.raises(ValueError, match="eight hex digits"):
        pulses(digits)


@given(st.integers(0, 255))
def test_every_status_has_a_text(code: int) -> None:
    status = rotator_status(f"{code:02X}")
    assert status.text
    assert status == code if code <= 14 else status is RotatorStatus.UNKNOWN
    assert status.is_fault == (code not in (0, 9))


def test_only_a_status_packet_carries_a_status() -> None:
    assert Reply(3, "GS", "0D").status is RotatorStatus.OVERCURRENT
    with pytest.raises(ValueError, match="PO carries no status"):
        _ = Reply(3, "PO", "00000002").status


def test_the_device_says_its_scale() -> None:
    assert rotator_info(INFO) == RotatorInfo(14, "11400590", 2021, "17", "01", 360, 143_360)


@pytest.mark.parametrize("payload", ["", INFO[:-1], INFO + "0", INFO[:-8] + "00000000", INFO.replace("2021", "20G1")])
def test_no_scale_is_an_error(payload: str) -> None:
    with pytest.raises(ValueError, match="device information"):
        rotator_info(payload)
