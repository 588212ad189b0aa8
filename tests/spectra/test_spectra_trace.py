"""Units, bands, refusals and the correction of log averages."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labctl.errors import AnalysisRefused
from labctl.spectra.trace import (
    Acquisition,
    Averaging,
    Detector,
    Spectrum,
    Unit,
    correct_log_average,
    dbm_to_psd,
    log_average_bias_db,
    psd_to_dbm,
    require_same_conventions,
)

ACQUISITION = Acquisition.of_analyzer(10.0, 10.0, 50)
AXIS = np.linspace(1000.0, 2000.0, 101)


def trace(values=None, unit=Unit.V2_PER_HZ, acquisition=ACQUISITION, axis=AXIS, name="trace"):
    return Spectrum(axis, np.ones(len(axis)) if values is None else values, unit, acquisition, name)


def test_dbm_of_a_known_density():
    """1 mW into 50 ohm is 0.05 V^2; spread over 10 Hz it is 0.005 V^2/Hz."""
    assert dbm_to_psd(0.0, 10.0) == pytest.approx(0.005)
    assert psd_to_dbm([0.005], 10.0) == pytest.approx([0.0], abs=1e-12)


@given(
    psd=hnp.arrays(np.float64, 5, elements=st.floats(1e-20, 1e3)),
    enbw=st.floats(1e-2, 1e7),
    unit=st.sampled_from([Unit.DBM, Unit.V_RMS_PER_BIN]),
)
def test_units_go_there_and_back(psd, enbw, unit):
    acquisition = replace(ACQUISITION, enbw_hz=enbw)
    spectrum = trace(psd, acquisition=acquisition, axis=np.arange(5.0))
    assert spectrum.in_unit(unit).in_unit(Unit.V2_PER_HZ).values == pytest.approx(psd, rel=1e-9)


def test_volts_per_bin_square_to_density_times_enbw():
    spectrum = trace(np.full(101, 4.0)).in_unit(Unit.V_RMS_PER_BIN)
    assert spectrum.values == pytest.approx(np.sqrt(4.0 * ACQUISITION.enbw_hz))


def test_a_negative_density_has_no_dbm_and_a_ratio_no_volts():
    with pytest.raises(AnalysisRefused, match="not positive"):
        trace(np.full(101, -1.0)).in_unit(Unit.DBM)
    with pytest.raises(AnalysisRefused, match="V rms"):
        trace(np.full(101, -1.0)).in_unit(Unit.V_RMS_PER_BIN)
    with pytest.raises(AnalysisRefused, match="ratio"):
        trace(unit=Unit.RATIO_TO_SHOT).in_unit(Unit.V2_PER_HZ)
    with pytest.raises(AnalysisRefused, match="shot-noise"):
        trace().in_unit(Unit.RATIO_TO_SHOT)


@pytest.mark.parametrize(
    ("frequency", "values"),
    [
        ([1.0], [1.0]),
        ([1.0, 2.0], [1.0]),
        ([2.0, 1.0], [1.0, 1.0]),
        ([1.0, 1.0], [1.0, 1.0]),
        ([1.0, 2.0], [1.0, np.nan]),
    ],
)
def test_malformed_spectra_are_refused(frequency, values):
    with pytest.raises(AnalysisRefused):
        Spectrum(np.array(frequency), np.array(values), Unit.V2_PER_HZ, ACQUISITION)


def test_a_spectrum_keeps_its_own_numbers():
    values = np.ones(101)
    spectrum = trace(values)
    values[0] = 7.0
    assert spectrum.values[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        spectrum.values[0] = 7.0


def test_bands_include_their_edges_and_leave_out_the_excluded():
    part = trace().within((1100, 1200), exclude=[(1140, 1160)])
    assert part.frequency_hz[0] == 1100
    assert part.frequency_hz[-1] == 1200
    assert len(part.frequency_hz) == 8


@pytest.mark.parametrize("band", [(500, 1500), (1500, 3000), (1200, 1100), (1101, 1102)])
def test_bands_without_points_are_refused(band):
    with pytest.raises(AnalysisRefused):
        trace().within(band)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (trace(axis=AXIS + 1.0), "axes"),
        (trace(axis=AXIS[:-1]), "points"),
        (trace(acquisition=Acquisition.of_analyzer(30.0, 10.0)), "RBW"),
        (trace(acquisition=replace(ACQUISITION, averaging=Averaging.LOG)), "averaging"),
        (trace(acquisition=replace(ACQUISITION, detector=Detector.PEAK)), "detector"),
        (trace(unit=Unit.RATIO_TO_SHOT), "unit"),
        (
            trace(acquisition=replace(Acquisition.of_hann_records(1, 1), rbw_hz=10, enbw_hz=ACQUISITION.enbw_hz)),
            "filter",
        ),
    ],
)
def test_unlike_spectra_are_refused(other, words):
    with pytest.raises(AnalysisRefused, match=words):
        require_same_conventions(trace(), other)


def test_more_averages_are_the_same_convention():
    require_same_conventions(trace(), trace(acquisition=Acquisition.of_analyzer(10.0, 10.0, 5000)))
    single = Acquisition.of_analyzer(10.0, 10.0, averaging=Averaging.NONE)
    require_same_conventions(trace(), trace(acquisition=single))


@pytest.mark.parametrize(("k", "bias_db"), [(1, -2.507), (5, -0.449), (50, -0.0436), (250, -0.0087)])
def test_log_average_bias(k, bias_db):
    assert log_average_bias_db(k) == pytest.approx(bias_db, abs=5e-4)


@pytest.mark.parametrize("k", [1, 5])
def test_a_corrected_log_average_is_the_power_average(k):
    """Mean within 4 sigma of the true power and scatter as the new K says, from 4000 points of 100 logarithms."""
    rng = np.random.default_rng(5)
    power = rng.gamma(k, 3.0 / k, size=(100, 4000))
    logarithms = np.log10(power).mean(axis=0)
    acquisition = Acquisition(10.0, 10.6, ACQUISITION.filter_shape, Averaging.LOG, 100, 100.0 * k)
    axis = np.arange(4000.0)
    raw = Spectrum(axis, 10**logarithms, Unit.V2_PER_HZ, acquisition)
    corrected = correct_log_average(raw, k)
    k_new = corrected.acquisition.effective_k
    assert corrected.acquisition.averaging is Averaging.POWER
    sigma = 3.0 / np.sqrt(k_new * 4000)
    second_order = 3.0 / (2 * k_new)  # mean of the exponential of a noisy mean logarithm
    assert corrected.values.mean() == pytest.approx(3.0 + second_order, abs=4 * sigma)
    assert 9.0 / corrected.values.var() == pytest.approx(k_new, rel=4 * np.sqrt(2 / 4000) + 0.02)
    in_dbm = correct_log_average(raw.in_unit(Unit.DBM), k).in_unit(Unit.V2_PER_HZ)
    assert in_dbm.values == pytest.approx(corrected.values)


def test_only_log_averages_are_corrected():
    with pytest.raises(AnalysisRefused, match="log average"):
        correct_log_average(trace())
