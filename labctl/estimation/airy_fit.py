"""Least-squares fit of an Airy line to a scan, with or without sidebands, from wherever the model starts it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.estimation.airy_model import Term, airy_curve, airy_signal, airy_starts
from labctl.estimation.likelihood import SECOND_DIFFERENCE_VARIANCE, Solution, fit_white
from labctl.spectra.acquisition import FloatArray

SIDEBAND_POWER_START = 0.1
SIDEBAND_STEP = 0.5
"""Of the line's half width, between the places where sidebands are looked for."""
MOST_SIDEBAND_PLACES = 400
SIDEBAND_SIGMAS = 5.0


def fit_airy(
    x: FloatArray, y: FloatArray, background: float | None, *, bowed: bool, sidebands: bool
) -> tuple[FloatArray, npt.NDArray[np.intp], Solution]:
    """All parameters (8,) in the order of `Term`, which of them were fitted, and their solution; x from -1 to 1.

    `background`: its known level, or None to fit it. Refuses a scan without a resonance, and sidebands that do not
    show.
    """
    noise = float(np.sqrt((np.diff(y, n=2) ** 2).mean() / SECOND_DIFFERENCE_VARIANCE))
    free = [Term.HEIGHT, Term.LOG_F, Term.PHASE, Term.RATE]
    free += [Term.BACKGROUND] if background is None else []
    free += [Term.BOW] if bowed else []
    index = np.array(sorted(free), dtype=np.intp)
    best: tuple[FloatArray, Solution] | None = None
    refusal = AnalysisRefused("No Airy line fits the scan.")
    for start in airy_starts(x, y, noise, background, bowed, 0.0):
        try:
            found = fit_white(airy_curve(x, start, index), y, start[index])
        except AnalysisRefused as refused:
            refusal = refused
            continue
        if best is None or found.noise < best[1].noise:
            start[index] = found.theta
            best = start, found
    if best is None:
        raise refusal
    if sidebands:
        index = np.array([*index, Term.SIDEBAND_POWER, Term.SIDEBAND_PHASE], dtype=np.intp)
        best = _with_sidebands(x, y, best[0], index)
    return best[0], index, best[1]


def _with_sidebands(
    x: FloatArray, y: FloatArray, carrier: FloatArray, free: npt.NDArray[np.intp]
) -> tuple[FloatArray, Solution]:
    """Refit with a pair of sidebands, from the half phase at which they explain most of what the carrier leaves."""
    step = SIDEBAND_STEP * math.asin(min(1.0, math.exp(-carrier[Term.LOG_F] / 2)))
    shifts = np.linspace(step, 0.5 * math.pi, max(8, min(MOST_SIDEBAND_PLACES, math.ceil(0.5 * math.pi / step))))
    left = np.empty(len(shifts))
    residual = y - airy_signal(x, carrier)[0]
    for i, shift in enumerate(shifts):
        p = carrier.copy()
        p[Term.SIDEBAND_PHASE] = shift
        jacobian = airy_signal(x, p)[1][:, [Term.BACKGROUND, Term.HEIGHT, Term.LOG_F, Term.SIDEBAND_POWER]]
        left[i] = float(((residual - jacobian @ np.linalg.lstsq(jacobian, residual, rcond=None)[0]) ** 2).sum())
    best: tuple[FloatArray, Solution] | None = None
    for i in np.argsort(left)[:3]:
        start = carrier.copy()
        start[Term.SIDEBAND_POWER], start[Term.SIDEBAND_PHASE] = SIDEBAND_POWER_START, shifts[i]
        try:
            found = fit_white(airy_curve(x, start, free), y, start[free])
        except AnalysisRefused:
            continue
        if best is None or found.noise < best[1].noise:
            start[free] = found.theta
            best = start, found
    if best is not None:
        at = int(np.flatnonzero(free == Term.SIDEBAND_POWER)[0])
        power, sigma = best[0][Term.SIDEBAND_POWER], math.sqrt(best[1].covariance[at, at])
        if power > SIDEBAND_SIGMAS * sigma:
            return best
    raise AnalysisRefused("No sidebands show beside the resonances.", remedy="Modulate deeper, or leave the ruler out.")
