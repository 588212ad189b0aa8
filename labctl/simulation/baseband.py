"""What a digital down-converter behind M detectors streams: complex samples around one frequency, block by block.

Unit: the shot noise of the usual local oscillator has <|x|^2> = 1 in every sample and channel. A band `sample_rate_hz`
wide is taken as if its filter were perfect. Within it noise is white but for the modes, and the delay of a cable is one
phase, that at the centre: 18 ns turn it by 14 mrad at 125 kHz from there.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from labctl.simulation import detector_electronics as electronics
from labctl.simulation.detector_state import DetectorState, FloatArray
from labctl.simulation.envelopes import PHASE_HOLD_S, PhaseNoise, samples_within
from labctl.simulation.probe_tone import ProbeTone
from labctl.simulation.squeezed_noise import SqueezedBeam
from labctl.simulation.truth import generator

StreamArray = NDArray[np.complex64]

BLOCK_SAMPLES = 16384


@dataclass(frozen=True, eq=False)
class Baseband:
    """A stream that `blocks` makes: the detectors at one moment, the centre and the width of the band in Hz.

    The slow state does not move while it streams. The same seed gives the same bytes, whatever the number of threads;
    bands of one seed and rate have the same phases and light of their own. At 5 to 10 kS/s around one mode a stream is
    as exact: modes outside the band are left out, and of those inside what a filter would cut off comes back into the
    band, some A (Gamma / fs)^2 of shot noise.
    """

    state: DetectorState
    seed: int
    center_hz: float = 4.3205e6
    sample_rate_hz: float = 250e3

    @property
    def hold(self) -> int:
        """Samples for which a phase stands still: 64 at 250 kS/s."""
        return min(samples_within(PHASE_HOLD_S, self.sample_rate_hz), BLOCK_SAMPLES)

    def around(self, mode: int, sample_rate_hz: float) -> Baseband:
        """Return the same light in a narrower band around one mode (index from 0)."""
        return replace(self, center_hz=float(self.state.modes.f0_hz[mode]), sample_rate_hz=sample_rate_hz)

    def noise_v2_per_hz(self) -> FloatArray:
        """Return the white noise of each detector that is its own, dark and the digitizer's, before its bandwidth."""
        center = np.array([self.center_hz])
        dark = self.state.electronics.dark_v2_per_hz * electronics.dark_shape(center)
        digitizer = electronics.DIGITIZER_NOISE_V2_PER_HZ / np.abs(electronics.detector_response(center)) ** 2
        return np.asarray(dark + digitizer)

    def volts_per_unit(self) -> FloatArray:
        """Return rms volts at the detectors for a sample of 1, (M,)."""
        response = np.abs(electronics.detector_response(np.array([self.center_hz])))
        return np.asarray(response * np.sqrt(self.state.electronics.usual_shot_v2_per_hz * self.sample_rate_hz))

    def blocks(self, count: int | None = None, workers: int = 2) -> Iterator[StreamArray]:
        """Yield `count` blocks (None: for ever) of shape (M, 16384), drawing ahead in `workers` threads."""
        light, motion = _Light(self), _Motion(self)
        numbers = itertools.count() if count is None else range(count)
        with ThreadPoolExecutor(workers, "baseband") as pool:
            phases = ((number, *light.next_phases()) for number in numbers)
            drawing = ((pool.submit(light.draw, number, angle), private) for number, angle, private in phases)
            ahead: deque[tuple[Future[StreamArray], FloatArray]] = deque(itertools.islice(drawing, workers))
            while ahead:
                future, private_rad = ahead.popleft()
                block = future.result()
                ahead.extend(itertools.islice(drawing, 1))
                motion.add_to(block, private_rad)
                yield block


class _Light:
    """Squeezed and white noise of all channels."""

    def __init__(self, stream: Baseband) -> None:
        state = stream.state
        self._stream = stream
        unit = state.electronics.usual_shot_v2_per_hz
        own = stream.noise_v2_per_hz()
        total = state.shot_v2_per_hz + own
        # Noise of one's own is to squeezing what loss is.
        self._beam = SqueezedBeam(state.squeezed, state.antisqueezed, state.share * state.shot_v2_per_hz / total)
        turn = np.exp(-2j * np.pi * stream.center_hz * state.electronics.delay_s)
        self._scale = (np.sqrt(total / unit) * turn * np.sqrt(0.5)).astype(np.complex64)
        self._phases = PhaseNoise(generator(stream.seed, "baseband phases"), state.count)
        self._hold_s = stream.hold / stream.sample_rate_hz
        self._ends_at = 0.0

    def next_phases(self) -> tuple[FloatArray, FloatArray]:
        """Return for the next block the angles of the quadratures, and the private part of them, both (H, M) in rad."""
        state = self._stream.state
        holds = BLOCK_SAMPLES // self._stream.hold
        common, private = self._phases.path(self._ends_at, self._hold_s, holds)
        self._ends_at += holds * self._hold_s
        private = state.private_jitter_rad * private
        return state.squeezed_angle_rad + state.common_jitter_rad * common[:, None] + private, private

    def draw(self, number: int, angle_rad: FloatArray) -> StreamArray:
        """Return block `number` under these angles: random numbers of its own, in any thread."""
        stream = self._stream
        rng = generator(stream.seed, f"baseband {stream.center_hz} {number}")
        white = rng.standard_normal((stream.state.count, 2 * BLOCK_SAMPLES), dtype=np.float32)
        self._beam.colour(white, angle_rad)
        block = white.view(np.complex64)
        block *= self._scale[:, None]
        return block


class _Motion:
    """Modes and tones in the band, which go on from block to block."""

    def __init__(self, stream: Baseband) -> None:
        state, rate_hz = stream.state, stream.sample_rate_hz
        modes, unit = state.modes, state.electronics.usual_shot_v2_per_hz
        offset_hz = modes.f0_hz - stream.center_hz
        inside = np.flatnonzero((np.abs(offset_hz) < 0.5 * rate_hz) & (modes.peak_to_shot > 0.0))
        # A line A S L(f) has the mean square A S pi Gamma / 2; a sample of 1 has that of the band, S fs.
        shot = (state.shot_v2_per_hz / unit)[modes.sensor]
        rms = np.sqrt(modes.peak_to_shot * shot * np.pi * modes.gamma_hz / (2.0 * rate_hz))
        late = np.exp(-2j * np.pi * modes.f0_hz * state.electronics.delay_s[modes.sensor])
        keep = np.exp((2j * np.pi * offset_hz - np.pi * modes.gamma_hz) / rate_hz)
        self._stream = stream
        self._modes = [
            _Mode(generator(stream.seed, f"baseband {stream.center_hz} mode {k}"), keep[k], rms[k] * late[k])
            for k in inside
        ]
        self._sensors = modes.sensor[inside]
        self._samples = 0

    def add_to(self, block: StreamArray, private_rad: FloatArray) -> None:
        """Add the next samples, seen under phases that shake by `private_rad` (H, M)."""
        state, hold = self._stream.state, self._stream.hold
        seen_rad = state.probe_angle_rad + private_rad
        cosine = np.cos(seen_rad).astype(np.float32)
        held = block.reshape(state.count, -1, hold)
        for sensor, mode in zip(self._sensors, self._modes, strict=True):
            held[sensor] += cosine[:, sensor, None] * mode.next_samples().reshape(-1, hold)
        for tone in state.tones:
            if abs(tone.frequency_hz - self._stream.center_hz) < 0.5 * self._stream.sample_rate_hz:
                self._add_tone(held, tone, seen_rad)
        self._samples += BLOCK_SAMPLES

    def _add_tone(self, held: StreamArray, tone: ProbeTone, seen_rad: FloatArray) -> None:
        """Add a tone to `held` (M, H, hold): amplitude c of a sine is c / 2^1/2 of a sample, times -i."""
        stream, state = self._stream, self._stream.state
        per_sample = (tone.frequency_hz - stream.center_hz) / stream.sample_rate_hz
        turns = per_sample * (self._samples + np.arange(BLOCK_SAMPLES)) % 1.0
        wave = -1j * np.exp(1j * (tone.phase_rad + 2.0 * np.pi * turns)).astype(np.complex64).reshape(-1, stream.hold)
        late = np.exp(-2j * np.pi * tone.frequency_hz * state.electronics.delay_s)
        unit_v = np.sqrt(2.0 * state.electronics.usual_shot_v2_per_hz * stream.sample_rate_hz)
        in_phase, in_amplitude = tone.per_angle()
        size = state.fringe_v / unit_v * late * (in_phase * np.cos(seen_rad) + in_amplitude * np.sin(seen_rad))
        held += size.T.astype(np.complex64)[:, :, None] * wave


class _Mode:
    """One mode: a[n + 1] = keep a[n] + (1 - |keep|^2)^1/2 xi, times `size`; exact from sample to sample."""

    def __init__(self, rng: np.random.Generator, keep: complex, size: complex) -> None:
        self._rng = rng
        self._keep = keep
        self._kick = size * np.sqrt(1.0 - abs(keep) ** 2)
        self._last = complex(size * self._normals(1)[0])

    def next_samples(self) -> StreamArray:
        drive = self._normals(BLOCK_SAMPLES)
        path, _ = lfilter([self._kick], [1.0, -self._keep], drive, zi=[self._keep * self._last])
        self._last = path[-1]
        return np.asarray(path, dtype=np.complex64)

    def _normals(self, count: int) -> StreamArray:
        pairs = self._rng.standard_normal(2 * count, dtype=np.float32)
        pairs *= np.float32(np.sqrt(0.5))
        return pairs.view(np.complex64)
