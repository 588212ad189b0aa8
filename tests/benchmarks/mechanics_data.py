"""Data of mechanical modes at the paper's acquisition, drawn from the closed forms, and their Cramer-Rao bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve, lfilter
from scipy.special import ive

from labctl.estimation.line_shape import broadened_lorentzian
from labctl.physics.line_shape import lorentzian
from labctl.spectra.trace import Acquisition, FloatArray, Spectrum, Unit

ComplexArray = npt.NDArray[np.complex128]

F0, GAMMA, SPAN, STEP = 4.276e6, 50.0, 2000.0, 2.0
"""Hz: centre, FWHM, span and point spacing; Gamma and span are those of the published table of uncertainties."""
AXIS = F0 - 3.7 + np.arange(-SPAN / 2, SPAN / 2 + STEP / 2, STEP)
VARIANCE = 0.4266
"""-3.7 dB, of the joint quadrature."""
PAPER = Acquisition.of_analyzer(10.0, 1.0, 50, sweep_rate_hz_per_s=4.0)
assert PAPER.independent_spacing_hz is not None
RECORD_S = PAPER.effective_k / PAPER.independent_spacing_hz
"""188 s: the continuous record that a swept measurement of 50 traces at RBW 10 Hz and VBW 1 Hz is worth."""


def swept(step_hz: float = STEP) -> Acquisition:
    """The paper's swept acquisition, its independent cells gathered into points `step_hz` apart."""
    return replace(PAPER, effective_k=RECORD_S * step_hz, independent_spacing_hz=step_hz / 4)


def spectrum_of(theta: Sequence[float] | FloatArray, axis: FloatArray, acquisition: Acquisition) -> FloatArray:
    """S (n,) of lines; theta = (f0, Gamma, A) of each, then V."""
    s = np.full(len(axis), float(theta[-1]))
    for j in range(len(theta) // 3):
        s += theta[3 * j + 2] * broadened_lorentzian(axis, theta[3 * j], theta[3 * j + 1], acquisition)
    return s


def swept_trace(seed: int, theta: Sequence[float], axis: FloatArray = AXIS, step_hz: float = STEP) -> Spectrum:
    """Independent points of a swept trace, each drawn from Gamma(K, S/K)."""
    acquisition = swept(step_hz)
    k = acquisition.effective_k
    power = np.random.default_rng(seed).gamma(k, spectrum_of(theta, axis, acquisition) / k)
    return Spectrum(axis, power, Unit.RATIO_TO_SHOT, acquisition)


def fft_trace(seed: int, theta: Sequence[float], rbw_hz: float, averages: int) -> Spectrum:
    """Power of white complex noise shaped by the spectrum, then by the Gaussian filter: neighbours correlate."""
    rng = np.random.default_rng(seed)
    fine = np.arange(AXIS[0] - 4 * rbw_hz, AXIS[-1] + 4 * rbw_hz + 1, STEP)
    s = theta[3] + theta[2] * lorentzian(fine, theta[0], theta[1])
    offset = np.arange(-4 * rbw_hz, 4 * rbw_hz + 1, STEP)
    response = np.exp(-(offset**2) / (4 * (rbw_hz / 2.3548) ** 2))
    response /= math.sqrt(float((response**2).sum()))
    power = np.zeros(len(fine))
    for _ in range(averages // 16):
        white = rng.standard_normal((16, len(fine))) + 1j * rng.standard_normal((16, len(fine)))
        power += (np.abs(fftconvolve(white * np.sqrt(s / 2), response[None], "same", axes=1)) ** 2).sum(axis=0)
    shown = np.interp(AXIS, fine, power / averages)
    return Spectrum(AXIS, shown, Unit.RATIO_TO_SHOT, Acquisition.of_analyzer(rbw_hz, 1e4, averages))


def bound(model: Callable[[FloatArray], FloatArray], theta: Sequence[float], cells: float) -> FloatArray:
    """Cramer-Rao standard deviations: `model` gives S at points that each hold `cells` independent averages."""
    return np.sqrt(np.diag(np.linalg.inv(information(model, theta, cells))))


def information(model: Callable[[FloatArray], FloatArray], theta: Sequence[float], cells: float) -> FloatArray:
    """Fisher information of points drawn from Gamma(cells, S/cells), by central differences."""
    at = np.asarray(theta, dtype=np.float64)
    columns = []
    for i, value in enumerate(at):
        h = np.zeros(len(at))
        h[i] = 1e-3 if abs(value) > 1e5 else 1e-4 * abs(value)
        columns.append((model(at + h) - model(at - h)) / (2 * h[i]))
    slopes = np.column_stack(columns) / model(at)[:, None]
    return np.asarray(cells * slopes.T @ slopes)


def wishart(rng: np.random.Generator, covariance: ComplexArray, k: float) -> ComplexArray:
    """Mean of k outer products of complex normal vectors of given covariance (F, M, M), by Bartlett's decomposition."""
    f, m, _ = covariance.shape
    factor = np.zeros((f, m, m), np.complex128)
    for i in range(m):
        factor[:, i, i] = np.sqrt(rng.gamma(k - i, 1.0, f))
        for j in range(i):
            factor[:, i, j] = (rng.standard_normal(f) + 1j * rng.standard_normal(f)) / math.sqrt(2)
    root = np.linalg.cholesky(covariance) @ factor
    return np.asarray(root @ root.conj().transpose(0, 2, 1) / k)


def wishart_bound(covariance: ComplexArray, slopes: ComplexArray, k: float) -> FloatArray:
    """Cramer-Rao standard deviations from K tr(C^-1 dC_a C^-1 dC_b); slopes (p, F, M, M)."""
    inverse = np.linalg.inv(covariance)
    weighted = inverse @ slopes
    p = len(slopes)
    total = np.array(
        [[float(np.einsum("fij,fji->", weighted[a], weighted[b]).real) for b in range(p)] for a in range(p)]
    )
    return np.sqrt(np.diag(np.linalg.inv(k * total)))


def ringdown(
    seed: int, *, samples: int, step_s: float, ratio: float, thermal: float, white: float, offset_hz: float
) -> tuple[FloatArray, ComplexArray]:
    """Times and complex envelope of a decay from `ratio`, with thermal motion and white noise of given variances."""
    rng = np.random.default_rng(seed)

    def normal(n: int) -> ComplexArray:
        return np.asarray((rng.standard_normal(n) + 1j * rng.standard_normal(n)) / math.sqrt(2))

    t = step_s * np.arange(samples)
    turn = 2j * math.pi * offset_hz - math.pi * GAMMA
    phi = np.exp(turn * step_s)
    settled = 2000
    drive = normal(samples + settled) * math.sqrt(thermal * (1 - abs(phi) ** 2))
    motion = lfilter([1.0], [1.0, -phi], drive)[settled:]
    return t, ratio * np.exp(turn * t) + motion + math.sqrt(white) * normal(samples)


def ringdown_bound(*, samples: int, step_s: float, ratio: float, thermal: float, white: float) -> float:
    """Bound on Gamma, Hz: mean and covariance both depend on it; amplitude, offset and both variances are free."""
    t = step_s * np.arange(samples)
    lag = np.abs(t[:, None] - t)
    colour = np.exp(-math.pi * GAMMA * lag)
    covariance = thermal * colour + white * np.eye(samples)
    inverse = np.linalg.inv(covariance)
    decay = ratio * np.exp(-math.pi * GAMMA * t)
    means = np.column_stack([-math.pi * t * decay, decay / ratio]).astype(np.complex128)
    by = [-math.pi * thermal * lag * colour, None, colour, np.eye(samples) if white > 0 else None]
    size = 4 if white > 0 else 3
    total = np.zeros((size, size))
    total[:2, :2] = 2 * (means.conj().T @ inverse @ means).real
    weighted = [inverse @ d if d is not None else None for d in by]
    for a in range(size):
        for b in range(size):
            wa, wb = weighted[a], weighted[b]
            if wa is not None and wb is not None:
                total[a, b] += float(np.einsum("ij,ji->", wa, wb))
    return float(math.sqrt(np.linalg.inv(total)[0, 0]))


def power_ringdown_bound(*, samples: int, step_s: float, ratio: float, white: float) -> float:
    """Bound on Gamma, Hz, from |envelope|^2 alone, white noise only: information of the Rice density of each point."""
    t = step_s * np.arange(samples)
    signal = ratio**2 * np.exp(-2 * math.pi * GAMMA * t)
    total = np.zeros((3, 3))
    for s, time in zip(signal, t, strict=True):
        width = math.sqrt(2 * s * white + white**2)
        p = np.linspace(max(0.0, s - 9 * width), s + white + 14 * width, 4001)
        x = 2 * np.sqrt(p * s) / white
        density = np.exp(-((np.sqrt(p) - math.sqrt(s)) ** 2) / white) * ive(0, x) / white
        bessel = ive(1, x) / ive(0, x)
        by_signal = -1 / white + np.sqrt(p / s) / white * bessel
        by_white = -1 / white + (p + s) / white**2 - x / white * bessel
        slopes = np.array([by_signal * s * -2 * math.pi * time, by_signal * s, by_white])
        total += np.trapezoid(slopes[:, None] * slopes[None] * density, p, axis=-1)
    return float(math.sqrt(np.linalg.inv(total)[0, 0]))
