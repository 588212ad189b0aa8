"""The Airy transmission of a scan: background, height, coefficient F, a phase with a bow, and a pair of sidebands.

y(x) = b + T [A(phi) + q (A(phi + d) + A(phi - d))], A(phi) = 1 / (1 + F sin^2 phi), phi(x) = p0 + p1 x + p2 x^2,
with x from -1 to 1 and phi half the phase of a round trip, so that resonances are pi apart.
F = 4 rho / (1 - rho)^2, rho the amplitude left after one round trip.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.signal import find_peaks

from labctl.errors import AnalysisRefused
from labctl.estimation.likelihood import Curve
from labctl.spectra.acquisition import FloatArray

FINESSE_STARTS = (2.0, 6.0, 18.0, 60.0, 200.0, 700.0)
BOW_STARTS = (-0.25, 0.0, 0.25)
"""Relative change of the fringe rate from the middle to an end of the scan."""
SINGLE_PEAK_STARTS = np.geomspace(0.25, 2.2, 12)
"""Free spectral ranges in a scan that shows one resonance."""
PEAK_PROMINENCE = 0.4
"""Of the range of the signal: what counts as a resonance rather than a sideband or noise."""
NOISE_PER_RANGE = 0.1
KEPT_STARTS = 3


class Term(IntEnum):
    """Order of the parameters."""

    BACKGROUND = 0
    HEIGHT = 1
    LOG_F = 2
    PHASE = 3
    RATE = 4
    BOW = 5
    SIDEBAND_POWER = 6
    SIDEBAND_PHASE = 7


def airy_and_slopes(phi: FloatArray, f: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A, dA/dphi and dA/d ln F."""
    sin2 = np.sin(phi) ** 2
    a = 1 / (1 + f * sin2)
    return a, -(a**2) * f * np.sin(2 * phi), -(a**2) * f * sin2


def airy_curve(x: FloatArray, full: FloatArray, free: npt.NDArray[np.intp]) -> Curve:
    """The curve of the `free` parameters; the others stay as they are in `full` (8,)."""

    def curve(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        p = full.copy()
        p[free] = theta
        values, jacobian = airy_signal(x, p)
        return values, jacobian[:, free]

    return curve


def airy_signal(x: FloatArray, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The model (n,) and its Jacobian (n, 8)."""
    background, height, log_f, phase, rate, bow, q, d = p
    f = math.exp(min(log_f, 50.0))
    phi = phase + rate * x + bow * x**2
    a, by_phi, by_f = airy_and_slopes(phi, f)
    by_power, by_shift = np.zeros_like(x), np.zeros_like(x)
    if q != 0 or d != 0:
        up, up_phi, up_f = airy_and_slopes(phi + d, f)
        low, low_phi, low_f = airy_and_slopes(phi - d, f)
        by_power, by_shift = up + low, q * (up_phi - low_phi)
        a, by_phi, by_f = a + q * by_power, by_phi + q * (up_phi + low_phi), by_f + q * (up_f + low_f)
    slope = height * by_phi
    columns = (np.ones_like(x), a, height * by_f, slope, slope * x, slope * x**2, height * by_power, height * by_shift)
    return background + height * a, np.column_stack(columns)


def survival_of_coefficient(f: float) -> float:
    """Rho from F = 4 rho / (1 - rho)^2."""
    half = 1 + 2 / f
    return half - math.sqrt(half**2 - 1)


def coefficient_of_finesse(finesse: float) -> float:
    """F = (2 finesse / pi)^2."""
    return (2 * finesse / math.pi) ** 2


def airy_starts(
    x: FloatArray, y: FloatArray, noise: float, background: float | None, bows: bool, sideband_power: float
) -> list[FloatArray]:
    """Places to start from, best first: resonances from the peaks, then a grid over finesse, bow and, where only one
    resonance shows, scan length. Refuses a scan without a peak."""
    peaks = _peaks(x, y, noise)
    found: list[tuple[float, FloatArray]] = []
    for phase, rate, bow in _phase_starts(peaks, bows):
        phi = phase + rate * x + bow * x**2
        for finesse in FINESSE_STARTS:
            f = coefficient_of_finesse(finesse)
            line = 1 / (1 + f * np.sin(phi) ** 2)
            known, height, left = _levels(line, y, background)
            if height > 0:
                p = np.array([known, height, math.log(f), phase, rate, bow, sideband_power, 0.0])
                found.append((left, p))
    found.sort(key=lambda pair: pair[0])
    return [start for _, start in found[:KEPT_STARTS]]


def _levels(line: FloatArray, y: FloatArray, background: float | None) -> tuple[float, float, float]:
    """Background and height by least squares, and what is left."""
    if background is not None:
        residual = y - background
        height = float(line @ residual) / float(line @ line)
        return background, height, float(((residual - height * line) ** 2).sum())
    centred, values = line - line.mean(), y - y.mean()
    height = float(centred @ values) / max(float(centred @ centred), 1e-300)
    free = float(y.mean() - height * line.mean())
    return free, height, float(((values - height * centred) ** 2).sum())


def _peaks(x: FloatArray, y: FloatArray, noise: float) -> FloatArray:
    """Places of the resonances; noise is smoothed over as many samples as a peak is wide."""
    reach = float(np.ptp(y))
    if noise > NOISE_PER_RANGE * reach:
        raise AnalysisRefused(
            f"No resonance stands out: the signal spans {reach:.3g}, its noise is {noise:.3g}.",
            remedy="Check alignment and input power, or average scans.",
        )
    prominence = max(PEAK_PROMINENCE * reach, 4 * noise)
    at, properties = find_peaks(y, prominence=prominence, width=1, rel_height=0.5)
    if not len(at):
        raise AnalysisRefused("The scan holds no resonance.", remedy="Scan further, or move the scan.")
    strong = properties["prominences"] > 0.5 * properties["prominences"].max()
    return np.asarray(x[at[strong]], dtype=np.float64)


def _phase_starts(peaks: FloatArray, bows: bool) -> Iterator[tuple[float, float, float]]:
    """(phase, rate, bow) that put resonances where the peaks are."""
    if len(peaks) == 1:
        for fringes in SINGLE_PEAK_STARTS:
            rate = math.pi * float(fringes) / 2
            for share in BOW_STARTS if bows else (0.0,):
                bow = share * rate / 2
                yield -rate * peaks[0] - bow * peaks[0] ** 2, rate, bow
        return
    number = math.pi * np.arange(len(peaks))
    if bows and len(peaks) > 2:
        bow, rate, phase = (float(c) for c in np.polyfit(peaks, number, 2))
        yield phase, rate, bow
    rate, phase = (float(c) for c in np.polyfit(peaks, number, 1))
    yield phase, rate, 0.0
    if bows and len(peaks) == 2:
        middle = float(peaks.mean())
        for share in (-0.25, 0.25):
            bow = share * rate / 2
            steeper = rate - 2 * bow * middle
            yield -steeper * peaks[0] - bow * peaks[0] ** 2, steeper, bow
