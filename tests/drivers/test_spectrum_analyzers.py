"""What the drivers of spectrum analyzers have in common: settings of analyzer, traces and markers, and searches."""

from __future__ import annotations

import math
from typing import Any
from unittest.mock import MagicMock

import pytest
from analyzer_models import KEYSIGHT, MODELS, ROHDE, Model, each_model
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused
from drivers.keysight.x_series import KeysightXSeries
from drivers.rohdeschwarz.fsv import RohdeSchwarzFSV
from drivers.spectrum_analyzer import SpectrumAnalyzerDriver

Setting = tuple[str, str, str, object, str, str]
BOTH: list[Setting] = [
    # channel, property, header, value, as sent, as answered
    ("", "resolution_bandwidth_auto", ":BAND:AUTO", True, "1", "1"),
    ("", "video_bandwidth_auto", ":BAND:VID:AUTO", False, "0", "0"),
    ("", "sweep_time_auto", ":SWE:TIME:AUTO", True, "1", "1"),
    ("", "continuous_sweep", ":INIT:CONT", False, "0", "0"),
    ("marker_3", "x", ":CALC:MARK3:X", 4276123.456, "4276123.456", "4.276123456000E+06"),
    ("marker_3", "trace", ":CALC:MARK3:TRAC", 2, "2", "2"),
]
SETTINGS: dict[type[SpectrumAnalyzerDriver], list[Setting]] = {
    KeysightXSeries: [
        ("", "frequency_start_hz", ":FREQ:STAR", 4276123.456, "4276123.456", "4.276123456000E+06"),
        ("", "frequency_stop_hz", ":FREQ:STOP", 4.5e6, "4500000", "4.500000000000E+06"),
        ("", "frequency_center_hz", ":FREQ:CENT", 12345678901.2, "12345678901.2", "1.23456789012E+10"),
        ("", "frequency_span_hz", ":FREQ:SPAN", 0.0, "0", "0.0"),
        ("", "resolution_bandwidth_hz", ":BAND", 10.0, "10", "10"),
        ("", "video_bandwidth_hz", ":BAND:VID", 1.0, "1", "+1.0E+00"),
        ("", "bandwidth_type", ":BAND:TYPE", "DB3", "DB3", "DB3"),
        ("", "sweep_points", ":SWE:POIN", 1001, "1001", "1001"),
        ("", "sweep_time_s", ":SWE:TIME", 1.5, "1.5", "1.500000000000E+00"),
        ("", "sweep_type", ":SWE:TYPE", "FFT", "FFT", "FFT"),
        ("", "sweep_type_auto", ":SWE:TYPE:AUTO", True, "1", "1"),
        ("", "detector", ":DET:TRAC1", "AVER", "AVER", "AVER"),
        ("", "average_type", ":AVER:TYPE", "RMS", "RMS", "RMS"),
        ("", "average_count", ":AVER:COUN", 50, "50", "50"),
        ("", "trace_type", ":TRAC1:TYPE", "AVER", "AVER", "AVER"),
        ("", "attenuation_db", ":POW:ATT", 10.0, "10", "10.00"),
        ("", "attenuation_auto", ":POW:ATT:AUTO", True, "1", "1"),
        ("", "preamplifier", ":POW:GAIN", True, "1", "1"),
        ("", "reference_level_dbm", ":DISP:WIND:TRAC:Y:RLEV", -40.0, "-40", "-40.00"),
        ("", "y_unit", ":UNIT:POW", "DBM", "DBM", "DBM"),
        ("", "mode", ":INST:SEL", "SA", "SA", "SA"),
        ("", "data_format", ":FORM", "REAL,64", "REAL,64", "REAL,64"),
        ("", "byte_order", ":FORM:BORD", "NORM", "NORM", "NORM"),
        ("", "peak_excursion_db", ":CALC:MARK:PEAK:EXC", 6.0, "6", "6.00"),
        ("", "peak_threshold_dbm", ":CALC:MARK:PEAK:THR", -90.5, "-90.5", "-90.50"),
        ("", "peak_table", ":CALC:MARK:PEAK:TABL", True, "1", "1"),
        ("", "peak_order", ":CALC:MARK:PEAK:SORT", "FREQ", "FREQ", "FREQ"),
        ("", "marker_table", ":CALC:MARK:TABL", False, "0", "0"),
        ("trace_2", "trace_type", ":TRAC2:TYPE", "MAXH", "MAXH", "MAXH"),
        ("trace_6", "detector", ":DET:TRAC6", "POS", "POS", "POS"),
        ("trace_2", "detector_auto", ":DET:TRAC2:AUTO", True, "1", "1"),
        ("trace_2", "update", ":TRAC2:UPD", False, "0", "0"),
        ("trace_2", "display", ":TRAC2:DISP", True, "1", "1"),
        ("marker_12", "mode", ":CALC:MARK12:MODE", "DELT", "DELT", "DELT"),
        ("marker_1", "x_position", ":CALC:MARK1:X:POS", 499.5, "499.5", "4.995E+02"),
        ("marker_2", "y", ":CALC:MARK2:Y", -91.25, "-91.25", "-9.125E+01"),
        ("marker_2", "reference", ":CALC:MARK2:REF", 5, "5", "5"),
        ("marker_1", "function", ":CALC:MARK1:FUNC", "NOIS", "NOIS", "NOIS"),
        ("marker_1", "band_width", ":CALC:MARK1:FUNC:BAND:SPAN", 5e3, "5000", "5.0E+03"),
    ],
    RohdeSchwarzFSV: [
        ("", "frequency_start_hz", "FREQ:STAR", 4276123.456, "4276123.456", "4276123.456"),
        ("", "frequency_stop_hz", "FREQ:STOP", 4.5e6, "4500000", "4500000"),
        ("", "frequency_center_hz", "FREQ:CENT", 12345678901.2, "12345678901.2", "12345678901.2"),
        ("", "frequency_span_hz", "FREQ:SPAN", 0.0, "0", "0"),
        ("", "resolution_bandwidth_hz", "BAND", 10.0, "10", "10"),
        ("", "video_bandwidth_hz", "BAND:VID", 1.0, "1", "1"),
        ("", "filter_type", "BAND:TYPE", "NORM", "NORM", "NORM"),
        ("", "sweep_points", "SWE:POIN", 1001, "1001", "1001"),
        ("", "sweep_time_s", "SWE:TIME", 1.5, "1.5", "1.5"),
        ("", "sweep_type", "SWE:TYPE", "FFT", "FFT", "FFT"),
        ("", "sweep_mode", "SWE:MODE", "AUTO", "AUTO", "AUTO"),
        ("", "sweep_count", "SWE:COUN", 50, "50", "50"),
        ("", "trigger_source", "TRIG:SOUR", "EXT", "EXT", "EXT"),
        ("", "detector", "DET1", "RMS", "RMS", "RMS"),
        ("", "average_type", "AVER:TYPE", "POW", "POW", "POW"),
        ("", "trace_mode", "DISP:TRAC1:MODE", "AVER", "AVER", "AVER"),
        ("", "attenuation_db", "INP:ATT", 10.0, "10", "10"),
        ("", "attenuation_auto", "INP:ATT:AUTO", True, "1", "1"),
        ("", "preamplifier", "INP:GAIN:STAT", True, "1", "1"),
        ("", "reference_level_dbm", "DISP:TRAC1:Y:RLEV", -40.0, "-40", "-40"),
        ("", "y_spacing", "DISP:TRAC1:Y:SPAC", "LOG", "LOG", "LOG"),
        ("", "y_unit", "CALC:UNIT:POW", "DBM", "DBM", "DBM"),
        ("", "data_format", "FORM", "REAL,32", "REAL,32", "REAL,32"),
        ("", "peak_excursion_db", ":CALC:MARK:PEXC", 6.0, "6", "6"),
        ("trace_2", "trace_mode", "DISP:TRAC2:MODE", "VIEW", "VIEW", "VIEW"),
        ("trace_6", "detector", "DET6", "SAMP", "SAMP", "SAMP"),
        ("trace_2", "detector_auto", "DET2:AUTO", True, "1", "1"),
        ("marker_16", "enabled", "CALC:MARK16:STAT", True, "1", "1"),
        ("marker_2", "noise_enabled", "CALC:MARK2:FUNC:NOIS", True, "1", "1"),
    ],
}
BAD_FOR_BOTH = [
    ("", "continuous_sweep", ["on", 2]),
    ("marker_1", "x", [-1.1e12, 1.1e12]),
    ("marker_1", "trace", [0, 7, 1.5]),
]
BAD: dict[type[SpectrumAnalyzerDriver], list[tuple[str, str, list[object]]]] = {
    KeysightXSeries: [
        ("", "frequency_start_hz", [-1.0, 50.1e9]),
        ("", "frequency_stop_hz", [-1.0, 50.1e9]),
        ("", "frequency_center_hz", [-1.0, 50.1e9]),
        ("", "frequency_span_hz", [-1.0, 50.1e9]),
        ("", "resolution_bandwidth_hz", [0.9, 8.1e6]),
        ("", "video_bandwidth_hz", [0.9, 51e6]),
        ("", "bandwidth_type", ["DB9"]),
        ("", "sweep_points", [0, 40002, 10.5]),
        ("", "sweep_time_s", [0.0, 6001.0]),
        ("", "sweep_type", ["fast"]),
        ("", "detector", ["average"]),
        ("", "average_type", ["POW"]),
        ("", "average_count", [0, 10001, 1.5]),
        ("", "trace_type", ["BLANK"]),
        ("", "attenuation_db", [-1.0, 71.0]),
        ("", "preamplifier", ["yes"]),
        ("", "reference_level_dbm", [-171.0, 31.0]),
        ("", "y_unit", ["dBm"]),
        ("", "mode", ["sa"]),
        ("", "data_format", ["REAL"]),
        ("", "byte_order", ["LITTLE"]),
        ("", "peak_excursion_db", [-1.0, 101.0]),
        ("", "peak_threshold_dbm", [-201.0, 31.0]),
        ("", "peak_order", ["LEVEL"]),
        ("trace_2", "trace_type", ["VIEW"]),
        ("trace_2", "detector", ["RMS"]),
        ("trace_2", "update", ["off", 2]),
        ("marker_1", "mode", ["NORM"]),
        ("marker_1", "x_position", [-1.1e9, 1.1e9]),
        ("marker_1", "y", [-501.0, 501.0]),
        ("marker_1", "reference", [0, 13]),
        ("marker_1", "function", ["RMS"]),
        ("marker_1", "band_width", [-1.0, 1.1e12]),
    ],
    RohdeSchwarzFSV: [
        ("", "frequency_start_hz", [-1.0, 85.1e9]),
        ("", "frequency_stop_hz", [-1.0, 85.1e9]),
        ("", "frequency_center_hz", [-1.0, 85.1e9]),
        ("", "frequency_span_hz", [-1.0, 85.1e9]),
        ("", "resolution_bandwidth_hz", [0.9, 81e6]),
        ("", "video_bandwidth_hz", [0.9, 81e6]),
        ("", "filter_type", ["DB3"]),
        ("", "sweep_points", [100, 200002, 101.5]),
        ("", "sweep_time_s", [0.0, 16001.0]),
        ("", "sweep_type", ["SWEEP"]),
        ("", "sweep_mode", ["auto"]),
        ("", "sweep_count", [-1, 200001, 1.5]),
        ("", "trigger_source", ["EXT9"]),
        ("", "detector", ["AVERage", "QPE"]),
        ("", "average_type", ["RMS"]),
        ("", "trace_mode", ["AVG"]),
        ("", "attenuation_db", [-1.0, 80.0]),
        ("", "preamplifier", ["yes"]),
        ("", "reference_level_dbm", [-131.0, 31.0]),
        ("", "y_spacing", ["DB"]),
        ("", "y_unit", ["dBm"]),
        ("", "data_format", ["REAL,64", "REAL"]),
        ("", "peak_excursion_db", [-1.0, 81.0]),
        ("trace_2", "trace_mode", ["AVG"]),
        ("trace_2", "detector", ["NORM"]),
        ("marker_1", "enabled", ["on"]),
        ("marker_1", "noise_enabled", [2]),
    ],
}

each_setting = pytest.mark.parametrize(
    ("model", "setting"),
    [
        pytest.param(model, row, id=f"{model}-{row[0]}.{row[1]}".replace("-.", "-"))
        for model in MODELS
        for row in [*BOTH, *SETTINGS[model.driver]]
    ],
)


def owner_of(driver: Any, channel: str) -> Any:
    """Return the driver itself or one of its channels."""
    return getattr(driver, channel) if channel else driver


@each_model
def test_a_mock_adapter_and_a_name_are_enough(model: Model) -> None:
    assert model.driver(MagicMock(), name="analyzer").name == "analyzer"
    driver = model.driver(MagicMock())
    assert driver.name == {KEYSIGHT: "Keysight X-series", ROHDE: "Rohde & Schwarz FSV"}[model]
    assert list(driver.traces) == [1, 2, 3, 4, 5, 6]
    assert len(driver.markers) == {KEYSIGHT: 12, ROHDE: 16}[model]


@each_setting
def test_a_setting_is_sent_checked_and_read(model: Model, setting: Setting) -> None:
    channel, name, header, value, sent, answered = setting
    exchange = [(f"{header} {sent}", None), model.no_error, (f"{header}?", answered)]
    with expected_protocol(model.driver, exchange) as driver:
        owner = owner_of(driver, channel)
        setattr(owner, name, value)
        read = getattr(owner, name)
        assert read == value and type(read) is type(value)


@each_setting
def test_a_refused_setting_names_its_command(model: Model, setting: Setting) -> None:
    channel, name, header, value, sent, _ = setting
    exchange = [(f"{header} {sent}", None), (":SYST:ERR?", '-221,"Settings conflict"'), model.no_error]
    with expected_protocol(model.driver, exchange) as driver, pytest.raises(Refused) as refusal:
        setattr(owner_of(driver, channel), name, value)
    assert f"-221 Settings conflict after '{header} {sent}'" in str(refusal.value)


@pytest.mark.parametrize(
    ("model", "channel", "name", "values"),
    [(model, *row) for model in MODELS for row in [*BAD_FOR_BOTH, *BAD[model.driver]]],
    ids=lambda item: item if isinstance(item, str) else None,
)
def test_what_is_out_of_range_is_never_sent(model: Model, channel: str, name: str, values: list[object]) -> None:
    with expected_protocol(model.driver, []) as driver:
        for value in values:
            with pytest.raises(ValueError):
                setattr(owner_of(driver, channel), name, value)


@pytest.mark.parametrize(
    ("model", "channel", "name", "query", "answered"),
    [
        (KEYSIGHT, "", "frequency_start_hz", ":FREQ:STAR?", "4.3 MHz"),
        (KEYSIGHT, "", "sweep_points", ":SWE:POIN?", "1001.5"),
        (KEYSIGHT, "", "sweep_points", ":SWE:POIN?", ""),
        (KEYSIGHT, "", "continuous_sweep", ":INIT:CONT?", "2"),
        (KEYSIGHT, "", "operation_condition", ":STAT:OPER:COND?", "busy"),
        (KEYSIGHT, "", "next_error", ":SYST:ERR?", "No error"),
        (KEYSIGHT, "marker_1", "x", ":CALC:MARK1:X?", "4.3E6,1"),
        (KEYSIGHT, "marker_2", "y", ":CALC:MARK2:Y?", "nan"),
        (KEYSIGHT, "trace_2", "update", ":TRAC2:UPD?", "ON"),
        (ROHDE, "", "frequency_start_hz", "FREQ:STAR?", "4.3 MHz"),
        (ROHDE, "", "sweep_points", "SWE:POIN?", "1001.5"),
        (ROHDE, "", "continuous_sweep", ":INIT:CONT?", "ON"),
        (ROHDE, "", "operation_condition", ":STAT:OPER:COND?", "busy"),
        (ROHDE, "", "sweeps_started", "SWE:COUN:CURR?", ""),
        (ROHDE, "", "open_channels", "INST:LIST?", "'SANALYZER','Spectrum','IQ'"),
        (ROHDE, "", "next_error", ":SYST:ERR?", "No error"),
        (ROHDE, "marker_1", "y", ":CALC:MARK1:Y?", "-90 dBm"),
        (ROHDE, "marker_1", "noise_density", "CALC:MARK1:FUNC:NOIS:RES?", ""),
        (ROHDE, "marker_1", "trace", ":CALC:MARK1:TRAC?", "1.5"),
    ],
)
def test_a_garbled_reply_never_becomes_a_value(
    model: Model, channel: str, name: str, query: str, answered: str
) -> None:
    with expected_protocol(model.driver, [(query, answered)]) as driver, pytest.raises(BadReply, match=driver.name):
        getattr(owner_of(driver, channel), name)


@pytest.mark.parametrize(
    ("model", "name", "query"),
    [
        (KEYSIGHT, "x", ":CALC:MARK2:X?"),
        (KEYSIGHT, "x_position", ":CALC:MARK2:X:POS?"),
        (KEYSIGHT, "y", ":CALC:MARK2:Y?"),
        (ROHDE, "y", ":CALC:MARK2:Y?"),
        (ROHDE, "noise_density", "CALC:MARK2:FUNC:NOIS:RES?"),
    ],
)
def test_a_marker_that_measures_nothing_reads_nan(model: Model, name: str, query: str) -> None:
    with expected_protocol(model.driver, [(query, "9.91E+37"), (query, "-90.5")]) as driver:
        marker = driver.markers[2]
        assert math.isnan(getattr(marker, name))
        assert getattr(marker, name) == -90.5


@each_model
@pytest.mark.parametrize(
    ("method", "command"),
    [
        ("to_highest", "MAX"),
        ("to_next_lower", "MAX:NEXT"),
        ("to_left", "MAX:LEFT"),
        ("to_right", "MAX:RIGH"),
        ("to_lowest", "MIN"),
    ],
)
def test_a_marker_searches_and_is_told_when_there_is_no_peak(model: Model, method: str, command: str) -> None:
    sent = f":CALC:MARK4:{command}"
    exchange = [(sent, None), model.no_error, (sent, None), (":SYST:ERR?", '-200,"Execution error"'), model.no_error]
    with expected_protocol(model.driver, exchange) as driver:
        search = getattr(driver.markers[4], method)
        search()
        with pytest.raises(Refused, match=rf"-200 Execution error after '{sent}'"):
            search()


@each_model
def test_a_sweep_is_stopped(model: Model) -> None:
    exchange = [(":STAT:OPER:COND?", "8"), (":ABOR", None), model.no_error, (":STAT:OPER:COND?", "1")]
    with expected_protocol(model.driver, exchange) as driver:
        assert driver.is_sweeping()
        driver.abort()
        assert not driver.is_sweeping()


@each_model
def test_options_and_condition(model: Model) -> None:
    exchange = [("*OPT?", '"503,B25,P03"'), (":STAT:OPER:COND?", "+16")]
    with expected_protocol(model.driver, exchange) as driver:
        assert driver.options == "503,B25,P03"
        assert driver.operation_condition == 16
