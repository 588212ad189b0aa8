"""The numbers that a SIM960 can hold and how it spells them.

From the SIM960 operation manual rev. 2.3, section 3.4.3 (gains) and 3.4.4 (set point, limits).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final

FULL_RANGE_V: Final = (-10.0, 10.0)
ERROR_RANGE_V: Final = 1.0  # |set point - measured| beyond this overloads the input amplifier

_LIMIT_STEP_V = Decimal("0.01")


@dataclass(frozen=True)
class GainScale:
    """The magnitudes that a SIM960 can hold: two digits, and one digit below `two_digits_from`.

    `lowest` and `highest` bound the magnitude; `signed` allows both signs.
    """

    lowest: float
    two_digits_from: float
    highest: float
    signed: bool = False

    def nearest(self, value: float) -> float:
        """Return the value of the scale that is nearest to `value` (a tie goes to the even digit).

        Raises ValueError outside the range of the scale.
        """
        if not (self.lowest <= abs(value) <= self.highest and (self.signed or value > 0)):
            sign = "+-" if self.signed else ""
            raise ValueError(f"{value:g} is not in the range {sign}{self.lowest:g} to {sign}{self.highest:g}")
        exact = Decimal(repr(float(value)))
        digits = 2 if abs(value) >= self.two_digits_from else 1
        return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits + 1), ROUND_HALF_EVEN))


PROPORTIONAL_GAIN: Final = GainScale(0.1, 1.0, 1e3, signed=True)
INTEGRAL_GAIN: Final = GainScale(1e-2, 1e-1, 5e5)
DERIVATIVE_GAIN: Final = GainScale(1e-6, 1e-5, 10.0)
RAMP_RATE: Final = GainScale(1e-3, 1e-2, 1e4)


def nearest_gain(value: float) -> float:
    """Return the proportional gain (V/V) that a SIM960 holds when set to `value`; raises ValueError out of range."""
    return PROPORTIONAL_GAIN.nearest(value)


def on_scale(value: float, scale: GainScale) -> float:
    """Validate a gain and round it to what the module holds; raises ValueError out of range."""
    return scale.nearest(value)


def rounded_down(volts: float) -> Decimal:
    """Return the limit of 10 mV resolution at or below `volts`."""
    return Decimal(repr(float(volts))).quantize(_LIMIT_STEP_V, ROUND_FLOOR)


def rounded_up(volts: float) -> Decimal:
    """Return the limit of 10 mV resolution at or above `volts`."""
    return Decimal(repr(float(volts))).quantize(_LIMIT_STEP_V, ROUND_CEILING)


def finite_number(text: str) -> float:
    """Return the number that `text` spells; raises ValueError for anything else, also for NaN and infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def zero_or_one(text: str) -> int:
    """Return 0 or 1; raises ValueError for anything else."""
    if text not in ("0", "1"):
        raise ValueError(text)
    return int(text)


def register_bits(text: str) -> int:
    """Return the value of an eight-bit register; raises ValueError for anything else."""
    bits = int(text)
    if not 0 <= bits <= 255:
        raise ValueError(text)
    return bits
