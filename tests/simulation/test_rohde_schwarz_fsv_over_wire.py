"""The real FSV driver against the simulated analyzer, byte for byte through the simulated VISA library."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fsv_bench import FsvBench
from x_series_bench import Bench, level_dbm

from drivers.errors import BadReply, InstrumentError, NoReply, Refused
from drivers.keysight.x_series import KeysightXSeries
from drivers.rohdeschwarz.fsv import RohdeSchwarzFSV
from drivers.sweep import SweepSettings
from labctl.simulation.visa_library import simulated_library
from labctl.station.roles import SpectrumAnalyzer

ADDRESS = "TCPIP::127.0.0.1::5025::SOCKET"
SWEEP = SweepSettings(4.27e6, 4.28e6, 1001, 10.0, 1.0, 50)


@pytest.fixture
def bench() -> FsvBench:
    return FsvBench()


@pytest.fixture
def driver(bench: FsvBench) -> RohdeSchwarzFSV:
    return RohdeSchwarzFSV(ADDRESS, visa_library=simulated_library(bench.time, {ADDRESS: bench.twin}), timeout=1500)


def test_the_driver_takes_an_averaged_trace(bench: FsvBench, driver: RohdeSchwarzFSV) -> None:
    assert driver.read_identity().model == "FSW-13"
    assert driver.configure_sweep(SWEEP) == SWEEP
    assert driver.duration_s() == pytest.approx(75.0)
    assert (driver.sweep_type, driver.filter_type, driver.continuous_sweep) == ("AUTO", "NORM", False)
    driver.start()
    waited = 0.0
    while driver.is_sweeping():
        bench.time.elapse(0.5)
        waited += 0.5
    assert waited == pytest.approx(75.0, abs=0.6)
    assert driver.sweeps_started == 50
    trace = driver.read_trace()
    assert trace.shape == (1001,) and trace.dtype == np.float64
    # Points are an RBW apart and correlate by a quarter; each is an average of 500 samples.
    assert trace.mean() == pytest.approx(level_dbm(10), abs=4 * 0.194 * math.sqrt(1.5 / 1001) + 0.01)
    assert driver.next_error == (0, "No error")


@pytest.mark.parametrize("model", ["FSV-7", "FSV3007", "FSW-26"])
def test_both_makers_fill_the_same_role_and_read_the_same_level(model: str) -> None:
    def level(analyzer: SpectrumAnalyzer, wait: float) -> float:
        accepted = analyzer.configure_sweep(SWEEP)
        assert (accepted.detector, accepted.average_type) == ("AVER", "RMS")
        analyzer.start()
        time.elapse(wait)
        assert not analyzer.is_sweeping()
        return float(analyzer.read_trace().mean())

    ours, theirs = FsvBench(model=model), Bench()
    levels = []
    for bench, driver_class in ((ours, RohdeSchwarzFSV), (theirs, KeysightXSeries)):
        time = bench.time
        driver = driver_class(ADDRESS, visa_library=simulated_library(time, {ADDRESS: bench.twin}))
        levels.append(level(driver, 75.1))
    assert levels[0] == pytest.approx(levels[1], abs=0.06)


@pytest.mark.parametrize(
    "mess",
    [
        "FORM ASC;:CALC:UNIT:POW W;:DISP:TRAC:Y:SPAC PERC",
        "INIT:CONT ON;:DISP:TRAC:MODE MAXH;:SWE:COUN 7",
        "INST:CRE:NEW IQ,'IQ Analyzer'",
        "INST:CRE:NEW IQ,'IQ Analyzer';:INST:DEL 'Spectrum'",
        "INST:CRE:NEW SAN,'Second'",
    ],
)
def test_the_driver_needs_no_preset(bench: FsvBench, driver: RohdeSchwarzFSV, mess: str) -> None:
    bench.tell(mess, "BAND:TYPE RRC;:AVER:TYPE VID;:SWE:TYPE SWE;:SWE:TIME 9;:DET POS", "TRIG:SOUR EXT", "NONSENSE")
    assert driver.configure_sweep(SWEEP) == SWEEP
    driver.start()
    bench.time.elapse(driver.duration_s())
    assert not driver.is_sweeping()
    assert driver.read_trace().mean() == pytest.approx(level_dbm(10), abs=0.1)
    assert driver.trigger_source == "IMM"


@pytest.mark.parametrize(
    ("detector", "average_type", "bias_db"), [("AVER", "SCAL", -1.049), ("SAMP", "LOG", -2.507), ("SAMP", "RMS", 0.0)]
)
def test_every_detection_reads_back_and_has_its_bias(
    bench: FsvBench, driver: RohdeSchwarzFSV, detector: str, average_type: str, bias_db: float
) -> None:
    asked = SweepSettings(4.2e6, 4.3e6, 1001, 10.0, 1000.0, 200, detector, average_type)
    assert driver.configure_sweep(asked) == asked
    driver.start()
    bench.time.elapse(driver.duration_s())
    assert driver.read_trace().mean() == pytest.approx(level_dbm(10) + bias_db, abs=0.05)


def test_the_driver_tells_what_was_rounded_and_what_was_refused(driver: RohdeSchwarzFSV) -> None:
    accepted = driver.configure_sweep(SweepSettings(4.27e6, 4.28e6, 501, 14.0, 1.6, 5))
    assert accepted == SweepSettings(4.27e6, 4.28e6, 501, 10.0, 2.0, 5)
    with pytest.raises(Refused, match=r"-222 Data out of range after 'FREQ:STOP 50000000000'"):
        driver.frequency_stop_hz = 50e9
    assert driver.frequency_stop_hz == 4.28e6
    with pytest.raises(Refused, match="SWE:POIN 150001"):
        driver.configure_sweep(SweepSettings(4.27e6, 4.28e6, 150001, 10.0, 1.0, 5))
    driver.average_type = "VID"
    with pytest.raises(InstrumentError, match="no sweep of ours"):
        driver.read_sweep_settings()


def test_the_driver_aborts_and_keeps_the_part(bench: FsvBench, driver: RohdeSchwarzFSV) -> None:
    driver.configure_sweep(SWEEP)
    driver.start()
    with pytest.raises(Refused, match="sweeping already"):
        driver.start()
    bench.time.elapse(20.0)
    driver.abort()
    assert not driver.is_sweeping()
    assert driver.read_trace().mean() == pytest.approx(level_dbm(10), abs=0.2)


def test_the_driver_refuses_an_empty_trace_and_a_foreign_format(bench: FsvBench, driver: RohdeSchwarzFSV) -> None:
    driver.configure_sweep(SWEEP)
    with pytest.raises(BadReply, match="holds no sweep"):
        driver.read_trace()
    bench.tell("FORM ASC")
    with pytest.raises(BadReply, match="expected a binary block"):
        driver.read_trace()
    assert driver.sweep_points == 1001


def test_a_late_reply_never_answers_another_question(bench: FsvBench) -> None:
    library = simulated_library(bench.time, {ADDRESS: bench.twin})
    impatient = RohdeSchwarzFSV(ADDRESS, visa_library=library, timeout=300)
    bench.tell("INST:CRE:NEW IQ,'IQ Analyzer'")
    bench.time.elapse(2.0)
    with pytest.raises(NoReply, match="OPC"):
        impatient.configure_sweep(SWEEP)
    late = bench.twin.ready_at()
    assert late is not None
    bench.time.elapse(late - bench.time.now() - 0.1)  # still on its way when the line has been quiet for 50 ms
    assert impatient.active_channel == "SAN"
    assert bench.time.now() > late
    assert impatient.configure_sweep(SWEEP) == SWEEP


def test_every_property_reads_back_what_was_set(driver: RohdeSchwarzFSV) -> None:
    values = {
        "frequency_start_hz": 4.1e6,
        "frequency_stop_hz": 4.4e6,
        "frequency_center_hz": 4.3e6,
        "frequency_span_hz": 10.0e3,
        "resolution_bandwidth_hz": 10.0,
        "video_bandwidth_hz": 1.0,
        "filter_type": "CFIL",
        "sweep_points": 501,
        "sweep_time_s": 3.5,
        "sweep_type": "FFT",
        "sweep_mode": "LIST",
        "sweep_count": 7,
        "continuous_sweep": False,
        "trigger_source": "EXT",
        "trace_mode": "MAXH",
        "detector": "SAMP",
        "average_type": "LIN",
        "attenuation_db": 4.0,
        "preamplifier": True,
        "reference_level_dbm": -40.0,
        "y_spacing": "LIN",
        "y_unit": "V",
        "data_format": "ASC,0",
        "resolution_bandwidth_auto": True,
        "video_bandwidth_auto": True,
        "sweep_time_auto": True,
        "attenuation_auto": True,
    }
    for name, value in values.items():
        setattr(driver, name, value)
        assert getattr(driver, name) == value, name
    assert driver.options == "B4,B24,K7"
    assert driver.open_channels == {"Spectrum": "SANALYZER"}
    assert driver.operation_condition == 0
