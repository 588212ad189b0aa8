"""The cross-spectral matrix of a stream: digitizer samples in, S(f) of all channels out, gap-free, in bounded memory.

Samples are converted down to the band (`Decimator`), cut into Hann segments that overlap by half, and the products of
their spectra are added up in place. The result is `scipy.signal.csd` of the decimated records without detrending,
times two for one-sided densities.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import fft, next_fast_len
from scipy.signal.windows import hann

from labctl.errors import AnalysisRefused
from labctl.spectra.acquisition import HANN_ENBW_BINS, FloatArray
from labctl.spectra.cross_spectral_matrix import HALF_OVERLAP_CORRELATION, ComplexArray, CrossSpectrum
from labctl.spectra.decimation_kernels import Samples, add_products
from labctl.spectra.decimator import CHUNK_SAMPLES, THREADS, Baseband, Decimator
from labctl.spectra.down_conversion import DownConversion
from labctl.spectra.validity import Segment, ValidityMask

FEWEST_BINS = 2


@dataclass(frozen=True)
class StreamAccount:
    """What became of a stream: input samples per channel taken and lost, segments completed and used, samples at
    full scale (of all channels), and the effective number of independent averages."""

    samples: int
    lost: int
    segments: int
    valid: int
    saturated: int
    averages: float


class StreamingCrossSpectrum:
    """Averages the M x M cross-spectral matrix of a stream in the band of `conversion`.

    resolution_hz: largest distance between bins; the segment is the next even length that the FFT likes.
    volts_per_code: scale of the samples, one for all or (M,). full_scale_code: samples at or beyond it spoil the
    segments that they reach; without it saturation goes unseen. Refuses a resolution that leaves fewer than two bins.
    """

    def __init__(
        self,
        conversion: DownConversion,
        channels: int,
        resolution_hz: float,
        *,
        volts_per_code: npt.ArrayLike = 1.0,
        full_scale_code: int | None = None,
        threads: int = THREADS,
    ) -> None:
        if not (resolution_hz > 0 and FEWEST_BINS * resolution_hz <= conversion.band[1] - conversion.band[0]):
            raise AnalysisRefused(
                f"A resolution of {resolution_hz:g} Hz does not divide a band of "
                f"{conversion.band[1] - conversion.band[0]:g} Hz.",
                remedy="Ask for a finer one, above zero.",
            )
        self.decimator = Decimator(conversion, channels, threads=threads)
        self.conversion = conversion
        half = math.ceil(conversion.output_rate_hz / resolution_hz / 2 - 1e-9)
        self.segment_length = 2 * int(next_fast_len(max(half, 1)))
        self.bin_hz = conversion.output_rate_hz / self.segment_length
        reach = math.floor((conversion.band[1] - conversion.band[0]) / 2 / self.bin_hz + 1e-9)
        below, above = min(reach, self.segment_length // 2), min(reach, (self.segment_length - 1) // 2)
        self._first_bin = -below % self.segment_length
        bins = np.arange(-below, above + 1)
        self.frequency_hz: FloatArray = np.asarray(conversion.centre_hz + bins * self.bin_hz, dtype=np.float64)
        scale = np.asarray(volts_per_code, dtype=np.float64)
        if scale.shape not in ((), (channels,)) or not np.isfinite(scale).all():
            raise AnalysisRefused(
                f"Scales of shape {scale.shape} do not go with {channels} channels, or are not finite."
            )
        self._volts = np.broadcast_to(scale, (channels,))
        self._full_scale = full_scale_code
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)
        self._window = hann(self.segment_length, sym=False)
        self._pairs = [(i, j) for i in range(channels) for j in range(i, channels)]
        self._total: ComplexArray = np.zeros((len(self._pairs), len(bins)), dtype=np.complex128)
        self._segment: Baseband = np.empty((channels, self.segment_length), dtype=np.complex64)
        self._mask = ValidityMask()
        self._lost = self._segments = self._valid = self._adjacent = self._saturated = 0
        self._begin()

    @property
    def step(self) -> int:
        """Decimated samples from one segment to the next."""
        return self.segment_length // 2

    @property
    def validity(self) -> ValidityMask:
        """The spoiled stretches that segments still to come may meet; spoil more through it."""
        return self._mask

    def add(self, block: npt.ArrayLike, valid: bool | npt.NDArray[np.bool_] = True) -> list[Segment]:
        """Add a block (M, n) that follows the last one without a gap; return the segments that it completed.

        `valid` is the verdict of the locks on the whole block, or on each sample (n,). A segment that a spoiled sample
        reaches is left out. Refuses blocks of another shape or type.
        """
        x = self.decimator.check(block)
        self._judge(x.shape[1], valid)
        found: list[Segment] = []
        for at in range(0, x.shape[1], CHUNK_SAMPLES):
            chunk = x[:, at : at + CHUNK_SAMPLES]
            self._spoil_saturated(chunk)
            found += self._fill(self.decimator.push(chunk))
        self._mask.forget(self._reached(0)[0])
        return found

    def lose(self, samples: int) -> None:
        """The digitizer lost `samples` of each channel here: no segment spans the gap, the clock runs on."""
        self.decimator.restart(samples)
        self._lost += samples
        self._begin()
        self._mask.forget(self.decimator.start)

    def result(self) -> CrossSpectrum:
        """The average of the valid segments so far, V^2/Hz; refuses while there is none."""
        if self._valid == 0:
            why = f"all {self._segments} are spoiled" if self._segments else "none is complete"
            raise AnalysisRefused(f"No segment of the stream can be used: {why}.", remedy="Stream longer, in lock.")
        m = self.decimator.channels
        density = 2 / (self.conversion.output_rate_hz * float((self._window**2).sum()) * self._valid)
        csd: ComplexArray = np.empty((len(self.frequency_hz), m, m), dtype=np.complex128)
        for row, (i, j) in zip(self._total, self._pairs, strict=True):
            csd[:, i, j] = row * (density * self._volts[i] * self._volts[j])
            csd[:, j, i] = csd[:, i, j].conj()
        return CrossSpectrum(self.frequency_hz, csd, self.account.averages, HANN_ENBW_BINS * self.bin_hz)

    @property
    def account(self) -> StreamAccount:
        """What became of the stream so far; K = s^2 / (s + 2 p / 36) for s valid segments in p overlapping pairs."""
        s, p = self._valid, self._adjacent
        averages = s**2 / (s + 2 * p * HALF_OVERLAP_CORRELATION) if s else 0.0
        taken = self.decimator.position - self._lost
        return StreamAccount(taken, self._lost, self._segments, s, self._saturated, averages)

    def _begin(self) -> None:
        self._filled = self._in_stretch = 0
        self._last_valid = False

    def _judge(self, n: int, valid: bool | npt.NDArray[np.bool_]) -> None:
        first = self.decimator.position
        if isinstance(valid, np.ndarray):
            if valid.shape != (n,):
                raise AnalysisRefused(f"Validity of shape {valid.shape} does not go with {n} samples.")
            self._mask.spoil_where(~valid.astype(np.bool_), first)
        elif not valid:
            self._mask.spoil(first, first + n)

    def _spoil_saturated(self, x: Samples) -> None:
        if self._full_scale is None:
            return
        limit, at = self._full_scale, self.decimator.position
        full = self._pool.map(lambda codes: len(codes) > 0 and max(float(codes.max()), -float(codes.min())) >= limit, x)
        for codes in (codes for codes, is_full in zip(x, full, strict=True) if is_full):
            where = np.flatnonzero((codes >= limit) | (codes <= -limit))
            self._saturated += len(where)
            self._mask.spoil(at + int(where[0]), at + int(where[-1]) + 1)

    def _fill(self, samples: Baseband) -> list[Segment]:
        found, at = [], 0
        while at < samples.shape[1]:
            take = min(self.segment_length - self._filled, samples.shape[1] - at)
            self._segment[:, self._filled : self._filled + take] = samples[:, at : at + take]
            self._filled += take
            at += take
            if self._filled == self.segment_length:
                found.append(self._complete())
        return found

    def _complete(self) -> Segment:
        start, stop = self._reached(0)
        segment = Segment(self._segments, start, stop, self._mask.is_good(start, stop))
        if segment.valid:
            spectra = np.asarray(fft(self._segment * self._window, axis=1, workers=self._threads))
            self._accumulate(spectra)
            self._valid += 1
            self._adjacent += self._last_valid
        self._segments += 1
        self._in_stretch += 1
        self._last_valid = segment.valid
        self._segment[:, : self.step] = self._segment[:, self.step :]
        self._filled = self.step
        return segment

    def _accumulate(self, spectra: ComplexArray) -> None:
        edges = np.linspace(0, self._total.shape[1], self._threads + 1).astype(int)
        n = self.segment_length

        def add(part: int) -> None:
            stretch = self._total[:, edges[part] : edges[part + 1]]
            add_products(spectra, (self._first_bin + int(edges[part])) % n, stretch)

        for _ in self._pool.map(add, range(self._threads)):
            pass

    def _reached(self, ahead: int) -> tuple[int, int]:
        """Input samples [start, stop) that reach the segment now filled, or the one `ahead` of it."""
        d = self.conversion.decimation
        start = self.decimator.start + (self._in_stretch + ahead) * self.step * d
        return start, start + (self.segment_length - 1) * d + self.conversion.reach
