"""Noise relative to shot noise and back into volts: the inverse of `noise_reduction.shot_normalise`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labctl.errors import AnalysisRefused
from labctl.spectra.estimate import Estimate
from labctl.spectra.noise_reduction import subtract_dark
from labctl.spectra.trace import Spectrum, Unit, require_same_axis, require_same_conventions


def from_shot_ratio(ratio: Spectrum, shot: Spectrum | Estimate, dark: Spectrum | None = None) -> Spectrum:
    """Return the signal in V^2/Hz, ratio times shot noise plus `dark`: what `shot_normalise` was given.

    `shot` and `dark` must be those that `ratio` was made with: then their noise cancels, and K becomes that of the
    signal again. Refuses a spectrum that is no ratio, unlike spectra, and a shot level in V rms per bin or of zero.
    """
    if ratio.unit is not Unit.RATIO_TO_SHOT:
        raise AnalysisRefused(f"{ratio.name} is in {ratio.unit}, not relative to shot noise.")
    k = ratio.acquisition.effective_k
    if isinstance(shot, Estimate):
        if shot.unit != str(Unit.V2_PER_HZ) or shot.value <= 0:
            raise AnalysisRefused(f"A shot level of {shot} is no density in V^2/Hz.", remedy="Take one of a density.")
        density = ratio.values * shot.value
    else:
        _require_same_acquisition(ratio, shot)
        reference = subtract_dark(shot, dark) if dark is not None else shot.in_unit(Unit.V2_PER_HZ)
        k_shot = reference.acquisition.effective_k
        if k >= k_shot:
            raise AnalysisRefused(
                f"{ratio.name} has more averages ({k:.4g}) than the shot noise it was divided by ({k_shot:.4g}).",
                remedy="Give the shot noise that it was divided by.",
            )
        density = ratio.values * reference.values / (1 - 1 / k_shot)
        k = 1 / (1 / k - 1 / k_shot)
    if dark is not None:
        require_same_axis(ratio, dark)
        background = dark.in_unit(Unit.V2_PER_HZ)
        mean, k_dark = float(background.values.mean()), background.acquisition.effective_k
        light = float(density.mean())
        noise = light**2 / k - mean**2 / k_dark  # what subtract_dark has added, taken out again
        density = density + background.values
        if noise > 0:
            k = float(np.mean(density)) ** 2 / noise
    return replace(
        ratio,
        values=density,
        unit=Unit.V2_PER_HZ,
        acquisition=replace(ratio.acquisition, effective_k=k),
        name=f"{ratio.name}, in volts",
    )


def _require_same_acquisition(ratio: Spectrum, shot: Spectrum) -> None:
    """Refuse a shot trace that was not taken like the ratio; only the unit may differ."""
    require_same_conventions(replace(ratio, unit=Unit.V2_PER_HZ), shot.in_unit(Unit.V2_PER_HZ))
