"""One mode whose resonance drifts while it is averaged: taken in parts, each is put where its resonance was.

A line that moves by a few hertz within minutes is too broad, and too low, in the average over them. Each part is short
enough that the line stands still within it; its centre is found with all other parameters common, the parts are
shifted by whole points before they are averaged, and what the shifts leave, and what drifts within a part, is a
known Gaussian broadening beside that of the resolution filter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.estimation.lines import LinesProblem
from labctl.estimation.mechanical_mode import ModeFit, fit_mode
from labctl.spectra.acquisition import GAUSSIAN_SIGMA_PER_RBW, FilterShape, FloatArray
from labctl.spectra.trace import Spectrum

ROUNDS = 3
STEPS = 4
"""Of scoring in each round, of every centre."""
WITHIN_PER_STEP = 0.25
"""Variance of a random walk within a part, D T / 6, over that of the difference of neighbours' means, 2 D T / 3."""


@dataclass(frozen=True, eq=False)
class DriftingMode:
    """`mode` is fitted to `spectrum`, the parts put on top of each other; `centres_hz` (N,) is where each was."""

    spectrum: Spectrum
    mode: ModeFit
    centres_hz: FloatArray


def average(parts: Sequence[Spectrum]) -> Spectrum:
    """Return the mean of spectra of one axis, each of power. Refuses none, and other axes."""
    if not parts or any(not np.array_equal(part.frequency_hz, parts[0].frequency_hz) for part in parts):
        raise AnalysisRefused("Parts of one spectrum need one axis.")
    return _of(parts[0], parts, parts[0].frequency_hz, np.mean([part.values for part in parts], axis=0))


def fit_drifting_mode(parts: Sequence[Spectrum], *, normalisation_relative_sigma: float = 0.0) -> DriftingMode:
    """Fit one mode to consecutive spectra (N of them, relative to shot noise, of one axis and one duration).

    A single part is fitted as it is. Refuses what `fit_mode` refuses, and a filter that is not Gaussian.
    """
    whole = average(parts)
    fit = fit_mode(whole, normalisation_relative_sigma=normalisation_relative_sigma)
    if len(parts) == 1:
        return DriftingMode(whole, fit, np.array([fit.f0_hz.value]))
    if whole.acquisition.filter_shape is not FilterShape.GAUSSIAN:
        raise AnalysisRefused("Only behind a Gaussian filter is a drift like a broader filter.")
    centres = np.full(len(parts), fit.f0_hz.value)
    for _ in range(ROUNDS):
        centres, sigma = _centres(parts, fit, centres)
        whole = _on_top(parts, centres, sigma)
        fit = fit_mode(whole, normalisation_relative_sigma=normalisation_relative_sigma)
    return DriftingMode(whole, fit, centres)


def _centres(parts: Sequence[Spectrum], fit: ModeFit, start: FloatArray) -> tuple[FloatArray, float]:
    """Return the centre of the line in each part with its width, height and floor as in `fit`, and their sigma, Hz."""
    common = [math.log(fit.parameters[name].value) for name in ("gamma_hz", "peak_to_floor", "floor")]
    reach = fit.gamma_hz.value
    found = start.copy()
    variance = 0.0
    for index, part in enumerate(parts):
        problem = LinesProblem(part, 1)
        for _ in range(STEPS):
            s, slopes = problem.log_slopes(np.array([found[index], *common]))
            slope = slopes[:, 0]
            step = float(slope @ (problem.p / s - 1)) / float(slope @ slope)
            found[index] = np.clip(
                found[index] + np.clip(step, -reach, reach), part.frequency_hz[0], part.frequency_hz[-1]
            )
        spread = float(slope @ part.acquisition.correlated_sum(problem.f, slope[:, None])[:, 0])
        variance += spread / (problem.k * float(slope @ slope) ** 2)
    return found, math.sqrt(variance / len(parts))


def _on_top(parts: Sequence[Spectrum], centres: FloatArray, sigma: float) -> Spectrum:
    """Return the mean of the parts, each shifted so that its centre comes to the mean of all."""
    first = parts[0]
    spacing, count = first.spacing_hz, len(first.frequency_hz)
    away = centres - centres.mean()
    shifts = np.rint(away / spacing).astype(int)
    edge = int(np.abs(shifts).max())
    if 2 * edge >= count // 2:
        raise AnalysisRefused(
            f"The resonance moved by {np.ptp(centres):.3g} Hz, too far for the span.", remedy="Record a wider span."
        )
    values = np.mean([p.values[edge + k : count - edge + k] for p, k in zip(parts, shifts, strict=True)], axis=0)
    left = float(np.mean((away - shifts * spacing) ** 2))
    moved = float(np.mean(np.diff(centres) ** 2)) - 2.0 * sigma**2
    broadened = left + WITHIN_PER_STEP * max(moved, 0.0)
    whole = _of(first, parts, first.frequency_hz[edge : count - edge], values)
    rbw_hz = math.hypot(first.acquisition.rbw_hz, math.sqrt(broadened) / GAUSSIAN_SIGMA_PER_RBW)
    return replace(whole, acquisition=replace(whole.acquisition, rbw_hz=rbw_hz))


def _of(first: Spectrum, parts: Sequence[Spectrum], frequency_hz: FloatArray, values: FloatArray) -> Spectrum:
    acquisition = replace(
        first.acquisition,
        averages=sum(part.acquisition.averages for part in parts),
        effective_k=sum(part.acquisition.effective_k for part in parts),
    )
    return replace(first, frequency_hz=frequency_hz, values=np.asarray(values), acquisition=acquisition)
