"""The TEC driver against scripted exchanges: every property, every refusal."""

from __future__ import annotations

import binascii
import struct
from typing import Any
from unittest.mock import MagicMock

import pytest
from pymeasure.instruments import Channel
from pymeasure.test import expected_protocol

from drivers.base import Identity
from drivers.errors import BadReply, Refused, WrongInstrument
from drivers.meerstetter.tec import DeviceStatus, MeerstetterTEC
from drivers.meerstetter.tec_channel import TECChannel

START = 0x15AA


def sealed(body: str) -> str:
    return f"{body}{binascii.crc_hqx(body.encode(), 0):04X}"


def query(turn: int, payload: str, answer: str, address: int = 0) -> tuple[str, str]:
    """A query and its answer, `turn` exchanges after the start."""
    head = f"{address:02X}{START + turn:04X}"
    return sealed(f"#{head}{payload}"), sealed(f"!{head}{answer}")


def order(turn: int, payload: str, address: int = 0) -> tuple[str, str]:
    """A set command and its acknowledgement, which carries the checksum of the command."""
    head = f"{address:02X}{START + turn:04X}"
    frame = sealed(f"#{head}{payload}")
    return frame, f"!{head}{frame[-4:]}"


def single(value: float) -> str:
    return struct.pack(">f", value).hex().upper()


def scripted(*pairs: tuple[str | None, str | None], **kwargs: Any) -> Any:
    return expected_protocol(MeerstetterTEC, list(pairs), first_sequence=START, **kwargs)


FLOAT_READINGS = {
    "object_temperature_c": 1000,
    "sink_temperature_c": 1001,
    "nominal_temperature_c": 1011,
    "output_current_a": 1020,
    "output_voltage_v": 1021,
}
FLOAT_SETTINGS = {
    "coarse_ramp_k_per_s": (3003, 1e-6, 50.0),
    "proximity_width_k": (3002, 0.0, 200.0),
    "stability_deviation_k": (4040, 0.0, 50.0),
    "stability_time_s": (4041, 0.0, 86400.0),
    "stability_timeout_s": (4042, 0.0, 86400.0),
    "lower_temperature_limit_c": (4010, -273.0, 1000.0),
    "upper_temperature_limit_c": (4011, -273.0, 1000.0),
}


def test_published_exchanges() -> None:
    with expected_protocol(
        MeerstetterTEC, [("#0015AB?VR03E801C21A", "!0015AB41CD2F28D5C2")], first_sequence=0x15AB
    ) as tec:
        assert tec.ch_1.object_temperature_c == pytest.approx(25.648026, abs=1e-6)
    with expected_protocol(
        MeerstetterTEC, [("#0015AB?VR0064018000", "!0015AB000004411DBD")], first_sequence=0x15AB
    ) as tec:
        assert tec.device_type == 1089
    with expected_protocol(MeerstetterTEC, [("#00BDE2RS9780", "!00BDE29780")], first_sequence=0xBDE2) as tec:
        tec.reset()


@pytest.mark.parametrize(("name", "parameter"), FLOAT_READINGS.items())
@pytest.mark.parametrize("channel", [1, 2])
def test_float_readings(name: str, parameter: int, channel: int) -> None:
    with scripted(query(0, f"?VR{parameter:04X}{channel:02X}", single(34.5))) as tec:
        assert getattr(tec.channels[channel], name) == 34.5


@pytest.mark.parametrize(("name", "parameter"), [(name, entry[0]) for name, entry in FLOAT_SETTINGS.items()])
@pytest.mark.parametrize("channel", [1, 2])
def test_float_settings(name: str, parameter: int, channel: int) -> None:
    with scripted(
        order(0, f"VS{parameter:04X}{channel:02X}{single(0.02)}"),
        query(1, f"?VR{parameter:04X}{channel:02X}", single(0.02)),
    ) as tec:
        setattr(tec.channels[channel], name, 0.02)
        assert getattr(tec.channels[channel], name) == pytest.approx(0.02, rel=1e-7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name, (_, lower, upper) in {
            **FLOAT_SETTINGS,
            "target_temperature_c": (50012, -273.0, 1000.0),
        }.items()
        for value in (lower - 1e-3, upper + 1e-3, float("nan"), float("inf"))
    ],
)
def test_values_out_of_range_are_never_sent(name: str, value: float) -> None:
    with scripted() as tec, pytest.raises(ValueError, match=r"."):
        setattr(tec.ch_1, name, value)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [(name, entry[0], value) for name, entry in FLOAT_SETTINGS.items() for value in entry[1:]],
)
def test_the_ends_of_the_range_are_within_it(name: str, parameter: int, value: float) -> None:
    with scripted(order(0, f"VS{parameter:04X}01{single(value)}")) as tec:
        setattr(tec.ch_1, name, value)


def test_target_is_written_to_ram_before_it_is_selected() -> None:
    with scripted(order(0, f"VSC35C01{single(35.0)}"), order(1, "VSC35B0100000001")) as tec:
        tec.ch_1.target_temperature_c = 35.0


def test_target_is_not_selected_where_it_was_refused() -> None:
    with scripted(query(0, f"VSC35C02{single(35.0)}", "+08")) as tec, pytest.raises(Refused, match="no such channel"):
        tec.ch_2.target_temperature_c = 35.0


@pytest.mark.parametrize(("source", "parameter"), [(0, 3000), (1, 50012)])
def test_target_in_force_is_read(source: int, parameter: int) -> None:
    with scripted(query(0, "?VRC35B01", f"{source:08X}"), query(1, f"?VR{parameter:04X}01", single(21.75))) as tec:
        assert tec.ch_1.target_temperature_c == 21.75


def test_the_stored_target_is_never_written() -> None:
    settable = {
        name for name in dir(TECChannel) if isinstance(p := getattr(TECChannel, name), property) and p.fset is not None
    }
    for name in settable - {"output_enabled"}:
        channel = TECChannel(parent := MagicMock(), 1)
        sent = parent.write.call_args_list
        try:
            setattr(channel, name, 10.0)
        except LookupError:
            continue  # read only
        assert sent, name
        assert not any("VS0BB8" in str(call) for call in sent), name


@pytest.mark.parametrize(("code", "stable"), [(0, False), (1, False), (2, True)])
def test_temperature_stable(code: int, stable: bool) -> None:
    with scripted(query(0, "?VR04B001", f"{code:08X}")) as tec:
        assert tec.ch_1.temperature_stable is stable


@pytest.mark.parametrize("on", [True, False])
def test_output_enabled(on: bool) -> None:
    with scripted(order(0, f"VS07DA01{int(on):08X}"), query(1, "?VR07DA01", f"{int(on):08X}")) as tec:
        tec.ch_1.output_enabled = on
        assert tec.ch_1.output_enabled is on


@pytest.mark.parametrize("selection", [2, 3])
def test_output_switched_elsewhere(selection: int) -> None:
    with scripted(query(0, "?VR07DA02", f"{selection:08X}")) as tec, pytest.raises(Refused, match="output 2 to a pin"):
        _ = tec.ch_2.output_enabled


def test_output_takes_no_other_value() -> None:
    with scripted() as tec, pytest.raises(ValueError, match="2"):
        tec.ch_1.output_enabled = 2


def test_identity() -> None:
    with scripted(
        query(0, "?IF", "8065-TEC SW G01     "),
        query(1, "?VR006401", f"{1091:08X}"),
        query(2, "?VR006601", f"{4711:08X}"),
        query(3, "?VR006701", f"{310:08X}"),
    ) as tec:
        assert tec.read_identity() == Identity("Meerstetter", "1091", "4711", "3.10")


def test_another_mecom_device_is_not_taken_for_a_tec() -> None:
    with scripted(query(0, "?IF", "8092-LDD SW A01     ")) as tec, pytest.raises(WrongInstrument, match="LDD"):
        tec.read_identity()


@pytest.mark.parametrize(
    ("name", "parameter", "sent", "value"),
    [
        ("device_type", 100, 1091, 1091),
        ("serial_number", 102, 4711, 4711),
        ("firmware", 103, 123, "1.23"),
        ("status", 104, 2, DeviceStatus.RUNNING),
        ("error_number", 105, 138, 138),
        ("error_instance", 106, 2, 2),
        ("error_parameter", 107, 7, 7),
    ],
)
def test_device_readings(name: str, parameter: int, sent: int, value: object) -> None:
    with scripted(query(0, f"?VR{parameter:04X}01", f"{sent:08X}")) as tec:
        assert getattr(tec, name) == value


def test_initialise_switches_saving_off() -> None:
    with scripted(order(0, "VS006C0100000001"), query(1, "?VR006C01", "00000001")) as tec:
        tec.initialise()


def test_initialise_notices_that_saving_goes_on() -> None:
    with (
        scripted(order(0, "VS006C0100000001"), query(1, "?VR006C01", "00000000")) as tec,
        pytest.raises(Refused, match="wears the flash"),
    ):
        tec.initialise()


def test_flash_saving_can_be_switched_on_again() -> None:
    with scripted(order(0, "VS006C0100000000"), query(1, "?VR006C01", "00000000")) as tec:
        tec.flash_saving_disabled = False
        assert tec.flash_saving_disabled is False


@pytest.mark.parametrize("seconds", [0.0, 0.1, 600.0])
def test_watchdog(seconds: float) -> None:
    with scripted(order(0, f"VS080C01{single(seconds)}"), query(1, "?VR080C01", single(seconds))) as tec:
        tec.watchdog_s = seconds
        assert tec.watchdog_s == pytest.approx(seconds)


@pytest.mark.parametrize("seconds", [-1.0, 0.05, 601.0, float("nan")])
def test_watchdog_out_of_range_is_never_sent(seconds: float) -> None:
    with scripted() as tec, pytest.raises(ValueError, match=r"."):
        tec.watchdog_s = seconds


@pytest.mark.parametrize("status", [1, 2])
def test_no_error(status: int) -> None:
    with scripted(query(0, "?VR006801", f"{status:08X}")) as tec:
        assert tec.check_errors() == []


def test_error_state_is_raised_in_words() -> None:
    with (
        scripted(
            query(0, "?VR006801", "00000003"),
            query(1, "?VR006901", f"{138:08X}"),
            query(2, "?VR006A01", "00000001"),
            query(3, "?VR006B01", "00000000"),
        ) as tec,
        pytest.raises(
            Refused, match=r"above its error limit \(error 138, channel 1, parameter 0\).*reset the controller"
        ),
    ):
        tec.check_errors()


@pytest.mark.parametrize(("status", "done"), [(0, False), (5, False), (4, False), (1, True), (2, True), (3, True)])
def test_reset_is_done_when_the_controller_has_started(status: int, done: bool) -> None:
    with scripted(query(0, "?VR006801", f"{status:08X}")) as tec:
        assert tec.is_reset_done() is done


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "does not know"),
        (4, "badly formed"),
        (5, "no such parameter"),
        (6, "read only"),
        (8, "no such channel"),
        (9, "parameter failed"),
        (0x70, "code 112"),
    ],
)
def test_a_refused_query_names_parameter_and_reason(code: int, words: str) -> None:
    with (
        scripted(query(0, "?VR03E801", f"+{code:02X}")) as tec,
        pytest.raises(Refused, match=f"refused parameter 1000 of channel 1.*{words}"),
    ):
        _ = tec.ch_1.object_temperature_c


def test_a_refused_setting_names_parameter_and_reason() -> None:
    with (
        scripted(query(0, f"VS0BBB01{single(2.0)}", "+07")) as tec,
        pytest.raises(Refused, match=r"refused parameter 3003 of channel 1: the value is out of range.*limits"),
    ):
        tec.ch_1.coarse_ramp_k_per_s = 2.0


def test_a_busy_controller_is_asked_again_with_a_new_number() -> None:
    with scripted(query(0, "?VR03E801", "+02"), query(1, "?VR03E801", single(35.0))) as tec:
        assert tec.ch_1.object_temperature_c == 35.0


def test_a_controller_that_stays_busy() -> None:
    busy = [query(turn, "?VR03E801", "+02") for turn in range(3)]
    with scripted(*busy) as tec, pytest.raises(Refused, match=r"busy.*Try again later"):
        _ = tec.ch_1.object_temperature_c


def test_a_garbled_answer_is_asked_for_again_with_the_same_number() -> None:
    frame, answer = query(0, "?VR03E801", single(35.0))
    garbled = answer.replace("420C", "421C")
    assert garbled != answer
    with scripted((frame, garbled), (frame, answer), query(1, "?VR03E901", single(22.0))) as tec:
        assert tec.ch_1.object_temperature_c == 35.0
        assert tec.ch_1.sink_temperature_c == 22.0


def test_answers_that_stay_garbled() -> None:
    frame, answer = query(0, "?VR03E801", single(35.0))
    pairs = [(frame, answer[:-1] + "0")] * 3
    with scripted(*pairs) as tec, pytest.raises(BadReply, match=r"wrong checksum after '\?VR03E801'"):
        _ = tec.ch_1.object_temperature_c


def test_no_retries() -> None:
    frame, answer = query(0, "?VR03E801", single(35.0))
    with scripted((frame, answer[:-1] + "0"), retries=0) as tec, pytest.raises(BadReply):
        _ = tec.ch_1.object_temperature_c


def test_a_late_answer_and_a_banner_are_skipped() -> None:
    frame, answer = query(0, "?VR03E801", single(35.0))
    late = sealed(f"!00{START - 1:04X}{single(1.0)}")
    with scripted((frame, late), (None, "welcome to the LTR"), (None, answer)) as tec:
        assert tec.ch_1.object_temperature_c == 35.0


def test_endless_talk_is_no_answer() -> None:
    frame, _ = query(0, "?VR03E801", "")
    talk = [(None, "blah")] * 15
    with scripted((frame, "blah"), *talk, retries=0) as tec, pytest.raises(BadReply, match="talks without answering"):
        _ = tec.ch_1.object_temperature_c


def test_an_acknowledgement_is_no_value_and_a_value_no_acknowledgement() -> None:
    with scripted(order(0, "?VR03E801")) as tec, pytest.raises(BadReply, match="acknowledged instead"):
        _ = tec.ch_1.object_temperature_c
    with scripted(query(0, "RS", "00000001")) as tec, pytest.raises(BadReply, match="expected an acknowledgement"):
        tec.reset()


@pytest.mark.parametrize(
    ("name", "payload", "answer"),
    [
        ("object_temperature_c", "?VR03E801", "41CD2F2"),
        ("object_temperature_c", "?VR03E801", "7FC00000"),
        ("temperature_stable", "?VR04B001", "00000003"),
    ],
)
def test_values_that_make_no_sense(name: str, payload: str, answer: str) -> None:
    with scripted(query(0, payload, answer)) as tec, pytest.raises(BadReply, match="expected"):
        getattr(tec.ch_1, name)


@pytest.mark.parametrize(("name", "payload"), [("status", "?VR006801"), ("flash_saving_disabled", "?VR006C01")])
def test_codes_that_do_not_exist(name: str, payload: str) -> None:
    with scripted(query(0, payload, "00000009")) as tec, pytest.raises(BadReply, match="expected"):
        getattr(tec, name)


def test_sequence_numbers_wrap_around() -> None:
    first, second = sealed("#00FFFF?VR006401"), sealed("#000000?VR006401")
    answers = [sealed(f"!00{sequence}00000443") for sequence in ("FFFF", "0000")]
    with expected_protocol(MeerstetterTEC, [(first, answers[0]), (second, answers[1])], first_sequence=0xFFFF) as tec:
        assert [tec.device_type, tec.device_type] == [1091, 1091]


def test_the_first_sequence_number_is_random() -> None:
    first = []
    for _ in range(20):
        adapter = MagicMock()
        adapter.read.return_value = ""
        tec = MeerstetterTEC(adapter, retries=0)
        with pytest.raises(BadReply):
            _ = tec.device_type
        first.append(adapter.write.call_args.args[0][3:7])
    assert len(set(first)) > 10  # 20 of 65536 numbers: fewer than 11 different ones would be no chance


def test_address() -> None:
    with scripted(query(0, "?VR006401", "00000443", address=0x21), device_address=0x21) as tec:
        assert tec.device_type == 1091


@pytest.mark.parametrize("kwargs", [{"device_address": 255}, {"device_address": -1}, {"retries": -1}])
def test_impossible_arguments(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        MeerstetterTEC(MagicMock(), **kwargs)


def test_channels_share_the_lock_of_the_controller() -> None:
    tec = MeerstetterTEC(MagicMock())
    assert isinstance(tec.ch_1, Channel)
    assert tec.channels[1] is tec.ch_1
    assert tec.ch_1.parent is tec
