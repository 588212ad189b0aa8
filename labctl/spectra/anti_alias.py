"""Filters in front of a decimation: moving averages with spread notches, and a flat Kaiser low-pass behind them.

Frequencies nu are in cycles per input sample of the filter. Only what folds into the band has to be stopped: the
bands k / D +- a, for k = 1 ... D - 1, a being half the width of the wanted band.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft

from labctl.spectra.acquisition import FloatArray

KAISER_LENGTH_PER_DB = 1 / 2.285
"""Kaiser's rule: taps = (A - 7.95 dB) / 2.285 / (transition in rad per sample)."""
KAISER_OFFSET_DB = 7.95
DESIGN_GRID_PER_TAP = 16
DROOP_TURNS = 3


def notch_offsets(order: int, half_width: float) -> FloatArray:
    """Offsets (order,) of the notches from k / D: Chebyshev's points, which level the ripple between them."""
    i = np.arange(1, order + 1)
    return np.asarray(half_width * np.cos((2 * i - 1) * math.pi / (2 * order)))


def spread_moving_averages(decimation: int, order: int, half_width: float) -> FloatArray:
    """Taps (order (D - 1) + 1,), symmetric, gain 1 at nu = 0: `order` moving averages over D samples, each with its
    notches moved from k / D by one of `notch_offsets`.

    It stops the bands k / D +- half_width by 2 (r / 2)^order, r being what one plain average leaves at their edge.
    """
    n = np.arange(decimation) - (decimation - 1) / 2
    taps = np.ones(1, dtype=np.complex128)
    for offset in notch_offsets(order, half_width):
        taps = np.convolve(taps, np.exp(2j * math.pi * offset * n))
    return np.asarray(taps.real / taps.real.sum())


def spread_response(nu: FloatArray, decimation: int, order: int, half_width: float) -> FloatArray:
    """Amplitude response of `spread_moving_averages` at nu, of either sign, in closed form (about its centre)."""
    offsets = notch_offsets(order, half_width)
    total = np.ones_like(nu)
    for offset in offsets:
        total = total * _dirichlet(nu - offset, decimation)
    return np.asarray(total / np.prod([_dirichlet(np.array([-offset]), decimation)[0] for offset in offsets]))


def kaiser_half_length(pass_edge: float, stop_edge: float, stop_db: float) -> int:
    """Taps on either side of the middle one, by Kaiser's rule."""
    transition = 2 * math.pi * (stop_edge - pass_edge)
    return max(1, math.ceil((stop_db - KAISER_OFFSET_DB) * KAISER_LENGTH_PER_DB / transition / 2))


def kaiser_low_pass(
    pass_edge: float, stop_edge: float, stop_db: float, before: tuple[int, int, float] | None
) -> FloatArray:
    """Taps (odd,), symmetric: 1 up to `pass_edge`, `stop_db` down from `stop_edge` on, by Kaiser's window.

    `before` = (decimation, order, half width) of the moving averages in front, whose droop it makes good.
    """
    half = kaiser_half_length(pass_edge, stop_edge, stop_db)
    grid = 1 << math.ceil(math.log2(DESIGN_GRID_PER_TAP * (2 * half + 1)))
    nu = np.arange(grid // 2 + 1) / grid
    window = np.kaiser(2 * half + 1, 0.1102 * (max(stop_db, 50.0) - 8.7))
    kept = nu <= (pass_edge + stop_edge) / 2
    droop = np.ones_like(nu) if before is None else spread_response(nu / before[0], *before)
    wanted = np.where(kept, 1 / np.where(kept, droop, 1.0), 0.0)
    for turn in range(DROOP_TURNS + 1):
        impulse = irfft(wanted, n=grid)
        taps = np.concatenate([impulse[-half:], impulse[: half + 1]]) * window
        if before is None or turn == DROOP_TURNS:
            break
        got = np.abs(rfft(taps, n=grid)) * droop
        edge = int(np.searchsorted(nu, pass_edge))
        # The window smooths the curve of the droop; what it took off is put on again.
        wanted[kept] /= np.where(nu <= pass_edge, got, got[edge])[kept]
    return np.asarray(taps)


def amplitude_response(nu: FloatArray, taps: FloatArray) -> FloatArray:
    """Amplitude response of symmetric `taps` at nu, of either sign, about their centre."""
    z = np.exp(-2j * math.pi * nu)
    total = np.zeros(nu.shape, dtype=np.complex128)
    for tap in taps[::-1]:
        total = total * z + tap
    return np.asarray((total * np.exp(1j * math.pi * nu * (len(taps) - 1))).real)


def padded(taps: npt.NDArray[np.generic], multiple: int) -> npt.NDArray[np.generic]:
    """`taps` with zeros at their end, up to a multiple of `multiple`."""
    return np.pad(taps, (0, -len(taps) % multiple))


def _dirichlet(nu: FloatArray, n: int) -> FloatArray:
    """sin(pi n nu) / (n sin(pi nu)), with its limit at whole nu."""
    below = n * np.sin(math.pi * nu)
    at_peak = np.abs(below) < 1e-12
    peak = np.cos(math.pi * n * nu) / np.cos(math.pi * nu)
    return np.asarray(np.where(at_peak, peak, np.sin(math.pi * n * nu) / np.where(at_peak, 1.0, below)))
