"""Several modes on one trace, doublets, and modes of recordings of which nothing is known."""

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.estimation.line_slopes import line_and_slopes
from labctl.estimation.mechanical_mode import ModeGuess
from labctl.estimation.mechanical_modes import fit_modes, resolve_doublet
from labctl.estimation.mode_of_arrays import fit_mode_of_arrays
from labctl.estimation.power_scale import PowerScale
from labctl.physics.line_shape import lorentzian
from labctl.spectra.trace import Acquisition, Averaging, FilterShape, Spectrum, Unit

START = 4.275e6
AXIS = START + np.arange(0.0, 2000.1, 2.0)
SWEPT = Acquisition.of_analyzer(10.0, 1.0, 50, sweep_rate_hz_per_s=4.0)
GAMMA = 41.0


def trace(seed, lines, floor=1.0, axis=AXIS, acquisition=SWEPT):
    """Points drawn from Gamma(K, S/K); lines: (f0 - START, A)."""
    s = floor + sum(a * broadened_lorentzian(axis, START + f0, GAMMA, acquisition) for f0, a in lines)
    k = acquisition.effective_k
    return Spectrum(axis, np.random.default_rng(seed).gamma(k, s / k), Unit.RATIO_TO_SHOT, acquisition)


@pytest.mark.parametrize("shape", list(FilterShape))
@pytest.mark.parametrize("rbw_hz", [0.01, 3.0, 12.0, 80.0])
def test_slopes_of_the_line_are_its_derivatives(shape, rbw_hz):
    acquisition = Acquisition(rbw_hz, rbw_hz * 1.0645, shape, Averaging.POWER, 1, 1)
    f = np.arange(-1000.0, 1000.0, 1.7)
    line, by_f0, by_log_gamma = line_and_slopes(f, 3.0, GAMMA, acquisition)

    def at(f0, log_gamma):
        return broadened_lorentzian(f, 3.0 + f0, GAMMA * math.exp(log_gamma), acquisition)

    assert line == pytest.approx(at(0, 0), abs=1e-14)
    assert by_f0 == pytest.approx((at(1e-3, 0) - at(-1e-3, 0)) / 2e-3, abs=1e-8)
    assert by_log_gamma == pytest.approx((at(0, 1e-4) - at(0, -1e-4)) / 2e-4, abs=1e-8)


@pytest.mark.parametrize("one_width", [False, True])
@pytest.mark.parametrize("splitting", [30.0, 60.0, 400.0])
def test_a_doublet_is_resolved(splitting, one_width):
    for seed in range(3):
        found = resolve_doublet(trace(seed, [(800.0, 5.0), (800.0 + splitting, 3.0)]), one_width=one_width)
        assert found.resolved
        assert found.chance < 1e-3
        assert "two modes" in str(found)
        apart = found.two.splitting_hz()
        assert abs(apart.value - splitting) < 4 * apart.sigma
        for mode, peak in zip(found.two.modes, (5.0, 3.0), strict=True):
            assert abs(mode.gamma_hz.value - GAMMA) < 4 * mode.gamma_hz.sigma
            assert abs(mode.peak_to_floor.value - peak) < 4 * mode.peak_to_floor.sigma
        if one_width:
            first, second = found.two.modes
            assert first.gamma_hz == second.gamma_hz
            assert found.two.correlation("gamma_hz_1", "gamma_hz_2") == pytest.approx(1.0)


def test_one_mode_suffices_for_one_mode():
    """Of 10 single lines, none is split."""
    for seed in range(10):
        found = resolve_doublet(trace(seed, [(1003.0, 5.0)]))
        assert not found.resolved
        assert found.two is None
        assert "one mode suffices" in str(found)


def test_a_doublet_within_a_tenth_of_a_linewidth_is_not_claimed():
    assert not resolve_doublet(trace(0, [(1000.0, 2.5), (1004.0, 2.5)])).resolved


def test_four_modes_are_fitted_jointly_with_and_without_guesses():
    lines = [(1000.0, 5.0), (3000.0, 4.0), (4800.0, 1.3), (7000.0, 2.0)]
    axis = START + np.arange(0.0, 8000.1, 4.0)
    data = trace(5, lines, axis=axis)
    free = fit_modes(data, 4)
    guided = fit_modes(data, [ModeGuess(START + f + 15, 60.0) for f, _ in lines])
    for fit in (free, guided):
        assert fit.reason == ""
        for mode, (f0, peak) in zip(fit.modes, lines, strict=True):
            assert abs(mode.f0_hz.value - START - f0) < 4 * mode.f0_hz.sigma
            assert abs(mode.peak_to_floor.value - peak) < 4 * mode.peak_to_floor.sigma
    assert [m.f0_hz.value for m in free.modes] == pytest.approx([m.f0_hz.value for m in guided.modes], abs=0.02)
    assert free.model(axis, SWEPT).mean() == pytest.approx(data.values.mean(), rel=1e-3)
    three = fit_modes(data, 3)
    assert "one more mode" in three.reason


def test_the_shot_reference_adds_to_heights_only():
    data = trace(2, [(600.0, 5.0), (1400.0, 3.0)])
    free, scaled = fit_modes(data, 2), fit_modes(data, 2, normalisation_relative_sigma=0.05)
    assert scaled.modes[0].gamma_hz.sigma == free.modes[0].gamma_hz.sigma
    added = math.sqrt(scaled.floor.sigma**2 - free.floor.sigma**2)
    assert added == pytest.approx(0.05 * free.floor.value)


@pytest.mark.parametrize("modes", [0, []])
def test_no_modes_are_refused(modes):
    with pytest.raises(AnalysisRefused, match="one or more"):
        fit_modes(trace(0, [(1000.0, 5.0)]), modes)


def test_more_modes_than_there_are_and_too_few_points_are_refused():
    with pytest.raises(AnalysisRefused, match=r"uncertain|bound|does not determine"):
        fit_modes(trace(0, [(1000.0, 5.0)]), 3)
    with pytest.raises(AnalysisRefused, match="too few"):
        fit_modes(trace(0, [(60.0, 5.0)], axis=AXIS[:22]), 8)
    with pytest.raises(AnalysisRefused, match="no peak"):
        resolve_doublet(trace(0, [(1000.0, 0.0)]))


# ---- recordings of which nothing is known ---------------------------------------------------------------------------


def recording(seed, shape, averages):
    return np.random.default_rng(seed).gamma(averages, shape / averages)


def plain(f, f0=4.276e6, gamma=GAMMA, peak=5.0):
    return 1 + peak * lorentzian(f, f0, gamma)


@pytest.mark.parametrize("scale", [PowerScale.POWER, PowerScale.AMPLITUDE, PowerScale.DB, PowerScale.AUTO])
def test_a_recording_in_any_scale(scale):
    power = recording(1, plain(AXIS), 100.0) * 3e-12
    values = {"power": power, "amplitude": np.sqrt(power), "dB": 10 * np.log10(power), "auto": 10 * np.log10(power)}
    found = fit_mode_of_arrays(AXIS, values[scale], scale=scale)
    assert abs(found.gamma_hz.value - GAMMA) < 3 * found.gamma_hz.sigma
    assert abs(found.f0_hz.value - 4.276e6) < 3 * found.f0_hz.sigma
    assert abs(found.peak_to_floor.value - 5.0) < 3 * found.peak_to_floor.sigma
    assert found.q.value == pytest.approx(found.f0_hz.value / found.gamma_hz.value)
    assert found.averages == pytest.approx(100.0, rel=0.2)
    assert set(found.to_json()) == {"f0_hz", "gamma_hz", "q", "peak_to_floor"}


def test_uncertainties_of_recordings_hold():
    """25 recordings: the scatter of Gamma over its sigma is 1, with K from the scatter of the points."""
    pulls = []
    for seed in range(25):
        gamma = fit_mode_of_arrays(AXIS, recording(seed, plain(AXIS), 60.0)).gamma_hz
        pulls.append((gamma.value - GAMMA) / gamma.sigma)
    assert abs(np.mean(pulls)) < 3.5 / math.sqrt(25)
    assert np.std(pulls) == pytest.approx(1.0, abs=3.5 / math.sqrt(50))


def test_smoothed_points_are_not_taken_for_independent():
    """A running mean over eight points raises sigma beyond what the scatter alone would say."""
    power = recording(3, plain(AXIS), 20.0)
    smooth = np.convolve(power, np.ones(8) / 8, "same")[10:-10]
    rough, found = fit_mode_of_arrays(AXIS, power), fit_mode_of_arrays(AXIS[10:-10], smooth)
    assert found.averages > 4 * rough.averages
    assert 0.5 < found.gamma_hz.sigma / rough.gamma_hz.sigma < 2.0
    assert abs(found.gamma_hz.value - GAMMA) < 4 * found.gamma_hz.sigma + 2.0


def test_few_points_many_modes_and_a_tilted_floor():
    few = np.linspace(99e3, 101e3, 25)
    found = fit_mode_of_arrays(few, recording(0, plain(few, 1e5, 300.0, 100.0), 30.0))
    assert abs(found.gamma_hz.value - 300.0) < 3 * found.gamma_hz.sigma
    wide = np.linspace(1e4, 1e6, 20001)
    shape = plain(wide, 3e5, 500.0, 1e4) + plain(wide, 3.3e5, 800.0, 1e3) + plain(wide, 6.1e5, 400.0, 3e3) + 5e5 / wide
    values = 10 * np.log10(recording(2, shape, 20.0)) - 90
    strongest = fit_mode_of_arrays(wide, values)
    assert abs(strongest.f0_hz.value - 3e5) < 4 * strongest.f0_hz.sigma
    assert abs(strongest.gamma_hz.value - 500.0) < 4 * strongest.gamma_hz.sigma
    assert strongest.other_lines_hz == pytest.approx((3.3e5,), abs=300)
    near = fit_mode_of_arrays(wide, values, near_hz=6.12e5)
    assert abs(near.gamma_hz.value - 400.0) < 4 * near.gamma_hz.sigma
    f = np.linspace(99e3, 101e3, 2001)
    tilted = fit_mode_of_arrays(f, recording(1, np.exp((f - 1e5) / 500) + 10 * lorentzian(f, 1e5, 60.0), 10.0))
    assert abs(tilted.gamma_hz.value - 60.0) < 4 * tilted.gamma_hz.sigma
    assert abs(tilted.peak_to_floor.value - 10.0) < 4 * tilted.peak_to_floor.sigma


def test_the_filter_is_taken_out_where_it_is_known():
    acquisition = Acquisition(30.0, 32.0, FilterShape.GAUSSIAN, Averaging.POWER, 1, 1)
    values = recording(4, 1 + 5 * broadened_lorentzian(AXIS, 4.276e6, GAMMA, acquisition), 60.0)
    known = fit_mode_of_arrays(AXIS, values, rbw_hz=30.0)
    assert known.filter_removed
    assert abs(known.gamma_hz.value - GAMMA) < 4 * known.gamma_hz.sigma
    assert fit_mode_of_arrays(AXIS, values).gamma_hz.value > 1.08 * GAMMA


def test_a_line_whose_floor_is_not_seen_has_no_height_over_it():
    f = np.linspace(4.275e6, 4.277e6, 1001)
    found = fit_mode_of_arrays(f, recording(0, plain(f, peak=1e7), 50.0))
    assert found.peak_to_floor is None
    assert "no floor" in found.reason
    assert abs(found.gamma_hz.value - GAMMA) < 4 * found.gamma_hz.sigma
    assert "peak_to_floor" not in found.to_json()


@pytest.mark.parametrize(
    ("f", "values", "words"),
    [
        (np.arange(8.0), np.ones(8), "too few"),
        (np.arange(100.0), np.zeros(100), "zero everywhere"),
        (np.arange(100.0), np.full(100, np.nan), "not finite"),
        (AXIS, recording(0, np.ones(len(AXIS)), 1.0), "no peak"),
        (AXIS, recording(0, np.ones(len(AXIS)), 50.0), "no peak"),
        (AXIS, recording(0, np.exp((AXIS - START) / 500), 10.0), "no peak"),
        (AXIS, recording(0, plain(AXIS, gamma=0.5, peak=1e4), 50.0), "no wider"),
        (AXIS, recording(0, plain(AXIS, f0=START - 20.0), 100.0), "bound"),
        (AXIS, recording(0, plain(AXIS, peak=5.0), 1.0), r"uncertain|no peak"),
    ],
)
def test_recordings_that_carry_no_mode_are_refused(f, values, words):
    with pytest.raises(AnalysisRefused, match=words):
        fit_mode_of_arrays(f, values)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": "octaves"}, "none of"),
        ({"near_hz": 1.0}, "not in it"),
        ({"rbw_hz": -1.0}, "positive"),
        ({"averages": 0.0}, "positive"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(AnalysisRefused, match=words):
        fit_mode_of_arrays(AXIS, recording(0, plain(AXIS), 50.0), **options)


def test_negative_power_is_refused():
    with pytest.raises(AnalysisRefused, match="Is the scale dB"):
        fit_mode_of_arrays(AXIS, -plain(AXIS), scale="power")
