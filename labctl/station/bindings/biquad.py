"""Arithmetic of a digital servo: second-order sections whose stored output is the clamped one.

The integrator has no register of its own: its state is the last output, after limits and slew. So it cannot wind up:
nothing remembers how long it stood at a limit, and it leaves as the error turns. And it goes on from any output that
it is preset to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_INTEGRATING = 1e-12  # how far the pole may be from 1


@dataclass(frozen=True)
class Biquad:
    """y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] + a1 y[n-1] + a2 y[n-2], one step a period."""

    b0: float
    b1: float
    b2: float
    a1: float
    a2: float

    @property
    def integrates(self) -> bool:
        """Whether the output rests, wherever it is, while the input is zero: a pole at z = 1."""
        return abs(self.a1 + self.a2 - 1.0) < _INTEGRATING


Law = Callable[[float, float], Biquad]
"""A control law: from integral gain (1/s, signed) and period (s) to coefficients."""


def integrator(gain_per_s: float, period_s: float) -> Biquad:
    """Return H(s) = g/s by the trapezoidal rule."""
    half = 0.5 * gain_per_s * period_s
    return Biquad(half, half, 0.0, 1.0, 0.0)


def integrator_with(zeros_hz: Sequence[float] = (), pole_hz: float | None = None) -> Law:
    """Return the law H(s) = g/s prod(1 + s/(2 pi z)) / (1 + s/(2 pi p)), bilinear transform.

    At most one zero more than poles, so that it is no differentiator. Raises ValueError.
    """
    poles_hz = () if pole_hz is None else (pole_hz,)
    if len(zeros_hz) > 1 + len(poles_hz):
        raise ValueError(f"{len(zeros_hz)} zeros over {len(poles_hz)} poles and an integrator differentiate")

    def law(gain_per_s: float, period_s: float) -> Biquad:
        # 1 + s/(2 pi f) becomes ((1 + k) + (1 - k)/z) / (1 + 1/z) with k = 1/(pi f T); g/s becomes g T/2 over the same.
        numerator = np.array([0.5 * gain_per_s * period_s])
        for corner_hz in zeros_hz:
            numerator = np.convolve(numerator, _factor(corner_hz, period_s))
        for _ in range(1 + len(poles_hz) - len(zeros_hz)):
            numerator = np.convolve(numerator, [1.0, 1.0])
        ratio = 0.0
        for corner_hz in poles_hz:
            first, second = _factor(corner_hz, period_s)
            numerator, ratio = numerator / first, second / first
        b0, b1, b2 = (*numerator.tolist(), 0.0)[:3]
        return Biquad(b0, b1, b2, 1.0 - ratio, ratio)

    return law


def _factor(corner_hz: float, period_s: float) -> tuple[float, float]:
    k = 1.0 / (math.pi * corner_hz * period_s)
    return 1.0 + k, 1.0 - k


def proportional_integral(corner_hz: float) -> Law:
    """Return the law H(s) = g/s (1 + s/(2 pi f)): an integrator that becomes proportional above the corner f."""
    return integrator_with([corner_hz])


def rolled_off_integrator(corner_hz: float) -> Law:
    """Return the law H(s) = g/s / (1 + s/(2 pi f)): an integrator that falls faster above the corner f, below a
    resonance."""
    return integrator_with(pole_hz=corner_hz)


@dataclass(frozen=True)
class OutputLimits:
    """What an output may do: its lowest and highest value, and its largest change in one step."""

    low: float
    high: float
    step: float = math.inf


@dataclass(frozen=True)
class Memory:
    """What a section remembers: the last two inputs and the last two outputs as they really went out."""

    x1: float
    x2: float
    y1: float
    y2: float

    @classmethod
    def at_rest(cls, output: float, error: float = 0.0) -> Memory:
        """Return the memory of one that has stood at `output` with `error` for ever: it goes on without a jump."""
        return cls(error, error, output, output)


def advance(section: Biquad, limits: OutputLimits, memory: Memory, error: float) -> Memory:
    """Return the memory after one step; its `y1` is the output, always within `limits`.

    ValueError where `error` is not a finite number.
    """
    if not math.isfinite(error):
        raise ValueError(f"{error} is no error signal")
    wanted = (
        section.b0 * error
        + section.b1 * memory.x1
        + section.b2 * memory.x2
        + section.a1 * memory.y1
        + section.a2 * memory.y2
    )
    if math.isnan(wanted):  # the difference of two overflows
        wanted = memory.y1
    slewed = min(max(wanted, memory.y1 - limits.step), memory.y1 + limits.step)
    output = min(max(slewed, limits.low), limits.high)
    return Memory(error, memory.x1, output, memory.y1)
