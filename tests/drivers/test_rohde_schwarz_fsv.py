"""The FSV driver: what it sends, what it makes of replies, and what it refuses."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
from pymeasure.test import expected_protocol
from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError

from drivers.errors import BadReply, InstrumentError, Refused
from drivers.rohdeschwarz.detection import DETECTION, detection_of, sweep_detection
from drivers.rohdeschwarz.fsv import RohdeSchwarzFSV
from drivers.sweep import PointAveraging, SweepSettings

NO_ERROR = (":SYST:ERR?", '0,"No error"')


def test_identity_channels_and_progress() -> None:
    exchange = [
        ("*IDN?", "Rohde&Schwarz,FSW-13,1312.8000K13/100005,2.60"),
        ("INST?", "'IQ Analyzer'"),
        ("INST:LIST?", "'SANALYZER','Spectrum','IQ','IQ Analyzer'"),
        ("SWE:COUN:CURR?", "17"),
        ("SWE:TYPE:USED?", "FFT"),
    ]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver:
        identity = driver.read_identity()
        assert (identity.model, identity.firmware) == ("FSW-13", "2.60")
        assert driver.active_channel == "IQ Analyzer"
        assert driver.open_channels == {"Spectrum": "SANALYZER", "IQ Analyzer": "IQ"}
        assert driver.sweeps_started == 17
        assert driver.sweep_type_used == "FFT"


def test_a_refused_setting_names_the_command() -> None:
    exchange = [("SWE:POIN 150001", None), (":SYST:ERR?", '-222,"Data out of range;SWE:POIN 150001"'), NO_ERROR]
    with (
        expected_protocol(RohdeSchwarzFSV, exchange) as driver,
        pytest.raises(Refused, match=r"-222 Data out of range;SWE:POIN 150001 after 'SWE:POIN 150001'"),
    ):
        driver.sweep_points = 150001


STOP = [(":INIT:CONT 0", None), NO_ERROR, (":ABOR", None), NO_ERROR]
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
        ":SWE:TIME:AUTO 1",
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
TIMING = [("SWE:TIME?", "1.5"), ("SWE:TYPE?", "AUTO"), ("SWE:TYPE:USED?", "FFT")]
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
    with expected_protocol(RohdeSchwarzFSV, [("*CLS", None), *entry, *STOP, *SET_UP, *READ_BACK, *TIMING]) as driver:
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
    exchange = [*READ_BACK[:-2], ("DISP:TRAC1:MODE?", "WRIT"), *TIMING]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver:
        assert driver.read_sweep_settings().averages == 1


@pytest.mark.parametrize(
    ("detection", "timing", "found"),
    [
        (("RMS", "POW"), ("1.5", "FFT"), PointAveraging(1.5, None)),
        (("RMS", "POW"), ("50", "SWE"), PointAveraging(0.05, 200.0)),
        (("AVER", "LIN"), ("1.5", "FFT"), PointAveraging(1.5, None)),
        (("SAMP", "POW"), ("1.5", "FFT"), PointAveraging(None, None, log_video=True)),
        (("SAMP", "VID"), ("50", "SWE"), PointAveraging(None, 200.0, log_video=True)),
    ],
)
def test_what_a_sweep_averages_into_a_point_is_read(
    detection: tuple[str, str], timing: tuple[str, str], found: PointAveraging
) -> None:
    exchange = [
        ("DET1?", detection[0]),
        ("AVER:TYPE?", detection[1]),
        *READ_BACK[2:],
        ("SWE:TIME?", timing[0]),
        ("SWE:TYPE?", timing[1]),
    ]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver:
        assert driver.read_sweep_settings().point_averaging == found


def test_a_sweep_without_time_is_none() -> None:
    with (
        expected_protocol(RohdeSchwarzFSV, [*READ_BACK, ("SWE:TIME?", "0")]) as driver,
        pytest.raises(BadReply, match="expected a sweep time"),
    ):
        driver.read_sweep_settings()


def test_a_measurement_is_continued() -> None:
    with expected_protocol(RohdeSchwarzFSV, [("INIT:CONM", None), NO_ERROR]) as driver:
        driver.continue_sweep()


@pytest.mark.parametrize(("sweeps", "seconds"), [("50", 75.0), ("1", 1.5), ("0", 1.5)])
def test_duration_is_sweep_time_times_count(sweeps: str, seconds: float) -> None:
    with expected_protocol(RohdeSchwarzFSV, [("SWE:TIME?", "1.5"), ("SWE:COUN?", sweeps)]) as driver:
        assert driver.duration_s() == seconds


def test_start_poll_and_abort() -> None:
    exchange = [
        (":STAT:OPER:COND?", "0"),
        ("INIT:IMM", None),
        NO_ERROR,
        (":STAT:OPER:COND?", "24"),
        (":STAT:OPER:COND?", "8"),
        (":STAT:OPER:COND?", "16"),
        (":ABOR", None),
        NO_ERROR,
        (":STAT:OPER:COND?", "1"),
    ]
    with expected_protocol(RohdeSchwarzFSV, exchange) as driver:
        driver.start()
        assert [driver.is_sweeping() for _ in range(3)] == [True] * 3
        driver.abort()
        assert not driver.is_sweeping()


def test_a_running_sweep_is_not_started_again() -> None:
    with (
        expected_protocol(RohdeSchwarzFSV, [(":STAT:OPER:COND?", "24")]) as driver,
        pytest.raises(Refused, match="sweeping already after 'INIT:IMM'"),
    ):
        driver.start()


def test_a_firmware_that_does_not_tell_the_type_of_sweep_is_asked_once() -> None:
    driver = RohdeSchwarzFSV(MagicMock())
    replies = dict([*READ_BACK, ("SWE:TIME?", "1.5"), ("SWE:TYPE?", "AUTO")])
    sent: list[str] = []

    def read() -> str:
        if sent[-1] not in replies:
            raise VisaIOError(StatusCode.error_timeout)
        return replies[sent[-1]]

    driver.adapter.write.side_effect = lambda command, **_: sent.append(command)
    driver.adapter.read.side_effect = read
    driver.adapter.connection = None
    driver._ask_until_in_step = lambda: None  # type: ignore[method-assign]
    settings = [driver.read_sweep_settings() for _ in range(2)]
    assert settings[0] == ACCEPTED
    assert [found.point_averaging for found in settings] == [PointAveraging()] * 2
    assert sent.count("SWE:TYPE:USED?") == 1
    assert sent.count("*CLS") == 1
