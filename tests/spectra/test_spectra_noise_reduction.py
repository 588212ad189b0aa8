"""Decibels of squeezing: value, uncertainty, refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.spectra.estimate import Estimate, from_decibels, in_decibels
from labctl.spectra.noise_reduction import (
    Mean,
    averages_from_scatter,
    band_ratio,
    band_ratio_db,
    clearance_db,
    lowest_point_db,
    shot_level,
    shot_normalise,
    spectrum_db,
    subtract_dark,
)
from labctl.spectra.trace import Acquisition, Averaging, Spectrum, Unit

AXIS = np.arange(0.0, 4000.0, 20.0)
BAND = (500.0, 3500.0)
K = 40.0
ACQUISITION = Acquisition(10.0, 10.6, Acquisition.of_analyzer(10, 10).filter_shape, Averaging.POWER, 40, K)


def noise(rng, level, k=K, name="noise"):
    """K-averaged noise with points two bandwidths apart, so independent."""
    values = rng.gamma(k, level / k, len(AXIS)) if rng is not None else np.full(len(AXIS), float(level))
    return Spectrum(AXIS, values, Unit.V2_PER_HZ, replace(ACQUISITION, effective_k=k), name)


@given(squeezing=st.floats(0.05, 5.0), shot=st.floats(1e-18, 1e-3), dark=st.floats(0.0, 0.9))
def test_exact_spectra_give_the_exact_ratio(squeezing, shot, dark):
    d = dark * shot
    ratio = band_ratio(noise(None, squeezing * shot + d), noise(None, shot + d), noise(None, d), band=BAND)
    assert ratio.value == pytest.approx(squeezing, rel=1e-9)


@pytest.mark.parametrize(("clearance", "reads"), [(10, -3.20), (13, -3.43), (20, -3.64)])
def test_dark_noise_left_in_hides_squeezing(clearance, reads):
    dark = 10 ** (-clearance / 10)
    squeezed = 10**-0.37
    left_in = band_ratio_db(noise(None, squeezed * (1 - dark) + dark), noise(None, 1.0), band=BAND)
    assert left_in.value == pytest.approx(reads, abs=0.05)
    taken_out = band_ratio_db(noise(None, squeezed * (1 - dark) + dark), noise(None, 1.0), noise(None, dark), band=BAND)
    assert taken_out.value == pytest.approx(-3.7, abs=1e-9)


def test_sigma_db_is_4_343_times_the_root_of_the_relative_variances():
    measured = band_ratio_db(noise(None, 0.5), noise(None, 1.0), band=BAND)
    n = 151
    assert measured.sigma == pytest.approx(4.343 * math.sqrt((1 / K + 1 / K) / n), rel=0.02)


@pytest.mark.parametrize("with_dark", [False, True])
@pytest.mark.parametrize("mean", [Mean.POWER, Mean.DECIBEL])
def test_band_ratio_is_unbiased_and_its_sigma_is_right(with_dark, mean):
    """300 seeds: bias below 0.2 sigma (its own error is 0.06), 68 % interval covers 60 to 76 %.

    The mean of decibels reads low by the stated 2.17/K dB.
    """
    pulls = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        d = 0.1 if with_dark else 0.0
        dark = noise(rng, d) if with_dark else None
        shot = noise(rng, 1 + d, 400.0)
        signal = noise(rng, 0.4 + d, 400.0)
        measured = band_ratio_db(signal, shot, dark, band=BAND, mean=mean)
        bias = 2.17 / shot_normalise(signal, shot, dark).acquisition.effective_k if mean is Mean.DECIBEL else 0.0
        pulls.append((measured.value + bias - 10 * math.log10(0.4)) / measured.sigma)
    assert abs(np.mean(pulls)) < 0.2
    assert 0.60 < np.mean(np.abs(pulls) < 1) < 0.76


def test_correlated_points_do_not_count_twice():
    """Sampling the same filtered noise ten times more densely leaves the uncertainty as it is."""
    dense = np.arange(500.0, 3501.0, 1.0)
    acquisition = Acquisition.of_analyzer(10.0, 1e4, 40)
    flat = Spectrum(dense, np.ones_like(dense), Unit.V2_PER_HZ, acquisition)
    coarse = flat.at(slice(None, None, 10))
    fine_sigma = band_ratio(flat, flat, band=BAND).sigma
    assert fine_sigma == pytest.approx(band_ratio(coarse, coarse, band=BAND).sigma, rel=0.02)
    assert fine_sigma == pytest.approx(math.sqrt(2 / (acquisition.effective_k * 3000 / 15.05)), rel=0.02)


def test_an_excluded_line_does_not_count():
    values = np.ones(len(AXIS))
    values[60] = 1e3
    line = Spectrum(AXIS, values, Unit.V2_PER_HZ, ACQUISITION)
    shot = noise(None, 1.0)
    assert band_ratio(line, shot, band=BAND).value > 5
    assert band_ratio(line, shot, band=BAND, exclude=[(1190, 1210)]).value == pytest.approx(1)


def test_level_in_volts_and_in_density_are_the_same_level():
    rng = np.random.default_rng(1)
    shot, signal = noise(rng, 2e-12), noise(rng, 1e-12)
    for unit in (Unit.V2_PER_HZ, Unit.V_RMS_PER_BIN, Unit.DBM):
        level = shot_level(shot.in_unit(unit), BAND)
        measured = band_ratio(signal.in_unit(unit), level, band=BAND)
        reference = band_ratio(signal, shot_level(shot, BAND), band=BAND)
        assert measured.value == pytest.approx(reference.value)
        assert measured.sigma == pytest.approx(reference.sigma)


def test_amplitude_mean_of_noise_is_low_by_an_eighth_of_1_over_k():
    volts = noise(np.random.default_rng(2), 1.0, 5.0).in_unit(Unit.V_RMS_PER_BIN)
    by_power, by_amplitude = shot_level(volts, BAND, Mean.POWER), shot_level(volts, BAND, Mean.AMPLITUDE)
    assert by_amplitude.value / by_power.value == pytest.approx(1 - 1 / 40, abs=0.012)
    with pytest.raises(AnalysisRefused, match="decibels"):
        shot_level(volts, BAND, Mean.DECIBEL)


def test_shot_level_leaves_out_the_upper_bin():
    ramp = Spectrum(np.arange(10.0), np.arange(1.0, 11.0), Unit.V2_PER_HZ, ACQUISITION)
    assert shot_level(ramp, (1.6, 4.4)).value == pytest.approx((3 + 4) / 2)


def test_a_sloping_shot_level_has_a_larger_sigma():
    flat = noise(None, 1.0, 1000.0)
    sloping = replace(flat, values=1 + AXIS / 4000)
    assert shot_level(sloping, BAND).relative_sigma > shot_level(flat, BAND).relative_sigma


def test_normalisation_point_by_point_is_unbiased():
    ratios = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ratios.append(shot_normalise(noise(rng, 0.5, 30.0), noise(rng, 1.0, 20.0)))
    values = np.concatenate([r.values for r in ratios])
    assert ratios[0].acquisition.effective_k == pytest.approx(12.0)
    assert values.mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(12 * len(values)))
    assert ratios[0].unit is Unit.RATIO_TO_SHOT
    assert spectrum_db(ratios[0]) == pytest.approx(10 * np.log10(ratios[0].values))


def test_dark_subtraction_costs_averages():
    rng = np.random.default_rng(3)
    clean = subtract_dark(noise(rng, 2.0), noise(rng, 1.0))
    assert clean.acquisition.effective_k == pytest.approx(K / 5, rel=0.1)
    assert clean.values.var() == pytest.approx(5 / K, rel=0.4)


def test_clearance():
    measured = clearance_db(noise(None, 1.0), noise(None, 0.05), BAND)
    assert measured.value == pytest.approx(13.01, abs=0.01)
    assert measured.sigma > 0


def test_lowest_point():
    values = np.ones(len(AXIS))
    values[7] = 0.5
    frequency, lowest = lowest_point_db(Spectrum(AXIS, values, Unit.RATIO_TO_SHOT, ACQUISITION))
    assert frequency == AXIS[7]
    assert lowest.value == pytest.approx(-3.0103, abs=1e-4)
    assert lowest.sigma == pytest.approx(4.343 / math.sqrt(K), rel=1e-3)


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_averages_from_scatter_with_and_without_slope(slope):
    rng = np.random.default_rng(4)
    shape = 1 + slope * AXIS / 4000
    spectrum = Spectrum(AXIS, rng.gamma(100, shape / 100), Unit.V2_PER_HZ, ACQUISITION)
    assert averages_from_scatter(spectrum, (0, 3980)) == pytest.approx(100, rel=4 * math.sqrt(3 / 200))


def test_no_scatter_is_not_a_measurement():
    with pytest.raises(AnalysisRefused, match="scatter"):
        averages_from_scatter(noise(None, 1.0), BAND)
    with pytest.raises(AnalysisRefused, match="too few"):
        averages_from_scatter(noise(np.random.default_rng(1), 1.0), (500, 600))


def test_refusals():
    bright, dark = noise(None, 1.0), noise(None, 2.0)
    with pytest.raises(AnalysisRefused, match="dark"):
        band_ratio(bright, bright, dark, band=BAND)
    with pytest.raises(AnalysisRefused, match="stand above"):
        subtract_dark(bright, dark)
    with pytest.raises(AnalysisRefused, match="too few to divide"):
        shot_normalise(bright, noise(None, 1.0, 1.5))
    with pytest.raises(AnalysisRefused, match="already"):
        band_ratio(shot_normalise(bright, bright), bright, band=BAND)
    with pytest.raises(AnalysisRefused, match="neither"):
        band_ratio(bright, Estimate(1.0, 0.1, "W"), band=BAND)
    with pytest.raises(AnalysisRefused, match="amplitude"):
        band_ratio(bright, bright, band=BAND, mean=Mean.AMPLITUDE)
    with pytest.raises(AnalysisRefused, match="decibels"):
        band_ratio_db(noise(None, 0.5), bright, noise(None, 0.6), band=BAND)


@given(value=st.floats(1e-6, 1e6), relative=st.floats(0, 1))
def test_decibels_there_and_back(value, relative):
    back = from_decibels(in_decibels(Estimate(value, value * relative)))
    assert back.value == pytest.approx(value, rel=1e-9)
    assert back.sigma == pytest.approx(value * relative, rel=1e-9)


@pytest.mark.parametrize(("value", "sigma"), [(math.nan, 1.0), (1.0, math.inf), (1.0, -1.0)])
def test_estimates_are_finite(value, sigma):
    with pytest.raises(AnalysisRefused):
        Estimate(value, sigma)
