"""Noise as a spectrum analyzer displays it: how one point is distributed, and how neighbouring points hang together.

Behind a Gaussian resolution filter the power is exponentially distributed. A one-pole video filter averages it over K
independent samples, on the scale of the averaging type; traces are averaged on the same scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.analyzer_lines import rice_moments

FloatArray = NDArray[np.float64]

SIGMA_PER_RBW = 1.0 / math.sqrt(8.0 * math.log(2.0))
"""Standard deviation of a Gaussian power response over its -3 dB width."""
ENBW_PER_RBW = math.sqrt(math.pi / math.log(2.0)) / 2.0
"""Equivalent noise bandwidth of a Gaussian filter over its -3 dB width: 1.0645."""
CELL_PER_RBW = math.sqrt(4.0 * math.pi) * SIGMA_PER_RBW
"""Width of one independent power sample over RBW, in frequency and (inverted) in time: 1.505."""

_EXACT_UP_TO = 32.0  # larger K take the approximations named in `NoiseDraw`
_NEGLIGIBLE_CORRELATION = 1e-4
_NEGLIGIBLE_SHAPE = 1e-6
_NEGLIGIBLE_LINE = 1e-6  # of the noise
_MOST_SAMPLES_PER_POINT = 100
_MOST_SWEEPS_ONE_BY_ONE = 32


@dataclass(frozen=True)
class Scale:
    """The scale on which averages are taken, with the moments of a unit exponential variable on it."""

    forward: Callable[[FloatArray], FloatArray]
    backward: Callable[[FloatArray], FloatArray]
    mean: float
    variance: float
    skewness: float
    additive: bool = False

    def at_level(self, noise: FloatArray, power: FloatArray) -> FloatArray:
        """Return `noise` (on this scale, for a mean power of 1) where the mean power is `power`."""
        level = self.forward(power)
        return noise + level if self.additive else noise * level


POWER = Scale(lambda p: p, lambda p: p, 1.0, 1.0, 2.0)
LOG = Scale(np.log, np.exp, -float(np.euler_gamma), math.pi**2 / 6, -1.139547, additive=True)
VOLTAGE = Scale(np.sqrt, np.square, math.sqrt(math.pi) / 2, 1 - math.pi / 4, 0.631111)


def effective_averages(rbw_hz: float, vbw_hz: float) -> float:
    """Return K, the number of independent samples that the video filter averages into one point (at least 1).

    K = 1 / [pi v Int exp(-2 pi v |t|) exp(-pi^2 B^2 t^2 / (2 ln 2)) dt] with v the VBW and B the RBW; the integral is
    sqrt(pi/b) exp(z^2) erfc(z), b = (pi B)^2 / (2 ln 2), z = pi v / sqrt(b).
    """
    root_b = math.pi * rbw_hz / math.sqrt(2.0 * math.log(2.0))
    z = math.pi * vbw_hz / root_b
    return max(1.0, root_b / (math.sqrt(math.pi) ** 3 * vbw_hz * _scaled_erfc(z)))


def _scaled_erfc(z: float) -> float:
    if z < 5.0:
        return math.exp(z * z) * math.erfc(z)
    x = 1.0 / (2.0 * z * z)
    return (1.0 - x * (1.0 - 3.0 * x * (1.0 - 5.0 * x * (1.0 - 7.0 * x)))) / (z * math.sqrt(math.pi))


def memory_in_time(rbw_hz: float, vbw_hz: float, time_s: FloatArray) -> FloatArray:
    """Return the correlation of displayed powers `time_s` apart: that of the narrower of the two filters."""
    if vbw_hz < rbw_hz:
        return np.exp(-2.0 * np.pi * vbw_hz * time_s)
    return np.exp(-((np.pi * rbw_hz * time_s) ** 2) / (2.0 * math.log(2.0)))


def memory_in_frequency(rbw_hz: float, offset_hz: FloatArray) -> FloatArray:
    """Return the correlation exp(-d^2 / 4 s^2) of the powers of two points `offset_hz` apart, s = RBW / 2.355."""
    return np.exp(-(offset_hz**2) / (4.0 * (SIGMA_PER_RBW * rbw_hz) ** 2))


def lagged(power: FloatArray, spacing: float, lag: float) -> FloatArray:
    """Return `power` behind a one-pole filter that remembers `lag`, in the units of the points' `spacing`."""
    if lag < 0.01 * spacing:
        return power
    # Exact for a spectrum that runs straight from point to point; it is taken as level before the first one.
    decay = math.exp(-spacing / lag)
    new = 1.0 - (1.0 - decay) * lag / spacing
    reach = min(power.size, 1 + math.ceil(20.0 * lag / spacing))
    kernel = new * decay ** np.arange(reach)
    kernel[1:] += (1.0 - decay - new) * decay ** np.arange(reach - 1)
    kernel /= kernel.sum()
    padded = np.concatenate([np.full(reach - 1, power[0]), power])
    return np.convolve(padded, kernel, mode="valid")


class NoiseDraw:
    """Draws the noise of traces: arrays (points,) for a mean power of 1, on a `Scale`.

    `k`: independent samples in each point of one sweep. `correlation`: that of the powers of two points 0, 1, ...
    points - 1 apart. `samples`: how many such values a peak detector chooses from for one point.

    Marginal distributions are exact up to 32 averages: on the power scale Gamma(K, 1/K) for any K, as the squares of
    correlated normal amplitudes; on the others a weighted mean whose variance is that of K samples. Beyond, the
    power is a Wilson-Hilferty cube of correlated normals (its quantiles within 1e-3 of the Gamma's) and the others
    are normal with the right skewness. Correlations are exact for whole and half K, else up to a tenth too small;
    above 32 averages on the log and voltage scales they are those of the power.

    `line` (points,) is the power of lines at each point over the mean power of the noise there: a value is then that of
    noise of mean power 1 with the line in it, and log averages do not take the line for noise. Their beat counts as
    averaged K times like the noise, where a video filter does it up to sqrt 2 less often. Beyond 32 averages points
    with a line are normal with the right mean, variance and skewness.
    """

    def __init__(self, rng: np.random.Generator, k: float, correlation: FloatArray, samples: float = 1.0) -> None:
        self.k = k
        self.points = correlation.size
        self.samples = int(min(max(1.0, round(samples)), _MOST_SAMPLES_PER_POINT))
        self._rng = rng
        self._power_filter = _circulant_filter(correlation)
        self._amplitude_filter = _circulant_filter(np.sqrt(correlation))

    def mean(self, scale: Scale, sweeps: float = 1.0, line: FloatArray | None = None) -> FloatArray:
        """Return the mean of `sweeps` sweeps."""
        k = self.k * sweeps
        if k > _EXACT_UP_TO:
            return self._mean_of_many(scale, k, line)
        if scale is not POWER:
            return self._weighted_mean(scale, k, line)
        if line is None:
            return self._gamma(k)
        # The line is in one of the 2 k squares that make the power: which one does not matter.
        square = (self._normals(self._amplitude_filter, 1)[0] + np.sqrt(2.0 * k * line)) ** 2
        return np.asarray(((k - 0.5) * self._gamma(k - 0.5) + 0.5 * square) / k)

    def extreme_mean(
        self, scale: Scale, sweeps: int, highest: NDArray[np.bool_], line: FloatArray | None = None
    ) -> FloatArray:
        """Return the mean of `sweeps` sweeps behind a peak detector.

        A point shows its highest sample where `highest`, else its lowest. Above 32 sweeps the spread is that of 32.
        """
        drawn = min(sweeps, _MOST_SWEEPS_ONE_BY_ONE)
        total = np.zeros(self.points)
        for _ in range(drawn):
            candidates = np.array([self.mean(scale, line=line) for _ in range(self.samples)])
            total += np.where(highest, candidates.max(axis=0), candidates.min(axis=0))
        return total / drawn

    def _gamma(self, k: float) -> FloatArray:
        if self._amplitude_filter is None:
            return self._rng.gamma(k, 1.0 / k, self.points)
        halves = int(2.0 * k)
        power = 0.5 * np.sum(self._normals(self._amplitude_filter, halves) ** 2, axis=0)
        rest = k - 0.5 * halves
        if rest > _NEGLIGIBLE_SHAPE:
            # Beta(r, 1/2 - r) times Gamma(1/2) is Gamma(r).
            share = self._rng.beta(rest, 0.5 - rest, self.points)
            power += share * 0.5 * self._normals(self._amplitude_filter, 1)[0] ** 2
        return np.asarray(power / k)

    def _weighted_mean(self, scale: Scale, k: float, line: FloatArray | None) -> FloatArray:
        weights = _weights(k)
        if self._amplitude_filter is None and line is None:
            power = self._rng.standard_exponential((weights.size, self.points))
        else:
            amplitudes = self._normals(self._amplitude_filter, 2 * weights.size)
            if line is not None:
                amplitudes[0::2] += np.sqrt(2.0 * line)
            power = 0.5 * (amplitudes[0::2] ** 2 + amplitudes[1::2] ** 2)
        return np.asarray(weights @ scale.forward(power))

    def _mean_of_many(self, scale: Scale, k: float, line: FloatArray | None) -> FloatArray:
        normal = self._normals(self._power_filter, 1)[0]
        if scale is POWER:
            value = np.asarray((1.0 - 1.0 / (9.0 * k) + normal / (3.0 * math.sqrt(k))) ** 3)
        else:
            value = _nearly_normal(normal, k, scale.mean, scale.variance, scale.skewness)
        if line is not None:
            seen = np.flatnonzero(line > _NEGLIGIBLE_LINE)
            sizes, which = np.unique(line[seen], return_inverse=True)
            moments = (moment[which] for moment in rice_moments(scale.forward, sizes))
            value[seen] = _nearly_normal(normal[seen], k, *moments)
        return value

    def _normals(self, response: FloatArray | None, rows: int) -> FloatArray:
        if response is None:
            return self._rng.standard_normal((rows, self.points))
        length = 2 * (response.size - 1)
        white = self._rng.standard_normal((rows, length))
        return np.fft.irfft(np.fft.rfft(white) * response, length)[:, : self.points]


def _nearly_normal(
    normal: FloatArray, k: float, mean: FloatArray | float, variance: FloatArray | float, skewness: FloatArray | float
) -> FloatArray:
    """Return the mean of `k` values with these moments."""
    skewed = normal + skewness / math.sqrt(k) / 6.0 * (normal**2 - 1.0)
    return np.asarray(mean + np.sqrt(variance / k) * skewed)


def _circulant_filter(correlation: FloatArray) -> FloatArray | None:
    """Return the frequency response that gives white normals `correlation`, or None where neighbours know nothing."""
    reach = int(np.flatnonzero(correlation > _NEGLIGIBLE_CORRELATION)[-1])
    if reach == 0:
        return None
    # White noise is coloured on a circle, whose ends must not meet within the reach. Where the whole trace hangs
    # together the correlation is mirrored: a cut would not be one of any noise.
    decays = reach < correlation.size - 1
    length = 1 << (correlation.size + reach - 1).bit_length() if decays else 2 * reach
    steps = np.arange(length)
    lag = np.minimum(steps, length - steps)
    circle = np.where(lag <= reach, correlation[np.minimum(lag, reach)], 0.0)
    spectrum = np.maximum(np.fft.rfft(circle).real, 0.0)
    variance = (spectrum[0] + spectrum[-1] + 2.0 * np.sum(spectrum[1:-1])) / length
    return np.asarray(np.sqrt(spectrum / variance))


def _weights(k: float) -> FloatArray:
    """Return weights that sum to one and whose squares sum to 1/k: equal ones and one smaller."""
    count = math.ceil(k)
    if count == 1:
        return np.ones(1)
    equal = (1.0 + math.sqrt(max(0.0, 1.0 - count / (count - 1) * (1.0 - 1.0 / k)))) / count
    return np.append(np.full(count - 1, equal), 1.0 - (count - 1) * equal)
