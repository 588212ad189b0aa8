"""The inner loops of the stream, compiled: they let go of the interpreter, so threads run them side by side.

Taps come padded to whole unrolled vectors (`TAPS_MULTIPLE`); without that the rest of each sum runs sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
import numpy.typing as npt

P = ParamSpec("P")
R = TypeVar("R")
Samples = npt.NDArray[np.int16] | npt.NDArray[np.float32]
Singles = npt.NDArray[np.float32]

TAPS_MULTIPLE = 64


def _compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile at first use, keep on disk, let sums be reordered."""
    made: Any = numba.njit(nogil=True, fastmath=True, error_model="numpy", cache=True)(function)
    compiled: Callable[P, R] = made
    return compiled


@_compiled
def mix_and_decimate(
    samples: Samples,
    decimation: int,
    tap_re: Singles,
    tap_im: Singles,
    phasor: complex,
    step: complex,
    out_re: Singles,
    out_im: Singles,
) -> None:
    """out[m] = phasor step^m sum_k tap[k] samples[m D + k]: filter, oscillator and decimation in one."""
    length = len(tap_re)
    rotation_re, rotation_im = phasor.real, phasor.imag
    for m in range(len(out_re)):
        window = samples[m * decimation : m * decimation + length]
        re = np.float32(0.0)
        im = np.float32(0.0)
        for k in range(length):
            value = np.float32(window[k])
            re += value * tap_re[k]
            im += value * tap_im[k]
        out_re[m] = np.float32(re * rotation_re - im * rotation_im)
        out_im[m] = np.float32(re * rotation_im + im * rotation_re)
        turned = rotation_re * step.real - rotation_im * step.imag
        rotation_im = rotation_re * step.imag + rotation_im * step.real
        rotation_re = turned


@_compiled
def decimate(in_re: Singles, in_im: Singles, decimation: int, taps: Singles, out: npt.NDArray[np.complex64]) -> None:
    """out[m] = sum_k taps[k] in[m D + k]."""
    length = len(taps)
    for m in range(len(out)):
        window_re = in_re[m * decimation : m * decimation + length]
        window_im = in_im[m * decimation : m * decimation + length]
        re = np.float32(0.0)
        im = np.float32(0.0)
        for k in range(length):
            re += window_re[k] * taps[k]
            im += window_im[k] * taps[k]
        out[m] = complex(re, im)


@_compiled
def add_products(spectra: npt.NDArray[np.complex128], first: int, total: npt.NDArray[np.complex128]) -> None:
    """total[p, f] += conj(X_i) X_j at bin (first + f) mod n, p counting the pairs i <= j row by row."""
    channels, n = spectra.shape
    count = total.shape[1]
    head = min(count, n - first)
    p = 0
    for i in range(channels):
        for j in range(i, channels):
            x, y = spectra[i], spectra[j]
            row = total[p]
            for f in range(head):
                row[f] += x[first + f].conjugate() * y[first + f]
            for f in range(head, count):
                row[f] += x[f - head].conjugate() * y[f - head]
            p += 1
