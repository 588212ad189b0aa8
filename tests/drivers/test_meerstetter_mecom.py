"""MeCom frames: every published example, and the properties that hold for any frame."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.meerstetter import mecom
from drivers.meerstetter.device_errors import DEVICE_ERRORS, describe_device_error
from drivers.meerstetter.mecom import Reply, Request

# (request frame, address, sequence, payload): MeCom specification 5117C and TEC protocol 5136AL; the last two computed.
PUBLISHED_REQUESTS = [
    ("#00BDE2RS9780", 0, 0xBDE2, "RS"),
    ("#0115AA?IF257D", 1, 0x15AA, "?IF"),
    ("#0015AA?IF62AE", 0, 0x15AA, "?IF"),
    ("#0015AB?VR0064018000", 0, 0x15AB, "?VR006401"),
    ("#0015AB?VR03E801C21A", 0, 0x15AB, "?VR03E801"),
    ("#0015B0VS0BB80141AE0000C482", 0, 0x15B0, "VS0BB80141AE0000"),
    ("#0015AEVS07DA01000000028F97", 0, 0x15AE, "VS07DA0100000002"),
    ("#0015AC?VR04D2017BFE", 0, 0x15AC, "?VR04D201"),
    ("#000001?VR03E801844D", 0, 1, "?VR03E801"),
    ("#000002VS0BB80141C80000FDB5", 0, 2, "VS0BB80141C80000"),
]
# (request, reply, payload of the reply)
PUBLISHED_REPLIES = [
    (Request(0, 0xBDE2, "RS"), "!00BDE29780", ""),
    (Request(0, 0x15AA, "?IF"), "!0015AA8065-TEC SW G01     7199", "8065-TEC SW G01     "),
    (Request(0, 0x15AB, "?VR006401"), "!0015AB000004411DBD", "00000441"),
    (Request(0, 0x15AB, "?VR03E801"), "!0015AB41CD2F28D5C2", "41CD2F28"),
    (Request(0, 0x15B0, "VS0BB80141AE0000"), "!0015B0C482", ""),
    (Request(0, 0x15AE, "VS07DA0100000002"), "!0015AE8F97", ""),
    (Request(0, 0x15AC, "?VR04D201"), "!0015AC+0532DA", "+05"),
    (Request(1, 0x15AC, "?VR04D201"), "!0115AC+057509", "+05"),
    (Request(0, 1, "?VR03E801"), "!00000141B2B85245E0", "41B2B852"),
]

addresses = st.integers(0, 255)
sequences = st.integers(0, 0xFFFF)
printable = st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="#!")
payloads = st.text(printable, min_size=1, max_size=40)
singles = st.floats(width=32, allow_nan=False, allow_infinity=False)


def reply_frame(address: int, sequence: int, payload: str) -> str:
    body = f"!{address:02X}{sequence:04X}{payload}"
    return f"{body}{mecom.crc16(body):04X}"


@pytest.mark.parametrize(("frame", "address", "sequence", "payload"), PUBLISHED_REQUESTS)
def test_published_request(frame: str, address: int, sequence: int, payload: str) -> None:
    assert Request(address, sequence, payload).frame == frame


@pytest.mark.parametrize(("request_", "line", "payload"), PUBLISHED_REPLIES)
def test_published_reply(request_: Request, line: str, payload: str) -> None:
    reply = mecom.parse_reply(line)
    assert reply is not None
    assert reply.answers(request_)
    assert reply.is_intact(request_)
    assert reply.payload == payload


def test_published_values() -> None:
    assert mecom.int32("00000441") == 1089
    assert mecom.float32("41CD2F28") == pytest.approx(25.648026, abs=1e-6)
    assert mecom.float32("41B2B852") == pytest.approx(22.34, abs=1e-6)
    assert mecom.encode_float32(21.75) == "41AE0000"
    assert mecom.encode_float32(25.0) == "41C80000"
    assert mecom.encode_int32(2) == "00000002"
    assert mecom.server_error("+05") == 5


def test_acknowledgement_carries_the_checksum_of_the_command() -> None:
    command = Request(0, 0x15B0, "VS0BB80141AE0000")
    own_checksum = mecom.parse_reply(reply_frame(0, 0x15B0, ""))
    assert own_checksum is not None
    assert not own_checksum.is_intact(command)
    other_command = mecom.parse_reply("!0015B08F97")
    assert other_command is not None
    assert not other_command.is_intact(command)


@given(addresses, sequences, payloads)
def test_reply_round_trip(address: int, sequence: int, payload: str) -> None:
    request = Request(address, sequence, "?VR03E801")
    reply = mecom.parse_reply(reply_frame(address, sequence, payload))
    assert reply == Reply(address, sequence, payload, mecom.crc16(f"!{address:02X}{sequence:04X}{payload}"))
    assert reply.answers(request)
    assert reply.is_intact(request)


@given(addresses, sequences, payloads, st.data())
def test_one_wrong_character_never_passes(address: int, sequence: int, payload: str, data: st.DataObject) -> None:
    line = reply_frame(address, sequence, payload)
    position = data.draw(st.integers(0, len(line) - 1))
    character = data.draw(st.characters(min_codepoint=0x00, max_codepoint=0x7F))
    assume(character != line[position])
    request = Request(address, sequence, "?VR03E801")
    reply = mecom.parse_reply(line[:position] + character + line[position + 1 :])
    assert reply is None or not reply.answers(request) or not reply.is_intact(request)


@given(addresses, sequences, payloads, st.text(max_size=30))
def test_noise_before_a_reply_does_not_hide_it(address: int, sequence: int, payload: str, noise: str) -> None:
    reply = mecom.parse_reply(noise + reply_frame(address, sequence, payload))
    assert reply is not None
    assert reply.payload == payload


@given(st.text(max_size=60))
def test_any_text_is_a_reply_or_none(text: str) -> None:
    reply = mecom.parse_reply(text)
    assert reply is None or text.endswith(f"{reply.address:02X}{reply.sequence:04X}{reply.payload}{reply.crc:04X}")


@given(st.integers(-(2**31), 2**31 - 1))
def test_integer_round_trip(value: int) -> None:
    digits = mecom.encode_int32(value)
    assert len(digits) == 8
    assert mecom.int32(digits) == value


@given(singles)
def test_float_round_trip(value: float) -> None:
    digits = mecom.encode_float32(value)
    assert len(digits) == 8
    assert mecom.float32(digits) == value
    assert math.copysign(1, mecom.float32(digits)) == math.copysign(1, value)


@given(st.floats(min_value=-273, max_value=1000))
def test_temperatures_survive_to_a_few_microkelvin(value: float) -> None:
    assert mecom.float32(mecom.encode_float32(value)) == pytest.approx(value, rel=2**-23)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_what_no_single_can_hold_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"finite|fit"):
        mecom.encode_float32(value)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_what_no_word_can_hold_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        mecom.encode_int32(value)


@pytest.mark.parametrize(
    "digits", ["", "41CD2F2", "41CD2F280", "41cd2f28", "+1CD2F28", " 1CD2F28", "41CD2F2G", "٠٠٠٠٠٠٠١"]
)
def test_what_is_not_eight_hex_digits_is_refused(digits: str) -> None:
    for cast in (mecom.int32, mecom.float32, mecom.switch):
        with pytest.raises(ValueError, match="eight hex digits"):
            cast(digits)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_reading_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        mecom.float32(struct.pack(">f", value).hex().upper())


def test_switch() -> None:
    assert mecom.switch("00000001") is True
    assert mecom.switch("00000000") is False
    with pytest.raises(ValueError, match="neither"):
        mecom.switch("00000002")


@pytest.mark.parametrize("payload", ["+", "+5", "+055", "05", "+0G", ""])
def test_what_is_no_error_reply(payload: str) -> None:
    assert mecom.server_error(payload) is None


def test_errors_in_words() -> None:
    assert mecom.describe_server_error(5) == "it has no such parameter"
    assert "device-specific" in mecom.describe_server_error(0x70)
    assert "unknown" in mecom.describe_server_error(50)
    assert mecom.describe_payload("?VR04D202") == "parameter 1234 of channel 2"
    assert mecom.describe_payload("VS0BB80141AE0000") == "parameter 3000 of channel 1"
    assert mecom.describe_payload("RS") == "command RS"
    assert "above" in describe_device_error(138)
    assert "not in the table" in describe_device_error(999)


@pytest.mark.parametrize(
    "number",
    [11, 30, 31, 60, *range(100, 109), 133, 134, 137, 138, 139, *range(140, 145), *range(170, 174), 182, 183],
)
def test_common_device_errors_have_words(number: int) -> None:
    assert DEVICE_ERRORS[number]


@pytest.mark.parametrize(
    ("address", "sequence", "payload"),
    [(256, 0, "?IF"), (-1, 0, "?IF"), (0, 0x10000, "?IF"), (0, -1, "?IF"), (0, 0, ""), (0, 0, "?I#"), (0, 0, "?IF\r")],
)
def test_impossible_requests_are_refused(address: int, sequence: int, payload: str) -> None:
    with pytest.raises(ValueError, match="MeCom"):
        Request(address, sequence, payload)
