"""Arithmetic of a digital servo: second-order sections whose stored output is the clamped one.

The integrator has no register of its own: its state is the last output, after limits and slew. So it cannot wind up:
nothing remembers how long it stood at a limit, and it leaves as the error turns. And it goes on from any output that
it is preset to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

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


def proportional_integral(corner_hz: float) -> Law:
    """Return the law H(s) = g/s (1 + s/(2 pi f)): an integrator that becomes proportional above the corner f."""

    def law(gain_per_s: float, period_s: float) -> Biquad:
        half, proportional = 0.5 * gain_per_s * period_s, gain_per_s / (2 * math.pi * corner_hz)
        return Biquad(half + proportional, half - proportional, 0.0, 1.0, 0.0)

    return law


def rolled_off_integrator(corner_hz: float) -> Law:
    """Return the law H(s) = g/s / (1 + s/(2 pi f)): an integrator that falls faster above the corner f, below a
    resonance; bilinear transform."""

    def law(gain_per_s: float, period_s: float) -> Biquad:
        k = 1.0 / (math.pi * corner_hz * period_s)
        half, r = 0.5 * gain_per_s * period_s / (1 + k), (1 - k) / (1 + k)
        return Biquad(half, 2 * half, half, 1 - r, r)

    return law


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
