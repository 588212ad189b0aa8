"""The FSV driver: what it sends, what it makes of replies, and what it refuses."""

from __future__ import annotations

from unittest.mock import MagicMock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, InstrumentError, Refused
from drivers.rohdeschwarz.detection import DETECTION, detection_of, sweep_detection
from drivers.rohdeschwarz.fsv import RohdeSchwarzFSV
from drivers.sweep import SweepSettings

NO_ERROR = (":SYST:ERR?", '0,"No error"')
SETTINGS: list[tuple[str, str, object, str, str]] = [
    # property, header, value, as sent, as answered
    ("frequency_start_hz", "FREQ:STAR", 4276123.456, "4276123.456", "4276123.456"),
    ("frequency_stop_hz", "FREQ:STOP", 4.5e6, "4500000", "4500000"),
    ("frequency_center_hz", "FREQ:CENT", 12345678901.2, "12345678901.2", "12345678901.2"),
    ("frequency_span_hz", "FREQ:SPAN", 0.0, "0", "0"),
    ("resolution_bandwidth_hz", "BAND", 10.0, "10", "10"),
    ("resolution_bandwidth_auto", "BAND:AUTO", True, "1", "1"),
    ("video_bandwidth_hz", "BAND:VID", 1.0, "1", "1"),
    ("video_bandwidth_auto", "BAND:VID:AUTO", False, "0", "0"),
    ("filter_type", "BAND:TYPE", "NORM", "NORM", "NORM"),
    ("sweep_points", "SWE:POIN", 1001, "1001", "1001"),
    ("sweep_time_s", "SWE:TIME", 1.5, "1.5", "1.5"),
    ("sweep_time_auto", "SWE:TIME:AUTO", True, "1", "1"),
    ("sweep_type", "SWE:TYPE", "FFT", "FFT", "FFT"),
    ("sweep_mode", "SWE:MODE", "AUTO", "AUTO", "AUTO"),
    ("sweep_count", "SWE:COUN", 50, "50", "50"),
    ("continuous_sweep", "INIT:CONT", False, "0", "0"),
    ("trigger_source", "TRIG:SOUR", "EXT", "EXT", "EXT"),
    ("detector", "DET1", "RMS", "RMS", "RMS"),
    ("average_type", "AVER:TYPE", "POW", "POW", "POW"),
    ("trace_mode", "DISP:TRAC1:MODE", "AVER", "AVER", "AVER"),
    ("attenuation_db", "INP:ATT", 10.0, "10", "10"),
    ("attenuation_auto", "INP:ATT:AUTO", True, "1", "1"),
    ("preamplifier", "INP:GAIN:STAT", True, "1", "1"),
    ("reference_level_dbm", "DISP:TRAC1:Y:RLEV", -40.0, "-40", "-40"),
    ("y_spacing", "DISP:TRAC1:Y:SPAC", "LOG", "LOG", "LOG"),
    ("y_unit", "CALC:UNIT:POW", "DBM", "DBM", "DBM"),
    ("data_format", "FORM", "REAL,32", "REAL,32", "REAL,32"),
]
LIMITS = [
    ("frequency_start_hz", [-1.0, 85.1e9]),
    ("frequency_stop_hz", [-1.0, 85.1e9]),
    ("frequency_center_hz", [-1.0, 85.1e9]),
    ("frequency_span_hz", [-1.0, 85.1e9]),
    ("resolution_bandwidth_hz", [0.9, 81e6]),
    ("video_bandwidth_hz", [0.9, 81e6]),
    ("filter_type", ["DB3"]),
    ("sweep_points", [100, 200002, 101.5]),
    ("sweep_time_s", [0.0, 16001.0]),
    ("sweep_type", ["SWEEP"]),
    ("sweep_mode", ["auto"]),
    ("sweep_count", [-1, 200001, 1.5]),
    ("continuous_sweep", ["on", 2]),
    ("trigger_source", ["EXT9"]),
    ("detector", ["AVERage", "QPE"]),
    ("average_type", ["RMS"]),
    ("trace_mode", ["AVG"]),
    ("attenuation_db", [-1.0, 80.0]),
    ("preamplifier", ["yes"]),
    ("reference_level_dbm", [-131.0, 31.0]),
    ("y_spacing", ["DB"]),
    ("y_unit", ["dBm"]),
    ("data_format", ["REAL,64", "REAL"]),
]


def sweep_block(values: np.ndarray, dtype: str = "<f4") -> bytes:
    payload = values.astype(dtype).tobytes()
    return f"#{len(str(len(payload)))}{len(payload)}".encode() + payload


def test_a_mock_adapter_and_a_name_are_enough() -> None:
    assert RohdeSchwarzFSV(MagicMock(), name="analyzer").name == "analyzer"
    assert RohdeSchwarzFSV(MagicMock()).name == "Rohde & Schwarz FSV"


@pytest.mark.parametrize(("name", "header", "value", "sent", "answered"), SETTINGS, ids=[row[0] for row in SETTINGS])
def test_a_setting_is_sent_checked_and_read(name: str, header: str, value: object, sent: str, answered: str) -> None:
    exchange = [(f"{header} {sent}", None), NO_ERROR, (f"{header}?", answered)]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver:
        setattr(driver, name, value)
        read = getattr(driver, name)
        assert read == value and type(read) is type(value)


@pytest.mark.parametrize(("name", "values"), LIMITS, ids=[row[0] for row in LIMITS])
def test_what_is_out_of_range_is_never_sent(name: str, values: list[object]) -> None:
    with expected_protocol(RohdeSchwarzFSV, []) as driver:
        for value in values:
            with pytest.raises(ValueError):
                setattr(driver, name, value)


@pytest.mark.parametrize(
    ("name", "query", "answered"),
    [
        ("frequency_start_hz", "FREQ:STAR?", "4.3 MHz"),
        ("sweep_points", "SWE:POIN?", "1001.5"),
        ("continuous_sweep", "INIT:CONT?", "ON"),
        ("operation_condition", "STAT:OPER:COND?", "busy"),
        ("sweeps_started", "SWE:COUN:CURR?", ""),
        ("open_channels", "INST:LIST?", "'SANALYZER','Spectrum','IQ'"),
        ("next_error", ":SYST:ERR?", "No error"),
    ],
)
def test_a_garbled_reply_never_becomes_a_value(name: str, query: str, answered: str) -> None:
    with expected_protocol(RohdeSchwarzFSV, [(query, answered)]) as driver, pytest.raises(BadReply, match="Rohde"):
        getattr(driver, name)


def test_identity_options_channels_and_progress() -> None:
    exchange = [
        ("*IDN?", "Rohde&Schwarz,FSW-13,1312.8000K13/100005,2.60"),
        ("*OPT?", "B4,B24,K7"),
        ("INST?", "'IQ Analyzer'"),
        ("INST:LIST?", "'SANALYZER','Spectrum','IQ','IQ Analyzer'"),
        ("SWE:COUN:CURR?", "17"),
    ]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver:
        identity = driver.read_identity()
        assert (identity.model, identity.firmware) == ("FSW-13", "2.60")
        assert driver.options == "B4,B24,K7"
        assert driver.active_channel == "IQ Analyzer"
        assert driver.open_channels == {"Spectrum": "SANALYZER", "IQ Analyzer": "IQ"}
        assert driver.sweeps_started == 17


def test_a_refused_setting_names_the_command() -> None:
    exchange = [("SWE:POIN 150001", None), (":SYST:ERR?", '-222,"Data out of range;SWE:POIN 150001"'), NO_ERROR]
    with (
        expected_protocol(RohdeSchwarzFSV, exchange) as driver,
        pytest.raises(Refused, match=r"-222 Data out of range;SWE:POIN 150001 after 'SWE:POIN 150001'"),
    ):
        driver.sweep_points = 150001


STOP = [("INIT:CONT 0", None), NO_ERROR, ("ABOR", None), NO_ERROR]
SET_UP = [
    line
    for command in (
        "SWE:MODE AUTO",
        "TRIG:SOUR IMM",
        "FORM REAL,32",
        "DISP:TRAC1:Y:SPAC LOG",
        "CALC:UNIT:POW DBM",
        "FREQ:STAR 4270000",
        "FREQ:STOP 4280000",
        "SWE:POIN 1001",
        "BAND:TYPE NORM",
        "BAND 11",
        "BAND:VID 1",
        "SWE:TYPE AUTO",
        "SWE:TIME:AUTO 1",
        "DISP:TRAC1:MODE AVER",
        "DET1 RMS",
        "AVER:TYPE POW",
        "SWE:COUN 50",
    )
    for line in ((command, None), NO_ERROR)
]
READ_BACK = [
    ("DET1?", "RMS"),
    ("AVER:TYPE?", "POW"),
    ("FREQ:STAR?", "4270000"),
    ("FREQ:STOP?", "4280000"),
    ("SWE:POIN?", "1001"),
    ("BAND?", "10"),
    ("BAND:VID?", "1"),
    ("DISP:TRAC1:MODE?", "AVER"),
    ("SWE:COUN?", "50"),
]
ASKED = SweepSettings(4.27e6, 4.28e6, 1001, 11.0, 1.0, 50)
ACCEPTED = SweepSettings(4.27e6, 4.28e6, 1001, 10.0, 1.0, 50, "AVER", "RMS")


@pytest.mark.parametrize(
    "entry",
    [
        [("INST?", "SAN")],
        [("INST?", "Second"), ("INST:LIST?", "'SANALYZER','Spectrum','SANALYZER','Second'")],
        [
            ("INST?", "IQ Analyzer"),
            ("INST:LIST?", "'IQ','IQ Analyzer','SANALYZER','Noise'"),
            ("INST:SEL 'Noise'", None),
            ("INIT:CONT 0;:ABOR", None),
            ("*OPC?", "1"),
            NO_ERROR,
        ],
        [
            ("INST?", "PNO"),
            ("INST:LIST?", "'PNOISE','Phase Noise'"),
            ("INST:CRE:NEW SANALYZER,'Spectrum'", None),
            NO_ERROR,
            ("INST:SEL 'Spectrum'", None),
            ("INIT:CONT 0;:ABOR", None),
            ("*OPC?", "1"),
            NO_ERROR,
        ],
    ],
    ids=["first channel", "another spectrum", "among others", "none"],
)
def test_a_sweep_is_set_up_from_any_channel_and_read_back(entry: list[tuple[str, str | None]]) -> None:
    with expected_protocol(RohdeSchwarzFSV, [("*CLS", None), *entry, *STOP, *SET_UP, *READ_BACK]) as driver:
        assert driver.configure_sweep(ASKED) == ACCEPTED


def test_a_change_of_channel_that_does_not_complete_is_an_error() -> None:
    exchange = [
        ("*CLS", None),
        ("INST?", "IQ"),
        ("INST:LIST?", "'IQ','IQ Analyzer','SANALYZER','Spectrum'"),
        ("INST:SEL 'Spectrum'", None),
        ("INIT:CONT 0;:ABOR", None),
        ("*OPC?", "0"),
    ]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver, pytest.raises(BadReply, match="change of channel"):
        driver.configure_sweep(ASKED)


def test_a_detector_that_is_not_there_is_refused_before_anything_is_sent() -> None:
    with expected_protocol(RohdeSchwarzFSV, []) as driver:
        for detector, average_type in (("AVER", "LOG"), ("RMS", "RMS"), ("AVER", "POW")):
            with pytest.raises(ValueError, match=f"{detector} with averages {average_type}"):
                driver.configure_sweep(SweepSettings(1e6, 2e6, 1001, 10.0, 10.0, 1, detector, average_type))


def test_detectors_and_averages_translate_both_ways() -> None:
    assert detection_of("AVER", "RMS") == ("RMS", "POW")
    assert detection_of("SAMP", "LOG") == ("SAMP", "VID")
    assert len(set(DETECTION.values())) == len(DETECTION)
    for asked, here in DETECTION.items():
        assert sweep_detection(*here) == asked
    assert sweep_detection("RMS", "VID") is None


def test_a_foreign_detection_is_no_sweep_of_ours() -> None:
    with (
        expected_protocol(RohdeSchwarzFSV, [("DET1?", "RMS"), ("AVER:TYPE?", "VID")]) as driver,
        pytest.raises(InstrumentError, match=r"detector RMS and averages VID.*Configure a sweep"),
    ):
        driver.read_sweep_settings()


def test_without_averaging_one_sweep_counts() -> None:
    exchange = [*READ_BACK[:-2], ("DISP:TRAC1:MODE?", "WRIT")]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver:
        assert driver.read_sweep_settings().averages == 1


@pytest.mark.parametrize(("sweeps", "seconds"), [("50", 75.0), ("1", 1.5), ("0", 1.5)])
def test_duration_is_sweep_time_times_count(sweeps: str, seconds: float) -> None:
    with expected_protocol(RohdeSchwarzFSV, [("SWE:TIME?", "1.5"), ("SWE:COUN?", sweeps)]) as driver:
        assert driver.duration_s() == seconds


def test_start_poll_and_abort() -> None:
    exchange = [
        ("STAT:OPER:COND?", "0"),
        ("INIT:IMM", None),
        NO_ERROR,
        ("STAT:OPER:COND?", "24"),
        ("STAT:OPER:COND?", "8"),
        ("STAT:OPER:COND?", "16"),
        ("ABOR", None),
        NO_ERROR,
        ("STAT:OPER:COND?", "1"),
    ]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver:
        driver.start()
        assert [driver.is_sweeping() for _ in range(3)] == [True] * 3
        driver.abort()
        assert not driver.is_sweeping()


def test_a_running_sweep_is_not_started_again() -> None:
    with (
        expected_protocol(RohdeSchwarzFSV, [("STAT:OPER:COND?", "24")]) as driver,
        pytest.raises(Refused, match="sweeping already after 'INIT:IMM'"),
    ):
        driver.start()


@given(st.lists(st.floats(-200, 30, width=32), min_size=1, max_size=50))
def test_a_trace_is_read_whatever_bytes_it_holds(levels: list[float]) -> None:
    values = np.array(levels)
    exchange = [(b"SWE:POIN?", str(values.size).encode()), (b"TRAC? TRACE1", sweep_block(values) + b"\n")]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver:
        trace = driver.read_trace()
        assert trace.dtype == np.float64 and trace.dtype.isnative
        assert np.array_equal(trace, values)


NOISE = np.random.default_rng(1).normal(-95.0, 5.0, 1001)


@pytest.mark.parametrize(
    ("points", "reply", "reason"),
    [
        (2, sweep_block(np.array([-90.0])) + b"\n", "sent 1 points of 2"),
        (2, sweep_block(np.array([-90.0, 9.91e37])) + b"\n", "holds no sweep"),
        (1, sweep_block(np.array([np.nan])) + b"\n", "holds no sweep"),
        (1001, sweep_block(NOISE, ">f4") + b"\n", "bytes in the other order"),
        (1, sweep_block(np.array([-90.0])) + b";", "line feed"),
        (2, b"-101.234,-101.234\n", "expected a binary block"),
        (1, b"#17abcdefg\n", "impossible length"),
    ],
)
def test_a_wrong_trace_is_refused(points: int, reply: bytes, reason: str) -> None:
    driver = RohdeSchwarzFSV(MagicMock())
    driver.adapter.read.side_effect = [str(points)]
    rest = bytearray(reply)

    def read_bytes(count: int, break_on_termchar: bool = False) -> bytes:
        taken = bytes(rest[:count])
        del rest[:count]
        return taken

    driver.adapter.read_bytes.side_effect = read_bytes
    with pytest.raises(BadReply, match=reason):
        driver.read_trace()
