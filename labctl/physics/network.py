"""Beam-splitter network: a linear chain of taps that hands out one beam with chosen weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def tap_reflectivities(weights: ArrayLike) -> NDArray[np.float64]:
    """Return the power that each stage k of the chain takes out, w_k / (1 - sum_{i<k} w_i); shape (M,), the last one
    is 1."""
    w = np.asarray(weights, dtype=float)
    remaining = 1.0 - np.concatenate([[0.0], np.cumsum(w)[:-1]])
    return np.asarray(w / remaining)


def half_wave_plate_angles_deg(weights: ArrayLike) -> NDArray[np.float64]:
    """Return the half-wave-plate angle of each stage but the last, asin(sqrt(r_k)) / 2 from p-transmission, in
    degrees."""
    return np.asarray(np.degrees(0.5 * np.arcsin(np.sqrt(tap_reflectivities(weights)[:-1]))))
