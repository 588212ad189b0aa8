"""The X-series driver: what it sends, what it makes of replies, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused
from drivers.keysight.x_series import KeysightXSeries
from drivers.keysight.x_series_channels import MarkerRow
from drivers.sweep import SweepSettings

NO_ERROR = (":SYST:ERR?", '+0,"No error"')


def test_identity() -> None:
    exchange = [("*IDN?", "Keysight Technologies,N9010B,MY57010001,A.20.07")]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        assert driver.read_identity().model == "N9010B"


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


def test_start_and_restart() -> None:
    exchange = [(":INIT:IMM", None), NO_ERROR, (":AVER:CLE", None), NO_ERROR]
    with expected_protocol(KeysightXSeries, exchange) as driver:
        driver.start()
        driver.clear_averages()


# ---- tables ---------------------------------------------------------------------------------------------------------

NONE = 9.91e37


def block(*values: float) -> bytes:
    payload = np.array(values).astype(">f8").tobytes()
    return f"#{len(str(len(payload)))}{len(payload)}".encode() + payload + b"\n"


def table(switch: bytes, query: bytes, reply: bytes) -> list[tuple[bytes, bytes | None]]:
    return [(switch, None), (b":SYST:ERR?", b'+0,"No error"'), (query, reply)]


def peaks(*values: float) -> list[tuple[bytes, bytes | None]]:
    return table(b":CALC:MARK:PEAK:TABL 1", b":FETC:SAN7?", block(*values))


def markers(*values: float) -> list[tuple[bytes, bytes | None]]:
    return table(b":CALC:MARK:TABL 1", b":FETC:SAN8?", block(*values))


def test_the_peak_table_is_read() -> None:
    with expected_protocol(KeysightXSeries, peaks(4.3e6, -70.5, 4.4e6, -71.25)) as driver:
        assert driver.read_peaks().tolist() == [[4.3e6, -70.5], [4.4e6, -71.25]]
    with expected_protocol(KeysightXSeries, peaks(NONE, NONE)) as driver:
        assert driver.read_peaks().shape == (0, 2)
    with expected_protocol(KeysightXSeries, peaks(4.3e6)) as driver, pytest.raises(BadReply, match="rows of 2"):
        driver.read_peaks()


def test_the_marker_table_is_read() -> None:
    rows = [1, 1, 4.3e6, -70.5, NONE, NONE, 12, 3, 4.4e6, -71.25, 5e3, -120.5]
    with expected_protocol(KeysightXSeries, markers(*rows)) as driver:
        plain, noise = driver.read_markers()
    assert (plain.marker, plain.trace, plain.x, plain.y) == (1, 1, 4.3e6, -70.5)
    assert math.isnan(plain.band_width) and math.isnan(plain.function_result)
    assert noise == MarkerRow(12, 3, 4.4e6, -71.25, 5e3, -120.5)
    with expected_protocol(KeysightXSeries, markers(*[NONE] * 6)) as driver:
        assert driver.read_markers() == []
    with expected_protocol(KeysightXSeries, markers(1, 1)) as driver, pytest.raises(BadReply, match="rows of 6"):
        driver.read_markers()
