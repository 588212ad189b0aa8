"""Complex amplitudes that forget exponentially (Ornstein-Uhlenbeck), exact at every step and over every gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

PHASE_HOLD_S = 256e-6
"""How long a phase may stand still: a third of the memory of `PhaseNoise`."""


def samples_within(seconds: float, sample_rate_hz: float) -> int:
    """Return the largest power of two of samples that takes no longer than `seconds`, at least 1."""
    return 1 << max(0, int(seconds * sample_rate_hz * (1.0 + 1e-9)).bit_length() - 1)


class Envelopes:
    """K independent complex envelopes of mean square 1 and memory e^{-rate t}; `rate_per_s` (K,).

    a(t + h) = e^{-rate h} a(t) + (1 - e^{-2 rate h})^1/2 xi. Time only goes on: to ask for an earlier one gives the
    present. A mode of linewidth Gamma has the rate pi Gamma.
    """

    def __init__(self, rng: np.random.Generator, rate_per_s: FloatArray) -> None:
        self._rng = rng
        self._rate_per_s = rate_per_s
        self._value = self._normals((rate_per_s.size,))
        self.at_s = -np.inf

    def move_to(self, at_s: float) -> ComplexArray:
        """Return the envelopes at lab time `at_s`, shape (K,)."""
        gap_s = at_s - self.at_s
        if gap_s > 0.0:
            keep = np.exp(-self._rate_per_s * gap_s)
            self._value = keep * self._value + np.sqrt(1.0 - keep**2) * self._normals(keep.shape)
            self.at_s = at_s
        return self._value

    def path(self, started_at: float, step_s: float, steps: int) -> ComplexArray:
        """Return the envelopes every `step_s` from `started_at` on, both ends included, shape (K, steps + 1)."""
        start = self.move_to(started_at)
        keep = np.exp(-self._rate_per_s * step_s)
        kick = np.sqrt(1.0 - keep**2)
        points = np.empty((start.size, steps + 1), dtype=complex)
        points[:, 0] = start
        points[:, 1:] = kick[:, None] * self._normals((start.size, steps))
        for row, k in zip(points, keep, strict=True):
            row[1:], _ = lfilter([1.0], [1.0, -k], row[1:], zi=[k * row[0]])
        self._value = points[:, -1]
        self.at_s += steps * step_s
        return points

    def _normals(self, shape: tuple[int, ...]) -> ComplexArray:
        pairs = self._rng.standard_normal((*shape, 2)) * np.sqrt(0.5)
        return np.asarray(pairs.view(np.complex128)[..., 0])


class PhaseNoise:
    """Phases that shake: one for all and one for each of M detectors, of rms 1, with memory 1 / (2 pi corner)."""

    CORNER_HZ = 200.0  # of the noise that a lock leaves

    def __init__(self, rng: np.random.Generator, detectors: int) -> None:
        rate_per_s = np.full(1 + detectors, 2.0 * np.pi * self.CORNER_HZ)
        self._envelopes = Envelopes(rng, rate_per_s)

    def path(self, started_at: float, step_s: float, steps: int) -> tuple[FloatArray, FloatArray]:
        """Return the common phase (steps,) and the private ones (steps, M), every `step_s` from `started_at` on."""
        real = np.sqrt(2.0) * self._envelopes.path(started_at, step_s, steps).real[:, :-1]
        return real[0], real[1:].T
