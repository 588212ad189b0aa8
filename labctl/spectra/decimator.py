"""Real samples in blocks of any length, complex samples out: the down-conversion with its state, gap-free."""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.spectra.anti_alias import padded
from labctl.spectra.decimation_kernels import TAPS_MULTIPLE, Samples, decimate, mix_and_decimate
from labctl.spectra.down_conversion import DownConversion, folded_taps

CHUNK_SAMPLES = 1 << 20
"""Samples of one channel that are worked on at a time."""
THREADS = 2

T = TypeVar("T")
Baseband = npt.NDArray[np.complex64]


class Decimator:
    """Down-conversion of M simultaneous channels of int16 (or float32) samples.

    Output sample k stands for input sample `start + delay_samples + k decimation`, where `start` is where the stream
    last began or went on after a gap; its phase is that of exp(-2 pi i f_c t) counted from the very first sample.
    Channels, and stretches of a channel, are shared among `threads`. Memory does not grow with the stream.
    """

    def __init__(self, conversion: DownConversion, channels: int, *, threads: int = THREADS) -> None:
        if channels < 1 or threads < 1:
            raise AnalysisRefused(f"{channels} channels in {threads} threads make no stream.")
        self.conversion = conversion
        self.channels = channels
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)
        taps = folded_taps(conversion)
        self._first_re, self._first_im = (np.asarray(part, dtype=np.float32) for part in taps)
        self._last = np.asarray(padded(conversion.last_taps, TAPS_MULTIPLE), dtype=np.float32)
        self._position = 0
        self.restart(0)

    @property
    def position(self) -> int:
        """Input samples of each channel taken so far, skipped ones included."""
        return self._position

    @property
    def start(self) -> int:
        """Input sample at which the present stretch without gaps began."""
        return self._start

    def restart(self, skipped: int) -> None:
        """Begin anew after `skipped` samples that were lost; what the filters held is dropped."""
        if skipped < 0:
            raise AnalysisRefused(f"{skipped} samples cannot have been lost.")
        self._position += skipped
        self._start = self._position
        self._tail: Samples = np.empty((self.channels, 0), dtype=np.int16)
        self._turns = self.conversion.cycles_per_step * Fraction(self._start, self.conversion.first_decimation)
        self._middle_re = np.empty((self.channels, 0), dtype=np.float32)
        self._middle_im = np.empty((self.channels, 0), dtype=np.float32)

    def check(self, block: npt.ArrayLike) -> Samples:
        """`block` as an array (M, n) of int16 or finite float32; refuses anything else."""
        x = np.asarray(block)
        if x.ndim != 2 or len(x) != self.channels:
            raise AnalysisRefused(f"A block of shape {x.shape} is not ({self.channels} channels, samples).")
        if x.dtype not in (np.int16, np.float32):
            raise AnalysisRefused(
                f"A block of {x.dtype} samples does not go into the stream.",
                remedy="Give int16 codes or float32 volts.",
            )
        if self._tail.size and x.dtype != self._tail.dtype:
            raise AnalysisRefused(f"A block of {x.dtype} samples follows blocks of {self._tail.dtype}.")
        if x.dtype == np.float32 and not np.isfinite(x).all():
            raise AnalysisRefused("A block holds samples that are not finite.")
        return x

    def push(self, block: npt.ArrayLike) -> Baseband:
        """Complex samples (M, k) that `block` (M, n) completes, k possibly 0. Refuses other shapes and types."""
        x = self.check(block)
        parts = [self._push(x[:, at : at + CHUNK_SAMPLES]) for at in range(0, x.shape[1], CHUNK_SAMPLES)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts, axis=1) if parts else np.empty((self.channels, 0), dtype=np.complex64)

    def _push(self, x: Samples) -> Baseband:
        self._position += x.shape[1]
        self._first_stage(x)
        return self._last_stage()

    def _first_stage(self, x: Samples) -> None:
        d, length = self.conversion.first_decimation, len(self._first_re)
        tail = self._tail if self._tail.size else x[:, :0]
        held = tail.shape[1]
        count = max(0, (held + x.shape[1] - length) // d + 1)
        across = min(count, -(-held // d))
        joint = _joined(tail, x[:, : across * d + length])
        kept = self._middle_re.shape[1]
        self._middle_re = _extended(self._middle_re, count)
        self._middle_im = _extended(self._middle_im, count)

        def convert(task: tuple[int, Samples, int, int]) -> None:
            channel, samples, first, stop = task
            turns = float((self._turns + first * self.conversion.cycles_per_step) % 1)
            out = slice(kept + first, kept + stop)
            mix_and_decimate(
                samples,
                d,
                *(self._first_re, self._first_im),
                cmath.exp(-2j * math.pi * turns),
                cmath.exp(-2j * math.pi * float(self.conversion.cycles_per_step % 1)),
                *(self._middle_re[channel, out], self._middle_im[channel, out]),
            )

        tasks: list[tuple[int, Samples, int, int]] = [(c, joint[c], 0, across) for c in range(self.channels) if across]
        stretches = self._threads // math.gcd(self.channels, self._threads)
        edges = [across + (count - across) * i // stretches for i in range(stretches + 1)]
        for first, stop in itertools.pairwise(edges):
            if stop > first:
                rest = x[:, first * d - held :]
                tasks += [(c, np.ascontiguousarray(rest[c]), first, stop) for c in range(self.channels)]
        self._share(convert, tasks)
        self._turns = (self._turns + count * self.conversion.cycles_per_step) % 1
        used = count * d
        left = x[:, used - held :] if used >= held else _joined(tail[:, used:], x)
        self._tail = left.copy()

    def _last_stage(self) -> Baseband:
        re, im = self._middle_re, self._middle_im
        length, d = len(self._last), self.conversion.last_decimation
        if length == 0:
            self._middle_re, self._middle_im = re[:, :0], im[:, :0]
            out: Baseband = np.empty(re.shape, dtype=np.complex64)
            out.real, out.imag = re, im
            return out
        count = max(0, (re.shape[1] - length) // d + 1)
        out = np.empty((self.channels, count), dtype=np.complex64)
        self._share(
            lambda channel: decimate(re[channel], im[channel], d, self._last, out[channel]), range(self.channels)
        )
        self._middle_re, self._middle_im = (np.array(part[:, count * d :]) for part in (re, im))
        return out

    def _share(self, work: Callable[[T], None], tasks: Iterable[T]) -> None:
        for _ in self._pool.map(work, tasks):
            pass


def _joined(first: Samples, then: Samples) -> Samples:
    """Two arrays of one type, one after the other."""
    out: Samples = np.empty((len(first), first.shape[1] + then.shape[1]), dtype=then.dtype)
    out[:, : first.shape[1]], out[:, first.shape[1] :] = first, then
    return out


def _extended(array: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    longer = np.empty((len(array), array.shape[1] + count), dtype=np.float32)
    longer[:, : array.shape[1]] = array
    return longer
