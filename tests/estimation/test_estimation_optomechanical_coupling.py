"""g0 / kappa from a phase tone: the closed form, refusals, and what must not enter."""

import math
from dataclasses import replace

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.optomechanical_coupling import CalibrationTone, fit_coupling, thermal_occupation, tone_height
from labctl.physics.line_shape import filtered_lorentzian
from labctl.spectra.acquisition import Acquisition, Averaging
from labctl.spectra.trace import Spectrum, Unit

F0_HZ, GAMMA_HZ, PEAK, TEMPERATURE = 4.3e6, 41.0, 5.0, Estimate(300.0, 1.0)
G0_OVER_KAPPA, DEPTH_RAD = 3.5e-10, 1e-5
ANALYZER = Acquisition.of_analyzer(10.0, 1.0, 50, sweep_rate_hz_per_s=4.0)
HANN = Acquisition.of_hann_records(10.0, 2000)
OCCUPATION = 1.380649e-23 * 300 / (6.62607015e-34 * F0_HZ)


def spectrum_of(acquisition=ANALYZER, offset_hz=350.0, depth=DEPTH_RAD, seed=1, doublet=0.0):
    spacing = 2.0 if acquisition is ANALYZER else 10.0
    f = np.arange(-1000.0, 1000.1, spacing)
    noise = 1 + PEAK * filtered_lorentzian(f, 0.0, GAMMA_HZ, 10.0 if acquisition is ANALYZER else 14.4)
    noise = noise + doublet * filtered_lorentzian(f, -300.0, GAMMA_HZ, 10.0)
    variance = (4 * G0_OVER_KAPPA) ** 2 * 2 * OCCUPATION
    height = math.pi / 4 * PEAK * GAMMA_HZ * depth**2 / (variance * acquisition.enbw_hz)
    if acquisition is ANALYZER:
        shape = np.exp(-4 * math.log(2) * ((f - offset_hz) / 10.0) ** 2)
    else:
        bins = (f - offset_hz) / 10.0
        shape = (np.sinc(bins) + 0.5 * (np.sinc(bins - 1) + np.sinc(bins + 1))) ** 2
    k = acquisition.effective_k
    rng = np.random.default_rng(seed)
    values = rng.noncentral_chisquare(2 * k, 2 * k * height * shape / noise) * noise / (2 * k)
    return Spectrum(F0_HZ + f, values, Unit.RATIO_TO_SHOT, acquisition), height


def tone(offset_hz=350.0, depth=DEPTH_RAD, relative=0.0):
    return CalibrationTone(F0_HZ + offset_hz, Estimate(depth, relative * depth))


@pytest.mark.parametrize("acquisition", [ANALYZER, HANN], ids=["gaussian", "hann"])
@pytest.mark.parametrize("offset_hz", [350.0, -205.0, 353.0])
def test_the_ratio_of_the_table(acquisition, offset_hz):
    spectrum, height = spectrum_of(acquisition, offset_hz)
    found = fit_coupling(spectrum, tone(offset_hz), TEMPERATURE)
    assert abs(found.g0_over_kappa.value - G0_OVER_KAPPA) < 4 * found.g0_over_kappa.sigma
    assert found.g0_over_kappa.relative_sigma < 0.02
    assert abs(found.tone.value - height) < 4 * found.tone.sigma
    assert math.sqrt(found.phase_variance.value) == pytest.approx(2.4e-6, rel=0.05)
    assert found.thermal_occupation.value == pytest.approx(1.454e6, rel=2e-3)
    assert found.g0_hz(Estimate(60e9, 1e9)).value == pytest.approx(21.0, rel=0.05)
    assert found.g0_hz(Estimate(60e9, 1e9)).relative_sigma > 1 / 60


def test_the_depth_of_the_tone_dominates():
    spectrum, _ = spectrum_of()
    sharp = fit_coupling(spectrum, tone(), TEMPERATURE).g0_over_kappa
    blunt = fit_coupling(spectrum, tone(relative=0.03), TEMPERATURE).g0_over_kappa
    assert blunt.value == sharp.value
    assert blunt.relative_sigma == pytest.approx(math.hypot(sharp.relative_sigma, 0.03), rel=1e-6)


def test_a_doublet_is_reported_or_left_out():
    spectrum, _ = spectrum_of(doublet=2.0)
    assert "second mode" in fit_coupling(spectrum, tone(), TEMPERATURE).reason
    beside = ((F0_HZ - 500, F0_HZ - 130),)
    clean = fit_coupling(spectrum, tone(), TEMPERATURE, exclude=beside)
    assert clean.reason == ""
    assert abs(clean.g0_over_kappa.value - G0_OVER_KAPPA) < 4 * clean.g0_over_kappa.sigma


@pytest.mark.parametrize("averaging", [Averaging.LOG, Averaging.VOLTAGE])
def test_log_averages_are_refused(averaging):
    spectrum, _ = spectrum_of()
    logarithmic = replace(spectrum, acquisition=replace(ANALYZER, averaging=averaging))
    with pytest.raises(AnalysisRefused, match="tone does not"):
        fit_coupling(logarithmic, tone(), TEMPERATURE)


def test_tones_that_cannot_calibrate_are_refused():
    spectrum, _ = spectrum_of()
    for given, words in (
        (tone(1500.0), "is not within"),
        (tone(depth=0.0), "must be positive"),
    ):
        with pytest.raises(AnalysisRefused, match=words):
            fit_coupling(spectrum, given, TEMPERATURE)
    with pytest.raises(AnalysisRefused, match="must be positive"):
        fit_coupling(spectrum, tone(), Estimate(0.0, 0.0))
    silent, _ = spectrum_of(depth=1e-12)
    for given, words in ((tone(), "not clear of noise"), (tone(40.0), "lies on the mode")):
        with pytest.raises(AnalysisRefused, match=words):
            fit_coupling(silent, given, TEMPERATURE)


def test_occupation_and_height_carry_their_uncertainties():
    n = thermal_occupation(Estimate(F0_HZ, 0.0), TEMPERATURE)
    assert n.relative_sigma == pytest.approx(1 / 300)
    spectrum, height = spectrum_of()
    f = spectrum.frequency_hz - F0_HZ
    floor = 1 + PEAK * filtered_lorentzian(f, 0.0, GAMMA_HZ, 10.0)
    found = tone_height(spectrum, F0_HZ + 350.0, floor)
    assert found.relative_sigma == pytest.approx(math.sqrt(2 / (ANALYZER.effective_k * height * 5.32)), rel=0.05)
