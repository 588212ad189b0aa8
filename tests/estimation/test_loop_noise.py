"""Noise of a loop whose path, detector and gain are known: drawn as time series or spectra, and found again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from labctl.errors import AnalysisRefused
from labctl.estimation.loop_gain import LoopModel
from labctl.estimation.loop_noise import (
    NoiseSpectrum,
    band_rms,
    error_spectrum,
    find_oscillation,
    true_residual,
)

RATE_HZ = 1e5
SEGMENT = 2048
SIGMAS = 4.5


def white(density: float, records: int = 16, samples: int = 16384, seed: int = 1) -> np.ndarray:
    """Return records of white noise of a one-sided density in units^2/Hz."""
    return math.sqrt(0.5 * RATE_HZ * density) * np.random.default_rng(seed).standard_normal((records, samples))


def spectrum_of(records: np.ndarray, **changes: object) -> NoiseSpectrum:
    return error_spectrum(records, RATE_HZ, **({"segment": SEGMENT, "unit": "rad", "averaged": False} | changes))


def test_a_white_density_is_found_one_sided_with_its_uncertainty() -> None:
    spectrum = spectrum_of(white(2e-8))
    pulls = (spectrum.psd - 2e-8) / spectrum.point_sigma * spectrum.psd / 2e-8
    assert abs(pulls.mean()) < SIGMAS / math.sqrt(spectrum.acquisition.independent_points(spectrum.frequency_hz))
    assert pulls.std() == pytest.approx(1.0, abs=0.1)
    rms = band_rms(spectrum, (1e3, 3e4))
    assert rms.value == pytest.approx(math.sqrt(2e-8 * 2.9e4), abs=SIGMAS * rms.sigma)


def test_the_uncertainty_of_a_band_is_its_scatter() -> None:
    found = [band_rms(spectrum_of(white(1e-8, records=4, seed=seed)), (500.0, 4e3)) for seed in range(60)]
    values = np.array([one.value for one in found])
    sigma = float(np.mean([one.sigma for one in found]))
    # The standard deviation of 60 values is known to 9 %.
    assert values.std(ddof=1) == pytest.approx(sigma, rel=SIGMAS * 0.092)


def test_averaging_in_the_recorder_is_taken_out() -> None:
    fast = white(1e-8, records=8, samples=16384 * 8)
    slow = fast.reshape(8, -1, 8).mean(axis=2)
    spectrum = error_spectrum(slow, RATE_HZ / 8, segment=SEGMENT, unit="rad")
    plain = error_spectrum(slow, RATE_HZ / 8, segment=SEGMENT, unit="rad", averaged=False)
    assert (plain.psd < spectrum.psd).all()
    low = spectrum.frequency_hz < 1500.0  # higher up what folds back fills what the averaging takes away
    assert spectrum.psd[low].mean() == pytest.approx(1e-8, rel=0.03)


def test_a_residual_that_the_loop_hides_is_found_again() -> None:
    """A digital integrator on a quiet path with a noisy detector: what it does to the path is all the detector's."""
    rng = np.random.default_rng(3)
    records, samples, unity_gain_hz = 16, 65536, 2e3
    path = 0.01 * np.sqrt(0.5 * RATE_HZ * 1e-9) * rng.standard_normal((records, samples))
    noise = np.sqrt(0.5 * RATE_HZ * 1e-8) * rng.standard_normal((records, samples))
    a = 2.0 * math.pi * unity_gain_hz / RATE_HZ
    # x is what the actuator did: x' = x + a e, e = path + noise - x.
    x = lfilter([0.0, a], [1.0, a - 1.0], path + noise, axis=1)
    error, true = spectrum_of(path + noise - x), spectrum_of(path - x)
    detector = spectrum_of(math.sqrt(0.5 * RATE_HZ * 1e-8) * rng.standard_normal((records, samples)))
    # L of the sampled integrator: a z^-1 / (1 - z^-1).
    z = np.exp(-2j * math.pi * error.frequency_hz / RATE_HZ)
    found = true_residual(error, a * z / (1.0 - z), detector)
    band = (100.0, 2e3)
    told, naive, real = band_rms(found, band), band_rms(error, band), band_rms(true, band)
    assert told.value == pytest.approx(real.value, abs=SIGMAS * math.hypot(told.sigma, real.sigma))
    assert naive.value < 0.6 * real.value
    assert told.sigma < 0.05 * told.value


def test_noise_of_the_recorder_is_not_written_onto_the_path() -> None:
    model = LoopModel(2e3, 0.0)
    base = spectrum_of(white(1e-8))
    f = base.frequency_hz
    left = np.abs(1.0 / (1.0 + model.gain(f))) ** 2
    flat = np.full_like(f, 1.0)

    def of(psd: np.ndarray) -> NoiseSpectrum:
        return NoiseSpectrum(f, psd, 1e-3 * psd, base.acquisition, "rad")

    written = np.abs(model.gain(f)) ** 2 * left
    error = of(left * (3e-8 + 1e-8) + 2e-9)
    found = true_residual(error, model.gain(f), of(1.2e-8 * flat), recorder=of(2e-9 * flat))
    assert found.psd == pytest.approx(left * 3e-8 + written * 1e-8, rel=1e-9)


def test_an_uncertain_gain_makes_the_residual_uncertain() -> None:
    model = LoopModel(2e3, 0.0)
    spectrum = spectrum_of(white(1e-8))
    gain = model.gain(spectrum.frequency_hz)
    sure = true_residual(spectrum, gain, spectrum)
    unsure = true_residual(spectrum, gain, spectrum, open_loop_relative_sigma=0.2)
    assert (unsure.point_sigma > sure.point_sigma).all()
    assert unsure.psd == pytest.approx(sure.psd)


def with_line(frequency_hz: float, amplitude: float, density: float = 1e-8) -> np.ndarray:
    time = np.arange(16384) / RATE_HZ
    return white(density) + amplitude * np.sin(2.0 * math.pi * frequency_hz * time)


def test_a_swing_is_found_at_its_frequency() -> None:
    swing = find_oscillation(spectrum_of(with_line(8.3e3, 0.2)), 3e3, least_rms=0.03)
    assert swing is not None
    assert swing.frequency_hz == pytest.approx(8.3e3, abs=RATE_HZ / SEGMENT)
    assert swing.rms == pytest.approx(0.2 / math.sqrt(2.0), rel=0.05)
    assert swing.share > 0.9


def test_of_harmonics_the_lowest_is_the_swing() -> None:
    time = np.arange(16384) / RATE_HZ
    turn = 2.0 * math.pi * 8.3e3 * time
    records = white(1e-8) + 0.15 * np.sin(turn) + 0.3 * np.sin(3.0 * turn)
    swing = find_oscillation(spectrum_of(records), 3e3, least_rms=0.03)
    assert swing is not None
    assert swing.frequency_hz == pytest.approx(8.3e3, abs=RATE_HZ / SEGMENT)


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_does_not_swing(seed: int) -> None:
    coloured = lfilter([1.0], [1.0, -0.9], white(1e-7, seed=seed), axis=1)
    assert find_oscillation(spectrum_of(coloured), 3e3, least_rms=0.0) is None


def test_a_weak_line_and_one_far_below_the_unity_gain_are_no_swing() -> None:
    assert find_oscillation(spectrum_of(with_line(8.3e3, 0.02)), 3e3, least_rms=0.03) is None
    assert find_oscillation(spectrum_of(with_line(650.0, 0.5)), 3e3, least_rms=0.03) is None


def test_a_line_of_the_free_path_is_no_swing() -> None:
    locked = spectrum_of(with_line(2.2e3, 0.2))
    assert find_oscillation(locked, 3e3, least_rms=0.03) is not None
    assert find_oscillation(locked, 3e3, least_rms=0.03, free=spectrum_of(with_line(2.2e3, 0.3))) is None


def test_what_does_not_carry_a_number_is_refused() -> None:
    spectrum = spectrum_of(white(1e-8))
    with pytest.raises(AnalysisRefused, match="leaves the spectrum"):
        band_rms(spectrum, (1e3, 8e4))
    with pytest.raises(AnalysisRefused, match="leaves the spectrum"):
        band_rms(spectrum, (3e3, 1e3))
    with pytest.raises(AnalysisRefused, match="fewer than two"):
        band_rms(spectrum, (1001.0, 1002.0))
    with pytest.raises(AnalysisRefused, match="segments"):
        spectrum_of(white(1e-8, samples=1000))
    with pytest.raises(AnalysisRefused, match="finite"):
        spectrum_of(np.full((2, 4096), math.nan))
    with pytest.raises(AnalysisRefused, match="different frequencies"):
        true_residual(spectrum, np.ones(spectrum.psd.size, complex), spectrum_of(white(1e-8), segment=1024))
    # Where the loop does nothing, all of the error signal is of the detector.
    nothing = np.zeros(spectrum.psd.size, complex)
    with pytest.raises(AnalysisRefused, match="less is left"):
        band_rms(true_residual(spectrum, nothing, spectrum_of(white(1.2e-8))), (1e3, 3e4))
