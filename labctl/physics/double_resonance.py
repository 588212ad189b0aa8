"""Doubly resonant amplifier against crystal temperature: the seed's resonance, phase matching, and the threshold.

`error_k` is the crystal temperature above that of perfect phase matching. The pump is locked to the cavity throughout,
so the seed's round-trip phase moves with temperature by the dispersion between the two wavelengths.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.constants import Real


def seed_phase_rad(error_k: Real, phase_per_kelvin_rad: float, pump_fringe: Real = 0) -> NDArray[np.float64]:
    """Return the seed's round-trip phase, in rad: 0 or a multiple of 2 pi is double resonance.

    `pump_fringe` counts the pump resonances between here and the lock point: each is half a turn of the seed, so double
    resonances follow each other at pi / `phase_per_kelvin_rad`.
    """
    return np.asarray(np.pi * pump_fringe - phase_per_kelvin_rad * error_k)


def seed_resonance(seed_phase_rad: Real, hwhm_rad: float) -> NDArray[np.float64]:
    """Return the seed power in the cavity relative to resonance, 1 / (1 + sin^2(p/2) / sin^2(HWHM/2))."""
    return np.asarray(1.0 / (1.0 + (np.sin(0.5 * seed_phase_rad) / np.sin(0.5 * hwhm_rad)) ** 2))


def phase_matching(error_k: ArrayLike, phase_per_kelvin_rad: float) -> NDArray[np.float64]:
    """Return sinc^2(dk l / 2) of one pass; dk l moves by `phase_per_kelvin_rad` per kelvin."""
    half = 0.5 * phase_per_kelvin_rad * np.asarray(error_k, dtype=float)
    return np.asarray(np.sinc(half / np.pi) ** 2)


def double_pass_gain(error_k: ArrayLike, phase_per_kelvin_rad: float, edge_phase_rad: Real) -> NDArray[np.float64]:
    """Return sinc^2(dk l / 2) cos^2((dk l + phi) / 2): the gain of both passes, 1 at phase matching with phi = 0.

    `edge_phase_rad` is the phase phi between pump and seed that the poled crystal's cut end and its coating add
    between the passes; it makes the thresholds of neighbouring double resonances differ.
    """
    mismatch = phase_per_kelvin_rad * np.asarray(error_k, dtype=float)
    return np.asarray(phase_matching(error_k, phase_per_kelvin_rad) * np.cos(0.5 * (mismatch + edge_phase_rad)) ** 2)


def detuned_seed_power(x: Real, detuning: Real, theta_rad: Real) -> NDArray[np.float64]:
    """Return the seed power in the pumped cavity relative to resonance without pump,
    (1 + D^2 + x^2 + 2 x sqrt(1 + D^2) cos theta) / (1 + D^2 - x^2)^2.

    `x` = sqrt(P / P_threshold) on resonance and `detuning` D of the seed in half linewidths; `theta_rad` counts the
    pump phase from where the seed is amplified most, which turns by atan D. The steady state of
    (1 + i D) a - x exp(i theta) a^* = 1: seen from its fringe it is an amplifier on resonance with x / sqrt(1 + D^2),
    lit with 1 / (1 + D^2).
    """
    x, one = np.asarray(x, dtype=float), 1.0 + np.asarray(detuning, dtype=float) ** 2
    return np.asarray((one + x**2 + 2.0 * x * np.sqrt(one) * np.cos(theta_rad)) / (one - x**2) ** 2)


def threshold_w(best_threshold_w: Real, gain: Real, pump_resonance: Real = 1.0) -> NDArray[np.float64]:
    """Return the pump power at threshold, in W, on double resonance: the best one over relative gain and pump build-up
    (`cavity.airy_transmission`)."""
    return np.asarray(best_threshold_w / (gain * pump_resonance))
