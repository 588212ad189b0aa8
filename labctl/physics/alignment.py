"""What a tilted mirror behind the membrane costs in interference visibility."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.physics.constants import Real

BOUNCES = 40
"""Amplitudes fall as r per bounce: far below rounding for a membrane, r = 0.55."""


def visibility_of_tilt(
    tilt_rad: Real, r: float, waist_m: float, length_m: float, wavelength_m: float
) -> NDArray[np.float64]:
    """Return the visibility relative to perfect alignment, on resonance, for a mirror tilted by `tilt_rad`.

    The light that made n round trips leaves tilted by 2 n alpha and shifted by 2 n^2 alpha L; it overlaps with the
    straight beam by exp(-(2 n alpha / theta)^2 / 2) exp(-(shift / w)^2 / 2), theta = lambda / (pi w). Amplitudes are -r
    for n = 0 and (1 - r^2) r^(n-1) from then on.
    """
    alpha = np.asarray(tilt_rad, dtype=float)[..., None]
    n = np.arange(1, BOUNCES + 1)
    divergence_rad = wavelength_m / (np.pi * waist_m)
    tilted = np.exp(-0.5 * (2.0 * n * alpha / divergence_rad) ** 2)
    shifted = np.exp(-0.5 * (2.0 * n**2 * alpha * length_m / waist_m) ** 2)
    return np.asarray(-r + np.sum((1.0 - r**2) * r ** (n - 1.0) * tilted * shifted, axis=-1))
