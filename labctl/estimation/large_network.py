"""Networks of thousands of sensors: time and memory grow as M, no M x M matrix is ever formed.

A shared beam gives the records a covariance of rank one, C = 1 + (V - 1) u u^T. The joint record is a sum that can be
taken as sensors report, in any order and in parts. The mode u itself comes from a power iteration in which every
product C x is taken block by block as Y^T (Y x) / n. With n samples of M sensors, g = M / n, sampling noise pushes
an eigenvalue l up to l (1 + g / (l - 1)) and turns its vector, cos^2 = (1 - g / (l - 1)^2) / (1 + g / (l - 1)), and
below l = 1 + sqrt(g) nothing can be seen (Baik, Ben Arous and Peche, Ann. Probab. 33, 1643 (2005); Paul, Stat. Sinica
17, 1617 (2007)); for a squeezed mode l < 1 the same with sqrt(g) < 1 - l.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.spectra.acquisition import FloatArray

Blocks = Callable[[], Iterable[npt.NDArray[np.floating]]]
"""Gives the record anew, block by block (samples, M), each sensor in units of its shot noise."""

MOST_ITERATIONS = 200
CONVERGED = 1e-8
"""Change of the squared overlap between two iterations."""
SMALLEST_CLEARANCE = 1.1
"""Excess eigenvalue over the threshold below which a mode is not told from noise."""
FEWEST_SAMPLES = 30


class StreamingSum:
    """Weighted sum of many sensors' records as they arrive, and its variance relative to its own shot noise.

    Memory is that of one record, whatever M. Partial sums of two halves of a network add with `merge`, as in a tree.
    """

    def __init__(self, samples: int) -> None:
        if samples < FEWEST_SAMPLES:
            raise AnalysisRefused(f"{samples} samples are too few for a variance.", remedy=f"Take {FEWEST_SAMPLES}.")
        self._sum: FloatArray = np.zeros(samples)
        self._squares = 0.0
        self._sensors = 0

    @property
    def sensors(self) -> int:
        """How many sensors have reported."""
        return self._sensors

    def add(self, records: npt.ArrayLike, weights: npt.ArrayLike = 1.0) -> None:
        """Add records (m, samples), or (samples,) of one sensor, each in units of its shot noise, with their weights.

        Refuses records of another length and numbers that are not finite.
        """
        y = np.atleast_2d(np.asarray(records, dtype=np.float64))
        w = np.broadcast_to(np.asarray(weights, dtype=np.float64), (len(y),))
        if y.ndim != 2 or y.shape[1] != len(self._sum):
            raise AnalysisRefused(f"A record of shape {y.shape} does not go with {len(self._sum)} samples.")
        total = w @ y
        if not np.isfinite(total).all():
            raise AnalysisRefused("A record or weight is not finite.")
        self._sum += total
        self._squares += float(w @ w)
        self._sensors += len(y)

    def merge(self, other: StreamingSum) -> None:
        """Add another part of the network, recorded over the same samples."""
        if len(other._sum) != len(self._sum):
            raise AnalysisRefused(f"Sums of {len(self._sum)} and {len(other._sum)} samples do not go together.")
        self._sum += other._sum
        self._squares += other._squares
        self._sensors += other._sensors

    def variance(self) -> Estimate:
        """Variance of the sum over that of shot noise; sigma V sqrt(2 / n) for n independent real samples."""
        if self._squares == 0:
            raise AnalysisRefused("No sensor has reported yet.")
        n = len(self._sum)
        value = float(np.var(self._sum, ddof=1)) / self._squares
        return Estimate(value, value * math.sqrt(2 / (n - 1)), "", f"joint: sum of {self._sensors} sensors")


@dataclass(frozen=True, eq=False)
class SharedMode:
    """The mode that the sensors share.

    weights (M,): unit vector u, sign such that most of it is positive; variance: V along u, sampling bias taken out;
    overlap: expected squared overlap of `weights` with the true u; iterations: of the power method.
    """

    weights: FloatArray
    variance: Estimate
    overlap: float
    iterations: int


def shared_mode(blocks: Blocks, sensors: int, *, squeezed: bool = False, seed: int = 0) -> SharedMode:
    """Find the antisqueezed (or, with `squeezed`, the squeezed) mode of M sensors by power iteration.

    `blocks` gives the record anew for every iteration; samples must be independent and of mean zero. Antisqueezing is
    the easier to see: it is what to record for finding u. Refuses fewer than 30 samples, blocks of another M,
    records that are not in units of shot noise, and a mode too weak for M / n.
    """
    if sensors < 2:
        raise AnalysisRefused(f"{sensors} sensors share no mode.")
    x = np.random.default_rng(seed).standard_normal(sensors)
    x /= np.linalg.norm(x)
    _, samples, trace = _product(blocks, x)
    if samples < FEWEST_SAMPLES:
        raise AnalysisRefused(f"{samples} samples are too few.", remedy=f"Record {FEWEST_SAMPLES} or more.")
    mean_power = trace / sensors
    ratio = sensors / samples
    # C - shift has its wanted eigenvalue as the largest in magnitude: no shift for the top, beyond the top for the rest
    shift = (1 + math.sqrt(ratio)) ** 2 * max(mean_power, 1.0) if squeezed else 0.0
    if squeezed and ratio >= 1:
        raise AnalysisRefused(
            f"{samples} samples of {sensors} sensors do not show a squeezed mode.",
            remedy="Record longer, or the antisqueezed quadrature.",
        )
    iterations, change = 0, 1.0
    while change > CONVERGED and iterations < MOST_ITERATIONS:
        iterations += 1
        y, _, _ = _product(blocks, x)
        y = y - shift * x
        y /= np.linalg.norm(y)
        change = 1 - float(x @ y) ** 2
        x = y
    y, _, _ = _product(blocks, x)
    seen = float(x @ y)
    x = x if x.sum() >= 0 else -x
    return _without_sampling_bias(x, seen, ratio, samples, iterations)


def _product(blocks: Blocks, x: FloatArray) -> tuple[FloatArray, int, float]:
    """C x, the number of samples, and the trace of C, each block seen once."""
    total, samples, trace = np.zeros_like(x), 0, 0.0
    for block in blocks():
        if block.ndim != 2 or block.shape[1] != len(x):
            raise AnalysisRefused(f"A block of shape {block.shape} does not hold {len(x)} sensors.")
        along = block @ x.astype(block.dtype)
        total += along @ block
        samples += len(block)
        trace += float(np.vdot(block, block).real)
    if not (samples and np.isfinite(trace)):
        raise AnalysisRefused("The record is empty or holds numbers that are not finite.")
    return total / samples, samples, trace / samples


def _without_sampling_bias(x: FloatArray, seen: float, ratio: float, samples: int, iterations: int) -> SharedMode:
    """The eigenvalue l of which `seen` = l (1 + g / (l - 1)) is the sample's, and the overlap of the vector."""
    b = 1 + seen - ratio
    discriminant = b**2 - 4 * seen
    edge = (1 + math.sqrt(ratio)) ** 2 if seen > 1 else (1 - math.sqrt(min(ratio, 1.0))) ** 2
    excess = math.sqrt(max(discriminant, 0.0))
    value = (b + excess) / 2 if seen > 1 else (b - excess) / 2
    if discriminant <= 0 or abs(value - 1) < SMALLEST_CLEARANCE * math.sqrt(ratio) or value <= 0:
        raise AnalysisRefused(
            f"An eigenvalue of {seen:.3g} is not told from sampling noise, which reaches {edge:.3g}.",
            remedy="Record longer, or the antisqueezed quadrature.",
        )
    delta = value - 1
    overlap = (1 - ratio / delta**2) / (1 + ratio / delta)
    sigma = value * math.sqrt(2 / samples / max(1 - ratio / delta**2, 1e-6))
    return SharedMode(x, Estimate(value, sigma, "", "along the shared mode, shot noise = 1"), overlap, iterations)
