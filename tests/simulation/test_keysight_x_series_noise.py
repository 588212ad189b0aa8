"""The noise that a simulated X-series analyzer displays, and the biases of its detectors and averages.

Distributions by Kolmogorov-Smirnov at 1 %, moments at 4 standard errors, fixed seeds.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from x_series_bench import K_OF_RBW_10_VBW_1, PSD_V2_PER_HZ, Bench, LineBench, level_dbm

from labctl.simulation.instruments.x_series_receiver import Receiver

SIGNIFICANCE = 0.01


class Step:
    """Noise that is ten times stronger above 1 MHz."""

    def power_spectral_density(self, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        return np.where(frequency_hz > 1e6, 10.0, 1.0) * PSD_V2_PER_HZ


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("rbw", "vbw", "averages", "k"),
    [
        (10, 1, 1, K_OF_RBW_10_VBW_1),
        (10, 1, 50, 50 * K_OF_RBW_10_VBW_1),
        (10, 100, 1, 1.0036),
        (10, 10, 1, 1.2493),
        (10, 3, 1, 2.2836),
    ],
)
def test_points_are_gamma_distributed(rbw: float, vbw: float, averages: int, k: float) -> None:
    bench = Bench(seed=11)
    bench.set_up(rbw_hz=rbw, vbw_hz=vbw, averages=averages)
    sample = 10 ** ((bench.sweep() - level_dbm(rbw)) / 10)
    assert stats.kstest(sample, stats.gamma(k, scale=1 / k).cdf).pvalue > SIGNIFICANCE
    assert stats.kstest(sample, stats.gamma(1.5 * k, scale=1 / (1.5 * k)).cdf).pvalue < SIGNIFICANCE


def test_fifty_averages_leave_a_quarter_of_a_decibel(bench: Bench) -> None:
    bench.set_up(averages=50)
    assert bench.sweep().std() == pytest.approx(0.263, rel=4 / math.sqrt(2 * 1001))


def test_neighbours_within_the_rbw_hang_together(bench: Bench) -> None:
    bench.set_up(span_hz=5e3)  # points half an RBW apart
    s = 10 / 2.35482
    products = []
    for _ in range(40):
        power = 10 ** ((bench.sweep() - level_dbm(10)) / 10) - 1
        products.append([np.mean(power[lag:] * power[:-lag]) * K_OF_RBW_10_VBW_1 for lag in (1, 2, 4)])
    error = np.std(products, axis=0) / math.sqrt(len(products))
    expected = [math.exp(-((5.0 * lag) ** 2) / (4 * s**2)) for lag in (1, 2, 4)]
    assert np.all(np.abs(np.mean(products, axis=0) - expected) < 4 * error + 0.02)


def averaged_level(bench: Bench, *settings_: str, averages: int = 10) -> tuple[float, float]:
    """Return the mean displayed level in dB over the true one, and its standard error."""
    bench.set_up(averages=averages)
    bench.tell(*settings_)
    rbw = bench.number("BAND?")
    trace = bench.sweep() - level_dbm(rbw)
    return float(trace.mean()), float(trace.std() / math.sqrt(trace.size))


@pytest.mark.parametrize("vbw", [1, 100])
def test_log_averaging_reads_low_by_two_and_a_half_decibels(bench: Bench, vbw: float) -> None:
    mean, error = averaged_level(bench, f"BAND:VID {vbw};:AVER:TYPE LOG")
    assert mean == pytest.approx(-2.507, abs=4 * error)


def test_log_averaging_spreads_more() -> None:
    log, rms = Bench(seed=5), Bench(seed=6)
    log.set_up(averages=50)
    log.tell("AVER:TYPE LOG")
    rms.set_up(averages=50)
    assert log.sweep().std() / rms.sweep().std() == pytest.approx(math.pi / math.sqrt(6), rel=4 / math.sqrt(1001))


def test_voltage_averaging_reads_low_by_one_decibel(bench: Bench) -> None:
    mean, error = averaged_level(bench, "AVER:TYPE SCAL", averages=500)
    assert mean == pytest.approx(-1.049, abs=4 * error + 0.005)


def test_power_averaging_and_the_sample_detector_are_unbiased(bench: Bench) -> None:
    mean, error = averaged_level(bench, "DET:TRAC SAMP", averages=500)
    assert mean == pytest.approx(0.0, abs=4 * error + 0.005)


@pytest.mark.parametrize("n", [2, 5, 10])
@pytest.mark.parametrize("detector", ["POS", "NEG"])
def test_peak_detectors_on_an_fft(bench: Bench, n: int, detector: str) -> None:
    # Each of the 1000 buckets is as wide as n independent cells of 1.505 RBW.
    bench.set_up(span_hz=1000 * n * 15.05, vbw_hz=10e3, averages=20)
    bench.tell(f"DET:TRAC {detector}")
    sample = 10 ** ((bench.sweep() - level_dbm(10)) / 10)
    expected = sum(1 / i for i in range(1, n + 1)) if detector == "POS" else 1 / n
    assert sample.mean() == pytest.approx(expected, abs=4 * sample.std() / math.sqrt(sample.size))


def test_the_normal_detector_alternates(bench: Bench) -> None:
    bench.set_up(span_hz=1000 * 10 * 15.05, vbw_hz=10e3, averages=20)
    bench.tell("DET:TRAC NORM")
    trace = bench.sweep()
    assert trace[0::2].mean() - trace[1::2].mean() > 10.0


@pytest.mark.parametrize(("kind", "width"), [("DB3", 1.0), ("DB6", 0.70711), ("NOIS", 0.93944), ("IMP", 0.66427)])
def test_what_the_bandwidth_means(bench: Bench, kind: str, width: float) -> None:
    bench.set_up(averages=1000)
    bench.tell(f"BAND:TYPE {kind}")
    assert bench.sweep().mean() == pytest.approx(level_dbm(10 * width), abs=0.02)
    assert bench.input.rbw_hz[-1] == pytest.approx(10 * width, rel=1e-4)


@pytest.mark.parametrize(
    ("state", "floor_dbm_hz"), [("GAIN ON;ATT 0", -165.0), ("GAIN OFF;ATT 0", -155.0), ("GAIN OFF;ATT 20", -135.0)]
)
def test_the_analyzers_own_noise(bench: Bench, state: str, floor_dbm_hz: float) -> None:
    bench.input.factor = 0.0
    bench.set_up(averages=1000)
    bench.tell(f"POW:{state}")
    assert bench.sweep().mean() == pytest.approx(floor_dbm_hz + 10 * math.log10(10.645), abs=0.02)


def test_a_swept_trace_lags_behind_its_video_filter() -> None:
    receiver = Receiver(3.6e9, start_hz=0.9995e6, stop_hz=1.0005e6, rbw_set_hz=10, vbw_set_hz=1, type_set="SWE")
    swept = receiver.mean_power_w(Step())
    receiver.type_set = "FFT"
    level = receiver.mean_power_w(Step())
    after = receiver.axis() > 1e6
    lost_hz = float(np.sum(level[after] - swept[after]) / (level[-1] - level[0]))  # one point is 1 Hz
    assert lost_hz == pytest.approx(4.0 / (2 * math.pi), rel=0.3)
    assert np.array_equal(level[~after], swept[~after])


def test_the_same_seed_gives_the_same_trace() -> None:
    traces = []
    for seed in (3, 3, 4):
        bench = Bench(seed)
        bench.set_up(averages=5)
        traces.append(bench.sweep())
    assert np.array_equal(traces[0], traces[1])
    assert not np.array_equal(traces[0], traces[2])


@pytest.mark.parametrize(("average_type", "noise_bias_db"), [("RMS", 0.0), ("LOG", -2.507), ("SCAL", -1.049)])
@pytest.mark.parametrize("detector", ["AVER", "SAMP"])
def test_no_average_takes_a_line_for_noise(average_type: str, noise_bias_db: float, detector: str) -> None:
    bench = LineBench({4.3e6: -60.0})  # a thousand times the noise in the filter
    bench.set_up(averages=200)
    bench.tell(f"AVER:TYPE {average_type};:DET:TRAC {detector}")
    trace = bench.sweep()
    assert trace[500] == pytest.approx(-60.0, abs=0.02)
    others = np.delete(trace, 500)
    assert others.mean() == pytest.approx(level_dbm(10) + noise_bias_db, abs=0.02)


def test_a_line_has_the_shape_of_the_filter_and_its_level() -> None:
    bench = LineBench({4.3e6: -50.0})
    bench.set_up(span_hz=100.0, averages=1000)
    trace = bench.sweep()
    at = np.array([500, 550, 600, 450])  # 0, 5, 10 and -5 Hz from the line
    assert trace[at] == pytest.approx([-50.0, -53.01, -62.04, -53.01], abs=0.03)
    bench.tell("FREQ:SPAN 100 KHZ;:FREQ:CENT 5 MHZ")
    assert bench.sweep().max() < -80.0
