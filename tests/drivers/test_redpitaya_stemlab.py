"""The Red Pitaya driver, exchange by exchange, on a link without an instrument behind it."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused, WrongInstrument
from drivers.redpitaya.forms import decimation_factor
from drivers.redpitaya.stemlab import BUFFER_SAMPLES, RedPitaya4Input, RedPitaya125_14

OK = ("SYST:ERR?", '0,"No error"')
PREPARE = [
    ("ACQ:DATA:FORMAT BIN", None),
    ("ACQ:DATA:Units VOLTS", None),
    ("ACQ:DATA:BYTE:ORDER LEND", None),
    OK,
]

BOARD_PROPERTIES = [
    ("decimation", "ACQ:DEC:Factor", "8", 8, "8"),
    ("averaging", "ACQ:AVG", "ON", True, "ON"),
    ("averaging", "ACQ:AVG", "OFF", False, "OFF"),
    ("data_format", "ACQ:DATA:FORMAT", "ASCII", "ASCII", "ASCII"),
    ("data_units", "ACQ:DATA:Units", "RAW", "RAW", "RAW"),
    ("byte_order", "ACQ:DATA:BYTE:ORDER", "BEND", "BEND", "BEND"),
    ("trigger_level", "ACQ:TRig:LEV", "0.125", 0.125, "0.125"),
    ("trigger_delay", "ACQ:TRig:DLY", "-8192", -8192, "-8192"),
    ("trigger_delay_s", "ACQ:TRig:DLY:NS", "-64000", -64e-6, "-64000"),
    ("trigger_hysteresis", "ACQ:TRig:HYST", "0.01", 0.01, "0.01"),
    ("external_trigger_holdoff", "ACQ:TRig:EXT:DEBouncer:US", "500", 500e-6, "500"),
    ("split_trigger", "ACQ:SPLIT:TRig", "1", True, "ON"),
    ("split_trigger", "ACQ:SPLIT:TRig", "0", False, "OFF"),
    ("heartbeat_light", "LED:HB", "ON", True, "ON"),
    ("card_light", "LED:MMC", "OFF", False, "OFF"),
    ("network_light", "LED:ETH", "ON", True, "ON"),
]


@pytest.mark.parametrize(("name", "header", "reply", "value", "sent"), BOARD_PROPERTIES)
def test_setting_of_the_board(name: str, header: str, reply: str, value: Any, sent: str) -> None:
    with expected_protocol(RedPitaya125_14, [(f"{header}?", reply), (f"{header} {sent}", None), OK]) as board:
        assert getattr(board, name) == (pytest.approx(value) if isinstance(value, float) else value)
        setattr(board, name, value)


INPUT_PROPERTIES = [
    ("trigger_level", "ACQ:TRig:LEV:CH3", "-0.25", -0.25, "-0.25"),
    ("decimation", "ACQ:DEC:Factor:CH3", "17", 17, "17"),
    ("averaging", "ACQ:AVG:CH3", "OFF", False, "OFF"),
    ("trigger_delay", "ACQ:TRig:DLY:CH3", "8192", 8192, "8192"),
]


@pytest.mark.parametrize(("name", "header", "reply", "value", "sent"), INPUT_PROPERTIES)
def test_setting_of_an_input(name: str, header: str, reply: str, value: Any, sent: str) -> None:
    with expected_protocol(RedPitaya4Input, [(f"{header}?", reply), (f"{header} {sent}", None), OK]) as board:
        assert getattr(board.inputs[3], name) == value
        setattr(board.inputs[3], name, value)


def test_state_of_an_input() -> None:
    exchange = [
        ("ACQ:SRATe:CH2?", "  1953125 Hz"),
        ("ACQ:TRig:STAT:CH2?", "TD"),
        ("ACQ:TRig:FILL:CH2?", "0"),
        ("ACQ:TS:CH2?", "1500000000"),
    ]
    with expected_protocol(RedPitaya4Input, exchange) as board:
        two = board.inputs[2]
        assert two.sample_rate_hz == 1953125.0
        assert two.trigger_status == "TD"
        assert two.filled == 0
        assert two.triggered_at == 1.5


def test_an_input_on_its_own() -> None:
    exchange = [
        *[("ACQ:DEC:Factor:CH2 8", None), OK, ("ACQ:TRig:DLY:CH2 8192", None), OK],
        *[("ACQ:START:CH2", None), ("ACQ:TRig:CH2 CH1_AE", None), OK],
        ("ACQ:TRig:STAT:CH2?", "WAIT"),
        ("ACQ:TRig:FILL:CH2?", "0"),
        ("ACQ:TRig:FILL:CH2?", "1"),
        *PREPARE,
        ("ACQ:SOUR2:DATA:Old:N? 2", b"#18" + np.array([0.5, -0.5], dtype="<f4").tobytes()),
        OK,
        *[("ACQ:STOP:CH2", None), OK],
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        two = board.inputs[2]
        two.arm(8, "CH1_AE")
        assert not two.is_triggered()
        with pytest.raises(Refused, match=r"no complete record after 'ACQ:TRig:FILL:CH2\?'"):
            two.read_record(2)
        np.testing.assert_array_equal(two.read_record(2), [0.5, -0.5])
        two.stop()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("trigger_level", 20.1), ("decimation", 9), ("averaging", "ON"), ("trigger_delay", 0.5), ("trigger_delay", -8193)],
)
def test_values_out_of_range_of_an_input_are_not_sent(setting: str, value: Any) -> None:
    with expected_protocol(RedPitaya4Input, []) as board:
        with pytest.raises(ValueError):
            setattr(board.inputs[1], setting, value)
        with pytest.raises(ValueError):
            board.inputs[1].arm(8, "AWG_PE")
        with pytest.raises(ValueError):
            board.inputs[1].read_record(BUFFER_SAMPLES + 1)


def test_places_in_the_buffer() -> None:
    exchange = [("ACQ:BUF:SIZE?", "16384"), ("ACQ:WPOS?", "12"), ("ACQ:TPOS?", "8204")]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        assert (board.buffer_size, board.write_position, board.trigger_position) == (16384, 12, 8204)


def test_lights() -> None:
    exchange = [("DIG:PIN? LED7", "1"), ("DIG:PIN LED7,0", None), OK]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        assert board.lights["LED7"].lit is True
        board.lights["LED7"].lit = False


OUTPUT_PROPERTIES = [
    ("function", "SOUR2:FUNC", "TRIANGLE", "TRIANGLE", "TRIANGLE"),
    ("frequency", "SOUR2:FREQ:FIX", "25", 25.0, "25"),
    ("amplitude", "SOUR2:VOLT", "0.5", 0.5, "0.5"),
    ("offset", "SOUR2:VOLT:OFFS", "-0.25", -0.25, "-0.25"),
    ("phase_deg", "SOUR2:PHAS", "90", 90.0, "90"),
    ("on", "OUTPUT2:STATE", "ON", True, "ON"),
    ("on", "OUTPUT2:STATE", "0", False, "OFF"),
]


@pytest.mark.parametrize(("name", "header", "reply", "value", "sent"), OUTPUT_PROPERTIES)
def test_setting_of_an_output(name: str, header: str, reply: str, value: Any, sent: str) -> None:
    with expected_protocol(RedPitaya125_14, [(f"{header}?", reply), (f"{header} {sent}", None), OK]) as board:
        assert getattr(board.outputs[2], name) == value
        setattr(board.outputs[2], name, value)


def test_frequency_is_sent_with_twelve_digits() -> None:
    with expected_protocol(RedPitaya125_14, [("SOUR1:FREQ:FIX 4325678.90123", None), OK]) as board:
        board.outputs[1].frequency = 4325678.90123


def test_gain_of_an_input() -> None:
    exchange = [("ACQ:SOUR4:GAIN?", "LV"), ("ACQ:SOUR4:GAIN HV", None), OK]
    with expected_protocol(RedPitaya4Input, exchange) as board:
        assert board.input_4.gain == "LV"
        board.input_4.gain = "HV"


def test_pins() -> None:
    exchange = [
        ("DIG:PIN:DIR OUT,DIO0_P", None),
        OK,
        ("DIG:PIN:DIR? DIO0_P", "OUT"),
        ("DIG:PIN DIO0_P,1", None),
        OK,
        ("DIG:PIN? DIO7_N", "0"),
    ]
    with expected_protocol(RedPitaya4Input, exchange) as board:
        board.pins["DIO0_P"].direction = "OUT"
        assert board.pins["DIO0_P"].direction == "OUT"
        board.pins["DIO0_P"].level = 1
        assert board.pins["DIO7_N"].level == 0


def test_slow_pins() -> None:
    exchange = [("ANALOG:PIN? AIN3", "1.23"), ("ANALOG:PIN AOUT0,0.9", None), OK, ("ANALOG:PIN? AOUT0", "0.896471")]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        assert board.slow_inputs["AIN3"].voltage == 1.23
        board.slow_outputs["AOUT0"].voltage = 0.9
        assert board.slow_outputs["AOUT0"].voltage == 0.896471


def test_state_of_the_acquisition() -> None:
    exchange = [
        ("ACQ:SRATe?", " 15625000 Hz"),
        ("ACQ:TRig:STAT?", "WAIT"),
        ("ACQ:TRig:STAT?", "TD"),
        ("ACQ:TRig:FILL?", "0"),
        ("ACQ:TRig:FILL?", "1"),
    ]
    with expected_protocol(RedPitaya4Input, exchange) as board:
        assert board.sample_rate_hz == 15.625e6
        assert board.is_triggered() is False
        assert board.is_triggered() is True
        assert board.is_filled() is False
        assert board.is_filled() is True


def test_arm_triggers_after_start() -> None:
    exchange = [
        ("ACQ:DEC:Factor 8", None),
        OK,
        ("ACQ:TRig:DLY 8192", None),
        OK,
        ("ACQ:START", None),
        ("ACQ:TRig AWG_PE", None),
        OK,
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        board.arm(8, "AWG_PE")


def test_stop_and_starts() -> None:
    exchange = [("ACQ:STOP", None), OK, ("SOUR1:TRig:INT", None), OK, ("SOUR:TRig:INT", None), OK]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        board.stop()
        board.outputs[1].start()
        board.start_outputs()


@pytest.mark.parametrize(
    ("old_amplitude", "new", "order"),
    [
        ("0.9", (0.1, 0.9), [("SOUR1:VOLT 0.1", None), OK, ("SOUR1:VOLT:OFFS 0.9", None), OK]),
        ("0.1", (0.9, 0.1), [("SOUR1:VOLT:OFFS 0.1", None), OK, ("SOUR1:VOLT 0.9", None), OK]),
    ],
)
def test_configure_never_exceeds_the_range_on_the_way(old_amplitude: str, new: Any, order: list[Any]) -> None:
    exchange = [
        ("SOUR1:FUNC TRIANGLE", None),
        OK,
        ("SOUR1:FREQ:FIX 10", None),
        OK,
        ("SOUR1:PHAS 0", None),
        OK,
        ("SOUR1:VOLT?", old_amplitude),
        *order,
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        board.outputs[1].configure("TRIANGLE", 10.0, *new)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("decimation", 9),
        ("decimation", 15.5),
        ("decimation", 65537),
        ("decimation", float("inf")),
        ("averaging", "ON"),
        ("data_format", "BINARY"),
        ("data_units", "V"),
        ("byte_order", "<"),
        ("trigger_level", 21.0),
        ("trigger_delay", -8193),
        ("trigger_delay", 0.5),
        ("trigger_delay_s", 2.2),
        ("trigger_hysteresis", -0.1),
        ("external_trigger_holdoff", 0.01),
        ("split_trigger", "ON"),
        ("heartbeat_light", 2),
    ],
)
def test_values_out_of_range_are_not_sent(setting: str, value: Any) -> None:
    with expected_protocol(RedPitaya125_14, []) as board, pytest.raises(ValueError):
        setattr(board, setting, value)


def test_outputs_and_records_out_of_range_are_not_asked_for() -> None:
    with expected_protocol(RedPitaya125_14, []) as board:
        for name, value in (("amplitude", 1.1), ("offset", -1.1), ("phase_deg", 361.0), ("frequency", 51e6)):
            with pytest.raises(ValueError):
                setattr(board.outputs[1], name, value)
        with pytest.raises(ValueError):
            board.outputs[1].configure("SINE", 10.0, 0.6, 0.5)
        with pytest.raises(ValueError):
            board.pins["DIO0_P"].level = 2
        with pytest.raises(ValueError):
            board.slow_outputs["AOUT0"].voltage = 1.9
        with pytest.raises(ValueError):
            board.read_records([3])
        with pytest.raises(ValueError):
            board.read_records([1], BUFFER_SAMPLES + 1)


def test_a_board_without_generators_has_no_such_trigger() -> None:
    with expected_protocol(RedPitaya4Input, []) as board, pytest.raises(ValueError):
        board.arm(8, "AWG_PE")


@given(st.integers(-10, 70000))
def test_decimation_factors(factor: int) -> None:
    legal = factor in (1, 2, 4, 8) or 16 <= factor <= 65536
    try:
        taken = decimation_factor(factor, (1, 2, 4, 8, 16)) == factor
    except ValueError:
        taken = False
    assert taken == legal


# ---- records ---------------------------------------------------------------------------------------------------------


def block(volts: list[float], after: bytes) -> bytes:
    payload = np.array(volts, dtype="<f4").tobytes()
    length = str(len(payload)).encode()
    return b"#" + str(len(length)).encode() + length + payload + after


def after_block(after: bytes) -> list[tuple[Any, Any]]:
    """The exchange that follows a block: where the server ends it by CR LF, an empty line comes before the reply."""
    return [(b"SYST:ERR?", after), (None, b'0,"No error"')] if after else [OK]


@pytest.mark.parametrize("after", [b"", b"\r\n"])
def test_records_with_and_without_a_line_end_after_the_block(after: bytes) -> None:
    # 0x0A and 0x0D in the payload must not end it: 0x0D0A0D0A little-endian is a tiny float.
    tricky = float(np.frombuffer(b"\r\n\r\n", dtype="<f4")[0])
    exchange = [
        ("ACQ:TRig:FILL?", "1"),
        *PREPARE,
        ("ACQ:SOUR2:DATA:Old:N? 3", block([0.25, -0.5, tricky], b"")),
        *after_block(after),
        ("ACQ:SOUR1:DATA:Old:N? 3", block([1.0, 0.0, -1.0], b"")),
        *after_block(after),
        ("ACQ:TRig:STAT?", "TD"),
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        records = board.read_records([2, 1], 3)
        assert board.trigger_status == "TD"
    assert records.dtype == np.float64
    np.testing.assert_array_equal(records, [[0.25, -0.5, tricky], [1.0, 0.0, -1.0]])


@pytest.mark.parametrize(("side", "samples"), [("PRE_TRIG", 3), ("POST_TRIG", 3), ("PRE_POST_TRIG", 5)])
def test_samples_around_the_trigger(side: str, samples: int) -> None:
    exchange = [
        ("ACQ:TRig:FILL?", "0"),
        ("ACQ:TRig:FILL?", "1"),
        *PREPARE,
        (f"ACQ:SOUR2:DATA:TRig? 2,{side}", block([0.25] * samples, b"")),
        OK,
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        with pytest.raises(Refused, match="no complete record"):
            board.read_around_trigger([2], 2, side)
        assert board.read_around_trigger([2], 2, side).shape == (1, samples)
        for wrong in (([2], 0), ([3], 2), ([1], 8192), ([1], 2, "AFTER")):
            with pytest.raises(ValueError):
                board.read_around_trigger(*wrong)


def test_the_termination_character_is_back_after_a_record() -> None:
    exchange = [("ACQ:TRig:FILL?", "1"), *PREPARE, ("ACQ:SOUR1:DATA:Old:N? 1", block([0.5], b"")), OK]
    with expected_protocol(RedPitaya125_14, exchange, connection_attributes={"read_termination": "\r\n"}) as board:
        board.read_records([1], 1)
        assert board.adapter.connection.read_termination == "\r\n"


def test_an_incomplete_record_is_refused() -> None:
    with (
        expected_protocol(RedPitaya125_14, [("ACQ:TRig:FILL?", "0")]) as board,
        pytest.raises(Refused, match="no complete record"),
    ):
        board.read_records([1])


def test_a_block_of_another_unit_is_refused() -> None:
    raw = b"#14" + np.array([1, 2], dtype="<i2").tobytes()
    exchange = [("ACQ:TRig:FILL?", "1"), *PREPARE, ("ACQ:SOUR1:DATA:Old:N? 2", raw), OK]
    with (
        expected_protocol(RedPitaya125_14, exchange) as board,
        pytest.raises(BadReply, match="4 bytes for 2 samples"),
    ):
        board.read_records([1], 2)


def test_an_empty_line_instead_of_a_block_says_why() -> None:
    exchange = [
        ("ACQ:TRig:FILL?", "1"),
        *PREPARE,
        ("ACQ:SOUR1:DATA:Old:N? 2", b"\r\n"),
        ("SYST:ERR?", '9506,"*ACQ:SOUR1:DATA:Old:N? Failed to get data in volts: Value out of range."'),
        OK,
    ]
    with (
        expected_protocol(RedPitaya125_14, exchange) as board,
        pytest.raises(Refused, match="Failed to get data in volts"),
    ):
        board.read_records([1], 2)


def test_a_server_that_does_not_know_the_byte_order_is_refused() -> None:
    exchange = [
        ("ACQ:TRig:FILL?", "1"),
        *PREPARE[:-1],
        ("SYST:ERR?", '-113,"Undefined header"'),
        OK,
    ]
    with (
        expected_protocol(RedPitaya125_14, exchange) as board,
        pytest.raises(Refused, match=r"Undefined header.*update the OS"),
    ):
        board.read_records([1], 2)


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_a_refused_setting_names_command_and_all_reasons() -> None:
    exchange = [
        ("DIG:PIN DIO0_P,1", None),
        ("SYST:ERR?", '9509,"*DIG:PIN Failed to set pin state"'),
        ("SYST:ERR?", '-200,"Execution error"'),
        OK,
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board, pytest.raises(Refused) as refused:
        board.pins["DIO0_P"].level = 1
    assert refused.value.command == "DIG:PIN DIO0_P,1"
    assert refused.value.reply == "9509 *DIG:PIN Failed to set pin state; -200 Execution error"


def test_an_empty_reply_is_explained_by_the_error_queue() -> None:
    exchange = [("ANALOG:PIN? AIN0", "\r\n"), ("SYST:ERR?", '9510,"Invalid pin"'), OK]
    with expected_protocol(RedPitaya125_14, exchange) as board, pytest.raises(Refused, match="Invalid pin"):
        _ = board.slow_inputs["AIN0"].voltage


def test_an_empty_reply_without_a_reason_is_a_bad_one() -> None:
    with (
        expected_protocol(RedPitaya125_14, [("ANALOG:PIN? AIN0", "\r\n"), OK]) as board,
        pytest.raises(BadReply, match="empty line"),
    ):
        _ = board.slow_inputs["AIN0"].voltage


@pytest.mark.parametrize("garbage", ["hello", "12", 'x,"y"', ',"text"'])
def test_garbage_from_the_error_queue(garbage: str) -> None:
    exchange = [("ACQ:STOP", None), ("SYST:ERR?", garbage)]
    with expected_protocol(RedPitaya125_14, exchange) as board, pytest.raises(BadReply, match="error number"):
        board.stop()


@pytest.mark.parametrize(
    ("name", "query", "reply"),
    [
        ("decimation", "ACQ:DEC:Factor?", "8.5"),
        ("averaging", "ACQ:AVG?", "MAYBE"),
        ("sample_rate_hz", "ACQ:SRATe?", "fast Hz"),
        ("trigger_hysteresis", "ACQ:TRig:HYST?", "small"),
        ("trigger_delay_s", "ACQ:TRig:DLY:NS?", "128 ns"),
        ("split_trigger", "ACQ:SPLIT:TRig?", "2"),
        ("write_position", "ACQ:WPOS?", "1.5"),
        ("network_light", "LED:ETH?", "DIM"),
        ("trigger_status", "ACQ:TRig:STAT?", "T"),
        ("filled", "ACQ:TRig:FILL?", "2"),
        ("data_format", "ACQ:DATA:FORMAT?", "XML"),
    ],
)
def test_garbled_replies(name: str, query: str, reply: str) -> None:
    with (
        expected_protocol(RedPitaya125_14, [(query, reply)]) as board,
        pytest.raises(BadReply, match="expected") as bad,
    ):
        getattr(board, name)
    assert bad.value.reply == reply
    assert bad.value.command == query


# ---- identity --------------------------------------------------------------------------------------------------------


def test_identity_names_the_board() -> None:
    exchange = [
        ("*IDN?", "REDPITAYA,INSTR,2025-06-03,2.07-51"),
        ("SYST:BRD:Name?", "STEMlab 125-14 4-Input v1.3"),
    ]
    with expected_protocol(RedPitaya4Input, exchange) as board:
        identity = board.read_identity()
    assert identity.manufacturer == "Red Pitaya"
    assert identity.model == "REDPITAYA STEMlab 125-14 4-Input v1.3"
    assert identity.firmware == "2.07-51 (2025-06-03)"


def test_identity_of_a_server_that_does_not_name_the_board() -> None:
    exchange = [
        ("*IDN?", "REDPITAYA,INSTR2014,0,01-02"),
        ("SYST:BRD:Name?", "\r\n"),
        ("SYST:ERR?", '-113,"Undefined header"'),
        OK,
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        assert board.read_identity().model == "REDPITAYA"


def test_identity_of_a_stranger_is_as_it_says() -> None:
    with expected_protocol(RedPitaya125_14, [("*IDN?", "Acme,Scope,1,2")]) as board:
        assert board.read_identity().model == "Scope"


def test_initialise() -> None:
    exchange = [
        ("*CLS", None),
        ("RP:RET_ON_ERROR ON", None),
        ("SYST:ERR?", '-113,"Undefined header"'),
        OK,
        ("SYST:BRD:Name?", "STEMlab 125-14 v1.1"),
        *PREPARE,
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        board.initialise()


@pytest.mark.parametrize(
    ("driver", "board_name"),
    [(RedPitaya125_14, "STEMlab 125-14 4-Input v1.3"), (RedPitaya4Input, "STEMlab 125-14 v1.1")],
)
def test_initialise_refuses_the_other_board(driver: type, board_name: str) -> None:
    exchange = [("*CLS", None), ("RP:RET_ON_ERROR ON", None), OK, ("SYST:BRD:Name?", board_name)]
    with expected_protocol(driver, exchange) as board, pytest.raises(WrongInstrument, match="fast inputs"):
        board.initialise()


@pytest.mark.parametrize("driver", [RedPitaya125_14, RedPitaya4Input])
def test_opening_talks_to_nobody(driver: type) -> None:
    adapter = MagicMock()
    board = driver(adapter, name="digitizer")
    assert board.name == "digitizer"
    assert not adapter.write.called
    assert not adapter.read.called
    assert hasattr(board, "outputs") == (driver is RedPitaya125_14)
