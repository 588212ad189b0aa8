"""The noise that a simulated FSV displays, and the biases of its detectors and averages.

Means are compared within 4 standard errors, fixed seeds.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from fsv_bench import FsvBench
from scipy.special import digamma
from x_series_bench import K_OF_RBW_10_VBW_1, PSD_V2_PER_HZ, level_dbm

from labctl.simulation.instruments.fsv_receiver import FsvReceiver

DB_PER_NEPER = 10 / math.log(10)


@pytest.fixture
def bench() -> FsvBench:
    return FsvBench()


def relative(bench: FsvBench) -> np.ndarray:
    """Return a trace as power over its true mean."""
    return np.asarray(10 ** ((bench.sweep() - level_dbm(bench.number("BAND?"))) / 10))


def standard_error(values: np.ndarray) -> float:
    return float(values.std() / math.sqrt(values.size))


@pytest.mark.parametrize(("vbw", "k"), [(1, 10.0), (10, 1.0), (1000, 1.0)])
def test_the_rms_detector_averages_power_over_the_sweep_time(vbw: float, k: float) -> None:
    bench = FsvBench(seed=3)
    bench.set_up(vbw_hz=vbw, sweeps=20)
    power = relative(bench)
    assert power.mean() == pytest.approx(1.0, abs=4 * standard_error(power))
    assert power.std() == pytest.approx(1 / math.sqrt(20 * k), rel=4 / math.sqrt(2 * 1001))


def test_a_longer_sweep_is_a_smoother_one(bench: FsvBench) -> None:
    bench.set_up("SWE:TIME 15")
    assert relative(bench).std() == pytest.approx(0.1, rel=4 / math.sqrt(2 * 1001))


def test_a_swept_trace_has_what_it_dwells_on_each_point(bench: FsvBench) -> None:
    bench.set_up("SWE:TYPE SWE;:SWE:TIME 100", span_hz=1e6, rbw_hz=1000, vbw_hz=1000)
    power = relative(bench)
    dwell = 100 / 1000 * 1000 * 1.505
    assert power.mean() == pytest.approx(1.0, abs=4 / math.sqrt(dwell * 1001))
    assert power.std() == pytest.approx(1 / math.sqrt(dwell), rel=4 / math.sqrt(2 * 1001))
    assert bench.ask("SWE:TYPE?;TYPE:USED?") == "SWE;SWE"


class Step:
    """Noise that is ten times stronger above 1 MHz."""

    def power_spectral_density(self, frequency_hz: np.ndarray, rbw_hz: float) -> np.ndarray:
        return np.where(frequency_hz > 1e6, 10.0, 1.0) * PSD_V2_PER_HZ


def test_the_video_filter_does_not_smear_behind_the_rms_detector() -> None:
    receiver = FsvReceiver(13.6e9, start_hz=0.9995e6, stop_hz=1.0005e6, rbw_set_hz=10, vbw_set_hz=1, type_set="SWE")
    assert receiver.sweep_time_s == pytest.approx(250.0)  # the sweep time still follows the video bandwidth
    shown = {}
    for detector in ("RMS", "SAMP"):
        receiver.detector_set = detector
        shown[detector] = receiver.mean_power_w(Step())
    after = receiver.axis() > 1e6
    assert np.ptp(shown["RMS"][after]) == 0.0
    assert shown["SAMP"][after][0] < 0.9 * shown["RMS"][after][0]
    assert np.array_equal(shown["SAMP"][~after], shown["RMS"][~after])


def test_averages_of_decibels_read_low(bench: FsvBench) -> None:
    bench.set_up("DET SAMP;:AVER:TYPE VID", vbw_hz=1000, sweeps=100)
    decibels = bench.sweep() - level_dbm(10)
    assert decibels.mean() == pytest.approx(-2.507, abs=4 * standard_error(decibels))


def test_a_narrow_video_filter_reads_low_whatever_the_average(bench: FsvBench) -> None:
    bench.set_up("DET SAMP", vbw_hz=1, sweeps=20)
    decibels = 10 * np.log10(relative(bench))
    # Log-averaged over K samples, then power-averaged over sweeps: above -2.5 dB by half the variance in nepers.
    spread_db = DB_PER_NEPER * (math.pi**2 / 6) / K_OF_RBW_10_VBW_1 / 2
    assert decibels.mean() == pytest.approx(-2.507 + spread_db, abs=0.1)


def test_averages_of_voltage_read_low(bench: FsvBench) -> None:
    bench.set_up("DET SAMP;:AVER:TYPE LIN", vbw_hz=1000, sweeps=500)
    decibels = bench.sweep() - level_dbm(10)
    assert decibels.mean() == pytest.approx(-1.049, abs=4 * standard_error(decibels) + 0.005)


def test_the_average_detector_averages_voltage(bench: FsvBench) -> None:
    bench.set_up("DET AVER", vbw_hz=1, sweeps=50)
    # The square of a mean voltage over k samples: pi/4 + (1 - pi/4) / k of the power, here k = 10.
    power = relative(bench)
    expected = math.pi / 4 + (1 - math.pi / 4) / 10
    assert power.mean() == pytest.approx(expected, abs=4 * standard_error(power))


def test_decibels_behind_the_rms_detector_read_low_by_what_is_left_to_average(bench: FsvBench) -> None:
    bench.set_up("AVER:TYPE VID", vbw_hz=1, sweeps=20)
    decibels = bench.sweep() - level_dbm(10)
    expected = DB_PER_NEPER * (digamma(10) - math.log(10))
    assert decibels.mean() == pytest.approx(expected, abs=4 * standard_error(decibels))


@pytest.mark.parametrize("detector", ["POS", "APE", "NEG"])
def test_peak_detectors(bench: FsvBench, detector: str) -> None:
    n = 5  # each of the 1000 buckets is as wide as n independent cells of 1.505 RBW
    bench.set_up(f"DET {detector}", span_hz=1000 * n * 15.05, vbw_hz=10e3, sweeps=20)
    power = relative(bench)
    expected = 1 / n if detector == "NEG" else sum(1 / i for i in range(1, n + 1))
    assert power.mean() == pytest.approx(expected, abs=4 * standard_error(power))


def test_the_analyzers_own_noise(bench: FsvBench) -> None:
    bench.input.factor = 0.0
    for state, floor in (("GAIN:STAT ON;:INP:ATT 0", -165.0), ("GAIN:STAT OFF;:INP:ATT 20", -135.0)):
        bench.set_up(f"INP:{state}", sweeps=1000)
        assert bench.sweep().mean() == pytest.approx(floor + 10 * math.log10(10.645), abs=0.02)


def test_the_same_seed_gives_the_same_trace() -> None:
    traces = []
    for seed in (3, 3, 4):
        bench = FsvBench(seed)
        bench.set_up(sweeps=5)
        traces.append(bench.sweep())
    assert np.array_equal(traces[0], traces[1])
    assert not np.array_equal(traces[0], traces[2])
