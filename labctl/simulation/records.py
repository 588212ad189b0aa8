"""Records of all detectors, sampled together: what a digitizer behind them takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from labctl.simulation import detector_electronics as electronics
from labctl.simulation.carriers import carrier_samples
from labctl.simulation.detector_state import DetectorState, Electronics, FloatArray
from labctl.simulation.envelopes import PHASE_HOLD_S, PhaseNoise, samples_within
from labctl.simulation.membranes import MembraneMotion
from labctl.simulation.oscillator_tone import OscillatorTone
from labctl.simulation.probe_tone import ProbeTone
from labctl.simulation.squeezed_noise import SqueezedBeam
from labctl.simulation.truth import generator

SampleArray = NDArray[np.float32]

CODES_PER_FULL_SCALE = 32768
FOLDS_BELOW_HZ = 1e6
"""Samples that are dropped and not averaged, slower than this: all noise up to the low-pass folds into the record."""
_CHAINS_KEPT = 8
_FOLDED_BINS = 33  # at which the sum over the folds is taken; it is smooth, being one of many
_LONG, _LONGEST = 1 << 18, 1 << 20  # samples that are worth a second thread, and that are drawn at once
_THREADS = 2


@dataclass(frozen=True, eq=False)
class _Chain:
    """What every record of one kind shares, over the bins of its transform: what light meets on the way (M, bins);
    the noise of the electronics in each part of a bin, in V (M, bins); the laser's excess likewise, over the root of
    its shot noise (bins)."""

    response: NDArray[np.complex64]
    electronics: SampleArray
    excess: SampleArray


@dataclass(frozen=True, eq=False)
class Burst:
    """A long record: `codes` (M, n) of a 16 bit digitizer, and what one of them is worth in V."""

    codes: NDArray[np.int16]
    volts_per_code: float
    sample_rate_hz: float


class Recorder:
    """Draws records of M detectors; motion and phases go on from one to the next, light and electronics begin anew.

    The phases of a record stand still for 131 to 256 us at a time. Noise is periodic over a record, which its filters
    forget within a microsecond. Aliases of the light are taken to be removed by the low-pass in front of the digitizer,
    but for records that are undersampled on purpose (`FOLDS_BELOW_HZ`): their noise has the power of all its folds, and
    the delays of the lowest.
    """

    def __init__(self, seed: int, hardware: Electronics, gamma_hz: FloatArray) -> None:
        self._hardware = hardware
        self._white = generator(seed, "records white")
        self._phases = PhaseNoise(generator(seed, "records phases"), len(hardware.delay_s))
        self._membranes = MembraneMotion(generator(seed, "records membranes"), gamma_hz)
        self._chains: dict[tuple[float, int, int], _Chain] = {}

    def volts(
        self, state: DetectorState, started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> SampleArray:
        """Return volts of all detectors from lab time `started_at` (s) on, shape (M, samples).

        `average` raw samples make one. More than a million are drawn in pieces, between which only the filters and
        what is slower than a piece begin anew.
        """
        pieces = [
            self._piece(
                state, started_at + first / sample_rate_hz, sample_rate_hz, min(_LONGEST, samples - first), average
            )
            for first in range(0, samples, _LONGEST)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def _piece(
        self, state: DetectorState, started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> SampleArray:
        chain = self._chain(sample_rate_hz, samples, average)
        hold = samples_within(PHASE_HOLD_S, sample_rate_hz)
        holds = -(-samples // hold)
        common, private = self._phases.path(started_at, hold / sample_rate_hz, holds)
        private = state.private_jitter_rad * private
        angle = state.squeezed_angle_rad + state.common_jitter_rad * common[:, None] + private
        light = self._light(state, angle, hold, sample_rate_hz)[:, :samples]
        workers = _THREADS if samples >= _LONG else 1
        transform = rfft(light, axis=1, workers=workers) * chain.response
        transform += self._electronics(state, chain)
        volts: SampleArray = irfft(transform, samples, axis=1, workers=workers)
        seen = state.probe_angle_rad + private
        amplitude = self._motion(state, seen, average)
        self._membranes.add_to(volts, state.modes, amplitude, started_at, sample_rate_hz, hold, state.drive)
        for tone in state.tones:
            in_phase, in_amplitude = tone.per_angle()
            size_v = state.fringe_v * (in_phase * np.cos(seen) + in_amplitude * np.sin(seen))
            self._add_tone(volts, tone, size_v.T, started_at, sample_rate_hz, average)
        if state.oscillator_tone is not None:
            steady_v = np.tile(state.oscillator_tone.volts[:, None], holds)
            self._add_tone(volts, state.oscillator_tone, steady_v, started_at, sample_rate_hz, average)
        return volts

    def burst(
        self, state: DetectorState, started_at: float, sample_rate_hz: float, samples: int, full_scale_v: float
    ) -> Burst:
        """Return a record of all detectors as codes from -32768 to 32767, `full_scale_v` for 32768 of them."""
        average = max(1, round(electronics.RAW_RATE_HZ / sample_rate_hz))
        volts = self.volts(state, started_at, sample_rate_hz, samples, average)
        volts *= CODES_PER_FULL_SCALE / full_scale_v
        np.rint(volts, out=volts)
        np.clip(volts, -CODES_PER_FULL_SCALE, CODES_PER_FULL_SCALE - 1, out=volts)
        return Burst(volts.astype(np.int16), full_scale_v / CODES_PER_FULL_SCALE, sample_rate_hz)

    def _light(self, state: DetectorState, angle_rad: FloatArray, hold: int, sample_rate_hz: float) -> SampleArray:
        white = self._white.standard_normal((state.count, len(angle_rad) * hold), dtype=np.float32)
        SqueezedBeam(state.squeezed, state.antisqueezed, state.share).colour(white, angle_rad)
        white *= np.sqrt(0.5 * sample_rate_hz * state.shot_v2_per_hz).astype(np.float32)[:, None]
        return white

    def _electronics(self, state: DetectorState, chain: _Chain) -> NDArray[np.complex64]:
        own = self._complex(chain.electronics.shape)
        own *= chain.electronics
        leak = (state.laser_leak * np.sqrt(state.shot_v2_per_hz)).astype(np.float32)
        laser = self._complex(chain.excess.shape) * chain.excess
        own += leak[:, None] * (laser * chain.response)
        return own

    def _complex(self, shape: tuple[int, ...]) -> NDArray[np.complex64]:
        return self._white.standard_normal((*shape, 2), dtype=np.float32).view(np.complex64)[..., 0]

    def _motion(self, state: DetectorState, seen_rad: FloatArray, average: int) -> NDArray[np.complex128]:
        # Power of a line A S_shot L(f): its area A S_shot pi Gamma / 2 is the mean square.
        modes = state.modes
        mean_square = modes.peak_to_shot * state.shot_v2_per_hz[modes.sensor] * 0.5 * np.pi * modes.gamma_hz
        on_the_way = self._response(modes.f0_hz, self._hardware.delay_s[modes.sensor], average)
        return np.asarray((np.sqrt(mean_square) * on_the_way)[:, None] * np.cos(seen_rad[:, modes.sensor]).T)

    def _add_tone(
        self,
        volts: SampleArray,
        tone: ProbeTone | OscillatorTone,
        size_v: FloatArray,
        started_at: float,
        sample_rate_hz: float,
        average: int,
    ) -> None:
        """Add a tone of `size_v` (M, H) in each detector and hold of its phase."""
        samples = volts.shape[1]
        hold = samples_within(PHASE_HOLD_S, sample_rate_hz)
        per_sample = tone.frequency_hz / sample_rate_hz
        turns = (tone.frequency_hz * started_at + per_sample * hold * np.arange(size_v.shape[1])) % 1.0
        sine = -1j * np.exp(1j * (tone.phase_rad + 2.0 * np.pi * turns))
        response = self._response(np.array([tone.frequency_hz]), self._hardware.delay_s, average)
        for row, size, on_the_way in zip(volts, size_v, response, strict=True):
            begin = size * on_the_way * sine
            row += carrier_samples(begin, np.zeros_like(begin), per_sample, hold)[:samples]

    def _response(self, frequency_hz: FloatArray, delay_s: FloatArray, average: int) -> NDArray[np.complex128]:
        chain = electronics.low_pass(frequency_hz) * electronics.boxcar(frequency_hz, average)
        delay = np.exp(-2j * np.pi * frequency_hz * delay_s)
        return np.asarray(electronics.detector_response(frequency_hz) * chain * delay)

    def _chain(self, sample_rate_hz: float, samples: int, average: int) -> _Chain:
        """Return what records of one kind share, from memory after the first."""
        key = (sample_rate_hz, samples, average)
        if key not in self._chains:
            if len(self._chains) == _CHAINS_KEPT:
                self._chains.pop(next(iter(self._chains)))
            self._chains[key] = self._new_chain(*key)
        return self._chains[key]

    def _new_chain(self, sample_rate_hz: float, samples: int, average: int) -> _Chain:
        frequency = np.arange(samples // 2 + 1, dtype=np.float64) * (sample_rate_hz / samples)
        response = self._response(frequency, self._hardware.delay_s[:, None], average)
        dark = np.outer(self._hardware.dark_v2_per_hz, electronics.dark_shape(frequency)) * np.abs(response) ** 2
        excess = electronics.laser_excess(frequency)
        if average == 1 and sample_rate_hz < FOLDS_BELOW_HZ:
            folded = self._folded_power(frequency, sample_rate_hz)
            excess *= np.abs(response[0]) ** 2 / folded  # it lies in the lowest fold alone
            response *= np.sqrt(folded) / np.abs(response)
            dark = np.outer(self._hardware.dark_v2_per_hz, folded)
        added = electronics.digitizer_noise_v2_per_hz(sample_rate_hz, average)
        # One-sided PSD S: a bin of the unnormalised transform has <|X|^2> = S fs n / 2, half of it in each part.
        level = np.sqrt(0.25 * sample_rate_hz * samples)
        return _Chain(
            response=response.astype(np.complex64),
            electronics=(level * np.sqrt(dark + added)).astype(np.float32),
            excess=(level * np.sqrt(excess)).astype(np.float32),
        )

    def _folded_power(self, frequency_hz: FloatArray, sample_rate_hz: float) -> FloatArray:
        """Return the power that detector and low-pass let through, summed over all frequencies that a sampler takes for
        `frequency_hz`."""
        bins = np.linspace(0.0, 0.5 * sample_rate_hz, _FOLDED_BINS)
        highest = int(np.ceil(2.0 * electronics.ANTI_ALIAS_HZ / sample_rate_hz))
        folds = np.abs(bins + sample_rate_hz * np.arange(-highest, highest + 1)[:, None])
        power = np.sum(np.abs(electronics.detector_response(folds) * electronics.low_pass(folds)) ** 2, axis=0)
        return np.asarray(np.interp(frequency_hz, bins, power))
