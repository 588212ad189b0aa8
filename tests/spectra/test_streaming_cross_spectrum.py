"""The streamed matrix against scipy.signal.csd, on decimated records and at the full rate, and its bookkeeping."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from scipy.signal import csd

from labctl.errors import AnalysisRefused
from labctl.spectra.decimator import CHUNK_SAMPLES, Decimator
from labctl.spectra.down_conversion import design_down_conversion
from labctl.spectra.streaming import StreamingCrossSpectrum

RATE = 15.625e6
BAND = (4.22e6, 4.42e6)
CONVERSION = design_down_conversion(RATE, BAND)
RESOLUTION_HZ = 625.0
SEGMENT = 500 * CONVERSION.decimation  # input samples of one segment


def codes(samples, channels=3, seed=1):
    """Correlated noise in int16, with a line at 4.31 MHz and an offset."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(samples)
    line = np.cos(2 * np.pi * 4.31e6 / RATE * np.arange(samples))
    x = [300 * rng.standard_normal(samples) + 200 * (-1) ** j * shared + 20 * line + 50 for j in range(channels)]
    return np.round(x).astype(np.int16)


def stream(**options):
    return StreamingCrossSpectrum(CONVERSION, 3, RESOLUTION_HZ, **options)


def scipy_matrix(records, rate_hz, length, **options):
    found = [
        [csd(a, b, rate_hz, window="hann", nperseg=length, detrend=False, **options)[1] for b in records]
        for a in records
    ]
    return np.moveaxis(np.array(found), -1, 0)


def test_agrees_with_scipy_on_the_decimated_records():
    x = codes(600_000)
    streaming = stream()
    for block in np.array_split(x, [5, 70_000, 70_001, 444_444], axis=1):
        streaming.add(block)
    result = streaming.result()
    records = Decimator(CONVERSION, 3).push(x).astype(np.complex128)
    n = streaming.segment_length
    reference = scipy_matrix(records, CONVERSION.output_rate_hz, n, noverlap=n // 2, return_onesided=False)
    bins = np.round((result.frequency_hz - CONVERSION.centre_hz) / streaming.bin_hz).astype(int)
    reference = 2 * reference[bins % n]
    assert np.abs(result.csd - reference).max() < 1e-6 * np.abs(reference).max()
    assert np.abs(result.csd / reference - 1).max() < 1e-6
    assert BAND[0] <= result.frequency_hz[0] < BAND[0] + streaming.bin_hz
    assert BAND[1] - streaming.bin_hz < result.frequency_hz[-1] <= BAND[1]
    assert result.enbw_hz == pytest.approx(1.5 * streaming.bin_hz)


@pytest.mark.parametrize("rate_hz", [15.625e6, 62.5e6])
def test_agrees_with_scipy_at_the_full_rate_within_the_ripple(rate_hz):
    conversion = design_down_conversion(rate_hz, BAND)
    streaming = StreamingCrossSpectrum(conversion, 2, RESOLUTION_HZ)
    full = streaming.segment_length * conversion.decimation
    segments, delay = 4, round(conversion.delay_samples)
    x = codes(full * (segments + 1) // 2 + conversion.reach + 64 * conversion.decimation, channels=2)
    assert len(streaming.add(x)) == segments
    ours = streaming.result()
    at_full_rate = x[:, delay : delay + full * (segments + 1) // 2].astype(float)
    reference = scipy_matrix(at_full_rate, rate_hz, full, noverlap=full // 2)
    bin_hz = rate_hz / full
    reference = reference[np.round(ours.frequency_hz / bin_hz).astype(int)]
    powers = [np.abs(10 * np.log10(ours.csd[:, j, j].real / reference[:, j, j].real)) for j in range(2)]
    assert np.max(powers) < 0.01
    scale = np.sqrt(reference[:, 0, 0].real * reference[:, 1, 1].real)
    assert (np.abs(ours.csd[:, 0, 1] - reference[:, 0, 1]) / scale).max() < 0.01 / 4.34


def test_white_noise_has_its_density_in_volts():
    rng = np.random.default_rng(3)
    sigma, volts = 500.0, np.array([1e-4, 2e-4, 5e-5])
    x = np.round(sigma * rng.standard_normal((3, 2_000_000))).astype(np.int16)
    streaming = stream(volts_per_code=volts)
    streaming.add(x)
    result = streaming.result()
    k = result.averages * result.acquisition.independent_points(result.frequency_hz)
    for j in range(3):
        density = result.channel(j).values.mean()
        assert density == pytest.approx(2 * (sigma * volts[j]) ** 2 / RATE, rel=4 / math.sqrt(k))
    assert np.abs(result.csd[:, 0, 1].mean()) < 4 / math.sqrt(k) * 2 * sigma**2 * volts[0] * volts[1] / RATE


def test_effective_averages_are_those_that_the_scatter_shows():
    """Relative variance of a bin over many streams is 1 / K; 10 % is four of its own standard deviations."""
    rng = np.random.default_rng(4)
    found = []
    for _ in range(12):
        streaming = StreamingCrossSpectrum(CONVERSION, 3, 2000.0)
        streaming.add(np.round(900 * rng.standard_normal((3, 160_000))).astype(np.int16))
        found += [streaming.result().csd[::3, j, j].real for j in range(3)]
    k = streaming.result().averages
    values = np.array(found)
    assert values.var() / values.mean() ** 2 * k == pytest.approx(1.0, abs=4 * math.sqrt(2 / values.size) * 1.5)
    assert k < streaming.account.valid


def test_segments_that_lost_lock_are_left_out():
    x = codes(12 * SEGMENT)
    lost_from, lost_to = int(5.2 * SEGMENT), int(5.9 * SEGMENT)
    locked = np.ones(x.shape[1], dtype=bool)
    locked[lost_from:lost_to] = False
    x[:, ~locked] = 20_000  # what must not come through
    streaming = stream()
    segments = []
    for part, good in zip(np.array_split(x, 7, axis=1), np.array_split(locked, 7), strict=True):
        segments += streaming.add(part, good)
    for segment in segments:
        assert segment.valid == (segment.stop <= lost_from or segment.start >= lost_to)
    account = streaming.account
    assert account.valid == sum(s.valid for s in segments) == account.segments - 3
    assert [s.index for s in segments] == list(range(account.segments))
    assert {b.start - a.start for a, b in itertools.pairwise(segments)} == {SEGMENT // 2}
    # Two stretches of s segments each: s^2 / (s + 2 (s - 2) / 36).
    s = account.valid
    assert account.averages == pytest.approx(s**2 / (s + 2 * (s - 2) / 36))
    before, after = stream(), stream()
    before.add(x[:, :lost_from])
    after.lose(6 * SEGMENT)
    after.add(x[:, 6 * SEGMENT :])
    n_before, n_after = before.account.valid, after.account.valid
    assert n_before + n_after == s
    expected = (before.result().csd * n_before + after.result().csd * n_after) / s
    assert np.abs(streaming.result().csd - expected).max() < 1e-6 * np.abs(expected).max()


def test_a_block_out_of_lock_spoils_what_it_reaches():
    x = codes(6 * SEGMENT)
    streaming = stream()
    segments = streaming.add(x[:, : 2 * SEGMENT]) + streaming.add(x[:, 2 * SEGMENT : 2 * SEGMENT + 1], valid=False)
    segments += streaming.add(x[:, 2 * SEGMENT + 1 :])
    spoiled = [s for s in segments if s.start <= 2 * SEGMENT < s.stop]
    assert 2 <= len(spoiled) <= 3
    assert [s for s in segments if not s.valid] == spoiled


def test_one_saturated_sample_spoils_the_segments_that_it_reaches():
    x = codes(6 * SEGMENT)
    at = 3 * SEGMENT + 77
    for code in (8191, -8191, -8192):
        x[1, at] = code
        streaming = stream(full_scale_code=8191)
        segments = streaming.add(x)
        assert {s.index for s in segments if not s.valid} == {s.index for s in segments if s.start <= at < s.stop}
        assert streaming.account.saturated == 1
    unseen = stream()
    assert all(segment.valid for segment in unseen.add(x))


def test_no_segment_spans_a_gap():
    x = codes(8 * SEGMENT)
    streaming = stream()
    first = streaming.add(x[:, : int(3.3 * SEGMENT)])
    streaming.lose(1000)
    second = streaming.add(x[:, int(3.3 * SEGMENT) + 1000 :])
    assert first[-1].stop <= int(3.3 * SEGMENT)
    assert second[0].start == int(3.3 * SEGMENT) + 1000
    account = streaming.account
    assert (account.lost, account.samples) == (1000, 8 * SEGMENT - 1000)
    s = account.valid
    assert account.averages == pytest.approx(s**2 / (s + 2 * (s - 2) / 36))
    gapless = stream()
    gapless.add(x)
    line = np.argmin(np.abs(streaming.result().frequency_hz - 4.31e6))
    assert streaming.result().csd[line, 0, 0].real == pytest.approx(gapless.result().csd[line, 0, 0].real, rel=0.1)


def test_blocks_longer_than_a_chunk_are_one_stream():
    rng = np.random.default_rng(5)
    x = rng.integers(-3000, 3000, (1, CHUNK_SAMPLES + 300_000), dtype=np.int16)
    whole = StreamingCrossSpectrum(CONVERSION, 1, RESOLUTION_HZ, threads=1)
    whole.add(x)
    parts = StreamingCrossSpectrum(CONVERSION, 1, RESOLUTION_HZ, threads=2)
    for block in np.array_split(x, 9, axis=1):
        parts.add(block)
    assert whole.account == parts.account
    assert np.abs(whole.result().csd - parts.result().csd).max() < 1e-6 * np.abs(whole.result().csd).max()


def test_a_band_of_the_whole_rate_is_a_stream_too():
    conversion = design_down_conversion(RATE, (1e6, 7.8e6))
    streaming = StreamingCrossSpectrum(conversion, 1, 50e3)
    x = codes(40_000, channels=1)
    streaming.add(x)
    density = 2 * (300**2 + 200**2 + 1 / 12) / RATE
    assert np.median(streaming.result().csd[:, 0, 0].real) == pytest.approx(density, rel=0.15)


def test_memory_does_not_grow_with_the_stream():
    x = codes(200_000)
    streaming = stream(full_scale_code=30_000)
    tracemalloc.start()
    peaks = []
    for turn in range(12):
        tracemalloc.reset_peak()
        streaming.add(x, valid=turn % 3 > 0)
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert max(peaks[6:]) < 1.05 * max(peaks[:6])
    assert len(streaming.validity.stretches) <= 2


def test_refusals():
    with pytest.raises(AnalysisRefused, match="none is complete"):
        stream().result()
    spoiled = stream()
    spoiled.add(codes(3 * SEGMENT), valid=False)
    with pytest.raises(AnalysisRefused, match="are spoiled"):
        spoiled.result()
    with pytest.raises(AnalysisRefused, match="Validity of shape"):
        stream().add(codes(100), np.ones(99, dtype=bool))
    with pytest.raises(AnalysisRefused, match="shape"):
        stream().add(codes(100, channels=2))
    for scale in ([1.0, 2.0], math.nan):
        with pytest.raises(AnalysisRefused, match="Scales"):
            stream(volts_per_code=scale)
    for resolution_hz in (0.0, -1.0, 150e3, math.nan):
        with pytest.raises(AnalysisRefused, match="resolution"):
            StreamingCrossSpectrum(CONVERSION, 3, resolution_hz)
