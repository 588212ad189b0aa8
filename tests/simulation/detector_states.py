"""States of M detectors without a table: the design values, every detector alike unless said otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from labctl.physics import homodyne
from labctl.simulation.detector_electronics import RF_VOLTS_PER_AMPERE
from labctl.simulation.detector_state import DetectorState, Electronics, MembraneModes

SQUEEZED, ANTISQUEEZED = 0.195, 9.94
EFFICIENCY = 0.92 * 0.99 * 0.95**2
RESPONSIVITY_A_PER_W, LOCAL_OSCILLATOR_W, PROBE_W = 1.24, 5e-3, 5e-6
LOWEST_F0_HZ, HIGHEST_F0_HZ = 4.276e6, 4.365e6


def state_of(
    detectors: int = 4,
    *,
    delay_s: ArrayLike = 0.0,
    angle_rad: ArrayLike = 0.0,
    common_jitter_rad: float = 0.0,
    private_jitter_rad: ArrayLike = 0.0,
    gain: ArrayLike = 1.0,
    dark: float = 0.01,
    f0_hz: ArrayLike | None = None,
) -> DetectorState:
    """Return M detectors behind an even network; modes are spread evenly over the band of four sensors."""

    def each(value: ArrayLike) -> NDArray[np.float64]:
        return np.broadcast_to(np.asarray(value, dtype=float), (detectors,)).copy()

    shot = homodyne.shot_noise_a2_per_hz(RESPONSIVITY_A_PER_W, LOCAL_OSCILLATOR_W)
    shot_v2_per_hz = shot * (RF_VOLTS_PER_AMPERE * each(gain)) ** 2
    fringe_a = homodyne.fringe_amplitude_a(RESPONSIVITY_A_PER_W, LOCAL_OSCILLATOR_W, PROBE_W, 0.95)
    return DetectorState(
        electronics=Electronics(each(delay_s), dark * shot_v2_per_hz, shot_v2_per_hz),
        squeezed=SQUEEZED,
        antisqueezed=ANTISQUEEZED,
        share=each(EFFICIENCY / detectors),
        squeezed_angle_rad=each(angle_rad),
        probe_angle_rad=each(angle_rad),
        common_jitter_rad=common_jitter_rad,
        private_jitter_rad=each(private_jitter_rad),
        shot_v2_per_hz=shot_v2_per_hz,
        laser_leak=each(10.0 ** (-55.0 / 20.0)),
        fringe_v=RF_VOLTS_PER_AMPERE * each(gain) * fringe_a,
        modes=MembraneModes(
            sensor=np.arange(detectors),
            f0_hz=np.linspace(LOWEST_F0_HZ, HIGHEST_F0_HZ, detectors) if f0_hz is None else each(f0_hz),
            gamma_hz=each(41.0),
            peak_to_shot=each(5.0),
        ),
    )


def without_modes(state: DetectorState) -> DetectorState:
    """Return the state with membranes that stand still."""
    return replace(state, modes=replace(state.modes, peak_to_shot=np.zeros_like(state.modes.peak_to_shot)))


def without_signal(state: DetectorState) -> DetectorState:
    """Return the state with the signal shutter closed."""
    return replace(without_modes(state), share=np.zeros_like(state.share), fringe_v=np.zeros_like(state.fringe_v))


def chi_square_interval(independent: float, confidence: float) -> tuple[float, float]:
    """Return the central interval of the mean of so many unit exponentials."""
    tail = 0.5 * (1.0 - confidence)
    low, high = stats.gamma.ppf([tail, 1.0 - tail], independent, scale=1.0 / independent)
    return float(low), float(high)


def check_matrix(
    found: NDArray[np.complex128], expected: NDArray[np.complex128], averages: float, confidence: float = 0.999
) -> None:
    """Hold every element of a mean of `averages` outer products of circular vectors against its expectation.

    Diagonal: chi-square with 2 K degrees. Off it the variances of the parts are (C_jj C_kk +- Re C_jk^2) / 2 K. All
    elements together at `confidence`.
    """
    detectors = len(expected)
    each = 1.0 - (1.0 - confidence) / detectors**2
    low, high = chi_square_interval(averages, each)
    ratio = np.diag(found).real / np.diag(expected).real
    assert ((low < ratio) & (ratio < high)).all(), f"diagonal over expected: {ratio}, allowed {low:.4f} to {high:.4f}"
    power = np.sqrt(np.outer(np.diag(expected).real, np.diag(expected).real))
    swing = (expected**2).real
    limit = stats.norm.isf(0.5 * (1.0 - each))
    for part, variance in ((np.real, power**2 + swing), (np.imag, power**2 - swing)):
        beside = ~np.eye(detectors, dtype=bool)
        pull = part(found - expected)[beside] / np.sqrt(0.5 * variance[beside] / averages)
        assert np.abs(pull).max(initial=0.0) < limit, f"{part.__name__} parts off by {pull.round(1)} sigma"
