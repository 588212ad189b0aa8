"""Efficiency of the estimators of mechanical modes at the paper's acquisition: 50 traces, RBW 10 Hz, VBW 1 Hz.

Run as a program, prints the table over 400 seeds; takes some minutes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from efficiency import Row, Trial, table
from mechanics_data import (
    AXIS,
    F0,
    GAMMA,
    RECORD_S,
    STEP,
    VARIANCE,
    bound,
    fft_trace,
    information,
    power_ringdown_bound,
    ringdown,
    ringdown_bound,
    spectrum_of,
    swept,
    swept_trace,
    wishart,
    wishart_bound,
)
from scipy.optimize import curve_fit

from labctl.estimation.cross_spectral_modes import CoupledMode, CrossSpectralFit, fit_cross_spectral_modes
from labctl.estimation.cross_spectrum import CrossSpectrum
from labctl.estimation.estimate import Fit
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.estimation.mechanical_mode import ModeFit, ModeGuess, fit_mode
from labctl.estimation.mechanical_modes import ModesFit, fit_modes, resolve_doublet
from labctl.estimation.ringdown import RingdownFit, fit_ringdown
from labctl.estimation.ringdown_power import fit_ringdown_of_power
from labctl.physics.line_shape import lorentzian
from labctl.spectra.acquisition import GAUSSIAN_INDEPENDENCE_PER_RBW, Acquisition, Averaging, FilterShape
from labctl.spectra.trace import FloatArray, Spectrum

STATES = {  # peak over shot and floor of one mode
    "coherent": (5.0, 1.0),
    "individual": (5.0, 1 - (1 - VARIANCE) / 4),
    "joint sum": (5.0 / 4, VARIANCE),
}
RBW_HZ, FFT_AVERAGES = 10.0, 272
SPLITTING_HZ, SECOND_PEAK = 60.0, 3.0
SHOT = {"samples": 640, "step_s": 2e-4}
RATIO = 100.0


def rows() -> list[Row]:
    """Every row of the table."""
    found = []
    for state, (peak, floor) in STATES.items():
        found += _single_mode(f"swept, {state}", (F0, GAMMA, peak, floor))
    found += _single_mode("FFT K=272, coherent", (F0, GAMMA, 5.0, 1.0), fft=True)
    return [*found, *_naive_spectra(), *_four_modes(), *_doublet(), *_matrix(), *_ringdowns(), *_naive_ringdowns()]


def _of(fit: Callable[[int], Fit], name: str) -> Trial:
    return lambda seed: fit(seed).parameters[name]


def _single_mode(label: str, theta: tuple[float, float, float, float], *, fft: bool = False) -> list[Row]:
    @cache
    def fit(seed: int) -> ModeFit:
        return fit_mode(fft_trace(seed, theta, RBW_HZ, FFT_AVERAGES) if fft else swept_trace(seed, theta))

    record_s = FFT_AVERAGES / (GAUSSIAN_INDEPENDENCE_PER_RBW * RBW_HZ) if fft else RECORD_S
    sigma = bound(lambda x: spectrum_of(x, AXIS, swept()), theta, record_s * STEP)
    names = {"f0_hz": "f0", "gamma_hz": "Gamma", "peak_to_floor": "A", "floor": "V"}
    return [
        Row(f"{label}: {short}", _of(fit, name), truth, float(s), long=not fft)
        for (name, short), truth, s in zip(names.items(), theta, sigma, strict=True)
    ]


def _lorentzian_on_floor(f: FloatArray, f0: float, gamma: float, peak: float, floor: float) -> FloatArray:
    return floor + peak * lorentzian(f, f0, gamma)


def _least_squares_decibels(trace: Spectrum) -> tuple[float, float]:
    start = (F0, 40.0, 4.0, 1.0)
    found, covariance = curve_fit(
        lambda f, *x: 10 * np.log10(np.abs(_lorentzian_on_floor(f, *x))),
        trace.frequency_hz,
        10 * np.log10(trace.values),
        start,
    )
    return abs(float(found[1])), math.sqrt(covariance[1, 1])


def _least_squares_linear(trace: Spectrum) -> tuple[float, float]:
    found, covariance = curve_fit(_lorentzian_on_floor, trace.frequency_hz, trace.values, (F0, 40.0, 4.0, 1.0))
    return abs(float(found[1])), math.sqrt(covariance[1, 1])


def _width_below_top(trace: Spectrum) -> tuple[float, float]:
    """Width 3 dB below the top of the trace, floor and all, as a marker reads it."""
    half = trace.values.max() / 2
    above = np.flatnonzero(trace.values > half)
    return float(trace.frequency_hz[above[-1]] - trace.frequency_hz[above[0]]), math.nan


def _naive_spectra() -> list[Row]:
    theta = (F0, GAMMA, 5.0, 1.0)
    sigma = float(bound(lambda x: spectrum_of(x, AXIS, swept()), theta, RECORD_S * STEP)[1])
    ways = {
        "least squares on dB: Gamma": _least_squares_decibels,
        "least squares on power: Gamma": _least_squares_linear,
        "width 3 dB below top: Gamma": _width_below_top,
    }

    def trial(way: Callable[[Spectrum], tuple[float, float]]) -> Trial:
        return lambda seed: way(swept_trace(seed, theta))

    return [Row(f"swept, coherent, {name}", trial(way), GAMMA, sigma, naive=True) for name, way in ways.items()]


def _four_modes() -> list[Row]:
    """All four modes of the joint sum in one fit, each in a window of 2 kHz."""
    step = 4.0
    centres = [F0, F0 + 25e3, F0 + 62e3, F0 + 89e3]
    axis = np.concatenate([c - 3.7 + np.arange(-1000.0, 1000.0, step) for c in centres])
    peak, floor = STATES["joint sum"]
    theta = [x for c in centres for x in (c, GAMMA, peak)] + [floor]
    sigma = bound(lambda x: spectrum_of(x, axis, swept(step)), theta, RECORD_S * step)
    guesses = [ModeGuess(c + 10.0, 40.0) for c in centres]

    @cache
    def fit(seed: int) -> ModesFit:
        return fit_modes(swept_trace(seed, theta, axis, step), guesses)

    wanted = {"f0_hz_1": 0, "gamma_hz_1": 1, "gamma_hz_4": 10, "floor": 12}
    return [
        Row(f"joint sum, four modes: {name}", _of(fit, name), theta[i], float(sigma[i]), long=True)
        for name, i in wanted.items()
    ]


def _doublet() -> list[Row]:
    theta = (F0, GAMMA, 5.0, F0 + SPLITTING_HZ, GAMMA, SECOND_PEAK, 1.0)
    inverse = np.linalg.inv(information(lambda x: spectrum_of(x, AXIS, swept()), theta, RECORD_S * STEP))
    splitting = math.sqrt(inverse[0, 0] + inverse[3, 3] - 2 * inverse[0, 3])

    @cache
    def fit(seed: int) -> ModesFit:
        found = resolve_doublet(swept_trace(seed, theta)).two
        assert found is not None, "a doublet of this splitting is always resolved"
        return found

    return [
        Row("doublet: splitting", lambda seed: fit(seed).splitting_hz(), SPLITTING_HZ, splitting, long=True),
        Row("doublet: Gamma_1", _of(fit, "gamma_hz_1"), GAMMA, math.sqrt(inverse[1, 1]), long=True),
        Row("doublet: Gamma_2", _of(fit, "gamma_hz_2"), GAMMA, math.sqrt(inverse[4, 4]), long=True),
    ]


def _matrix() -> list[Row]:
    """4 x 4 matrix of the entangled state, one mode in the first channel, the whole Hermitian floor free."""
    step, m, peak = 8.0, 4, 5.0
    axis = F0 - 3.7 + np.arange(-1000.0, 1000.0, step)
    k = RECORD_S * step
    acquisition = Acquisition(0.1, 0.1, FilterShape.GAUSSIAN, Averaging.POWER, 1, k, independent_spacing_hz=0.1)
    floor = np.eye(m) + (VARIANCE - 1) / m * np.ones((m, m))
    pushed = np.zeros((m, m))
    pushed[0, 0] = peak

    def line(f0: float, gamma: float) -> FloatArray:
        return broadened_lorentzian(axis, f0, gamma, acquisition)

    covariance = floor + line(F0, GAMMA)[:, None, None] * pushed + 0j
    h = 1e-3
    by_f0 = (line(F0 + h, GAMMA) - line(F0 - h, GAMMA)) / (2 * h)
    by_gamma = (line(F0, GAMMA + h) - line(F0, GAMMA - h)) / (2 * h)
    slopes = [shape[:, None, None] * pushed for shape in (by_f0, by_gamma, line(F0, GAMMA) / peak)]
    for i in range(m):
        for j in range(i, m):
            for unit in (1.0, 1j)[: 1 if i == j else 2]:
                constant = np.zeros((m, m), np.complex128)
                constant[i, j] = unit
                constant[j, i] = np.conj(unit)
                slopes.append(np.broadcast_to(constant, covariance.shape))
    sigma = wishart_bound(covariance, np.array(slopes, dtype=np.complex128), k)

    @cache
    def fit(seed: int) -> CrossSpectralFit:
        csd = wishart(np.random.default_rng(seed), covariance, k)
        cross = CrossSpectrum(axis, csd, k, step)
        return fit_cross_spectral_modes(cross, [CoupledMode(ModeGuess(F0 + 9, 40.0), 0)], acquisition=acquisition)

    truths = {"f0_hz_1": F0, "gamma_hz_1": GAMMA, "peak_1": peak}
    return [
        Row(f"4x4 matrix: {name}", _of(fit, name), truth, float(s), long=True)
        for (name, truth), s in zip(truths.items(), sigma, strict=False)
    ]


def _ringdowns() -> list[Row]:
    found = []
    for label, thermal, white in (("thermal motion", 1.0, 0.0), ("with noise", 1.0, 10.0)):
        sigma = ringdown_bound(**SHOT, ratio=RATIO, thermal=thermal, white=white)

        def fit(seed: int, thermal: float = thermal, white: float = white) -> RingdownFit:
            return fit_ringdown(
                *ringdown(seed, **SHOT, ratio=RATIO, thermal=thermal, white=white, offset_hz=130.0), carrier_hz=F0
            )

        found.append(Row(f"ringdown R=100, {label}: Gamma", _of(fit, "gamma_hz"), GAMMA, sigma))
    sigma = power_ringdown_bound(**SHOT, ratio=RATIO, white=1.0)
    found.append(Row("ringdown of power, 40 dB: Gamma", lambda s: _power_ringdown(s).gamma_hz, GAMMA, sigma))
    return found


def _noisy_power(seed: int) -> tuple[FloatArray, FloatArray]:
    t, y = ringdown(seed, **SHOT, ratio=RATIO, thermal=0.0, white=1.0, offset_hz=130.0)
    return t, np.abs(y) ** 2


@cache
def _power_ringdown(seed: int) -> RingdownFit:
    return fit_ringdown_of_power(*_noisy_power(seed))


def _naive_ringdowns() -> list[Row]:
    sigma = power_ringdown_bound(**SHOT, ratio=RATIO, white=1.0)

    def straight_line(seed: int) -> tuple[float, float]:
        """A straight line through all decibels, floor and all."""
        t, p = _noisy_power(seed)
        return -float(np.polyfit(t, np.log(p), 1)[0]) / (2 * math.pi), math.nan

    def no_floor(seed: int) -> tuple[float, float]:
        """Least squares of an exponential on power, unweighted, without floor."""
        t, p = _noisy_power(seed)
        found, covariance = curve_fit(lambda t, a, rate: a * np.exp(-rate * t), t, p, (RATIO**2, 250.0))
        return float(found[1]) / (2 * math.pi), math.sqrt(covariance[1, 1]) / (2 * math.pi)

    return [
        Row("ringdown, straight line on dB: Gamma", straight_line, GAMMA, sigma, naive=True),
        Row("ringdown, least squares on power: Gamma", no_floor, GAMMA, sigma, naive=True),
    ]


if __name__ == "__main__":
    print(table(rows()))  # noqa: T201
