"""Spectra of up to ten thousand detectors drawn as spectra, where time series would be too many."""

from __future__ import annotations

import numpy as np

from labctl.simulation import detector_electronics as electronics
from labctl.simulation.detector_spectra import mode_shapes, summed_psd
from labctl.simulation.detector_state import DetectorState, FloatArray
from labctl.simulation.squeezed_noise import SqueezedBeam

_AT_A_TIME = 1 << 20  # detectors times bins


def draw_summed_spectrum(
    rng: np.random.Generator, state: DetectorState, frequency_hz: FloatArray, rbw_hz: float, averages: float
) -> FloatArray:
    """Return one measured PSD (F,) of the analogue sum in V^2/Hz: Gamma distributed about `summed_psd`, with `averages`
    independent averages in each point. O(M)."""
    relative = rng.gamma(averages, 1.0 / averages, frequency_hz.shape)
    return np.asarray(summed_psd(state, frequency_hz, rbw_hz) * relative)


def draw_periodograms(
    rng: np.random.Generator, state: DetectorState, frequency_hz: FloatArray, rbw_hz: float, averages: int
) -> FloatArray:
    """Return the mean of `averages` simultaneous periodograms of all detectors, (M, F) in V^2/Hz.

    Each average has phases of its own that stand still; bins are independent, and detectors as correlated as their
    shared light makes them. The laser's excess noise is drawn as if it were each detector's own. O(M) for each bin.
    """
    common = state.common_jitter_rad * rng.standard_normal((averages, 1))
    private = state.private_jitter_rad * rng.standard_normal((averages, state.count))
    beam = SqueezedBeam(state.squeezed, state.antisqueezed, state.share)
    pieces = np.array_split(frequency_hz, max(1, frequency_hz.size * state.count // _AT_A_TIME))
    return np.concatenate(
        [_piece(rng, state, beam, common, private, piece, rbw_hz) / averages for piece in pieces], axis=1
    )


def _piece(
    rng: np.random.Generator,
    state: DetectorState,
    beam: SqueezedBeam,
    common_rad: FloatArray,
    private_rad: FloatArray,
    frequency_hz: FloatArray,
    rbw_hz: float,
) -> FloatArray:
    """Return the sum of the periodograms over the phases, (averages, M), at a few frequencies."""
    modes, shot = state.modes, state.shot_v2_per_hz[:, None]
    excess = state.laser_leak[:, None] ** 2 * shot * electronics.laser_excess(frequency_hz)
    dark = state.electronics.dark_v2_per_hz[:, None] * electronics.dark_shape(frequency_hz) + excess
    shapes = mode_shapes(modes, np.arange(modes.f0_hz.size), frequency_hz, rbw_hz)
    total = np.zeros((state.count, frequency_hz.size))
    for common, private in zip(common_rad, private_rad, strict=True):
        seen = modes.peak_to_shot * np.cos(state.probe_angle_rad + private)[modes.sensor] ** 2
        every_mode = seen[:, None] * shapes
        lines = every_mode[: state.count]
        np.add.at(lines, modes.sensor[state.count :], every_mode[state.count :])
        white = rng.standard_normal((2, state.count, 2 * frequency_hz.size), dtype=np.float32)
        beam.colour(white[0], (state.squeezed_angle_rad + common + private)[None, :])
        light, own = white.view(np.complex64)
        total += 0.5 * np.abs(np.sqrt(shot) * light + np.sqrt(dark + shot * lines) * own) ** 2
    return np.asarray(total * np.abs(electronics.detector_response(frequency_hz)) ** 2)
