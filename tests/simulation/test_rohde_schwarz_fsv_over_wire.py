"""The real FSV driver against the simulated analyzer, byte for byte through the simulated VISA library."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from fsv_bench import FsvBench
from scipy import stats
from x_series_bench import Lines, level_dbm

from drivers.errors import InstrumentError, NoReply, Refused
from drivers.rohdeschwarz.fsv import RohdeSchwarzFSV
from drivers.sweep import SweepSettings
from labctl.simulation.visa_library import simulated_library
from labctl.spectra.acquisition import Acquisition, Averaging, effective_averages

ADDRESS = "TCPIP::127.0.0.1::5025::SOCKET"
SWEEP = SweepSettings(4.27e6, 4.28e6, 1001, 10.0, 1.0, 50)
AVERAGING = {"RMS": Averaging.POWER, "LOG": Averaging.LOG, "SCAL": Averaging.VOLTAGE}


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


CONFIDENCE = 0.999


def chi_square_of(bench: FsvBench, driver: RohdeSchwarzFSV, settings: SweepSettings, *changes: str) -> Scatter:
    """Take a trace of white noise with points that are independent and return how it scatters about its mean."""
    driver.configure_sweep(settings)
    bench.tell(*changes)
    accepted = driver.read_sweep_settings()
    driver.start()
    bench.time.elapse(driver.duration_s() + 0.1)
    assert not driver.is_sweeping()
    power = 10 ** (driver.read_trace() / 10)
    acquisition = Acquisition.of_analyzer(
        accepted.rbw_hz,
        accepted.vbw_hz,
        accepted.averages,
        averaging=AVERAGING[accepted.average_type],
        **vars(accepted.point_averaging),
    )
    # The scatter of one sample on each scale, over its mean (decibels are differences of logarithms).
    match acquisition.averaging:
        case Averaging.POWER:
            relative, alone = power / power.mean() - 1, 1.0
        case Averaging.VOLTAGE:
            voltage = np.sqrt(power)
            relative, alone = voltage / voltage.mean() - 1, 4 / math.pi - 1
        case _:
            relative, alone = np.log(power) - np.log(power).mean(), math.pi**2 / 6
    return Scatter(float(np.sum(relative**2)) / alone, power.size - 1, acquisition)


@dataclass(frozen=True)
class Scatter:
    """Sum of squares of a trace over the variance of one sample, degrees of freedom, and how it was taken."""

    sum_of_squares: float
    freedom: int
    acquisition: Acquisition

    def agrees_with(self, k: float) -> bool:
        """Return whether K explains the scatter: chi-square, both tails."""
        tail = float(stats.chi2.cdf(k * self.sum_of_squares, self.freedom))
        return (1 - CONFIDENCE) / 2 < tail < (1 + CONFIDENCE) / 2


@pytest.mark.parametrize(
    ("detection", "vbw_hz", "averages", "changes"),
    [
        (("AVER", "RMS"), 1.0, 50, ()),
        (("AVER", "RMS"), 10.0, 200, ()),
        (("AVER", "RMS"), 1000.0, 200, ()),
        (("AVER", "RMS"), 1.0, 20, ("SWE:TIME 15",)),
        (("AVER", "RMS"), 1.0, 20, ("SWE:TYPE SWE;:BAND 100;:SWE:TIME 200",)),
        (("AVER", "RMS"), 1.0, 100, ("SWE:TYPE SWE;:BAND 20;:SWE:TIME 100",)),
        (("AVER", "SCAL"), 1.0, 30, ()),
        (("SAMP", "LOG"), 1.0, 100, ()),
        (("SAMP", "SCAL"), 1000.0, 100, ()),
        (("SAMP", "RMS"), 1000.0, 200, ()),
        (("SAMP", "RMS"), 1.0, 32, ()),
        (("SAMP", "SCAL"), 1.0, 32, ()),
    ],
)
def test_traces_scatter_as_their_averages_say(
    bench: FsvBench,
    driver: RohdeSchwarzFSV,
    detection: tuple[str, str],
    vbw_hz: float,
    averages: int,
    changes: tuple[str, ...],
) -> None:
    # Points 1 kHz apart.
    settings = SweepSettings(4e6, 5e6, 1001, 10.0, vbw_hz, averages, *detection)
    scatter = chi_square_of(bench, driver, settings, *changes)
    assert scatter.agrees_with(scatter.acquisition.effective_k)
    assert not scatter.agrees_with(1.3 * scatter.acquisition.effective_k)
    assert not scatter.agrees_with(0.7 * scatter.acquisition.effective_k)


def test_bandwidths_alone_do_not_say_what_the_rms_detector_averages(bench: FsvBench, driver: RohdeSchwarzFSV) -> None:
    scatter = chi_square_of(bench, driver, SweepSettings(4e6, 5e6, 1001, 10.0, 1.0, 50))
    assert not scatter.agrees_with(50 * effective_averages(10.0, 1.0))
    assert scatter.acquisition.effective_k == pytest.approx(500)


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


def test_markers_and_traces_with_the_driver() -> None:
    bench = FsvBench(rf_input=Lines({4.272e6: -50.0, 4.278e6: -60.0}))
    driver = RohdeSchwarzFSV(ADDRESS, visa_library=simulated_library(bench.time, {ADDRESS: bench.twin}), timeout=1500)
    driver.configure_sweep(SWEEP)
    driver.traces[2].trace_mode = "MAXH"
    driver.traces[2].detector = "RMS"
    driver.start()
    bench.time.elapse(driver.duration_s())
    assert not driver.is_sweeping()
    assert np.all(driver.traces[2].read() > driver.traces[1].read())
    marker = driver.markers[3]
    marker.to_highest()
    assert (marker.enabled, marker.x, marker.y) == (True, pytest.approx(4.272e6), pytest.approx(-50.0, abs=0.1))
    marker.to_next_lower()
    assert marker.x == pytest.approx(4.278e6)
    with pytest.raises(Refused, match=r"-200 Execution error after ':CALC:MARK3:MAX:NEXT'"):
        marker.to_next_lower()
    marker.to_left()
    assert marker.x == pytest.approx(4.272e6)
    marker.noise_enabled = True
    marker.x = 4.275e6
    assert marker.noise_density == pytest.approx(level_dbm(10) - 10.27, abs=0.1)
    assert driver.trace_1.detector_auto is False
    driver.traces[2].trace_mode = "VIEW"
    marker.trace = 2
    assert marker.trace == 2
    marker.enabled = False
    driver.peak_excursion_db = 80.0
    assert driver.peak_excursion_db == 80.0
    with pytest.raises(Refused, match="-200"):
        marker.to_highest()
    driver.continue_sweep()
    assert driver.is_sweeping()
    driver.abort()
    assert driver.next_error == (0, "No error")
