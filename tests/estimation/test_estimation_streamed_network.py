"""From int16 codes of a digitizer to the noise of a network: streaming, then everything from the one matrix."""

import math

import numpy as np
import pytest
from scipy.fft import irfft, rfftfreq

from labctl.estimation.network import conditional_variances, optimal_combination, relative_to_shot, weighted_sum
from labctl.estimation.phase_slope import fit_phase_slope
from labctl.estimation.reductions import conditional_spectra, sum_spectrum
from labctl.spectra.down_conversion import design_down_conversion
from labctl.spectra.streaming import StreamingCrossSpectrum

RATE, SAMPLES, M = 15.625e6, 1 << 19, 4
BAND = (4.22e6, 4.42e6)
DELAYS_S = np.array([-1.35, -0.45, 0.45, 1.35]) * 13.3e-9
GAINS = np.array([1.0, 1.2, 0.9, 1.1])
SQUEEZED = 10**-0.4693
CODES_RMS = 800.0
VOLTS_PER_CODE = 1 / 8192


def codes(rng, variance):
    """Samples of M detectors that share one state of this variance equally, each with its delay."""
    f = rfftfreq(SAMPLES, 1 / RATE)
    z = rng.standard_normal((M, len(f))) + 1j * rng.standard_normal((M, len(f)))
    u = np.exp(-2j * np.pi * f * DELAYS_S[:, None]) / math.sqrt(M)
    z += (math.sqrt(variance) - 1) * u * (u.conj() * z).sum(axis=0)
    x = irfft(z, n=SAMPLES, axis=1) * math.sqrt(SAMPLES / 2)
    return np.round(CODES_RMS * GAINS[:, None] * x).astype(np.int16)


@pytest.fixture(scope="module")
def matrices():
    """Cross spectra of squeezed light and of shot noise."""
    rng, found = np.random.default_rng(1), []
    for variance in (SQUEEZED, 1.0):
        conversion = design_down_conversion(RATE, BAND)
        streaming = StreamingCrossSpectrum(conversion, M, 500.0, volts_per_code=VOLTS_PER_CODE, full_scale_code=32767)
        for block in np.array_split(codes(rng, variance), 3, axis=1):
            streaming.add(block)
        assert streaming.account.valid == streaming.account.segments > 25
        found.append(streaming.result())
    return found


def sigma(matrices):
    """Relative scatter of a ratio of two powers over the band."""
    of_each = [m.averages * m.acquisition.independent_points(m.frequency_hz) for m in matrices]
    return math.sqrt(sum(1 / k for k in of_each))


def test_shot_noise_has_the_density_of_the_codes(matrices):
    expected = 2 * (CODES_RMS * GAINS[1] * VOLTS_PER_CODE) ** 2 / RATE
    assert matrices[1].channel(1).values.mean() == pytest.approx(expected, rel=4 * sigma(matrices))


def test_sums_and_conditional_noise_are_those_of_the_model(matrices):
    signal, shot = matrices
    raw, rephased = 1 / GAINS, fit_phase_slope(signal, shot).weights(signal.frequency_hz)
    coherence = abs(np.exp(2j * np.pi * 4.32e6 * DELAYS_S).mean()) ** 2
    for weights, expected in ((raw, 1 - (1 - SQUEEZED) * coherence), (rephased, SQUEEZED)):
        ratio = sum_spectrum(signal, weights).values.mean() / sum_spectrum(shot, weights).values.mean()
        assert ratio == pytest.approx(expected, rel=4 * sigma(matrices))
    conditional = 1 / (1 + (1 - SQUEEZED) / (SQUEEZED * M))
    for j, spectrum in enumerate(conditional_spectra(signal)):
        ratio = spectrum.values.mean() / shot.channel(j).values.mean()
        assert ratio == pytest.approx(conditional, rel=4 * sigma(matrices))


def test_the_band_and_the_bins_tell_the_same(matrices):
    network = relative_to_shot(*(m.mean_over(BAND) for m in matrices))
    best = optimal_combination(network).variance
    assert best.value == pytest.approx(SQUEEZED, abs=4 * best.sigma + 1e-3)
    assert weighted_sum(network).variance.value > best.value + 4 * best.sigma
    assert conditional_variances(network)[0].value == pytest.approx(0.675, abs=0.03)


def test_delays_are_found(matrices):
    found = fit_phase_slope(*matrices)
    for j in (1, 2, 3):
        estimate = found.fit.parameters[f"delay_{j + 1}"]
        assert abs(estimate.value - (DELAYS_S[j] - DELAYS_S[0])) < 4 * estimate.sigma < 8e-9
    assert found.fit.reason == ""
