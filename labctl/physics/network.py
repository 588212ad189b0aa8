"""Beam-splitter network in hardware: a chain of taps, each a half-wave plate and a polarising splitter, or a tree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.constants import Real


def tap_reflectivities(weights: ArrayLike) -> NDArray[np.float64]:
    """Return the power that each stage k of the chain takes out, w_k / (1 - sum_{i<k} w_i); shape (M,), the last one
    is 1."""
    w = np.asarray(weights, dtype=float)
    remaining = np.cumsum(w[::-1])[::-1]  # from the far end: no rounding is left for the last of many taps
    return np.asarray(w / remaining)


def chain_weights(taps: ArrayLike, stage_transmission: Real = 1.0) -> NDArray[np.float64]:
    """Return the power at each output of a chain, r_k T^{k+1} prod_{i<k} (1 - r_i): inverse of `tap_reflectivities` for
    T = `stage_transmission` = 1.

    `taps` (M,). Output k has passed k + 1 stages, so loss grows with M where a tree's grows with log2 M.
    """
    r = np.asarray(taps, dtype=float)
    passed = np.concatenate([[1.0], np.cumprod(1.0 - r[:-1])])
    return np.asarray(r * passed * np.power(stage_transmission, np.arange(1, len(r) + 1)))


def half_wave_plate_angles_deg(
    weights: ArrayLike, p_reflected: float = 0.0, s_transmitted: float = 0.0
) -> NDArray[np.float64]:
    """Return the half-wave-plate angle of each stage but the last, asin(sqrt(r_k)) / 2 from p-transmission, in degrees.

    Leakage of the splitter is allowed for; nan for a tap that the leakage puts out of reach.
    """
    r = (tap_reflectivities(weights)[:-1] - p_reflected) / (1.0 - s_transmitted - p_reflected)
    within = np.where((r >= 0.0) & (r <= 1.0), r, np.nan)
    return np.asarray(np.degrees(0.5 * np.arcsin(np.sqrt(within))))


def tap_of_angle(angle_deg: Real, p_reflected: Real = 0.0, s_transmitted: Real = 0.0) -> NDArray[np.float64]:
    """Return the power that a stage takes out with its half-wave plate at `angle_deg` from p-transmission.

    The splitter reflects s, but lets `s_transmitted` of it through, and reflects `p_reflected` of p. The slope is
    2 sin(4 theta) per rad of plate.
    """
    s = np.sin(2.0 * np.radians(angle_deg)) ** 2
    return np.asarray(s * (1.0 - s_transmitted) + (1.0 - s) * p_reflected)


def tree_stages(sensors: ArrayLike) -> NDArray[np.int64]:
    """Return the splitters in a row, ceil(log2 M), between the input of a balanced tree and any of its M outputs."""
    return np.asarray(np.ceil(np.log2(np.asarray(sensors, dtype=float))), dtype=np.int64)
