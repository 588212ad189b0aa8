"""PyMeasure's own FSW driver, written by others against real instruments, on the simulated analyzer."""

from __future__ import annotations

import numpy as np
import pytest
from fsv_bench import FsvBench
from pymeasure.instruments.rohdeschwarz.fsseries import FSW
from x_series_bench import Lines

from labctl.simulation.visa_library import simulated_library

ADDRESS = "TCPIP::127.0.0.1::5025::SOCKET"
LINES_DBM = {4.26e6: -60.0, 4.29e6: -50.0, 4.34e6: -55.0}


@pytest.fixture
def bench() -> FsvBench:
    return FsvBench(rf_input=Lines(LINES_DBM))


@pytest.fixture
def analyzer(bench: FsvBench) -> FSW:
    analyzer = FSW(
        ADDRESS,
        visa_library=simulated_library(bench.time, {ADDRESS: bench.twin}),
        timeout=20_000,
        read_termination="\n",
        write_termination="\n",
    )
    analyzer.continuous_sweep_enabled = False
    analyzer.freq_center = 4.3e6
    analyzer.freq_span = "100 kHz"
    analyzer.res_bandwidth = 10.0
    analyzer.video_bandwidth = 10.0
    analyzer.trace_mode = "AVER"
    analyzer.write("SWE:COUN 100")
    return analyzer


def no_error(bench: FsvBench) -> bool:
    return bench.ask("SYST:ERR:ALL?") == '0,"No error"'


def test_settings_read_back(bench: FsvBench, analyzer: FSW) -> None:
    assert (analyzer.freq_start, analyzer.freq_stop) == (4.25e6, 4.35e6)
    assert (analyzer.res_bandwidth, analyzer.video_bandwidth) == (10.0, 10.0)
    analyzer.sweep_time = 1.5
    assert analyzer.sweep_time == 1.5
    analyzer.sweep_time = "AUTO"
    analyzer.res_bandwidth = "AUTO"
    assert (analyzer.sweep_time, analyzer.res_bandwidth) == (0.15, 1e3)
    assert (analyzer.trace_mode, analyzer.continuous_sweep_enabled) == ("AVER", False)
    analyzer.attenuation = 20
    assert analyzer.attenuation == 20
    assert no_error(bench)


def test_traces_and_a_continued_measurement(bench: FsvBench, analyzer: FSW) -> None:
    analyzer.single_sweep()
    frequency, levels = analyzer.read_trace()
    assert frequency[[0, -1]].tolist() == [4.25e6, 4.35e6]
    assert frequency[np.argmax(levels)] == pytest.approx(4.29e6)
    analyzer.write("DISP:TRAC2:MODE MAXH")
    analyzer.continue_single_sweep()
    assert np.all(analyzer.read_trace(2)[1] <= levels.max() + 1)
    assert no_error(bench)


def test_markers(bench: FsvBench, analyzer: FSW) -> None:
    analyzer.single_sweep()
    marker = analyzer.create_marker(2)
    marker.peak_excursion = 20.0
    marker.to_peak()
    assert (marker.x, marker.y) == (4.29e6, pytest.approx(-50.0, abs=0.2))
    marker.to_next_peak("right")
    assert (marker.x, marker.y) == (4.34e6, pytest.approx(-55.0, abs=0.2))
    marker.to_next_peak("left")
    marker.to_next_peak("left")
    assert marker.x == 4.26e6
    marker.x = 4.3e6
    assert marker.y < -75.0
    marker.to_trace(1)
    marker.disable()
    assert bench.ask("CALC:MARK2:STAT?") == "0"
    assert no_error(bench)


def test_channels(bench: FsvBench, analyzer: FSW) -> None:
    assert (analyzer.active_channel, analyzer.available_channels) == ("Spectrum", {"Spectrum": "SANALYZER"})
    analyzer.create_channel("SANALYZER", "Second")
    analyzer.rename_channel("Second", "Third")
    assert analyzer.active_channel == "Third"
    analyzer.select_channel("Spectrum")
    analyzer.delete_channel("Third")
    assert list(analyzer.available_channels) == ["Spectrum"]
    assert no_error(bench)
