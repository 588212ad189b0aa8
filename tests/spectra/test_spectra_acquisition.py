"""How many independent averages and points a trace carries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.signal.windows import hann

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import (
    Acquisition,
    Averaging,
    FilterShape,
    averages_of_log_video,
    detector_averages,
    effective_averages,
    swept_independent_spacing,
)


@pytest.mark.parametrize(("vbw_hz", "k"), [(100, 1.004), (30, 1.037), (10, 1.25), (3, 2.28), (1, 5.45), (0.3, 16.6)])
def test_effective_averages_of_a_10_hz_filter(vbw_hz, k):
    assert effective_averages(10, vbw_hz) == pytest.approx(k, rel=2e-3)


@given(rbw=st.floats(0.1, 1e6), ratio=st.floats(1e-3, 1e3))
def test_effective_averages_equal_the_integral(rbw, ratio):
    vbw = rbw * ratio

    def integrand(t):
        return math.exp(-2 * math.pi * vbw * t - (math.pi * rbw * t) ** 2 / (2 * math.log(2)))

    end = 8 / math.hypot(rbw, vbw)
    integral = 2 * quad(integrand, 0, end / 50)[0] + 2 * quad(integrand, end / 50, end)[0]
    assert effective_averages(rbw, vbw) == pytest.approx(max(1.0, 1 / (math.pi * vbw * integral)), rel=1e-3)


def gaussian_filtered_noise(rng, rate, rbw, n):
    """Return the power of white noise behind a Gaussian filter, `n` samples at `rate`."""
    f = np.fft.fftfreq(n, 1 / rate)
    amplitude = np.exp(-(f**2) / (4 * (rbw / 2.3548) ** 2))
    noise = np.fft.ifft(np.fft.fft(rng.standard_normal(n) + 1j * rng.standard_normal(n)) * amplitude)
    return np.abs(noise) ** 2


def test_video_filtered_noise_scatters_as_the_effective_averages_say():
    """Gaussian-filtered white noise, squared, through a one-pole video filter, sampled far apart."""
    rng = np.random.default_rng(1)
    rate, rbw, vbw, n = 200.0, 10.0, 3.0, 2**20
    f = np.fft.fftfreq(n, 1 / rate)
    video = np.fft.ifft(np.fft.fft(gaussian_filtered_noise(rng, rate, rbw, n)) / (1 + 1j * f / vbw)).real
    k_measured = video.mean() ** 2 / video.var()
    independent = n / rate / (1 / (math.pi * vbw) + 0.05)
    assert k_measured == pytest.approx(effective_averages(rbw, vbw), rel=4 * math.sqrt(2 / independent))


@given(rbw=st.floats(0.1, 1e6), cells=st.floats(1e-3, 1e3))
def test_a_detector_that_averages_over_time_has_the_averages_of_the_integral(rbw, cells):
    time = cells / rbw

    def integrand(t):
        return (1 - t / time) * math.exp(-((math.pi * rbw * t) ** 2) / (2 * math.log(2)))

    end = min(time, 3 / rbw)
    integral = 2 * quad(integrand, 0, end)[0]
    assert detector_averages(rbw, time, fft=False) == pytest.approx(max(1.0, time / integral), rel=1e-6)


def test_long_and_short_detector_times():
    assert detector_averages(10, 1e-6, fft=False) == 1.0
    assert detector_averages(10, 1e3, fft=False) == pytest.approx(15053, rel=1e-3)
    assert detector_averages(10, 0.1, fft=True) == 1.0
    assert detector_averages(10, 1.5, fft=True) == pytest.approx(10)  # records of 0.15 s


def test_power_averaged_over_time_scatters_as_the_averages_say():
    """Gaussian-filtered white noise, squared and averaged over blocks, of which every second one counts."""
    rng = np.random.default_rng(5)
    rate, rbw, n = 200.0, 10.0, 2**20
    power = gaussian_filtered_noise(rng, rate, rbw, n)
    for samples in (8, 32, 256):
        means = power[: n // samples * samples].reshape(-1, samples).mean(axis=1)[::2]
        k_measured = means.mean() ** 2 / means.var()
        k = detector_averages(rbw, samples / rate, fft=False)
        assert k_measured == pytest.approx(k, rel=4 * math.sqrt((2 + 6 / k) / means.size) + 0.02)


@pytest.mark.parametrize("k", [1, 2, 5, 30])
@pytest.mark.parametrize(("averaging", "exponent"), [(Averaging.POWER, 1.0), (Averaging.VOLTAGE, 0.5)])
def test_log_video_scatters_as_the_averages_say(k, averaging, exponent):
    """Against noise whose logarithms are averaged first: relative variance, over that of one sample."""
    rng = np.random.default_rng(6)
    trials = 200_000
    shown = np.exp(exponent * np.log(rng.exponential(size=(trials, k))).mean(axis=1))
    alone = 1.0 if averaging is Averaging.POWER else 4 / math.pi - 1
    measured = alone * shown.mean() ** 2 / shown.var()
    assert averages_of_log_video(k, averaging) == pytest.approx(measured, rel=0.03)
    assert averages_of_log_video(k, Averaging.LOG) == k


def test_log_video_of_many_samples_spreads_by_pi_over_root_six_more():
    assert averages_of_log_video(1.0, Averaging.POWER) == pytest.approx(1.0)
    assert averages_of_log_video(1e4, Averaging.POWER) == pytest.approx(1e4 * 6 / math.pi**2, rel=1e-3)
    assert 6 / math.pi**2 < averages_of_log_video(5.446, Averaging.POWER) / 5.446 < 1


def test_what_the_detector_averages_counts_and_not_the_video_filter():
    fft = Acquisition.of_analyzer(10, 1, 50, detector_time_s=1.5)
    assert fft.effective_k == pytest.approx(500)
    assert fft.independent_spacing_hz is None
    swept = Acquisition.of_analyzer(10, 1, 50, detector_time_s=10.0, sweep_rate_hz_per_s=4)
    assert swept.effective_k == pytest.approx(50 * detector_averages(10, 10.0, fft=False))
    # 10 s at 4 Hz/s: each point has used up the samples of 40 Hz.
    assert swept.independent_spacing_hz == pytest.approx(40, rel=0.01)
    assert Acquisition.of_analyzer(10, 1, 50, log_video=True).effective_k == pytest.approx(
        50 * averages_of_log_video(effective_averages(10, 1), Averaging.POWER)
    )
    sample = Acquisition.of_analyzer(10, 1, 1, log_video=True, sweep_rate_hz_per_s=4)
    assert sample.independent_spacing_hz == pytest.approx(swept_independent_spacing(10, 1, 4))


def test_analyzer_trace_of_the_paper():
    fft_mode = Acquisition.of_analyzer(10, 1, 50)
    assert fft_mode.effective_k == pytest.approx(272, rel=2e-3)
    assert fft_mode.enbw_hz == pytest.approx(10.645, rel=1e-4)
    dense = np.linspace(0, 2000, 2001)
    assert 2000 / fft_mode.independent_points(dense) == pytest.approx(15.05, rel=0.01)
    swept = Acquisition.of_analyzer(10, 1, 50, sweep_rate_hz_per_s=4)
    time_per_hz_bandwidth = swept.effective_k * swept.independent_points(dense) / 2000
    assert time_per_hz_bandwidth == pytest.approx(188, rel=0.05)  # s; physics of the swept trace


@pytest.mark.parametrize("shape", list(FilterShape))
def test_power_correlation_is_the_window_s_own(shape):
    """Against |sum w^2 exp(2 pi i d t)|^2 of the window itself; the Gaussian against its autocorrelation."""
    n = 4096
    offset = np.linspace(0, 4, 33)  # bins of 1 Hz for one second
    if shape is FilterShape.GAUSSIAN:
        acquisition = Acquisition.of_analyzer(1.0, 100.0)
        f = np.linspace(-10, 10, 4001)
        h = np.exp(-math.log(2) * 2 * f**2)  # amplitude, -3 dB in power at half a hertz
        shifted = np.exp(-math.log(2) * 2 * (f[:, None] - offset) ** 2)
        expected = ((h[:, None] * shifted).sum(0) / (h**2).sum()) ** 2
    else:
        window = hann(n, sym=False) if shape is FilterShape.HANN else np.ones(n)
        t = np.arange(n) / n
        overlap = (window**2 * np.exp(2j * np.pi * offset[:, None] * t)).sum(1) / (window**2).sum()
        expected = np.abs(overlap) ** 2
        enbw = n * (window**2).sum() / window.sum() ** 2
        acquisition = Acquisition(enbw, enbw, shape, Averaging.POWER, 1, 1.0)
    assert acquisition.power_correlation(offset) == pytest.approx(expected, abs=2e-3)


def test_mean_of_hann_bins_scatters_as_the_independent_points_say():
    rng = np.random.default_rng(2)
    n, bins, trials = 128, slice(5, 45), 4000
    spectra = np.abs(np.fft.rfft(rng.standard_normal((trials, n)) * hann(n, sym=False))) ** 2
    means = spectra[:, bins].mean(1)
    measured = means.mean() ** 2 / means.var()
    predicted = Acquisition.of_hann_records(1.0, 1).independent_points(np.arange(40.0))
    assert measured == pytest.approx(predicted, rel=4 * math.sqrt(2 / trials))
    assert predicted < 40 / 1.5


@given(spacing=st.floats(0.05, 50), n=st.integers(1, 60))
def test_independent_points_lie_between_one_and_all(spacing, n):
    points = Acquisition.of_analyzer(10, 100).independent_points(np.arange(n) * spacing)
    assert 1 - 1e-9 <= points <= n


def test_correlated_sum_is_the_dense_product():
    f = np.sort(np.random.default_rng(3).uniform(0, 100, 40))
    acquisition = Acquisition.of_analyzer(10, 100)
    w = np.random.default_rng(4).standard_normal((40, 2))
    dense = acquisition.power_correlation(f[:, None] - f) @ w
    assert acquisition.correlated_sum(f, w) == pytest.approx(dense, abs=1e-2)


@pytest.mark.parametrize("bad", [{"rbw_hz": 0.0}, {"vbw_hz": -1.0}])
def test_impossible_bandwidths_are_refused(bad):
    with pytest.raises(AnalysisRefused):
        Acquisition.of_analyzer(**({"rbw_hz": 10.0, "vbw_hz": 1.0} | bad))
    with pytest.raises(AnalysisRefused):
        swept_independent_spacing(10, 1, 0.0)
    with pytest.raises(AnalysisRefused):
        Acquisition.of_analyzer(10.0, 1.0, detector_time_s=0.0)
