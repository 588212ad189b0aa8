"""Spectra of many detectors: distributions, correlations between detectors, and no cost beyond O(M)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from detector_states import chi_square_interval, state_of, without_modes
from scipy import stats

from labctl.simulation.detector_spectra import output_psd, summed_psd, summed_variance
from labctl.simulation.spectrum_draws import draw_periodograms, draw_summed_spectrum

BAND_HZ = np.linspace(4.30e6, 4.31e6, 101)
CONFIDENCE = 0.999


def test_the_sum_of_many_is_the_squeezed_beam_and_a_line_falls_as_one_over_m() -> None:
    for detectors in (1, 4, 64, 10_000):
        state = without_modes(state_of(detectors, dark=0.0))
        variance = summed_variance(state, BAND_HZ)
        assert variance == pytest.approx(1.0 - 0.92 * 0.99 * 0.95**2 * (1.0 - 0.195))
    one = state_of(10_000, dark=0.0, f0_hz=4.305e6)
    single = replace(one, modes=replace(one.modes, peak_to_shot=np.eye(1, 10_000)[0] * 5.0))
    shot = one.shot_v2_per_hz[0] / (1.0 + (4.305 / 20.0) ** 2)
    line = summed_psd(single, np.array([4.305e6]), 0.0) - summed_psd(without_modes(one), np.array([4.305e6]), 0.0)
    assert line / shot == pytest.approx(5.0 / 10_000, rel=1e-3)


def test_delays_of_ten_thousand_detectors_cost_the_sum_its_coherence() -> None:
    rng = np.random.default_rng(1)
    state = without_modes(state_of(10_000, delay_s=rng.normal(0.0, 5e-9, 10_000)))
    kept = np.exp(-((2 * np.pi * BAND_HZ * 5e-9) ** 2))
    expected = 1.0 - 0.92 * 0.99 * 0.95**2 * (1.0 - 0.195) * kept
    assert summed_variance(state, BAND_HZ) == pytest.approx(expected, abs=2e-3)


def test_far_lines_are_lorentzians_as_well_as_near_ones() -> None:
    state = state_of(2, f0_hz=[4.30e6, 4.36e6])
    f = np.linspace(4.30e6 - 500.0, 4.30e6 + 500.0, 401)
    together = summed_psd(state, f, 10.0)
    each = 0.5 * (output_psd(state, 0, f, 10.0) + output_psd(state, 1, f, 10.0))
    quantum = without_modes(state)
    shared = summed_psd(quantum, f, 10.0) - 0.5 * (output_psd(quantum, 0, f, 10.0) + output_psd(quantum, 1, f, 10.0))
    assert together == pytest.approx(each + shared, rel=1e-9)
    assert output_psd(state, 1, f, 10.0)[200] > output_psd(quantum, 1, f, 10.0)[200]


def test_a_summed_spectrum_is_gamma_about_the_closed_form() -> None:
    state, averages = state_of(10_000), 5.45
    rng = np.random.default_rng(2)
    drawn = np.array([draw_summed_spectrum(rng, state, BAND_HZ, 10.0, averages) for _ in range(5)])
    relative = drawn / summed_psd(state, BAND_HZ, 10.0)
    assert stats.kstest(relative.ravel(), stats.gamma(averages, scale=1.0 / averages).cdf).pvalue > 1e-3


def test_periodograms_are_exponential_about_their_own_spectra() -> None:
    state = state_of(6, angle_rad=[0.0, 0.2, -0.3, np.pi, 0.1, 1.2], gain=[1.0, 1.1, 0.9, 1.0, 0.8, 1.2])
    f = np.linspace(4.290e6, 4.296e6, 3001)
    drawn = draw_periodograms(np.random.default_rng(3), state, f, 2.0, 1)
    assert drawn.shape == (6, 3001)
    relative = drawn / np.array([output_psd(state, n, f, 2.0) for n in range(6)])
    for each in relative:
        assert stats.kstest(each, "expon").pvalue > 1e-3


def test_a_line_stands_in_the_periodograms_of_its_detector_alone() -> None:
    state = state_of(3, f0_hz=[4.30e6, 4.31e6, 4.32e6])
    f = 4.31e6 + np.arange(-20.0, 21.0)
    drawn = draw_periodograms(np.random.default_rng(8), state, f, 2.0, 200)
    relative = drawn / np.array([output_psd(state, n, f, 2.0) for n in range(3)])
    low, high = chi_square_interval(200 * f.size, 1.0 - (1.0 - CONFIDENCE) / 3)
    assert ((low < relative.mean(axis=1)) & (relative.mean(axis=1) < high)).all()
    assert drawn[1].mean() > 3.0 * drawn[0].mean()


def test_powers_of_detectors_hang_together_as_their_light_does() -> None:
    state = without_modes(state_of(3, dark=0.0, angle_rad=0.5))
    f = np.linspace(4.30e6, 4.31e6, 20_001)
    drawn = draw_periodograms(np.random.default_rng(4), state, f, 0.0, 1)
    found = np.corrcoef(drawn)
    covariance = state.light().matrix()
    power = np.diag(covariance)
    for j, k in ((0, 1), (0, 2), (1, 2)):
        expected = covariance[j, k] ** 2 / (power[j] * power[k])
        assert found[j, k] == pytest.approx(expected, abs=4.0 / np.sqrt(f.size))
        assert expected > 10.0 / np.sqrt(f.size)


def test_averages_have_phases_of_their_own() -> None:
    state = without_modes(state_of(4, common_jitter_rad=0.2, private_jitter_rad=0.1))
    drawn = draw_periodograms(np.random.default_rng(5), state, BAND_HZ, 0.0, 4000)
    relative = drawn / np.array([output_psd(state, n, BAND_HZ, 0.0) for n in range(4)])
    # Each average's level moves with its phase: V+ - V- times the share and sin^2, rms about sqrt(2) 0.05.
    swing = 0.2 * 9.7 * np.sqrt(2.0) * 0.05
    assert relative.mean(axis=1) == pytest.approx(
        np.ones(4), abs=4.0 * np.hypot(1.0 / np.sqrt(101), swing) / np.sqrt(4000)
    )


def test_ten_thousand_periodograms_have_the_right_mean() -> None:
    state = state_of(10_000)
    f = np.linspace(4.30e6, 4.31e6, 64)
    drawn = draw_periodograms(np.random.default_rng(6), state, f, 10.0, 1)
    each = np.array([output_psd(state, n, f, 10.0) for n in range(0, 10_000, 500)]).mean()
    low, high = chi_square_interval(drawn.size, CONFIDENCE)
    assert low * 0.98 < drawn.mean() / each < high * 1.02
