"""The Whittle fit of one mode: bias, efficiency, coverage, and what it refuses."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad_vec
from scipy.signal import fftconvolve, lfilter

from labctl.errors import AnalysisRefused
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.estimation.mechanical_mode import ModeGuess, fit_mode
from labctl.physics.line_shape import lorentzian
from labctl.spectra.trace import Acquisition, Averaging, Detector, FilterShape, Spectrum, Unit

F_START = 4.275e6
AXIS = F_START + np.arange(0.0, 2000.1, 2.0)
TRUTH = {"f0_hz": F_START + 1003.3, "gamma_hz": 41.0, "peak_to_floor": 5.0, "floor": 1.0}
SWEPT = Acquisition.of_analyzer(10.0, 1.0, 50, sweep_rate_hz_per_s=4.0)


def expected(acquisition, axis=AXIS, **changes):
    t = TRUTH | changes
    return t["floor"] + t["peak_to_floor"] * broadened_lorentzian(axis, t["f0_hz"], t["gamma_hz"], acquisition)


def independent_trace(seed, acquisition=SWEPT, axis=AXIS, extra=0.0, **changes):
    """Points drawn one by one from Gamma(K, S/K)."""
    k = acquisition.effective_k
    s = expected(acquisition, axis, **changes) + extra
    return Spectrum(axis, np.random.default_rng(seed).gamma(k, s / k), Unit.RATIO_TO_SHOT, acquisition)


def fft_mode_trace(seed, rbw_hz=10.0, averages=60):
    """White complex noise shaped by the spectrum, then by the filter: neighbours correlate as in the instrument."""
    rng = np.random.default_rng(seed)
    margin = 6 * rbw_hz
    fine = np.arange(AXIS[0] - margin, AXIS[-1] + margin + 0.5)
    s = TRUTH["floor"] + TRUTH["peak_to_floor"] * lorentzian(fine, TRUTH["f0_hz"], TRUTH["gamma_hz"])
    offset = np.arange(-math.ceil(5 * rbw_hz), math.ceil(5 * rbw_hz) + 1.0)
    response = np.exp(-(offset**2) / (4 * (rbw_hz / 2.3548) ** 2))
    response /= math.sqrt((response**2).sum())
    shape = (averages, len(fine))
    white = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) * np.sqrt(s / 2)
    power = (np.abs(fftconvolve(white, response[None], mode="same", axes=1)) ** 2).mean(axis=0)
    acquisition = Acquisition.of_analyzer(rbw_hz, 1e4, averages)
    return Spectrum(AXIS, np.interp(AXIS, fine, power), Unit.RATIO_TO_SHOT, acquisition)


def pulls_of(traces):
    fits = [fit_mode(trace) for trace in traces]
    return np.array(
        [[(fit.parameters[n].value - TRUTH[n]) / fit.parameters[n].sigma for n in fit.names] for fit in fits]
    )


def require_honest(pulls):
    """Bias, scatter and coverage within 3.5 standard errors of 0 (0.1 allowed), 1 and 68.3 %.

    Sigma is the Cramer-Rao bound for independent points, so a scatter of 1 is an efficiency of 1.
    """
    n = len(pulls)
    assert (np.abs(pulls.mean(axis=0)) < 0.1 + 3.5 / math.sqrt(n)).all()
    assert (np.abs(pulls.std(axis=0, ddof=1) - 1) < 0.05 + 3.5 / math.sqrt(2 * n)).all()
    assert (np.abs((np.abs(pulls) < 1).mean(axis=0) - 0.683) < 3.5 * math.sqrt(0.683 * 0.317 / n)).all()


def test_thirty_swept_traces_are_fitted_honestly():
    require_honest(pulls_of(independent_trace(seed) for seed in range(30)))


def test_thirty_correlated_traces_are_fitted_honestly():
    require_honest(pulls_of(fft_mode_trace(seed) for seed in range(30)))


@pytest.mark.slow
def test_many_swept_traces_are_fitted_honestly():
    pulls = pulls_of(independent_trace(seed) for seed in range(1000, 1400))
    require_honest(pulls)
    efficiency = 1 / pulls.var(axis=0, ddof=1)
    assert (efficiency > 0.9 - 3 * math.sqrt(2 / len(pulls))).all()


@pytest.mark.slow
def test_many_correlated_traces_are_fitted_honestly():
    require_honest(pulls_of(fft_mode_trace(seed) for seed in range(1000, 1150)))


def information_bound(peak, floor, gamma, span):
    """sigma sqrt(T) of (f0, Gamma, A/A, V/V): inverse of Int df d_a lnS d_b lnS of a Lorentzian on a floor."""

    def information(f):
        x = 2 * f / gamma
        line = 1 / (1 + x**2)
        slopes = np.array([4 * peak * x * line**2 / gamma, 2 * peak * (x * line) ** 2 / gamma, peak * line, floor])
        slopes /= floor + peak * line
        return np.outer(slopes, slopes)

    total = quad_vec(information, -span / 2, span / 2, points=[-gamma, 0.0, gamma], epsrel=1e-8)[0]
    return np.sqrt(np.diag(np.linalg.inv(total)))


def test_the_bound_of_a_known_case():
    """A = 5, V = 1, Gamma = 50 Hz, 2 kHz: 4.00, 9.89, 22.8 %, 2.57 %."""
    assert information_bound(5.0, 1.0, 50.0, 2000.0) == pytest.approx([4.00, 9.89, 0.228, 0.0257], rel=3e-3)


@pytest.mark.parametrize(("peak", "floor"), [(5.0, 1.0), (5.0, 0.857), (1.25, 0.4266), (1.25, 1.0)])
def test_uncertainties_are_the_information_bound(peak, floor):
    """Noise-free spectrum of independent points 1 Hz apart, so that K is the record time in seconds."""
    axis = np.arange(-1000.0, 1000.5, 1.0)
    k = 1e4
    acquisition = Acquisition(0.1, 0.106, FilterShape.GAUSSIAN, Averaging.POWER, 1, k, independent_spacing_hz=0.1)
    s = expected(acquisition, axis, f0_hz=0.0, gamma_hz=50.0, peak_to_floor=peak, floor=floor)
    fit = fit_mode(Spectrum(axis, s, Unit.RATIO_TO_SHOT, acquisition))
    sigma = [fit.f0_hz.sigma, fit.gamma_hz.sigma, fit.peak_to_floor.relative_sigma, fit.floor.relative_sigma]
    assert np.array(sigma) * math.sqrt(k) == pytest.approx(information_bound(peak, floor, 50.0, 2000.0), rel=0.005)


@pytest.mark.parametrize(("rate", "gamma", "f0"), [(4.0, 0.72, 0.29), (None, 2.3, 0.94)])
def test_the_paper_s_acquisition_gives_its_uncertainties(rate, gamma, f0):
    """50 traces at RBW 10 Hz, VBW 1 Hz: swept at 4 Hz/s, and in FFT mode; Gamma 50 Hz."""
    acquisition = Acquisition.of_analyzer(10.0, 1.0, 50, sweep_rate_hz_per_s=rate)
    axis = F_START + np.arange(0.0, 2000.1, 0.5)
    trace = Spectrum(axis, expected(acquisition, axis, gamma_hz=50.0), Unit.RATIO_TO_SHOT, acquisition)
    fit = fit_mode(trace)
    assert fit.gamma_hz.sigma == pytest.approx(gamma, rel=0.08)
    assert fit.f0_hz.sigma == pytest.approx(f0, rel=0.08)


@pytest.mark.parametrize("rbw_hz", [3.0, 10.0, 30.0])
def test_the_filter_is_taken_out(rbw_hz):
    """Noise-free: exact; a Lorentzian fitted to the same points would be 0.4, 4 and 29 % too wide."""
    acquisition = Acquisition.of_analyzer(rbw_hz, 1e4, 500)
    fit = fit_mode(Spectrum(AXIS, expected(acquisition), Unit.RATIO_TO_SHOT, acquisition))
    for name, truth in TRUTH.items():
        assert fit.parameters[name].value == pytest.approx(truth, rel=1e-4)
    assert fit.model(AXIS, acquisition) == pytest.approx(expected(acquisition), rel=1e-4)


def test_welch_records_of_a_simulated_oscillator():
    """An AR(1) envelope plus white noise through Hann records: the fit finds what was put in, within 4 sigma."""
    rng = np.random.default_rng(7)
    rate, n, records = 2000.0, 512, 300
    step = np.exp((2j * np.pi * 150.0 - np.pi * 41.0) / rate)
    total = n * records
    drive = (rng.standard_normal(total) + 1j * rng.standard_normal(total)) / math.sqrt(2)
    variance = 5.0 * math.pi * 41.0 / 2 / rate  # area pi A Gamma / 2 over a band of `rate`, where shot is 1
    mode = lfilter([1.0], [1.0, -step], drive * math.sqrt(variance * (1 - abs(step) ** 2)))
    shot = (rng.standard_normal(total) + 1j * rng.standard_normal(total)) / math.sqrt(2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    spectra = np.abs(np.fft.fft((mode + shot).reshape(records, n) * window, axis=1)) ** 2 / (window**2).sum()
    frequency = np.fft.fftshift(np.fft.fftfreq(n, 1 / rate))
    trace = Spectrum(
        frequency, np.fft.fftshift(spectra.mean(0)), Unit.RATIO_TO_SHOT, Acquisition.of_hann_records(rate / n, records)
    ).within((-600, 600))
    fit = fit_mode(trace)
    for estimate, truth in ((fit.f0_hz, 150.0), (fit.gamma_hz, 41.0), (fit.peak_to_floor, 5.0), (fit.floor, 1.0)):
        assert abs(estimate.value - truth) < 4 * estimate.sigma
    assert fit.gamma_hz.relative_sigma < 0.06


@pytest.mark.parametrize("k", [1.0, 5.0, 50.0])
def test_noise_alone_shows_no_peak(k):
    acquisition = replace(SWEPT, effective_k=k)
    for seed in range(10):
        with pytest.raises(AnalysisRefused, match="no peak"):
            fit_mode(independent_trace(seed, acquisition, peak_to_floor=0.0))


def test_a_line_that_one_short_look_cannot_measure_is_refused():
    acquisition = replace(SWEPT, rbw_hz=2.0, effective_k=1.0)
    with pytest.raises(AnalysisRefused, match="too uncertain"):
        fit_mode(independent_trace(0, acquisition))


def test_a_line_beyond_the_edge_or_broader_than_the_span_is_refused():
    with pytest.raises(AnalysisRefused, match="bound"):
        fit_mode(independent_trace(0, f0_hz=F_START - 30))
    with pytest.raises(AnalysisRefused, match=r"bound|broad"):
        fit_mode(independent_trace(0, gamma_hz=3000.0))


def test_too_few_points_are_refused():
    with pytest.raises(AnalysisRefused, match="too few"):
        fit_mode(independent_trace(0, axis=AXIS[490:508]))
    correlated = Acquisition.of_analyzer(100.0, 1e4, 50)
    with pytest.raises(AnalysisRefused, match="independent"):
        fit_mode(independent_trace(0, correlated, axis=AXIS[400:600]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": Unit.V2_PER_HZ}, "shot noise"),
        ({"acquisition": replace(SWEPT, averaging=Averaging.LOG)}, "log average"),
        ({"acquisition": replace(SWEPT, detector=Detector.PEAK)}, "detector"),
        ({"values": -np.ones(len(AXIS))}, "positive"),
    ],
)
def test_unsuitable_spectra_are_refused(change, words):
    with pytest.raises(AnalysisRefused, match=words):
        fit_mode(replace(independent_trace(0), **change))


def test_a_second_mode_is_reported():
    plain = fit_mode(independent_trace(3))
    assert plain.reason == ""
    assert 0.8 < plain.chi2_per_dof < 1.2
    doublet = fit_mode(independent_trace(3, extra=3 * lorentzian(AXIS, TRUTH["f0_hz"] + 150, 41.0)))
    assert "second mode" in doublet.reason


def test_a_guess_does_no_harm():
    trace = independent_trace(4)
    free = fit_mode(trace)
    for guess in (ModeGuess(TRUTH["f0_hz"], 41.0), ModeGuess(AXIS[3], 500.0)):
        guided = fit_mode(trace, guess=guess)
        assert guided.f0_hz.value == pytest.approx(free.f0_hz.value, abs=1e-2 * free.f0_hz.sigma)
        assert guided.gamma_hz.value == pytest.approx(free.gamma_hz.value, abs=1e-2 * free.gamma_hz.sigma)


def test_the_shot_reference_adds_to_heights_only():
    trace = independent_trace(5)
    free, scaled = fit_mode(trace), fit_mode(trace, normalisation_relative_sigma=0.05)
    assert scaled.f0_hz.sigma == free.f0_hz.sigma
    assert scaled.gamma_hz.sigma == free.gamma_hz.sigma
    for name in ("peak_to_floor", "floor"):
        added = math.sqrt(scaled.parameters[name].sigma ** 2 - free.parameters[name].sigma ** 2)
        assert added == pytest.approx(0.05 * free.parameters[name].value, rel=1e-6)
    assert scaled.correlation("peak_to_floor", "floor") > free.correlation("peak_to_floor", "floor")


@pytest.mark.parametrize("shape", list(FilterShape))
def test_line_shapes_keep_their_area_and_match_a_numerical_convolution(shape):
    width = 12.0
    acquisition = Acquisition(
        width, width * (1.0645 if shape is FilterShape.GAUSSIAN else 1.0), shape, Averaging.POWER, 1, 1
    )
    fine = np.linspace(-4000.0, 4000.0, 80001)
    if shape is FilterShape.GAUSSIAN:
        kernel = np.exp(-4 * math.log(2) * (fine / width) ** 2)
    else:
        record = (1.5 if shape is FilterShape.HANN else 1.0) / width
        amplitude = np.sinc(fine * record)
        if shape is FilterShape.HANN:
            amplitude = amplitude + 0.5 * (np.sinc(fine * record - 1) + np.sinc(fine * record + 1))
        kernel = amplitude**2
    numerical = fftconvolve(lorentzian(fine, 20.0, 41.0), kernel / kernel.sum(), mode="same")
    near = slice(len(fine) // 2 - 2000, len(fine) // 2 + 2000)
    assert broadened_lorentzian(fine[near], 20.0, 41.0, acquisition) == pytest.approx(numerical[near], abs=2e-3)
    area = broadened_lorentzian(np.arange(-1e5, 1e5, 1.0), 20.0, 41.0, acquisition).sum()
    assert area == pytest.approx(math.pi * 41.0 / 2, rel=1e-3)
