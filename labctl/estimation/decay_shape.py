"""What a decay shows besides one exponential: a second slope, beats, or steps.

Each is a curve that could be added to the fitted decay. The curves are whitened as the data are, what the fit has
already used is taken out, and the one that explains most of the residual is compared with what noise would explain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.spectra.acquisition import FloatArray

ComplexArray = npt.NDArray[np.complex128]

FALSE_WARNING_PROBABILITY = 1e-4
SECOND_RATES = (0.2, 0.4, 0.6, 1.6, 2.5, 5.0)
"""Rates of a second decay, in units of the first."""
MOST_STEPS = 600
BEATS_TRIED = 64
SMALLEST_BEATS = 1.0
"""Fewest cycles of a beat within the decay."""
ENERGY_FLOOR = 1e-6


@dataclass(frozen=True)
class ShapeFault:
    """A departure from one exponential: in words, and the part of the residual's energy that it explains."""

    words: str
    part: float


def curves(
    decay: FloatArray, time_s: FloatArray, decay_time_s: float, *, complex_valued: bool
) -> dict[str, ComplexArray]:
    """Curves (n, m) that could be added to `decay` (n,), by name; `time_s` from the start of the decay.

    decay_time_s: 1/e time of `decay`. In power or amplitude, beats have a cosine and a sine; in a complex envelope
    another mode turns either way.
    """
    tau = time_s / decay_time_s
    span = float(time_s[-1] - time_s[0])
    seen = min(span, 5 * decay_time_s)
    second = np.column_stack([tau**2 * decay, *(decay[0] * np.exp(-rate * tau) for rate in SECOND_RATES)])
    at = np.arange(2, max(3, int(np.searchsorted(time_s, time_s[0] + 0.9 * seen))))
    places = time_s[at[:: 1 + len(at) // MOST_STEPS]]  # whitened, a step is one sample: none may be left out
    steps = decay[:, None] * (time_s[:, None] >= places)
    fastest = min(len(time_s) / (2.2 * span), BEATS_TRIED / seen)
    beat_hz = np.linspace(SMALLEST_BEATS / seen, fastest, BEATS_TRIED)
    turning = decay[:, None] * np.exp(2j * math.pi * time_s[:, None] * beat_hz)
    beats = [turning, turning.conj()] if complex_valued else [turning.real, turning.imag]
    return {
        "two slopes": np.asarray(second, np.complex128),
        "a step": np.asarray(steps, np.complex128),
        "beats": np.asarray(np.column_stack(beats), np.complex128),
    }


def shape_fault(
    residual: npt.NDArray[np.inexact], jacobian: npt.NDArray[np.inexact], tried: dict[str, ComplexArray]
) -> ShapeFault | None:
    """The curve that explains most, if noise would not; `residual` (n,), `jacobian` (n, p) and curves are whitened.

    For n samples of noise the part explained by one curve follows Beta(d/2, (n - d)/2), d degrees of freedom: two for a
    complex coefficient or a cosine with its sine, one for a real one.
    """
    orthogonal, _ = np.linalg.qr(jacobian)
    rest = residual - orthogonal @ (orthogonal.conj().T @ residual)
    energy = float((np.abs(rest) ** 2).sum())
    n = len(rest) - jacobian.shape[1]
    if energy <= 0 or n < 8:
        return None
    is_complex = np.iscomplexobj(residual)
    best: tuple[float, str] = (0.0, "")
    count = sum(c.shape[1] for c in tried.values())
    for name, whitened in tried.items():
        c = whitened if is_complex else whitened.real
        c = c - orthogonal @ (orthogonal.conj().T @ c)
        own = (np.abs(c) ** 2).sum(axis=0)
        usable = own > ENERGY_FLOOR * (np.abs(whitened) ** 2).sum(axis=0)
        part = np.where(usable, np.abs(c.conj().T @ rest) ** 2 / np.where(usable, own, 1.0), 0.0) / energy
        if name == "beats" and not is_complex:
            half = len(part) // 2
            part = part[:half] + part[half:]
        best = max(best, (float(part.max()), name))
    degrees = n if is_complex else n / 2
    limit = 1 - (FALSE_WARNING_PROBABILITY / count) ** (1 / max(degrees - 1, 1))
    return ShapeFault(best[1], best[0]) if best[0] > limit else None
