"""The real X-series driver against the simulated analyzer, byte for byte through the simulated VISA library."""

from __future__ import annotations

import math

import numpy as np
import pytest
from x_series_bench import Bench, Lines, level_dbm

from drivers.errors import NoReply, Refused
from drivers.keysight.x_series import KeysightXSeries
from drivers.sweep import SweepSettings
from labctl.simulation.visa_library import simulated_library

ADDRESS = "TCPIP::127.0.0.1::5025::SOCKET"


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def driver(bench: Bench) -> KeysightXSeries:
    return KeysightXSeries(ADDRESS, visa_library=simulated_library(bench.time, {ADDRESS: bench.twin}), timeout=1500)


SWEEP = SweepSettings(4.27e6, 4.28e6, 1001, 10.0, 1.0, 50)


def test_the_driver_takes_an_averaged_trace(bench: Bench, driver: KeysightXSeries) -> None:
    assert driver.read_identity().model == "N9020A"
    assert driver.configure_sweep(SWEEP) == SWEEP
    assert driver.duration_s() == pytest.approx(75.0)
    assert (driver.sweep_type, driver.bandwidth_type, driver.continuous_sweep) == ("FFT", "DB3", False)
    driver.start()
    waited = 0.0
    while driver.is_sweeping():
        bench.time.elapse(0.5)
        waited += 0.5
    assert waited == pytest.approx(75.0, abs=0.6)
    trace = driver.read_trace()
    assert trace.shape == (1001,) and trace.dtype == np.float64
    # Points are an RBW apart and correlate by a quarter.
    assert trace.mean() == pytest.approx(level_dbm(10), abs=4 * 0.263 * math.sqrt(1.5 / 1001) + 0.01)
    assert driver.next_error == (0, "No error")


@pytest.mark.parametrize(
    "mess", ["FORM ASC;:FORM:BORD SWAP;:UNIT:POW W", "INIT:CONT ON;:TRAC:TYPE MAXH", "INST:SEL BASIC"]
)
def test_the_driver_needs_no_preset(bench: Bench, driver: KeysightXSeries, mess: str) -> None:
    bench.tell(mess, "BAND:TYPE NOIS;:AVER:TYPE LOG;:SWE:TYPE SWE;:SWE:TIME 9;:DET:TRAC POS", "NONSENSE")
    assert driver.configure_sweep(SWEEP) == SWEEP
    driver.start()
    bench.time.elapse(driver.duration_s())
    assert not driver.is_sweeping()
    assert driver.read_trace().mean() == pytest.approx(level_dbm(10), abs=0.1)


def test_the_driver_tells_what_was_rounded_and_refuses_what_was_clipped(driver: KeysightXSeries) -> None:
    accepted = driver.configure_sweep(SweepSettings(4.27e6, 4.28e6, 501, 14.0, 1.4, 5, "SAMP", "LOG"))
    assert accepted == SweepSettings(4.27e6, 4.28e6, 501, 15.0, 1.5, 5, "SAMP", "LOG")
    with pytest.raises(Refused, match=r"-222 Data out of range after ':FREQ:STOP 5000000000'"):
        driver.frequency_stop_hz = 5e9
    assert driver.frequency_stop_hz == 3.6e9
    assert driver.next_error == (0, "No error")


def test_a_late_reply_never_answers_another_question(bench: Bench) -> None:
    library = simulated_library(bench.time, {ADDRESS: bench.twin})
    impatient = KeysightXSeries(ADDRESS, visa_library=library, timeout=300)
    bench.tell("INST:SEL PNOISE")
    bench.time.elapse(2.0)
    with pytest.raises(NoReply, match="OPC"):
        impatient.configure_sweep(SWEEP)
    with pytest.raises(NoReply, match="IDN"):
        impatient.sweep_points = 501
    late = bench.twin.ready_at()
    assert late is not None
    bench.time.elapse(late - bench.time.now() - 0.1)  # still on its way when the line has been quiet for 50 ms
    assert impatient.mode == "SA"
    assert bench.time.now() > late
    assert impatient.sweep_points == 1001
    assert impatient.configure_sweep(SWEEP) == SWEEP


def test_every_property_reads_back_what_was_set(driver: KeysightXSeries) -> None:
    values = {
        "frequency_start_hz": 4.1e6,
        "frequency_stop_hz": 4.4e6,
        "frequency_center_hz": 4.3e6,
        "frequency_span_hz": 10.0e3,
        "resolution_bandwidth_hz": 10.0,
        "video_bandwidth_hz": 1.0,
        "bandwidth_type": "NOIS",
        "sweep_points": 501,
        "sweep_time_s": 3.5,
        "sweep_type": "FFT",
        "continuous_sweep": False,
        "trace_type": "MAXH",
        "detector": "SAMP",
        "average_type": "SCAL",
        "average_count": 7,
        "attenuation_db": 4.0,
        "preamplifier": True,
        "reference_level_dbm": -40.0,
        "y_unit": "V",
        "data_format": "REAL,64",
        "byte_order": "SWAP",
        "mode": "SA",
        "resolution_bandwidth_auto": True,
        "video_bandwidth_auto": True,
        "sweep_time_auto": True,
        "sweep_type_auto": True,
        "attenuation_auto": True,
    }
    for name, value in values.items():
        setattr(driver, name, value)
        assert getattr(driver, name) == value, name
    assert driver.options == "503,B25,P03"
    assert driver.operation_condition == 0


def test_markers_traces_and_tables_with_the_driver() -> None:
    bench = Bench(rf_input=Lines({4.272e6: -50.0, 4.278e6: -60.0}))
    driver = KeysightXSeries(ADDRESS, visa_library=simulated_library(bench.time, {ADDRESS: bench.twin}), timeout=1500)
    driver.configure_sweep(SWEEP)
    driver.traces[2].trace_type = "MAXH"
    driver.traces[2].detector = "AVER"
    driver.start()
    bench.time.elapse(driver.duration_s())
    assert not driver.is_sweeping()
    assert np.all(driver.traces[2].read() > driver.traces[1].read())
    driver.traces[2].update = False
    assert (driver.traces[2].update, driver.traces[2].display, driver.traces[3].display) == (False, True, False)
    marker = driver.markers[3]
    assert math.isnan(marker.x) and math.isnan(marker.y) and math.isnan(marker.x_position)
    marker.to_highest()
    assert (marker.mode, marker.x, marker.y) == ("POS", pytest.approx(4.272e6), pytest.approx(-50.0, abs=0.1))
    driver.peak_threshold_dbm = -80.0
    marker.to_right()
    assert marker.x_position == pytest.approx(800.0)
    with pytest.raises(Refused, match=r"202 No peak found after ':CALC:MARK3:MAX:RIGH'"):
        marker.to_right()
    marker.function = "NOIS"
    marker.x = 4.275e6
    assert marker.y == pytest.approx(level_dbm(10) - 10.27, abs=0.1)
    with pytest.raises(Refused, match="-221 Settings conflict after ':CALC:MARK3:Y -50'"):
        marker.y = -50.0
    marker.trace = 2
    driver.markers[1].mode = "FIX"
    driver.markers[1].y = -33.0
    rows = {row.marker: row for row in driver.read_markers()}
    assert (rows[1].y, rows[3].trace, rows[3].band_width) == (pytest.approx(-33.0), 2, pytest.approx(500.0))
    assert rows[3].function_result == pytest.approx(marker.y)
    assert math.isnan(rows[1].function_result)
    driver.peak_order = "FREQ"
    peaks = driver.read_peaks()
    assert peaks[:, 0] == pytest.approx([4.272e6, 4.278e6])
    assert peaks[:, 1] == pytest.approx([-50.0, -60.0], abs=0.1)
    driver.peak_threshold_dbm = 0.0
    assert driver.read_peaks().shape == (0, 2)
    driver.clear_averages()
    assert driver.is_sweeping()
    driver.abort()
    assert driver.next_error == (0, "No error")
