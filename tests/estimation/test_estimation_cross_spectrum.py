"""Cross-spectral matrices against scipy, and their statistics."""

import math

import numpy as np
import pytest
from scipy.signal import csd

from labctl.errors import AnalysisRefused
from labctl.estimation.cross_spectrum import CrossSpectrumAccumulator, cross_spectral_matrix

RATE = 15.625e6
SAMPLES = 16384
BAND = (4.2e6, 4.45e6)


def records(count, channels=4, samples=SAMPLES, seed=0):
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((count, 1, samples))
    return rng.standard_normal((count, channels, samples)) + common * np.arange(1, channels + 1)[:, None] + 0.3


@pytest.mark.parametrize("segment_length", [None, 4096, 5001])
def test_agrees_with_scipy(segment_length):
    data = records(3)
    ours = cross_spectral_matrix(data, RATE, BAND, segment_length=segment_length)
    n = segment_length or SAMPLES
    for i in range(4):
        for j in range(4):
            each = [csd(r[i], r[j], RATE, window="hann", nperseg=n, noverlap=n - n // 2) for r in data]
            f = each[0][0]
            inside = (f >= BAND[0]) & (f <= BAND[1])
            reference = np.mean([c[1] for c in each], axis=0)[inside]
            assert ours.frequency_hz == pytest.approx(f[inside])
            assert np.abs(ours.csd[:, i, j] - reference).max() < 1e-6 * np.abs(reference).max()


def test_whole_axis_down_to_dc_agrees_with_scipy():
    data = records(1, channels=2, samples=64)
    ours = cross_spectral_matrix(data[0], 64.0, (0.0, 32.0))
    _, reference = csd(data[0, 0], data[0, 1], 64.0, window="hann", nperseg=64)
    assert ours.csd[:, 0, 1] == pytest.approx(reference, rel=1e-6, abs=1e-12)


def test_white_noise_has_its_one_sided_density():
    rng = np.random.default_rng(1)
    accumulator = CrossSpectrumAccumulator(RATE, BAND, SAMPLES)
    for _ in range(20):
        accumulator.add(rng.standard_normal((2, SAMPLES)).astype(np.float32))
    result = accumulator.result()
    assert result.averages == 20
    assert result.enbw_hz == pytest.approx(1.5 * RATE / SAMPLES)
    mean = result.mean_over(BAND)
    assert mean.averages == pytest.approx(20 * len(result.frequency_hz) / 1.944, rel=0.01)
    sigma = 2 / RATE / math.sqrt(mean.averages)
    assert mean.matrix[0, 0].real == pytest.approx(2 / RATE, abs=4 * sigma)
    assert abs(mean.matrix[0, 1]) < 4 * sigma
    assert result.channel(1).values.mean() == pytest.approx(2 / RATE, abs=4 * sigma)


def test_a_sum_of_channels_has_the_density_that_the_matrix_says():
    """Delayed channels: y = sum w_j x_j has w^H C w, complex weights included through their phase convention."""
    data = records(2, channels=3, seed=2)
    w = np.array([0.5, -1.0, 0.25])
    whole = cross_spectral_matrix(data, RATE, BAND)
    of_sum = cross_spectral_matrix((w @ data)[:, None, :], RATE, BAND)
    predicted = np.einsum("i,fij,j->f", w, whole.csd, w).real
    assert of_sum.csd[:, 0, 0].real == pytest.approx(predicted, rel=1e-9)


def test_a_delay_turns_the_phase():
    """x2(t) = x1(t - d): conj(X1) X2 has the phase -2 pi f d."""
    x = np.random.default_rng(3).standard_normal(SAMPLES + 1)
    result = cross_spectral_matrix(np.stack([x[1:], x[:-1]]), RATE, BAND)
    expected = -2 * np.pi * result.frequency_hz / RATE
    error = np.angle(result.csd[:, 0, 1] * np.exp(-1j * expected))
    assert np.median(np.abs(error)) < 0.02


def test_half_overlapping_segments_are_worth_what_averages_says():
    rng = np.random.default_rng(4)
    n, trials = 64, 300
    values = []
    for _ in range(trials):
        result = cross_spectral_matrix(rng.standard_normal((1, 9 * n)), 1.0, (0.1, 0.4), segment_length=n)
        values.append(result.csd[::4, 0, 0].real)
    values = np.array(values)
    measured = (values.mean() ** 2) / values.var()
    assert measured == pytest.approx(result.averages, rel=4 * math.sqrt(2 / values.size))
    assert result.averages < 17


def test_excluded_bins_are_left_out():
    t = np.arange(SAMPLES) / RATE
    tone = np.random.default_rng(5).standard_normal((1, SAMPLES)) + 10 * np.cos(2 * np.pi * 4.3e6 * t)
    result = cross_spectral_matrix(tone, RATE, BAND)
    with_tone = result.mean_over(BAND).matrix[0, 0].real
    without = result.mean_over(BAND, exclude=[(4.29e6, 4.31e6)])
    assert with_tone > 5 * without.matrix[0, 0].real
    assert without.averages < result.mean_over(BAND).averages


def test_refusals():
    with pytest.raises(AnalysisRefused, match="No record"):
        CrossSpectrumAccumulator(RATE, BAND, SAMPLES).result()
    with pytest.raises(AnalysisRefused, match="two bins"):
        CrossSpectrumAccumulator(RATE, (9e6, 10e6), SAMPLES)
    with pytest.raises(AnalysisRefused, match="no spectrum"):
        CrossSpectrumAccumulator(RATE, BAND, 8)
    with pytest.raises(AnalysisRefused, match="no records"):
        cross_spectral_matrix([], RATE, BAND)
    accumulator = CrossSpectrumAccumulator(RATE, BAND, SAMPLES)
    accumulator.add(np.ones((4, SAMPLES)))
    for record, words in (
        (np.ones((3, SAMPLES)), "3 channels"),
        (np.ones((4, 100)), "shape"),
        (np.ones(SAMPLES), "shape"),
        (np.full((4, SAMPLES), np.nan), "finite"),
        (np.ones((4, SAMPLES), dtype=complex), "real"),
    ):
        with pytest.raises(AnalysisRefused, match=words):
            accumulator.add(record)
    assert accumulator.result().averages == 1
