"""The X-series driver: what it sends, what it makes of replies, and what it refuses."""

from __future__ import annotations

from unittest.mock import MagicMock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused
from drivers.keysight.x_series import KeysightXSeries
from drivers.sweep import SweepSettings

NO_ERROR = (":SYST:ERR?", '+0,"No error"')
SETTINGS: list[tuple[str, str, object, str, str]] = [
    # property, header, value, as sent, as answered
    ("frequency_start_hz", ":FREQ:STAR", 4276123.456, "4276123.456", "4.276123456000E+06"),
    ("frequency_stop_hz", ":FREQ:STOP", 4.5e6, "4500000", "4.500000000000E+06"),
    ("frequency_center_hz", ":FREQ:CENT", 12345678901.2, "12345678901.2", "1.23456789012E+10"),
    ("frequency_span_hz", ":FREQ:SPAN", 0.0, "0", "0.0"),
    ("resolution_bandwidth_hz", ":BAND", 10.0, "10", "10"),
    ("resolution_bandwidth_auto", ":BAND:AUTO", True, "1", "1"),
    ("video_bandwidth_hz", ":BAND:VID", 1.0, "1", "+1.0E+00"),
    ("video_bandwidth_auto", ":BAND:VID:AUTO", False, "0", "0"),
    ("bandwidth_type", ":BAND:TYPE", "DB3", "DB3", "DB3"),
    ("sweep_points", ":SWE:POIN", 1001, "1001", "1001"),
    ("sweep_time_s", ":SWE:TIME", 1.5, "1.5", "1.500000000000E+00"),
    ("sweep_time_auto", ":SWE:TIME:AUTO", True, "1", "1"),
    ("sweep_type", ":SWE:TYPE", "FFT", "FFT", "FFT"),
    ("sweep_type_auto", ":SWE:TYPE:AUTO", True, "1", "1"),
    ("continuous_sweep", ":INIT:CONT", False, "0", "0"),
    ("detector", ":DET:TRAC1", "AVER", "AVER", "AVER"),
    ("average_type", ":AVER:TYPE", "RMS", "RMS", "RMS"),
    ("average_count", ":AVER:COUN", 50, "50", "50"),
    ("trace_type", ":TRAC1:TYPE", "AVER", "AVER", "AVER"),
    ("attenuation_db", ":POW:ATT", 10.0, "10", "10.00"),
    ("attenuation_auto", ":POW:ATT:AUTO", True, "1", "1"),
    ("preamplifier", ":POW:GAIN", True, "1", "1"),
    ("reference_level_dbm", ":DISP:WIND:TRAC:Y:RLEV", -40.0, "-40", "-40.00"),
    ("y_unit", ":UNIT:POW", "DBM", "DBM", "DBM"),
    ("mode", ":INST:SEL", "SA", "SA", "SA"),
    ("data_format", ":FORM", "REAL,64", "REAL,64", "REAL,64"),
    ("byte_order", ":FORM:BORD", "NORM", "NORM", "NORM"),
]
LIMITS = [
    ("frequency_start_hz", [-1.0, 50.1e9]),
    ("frequency_stop_hz", [-1.0, 50.1e9]),
    ("frequency_center_hz", [-1.0, 50.1e9]),
    ("frequency_span_hz", [-1.0, 50.1e9]),
    ("resolution_bandwidth_hz", [0.9, 8.1e6]),
    ("video_bandwidth_hz", [0.9, 51e6]),
    ("bandwidth_type", ["DB9"]),
    ("sweep_points", [0, 40002, 10.5]),
    ("sweep_time_s", [0.0, 6001.0]),
    ("sweep_type", ["fast"]),
    ("continuous_sweep", ["on", 2]),
    ("detector", ["average"]),
    ("average_type", ["POW"]),
    ("average_count", [0, 10001, 1.5]),
    ("trace_type", ["BLANK"]),
    ("attenuation_db", [-1.0, 71.0]),
    ("preamplifier", ["yes"]),
    ("reference_level_dbm", [-171.0, 31.0]),
    ("y_unit", ["dBm"]),
    ("mode", ["sa"]),
    ("data_format", ["REAL"]),
    ("byte_order", ["LITTLE"]),
]


def sweep_block(values: np.ndarray) -> bytes:
    payload = values.astype(">f8").tobytes()
    return f"#{len(str(len(payload)))}{len(payload)}".encode() + payload


def test_a_mock_adapter_and_a_name_are_enough() -> None:
    assert KeysightXSeries(MagicMock(), name="analyzer").name == "analyzer"
    assert KeysightXSeries(MagicMock()).name == "Keysight X-series"


@pytest.mark.parametrize(("name", "header", "value", "sent", "answered"), SETTINGS, ids=[row[0] for row in SETTINGS])
def test_a_setting_is_sent_checked_and_read(name: str, header: str, value: object, sent: str, answered: str) -> None:
    exchange = [(f"{header} {sent}", None), NO_ERROR, (f"{header}?", answered)]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        setattr(driver, name, value)
        read = getattr(driver, name)
        assert read == value and type(read) is type(value)


@pytest.mark.parametrize(("name", "values"), LIMITS, ids=[row[0] for row in LIMITS])
def test_what_is_out_of_range_is_never_sent(name: str, values: list[object]) -> None:
    with expected_protocol(KeysightXSeries, []) as driver:
        for value in values:
            with pytest.raises(ValueError):
                setattr(driver, name, value)


@pytest.mark.parametrize(
    ("name", "query", "answered"),
    [
        ("frequency_start_hz", ":FREQ:STAR?", "4.3 MHz"),
        ("sweep_points", ":SWE:POIN?", "1001.5"),
        ("sweep_points", ":SWE:POIN?", ""),
        ("continuous_sweep", ":INIT:CONT?", "2"),
        ("operation_condition", ":STAT:OPER:COND?", "busy"),
        ("next_error", ":SYST:ERR?", "No error"),
    ],
)
def test_a_garbled_reply_never_becomes_a_value(name: str, query: str, answered: str) -> None:
    with expected_protocol(KeysightXSeries, [(query, answered)]) as driver, pytest.raises(BadReply, match="Keysight"):
        getattr(driver, name)


def test_identity_options_and_condition() -> None:
    exchange = [
        ("*IDN?", "Keysight Technologies,N9010B,MY57010001,A.20.07"),
        ("*OPT?", '"503,B25,P03"'),
        (":STAT:OPER:COND?", "8"),
        (":STAT:OPER:COND?", "+16"),
    ]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        assert driver.read_identity().model == "N9010B"
        assert driver.options == "503,B25,P03"
        assert driver.operation_condition == 8
        assert not driver.is_sweeping()


def test_next_error_is_number_and_text() -> None:
    exchange = [(":SYST:ERR?", '-222,"Data out of range; clipped to upper limit"'), (":SYST:ERR?", "+0,No error")]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        assert driver.next_error == (-222, "Data out of range; clipped to upper limit")
        assert driver.next_error == (0, "No error")


def test_a_refused_setting_names_command_and_every_error() -> None:
    exchange = [
        (":AVER:COUN 50", None),
        (":SYST:ERR?", '-221,"Settings conflict"'),
        (":SYST:ERR?", '-113,"Undefined header"'),
        NO_ERROR,
    ]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        with pytest.raises(Refused) as refusal:
            driver.average_count = 50
        text = str(refusal.value)
        assert "Keysight X-series" in text and "':AVER:COUN 50'" in text
        assert "-221 Settings conflict; -113 Undefined header" in text and "Read the setting back" in text


def test_an_error_queue_without_end_is_left() -> None:
    with (
        expected_protocol(KeysightXSeries, [(":SYST:ERR?", '-350,"Queue overflow"')] * 50) as driver,
        pytest.raises(BadReply, match="did not stop"),
    ):
        driver.check_errors()


CONFIGURE = [
    ("*CLS", None),
    (":INIT:CONT 0", None),
    NO_ERROR,
    (":ABOR", None),
    NO_ERROR,
    (":INST:SEL?", "SA"),
    (":CONF?", "SAN"),
    (":FORM REAL,64", None),
    NO_ERROR,
    (":FORM:BORD NORM", None),
    NO_ERROR,
    (":UNIT:POW DBM", None),
    NO_ERROR,
    (":FREQ:STAR 4270000", None),
    NO_ERROR,
    (":FREQ:STOP 4280000", None),
    NO_ERROR,
    (":SWE:POIN 1001", None),
    NO_ERROR,
    (":BAND:TYPE DB3", None),
    NO_ERROR,
    (":BAND 10.5", None),
    NO_ERROR,
    (":BAND:VID 1", None),
    NO_ERROR,
    (":SWE:TYPE:AUTO 1", None),
    NO_ERROR,
    (":SWE:TIME:AUTO 1", None),
    NO_ERROR,
    (":TRAC1:TYPE AVER", None),
    NO_ERROR,
    (":DET:TRAC1 AVER", None),
    NO_ERROR,
    (":AVER:TYPE RMS", None),
    NO_ERROR,
    (":AVER:COUN 50", None),
    NO_ERROR,
    (":FREQ:STAR?", "4.27E+06"),
    (":FREQ:STOP?", "4.28E+06"),
    (":SWE:POIN?", "1001"),
    (":BAND?", "1.0E+01"),
    (":BAND:VID?", "1.0E+00"),
    (":TRAC1:TYPE?", "AVER"),
    (":AVER:COUN?", "50"),
    (":DET:TRAC1?", "AVER"),
    (":AVER:TYPE?", "RMS"),
]


def test_a_sweep_is_set_up_from_any_state_and_read_back() -> None:
    with expected_protocol(KeysightXSeries, CONFIGURE) as driver:
        accepted = driver.configure_sweep(SweepSettings(4.27e6, 4.28e6, 1001, 10.5, 1.0, 50))
        assert accepted == SweepSettings(4.27e6, 4.28e6, 1001, 10.0, 1.0, 50, "AVER", "RMS")


def test_another_application_is_left_and_the_measurement_chosen() -> None:
    stopping = CONFIGURE[1:5]
    change = [
        (":INST:SEL?", "PNOISE"),
        (":INST:SEL SA", None),
        NO_ERROR,
        ("*OPC?", "1"),
        *stopping,
        (":CONF?", "CHP"),
        (":CONF:SAN", None),
        NO_ERROR,
    ]
    exchange = [*CONFIGURE[:5], *change, *CONFIGURE[7:]]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        assert driver.configure_sweep(SweepSettings(4.27e6, 4.28e6, 1001, 10.5, 1.0, 50)).rbw_hz == 10.0


def test_duration_is_sweep_time_times_count() -> None:
    exchange = [(":TRAC1:TYPE?", "AVER"), (":AVER:COUN?", "50"), (":SWE:TIME?", "2.5E+02")]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        assert driver.duration_s() == 12500.0
    with expected_protocol(KeysightXSeries, [(":TRAC1:TYPE?", "WRIT"), (":SWE:TIME?", "0.5")]) as driver:
        assert driver.duration_s() == 0.5


def test_start_poll_and_abort() -> None:
    exchange = [
        (":INIT:IMM", None),
        NO_ERROR,
        (":STAT:OPER:COND?", "24"),
        (":ABOR", None),
        NO_ERROR,
        (":STAT:OPER:COND?", "0"),
    ]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        driver.start()
        assert driver.is_sweeping()
        driver.abort()
        assert not driver.is_sweeping()


@given(st.lists(st.floats(-200, 30), min_size=1, max_size=50))
def test_a_trace_is_read_whatever_bytes_it_holds(levels: list[float]) -> None:
    values = np.array(levels)
    exchange = [
        (b":SWE:POIN?", str(values.size).encode()),
        (b":TRAC:DATA? TRACE1", sweep_block(values) + b"\n"),
    ]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        trace = driver.read_trace()
        assert trace.dtype == np.float64 and trace.dtype.isnative
        assert np.array_equal(trace, values)


@pytest.mark.parametrize(
    ("points", "reply", "reason"),
    [
        (2, sweep_block(np.array([-90.0])) + b"\n", "sent 1 points of 2"),
        (2, sweep_block(np.array([-90.0, 9.91e37])) + b"\n", "holds no sweep"),
        (1, sweep_block(np.array([np.nan])) + b"\n", "holds no sweep"),
        (1, sweep_block(np.array([-90.0])) + b";", "line feed"),
        (2, b"-1.01234E+02,-1.01234E+02\n", "expected a binary block"),
        (1, b"#17abcdefg\n", "impossible length"),
        (1, b"#0abcdefgh\n", "expected a binary block"),
    ],
)
def test_a_wrong_trace_is_refused(points: int, reply: bytes, reason: str) -> None:
    driver = KeysightXSeries(MagicMock())
    driver.adapter.read.side_effect = [str(points)]
    rest = bytearray(reply)

    def read_bytes(count: int, break_on_termchar: bool = False) -> bytes:
        taken = bytes(rest[:count])
        del rest[:count]
        return taken

    driver.adapter.read_bytes.side_effect = read_bytes
    with pytest.raises(BadReply, match=reason):
        driver.read_trace()
