"""Closed-form spectra of one detector and of the analogue sum: one-sided PSDs in V^2/Hz, O(M) for M detectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.physics.line_shape import filtered_lorentzian
from labctl.simulation import detector_electronics as electronics
from labctl.simulation.detector_state import DetectorState, FloatArray, MembraneModes
from labctl.simulation.ports import Line
from labctl.simulation.probe_tone import ProbeTone

FAR_WIDTHS = 100.0  # of the filter; so far away it changes a line by less than 1e-4
_AT_A_TIME = 1 << 20  # numbers in one piece of a table of modes or detectors over frequency


def output_psd(state: DetectorState, detector: int, frequency_hz: FloatArray, rbw_hz: float) -> FloatArray:
    """Return the PSD at the output of one detector (index from 0), through a Gaussian filter of width `rbw_hz`."""
    shot = state.shot_v2_per_hz[detector]
    own = state.modes.sensor == detector
    lines = _lines(state, np.flatnonzero(own), shot * state.mode_peaks(), frequency_hz, rbw_hz)
    leak = shot * state.laser_leak[detector] ** 2 * electronics.laser_excess(frequency_hz)
    dark = state.electronics.dark_v2_per_hz[detector] * electronics.dark_shape(frequency_hz)
    return _through_detector(shot * state.light().marginal()[detector] + lines + leak + dark, frequency_hz)


def summed_psd(state: DetectorState, frequency_hz: FloatArray, rbw_hz: float) -> FloatArray:
    """Return the PSD of the analogue sum, each input weighted by 1/sqrt(M), through the same filter."""
    shot = state.shot_v2_per_hz
    modes = np.arange(len(state.modes.f0_hz))
    lines = _lines(state, modes, shot[state.modes.sensor] * state.mode_peaks(), frequency_hz, rbw_hz)
    leak = float(np.sum(state.laser_leak * np.sqrt(shot))) ** 2 * electronics.laser_excess(frequency_hz)
    dark = float(np.sum(state.electronics.dark_v2_per_hz)) * electronics.dark_shape(frequency_hz)
    total = np.sum(shot) * summed_variance(state, frequency_hz) + lines + leak + dark
    return _through_detector(total / state.count, frequency_hz)


def summed_variance(state: DetectorState, frequency_hz: FloatArray) -> FloatArray:
    """Return the variance of the analogue sum over its shot noise, without lines, dark and excess noise."""
    light, delay_s = state.light(), state.electronics.delay_s
    amplitude = np.sqrt(state.shot_v2_per_hz)
    if not amplitude.any():
        return np.ones(frequency_hz.shape)
    if np.ptp(delay_s) == 0.0:
        return np.full(frequency_hz.shape, float(light.weighted_sum(amplitude)))
    pieces = max(1, frequency_hz.size * state.count // _AT_A_TIME)
    return np.concatenate([light.summed(amplitude, delay_s, f) for f in np.array_split(frequency_hz, pieces)])


def output_line(state: DetectorState, detector: int, tone: ProbeTone) -> Line:
    """Return a tone as it comes out of one detector."""
    power = 0.5 * state.tone_volts(tone)[detector] ** 2
    return Line(tone.frequency_hz, _at(power, tone.frequency_hz))


def summed_line(state: DetectorState, tone: ProbeTone) -> Line:
    """Return a tone as it comes out of the analogue sum: the amplitudes add, each late by its cable."""
    turn = np.exp(-2j * np.pi * tone.frequency_hz * state.electronics.delay_s)
    power = 0.5 * float(np.abs(np.sum(state.tone_volts(tone) * turn)) ** 2) / state.count
    return Line(tone.frequency_hz, _at(power, tone.frequency_hz))


def driven_lines(state: DetectorState, detector: int | None) -> list[Line]:
    """Return the line of membranes that are driven, steady as while the drive is on: as it comes out of one detector
    (index from 0), or out of the analogue sum (None)."""
    if state.drive is None or not state.drive.now.volts:
        return []
    frequency_hz, volts = state.drive.now.frequency_hz, state.driven_volts()
    turn = np.exp(-2j * np.pi * frequency_hz * state.electronics.delay_s)
    amplitude_v = np.sum(volts * turn) / np.sqrt(state.count) if detector is None else volts[detector]
    return [Line(frequency_hz, _at(0.5 * float(np.abs(amplitude_v)) ** 2, frequency_hz))]


def oscillator_lines(state: DetectorState, detector: int | None) -> list[Line]:
    """Return the tone on the power of the local oscillators as it comes out of one detector (index from 0), or out of
    the analogue sum (None)."""
    tone = state.oscillator_tone
    if tone is None:
        return []
    turn = np.exp(-2j * np.pi * tone.frequency_hz * state.electronics.delay_s)
    amplitude_v = np.sum(tone.volts * turn) / np.sqrt(state.count) if detector is None else tone.volts[detector]
    return [Line(tone.frequency_hz, _at(0.5 * float(np.abs(amplitude_v)) ** 2, tone.frequency_hz))]


def _at(power_v2: float, frequency_hz: float) -> float:
    return float(_through_detector(np.array([power_v2]), np.array([frequency_hz]))[0])


def _through_detector(psd: FloatArray, frequency_hz: FloatArray) -> FloatArray:
    return np.asarray(psd * np.abs(electronics.detector_response(frequency_hz)) ** 2)


def _lines(
    state: DetectorState, modes: NDArray[np.intp], height: FloatArray, frequency_hz: FloatArray, rbw_hz: float
) -> FloatArray:
    """Return the sum of the lines of `modes`, `height` (K,) each, as the filter shows them."""
    total = np.zeros(frequency_hz.shape)
    lit = modes[height[modes] > 0.0]
    for some in np.array_split(lit, 1 + lit.size * frequency_hz.size // _AT_A_TIME):
        total += height[some] @ mode_shapes(state.modes, some, frequency_hz, rbw_hz)
    return total


def mode_shapes(modes: MembraneModes, chosen: NDArray[np.intp], frequency_hz: FloatArray, rbw_hz: float) -> FloatArray:
    """Return the line shapes of the modes `chosen`, peak 1 before the filter, shape (chosen, F)."""
    f0_hz, gamma_hz = modes.f0_hz[chosen], modes.gamma_hz[chosen]
    shapes = 1.0 / (1.0 + ((frequency_hz - f0_hz[:, None]) * (2.0 / gamma_hz[:, None])) ** 2)
    if not frequency_hz.size:
        return np.asarray(shapes)
    reach_hz = FAR_WIDTHS * rbw_hz
    near = (f0_hz > frequency_hz.min() - reach_hz) & (f0_hz < frequency_hz.max() + reach_hz)
    for k in np.flatnonzero(near):
        shapes[k] = filtered_lorentzian(frequency_hz, float(f0_hz[k]), float(gamma_hz[k]), rbw_hz)
    return np.asarray(shapes)
