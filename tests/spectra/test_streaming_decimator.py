"""The decimator against direct convolution, in blocks of any length, with gaps."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.spectra.decimator import Decimator
from labctl.spectra.down_conversion import design_down_conversion

RATE = 15.625e6
BAND = (4.22e6, 4.42e6)
CONVERSION = design_down_conversion(RATE, BAND)
SAMPLES = 40_000
CODES = np.random.default_rng(1).integers(-8000, 8000, (3, SAMPLES), dtype=np.int16)
WHOLE = Decimator(CONVERSION, 3).push(CODES)


def direct(x, conversion, first=0):
    """Mix, filter and decimate in double precision, sample by sample."""
    n = first + np.arange(x.shape[-1])
    mixed = x * np.exp(-2j * np.pi * conversion.centre_hz / conversion.sample_rate_hz * n)
    y = np.convolve(mixed, conversion.first_taps, "valid")[:: conversion.first_decimation]
    if len(conversion.last_taps):
        y = np.convolve(y, conversion.last_taps, "valid")[:: conversion.last_decimation]
    return y


@pytest.mark.parametrize(
    ("rate_hz", "band"),
    [(RATE, BAND), (125e6, BAND), (RATE, (1e6, 3e6)), (RATE, (4e6, 4.01e6)), (RATE, (0.5e6, 7.5e6))],
)
def test_is_mixing_filtering_and_decimating(rate_hz, band):
    conversion = design_down_conversion(rate_hz, band)
    samples = conversion.reach + 100 * conversion.decimation
    x = np.random.default_rng(2).integers(-8000, 8000, (2, samples), dtype=np.int16)
    y = Decimator(conversion, 2).push(x)
    expected = np.array([direct(each, conversion)[: y.shape[1]] for each in x])
    assert y.shape[1] > 20
    assert np.abs(y - expected).max() < 1e-6 * np.abs(expected).max()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 3, 24, 25, 26, 120, 999, 1500, 12345]), max_size=40))
def test_blocks_of_any_length_make_the_same_stream(lengths):
    decimator = Decimator(CONVERSION, 3)
    edges = np.clip(np.cumsum([0, *lengths]), 0, SAMPLES)
    parts = [decimator.push(CODES[:, a:b]) for a, b in itertools.pairwise(edges)]
    parts.append(decimator.push(CODES[:, edges[-1] :]))
    together = np.concatenate(parts, axis=1)
    assert together.shape == WHOLE.shape
    assert np.abs(together - WHOLE).max() < 1e-6 * np.abs(WHOLE).max()
    assert decimator.position == SAMPLES


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_threads_change_nothing(threads):
    ours = Decimator(CONVERSION, 3, threads=threads).push(CODES)
    assert np.abs(ours - WHOLE).max() < 1e-6 * np.abs(WHOLE).max()


def test_interleaved_samples_and_floats_give_the_same():
    interleaved = np.ascontiguousarray(CODES.T).T
    assert np.array_equal(Decimator(CONVERSION, 3).push(interleaved), WHOLE)
    assert np.array_equal(Decimator(CONVERSION, 3).push(CODES.astype(np.float32)), WHOLE)


def test_after_a_gap_the_oscillator_keeps_its_phase():
    decimator = Decimator(CONVERSION, 1)
    decimator.push(CODES[:1, :7777])
    decimator.restart(1234)
    assert (decimator.position, decimator.start) == (9011, 9011)
    after = decimator.push(CODES[:1, 9011:])
    expected = direct(CODES[0, 9011:], CONVERSION, first=9011)[: after.shape[1]]
    assert np.abs(after[0] - expected).max() < 1e-6 * np.abs(expected).max()


def test_phase_is_exact_after_a_long_stream():
    """A day at 125 MS/s: the phase of a tone at the centre is still that of its first sample."""
    conversion = design_down_conversion(125e6, (4.2e6, 4.4e6 + 1 / 3))
    decimator = Decimator(conversion, 1)
    skipped = 86_400 * 125_000_000 + 17
    decimator.restart(skipped)
    turns = (skipped * conversion.cycles_per_step / conversion.first_decimation) % 1
    n = np.arange(conversion.reach + 20 * conversion.decimation)
    tone = np.cos(2 * np.pi * (float(turns) + conversion.centre_hz / conversion.sample_rate_hz * n))
    y = decimator.push(tone[None].astype(np.float32))
    assert np.abs(2 * y - 1).max() < 3e-4


def test_what_does_not_fit_is_refused():
    decimator = Decimator(CONVERSION, 3)
    with pytest.raises(AnalysisRefused, match="shape"):
        decimator.push(CODES[:2])
    with pytest.raises(AnalysisRefused, match="float64"):
        decimator.push(CODES.astype(float))
    with pytest.raises(AnalysisRefused, match="not finite"):
        decimator.push(np.full((3, 5), np.nan, dtype=np.float32))
    decimator.push(CODES)
    with pytest.raises(AnalysisRefused, match="float32 samples follows"):
        decimator.push(CODES.astype(np.float32))
    with pytest.raises(AnalysisRefused, match="lost"):
        decimator.restart(-1)
    with pytest.raises(AnalysisRefused, match="threads"):
        Decimator(CONVERSION, 0)
