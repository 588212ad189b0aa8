"""Open-loop gain of a loop from a sine injected at its actuator while it is closed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.loop_gain import FEWEST_POINTS, ComplexArray, LoopGainFit, LoopModel, fit_loop
from labctl.spectra.acquisition import FloatArray

FEWEST_PIECES, MOST_PIECES = 4, 16  # of whole periods, over all records
MODEL_RELATIVE_SIGMA = 0.01
"""What an integrator with delay and the slope of an error signal that bends leave out, of each response."""


@dataclass(frozen=True)
class SineResponse:
    """Response of the error signal to an injected sine: `response` complex, error per drive, with the standard
    uncertainty `sigma` of each of its two parts."""

    response: complex
    sigma: float


def sine_response(
    records: FloatArray, sample_rate_hz: float, frequency_hz: float, amplitude: float, first_sample: int = 0
) -> SineResponse:
    """Fit the error signal's answer to a drive amplitude * sin(2 pi f t) in `records` (m, n), where t = 0 lies
    `first_sample` samples before the first one.

    The uncertainty comes from the scatter of pieces of whole periods. Refuses records that hold fewer than four.
    """
    y = np.atleast_2d(np.asarray(records, dtype=np.float64))
    period = sample_rate_hz / frequency_hz
    pieces = min(MOST_PIECES, int(y.shape[1] / period))
    if pieces * y.shape[0] < FEWEST_PIECES or period < 2.0:
        raise AnalysisRefused(f"Records of {y.shape} samples do not hold enough periods of {frequency_hz:g} Hz.")
    length = round(math.floor(y.shape[1] / pieces / period) * period)
    phasors = []
    for start in range(0, pieces * length, length):
        t = (first_sample + start + np.arange(length)) / sample_rate_hz
        turn = 2.0 * np.pi * frequency_hz * t
        basis = np.column_stack([np.sin(turn), np.cos(turn), np.ones(length)])
        parts, *_ = np.linalg.lstsq(basis, y[:, start : start + length].T, rcond=None)
        phasors.append(parts[0] + 1j * parts[1])
    all_phasors = np.concatenate(phasors) / amplitude
    scatter = float(np.mean([all_phasors.real.var(ddof=1), all_phasors.imag.var(ddof=1)]))
    return SineResponse(complex(all_phasors.mean()), math.sqrt(scatter / all_phasors.size))


def gain_from_swept_sine(
    frequency_hz: FloatArray, response: ComplexArray, sigma: FloatArray, *, clock_sigma_s: float = 0.0
) -> LoopGainFit:
    """Fit the loop from a sine injected at its actuator: `response` (n,) is the error signal per injected volt with the
    loop closed, `sigma` (n,) the uncertainty of its two parts each.

    The response is D A(f) / (1 + L(f)), with A what actuator and delay do to the sine. The slope D of the error signal,
    of either sign, is fitted, so the sweep has to reach well past the unity gain. The delay then shows in the phase of
    A alone, together with what the start of the records is off that of the sine: `clock_sigma_s` is the uncertainty of
    that, and moves the unity gain by 2 pi f_u of it. Refuses fewer than six points, and points that do not determine
    the unity gain within a fifth.
    """
    f = np.asarray(frequency_hz, dtype=np.float64)
    closed = np.asarray(response, dtype=np.complex128)
    if f.ndim != 1 or f.shape != closed.shape or f.size < FEWEST_POINTS:
        raise AnalysisRefused(f"A loop gain needs {FEWEST_POINTS} frequencies with one response each, not {f.shape}.")
    weight = 1.0 / np.hypot(sigma, MODEL_RELATIVE_SIGMA * np.abs(closed))

    def residuals(model: LoopModel) -> FloatArray:
        gain = model.gain(f)
        shape = gain * (1j * f / model.integrator_hz) / (1.0 + gain)
        slope = np.sum((shape.conj() * closed).real * weight**2) / np.sum(np.abs(shape * weight) ** 2)
        off = (closed - slope * shape) * weight
        return np.concatenate([off.real, off.imag])

    return fit_loop(residuals, (float(f[0]), float(f[-1])), clock_sigma_s)
